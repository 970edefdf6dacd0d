/* simd_avx512.c — inner loops with AVX-512 (F, BW, VL, DQ, VNNI).

   The quantised products use vpdpbusd, which multiplies unsigned by signed bytes and adds four
   products to a 32-bit sum without saturating: weights are the unsigned side. With one row of x they
   are bound by memory (8 of the 10 GB/s that one core reads), with eight by vpdpbusd. */
#include "cpu/simd_tables.h"

#include <immintrin.h>

#define LANES 16
#define TILE_ROWS 8
#define TILE_VECTORS 2
#define PANEL_VECTORS 3
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

static inline vf v_halves(const uint16_t *p)
{
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline vi v_bytes(const uint8_t *p, bool is_signed)
{
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    return (vi)(is_signed ? _mm512_cvtepi8_epi32(b) : _mm512_cvtepu8_epi32(b));
}

#include "cpu/simd_vector.h"

#include "cpu/simd_image.h"

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

static inline __mmask16 first_lanes(int64_t n)
{
    return n >= LANES ? 0xFFFF : (__mmask16)((1u << n) - 1);
}

/* ── Packed weights: sixteen rows, see nbits_packed.c ── */

enum { PACKED = 16, AHEAD = 4096 }; /* a page: where the processor's own prefetch ends */

static inline __attribute__((always_inline)) __m512 packed_scale(const void *from, int64_t b,
                                                                 bool narrow)
{
    if (narrow)
        return _mm512_cvtph_ps(
            _mm256_loadu_si256((const __m256i *)((const uint16_t *)from + b * PACKED)));
    return _mm512_loadu_ps((const float *)from + b * PACKED);
}

/* scale * zero of a block. */
static inline __attribute__((always_inline)) __m512 packed_minimum(const packed_dot *d, int64_t b,
                                                                   __m512 scale, float middle)
{
    if (d->minimum == NULL)
        return _mm512_mul_ps(scale, _mm512_set1_ps(middle));
    return packed_scale(d->minimum, b, d->narrow);
}

static inline __m512i four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, 4);
    return _mm512_set1_epi32(v);
}

/* The codes of a unit, one a byte: of its first four elements, and below 8 bits of four more. */
static inline __attribute__((always_inline)) void codes(const uint8_t *w, const uint8_t *fifth,
                                                        int bits, __m512i v[2])
{
    const __m512i low = _mm512_set1_epi8(15);
    v[0] = _mm512_loadu_si512(w);
    if (bits == 8)
        return;
    v[1] = _mm512_and_si512(_mm512_srli_epi16(v[0], 4), low);
    v[0] = _mm512_and_si512(v[0], low);
    for (int i = 0; bits == 5 && i < 2; i++) {
        __mmask64 high = _cvtu64_mask64(((const uint64_t *)(const void *)fifth)[i]);
        v[i] = _mm512_mask_add_epi8(v[i], high, v[i], _mm512_set1_epi8(16));
    }
}

/* `rows` rows of x from row `from` on; both are constant where this is inlined, and so is `shift`
   for blocks of 32. */
static inline __attribute__((always_inline)) void packed_rows(const packed_dot *d, int64_t from,
                                                              int rows, int bits, int shift)
{
    const int per_unit = bits == 8 ? 4 : 8;
    const int8_t *x = d->x + from * d->x_row;
    const float *x_scale = d->x_scale + from * d->blocks, *x_sum = d->x_sum + from * d->blocks;
    const uint8_t *w = d->w;
    __m512 sum[8];
    for (int r = 0; r < rows; r++)
        sum[r] = _mm512_setzero_ps();
    for (int64_t b = 0; b < d->blocks; b++) {
        __m512i product[8];
        for (int r = 0; r < rows; r++)
            product[r] = _mm512_setzero_si512();
        const uint8_t *fifth = w + (PACKED / 2 << shift);
        for (int i = 0; i < 1 << shift; i += per_unit, w += 64, fifth += PACKED, x += per_unit) {
            __m512i v[2];
            if (rows == 1)
                __builtin_prefetch(w + AHEAD);
            codes(w, fifth, bits, v);
            for (int r = 0; r < rows; r++) {
                product[r] = _mm512_dpbusd_epi32(product[r], v[0], four(x + r * d->x_row));
                if (bits != 8)
                    product[r] = _mm512_dpbusd_epi32(product[r], v[1], four(x + r * d->x_row + 4));
            }
        }
        if (bits == 5)
            w = fifth;
        __m512 scale = packed_scale(d->scale, b, d->narrow);
        __m512 minimum = packed_minimum(d, b, scale, (float)(1 << (bits - 1)));
        for (int r = 0; r < rows; r++) {
            int64_t at = r * d->blocks + b;
            sum[r] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(product[r]), scale),
                                     _mm512_set1_ps(x_scale[at]), sum[r]);
            sum[r] = _mm512_fnmadd_ps(minimum, _mm512_set1_ps(x_sum[at]), sum[r]);
        }
    }
    for (int r = 0; r < rows; r++)
        _mm512_mask_storeu_ps(d->y + (from + r) * d->y_row, first_lanes(d->columns), sum[r]);
}

/* Weights widened to f32 once for `rows` rows of x. */
static inline __attribute__((always_inline)) void packed_rows_f32(const packed_dot *d, int64_t from,
                                                                  int rows, int bits, int shift)
{
    const __m512i byte = _mm512_set1_epi32(255);
    const int step = bits == 8 ? 4 : 8;
    const float *x = d->x_wide + from * d->x_row;
    const uint8_t *w = d->w;
    __m512 sum[8];
    for (int r = 0; r < rows; r++)
        sum[r] = _mm512_setzero_ps();
    for (int64_t b = 0; b < d->blocks; b++) {
        __m512 scale = packed_scale(d->scale, b, d->narrow);
        __m512 minimum = packed_minimum(d, b, scale, (float)(1 << (bits - 1)));
        const uint8_t *fifth = w + (PACKED / 2 << shift);
        for (int i = 0; i < 1 << shift; i += step, w += 64, fifth += PACKED, x += step) {
            __m512i v[2];
            codes(w, fifth, bits, v);
            for (int j = 0; j < step; j++) {
                unsigned by = (unsigned)(j % 4) * 8;
                __m512i code = _mm512_and_si512(_mm512_srli_epi32(v[j / 4], by), byte);
                __m512 f = _mm512_fmsub_ps(_mm512_cvtepi32_ps(code), scale, minimum);
                for (int r = 0; r < rows; r++)
                    sum[r] = _mm512_fmadd_ps(f, _mm512_set1_ps(x[r * d->x_row + j]), sum[r]);
            }
        }
        if (bits == 5)
            w = fifth;
    }
    for (int r = 0; r < rows; r++)
        _mm512_mask_storeu_ps(d->y + (from + r) * d->y_row, first_lanes(d->columns), sum[r]);
}

#define PACKED_ROWS 8
#include "cpu/simd_packed.h"

const simd_table simd_avx512 = {
    .name = "avx512",
    VECTOR_ENTRIES,
    IMAGE_ENTRIES,
    .quantize = quantize_row,
    PACKED_ENTRIES,
};
