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

/* Lane i of a chunk's sums belongs to this of the chunk's blocks. */
static inline __m512i lane_blocks(int64_t block, int64_t per_lane)
{
    int32_t index[LANES];
    for (int i = 0; i < LANES; i++)
        index[i] = (int32_t)(i * per_lane / block);
    return _mm512_loadu_si512(index);
}

/* − Σ scale * zero * x_sum of each row. */
static inline void zero_part(const quant_dot *d, int rows, __m512 *sum)
{
    for (int r = 0; r < rows; r++)
        sum[r] = _mm512_setzero_ps();
    for (int64_t b = 0; b < d->blocks; b += LANES) {
        int64_t left = d->blocks - b;
        __mmask16 some = left >= LANES ? 0xFFFF : (__mmask16)((1u << left) - 1);
        __m512 zero = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, d->scale + b),
                                    _mm512_maskz_loadu_ps(some, d->zero + b));
        for (int r = 0; r < rows; r++)
            sum[r] = _mm512_fnmadd_ps(
                zero, _mm512_maskz_loadu_ps(some, d->x_sum + r * d->blocks + b), sum[r]);
    }
}

static inline __attribute__((always_inline)) void quant_rows(const quant_dot *d, int rows,
                                                             bool nibbles)
{
    const __m512i low = _mm512_set1_epi8(15);
    int64_t elements = nibbles ? 2 * CHUNK : CHUNK, total = d->blocks * d->block;
    int64_t bytes = nibbles ? total / 2 : total;
    int64_t per_chunk = elements / d->block; /* blocks; 0 when a block is longer */
    __mmask16 some = (__mmask16)((1u << (per_chunk > 1 ? per_chunk : 1)) - 1);
    __m512i spread = lane_blocks(d->block < elements ? d->block : elements, elements / LANES);
    __m512 sum[ROWS];
    zero_part(d, rows, sum);
    for (int64_t at = 0; at < bytes; at += CHUNK) {
        int64_t element = nibbles ? 2 * at : at, b = element / d->block;
        __mmask64 there = bytes - at >= CHUNK ? ~(__mmask64)0 : ((__mmask64)1 << (bytes - at)) - 1;
        __mmask16 mask = d->blocks - b < per_chunk ? (__mmask16)((1u << (d->blocks - b)) - 1) : some;
        __m512i w = _mm512_maskz_loadu_epi8(there, d->w + at);
        __m512 scale = _mm512_permutexvar_ps(spread, _mm512_maskz_loadu_ps(mask, d->scale + b));
        __m512i high = w;
        if (nibbles) {
            high = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
            w = _mm512_and_si512(w, low);
        }
        for (int r = 0; r < rows; r++) {
            const int8_t *x = d->x + r * d->x_row + element;
            __m512i product = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, _mm512_loadu_si512(x));
            if (nibbles)
                product = _mm512_dpbusd_epi32(product, high, _mm512_loadu_si512(x + CHUNK));
            __m512 x_scale = _mm512_permutexvar_ps(
                spread, _mm512_maskz_loadu_ps(mask, d->x_scale + r * d->blocks + b));
            sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(product), _mm512_mul_ps(scale, x_scale),
                                     sum[r]);
        }
    }
    for (int r = 0; r < rows; r++)
        d->y[r * d->y_row] = _mm512_reduce_add_ps(sum[r]);
}

#define CASES(nibbles)                                                                             \
    switch (d->rows) {                                                                             \
    case 1: quant_rows(d, 1, nibbles); break;                                                      \
    case 2: quant_rows(d, 2, nibbles); break;                                                      \
    case 3: quant_rows(d, 3, nibbles); break;                                                      \
    case 4: quant_rows(d, 4, nibbles); break;                                                      \
    default: break;                                                                                \
    }

static void dot_q4(const quant_dot *d)
{
    CASES(true)
}

static void dot_q8(const quant_dot *d)
{
    CASES(false)
}

static float dot_q4_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    const __m128i low = _mm_set1_epi8(15);
    __m512 total = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        __m512 z = _mm512_set1_ps(zero[b]), sum = _mm512_setzero_ps();
        for (int64_t i = 0; i < block; i += 16, w += 8, x += 16) {
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)w);
            __m128i codes = _mm_unpacklo_epi8(_mm_and_si128(bytes, low),
                                              _mm_and_si128(_mm_srli_epi16(bytes, 4), low));
            __m512 q = _mm512_sub_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes)), z);
            sum = _mm512_fmadd_ps(q, _mm512_loadu_ps(x), sum);
        }
        total = _mm512_fmadd_ps(sum, _mm512_set1_ps(scale[b]), total);
    }
    return _mm512_reduce_add_ps(total);
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
