/* simd_vector.h — the f32 inner loops, written once for any vector width.

   A file that includes this has defined LANES, TILE_ROWS (at most 8), TILE_VECTORS, the types vf
   (LANES floats) and vi (LANES int32), and v_fma, v_max, v_min (NaN in the second argument stays),
   v_sum, v_load_some (n lanes, the others from `rest`), v_store_part, v_pairs (to each 32-bit lane of c
   adds the two products of the 16-bit pairs of a and b), v_bytes (LANES bytes as int32) and v_halves
   (LANES f16 as f32). With four lanes the two for parts of a vector are here.
   Everything else is the compilers' vector arithmetic.

   exp: 2^n * e^r with r within ln 2 / 2, a polynomial of degree 7 in r; tanh: odd polynomial below
   0.625, else by exp; erf: x P(x²) below 1, else 1 − exp(−x²) Q(1 / (x + 1.5)). The polynomials are
   minimax fits (relative error below 1e-7, Lawson's iteration over Chebyshev nodes). */
#include "core/half.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Lanes of a and b by turns, from their lower and from their upper halves; and elements 0, 2, 4 … of a,
   then of b. */
#if LANES == 16
#define LOWER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#elif LANES == 8
#define LOWER 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER 4, 12, 5, 13, 6, 14, 7, 15
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#else
#define LOWER 0, 4, 1, 5
#define UPPER 2, 6, 3, 7
#define EVEN 0, 2, 4, 6
#endif

static inline vf v_zip_low(vf a, vf b)
{
    return __builtin_shufflevector(a, b, LOWER);
}
static inline vf v_zip_high(vf a, vf b)
{
    return __builtin_shufflevector(a, b, UPPER);
}
static inline vf v_even(vf a, vf b)
{
    return __builtin_shufflevector(a, b, EVEN);
}

#if LANES == 4 /* no masks there */
static inline vf v_load_some(const float *p, int64_t n, vf rest)
{
    for (int64_t i = 0; i < n; i++)
        rest[i] = p[i];
    return rest;
}
static inline void v_store_part(float *p, vf v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = v[i];
}
#endif

static inline vf v_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void v_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

static inline vf v_set(float f)
{
    return f - (vf){0};
}

/* The first n lanes, 0 < n < LANES; the rest `fill`. */
static inline vf v_load_part(const float *p, int64_t n, float fill)
{
    return v_load_some(p, n, v_set(fill));
}

static inline vf v_pick(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

static inline vf v_abs(vf x)
{
    return (vf)((vi)x & 0x7FFFFFFF);
}

static inline vf v_exp(vf x)
{
    const vf magic = v_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    vi tiny = x < -87.0f;                /* zero there: no subnormals, which are slow */
    x = v_max(v_set(-87.0f), v_min(v_set(89.0f), x));
    vf t = v_fma(x, v_set(1.44269504f), magic), n = t - magic;
    vf r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vf p = v_set(1.98577801e-4f);
    p = v_fma(p, r, v_set(1.39336787e-3f));
    p = v_fma(p, r, v_set(8.33336090e-3f));
    p = v_fma(p, r, v_set(4.16664648e-2f));
    p = v_fma(p, r, v_set(0.166666665f));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p, r * r, r) + 1.0f;
    vi whole = (vi)t - 0x4B400000, half = whole >> 1; /* in two steps: no overflow on the way */
    p = p * (vf)((half + 127) << 23) * (vf)((whole - half + 127) << 23);
    return (vf)((vi)p & ~tiny);
}

static inline vf v_tanh(vf x)
{
    vf a = v_abs(x), z = x * x, p = v_set(-6.09693707e-3f);
    p = v_fma(p, z, v_set(2.09973540e-2f));
    p = v_fma(p, z, v_set(-5.38509526e-2f));
    p = v_fma(p, z, v_set(0.133327701f));
    p = v_fma(p, z, v_set(-0.333333289f));
    vf small = v_fma(p * z, x, x), large = 1.0f - 2.0f / (v_exp(a + a) + 1.0f);
    large = (vf)((vi)large | ((vi)x & (vi)v_set(-0.0f)));
    return v_pick(a < 0.625f, small, large);
}

static inline vf v_sigmoid(vf x)
{
    return 1.0f / (1.0f + v_exp(-x));
}

static inline vf v_erf(vf x)
{
    vf a = v_min(v_set(4.2f), v_abs(x)), z = x * x, p = v_set(7.85385770e-5f);
    p = v_fma(p, z, v_set(-8.01019252e-4f));
    p = v_fma(p, z, v_set(5.18832756e-3f));
    p = v_fma(p, z, v_set(-2.68538119e-2f));
    p = v_fma(p, z, v_set(0.112835851f));
    p = v_fma(p, z, v_set(-0.376126258f));
    p = v_fma(p, z, v_set(1.12837917f));
    vf t = 1.0f / (a + 1.5f), q = v_set(2.42646729f);
    q = v_fma(q, t, v_set(-4.73664590f));
    q = v_fma(q, t, v_set(2.33927570f));
    q = v_fma(q, t, v_set(0.597102831f));
    q = v_fma(q, t, v_set(0.898766202f));
    q = v_fma(q, t, v_set(0.560308073f));
    q = v_fma(q, t, v_set(1.22162663e-4f));
    vf large = v_fma(-q, v_exp(-a * a), v_set(1.0f));
    large = (vf)((vi)large | ((vi)x & (vi)v_set(-0.0f)));
    return v_pick(v_abs(x) < 1.0f, p * x, large);
}

static inline vf v_gelu(vf x)
{
    return 0.5f * x * (1.0f + v_erf(x * 0.70710678f));
}

/* x * sigmoid(2u) is x / 2 * (1 + tanh u) */
static inline vf v_gelu_tanh(vf x)
{
    return x * v_sigmoid(1.59576912f * v_fma(x * x * x, v_set(0.044715f), x));
}

#define ROW(name, expr)                                                                            \
    static void name(float *to, const float *from, int64_t n)                                      \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + LANES <= n; i += LANES) {                                                       \
            vf x = v_load(from + i);                                                               \
            v_store(to + i, expr);                                                                 \
        }                                                                                          \
        if (i < n) {                                                                               \
            vf x = v_load_part(from + i, n - i, 0);                                                \
            v_store_part(to + i, expr, n - i);                                                     \
        }                                                                                          \
    }
ROW(exp_row, v_exp(x))
ROW(erf_row, v_erf(x))
ROW(tanh_row, v_tanh(x))
ROW(sigmoid_row, v_sigmoid(x))
ROW(silu_row, x *v_sigmoid(x))
ROW(gelu_row, v_gelu(x))
ROW(gelu_tanh_row, v_gelu_tanh(x))
#undef ROW

static float sum_row(const float *x, int64_t n)
{
    vf a = {0}, b = {0};
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        a += v_load(x + i);
        b += v_load(x + i + LANES);
    }
    for (; i + LANES <= n; i += LANES)
        a += v_load(x + i);
    if (i < n)
        b += v_load_part(x + i, n - i, 0);
    return v_sum(a + b);
}

static float squares_row(const float *x, float mean, int64_t n)
{
    vf a = {0}, b = {0}, m = v_set(mean);
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        vf p = v_load(x + i) - m, q = v_load(x + i + LANES) - m;
        a = v_fma(p, p, a);
        b = v_fma(q, q, b);
    }
    for (; i < n; i += LANES) {
        vf p = (n - i < LANES ? v_load_part(x + i, n - i, mean) : v_load(x + i)) - m;
        a = v_fma(p, p, a);
    }
    return v_sum(a + b);
}

static void normalize_row(float *to, const float *x, float mean, float inverse, const float *scale,
                          const float *bias, int64_t n)
{
    vf m = v_set(mean), s = v_set(inverse);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf v = (v_load(x + i) - m) * s * v_load(scale + i);
        v_store(to + i, bias != NULL ? v + v_load(bias + i) : v);
    }
    for (; i < n; i++)
        to[i] = (x[i] - mean) * inverse * scale[i] + (bias != NULL ? bias[i] : 0);
}

static float top_row(const float *x, int64_t n)
{
    vf top = v_set(-INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        top = v_max(v_load(x + i), top);
    if (i < n)
        top = v_max(v_load_part(x + i, n - i, -INFINITY), top);
    float best = -INFINITY;
    for (int j = 0; j < LANES; j++)
        best = top[j] > best ? top[j] : best;
    return best;
}

static float exp_shift_row(float *x, int64_t n, float top)
{
    vf t = v_set(top), sum = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf e = v_exp(v_load(x + i) - t);
        v_store(x + i, e);
        sum += e;
    }
    if (i < n) { /* the lanes beyond the row are exp(−∞) */
        vf e = v_exp(v_load_part(x + i, n - i, -INFINITY) - t);
        v_store_part(x + i, e, n - i);
        sum += v_load_part(x + i, n - i, 0);
    }
    return v_sum(sum);
}

static void softmax_row(float *to, const float *x, int64_t n, float top, float rest)
{
    float most = top_row(x, n);
    most = most > top ? most : top;
    if (to != x)
        memmove(to, x, (size_t)n * sizeof(float));
    float inverse = 1 / (exp_shift_row(to, n, most) + rest);
    for (int64_t i = 0; i < n; i++)
        to[i] *= inverse;
    if (most == -INFINITY) /* exp clamps: say what −∞ − −∞ is */
        for (int64_t i = 0; i < n; i++)
            to[i] = NAN;
}

static float dot_row(const float *x, const float *y, int64_t n)
{
    vf a = {0}, b = {0}, c = {0}, d = {0};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        a = v_fma(v_load(x + i), v_load(y + i), a);
        b = v_fma(v_load(x + i + LANES), v_load(y + i + LANES), b);
        c = v_fma(v_load(x + i + 2 * LANES), v_load(y + i + 2 * LANES), c);
        d = v_fma(v_load(x + i + 3 * LANES), v_load(y + i + 3 * LANES), d);
    }
    for (; i + LANES <= n; i += LANES)
        a = v_fma(v_load(x + i), v_load(y + i), a);
    if (i < n)
        b = v_fma(v_load_part(x + i, n - i, 0), v_load_part(y + i, n - i, 0), b);
    return v_sum((a + b) + (c + d));
}

static void axpy_row(float *to, float p, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(to + i, v_fma(v_set(p), v_load(x + i), v_load(to + i)));
    for (; i < n; i++)
        to[i] += p * x[i];
}

/* Up to four rows of q share each row of k. */
static inline void dots_block(int rows, int64_t keys, int64_t d, const float *q, int64_t q_row,
                              const float *k, int64_t k_row, float *to, int64_t to_row)
{
    for (int64_t j = 0; j < keys; j++, k += k_row) {
        vf sum[4] = {{0}};
        int64_t i = 0;
        for (; i + LANES <= d; i += LANES) {
            vf w = v_load(k + i);
            for (int r = 0; r < rows; r++)
                sum[r] = v_fma(w, v_load(q + r * q_row + i), sum[r]);
        }
        if (i < d) {
            vf w = v_load_part(k + i, d - i, 0);
            for (int r = 0; r < rows; r++)
                sum[r] = v_fma(w, v_load_part(q + r * q_row + i, d - i, 0), sum[r]);
        }
        for (int r = 0; r < rows; r++)
            to[r * to_row + j] = v_sum(sum[r]);
    }
}

static void dots(int64_t rows, int64_t keys, int64_t d, const float *q, int64_t q_row,
                 const float *k, int64_t k_row, float *to, int64_t to_row)
{
    for (; rows >= 4; rows -= 4, q += 4 * q_row, to += 4 * to_row)
        dots_block(4, keys, d, q, q_row, k, k_row, to, to_row);
    switch (rows) {
    case 3:
        dots_block(3, keys, d, q, q_row, k, k_row, to, to_row);
        break;
    case 2:
        dots_block(2, keys, d, q, q_row, k, k_row, to, to_row);
        break;
    case 1:
        dots_block(1, keys, d, q, q_row, k, k_row, to, to_row);
        break;
    default:
        break;
    }
}

#ifndef TILE_STEPS
#define TILE_STEPS 1
#define TILE_KEEP(value) ((void)0)
#endif
enum {
    TILE_COLUMNS = LANES * TILE_VECTORS,
    TILE_MOST_VECTORS = TILE_VECTORS > PANEL_VECTORS ? TILE_VECTORS : PANEL_VECTORS
};

/* A square of vectors is turned by log2(LANES) perfect shuffles (Stone, 1971). */
static void turn(float *to, const float *k, int64_t k_row, int64_t keys, int64_t d)
{
    for (int64_t first = 0; first < keys; first += LANES)
        for (int64_t i = 0; i < d; i += LANES) {
            vf a[LANES], b[LANES];
            int64_t count = d - i < LANES ? d - i : LANES;
            for (int r = 0; r < LANES; r++) {
                const float *row = k + (first + r < keys ? first + r : keys - 1) * k_row + i;
                a[r] = count == LANES ? v_load(row) : v_load_part(row, count, 0);
            }
            for (int stage = 1; stage < LANES; stage *= 2) {
                for (int r = 0; r < LANES / 2; r++) {
                    b[2 * r] = v_zip_low(a[r], a[r + LANES / 2]);
                    b[2 * r + 1] = v_zip_high(a[r], a[r + LANES / 2]);
                }
                for (int r = 0; r < LANES; r++)
                    a[r] = b[r];
            }
            for (int r = 0; r < LANES && r < count; r++)
                v_store(to + (i + r) * TILE_COLUMNS + first, a[r]);
        }
}

/* `rows` and `steps` of k are constant wherever this is inlined. */
static inline __attribute__((always_inline)) void
combine_block(int rows, int steps, int64_t columns, const float *x, int64_t x_row, const float *w,
              int64_t w_row, float *y, int64_t y_row)
{
    vf p[4][4];
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < steps; i++)
            p[r][i] = v_set(x[r * x_row + i]);
    int64_t j = 0;
    for (; j + LANES <= columns; j += LANES) {
        vf v[4];
        for (int i = 0; i < steps; i++)
            v[i] = v_load(w + i * w_row + j);
        for (int r = 0; r < rows; r++) {
            vf sum = v_load(y + r * y_row + j);
            for (int i = 0; i < steps; i++)
                sum = v_fma(p[r][i], v[i], sum);
            v_store(y + r * y_row + j, sum);
        }
    }
    for (; j < columns; j++)
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < steps; i++)
                y[r * y_row + j] += x[r * x_row + i] * w[i * w_row + j];
}

static void combine(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                    const float *w, int64_t w_row, float *y, int64_t y_row)
{
    for (int64_t i = 0; i < k;) {
        bool four = k - i >= 4;
        const float *from = w + i * w_row;
        for (int64_t r = 0; r < rows;) {
            const float *a = x + r * x_row + i;
            float *to = y + r * y_row;
            int64_t left = rows - r;
            if (four && left >= 4)
                combine_block(4, 4, columns, a, x_row, from, w_row, to, y_row);
            else if (four && left >= 2)
                combine_block(2, 4, columns, a, x_row, from, w_row, to, y_row);
            else if (four)
                combine_block(1, 4, columns, a, x_row, from, w_row, to, y_row);
            else
                combine_block(1, 1, columns, a, x_row, from, w_row, to, y_row);
            r += !four ? 1 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        }
        i += four ? 4 : 1;
    }
}

static void halves(float *to, const uint16_t *from, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        v_store(to + i, v_halves(from + i));
    for (; i < n; i++)
        to[i] = half_to_float(from[i]);
}

static void widen(float *to, const uint8_t *q, bool is_signed, const float *zero,
                  const float *scale, int64_t rows)
{
    for (int v = 0; v < PANEL_VECTORS; v++) {
        vf z = v_load(zero + v * LANES), s = v_load(scale + v * LANES);
        for (int64_t r = 0; r < rows; r++) {
            int64_t at = r * PANEL_VECTORS * LANES + v * LANES;
            vi code = v_bytes(q + at, is_signed);
            v_store(to + at, (__builtin_convertvector(code, vf) - z) * s);
        }
    }
}

/* `steps` of k. Where addresses are not free (WebAssembly), what one iteration reads lies at constant
   offsets from pointers that the compiler is made to keep, and sums in the order of k. */
static inline __attribute__((always_inline)) void tile_steps(int steps, int rows, int vectors,
                                                             const float **x, const float *panel,
                                                             int64_t panel_row,
                                                             vf sum[][TILE_MOST_VECTORS])
{
    TILE_KEEP(panel);
#pragma GCC unroll 2
    for (int i = 0; i < steps; i++) {
        vf w[TILE_MOST_VECTORS];
        for (int v = 0; v < vectors; v++)
            w[v] = v_load(panel + i * panel_row + v * LANES);
        for (int r = 0; r < rows; r++) {
            vf p = v_set(x[r][i]);
            for (int v = 0; v < vectors; v++)
                sum[r][v] = v_fma(p, w[v], sum[r][v]);
        }
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++)
                TILE_KEEP(sum[r][v]);
    }
    for (int r = 0; r < rows; r++) {
        x[r] += steps;
        TILE_KEEP(x[r]);
    }
}

/* A tile of `rows` by `vectors` in registers; both are constant wherever this is inlined. */
static inline __attribute__((always_inline)) void tile_block(int rows, int vectors, int64_t k,
                                                             const float *x, int64_t x_row,
                                                             const float *panel, int64_t panel_row,
                                                             float *y, int64_t y_row, bool add)
{
    vf sum[TILE_ROWS][TILE_MOST_VECTORS];
    const float *row[TILE_ROWS];
    for (int r = 0; r < rows; r++) {
        row[r] = x + r * x_row;
        for (int v = 0; v < vectors; v++)
            sum[r][v] = add ? v_load(y + r * y_row + v * LANES) : (vf){0};
    }
    for (; k >= TILE_STEPS; k -= TILE_STEPS, panel += TILE_STEPS * panel_row)
        tile_steps(TILE_STEPS, rows, vectors, row, panel, panel_row, sum);
    for (; k > 0; k--, panel += panel_row)
        tile_steps(1, rows, vectors, row, panel, panel_row, sum);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            v_store(y + r * y_row + v * LANES, sum[r][v]);
}

static void tile_full(int64_t rows, int64_t k, const float *x, int64_t x_row, const float *panel,
                      int64_t panel_row, float *y, int64_t y_row, bool add)
{
#define CASE(r)                                                                                    \
    case r:                                                                                        \
        tile_block(r, TILE_VECTORS, k, x, x_row, panel, panel_row, y, y_row, add);                 \
        break;
    switch (rows) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
#if TILE_ROWS > 4
        CASE(5)
        CASE(6)
#endif
#if TILE_ROWS > 6
        CASE(7)
        CASE(8)
#endif
    default:
        break;
    }
#undef CASE
}

static void tile(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                 const float *panel, int64_t panel_row, float *y, int64_t y_row, bool add)
{
    if (columns == TILE_COLUMNS) {
        tile_full(rows, k, x, x_row, panel, panel_row, y, y_row, add);
        return;
    }
    float whole[TILE_ROWS * TILE_COLUMNS] = {0};
    for (int64_t r = 0; add && r < rows; r++)
        memcpy(whole + r * TILE_COLUMNS, y + r * y_row, (size_t)columns * sizeof(float));
    tile_full(rows, k, x, x_row, panel, panel_row, whole, TILE_COLUMNS, add);
    for (int64_t r = 0; r < rows; r++)
        memcpy(y + r * y_row, whole + r * TILE_COLUMNS, (size_t)columns * sizeof(float));
}

/* As tile_block, in integers. */
static inline __attribute__((always_inline)) void pairs_block(int rows, int64_t pairs,
                                                              const int16_t *x, int64_t x_row,
                                                              const int16_t *panel, int32_t *y)
{
    vi sum[TILE_ROWS][TILE_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < TILE_VECTORS; v++)
            sum[r][v] = (vi){0};
    for (int64_t i = 0; i < pairs; i++, panel += 2 * TILE_COLUMNS) {
        vi w[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++)
            memcpy(&w[v], panel + 2 * v * LANES, sizeof w[v]);
        for (int r = 0; r < rows; r++) {
            int32_t pair;
            memcpy(&pair, x + r * x_row + 2 * i, sizeof pair);
            for (int v = 0; v < TILE_VECTORS; v++)
                sum[r][v] = v_pairs(pair - (vi){0}, w[v], sum[r][v]);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < TILE_VECTORS; v++)
            memcpy(y + r * TILE_COLUMNS + v * LANES, &sum[r][v], sizeof sum[r][v]);
}

static void tile_pairs(int64_t rows, int64_t columns, int64_t pairs, const int16_t *x,
                       int64_t x_row, const int16_t *panel, int32_t *y, int64_t y_row)
{
    int32_t whole[TILE_ROWS * TILE_COLUMNS];
#define CASE(r)                                                                                    \
    case r:                                                                                        \
        pairs_block(r, pairs, x, x_row, panel, whole);                                             \
        break;
    switch (rows) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
#if TILE_ROWS > 4
        CASE(5)
        CASE(6)
#endif
#if TILE_ROWS > 6
        CASE(7)
        CASE(8)
#endif
    default:
        break;
    }
#undef CASE
    for (int64_t r = 0; r < rows; r++)
        memcpy(y + r * y_row, whole + r * TILE_COLUMNS, (size_t)columns * sizeof *y);
}

#define VECTOR_ENTRIES                                                                             \
    .exp = exp_row, .erf = erf_row, .tanh = tanh_row, .sigmoid = sigmoid_row, .silu = silu_row,    \
    .gelu = gelu_row, .gelu_tanh = gelu_tanh_row, .sum = sum_row, .squares = squares_row,          \
    .normalize = normalize_row, .softmax = softmax_row, .top = top_row,                            \
    .exp_shift = exp_shift_row, .dots = dots, .dot = dot_row, .axpy = axpy_row,                    \
    .combine = combine, .halves = halves, .turn = turn, .widen = widen, .tile_rows = TILE_ROWS,    \
    .tile_columns = TILE_COLUMNS, .tile = tile, .pair_rows = TILE_ROWS,                            \
    .pair_columns = TILE_COLUMNS, .tile_pairs = tile_pairs
