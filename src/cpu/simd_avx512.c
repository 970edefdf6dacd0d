/* simd_avx512.c — inner loops with AVX-512 (F, BW, VL, DQ, VNNI).

   The quantised products use vpdpbusd, which multiplies unsigned by signed bytes and adds four
   products to a 32-bit sum without saturating: weights are the unsigned side. With one row of x they
   are bound by memory, with four by vpdpbusd. */
#include "cpu/simd_tables.h"

#include <immintrin.h>

#define LANES 16
#define TILE_ROWS 8
#define TILE_VECTORS 2
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));

static inline vf v_fma(vf a, vf b, vf c)
{
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
static inline vf v_max(vf a, vf b)
{
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}
static inline vf v_min(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}
static inline float v_sum(vf a)
{
    return _mm512_reduce_add_ps((__m512)a);
}

static inline vf v_load_some(const float *p, int64_t n, vf rest)
{
    return (vf)_mm512_mask_loadu_ps((__m512)rest, (__mmask16)((1u << n) - 1), p);
}
static inline void v_store_part(float *p, vf v, int64_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}

static inline vi v_pairs(vi a, vi b, vi c)
{
    return (vi)_mm512_dpwssd_epi32((__m512i)c, (__m512i)a, (__m512i)b);
}

#include "cpu/simd_vector.h"

static float quantize_row(int8_t *to, const float *x, int64_t n)
{
    __m512 top = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 some = n - i >= LANES ? 0xFFFF : (__mmask16)((1u << (n - i)) - 1);
        top = _mm512_max_ps(top, _mm512_abs_ps(_mm512_maskz_loadu_ps(some, x + i)));
    }
    float most = _mm512_reduce_max_ps(top);
    __m512 inverse = _mm512_set1_ps(most > 0 ? 127 / most : 0);
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 some = n - i >= LANES ? 0xFFFF : (__mmask16)((1u << (n - i)) - 1);
        __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, x + i), inverse);
        _mm512_mask_cvtsepi32_storeu_epi8(to + i, some, _mm512_cvtps_epi32(v));
    }
    return most / 127;
}

enum { CHUNK = 64, ROWS = 4 };

static inline __mmask16 first_lanes(int64_t n)
{
    return n >= LANES ? 0xFFFF : (__mmask16)((1u << n) - 1);
}

static inline __m512i load_chunk(const uint8_t *w, int64_t left)
{
    if (left >= CHUNK)
        return _mm512_loadu_si512(w);
    return _mm512_maskz_loadu_epi8(((__mmask64)1 << left) - 1, w);
}

/* One row of w. Sixteen blocks' scales are multiplied at a time; `lane` counts the elements before
   each lane's four bytes, which says whose block's scale it takes. */
static inline __attribute__((always_inline)) void quant_row(const quant_dot *d, const uint8_t *w,
                                                            const float *scale, const float *zero,
                                                            float *y, int rows, bool nibbles,
                                                            int shift)
{
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i ramp = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const int elements = nibbles ? 2 * CHUNK : CHUNK;
    const __m512i first = _mm512_slli_epi32(ramp, nibbles ? 3 : 2);
    const __m128i by = _mm_cvtsi32_si128(shift);
    int64_t blocks = d->blocks, total = blocks << shift;
    __m512 sum[ROWS], x_scale[ROWS];
    for (int r = 0; r < rows; r++)
        sum[r] = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; b += LANES) {
        __mmask16 some = first_lanes(blocks - b);
        __m512 s = _mm512_maskz_loadu_ps(some, scale + b);
        __m512 z = _mm512_mul_ps(s, _mm512_maskz_loadu_ps(some, zero + b));
        for (int r = 0; r < rows; r++) {
            int64_t at = r * blocks + b;
            sum[r] = _mm512_fnmadd_ps(z, _mm512_maskz_loadu_ps(some, d->x_sum + at), sum[r]);
            x_scale[r] = _mm512_mul_ps(s, _mm512_maskz_loadu_ps(some, d->x_scale + at));
        }
        int64_t end = (b + LANES) << shift;
        end = end < total ? end : total;
        __m512i lane = first;
        for (int64_t i = b << shift; i < end; i += elements) {
            __m512i v = load_chunk(w + (nibbles ? i / 2 : i), (total - i) >> (nibbles ? 1 : 0));
            __m512i high = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
            __m512i whose = _mm512_srl_epi32(lane, by);
            lane = _mm512_add_epi32(lane, _mm512_set1_epi32(elements));
            if (nibbles)
                v = _mm512_and_si512(v, low);
            for (int r = 0; r < rows; r++) {
                const int8_t *x = d->x + r * d->x_row + i;
                __m512i product =
                    _mm512_dpbusd_epi32(_mm512_setzero_si512(), v, _mm512_loadu_si512(x));
                if (nibbles)
                    product = _mm512_dpbusd_epi32(product, high, _mm512_loadu_si512(x + CHUNK));
                sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product),
                                         _mm512_permutexvar_ps(whose, x_scale[r]), sum[r]);
            }
        }
    }
    for (int r = 0; r < rows; r++)
        y[r * d->y_row] = _mm512_reduce_add_ps(sum[r]);
}

static inline __attribute__((always_inline)) void quant_rows(const quant_dot *d, int rows,
                                                             bool nibbles, int shift)
{
    int64_t bytes = (d->blocks << shift) >> (nibbles ? 1 : 0);
    for (int64_t n = 0; n < d->n; n++)
        quant_row(d, d->w + n * bytes, d->scale + n * d->blocks, d->zero + n * d->blocks, d->y + n,
                  rows, nibbles, shift);
}

#define CASES(nibbles, shift)                                                                      \
    switch (d->rows) {                                                                             \
    case 1:                                                                                        \
        quant_rows(d, 1, nibbles, shift);                                                          \
        break;                                                                                     \
    case 2:                                                                                        \
        quant_rows(d, 2, nibbles, shift);                                                          \
        break;                                                                                     \
    case 3:                                                                                        \
        quant_rows(d, 3, nibbles, shift);                                                          \
        break;                                                                                     \
    case 4:                                                                                        \
        quant_rows(d, 4, nibbles, shift);                                                          \
        break;                                                                                     \
    default:                                                                                       \
        break;                                                                                     \
    }

static void dot_q4(const quant_dot *d)
{
    int shift = __builtin_ctzll((uint64_t)d->block);
    if (shift == 5)
        CASES(true, 5)
    else
        CASES(true, shift)
}

static void dot_q8(const quant_dot *d)
{
    int shift = __builtin_ctzll((uint64_t)d->block);
    if (shift == 5)
        CASES(false, 5)
    else
        CASES(false, shift)
}

/* A block's sixteen possible weights are a table in a register. */
static inline __m512 weight_table(float scale, float zero)
{
    const __m512 codes = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_mul_ps(_mm512_sub_ps(codes, _mm512_set1_ps(zero)), _mm512_set1_ps(scale));
}

static float dot_q4_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    __m512 p = _mm512_setzero_ps(), q = _mm512_setzero_ps();
    if (block == 16) { /* two blocks' codes in a load: lanes 8 to 15 are the second's */
        for (int64_t b = 0; b < blocks; b += 2, w += 16, x += 32) {
            bool pair = b + 1 < blocks;
            __m128i bytes = pair ? _mm_loadu_si128((const __m128i *)(const void *)w)
                                 : _mm_loadl_epi64((const __m128i *)(const void *)w);
            __m512i even = _mm512_cvtepu8_epi32(bytes), odd = _mm512_srli_epi32(even, 4);
            __m512 one = weight_table(scale[b], zero[b]);
            __m512 two = pair ? weight_table(scale[b + 1], zero[b + 1]) : one;
            p = _mm512_fmadd_ps(
                _mm512_mask_permutexvar_ps(_mm512_permutexvar_ps(even, one), 0xFF00, even, two),
                _mm512_loadu_ps(x), p);
            q = _mm512_fmadd_ps(
                _mm512_mask_permutexvar_ps(_mm512_permutexvar_ps(odd, one), 0xFF00, odd, two),
                _mm512_loadu_ps(x + 16), q);
        }
        return _mm512_reduce_add_ps(_mm512_add_ps(p, q));
    }
    for (int64_t b = 0; b < blocks; b++) {
        __m512 table = weight_table(scale[b], zero[b]);
        for (int64_t i = 0; i < block; i += 32, w += 16, x += 32) {
            __m512i even = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)w));
            __m512i odd = _mm512_srli_epi32(even, 4); /* the permutation reads four bits */
            p = _mm512_fmadd_ps(_mm512_permutexvar_ps(even, table), _mm512_loadu_ps(x), p);
            q = _mm512_fmadd_ps(_mm512_permutexvar_ps(odd, table), _mm512_loadu_ps(x + 16), q);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(p, q));
}

static float dot_q8_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    __m512 total = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        __m512 z = _mm512_set1_ps(zero[b]), sum = _mm512_setzero_ps();
        for (int64_t i = 0; i < block; i += 16, w += 16, x += 16) {
            __m128i codes = _mm_loadu_si128((const __m128i *)(const void *)w);
            __m512 q = _mm512_sub_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes)), z);
            sum = _mm512_fmadd_ps(q, _mm512_loadu_ps(x), sum);
        }
        total = _mm512_fmadd_ps(sum, _mm512_set1_ps(scale[b]), total);
    }
    return _mm512_reduce_add_ps(total);
}

const simd_table simd_avx512 = {
    .name = "avx512",
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
