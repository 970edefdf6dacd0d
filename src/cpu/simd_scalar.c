/* simd_scalar.c — the reference form of every inner loop: plain C, one element at a time. */
#include "core/half.h"
#include "cpu/simd_tables.h"

#include <math.h>

#define ROW(name, expr)                                                                            \
    static void name(float *to, const float *x, int64_t n)                                         \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            float p = x[i];                                                                        \
            to[i] = expr;                                                                          \
        }                                                                                          \
    }
ROW(exp_row, expf(p))
ROW(erf_row, erff(p))
ROW(tanh_row, tanhf(p))
ROW(sigmoid_row, 1 / (1 + expf(-p)))
ROW(silu_row, p / (1 + expf(-p)))
ROW(gelu_row, 0.5f * p * (1 + erff(p * 0.70710678f)))
ROW(gelu_tanh_row, 0.5f * p * (1 + tanhf(0.79788456f * (p + 0.044715f * p * p * p))))

static float sum_row(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return (float)sum;
}

static float squares_row(const float *x, float mean, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return (float)sum;
}

static void normalize_row(float *to, const float *x, float mean, float inverse, const float *scale,
                          const float *bias, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (x[i] - mean) * inverse * scale[i] + (bias != NULL ? bias[i] : 0);
}

static void softmax_row(float *to, const float *x, int64_t n, float top, float rest)
{
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    double sum = rest;
    for (int64_t i = 0; i < n; i++)
        sum += to[i] = expf(x[i] - top);
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)(to[i] / sum);
}

static float top_row(const float *x, int64_t n)
{
    float top = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    return top;
}

static float exp_shift_row(float *x, int64_t n, float top)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] = expf(x[i] - top);
    return (float)sum;
}

static float dot_row(const float *x, const float *y, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * y[i];
    return (float)sum;
}

static void dots(int64_t rows, int64_t keys, int64_t d, const float *q, int64_t q_row,
                 const float *k, int64_t k_row, float *to, int64_t to_row)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < keys; j++)
            to[r * to_row + j] = dot_row(q + r * q_row, k + j * k_row, d);
}

static void axpy_row(float *to, float p, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += p * x[i];
}

enum { TILE_ROWS = 4, TILE_COLUMNS = 8, CHUNK = 16 };

static void turn(float *to, const float *k, int64_t k_row, int64_t keys, int64_t d)
{
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < TILE_COLUMNS; j++)
            to[i * TILE_COLUMNS + j] = k[(j < keys ? j : keys - 1) * k_row + i];
}

static void combine(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                    const float *w, int64_t w_row, float *y, int64_t y_row)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = y[r * y_row + j];
            for (int64_t i = 0; i < k; i++)
                sum += (double)x[r * x_row + i] * w[i * w_row + j];
            y[r * y_row + j] = (float)sum;
        }
}

static void halves(float *to, const uint16_t *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = half_to_float(from[i]);
}

static void widen(float *to, const uint8_t *q, bool is_signed, const float *zero,
                  const float *scale, int64_t rows)
{
    for (int64_t i = 0; i < rows * TILE_COLUMNS; i++) {
        float code = is_signed ? (float)(int8_t)q[i] : (float)q[i];
        to[i] = (code - zero[i % TILE_COLUMNS]) * scale[i % TILE_COLUMNS];
    }
}

static void tile(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                 const float *panel, int64_t panel_row, float *y, int64_t y_row, bool add)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            double sum = add ? y[r * y_row + c] : 0;
            for (int64_t i = 0; i < k; i++)
                sum += (double)x[r * x_row + i] * panel[i * panel_row + c];
            y[r * y_row + c] = (float)sum;
        }
}

static void tile_pairs(int64_t rows, int64_t columns, int64_t pairs, const int16_t *x,
                       int64_t x_row, const int16_t *panel, int32_t *y, int64_t y_row)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            uint32_t sum = 0;
            for (int64_t i = 0; i < 2 * pairs; i++)
                sum += (uint32_t)(x[r * x_row + i] * panel[(i / 2 * TILE_COLUMNS + c) * 2 + i % 2]);
            y[r * y_row + c] = (int32_t)sum;
        }
}

static float quantize_row(int8_t *to, const float *x, int64_t n)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    float scale = top / 127, inverse = top > 0 ? 127 / top : 0;
    for (int64_t i = 0; i < n; i++)
        to[i] = (int8_t)rintf(x[i] * inverse);
    return scale;
}

/* Where element i lies when every `chunk` even elements stand before their odd neighbours. */
static int64_t split_order(int64_t i, int64_t chunk)
{
    return i / (2 * chunk) * 2 * chunk + i % 2 * chunk + i % (2 * chunk) / 2;
}

static uint8_t nibble(const uint8_t *w, int64_t i)
{
    return w[i / 2] >> (i & 1 ? 4 : 0) & 15;
}

static float dot_quant(const quant_dot *d, int64_t r, int64_t n, bool nibbles)
{
    const int8_t *x = d->x + r * d->x_row;
    const uint8_t *w = d->w + n * d->blocks * d->block / (nibbles ? 2 : 1);
    double sum = 0;
    for (int64_t b = 0; b < d->blocks; b++) {
        int32_t product = 0;
        for (int64_t i = b * d->block; i < (b + 1) * d->block; i++)
            product += nibbles ? nibble(w, i) * x[split_order(i, CHUNK)] : w[i] * x[i];
        int64_t at = r * d->blocks + b, from = n * d->blocks + b;
        sum += d->scale[from] * (d->x_scale[at] * (float)product - d->zero[from] * d->x_sum[at]);
    }
    return (float)sum;
}

static void dot_all(const quant_dot *d, bool nibbles)
{
    for (int64_t r = 0; r < d->rows; r++)
        for (int64_t n = 0; n < d->n; n++)
            d->y[r * d->y_row + n] = dot_quant(d, r, n, nibbles);
}

static void dot_q4(const quant_dot *d)
{
    dot_all(d, true);
}

static void dot_q8(const quant_dot *d)
{
    dot_all(d, false);
}

static float dot_q4_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    double total = 0;
    for (int64_t b = 0; b < blocks; b++) {
        double sum = 0;
        for (int64_t i = b * block; i < (b + 1) * block; i++)
            sum += (double)x[split_order(i, 16)] * ((float)nibble(w, i) - zero[b]);
        total += sum * scale[b];
    }
    return (float)total;
}

static float dot_q8_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    double total = 0;
    for (int64_t b = 0; b < blocks; b++, w += block, x += block) {
        double sum = 0;
        for (int64_t i = 0; i < block; i++)
            sum += (double)x[i] * ((float)w[i] - zero[b]);
        total += sum * scale[b];
    }
    return (float)total;
}

static void panel_tile(int64_t rows, int64_t columns, int64_t k, const float *x, int64_t x_row,
                       const float *panel, float *y, int64_t y_row, bool add)
{
    tile(rows, columns, k, x, x_row, panel, TILE_COLUMNS, y, y_row, add);
}

static void gather_rows(float *panel, const float *from, const int64_t *offset, int64_t count,
                        int64_t columns)
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < TILE_COLUMNS; c++)
            panel[i * TILE_COLUMNS + c] = c < columns ? from[offset[i] + c] : 0;
}

static void taps_row(float *to, const float *from, const int64_t *offset, const float *w,
                     int64_t count, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t t = 0; t < count; t++)
            sum += (double)w[t] * from[offset[t] + i];
        to[i] = (float)sum;
    }
}

static void even_row(float *to, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = x[2 * i];
}

static void zip_rows(float *to, const float *x, const float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        to[2 * i] = x[i];
        to[2 * i + 1] = y[i];
    }
}

static void finish_rows(int64_t rows, int64_t n, const float *x, int64_t x_row, float *to,
                        int64_t to_row, const float *bias, int64_t bias_step, const float *more,
                        const activation *f)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            to[r * to_row + i] =
                activate(f, x[r * x_row + i] + (bias != NULL ? bias[r * bias_step] : 0) +
                                (more != NULL ? more[r * to_row + i] : 0));
}

const simd_table simd_scalar = {
    .name = "scalar",
    .exp = exp_row,
    .erf = erf_row,
    .tanh = tanh_row,
    .sigmoid = sigmoid_row,
    .silu = silu_row,
    .gelu = gelu_row,
    .gelu_tanh = gelu_tanh_row,
    .sum = sum_row,
    .squares = squares_row,
    .normalize = normalize_row,
    .softmax = softmax_row,
    .top = top_row,
    .exp_shift = exp_shift_row,
    .dots = dots,
    .dot = dot_row,
    .axpy = axpy_row,
    .turn = turn,
    .combine = combine,
    .halves = halves,
    .widen = widen,
    .tile_rows = TILE_ROWS,
    .tile_columns = TILE_COLUMNS,
    .tile = tile,
    .pair_rows = TILE_ROWS,
    .pair_columns = TILE_COLUMNS,
    .tile_pairs = tile_pairs,
    .quantize = quantize_row,
    .quant_rows = 4,
    .q4_chunk = CHUNK,
    .q8_chunk = CHUNK,
    .dot_q4 = dot_q4,
    .dot_q8 = dot_q8,
    .dot_q4_f32 = dot_q4_f32,
    .dot_q8_f32 = dot_q8_f32,
    .panel_columns = TILE_COLUMNS,
    .panel_tile = panel_tile,
    .gather = gather_rows,
    .taps = taps_row,
    .even = even_row,
    .zip = zip_rows,
    .finish = finish_rows,
};
