/* simd_wasm.c — inner loops with WebAssembly's 128-bit SIMD, and relaxed SIMD where compiled in.

   Relaxed: multiply-add may round once or twice, and the 8 by 7 bit dot product is exact for 4-bit
   weights, which are its 7-bit side. The rest is plain simd128: bytes widen to 16 bits, where
   products and their sums are exact. */
#include "cpu/simd_tables.h"

#include <wasm_simd128.h>

#define LANES 4
#define TILE_ROWS 4
#define TILE_VECTORS 2
#define TILE_STEPS 2 /* what V8 turns into the fewest instructions without spilling */
#define TILE_KEEP(value) __asm__("" : "+r"(value))
#define PANEL_VECTORS 2
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

static inline vi v_pairs(vi a, vi b, vi c)
{
    return c + (vi)wasm_i32x4_dot_i16x8((v128_t)a, (v128_t)b);
}

/* The exponent is moved by a product with 2^112, which subnormals survive; infinities are put back. */
static inline vf v_halves(const uint16_t *p)
{
    vi h = (vi)wasm_u32x4_load16x4(p), magnitude = (h & 0x7FFF) << 13;
    vi special = magnitude >= 0x0F800000;
    vi f = (vi)((vf)magnitude * 0x1p112f) | (special & 0x7F800000);
    return (vf)(f | (h & 0x8000) << 16);
}

static inline vi v_bytes(const uint8_t *p, bool is_signed)
{
    v128_t b = wasm_v128_load32_zero(p);
    return (vi)(is_signed ? wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(b))
                          : wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(b)));
}

#include "cpu/simd_vector.h"

#include "cpu/simd_image.h"

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
        v128_t v = wasm_f32x4_nearest(
            (v128_t)((count == LANES ? v_load(x + i) : v_load_part(x + i, count, 0)) * inverse));
        v = wasm_i32x4_trunc_sat_f32x4(v);
        v = wasm_i16x8_narrow_i32x4(v, v);
        v = wasm_i8x16_narrow_i16x8(v, v);
        if (count == LANES)
            wasm_v128_store32_lane(to + i, v, 0);
        else
            memcpy(to + i, &v, (size_t)count);
    }
    return most / 127;
}

enum { CHUNK = 16 };

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
    v128_t p = wasm_i32x4_extadd_pairwise_i16x8(first),
           q = wasm_i32x4_extadd_pairwise_i16x8(second);
    return wasm_i32x4_add(wasm_i32x4_shuffle(p, q, 0, 2, 4, 6),
                          wasm_i32x4_shuffle(p, q, 1, 3, 5, 7));
#endif
}

/* One row of w; a lane is four bytes, so with blocks of 16 lanes 2 and 3 are the next block's. */
static float q4_row(const quant_dot *d, const uint8_t *w, const float *scale, const float *zero)
{
    const v128_t mask = wasm_i8x16_splat(15);
    const int8_t *x = d->x;
    vf sum = {0};
    float rest = 0;
    for (int64_t b = 0; b < d->blocks; b += d->block == 16 ? 2 : 1) {
        bool pair = d->block == 16 && b + 1 < d->blocks;
        vf s = v_set(scale[b] * d->x_scale[b]);
        rest += scale[b] * zero[b] * d->x_sum[b];
        if (pair) {
            s[2] = s[3] = scale[b + 1] * d->x_scale[b + 1];
            rest += scale[b + 1] * zero[b + 1] * d->x_sum[b + 1];
        }
        for (int64_t i = 0; i < d->block; i += 2 * CHUNK, w += CHUNK, x += 2 * CHUNK) {
            v128_t v;
            if (d->block == 16 && !pair)
                v = wasm_v128_load64_zero(w);
            else
                v = wasm_v128_load(w);
            v128_t product =
                q4_product(wasm_v128_and(v, mask), wasm_v128_and(wasm_u16x8_shr(v, 4), mask),
                           wasm_v128_load(x), wasm_v128_load(x + CHUNK));
            sum = v_fma((vf)wasm_f32x4_convert_i32x4(product), s, sum);
        }
    }
    return v_sum(sum) - rest;
}

/* Sixteen 8-bit codes times x. */
static inline v128_t q8_product(v128_t w, v128_t x)
{
    v128_t low =
        wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(w), wasm_i16x8_extend_low_i8x16(x));
    return wasm_i32x4_add(low, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(w),
                                                    wasm_i16x8_extend_high_i8x16(x)));
}

static float q8_row(const quant_dot *d, const uint8_t *w, const float *scale, const float *zero)
{
    const int8_t *x = d->x;
    vf sum = {0};
    float rest = 0;
    for (int64_t b = 0; b < d->blocks; b++) {
        v128_t product = wasm_i32x4_splat(0);
        for (int64_t i = 0; i < d->block; i += 16, w += 16, x += 16)
            product = wasm_i32x4_add(product, q8_product(wasm_v128_load(w), wasm_v128_load(x)));
        sum = v_fma((vf)wasm_f32x4_convert_i32x4(product), v_set(scale[b] * d->x_scale[b]), sum);
        rest += scale[b] * zero[b] * d->x_sum[b];
    }
    return v_sum(sum) - rest;
}

/* Four blocks' scales at a time, beyond the last block zeros. */
static inline vf load_blocks(const float *from, int64_t left)
{
    return left >= 4 ? v_load(from) : v_load_part(from, left, 0);
}

/* One row of w with blocks of 32 against one of x: what decoding is made of. Scales are multiplied
   for four blocks at a time, and two sums take turns. */
static inline __attribute__((always_inline)) float
one_row(const quant_dot *d, const uint8_t *w, const float *scale, const float *zero, bool nibbles)
{
    const v128_t mask = wasm_i8x16_splat(15);
    const int8_t *x = d->x;
    vf sum[2] = {{0}}, rest = {0};
    for (int64_t b = 0; b < d->blocks; b += 4) {
        int64_t left = d->blocks - b, some = left < 4 ? left : 4;
        vf s = load_blocks(scale + b, left);
        rest = v_fma(s * load_blocks(zero + b, left), load_blocks(d->x_sum + b, left), rest);
        s *= load_blocks(d->x_scale + b, left);
        for (int64_t i = 0; i < some; i++, x += 32) {
            v128_t a = wasm_v128_load(x), c = wasm_v128_load(x + 16), product;
            if (nibbles) {
                v128_t v = wasm_v128_load(w);
                product = q4_product(wasm_v128_and(v, mask),
                                     wasm_v128_and(wasm_u16x8_shr(v, 4), mask), a, c);
                w += 16;
            } else {
                product = wasm_i32x4_add(q8_product(wasm_v128_load(w), a),
                                         q8_product(wasm_v128_load(w + 16), c));
                w += 32;
            }
            vf one = __builtin_shufflevector(s, s, 0, 0, 0, 0);
            s = __builtin_shufflevector(s, s, 1, 2, 3, 0);
            sum[i & 1] = v_fma((vf)wasm_f32x4_convert_i32x4(product), one, sum[i & 1]);
        }
    }
    return v_sum(sum[0] + sum[1] - rest);
}

/* Blocks of 32, which nearly all models have, and any. */
static void dot_q4(const quant_dot *d)
{
    for (int64_t n = 0, at = 0; n < d->n; n++, at += d->blocks)
        d->y[n] = d->block == 32 ? one_row(d, d->w + at * 16, d->scale + at, d->zero + at, true)
                                 : q4_row(d, d->w + at * d->block / 2, d->scale + at, d->zero + at);
}

static void dot_q8(const quant_dot *d)
{
    for (int64_t n = 0, at = 0; n < d->n; n++, at += d->blocks)
        d->y[n] = d->block == 32 ? one_row(d, d->w + at * 32, d->scale + at, d->zero + at, false)
                                 : q8_row(d, d->w + at * d->block, d->scale + at, d->zero + at);
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

/* 8 codes, evens or odds of a block of 16. */
static inline vf half_codes_f32(v128_t codes, vf zero, const float *x, vf sum)
{
    v128_t words = wasm_u16x8_extend_low_u8x16(codes);
    vf a = (vf)wasm_f32x4_convert_i32x4(wasm_u32x4_extend_low_u16x8(words));
    vf b = (vf)wasm_f32x4_convert_i32x4(wasm_u32x4_extend_high_u16x8(words));
    sum = v_fma(a - zero, v_load(x), sum);
    return v_fma(b - zero, v_load(x + 4), sum);
}

static float dot_q4_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    const v128_t mask = wasm_i8x16_splat(15);
    vf total = {0};
    for (int64_t b = 0; b < blocks; b++) {
        vf z = v_set(zero[b]), sum = {0};
        if (block == 16) { /* half a stretch of 32: evens at 0 or 8, odds 16 later */
            const float *half = x + b / 2 * 32 + b % 2 * 8;
            v128_t bytes = wasm_v128_load64_zero(w + b * 8);
            sum = half_codes_f32(wasm_v128_and(bytes, mask), z, half, sum);
            sum = half_codes_f32(wasm_u8x16_shr(bytes, 4), z, half + 16, sum);
        }
        for (int64_t i = 0; block > 16 && i < block; i += 32) {
            int64_t at = b * block + i;
            v128_t bytes = wasm_v128_load(w + at / 2);
            sum = codes_f32(wasm_v128_and(bytes, mask), z, x + at, sum);
            sum = codes_f32(wasm_u8x16_shr(bytes, 4), z, x + at + 16, sum);
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

/* ── Packed weights: eight rows, four a vector, see nbits_packed.c ── */

#define PACKED_ROWS 4
enum { PACKED = 8, HALVES = PACKED / LANES };

/* Sums of a lane's four: its two halves are lanes 2 i and 2 i + 1 of p (rows 0 and 1) or q. */
static inline v128_t join(v128_t p, v128_t q)
{
    return wasm_i32x4_add(wasm_i32x4_shuffle(p, q, 0, 2, 4, 6),
                          wasm_i32x4_shuffle(p, q, 1, 3, 5, 7));
}

/* product[r][h] = w · x[r] over a block of n elements, 4-bit codes as they are and 8-bit codes less
   128. Sums of 4-bit products stay in 16 bits for 32 elements: eight times 2 * 15 * 127. 8-bit codes
   and x are widened to 16 bits. V8 has the registers for four rows as long as the loop over k stays
   one. */
static inline __attribute__((always_inline)) void block_products(int rows, int bits, int n,
                                                                 const uint8_t *w, const int8_t *x,
                                                                 int64_t x_row,
                                                                 vi (*product)[HALVES])
{
    const v128_t mask = wasm_i8x16_splat(15);
    const int run = 32;
#pragma unroll
    for (int h = 0; h < HALVES; h++) {
        const uint8_t *from = w;
#pragma nounroll
        for (int i = 0; bits == 4 && i < n; i += run) {
            v128_t low[PACKED_ROWS], high[PACKED_ROWS];
#pragma unroll
            for (int r = 0; r < rows; r++)
                low[r] = high[r] = wasm_i32x4_splat(0);
#pragma nounroll
            for (int k = i; k < i + run && k < n; k += 8, from += 32) {
                v128_t v = wasm_v128_load(from + h * 16);
                v128_t low_codes = wasm_v128_and(v, mask);
                v128_t high_codes = wasm_v128_and(wasm_u16x8_shr(v, 4), mask);
#pragma unroll
                for (int r = 0; r < rows; r++) {
                    const int8_t *at = x + r * x_row + k;
                    v128_t first = wasm_v128_load32_splat(at),
                           last = wasm_v128_load32_splat(at + 4);
#if defined(__wasm_relaxed_simd__)
                    low[r] = wasm_i16x8_add(low[r],
                                            wasm_i16x8_relaxed_dot_i8x16_i7x16(first, low_codes));
                    low[r] = wasm_i16x8_add(low[r],
                                            wasm_i16x8_relaxed_dot_i8x16_i7x16(last, high_codes));
#else
                    low[r] = wasm_i16x8_add(low[r], wasm_i16x8_extmul_low_i8x16(low_codes, first));
                    low[r] = wasm_i16x8_add(low[r], wasm_i16x8_extmul_low_i8x16(high_codes, last));
                    high[r] =
                        wasm_i16x8_add(high[r], wasm_i16x8_extmul_high_i8x16(low_codes, first));
                    high[r] =
                        wasm_i16x8_add(high[r], wasm_i16x8_extmul_high_i8x16(high_codes, last));
#endif
                }
            }
#pragma unroll
            for (int r = 0; r < rows; r++) {
                v128_t p = wasm_i32x4_extadd_pairwise_i16x8(low[r]);
#if !defined(__wasm_relaxed_simd__)
                p = join(p, wasm_i32x4_extadd_pairwise_i16x8(high[r]));
#endif
                product[r][h] += (vi)p;
            }
        }
        v128_t low[PACKED_ROWS], high[PACKED_ROWS];
#pragma unroll
        for (int r = 0; r < rows; r++)
            low[r] = high[r] = wasm_i32x4_splat(0);
#pragma nounroll
        for (int k = 0; bits == 8 && k < n; k += 4, from += 32) {
            v128_t v = wasm_v128_xor(wasm_v128_load(from + h * 16), wasm_i8x16_splat((char)0x80));
            v128_t first = wasm_i16x8_extend_low_i8x16(v), last = wasm_i16x8_extend_high_i8x16(v);
#pragma unroll
            for (int r = 0; r < rows; r++) {
                v128_t four =
                    wasm_i16x8_extend_low_i8x16(wasm_v128_load32_splat(x + r * x_row + k));
                low[r] = wasm_i32x4_add(low[r], wasm_i32x4_dot_i16x8(first, four));
                high[r] = wasm_i32x4_add(high[r], wasm_i32x4_dot_i16x8(last, four));
            }
        }
#pragma unroll
        for (int r = 0; bits == 8 && r < rows; r++)
            product[r][h] += (vi)join(low[r], high[r]);
    }
}

#define PACKED_FOR_RUN
#include "cpu/simd_packed_four.h"

#include "cpu/simd_packed.h"

const simd_table simd_wasm = {
    .name = "wasm simd128",
    VECTOR_ENTRIES,
    IMAGE_ENTRIES,
    .quantize = quantize_row,
    .quant_rows = 1,
    .q4_chunk = CHUNK,
    .q8_chunk = CHUNK,
    .dot_q4 = dot_q4,
    .dot_q8 = dot_q8,
    .dot_q4_f32 = dot_q4_f32,
    .dot_q8_f32 = dot_q8_f32,
    PACKED_ENTRIES,
};
