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

#include "cpu/simd_vector.h"

static float quantize_row(int8_t *to, const float *x, int64_t n)
{
    vf top = {0};
    for (int64_t i = 0; i < n; i += LANES)
        top = v_max(v_abs(v_load_part(x + i, n - i < LANES ? n - i : LANES, 0)), top);
    float most = top_row((const float *)&top, LANES);
    vf inverse = v_set(most > 0 ? 127 / most : 0);
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t count = n - i < LANES ? n - i : LANES;
        __m256i q = _mm256_cvtps_epi32((__m256)(v_load_part(x + i, count, 0) * inverse));
        __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
        __m128i bytes = _mm_packs_epi16(words, words);
        memcpy(to + i, &bytes, (size_t)count);
    }
    return most / 127;
}

enum { CHUNK = 32, ROWS = 4 };

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

/* The scales of blocks b on, one for each lane's block; `wide` lanes a block. */
static inline vf spread(const float *scale, int64_t left, int wide)
{
    if (wide >= LANES || left == 1)
        return v_set(*scale);
    if (wide == 4 || left == 2) {
        __m256 low = _mm256_set1_ps(scale[0]), high = _mm256_set1_ps(scale[1]);
        return (vf)(wide == 4 ? _mm256_blend_ps(low, high, 0xF0) : _mm256_blend_ps(low, high, 0x0C));
    }
    float four[4] = {scale[0], scale[1], scale[2], left > 3 ? scale[3] : 0};
    __m128 v = _mm_loadu_ps(four);
    return (vf)_mm256_set_m128(_mm_unpackhi_ps(v, v), _mm_unpacklo_ps(v, v));
}

static inline __m256i load_bytes(const void *from, int64_t left)
{
    __m256i v = _mm256_setzero_si256();
    if (left >= CHUNK)
        return _mm256_loadu_si256((const __m256i *)from);
    memcpy(&v, from, (size_t)left);
    return v;
}

static inline __attribute__((always_inline)) void q4_rows(const quant_dot *d, int rows, int wide)
{
    const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    int64_t bytes = d->blocks * d->block / 2;
    vf sum[ROWS];
    zero_part(d, rows, sum);
    for (int64_t at = 0; at < bytes; at += CHUNK) {
        int64_t b = 2 * at / d->block, left = d->blocks - b;
        __m256i w = load_bytes(d->w + at, bytes - at);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(w, 4), low);
        vf scale = spread(d->scale + b, left, wide);
        w = _mm256_and_si256(w, low);
        for (int r = 0; r < rows; r++) {
            const int8_t *x = d->x + r * d->x_row + 2 * at;
            __m256i even = _mm256_loadu_si256((const __m256i *)(const void *)x);
            __m256i odd = _mm256_loadu_si256((const __m256i *)(const void *)(x + CHUNK));
            __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(w, even),
                                             _mm256_maddubs_epi16(high, odd));
            vf product = (vf)_mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, ones));
            sum[r] = v_fma(product, scale * spread(d->x_scale + r * d->blocks + b, left, wide),
                           sum[r]);
        }
    }
    for (int r = 0; r < rows; r++)
        d->y[r * d->y_row] = v_sum(sum[r]);
}

static inline __attribute__((always_inline)) void q8_rows(const quant_dot *d, int rows, int wide)
{
    int64_t bytes = d->blocks * d->block;
    vf sum[ROWS];
    zero_part(d, rows, sum);
    for (int64_t at = 0; at < bytes; at += 16) {
        int64_t b = at / d->block;
        __m256i w = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(d->w + at)));
        for (int r = 0; r < rows; r++) {
            const int8_t *x = d->x + r * d->x_row + at;
            __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)x));
            vf product = (vf)_mm256_cvtepi32_ps(_mm256_madd_epi16(w, v));
            sum[r] = v_fma(product, v_set(d->scale[b] * d->x_scale[r * d->blocks + b]), sum[r]);
        }
    }
    (void)wide;
    for (int r = 0; r < rows; r++)
        d->y[r * d->y_row] = v_sum(sum[r]);
}

#define CASES(function, wide)                                                                      \
    switch (d->rows) {                                                                             \
    case 1: function(d, 1, wide); break;                                                           \
    case 2: function(d, 2, wide); break;                                                           \
    case 3: function(d, 3, wide); break;                                                           \
    case 4: function(d, 4, wide); break;                                                           \
    default: break;                                                                                \
    }

static void dot_q4(const quant_dot *d)
{
    if (d->block == 16)
        CASES(q4_rows, 2)
    else if (d->block == 32)
        CASES(q4_rows, 4)
    else
        CASES(q4_rows, 8)
}

static void dot_q8(const quant_dot *d)
{
    CASES(q8_rows, 0)
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
        for (int64_t i = 0; i < block; i += 16, w += 8, x += 16) {
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)w);
            codes_f32(_mm_unpacklo_epi8(_mm_and_si128(bytes, low),
                                        _mm_and_si128(_mm_srli_epi16(bytes, 4), low)),
                      z, x, &p, &q);
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
