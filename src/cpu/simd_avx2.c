/* simd_avx2.c — inner loops with AVX2, FMA and F16C.

   Quantised products use vpmaddubsw where no pair can saturate: see packed_rows. */
#include "cpu/simd_tables.h"

#include <immintrin.h>

#define LANES 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#define PANEL_VECTORS 2
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

static inline vf v_halves(const uint16_t *p)
{
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

static inline vi v_bytes(const uint8_t *p, bool is_signed)
{
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return (vi)(is_signed ? _mm256_cvtepi8_epi32(b) : _mm256_cvtepu8_epi32(b));
}

#include "cpu/simd_vector.h"

#include "cpu/simd_image.h"

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

/* ── Packed weights: eight rows, see nbits_packed.c ── */

enum { PACKED = 8, AHEAD = 4096 }; /* a page: where the processor's own prefetch ends */

static inline __attribute__((always_inline)) vf packed_scale(const void *from, int64_t b,
                                                             bool narrow)
{
    if (narrow) /* processors with AVX2 have F16C */
        return (vf)_mm256_cvtph_ps(_mm_loadu_si128(
            (const __m128i *)((const void *)((const uint16_t *)from + b * PACKED))));
    return v_load((const float *)from + b * PACKED);
}

/* scale * zero of a block. */
static inline __attribute__((always_inline)) vf packed_minimum(const packed_dot *d, int64_t b,
                                                               vf scale, float middle)
{
    return d->minimum == NULL ? scale * middle : packed_scale(d->minimum, b, d->narrow);
}

static inline __m256i four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, 4);
    return _mm256_set1_epi32(v);
}

static inline void store_columns(const packed_dot *d, int64_t row, vf v)
{
    float *to = d->y + row * d->y_row;
    if (d->columns == PACKED)
        v_store(to, v);
    else
        v_store_part(to, v, d->columns);
}

/* The codes of a unit, one a byte: of its first four elements, and below 8 bits of four more. */
static inline __attribute__((always_inline)) void codes(const uint8_t *w, const uint8_t *fifth,
                                                        int bits, __m256i v[2])
{
    const __m256i low = _mm256_set1_epi8(15);
    v[0] = _mm256_loadu_si256((const __m256i *)(const void *)w);
    if (bits == 8)
        return;
    v[1] = _mm256_and_si256(_mm256_srli_epi16(v[0], 4), low);
    v[0] = _mm256_and_si256(v[0], low);
    const __m256i each = _mm256_set1_epi64x((int64_t)0x8040201008040201u);
    const __m256i byte_of =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    for (int i = 0; bits == 5 && i < 2; i++) { /* bit n of the four bytes to byte n */
        __m256i high = _mm256_shuffle_epi8(four((const int8_t *)fifth + i * 4), byte_of);
        high = _mm256_cmpeq_epi8(_mm256_and_si256(high, each), each);
        v[i] = _mm256_or_si256(v[i], _mm256_and_si256(high, _mm256_set1_epi8(16)));
    }
}

/* `rows` rows of x from row `from` on; both are constant where this is inlined. Sums of products with
   4 bits stay in 16 bits for 32 elements, with 5 bits for 16: eight times 2 * 15 * 127 and four times
   2 * 31 * 127 are below 2^15. 8-bit weights are taken as w − 128, and |w − 128| times x with the sign
   of w − 128 is below 2^15 for a pair, for x is never −128. */
static inline __attribute__((always_inline)) void packed_rows(const packed_dot *d, int64_t from,
                                                              int rows, int bits, int shift)
{
    const __m256i ones = _mm256_set1_epi16(1), middle = _mm256_set1_epi8((char)0x80);
    const int units = (1 << shift) / (bits == 8 ? 4 : 8), most = bits == 5 ? 2 : 4;
    const int run = units < most ? units : most;
    const int8_t *x = d->x + from * d->x_row;
    const float *x_scale = d->x_scale + from * d->blocks, *x_sum = d->x_sum + from * d->blocks;
    const uint8_t *w = d->w;
    vf sum[4];
    for (int r = 0; r < rows; r++)
        sum[r] = (vf){0};
    for (int64_t b = 0; b < d->blocks; b++) {
        __m256i product[4];
        for (int r = 0; r < rows; r++)
            product[r] = _mm256_setzero_si256();
        const uint8_t *fifth = w + (PACKED / 2 << shift);
        for (int u = 0; bits != 8 && u < units; u += run) {
            __m256i part[4];
            for (int r = 0; r < rows; r++)
                part[r] = _mm256_setzero_si256();
            for (int i = 0; i < run; i++, w += 32, fifth += PACKED, x += 8) {
                __m256i v[2];
                if (rows == 1 && i % 2 == 0)
                    __builtin_prefetch(w + AHEAD);
                codes(w, fifth, bits, v);
                for (int r = 0; r < rows; r++) {
                    const int8_t *at = x + r * d->x_row;
                    __m256i p = _mm256_maddubs_epi16(v[0], four(at));
                    __m256i q = _mm256_maddubs_epi16(v[1], four(at + 4));
                    part[r] = _mm256_add_epi16(part[r], _mm256_add_epi16(p, q));
                }
            }
            for (int r = 0; r < rows; r++)
                product[r] = _mm256_add_epi32(product[r], _mm256_madd_epi16(part[r], ones));
        }
        if (bits == 5)
            w = fifth;
        for (int u = 0; bits == 8 && u < units; u++, w += 32, x += 4) {
            if (rows == 1 && u % 2 == 0)
                __builtin_prefetch(w + AHEAD);
            __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)w);
            v = _mm256_xor_si256(v, middle);
            __m256i size = _mm256_abs_epi8(v);
            for (int r = 0; r < rows; r++) {
                __m256i p = _mm256_maddubs_epi16(size, _mm256_sign_epi8(four(x + r * d->x_row), v));
                product[r] = _mm256_add_epi32(product[r], _mm256_madd_epi16(p, ones));
            }
        }
        vf scale = packed_scale(d->scale, b, d->narrow);
        vf minimum = packed_minimum(d, b, scale, (float)(1 << (bits - 1)));
        if (bits == 8)
            minimum -= scale * 128;
        for (int r = 0; r < rows; r++) {
            int64_t at = r * d->blocks + b;
            vf p = (vf)_mm256_cvtepi32_ps(product[r]) * scale;
            sum[r] = v_fma(p, v_set(x_scale[at]), sum[r]);
            sum[r] = v_fma(-minimum, v_set(x_sum[at]), sum[r]);
        }
    }
    for (int r = 0; r < rows; r++)
        store_columns(d, from + r, sum[r]);
}

/* Weights widened to f32 once for `rows` rows of x. */
static inline __attribute__((always_inline)) void packed_rows_f32(const packed_dot *d, int64_t from,
                                                                  int rows, int bits, int shift)
{
    const __m256i byte = _mm256_set1_epi32(255);
    const int step = bits == 8 ? 4 : 8;
    const float *x = d->x_wide + from * d->x_row;
    const uint8_t *w = d->w;
    vf sum[4];
    for (int r = 0; r < rows; r++)
        sum[r] = (vf){0};
    for (int64_t b = 0; b < d->blocks; b++) {
        vf scale = packed_scale(d->scale, b, d->narrow);
        vf minimum = packed_minimum(d, b, scale, (float)(1 << (bits - 1)));
        const uint8_t *fifth = w + (PACKED / 2 << shift);
        for (int i = 0; i < 1 << shift; i += step, w += 32, fifth += PACKED, x += step) {
            __m256i v[2];
            codes(w, fifth, bits, v);
            for (int j = 0; j < step; j++) {
                __m256i code = _mm256_and_si256(_mm256_srli_epi32(v[j / 4], j % 4 * 8), byte);
                vf f = v_fma((vf)_mm256_cvtepi32_ps(code), scale, -minimum);
                for (int r = 0; r < rows; r++)
                    sum[r] = v_fma(f, v_set(x[r * d->x_row + j]), sum[r]);
            }
        }
        if (bits == 5)
            w = fifth;
    }
    for (int r = 0; r < rows; r++)
        store_columns(d, from + r, sum[r]);
}

#define PACKED_ROWS 4
#include "cpu/simd_packed.h"

const simd_table simd_avx2 = {
    .name = "avx2",
    VECTOR_ENTRIES,
    IMAGE_ENTRIES,
    .quantize = quantize_row,
    PACKED_ENTRIES,
};
