/* simd_wasm.c — inner loops with WebAssembly's 128-bit SIMD, and relaxed SIMD where compiled in.

   Relaxed: multiply-add may round once or twice, and the 8 by 7 bit dot product is exact for 4-bit
   weights, which are its 7-bit side. The rest is plain simd128: bytes widen to 16 bits, where
   products and their sums are exact. */
#include "cpu/simd_tables.h"

#include <wasm_simd128.h>

#define LANES 4
#define TILE_ROWS 4
#define TILE_VECTORS 2
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));

static inline vf v_fma(vf a, vf b, vf c)
{
#if defined(__wasm_relaxed_simd__)
    return (vf)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
#else
    return a * b + c;
#endif
}
static inline vf v_max(vf a, vf b)
{
    return (vf)wasm_f32x4_pmax((v128_t)b, (v128_t)a);
}
static inline vf v_min(vf a, vf b)
{
    return (vf)wasm_f32x4_pmin((v128_t)b, (v128_t)a);
}
static inline float v_sum(vf a)
{
    return (a[0] + a[1]) + (a[2] + a[3]);
}

#include "cpu/simd_vector.h"

static float quantize_row(int8_t *to, const float *x, int64_t n)
{
    float most = 0;
    vf top = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        top = v_max(v_abs(v_load(x + i)), top);
    if (i < n)
        top = v_max(v_abs(v_load_part(x + i, n - i, 0)), top);
    for (int j = 0; j < LANES; j++)
        most = top[j] > most ? top[j] : most;
    vf inverse = v_set(most > 0 ? 127 / most : 0);
    for (i = 0; i < n; i += LANES) {
        int64_t count = n - i < LANES ? n - i : LANES;
        v128_t v = wasm_f32x4_nearest((v128_t)(v_load_part(x + i, count, 0) * inverse));
        v = wasm_i32x4_trunc_sat_f32x4(v);
        v = wasm_i16x8_narrow_i32x4(v, v);
        v = wasm_i8x16_narrow_i16x8(v, v);
        memcpy(to + i, &v, (size_t)count);
    }
    return most / 127;
}

enum { CHUNK = 16, ROWS = 4 };

static inline void zero_part(const quant_dot *d, int rows, vf *sum)
{
    for (int r = 0; r < rows; r++)
        sum[r] = (vf){0};
    for (int64_t b = 0; b < d->blocks; b += LANES) {
        int64_t n = d->blocks - b < LANES ? d->blocks - b : LANES;
        vf zero = -(v_load_part(d->scale + b, n, 0) * v_load_part(d->zero + b, n, 0));
        for (int r = 0; r < rows; r++)
            sum[r] = v_fma(zero, v_load_part(d->x_sum + r * d->blocks + b, n, 0), sum[r]);
    }
}

/* Σ of 16 low nibbles times even and 16 high times odd elements, four bytes a lane. */
static inline v128_t q4_product(v128_t low, v128_t high, v128_t even, v128_t odd)
{
#if defined(__wasm_relaxed_simd__)
    v128_t pairs = wasm_i16x8_add(wasm_i16x8_relaxed_dot_i8x16_i7x16(even, low),
                                  wasm_i16x8_relaxed_dot_i8x16_i7x16(odd, high));
    return wasm_i32x4_extadd_pairwise_i16x8(pairs);
#else
    v128_t first = wasm_i16x8_add(wasm_i16x8_extmul_low_i8x16(low, even),
                                  wasm_i16x8_extmul_low_i8x16(high, odd));
    v128_t second = wasm_i16x8_add(wasm_i16x8_extmul_high_i8x16(low, even),
                                   wasm_i16x8_extmul_high_i8x16(high, odd));
    /* each |sum| <= 2 * 15 * 127: pairs fit 16 bits, and lanes 0, 1 stay the first eight bytes' */
    v128_t p = wasm_i32x4_extadd_pairwise_i16x8(first), q = wasm_i32x4_extadd_pairwise_i16x8(second);
    return wasm_i32x4_add(wasm_i32x4_shuffle(p, q, 0, 2, 4, 6), wasm_i32x4_shuffle(p, q, 1, 3, 5, 7));
#endif
}

static inline __attribute__((always_inline)) void q4_rows(const quant_dot *d, int rows, bool half)
{
    const v128_t mask = wasm_i8x16_splat(15);
    int64_t bytes = d->blocks * d->block / 2;
    vf sum[ROWS];
    zero_part(d, rows, sum);
    for (int64_t at = 0; at < bytes; at += CHUNK) {
        int64_t b = 2 * at / d->block;
        bool pair = half && b + 1 < d->blocks;
        v128_t w = wasm_i64x2_splat(0);
        if (!half || pair)
            w = wasm_v128_load(d->w + at);
        else
            memcpy(&w, d->w + at, 8);
        v128_t low = wasm_v128_and(w, mask), high = wasm_u8x16_shr(w, 4);
        for (int r = 0; r < rows; r++) {
            const int8_t *x = d->x + r * d->x_row + 2 * at;
            const float *x_scale = d->x_scale + r * d->blocks + b;
            vf product = (vf)wasm_f32x4_convert_i32x4(
                q4_product(low, high, wasm_v128_load(x), wasm_v128_load(x + CHUNK)));
            vf scale = v_set(d->scale[b] * x_scale[0]);
            if (pair)
                scale[2] = scale[3] = d->scale[b + 1] * x_scale[1];
            sum[r] = v_fma(product, scale, sum[r]);
        }
    }
    for (int r = 0; r < rows; r++)
        d->y[r * d->y_row] = v_sum(sum[r]);
}

static inline __attribute__((always_inline)) void q8_rows(const quant_dot *d, int rows)
{
    int64_t bytes = d->blocks * d->block;
    vf sum[ROWS];
    zero_part(d, rows, sum);
    for (int64_t at = 0; at < bytes; at += 16) {
        int64_t b = at / d->block;
        v128_t w = wasm_v128_load(d->w + at);
        v128_t w0 = wasm_u16x8_extend_low_u8x16(w), w1 = wasm_u16x8_extend_high_u8x16(w);
        for (int r = 0; r < rows; r++) {
            v128_t x = wasm_v128_load(d->x + r * d->x_row + at);
            v128_t product =
                wasm_i32x4_add(wasm_i32x4_dot_i16x8(w0, wasm_i16x8_extend_low_i8x16(x)),
                               wasm_i32x4_dot_i16x8(w1, wasm_i16x8_extend_high_i8x16(x)));
            sum[r] = v_fma((vf)wasm_f32x4_convert_i32x4(product),
                           v_set(d->scale[b] * d->x_scale[r * d->blocks + b]), sum[r]);
        }
    }
    for (int r = 0; r < rows; r++)
        d->y[r * d->y_row] = v_sum(sum[r]);
}

static void dot_q4(const quant_dot *d)
{
    switch (d->block == 16 ? 0 : d->rows) {
    case 1: q4_rows(d, 1, false); break;
    case 2: q4_rows(d, 2, false); break;
    case 3: q4_rows(d, 3, false); break;
    case 4: q4_rows(d, 4, false); break;
    default: q4_rows(d, (int)d->rows, true); break;
    }
}

static void dot_q8(const quant_dot *d)
{
    switch (d->rows) {
    case 1: q8_rows(d, 1); break;
    case 2: q8_rows(d, 2); break;
    case 3: q8_rows(d, 3); break;
    case 4: q8_rows(d, 4); break;
    default: break;
    }
}

/* 16 codes against 16 floats. */
static inline vf codes_f32(v128_t codes, vf zero, const float *x, vf sum)
{
    v128_t low = wasm_u16x8_extend_low_u8x16(codes), high = wasm_u16x8_extend_high_u8x16(codes);
    vf a = (vf)wasm_f32x4_convert_i32x4(wasm_u32x4_extend_low_u16x8(low));
    vf b = (vf)wasm_f32x4_convert_i32x4(wasm_u32x4_extend_high_u16x8(low));
    vf c = (vf)wasm_f32x4_convert_i32x4(wasm_u32x4_extend_low_u16x8(high));
    vf d = (vf)wasm_f32x4_convert_i32x4(wasm_u32x4_extend_high_u16x8(high));
    sum = v_fma(a - zero, v_load(x), sum);
    sum = v_fma(b - zero, v_load(x + 4), sum);
    sum = v_fma(c - zero, v_load(x + 8), sum);
    return v_fma(d - zero, v_load(x + 12), sum);
}

static float dot_q4_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    const v128_t mask = wasm_i8x16_splat(15);
    vf total = {0};
    for (int64_t b = 0; b < blocks; b++) {
        vf z = v_set(zero[b]), sum = {0};
        for (int64_t i = 0; i < block; i += 16, w += 8, x += 16) {
            v128_t bytes = wasm_v128_load64_zero(w);
            v128_t low = wasm_v128_and(bytes, mask), high = wasm_u8x16_shr(bytes, 4);
            sum = codes_f32(wasm_i8x16_shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                               6, 22, 7, 23),
                            z, x, sum);
        }
        total = v_fma(sum, v_set(scale[b]), total);
    }
    return v_sum(total);
}

static float dot_q8_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    vf total = {0};
    for (int64_t b = 0; b < blocks; b++) {
        vf z = v_set(zero[b]), sum = {0};
        for (int64_t i = 0; i < block; i += 16, w += 16, x += 16)
            sum = codes_f32(wasm_v128_load(w), z, x, sum);
        total = v_fma(sum, v_set(scale[b]), total);
    }
    return v_sum(total);
}

const simd_table simd_wasm = {
    .name = "wasm simd128",
    VECTOR_ENTRIES,
    .quantize = quantize_row,
    .quant_rows = ROWS,
    .q4_chunk = CHUNK,
    .q8_chunk = CHUNK,
    .dot_q4 = dot_q4,
    .dot_q8 = dot_q8,
    .dot_q4_f32 = dot_q4_f32,
    .dot_q8_f32 = dot_q8_f32,
};
