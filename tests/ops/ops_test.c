/* ops_test.c — every inner loop of every instruction set against the scalar reference.

   Without arguments: compares, each table that this processor can run, over odd, even, empty and
   large lengths. With --time: also times them, in thread time, so that a busy machine shows less.
   To add an inner loop: an entry in simd.h, its scalar form, and a line in `compare`. */
#include "core/half.h"
#include "cpu/simd.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 6000 };

static const simd_table *scalar, *table;
static int failures, comparisons;
static bool timing;

static uint32_t random_state = 12345;

static uint32_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static float random_float(void)
{
    return (float)(random_bits() >> 8) / (1 << 23) - 1;
}

static void fill(float *to, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = random_float() * scale;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void expect(const char *what, int64_t n, const float *got, const float *want, int64_t count,
                   float tolerance)
{
    comparisons++;
    for (int64_t i = 0; i < count; i++) {
        bool same = got[i] == want[i] || (got[i] != got[i] && want[i] != want[i]);
        if (same || fabsf(got[i] - want[i]) <= tolerance * fmaxf(1, fabsf(want[i])))
            continue;
        printf("%s %s, length %lld: element %lld is %.9g, the reference has %.9g\n", table->name,
               what, (long long)n, (long long)i, (double)got[i], (double)want[i]);
        failures++;
        return;
    }
}

static const int64_t lengths[] = {0,  1,  2,  3,   7,   8,   15,   16,  17,
                                  31, 33, 64, 100, 257, 576, 1536, 5000};

static float x[MOST], y[MOST], z[MOST], a[MOST], b[MOST];

typedef void (*row_fn)(float *to, const float *from, int64_t n);

static void compare_rows(void)
{
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {{"exp", offsetof(simd_table, exp)},
                {"erf", offsetof(simd_table, erf)},
                {"tanh", offsetof(simd_table, tanh)},
                {"sigmoid", offsetof(simd_table, sigmoid)},
                {"silu", offsetof(simd_table, silu)},
                {"gelu", offsetof(simd_table, gelu)},
                {"gelu_tanh", offsetof(simd_table, gelu_tanh)}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        row_fn want = *(const row_fn *)(const void *)((const char *)scalar + rows[r].at);
        row_fn got = *(const row_fn *)(const void *)((const char *)table + rows[r].at);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            fill(x, lengths[i], 12);
            if (lengths[i] > 16) {
                x[3] = 1e-6f, x[4] = 88.5f, x[5] = -88.5f, x[6] = NAN, x[7] = -0.0f;
                x[8] = r == 0 ? INFINITY : 40, x[9] = r == 0 ? -INFINITY : -40;
            }
            want(a, x, lengths[i]);
            got(b, x, lengths[i]);
            expect(rows[r].name, lengths[i], b, a, lengths[i], 5e-7f);
        }
        double start = now(), n = 0;
        for (; timing && now() - start < 0.05; n += 5000)
            got(b, x, 5000);
        if (timing)
            printf("%-8s %-10s %6.2f ns an element\n", table->name, rows[r].name,
                   (now() - start) / n * 1e9);
    }
}

static void compare_sums(void)
{
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int64_t n = lengths[i];
        float got, want;
        fill(x, n, 2);
        fill(y, n, 2);
        fill(z, n, 2);
        got = table->sum(x, n), want = scalar->sum(x, n);
        expect("sum", n, &got, &want, 1, 1e-4f);
        got = table->squares(x, 0.3f, n), want = scalar->squares(x, 0.3f, n);
        expect("squares", n, &got, &want, 1, 1e-5f);
        got = table->top(x, n), want = scalar->top(x, n);
        expect("top", n, &got, &want, 1, 0);
        got = table->dot(x, y, n), want = scalar->dot(x, y, n);
        expect("dot", n, &got, &want, 1, 1e-4f);
        table->normalize(b, x, 0.2f, 1.7f, y, z, n);
        scalar->normalize(a, x, 0.2f, 1.7f, y, z, n);
        expect("normalize", n, b, a, n, 1e-6f);
        table->softmax(b, x, n, -INFINITY, 0);
        scalar->softmax(a, x, n, -INFINITY, 0);
        expect("softmax", n, b, a, n, 1e-6f);
        memcpy(a, x, sizeof a);
        memcpy(b, x, sizeof b);
        got = table->exp_shift(b, n, 2.1f), want = scalar->exp_shift(a, n, 2.1f);
        expect("exp_shift", n, b, a, n, 1e-6f);
        expect("exp_shift", n, &got, &want, 1, 1e-5f);
        memcpy(a, x, sizeof a);
        memcpy(b, x, sizeof b);
        table->axpy(b, 0.37f, y, n);
        scalar->axpy(a, 0.37f, y, n);
        expect("axpy", n, b, a, n, 1e-6f);
    }
    for (int i = 0; i < 20; i++)
        x[i] = -INFINITY;
    table->softmax(b, x, 20, -INFINITY, 0);
    scalar->softmax(a, x, 20, -INFINITY, 0);
    expect("softmax of -inf", 20, b, a, 20, 0);
}

/* The largest products a 16-bit pair can make of 8-bit numbers less their zero points. */
static void compare_pairs(void)
{
    enum { PAIRS = 37, ROW = 80 };
    static int16_t left[8 * ROW], panel[PAIRS * 64 * 2];
    int64_t width = table->pair_columns;
    for (int i = 0; i < 8 * ROW; i++)
        left[i] = i % 5 == 0 ? -255 : (int16_t)(random_bits() % 511 - 255);
    for (int64_t i = 0; i < PAIRS * width * 2; i++)
        panel[i] = i % 7 == 0 ? 255 : (int16_t)(random_bits() % 511 - 255);
    for (int64_t pairs = 0; pairs <= PAIRS; pairs += pairs < 3 ? 1 : 17)
        for (int64_t rows = 1; rows <= table->pair_rows; rows++)
            for (int64_t columns = 1; columns <= width; columns += 5) {
                int32_t got[8 * 64] = {0};
                table->tile_pairs(rows, columns, pairs, left, ROW, panel, got, 64);
                bool same = true;
                for (int64_t r = 0; r < rows; r++)
                    for (int64_t c = 0; c < 64; c++) {
                        int32_t sum = 0;
                        for (int64_t i = 0; c < columns && i < 2 * pairs; i++)
                            sum += left[r * ROW + i] * panel[(i / 2 * width + c) * 2 + i % 2];
                        same = same && got[r * 64 + c] == sum;
                    }
                comparisons++;
                if (!same && ++failures)
                    printf("%s tile_pairs, %lld pairs: differs\n", table->name, (long long)pairs);
            }
}

static void compare_tiles(void)
{
    static float panel[300 * 40];
    int64_t width = table->tile_columns;
    for (int64_t k = 0; k < 70; k += 23)
        for (int64_t rows = 1; rows <= table->tile_rows; rows++)
            for (int64_t columns = 1; columns <= width; columns += columns < width - 3 ? 3 : 1) {
                bool add = (rows + columns) % 2 == 0;
                fill(x, rows * 75, 1);
                fill(panel, k * (width + 1), 1);
                fill(a, rows * 50, 1);
                memcpy(b, a, sizeof b);
                for (int64_t r = 0; r < rows; r++)
                    for (int64_t c = 0; c < columns; c++) {
                        float sum = add ? a[r * 50 + c] : 0;
                        for (int64_t i = 0; i < k; i++)
                            sum += x[r * 75 + i] * panel[i * (width + 1) + c];
                        a[r * 50 + c] = sum;
                    }
                table->tile(rows, columns, k, x, 75, panel, width + 1, b, 50, add);
                expect("tile", k, b, a, rows * 50, 1e-5f);
            }
    for (int64_t rows = 1; rows < 10; rows++)
        for (int64_t d = 1; d < 130; d += 21) {
            fill(x, rows * d, 1);
            fill(y, 11 * d, 1);
            table->dots(rows, 11, d, x, d, y, d, b, 12);
            scalar->dots(rows, 11, d, x, d, y, d, a, 12);
            for (int64_t r = 0; r < rows; r++)
                expect("dots", d, b + r * 12, a + r * 12, 11, 1e-5f);
        }
    compare_pairs();
    double start = now(), n = 0;
    fill(panel, 256 * width, 1);
    fill(x, table->tile_rows * 256, 1);
    for (; timing && now() - start < 0.1; n += 100)
        for (int i = 0; i < 100; i++)
            table->tile(table->tile_rows, width, 256, x, 256, panel, width, b, width, false);
    if (timing)
        printf("%-8s tile %dx%d   %6.1f GFLOP/s\n", table->name, table->tile_rows, (int)width,
               2e-9 * 256 * (double)width * table->tile_rows * n / (now() - start));
}

/* Activations in a table's order. */
static void place(int8_t *to, const int8_t *from, int64_t n, int64_t chunk)
{
    for (int64_t i = 0; i < n; i++)
        to[i / (2 * chunk) * 2 * chunk + i % 2 * chunk + i % (2 * chunk) / 2] = from[i];
}

static void compare_quantised(int64_t block, int64_t blocks, int64_t rows, bool nibbles)
{
    enum { N = 5, ROW = 4608 };
    static int8_t flat[4 * ROW], mine[4 * ROW], theirs[4 * ROW];
    static float scale[N * ROW / 16], zero[N * ROW / 16], x_scale[4 * ROW / 16],
        x_sum[4 * ROW / 16];
    float got[4 * N], want[4 * N];
    int64_t k = block * blocks, bytes = nibbles ? k / 2 : k;
    uint8_t *exact =
        malloc((size_t)(N * bytes)); /* so that a sanitizer sees reading past the end */
    memset(mine, 0, sizeof mine);
    memset(theirs, 0, sizeof theirs);
    for (int64_t i = 0; i < N * bytes; i++)
        exact[i] = (uint8_t)random_bits();
    for (int64_t i = 0; i < N * blocks; i++) {
        scale[i] = random_float() * 0.02f;
        zero[i] = (random_float() + 1) * (nibbles ? 8 : 128);
    }
    for (int64_t i = 0; i < 4 * blocks; i++) {
        x_scale[i] = random_float() * 0.02f;
        x_sum[i] = random_float();
    }
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < k; i++)
            flat[i] = i % 11 == 0 ? -127 : (int8_t)(random_bits() % 255 - 127);
        if (nibbles) {
            place(mine + r * ROW, flat, k, table->q4_chunk);
            place(theirs + r * ROW, flat, k, scalar->q4_chunk);
        } else {
            memcpy(mine + r * ROW, flat, (size_t)k);
            memcpy(theirs + r * ROW, flat, (size_t)k);
        }
    }
    quant_dot d = {.blocks = blocks,
                   .block = block,
                   .n = N,
                   .w = exact,
                   .scale = scale,
                   .zero = zero,
                   .rows = rows,
                   .x = mine,
                   .x_row = ROW,
                   .x_scale = x_scale,
                   .x_sum = x_sum,
                   .y = got,
                   .y_row = N};
    (nibbles ? table->dot_q4 : table->dot_q8)(&d);
    d.x = theirs;
    d.y = want;
    (nibbles ? scalar->dot_q4 : scalar->dot_q8)(&d);
    expect(nibbles ? "dot_q4" : "dot_q8", k, got, want, rows * N, nibbles ? 2e-5f : 2e-4f);

    float *wide = calloc((size_t)k + 32, sizeof *wide);
    fill(wide, k, 1);
    if (nibbles && block == 16 && blocks % 2 == 1) /* the odd half's place must hold zeros */
        for (int64_t i = k - 16; i < k + 16; i++)
            wide[i] = (i - (k - 16)) % 16 < 8 ? random_float() : 0;
    got[0] =
        (nibbles ? table->dot_q4_f32 : table->dot_q8_f32)(exact, scale, zero, wide, blocks, block);
    want[0] = (nibbles ? scalar->dot_q4_f32 : scalar->dot_q8_f32)(exact, scale, zero, wide, blocks,
                                                                  block);
    expect(nibbles ? "dot_q4_f32" : "dot_q8_f32", k, got, want, 1, nibbles ? 2e-5f : 2e-4f);
    free(wide);
    free(exact);
}

/* Element k of row `lane` in a packed group: the layout that nbits_packed.c describes. */
static int packed_code(const packed_dot *d, int64_t lane, int64_t k)
{
    int64_t lanes = table->packed_lanes;
    if (d->bits == 8)
        return d->w[(k / 4 * lanes + lane) * 4 + k % 4];
    const uint8_t *w = d->w + k / d->block * d->block * d->bits / 8 * lanes;
    k %= d->block;
    int64_t at = lane * 4 + k % 4; /* in the unit */
    bool second = k % 8 >= 4;
    uint8_t byte = w[k / 8 * lanes * 4 + at], fifth = 0;
    if (d->bits == 5)
        fifth = w[d->block / 2 * lanes + k / 8 * lanes + second * lanes / 2 + at / 8] >> at % 8 & 1;
    return (second ? byte >> 4 : byte & 15) + 16 * fifth;
}

static double packed_number(const packed_dot *d, const void *array, int64_t i)
{
    return d->narrow ? (double)half_to_float(((const uint16_t *)array)[i])
                     : (double)((const float *)array)[i];
}

/* The sum, or with `wide` that of the f32 activations. */
static float packed_reference(const packed_dot *d, int64_t row, int64_t lane, bool wide)
{
    double sum = 0;
    for (int64_t i = 0; i < d->blocks; i++) {
        int64_t at = i * table->packed_lanes + lane, q = row * d->blocks + i, product = 0;
        double scale = packed_number(d, d->scale, at), real = 0;
        double minimum =
            d->minimum != NULL ? packed_number(d, d->minimum, at) : scale * (1 << (d->bits - 1));
        for (int64_t k = i * d->block; k < (i + 1) * d->block; k++) {
            product += packed_code(d, lane, k) * d->x[row * d->x_row + k];
            real +=
                (packed_code(d, lane, k) * scale - minimum) * (double)d->x_wide[row * d->x_row + k];
        }
        sum +=
            wide ? real
                 : scale * (double)d->x_scale[q] * (double)product - minimum * (double)d->x_sum[q];
    }
    return (float)sum;
}

static void put_number(bool narrow, void *array, int64_t i, float value)
{
    if (narrow)
        ((uint16_t *)array)[i] = float_to_half(value);
    else
        ((float *)array)[i] = value;
}

static void compare_packed(int64_t block, int64_t blocks, int64_t rows, int32_t bits, int kind)
{
    enum { WIDTH = 4096, ROWS = 11, LANES = 16 };
    static int8_t q[ROWS * WIDTH];
    static float wide[ROWS * WIDTH], x_scale[ROWS * WIDTH / 16], x_sum[ROWS * WIDTH / 16];
    int64_t lanes = table->packed_lanes, k = block * blocks, count = blocks * lanes;
    bool narrow = kind & 1, minima = kind & 2;
    size_t bytes = (size_t)(k * lanes * bits / 8), each = narrow ? 2 : 4;
    /* Of exactly their size, so that a sanitizer sees reading past the end. */
    uint8_t *w = malloc(bytes);
    void *scale = malloc((size_t)count * each), *minimum = malloc((size_t)count * each);
    for (size_t i = 0; i < bytes; i++)
        w[i] = i % 7 == 0 ? 255 : i % 7 == 1 ? 0 : (uint8_t)random_bits();
    for (int64_t i = 0; i < count; i++) {
        put_number(narrow, scale, i, random_float() * 0.02f);
        put_number(narrow, minimum, i, random_float() * 0.2f);
    }
    for (int64_t i = 0; i < rows * k; i++) {
        q[i] = i % 11 == 0 ? -127 : (int8_t)(random_bits() % 255 - 127);
        wide[i] = random_float();
    }
    for (int64_t i = 0; i < rows * blocks; i++) {
        x_scale[i] = random_float() * 0.02f;
        int32_t sum = 0;
        for (int64_t j = 0; j < block; j++)
            sum += q[i * block + j];
        x_sum[i] = x_scale[i] * (float)sum;
    }
    for (int64_t columns = 1; columns <= lanes; columns += lanes - 1) {
        float got[ROWS * LANES] = {0}, want[ROWS * LANES] = {0};
        packed_dot d = {.blocks = blocks,
                        .block = block,
                        .bits = bits,
                        .narrow = narrow,
                        .w = w,
                        .scale = scale,
                        .minimum = minima ? minimum : NULL,
                        .rows = rows,
                        .x = q,
                        .x_wide = wide,
                        .x_row = k,
                        .x_scale = x_scale,
                        .x_sum = x_sum,
                        .columns = columns,
                        .y = got,
                        .y_row = columns};
        for (int real = 0; real < (table->packed_dot_f32 != NULL ? 2 : 1); real++) {
            (real ? table->packed_dot_f32 : table->packed_dot)(&d);
            for (int64_t r = 0; r < rows; r++)
                for (int64_t c = 0; c < columns; c++)
                    want[r * columns + c] = packed_reference(&d, r, c, real);
            expect(real ? "packed_dot_f32" : "packed_dot", k, got, want, rows * columns,
                   bits == 8 ? 2e-4f : 2e-5f);
        }
    }
    free(w);
    free(scale);
    free(minimum);
}

static void compare_all_packed(void)
{
    for (int64_t block = 16; block <= 512; block *= 2)
        for (int64_t blocks = 1; blocks * block <= 2048; blocks += blocks < 4 ? 1 : 29)
            for (int64_t rows = 1; rows <= 11; rows++)
                for (int kind = 0; kind < 4; kind++) {
                    compare_packed(block, blocks, rows, 4, kind);
                    if (table->packed_stays)
                        compare_packed(block, blocks, rows, 5, kind);
                    compare_packed(block, blocks, rows, 8, kind);
                }
}

/* One group of rows again and again: what the processor can do when the weights are at hand. */
static void time_packed(int64_t rows, int32_t bits, bool real)
{
    enum { K = 1536, BLOCKS = K / 32, ROWS = 8, LANES = 16 };
    static uint8_t w[K * LANES];
    static float scale[BLOCKS * LANES]; /* or halves */
    static int8_t q[ROWS * K];
    static float wide[ROWS * K], sums[ROWS * BLOCKS], out[ROWS * LANES];
    int64_t lanes = table->packed_lanes;
    packed_dot d = {.blocks = BLOCKS,
                    .block = 32,
                    .bits = bits,
                    .narrow = table->packed_stays,
                    .w = w,
                    .scale = scale,
                    .minimum = scale,
                    .rows = rows,
                    .x = q,
                    .x_wide = wide,
                    .x_row = K,
                    .x_scale = sums,
                    .x_sum = sums,
                    .columns = lanes,
                    .y = out,
                    .y_row = lanes};
    double start = now(), n = 0;
    for (; now() - start < 0.1; n++)
        (real ? table->packed_dot_f32 : table->packed_dot)(&d);
    double seconds = (now() - start) / n;
    printf("%-8s packed_dot%s, %d bits, %lld rows: %5.1f billion products a second\n", table->name,
           real ? "_f32" : "", bits, (long long)rows,
           (double)(lanes * K) * (double)rows / seconds * 1e-9);
}

static void time_quantised(int64_t rows, bool nibbles, bool real)
{
    enum { K = 1536, N = 512, BLOCKS = K / 32 };
    static uint8_t weights[N * K];
    static float scale[N * BLOCKS], zero[N * BLOCKS], wide[K + 32], sums[4 * BLOCKS], out[4 * 8];
    static int8_t q[4 * K];
    double start = now(), n = 0;
    for (; now() - start < 0.1; n++)
        for (int64_t i = 0; i < N; i += 8) {
            quant_dot d = {.blocks = BLOCKS,
                           .block = 32,
                           .n = 8,
                           .w = weights + i * K / (nibbles ? 2 : 1),
                           .scale = scale + i * BLOCKS,
                           .zero = zero + i * BLOCKS,
                           .rows = rows,
                           .x = q,
                           .x_row = K,
                           .x_scale = sums,
                           .x_sum = sums,
                           .y = out,
                           .y_row = 8};
            if (!real)
                (nibbles ? table->dot_q4 : table->dot_q8)(&d);
            else
                for (int64_t j = 0; j < 8; j++)
                    out[j] = (nibbles ? table->dot_q4_f32 : table->dot_q8_f32)(
                        d.w + j * K / (nibbles ? 2 : 1), d.scale + j * BLOCKS, d.zero + j * BLOCKS,
                        wide, BLOCKS, 32);
        }
    double seconds = (now() - start) / n, bytes = N * (K / (nibbles ? 2.0 : 1.0) + 8 * BLOCKS);
    printf("%-8s dot_q%d%s, %lld rows: %5.1f GB/s of weights, %5.1f billion products a second\n",
           table->name, nibbles ? 4 : 8, real ? "_f32" : "", (long long)rows,
           bytes / seconds * 1e-9, (double)N * K * (double)rows / seconds * 1e-9);
}

static void compare_widen(void)
{
    enum { ROWS = 9, WIDE = 64 };
    uint8_t bytes[ROWS * WIDE];
    float zero[WIDE], scale[WIDE], got[ROWS * WIDE], want[ROWS * WIDE];
    int64_t width = table->panel_columns;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_bits();
    fill(zero, WIDE, 128);
    fill(scale, WIDE, 0.02f);
    for (int sign = 0; sign < 2; sign++) {
        table->widen(got, bytes, sign, zero, scale, ROWS);
        for (int64_t i = 0; i < ROWS * width; i++)
            want[i] =
                ((float)(sign ? (int8_t)bytes[i] : bytes[i]) - zero[i % width]) * scale[i % width];
        expect("widen", width, got, want, ROWS * width, 1e-6f);
    }
}

static void compare_combine(void)
{
    enum { ROWS = 17, DEEP = 13, WIDE = 130 };
    static float left[ROWS * DEEP], got[ROWS * WIDE], want[ROWS * WIDE];
    for (int64_t rows = 1; rows <= ROWS; rows++)
        for (int64_t k = 1; k <= DEEP; k += 3)
            for (int64_t columns = 1; columns <= WIDE; columns += 43) {
                float *w = malloc((size_t)(k * columns) * sizeof *w);
                fill(w, k * columns, 1);
                fill(left, rows * k, 1);
                fill(got, rows * columns, 1);
                memcpy(want, got, sizeof want);
                table->combine(rows, columns, k, left, k, w, columns, got, columns);
                scalar->combine(rows, columns, k, left, k, w, columns, want, columns);
                expect("combine", columns, got, want, rows * columns, 1e-5f);
                free(w);
            }
}

/* All 65,536 of them. */
static void compare_halves(void)
{
    enum { COUNT = 1 << 16 };
    static uint16_t from[COUNT];
    static float got[COUNT];
    for (int i = 0; i < COUNT; i++)
        from[i] = (uint16_t)i;
    table->halves(got, from, COUNT - 1);
    for (int i = 0; i < COUNT - 1; i++) {
        float want = half_to_float(from[i]);
        comparisons++;
        if (memcmp(&got[i], &want, 4) != 0 && want == want && ++failures)
            printf("%s halves: %04x is %g\n", table->name, i, (double)got[i]);
    }
}

static void compare_turn(void)
{
    enum { WIDE = 64, DEEP = 70 };
    static float got[DEEP * WIDE];
    int64_t width = table->tile_columns;
    for (int64_t keys = 1; keys <= width; keys++)
        for (int64_t d = 1; d < DEEP; d += d < 20 ? 1 : 9) {
            float *k = malloc((size_t)(keys * d) * sizeof *k); /* no reading past the last row */
            fill(k, keys * d, 1);
            table->turn(got, k, d, keys, d);
            for (int64_t i = 0; i < d; i++)
                for (int64_t j = 0; j < keys; j++)
                    expect("turn", d, &got[i * width + j], &k[j * d + i], 1, 0);
            free(k);
        }
}

static void compare_quantize(void)
{
    int8_t got[300], want[300];
    for (int64_t n = 0; n < 300; n += n < 40 ? 1 : 37) {
        fill(x, n, 3);
        float p = table->quantize(got, x, n), q = scalar->quantize(want, x, n);
        expect("quantize", n, &p, &q, 1, 0);
        comparisons++;
        if (memcmp(got, want, (size_t)n) != 0 && ++failures)
            printf("%s quantize, length %lld: differs\n", table->name, (long long)n);
    }
}

/* Panels, taps and what follows a sum, over part and whole vectors. */
static void compare_images(void)
{
    static float panel[16 * 64];
    int64_t width = table->panel_columns, offset[16];
    activation f = {.alpha = 0.3f, .beta = 0.4f, .gain = 1.5f, .shift = -0.2f};
    fill(x, MOST, 2);
    fill(y, MOST, 2);
    for (int64_t i = 0; i < 16; i++)
        offset[i] = random_bits() % 200;
    for (int64_t columns = 1; columns <= width; columns++) {
        memset(panel, -1, sizeof panel);
        table->gather(panel, x, offset, 16, columns);
        for (int64_t i = 0; i < 16; i++) {
            memset(a, 0, sizeof a);
            memcpy(a, x + offset[i], (size_t)columns * sizeof *a);
            expect("gather", columns, panel + i * width, a, width, 0);
        }
        for (int64_t rows = 1; rows < 24; rows += columns % 3 + 1)
            for (int add = 0; add < 2; add++) {
                memcpy(a, z, sizeof a);
                memcpy(b, z, sizeof b);
                table->panel_tile(rows, columns, 16, y, 17, panel, b, 64, add);
                scalar->tile(rows, columns, 16, y, 17, panel, width, a, 64, add);
                for (int64_t r = 0; r < rows; r++)
                    expect("panel_tile", columns, b + r * 64, a + r * 64, columns, 1e-5f);
            }
    }
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int64_t n = lengths[i], half = n / 2, row = n / 3;
        table->taps(b, x, offset, y, 15, n);
        scalar->taps(a, x, offset, y, 15, n);
        expect("taps", n, b, a, n, 1e-5f);
        table->even(b, x, half);
        scalar->even(a, x, half);
        expect("even", half, b, a, half, 0);
        table->zip(b, x, y, half);
        scalar->zip(a, x, y, half);
        expect("zip", half, b, a, 2 * half, 0);
        for (f.kind = ACTIVATION_NONE; f.kind <= ACTIVATION_MISH; f.kind++) {
            f.scaled = !f.scaled;
            if (activation_slow(&f))
                continue;
            table->finish(3, row, x, row, b, row, y, 1, f.scaled ? z : NULL, &f);
            scalar->finish(3, row, x, row, a, row, y, 1, f.scaled ? z : NULL, &f);
            expect("finish", row, b, a, 3 * row, 1e-6f);
        }
    }
}

int main(int argc, char **argv)
{
    timing = argc > 1 && strcmp(argv[1], "--time") == 0;
    scalar = simd_list(0);
    for (uint32_t t = 0; (table = simd_list(t)) != NULL; t++) {
        compare_rows();
        compare_sums();
        compare_tiles();
        compare_widen();
        compare_turn();
        compare_combine();
        compare_halves();
        compare_quantize();
        compare_images();
        if (table->packed_lanes != 0) {
            compare_all_packed();
            for (int64_t rows = 1; timing && rows <= 8; rows += 7)
                for (int real = 0; real < (table->packed_dot_f32 != NULL ? 2 : 1); real++) {
                    time_packed(rows, 4, real);
                    if (table->packed_stays)
                        time_packed(rows, 5, real);
                    time_packed(rows, 8, real);
                }
        }
        for (int64_t block = 16; table->dot_q4 != NULL && block <= 512; block *= 2)
            for (int64_t blocks = 1; blocks * block <= 4096; blocks += blocks < 20 ? 1 : 29)
                for (int64_t rows = 1; rows <= table->quant_rows; rows++) {
                    compare_quantised(block, blocks, rows, true);
                    compare_quantised(block, blocks, rows, false);
                }
        for (int64_t rows = 1; timing && table->dot_q4 != NULL && rows <= table->quant_rows;
             rows += 3) {
            time_quantised(rows, true, false);
            time_quantised(rows, false, false);
        }
        if (timing && table->dot_q4 != NULL) {
            time_quantised(1, true, true);
            time_quantised(1, false, true);
        }
        printf("%s: %d comparisons, %d failures so far\n", table->name, comparisons, failures);
    }
    return failures != 0;
}
