/* simd_neon.c — inner loops with NEON, which every 64-bit ARM processor has.

   Compiled twice: simd_neon_dotprod.c includes this file with NEON_DOTPROD, where quantised products
   use sdot. With one row of x they are bound by memory, with four by multiplications: sdot does 16 an
   instruction, and without it a widening multiply-add does 8. */
#include "cpu/simd_tables.h"

#include <arm_neon.h>
#include <string.h>

#define LANES 4
#define TILE_ROWS 6
#define PANEL_VECTORS 3
#define TILE_VECTORS 4 /* 24 of the 32 registers are sums */
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));

static inline vf v_fma(vf a, vf b, vf c)
{
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
/* A comparison and a choice: fmax and fmin keep NaN of either argument. */
static inline vf v_max(vf a, vf b)
{
    uint32x4_t more = vcgtq_f32((float32x4_t)a, (float32x4_t)b);
    return (vf)vbslq_f32(more, (float32x4_t)a, (float32x4_t)b);
}
static inline vf v_min(vf a, vf b)
{
    uint32x4_t less = vcltq_f32((float32x4_t)a, (float32x4_t)b);
    return (vf)vbslq_f32(less, (float32x4_t)a, (float32x4_t)b);
}
static inline float v_sum(vf a)
{
    return vaddvq_f32((float32x4_t)a);
}

static inline vi v_pairs(vi a, vi b, vi c)
{
    int16x8_t p = (int16x8_t)a, q = (int16x8_t)b;
    int32x4_t low = vmull_s16(vget_low_s16(p), vget_low_s16(q));
    return c + (vi)vpaddq_s32(low, vmull_high_s16(p, q));
}

static inline vf v_halves(const uint16_t *p)
{
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline vi v_bytes(const uint8_t *p, bool is_signed)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    uint8x8_t b = vreinterpret_u8_u32(vdup_n_u32(four));
    if (is_signed)
        return (vi)vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(b))));
    return (vi)vmovl_u16(vget_low_u16(vmovl_u8(b)));
}

#include "cpu/simd_vector.h"

#include "cpu/simd_image.h"

static float quantize_row(int8_t *to, const float *x, int64_t n)
{
    vf top = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        top = v_max(v_abs(v_load(x + i)), top);
    if (i < n)
        top = v_max(v_abs(v_load_part(x + i, n - i, 0)), top);
    float most = vmaxvq_f32((float32x4_t)top), inverse = most > 0 ? 127 / most : 0;
    for (i = 0; i + 2 * LANES <= n; i += 2 * LANES) {
        int32x4_t a = vcvtnq_s32_f32((float32x4_t)(v_load(x + i) * inverse));
        int32x4_t b = vcvtnq_s32_f32((float32x4_t)(v_load(x + i + LANES) * inverse));
        vst1_s8(to + i, vqmovn_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b))));
    }
    for (; i < n; i++)
        to[i] = (int8_t)vcvtns_s32_f32(x[i] * inverse);
    return most / 127;
}

/* ── Packed weights: eight rows, four a vector, see nbits_packed.c ── */

enum { PACKED = 8, HALVES = PACKED / LANES };

/* The codes of half a unit, one a byte: of its first four elements, and below 8 bits of four more. */
static inline __attribute__((always_inline)) void codes(const uint8_t *w, const uint8_t *fifth,
                                                        int h, int bits, uint8x16_t *v)
{
    v[0] = vld1q_u8(w + h * 16);
    if (bits == 8)
        return;
    v[1] = vshrq_n_u8(v[0], 4);
    v[0] = vandq_u8(v[0], vdupq_n_u8(15));
    const uint8x16_t each = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    for (int i = 0; bits == 5 && i < 2; i++) { /* bit n of two bytes to byte n */
        const uint8_t *two = fifth + i * 4 + h * 2;
        uint8x16_t high = vtstq_u8(vcombine_u8(vdup_n_u8(two[0]), vdup_n_u8(two[1])), each);
        v[i] = vorrq_u8(v[i], vandq_u8(high, vdupq_n_u8(16)));
    }
}

#ifdef NEON_DOTPROD
#define PACKED_ROWS 4

/* product[r][h] = w · x[r] over a block of n elements, 4- and 5-bit codes as they are and 8-bit codes
   less 128. Sixteen elements of x fill a vector, of which each unit of w takes four or eight. */
static inline __attribute__((always_inline)) void block_products(int rows, int bits, int n,
                                                                 const uint8_t *w, const int8_t *x,
                                                                 int64_t x_row,
                                                                 vi (*product)[HALVES])
{
    const uint8_t *fifth = w + n * (PACKED / 2);
    for (int i = 0; i < n; i += 16, x += 16, w += bits == 8 ? 128 : 64, fifth += 2 * PACKED) {
        int8x16_t v[PACKED_ROWS];
        for (int r = 0; r < rows; r++)
            v[r] = vld1q_s8(x + r * x_row);
        for (int h = 0; h < HALVES; h++) {
            uint8x16_t unit[4];
            if (bits != 8) {
                codes(w, fifth, h, bits, unit);
                codes(w + 32, fifth + PACKED, h, bits, unit + 2);
            }
            for (int u = 0; bits == 8 && u < 4; u++)
                unit[u] = veorq_u8(vld1q_u8(w + u * 32 + h * 16), vdupq_n_u8(0x80));
            for (int r = 0; r < rows; r++) {
                int32x4_t p = (int32x4_t)product[r][h];
                p = vdotq_laneq_s32(p, vreinterpretq_s8_u8(unit[0]), v[r], 0);
                p = vdotq_laneq_s32(p, vreinterpretq_s8_u8(unit[1]), v[r], 1);
                p = vdotq_laneq_s32(p, vreinterpretq_s8_u8(unit[2]), v[r], 2);
                product[r][h] = (vi)vdotq_laneq_s32(p, vreinterpretq_s8_u8(unit[3]), v[r], 3);
            }
        }
    }
}
#else
#define PACKED_ROWS 2

/* Four elements of x for each of four rows of w. */
static inline int8x16_t four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, sizeof v);
    return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

/* Adds two units of weights times x in 16 bits, four products a row of w; low has rows 0 and 1. */
static inline void add_unit(int16x8_t *low, int16x8_t *high, int8x16_t w, int8x16_t x)
{
    *low = vmlal_s8(*low, vget_low_s8(w), vget_low_s8(x));
    *high = vmlal_high_s8(*high, w, x);
}

/* product[r][h] = w · x[r] over a block of n elements, 4- and 5-bit codes as they are and 8-bit codes
   less 128. Sums of 4-bit products stay in 16 bits for 32 elements: a lane has eight of at most
   15 * 127, and the sum of two lanes is below 2^15. With 5 bits they do for 16. Two 8-bit products do:
   2 * 128 * 127 is below 2^15 too, for x is never −128. */
static inline __attribute__((always_inline)) void block_products(int rows, int bits, int n,
                                                                 const uint8_t *w, const int8_t *x,
                                                                 int64_t x_row,
                                                                 vi (*product)[HALVES])
{
    const int most = bits == 4 ? 32 : bits == 5 ? 16 : 8, run = n < most ? n : most;
    const uint8_t *fifth = w + n * (PACKED / 2);
    int32x4_t pairs[PACKED_ROWS][HALVES][2]; /* of 8-bit weights: two sums a row of w */
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < HALVES; h++)
            pairs[r][h][0] = pairs[r][h][1] = vdupq_n_s32(0);
    for (int i = 0; i < n; i += run) {
        int16x8_t low[PACKED_ROWS][HALVES], high[PACKED_ROWS][HALVES];
        for (int r = 0; r < rows; r++)
            for (int h = 0; h < HALVES; h++)
                low[r][h] = high[r][h] = vdupq_n_s16(0);
        for (int j = 0; j < run; j += 8, x += 8)
            for (int u = 0; u < (bits == 8 ? 2 : 1); u++, w += 32, fifth += PACKED)
                for (int h = 0; h < HALVES; h++) {
                    uint8x16_t v[2];
                    codes(w, fifth, h, bits, v);
                    if (bits == 8)
                        v[0] = veorq_u8(v[0], vdupq_n_u8(0x80));
                    for (int r = 0; r < rows; r++) {
                        const int8_t *at = x + r * x_row + u * 4;
                        add_unit(&low[r][h], &high[r][h], vreinterpretq_s8_u8(v[0]), four(at));
                        if (bits != 8)
                            add_unit(&low[r][h], &high[r][h], vreinterpretq_s8_u8(v[1]),
                                     four(at + 4));
                    }
                }
        for (int r = 0; r < rows; r++)
            for (int h = 0; h < HALVES; h++)
                if (bits != 8) {
                    int16x8_t p = vpaddq_s16(low[r][h], high[r][h]);
                    product[r][h] = (vi)vpadalq_s16((int32x4_t)product[r][h], p);
                } else {
                    pairs[r][h][0] = vpadalq_s16(pairs[r][h][0], low[r][h]);
                    pairs[r][h][1] = vpadalq_s16(pairs[r][h][1], high[r][h]);
                }
    }
    for (int r = 0; bits == 8 && r < rows; r++)
        for (int h = 0; h < HALVES; h++)
            product[r][h] = (vi)vpaddq_s32(pairs[r][h][0], pairs[r][h][1]);
}
#endif

#include "cpu/simd_packed_four.h"

/* Weights widened to f32 once for `rows` rows of x. */
static inline __attribute__((always_inline)) void packed_rows_f32(const packed_dot *d, int64_t from,
                                                                  int rows, int bits, int shift)
{
    const int step = bits == 8 ? 4 : 8;
    const float *x = d->x_wide + from * d->x_row;
    const uint8_t *w = d->w;
    vf sum[PACKED_ROWS][HALVES];
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < HALVES; h++)
            sum[r][h] = (vf){0};
    for (int64_t b = 0; b < d->blocks; b++) {
        vf scale[HALVES], minimum[HALVES];
        for (int h = 0; h < HALVES; h++) {
            scale[h] = packed_scale(d->scale, b, h, d->narrow);
            minimum[h] = packed_minimum(d, b, h, scale[h], (float)(1 << (bits - 1)));
        }
        const uint8_t *fifth = w + (PACKED / 2 << shift);
        for (int i = 0; i < 1 << shift; i += step, w += 32, fifth += PACKED, x += step)
            for (int j = 0; j < step; j++)
                for (int h = 0; h < HALVES; h++) {
                    uint8x16_t v[2];
                    codes(w, fifth, h, bits, v);
                    vi code = (vi)v[j / 4] >> j % 4 * 8 & 255;
                    vf f = v_fma((vf)vcvtq_f32_s32((int32x4_t)code), scale[h], -minimum[h]);
                    for (int r = 0; r < rows; r++)
                        sum[r][h] = v_fma(f, v_set(x[r * d->x_row + j]), sum[r][h]);
                }
        if (bits == 5)
            w = fifth;
    }
    for (int r = 0; r < rows; r++)
        store_columns(d, from + r, sum[r]);
}

#include "cpu/simd_packed.h"

#ifdef NEON_DOTPROD
const simd_table simd_neon_dotprod = {
    .name = "neon-dotprod",
#else
const simd_table simd_neon = {
    .name = "neon",
#endif
    VECTOR_ENTRIES,
    IMAGE_ENTRIES,
    .quantize = quantize_row,
    PACKED_ENTRIES,
};
