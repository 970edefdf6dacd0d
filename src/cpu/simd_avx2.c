/* simd_avx2.c — inner loops with AVX2 and FMA.

   4-bit products use vpmaddubsw: 15 * 127 twice, for both halves of the nibbles, stays below 2^15,
   so nothing saturates. 8-bit weights would, and are widened to 16 bits instead. */
#include "cpu/simd_tables.h"

#include <immintrin.h>

#define LANES 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));

static inline vf v_fma(vf a, vf b, vf c)
{
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
static inline vf v_max(vf a, vf b)
{
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}
static inline vf v_min(vf a, vf b)
{
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}
static inline float v_sum(vf a)
{
    __m128 h = _mm_add_ps(_mm256_castps256_ps128((__m256)a), _mm256_extractf128_ps((__m256)a, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}

/* The first n lanes are on. */
static inline __m256i first_lanes(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_load_some(const float *p, int64_t n, vf rest)
{
    __m256i mask = first_lanes(n);
    return (vf)_mm256_blendv_ps((__m256)rest, _mm256_maskload_ps(p, mask), (__m256)mask);
}
static inline void v_store_part(float *p, vf v, int64_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n), (__m256)v);
}

static inline vi v_pairs(vi a, vi b, vi c)
{
    return c + (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}

#include "cpu/simd_vector.h"

static inline vf load_some(const float *p, int64_t left)
{
    if (left >= LANES)
        return v_load(p);
    return (vf)_mm256_maskload_ps(p, first_lanes(left));
}

static float quantize_row(int8_t *to, const float *x, int64_t n)
{
    vf top = {0};
    for (int64_t i = 0; i < n; i += LANES)
        top = v_max(v_abs(load_some(x + i, n - i)), top);
    float most = top_row((const float *)&top, LANES);
    vf inverse = v_set(most > 0 ? 127 / most : 0);
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t count = n - i < LANES ? n - i : LANES;
        __m256i q = _mm256_cvtps_epi32((__m256)(load_some(x + i, n - i) * inverse));
        __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
        __m128i bytes = _mm_packs_epi16(words, words);
        if (count == LANES)
            _mm_storel_epi64((__m128i *)(void *)(to + i), bytes);
        else
            memcpy(to + i, &bytes, (size_t)count);
    }
    return most / 127;
}

enum { CHUNK = 32, ROWS = 4 };

static inline __m256i load_chunk(const uint8_t *w, int64_t left)
{
    if (left >= CHUNK)
        return _mm256_loadu_si256((const __m256i *)(const void *)w);
    return _mm256_maskload_epi32((const int *)(const void *)w, first_lanes(left / 4));
}

/* One row of w. Eight blocks' scales are multiplied at a time; `lane` counts the elements before
   each lane's four bytes, which says whose block's scale it takes. */
static inline __attribute__((always_inline)) void q4_row(const quant_dot *d, const uint8_t *w,
                                                         const float *scale, const float *zero,
                                                         float *y, int rows, int shift)
{
    const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    const __m256i first = _mm256_setr_epi32(0, 8, 16, 24, 32, 40, 48, 56);
    const __m128i by = _mm_cvtsi32_si128(shift);
    int64_t blocks = d->blocks, total = blocks << shift;
    vf sum[ROWS], x_scale[ROWS];
    for (int r = 0; r < rows; r++)
        sum[r] = (vf){0};
    for (int64_t b = 0; b < blocks; b += LANES) {
        vf s = load_some(scale + b, blocks - b), z = -s * load_some(zero + b, blocks - b);
        for (int r = 0; r < rows; r++) {
            int64_t at = r * blocks + b;
            sum[r] = v_fma(z, load_some(d->x_sum + at, blocks - b), sum[r]);
            x_scale[r] = s * load_some(d->x_scale + at, blocks - b);
        }
        int64_t end = (b + LANES) << shift;
        end = end < total ? end : total;
        __m256i lane = first;
        for (int64_t i = b << shift; i < end; i += 2 * CHUNK) {
            __m256i v = load_chunk(w + i / 2, (total - i) / 2);
            __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
            __m256i whose = _mm256_srl_epi32(lane, by);
            lane = _mm256_add_epi32(lane, _mm256_set1_epi32(2 * CHUNK));
            v = _mm256_and_si256(v, low);
            for (int r = 0; r < rows; r++) {
                const int8_t *x = d->x + r * d->x_row + i;
                __m256i even = _mm256_loadu_si256((const __m256i *)(const void *)x);
                __m256i odd = _mm256_loadu_si256((const __m256i *)(const void *)(x + CHUNK));
                __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(v, even),
                                                 _mm256_maddubs_epi16(high, odd));
                vf product = (vf)_mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, ones));
                sum[r] =
                    v_fma(product, (vf)_mm256_permutevar8x32_ps((__m256)x_scale[r], whose), sum[r]);
            }
        }
    }
    for (int r = 0; r < rows; r++)
        y[r * d->y_row] = v_sum(sum[r]);
}

static inline __attribute__((always_inline)) void q8_row(const quant_dot *d, const uint8_t *w,
                                                         const float *scale, const float *zero,
                                                         float *y, int rows, int shift)
{
    vf sum[ROWS];
    float rest[ROWS] = {0};
    for (int r = 0; r < rows; r++)
        sum[r] = (vf){0};
    for (int64_t b = 0; b < d->blocks; b++) {
        __m256i product[ROWS];
        for (int r = 0; r < rows; r++)
            product[r] = _mm256_setzero_si256();
        for (int64_t i = b << shift; i < (b + 1) << shift; i += 16) {
            __m256i v =
                _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(w + i)));
            for (int r = 0; r < rows; r++) {
                const void *x = d->x + r * d->x_row + i;
                __m256i u = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x));
                product[r] = _mm256_add_epi32(product[r], _mm256_madd_epi16(v, u));
            }
        }
        for (int r = 0; r < rows; r++) {
            int64_t at = r * d->blocks + b;
            sum[r] =
                v_fma((vf)_mm256_cvtepi32_ps(product[r]), v_set(scale[b] * d->x_scale[at]), sum[r]);
            rest[r] += scale[b] * zero[b] * d->x_sum[at];
        }
    }
    for (int r = 0; r < rows; r++)
        y[r * d->y_row] = v_sum(sum[r]) - rest[r];
}

#define ALL_ROWS(function, rows, bits, shift)                                                      \
    for (int64_t n = 0; n < d->n; n++)                                                             \
        function(d, d->w + ((n * d->blocks * bits) << shift) / 8, d->scale + n * d->blocks,        \
                 d->zero + n * d->blocks, d->y + n, rows, shift);
#define CASES(function, bits, shift)                                                               \
    switch (d->rows) {                                                                             \
    case 1:                                                                                        \
        ALL_ROWS(function, 1, bits, shift) break;                                                  \
    case 2:                                                                                        \
        ALL_ROWS(function, 2, bits, shift) break;                                                  \
    case 3:                                                                                        \
        ALL_ROWS(function, 3, bits, shift) break;                                                  \
    case 4:                                                                                        \
        ALL_ROWS(function, 4, bits, shift) break;                                                  \
    default:                                                                                       \
        break;                                                                                     \
    }

static void dot_q4(const quant_dot *d)
{
    int shift = __builtin_ctzll((uint64_t)d->block);
    if (shift == 5)
        CASES(q4_row, 4, 5)
    else
        CASES(q4_row, 4, shift)
}

static void dot_q8(const quant_dot *d)
{
    int shift = __builtin_ctzll((uint64_t)d->block);
    if (shift == 5)
        CASES(q8_row, 8, 5)
    else
        CASES(q8_row, 8, shift)
}

/* 16 codes against 16 floats. */
static inline void codes_f32(__m128i codes, __m256 zero, const float *x, __m256 *p, __m256 *q)
{
    __m256 first = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(codes));
    __m256 second = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(codes, 8)));
    *p = _mm256_fmadd_ps(_mm256_sub_ps(first, zero), _mm256_loadu_ps(x), *p);
    *q = _mm256_fmadd_ps(_mm256_sub_ps(second, zero), _mm256_loadu_ps(x + 8), *q);
}

static float dot_q4_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    const __m128i low = _mm_set1_epi8(15);
    __m256 total = _mm256_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        __m256 z = _mm256_set1_ps(zero[b]), p = _mm256_setzero_ps(), q = _mm256_setzero_ps();
        if (block == 16) { /* half a stretch of 32: evens at 0 or 8, odds 16 later */
            const float *half = x + b / 2 * 32 + b % 2 * 8;
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(w + b * 8));
            __m128i even = _mm_and_si128(bytes, low);
            __m128i odd = _mm_and_si128(_mm_srli_epi16(bytes, 4), low);
            p = _mm256_mul_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(even)), z),
                              _mm256_loadu_ps(half));
            q = _mm256_mul_ps(_mm256_sub_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(odd)), z),
                              _mm256_loadu_ps(half + 16));
        }
        for (int64_t i = 0; block > 16 && i < block; i += 32) {
            int64_t at = b * block + i;
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(w + at / 2));
            codes_f32(_mm_and_si128(bytes, low), z, x + at, &p, &q);
            codes_f32(_mm_and_si128(_mm_srli_epi16(bytes, 4), low), z, x + at + 16, &p, &q);
        }
        total = _mm256_fmadd_ps(_mm256_add_ps(p, q), _mm256_set1_ps(scale[b]), total);
    }
    return v_sum((vf)total);
}

static float dot_q8_f32(const uint8_t *w, const float *scale, const float *zero, const float *x,
                        int64_t blocks, int64_t block)
{
    __m256 total = _mm256_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        __m256 z = _mm256_set1_ps(zero[b]), p = _mm256_setzero_ps(), q = _mm256_setzero_ps();
        for (int64_t i = 0; i < block; i += 16, w += 16, x += 16)
            codes_f32(_mm_loadu_si128((const __m128i *)(const void *)w), z, x, &p, &q);
        total = _mm256_fmadd_ps(_mm256_add_ps(p, q), _mm256_set1_ps(scale[b]), total);
    }
    return v_sum((vf)total);
}

const simd_table simd_avx2 = {
    .name = "avx2",
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
