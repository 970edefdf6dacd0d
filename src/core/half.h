/* half.h — float16 and bfloat16 to float and back, rounding to nearest, ties to even
   (IEEE 754-2019, 4.3.1). NaN stays NaN. */
#ifndef CORE_HALF_H
#define CORE_HALF_H

#include "brink.h"

#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static inline float bits_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static inline float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 31u, mantissa = h & 1023u;
    if (exponent == 31)
        return bits_float(sign | 0x7F800000u | mantissa << 13);
    if (exponent != 0)
        return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float magnitude = (float)mantissa * (1.0f / 16777216.0f); /* subnormal: m * 2^-24, exact */
    return sign ? -magnitude : magnitude;
}

static inline uint16_t float_to_half(float f)
{
    uint32_t u = float_bits(f), sign = u >> 16 & 0x8000u, magnitude = u & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u)
        return (uint16_t)(sign | 0x7E00u);
    if (magnitude >= 0x477FF000u) /* rounds to 65536 or more */
        return (uint16_t)(sign | 0x7C00u);
    if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 aligns the last bit to 2^-24 */
        float aligned = bits_float(magnitude) + 0.5f;
        return (uint16_t)(sign | (float_bits(aligned) - 0x3F000000u));
    }
    uint32_t odd = magnitude >> 13 & 1u;
    return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xFFFu + odd) >> 13));
}

static inline float bfloat_to_float(uint16_t b)
{
    return bits_float((uint32_t)b << 16);
}

static inline uint16_t float_to_bfloat(float f)
{
    uint32_t u = float_bits(f);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
}

static inline bool is_half(brink_type type)
{
    return type == BRINK_F16 || type == BRINK_BF16;
}

/* `count` elements of a half-precision type as floats, and back. */
static inline void half_widen(brink_type type, const uint16_t *from, uint64_t count, float *to)
{
    for (uint64_t i = 0; i < count; i++)
        to[i] = type == BRINK_F16 ? half_to_float(from[i]) : bfloat_to_float(from[i]);
}

static inline void half_narrow(brink_type type, const float *from, uint64_t count, uint16_t *to)
{
    for (uint64_t i = 0; i < count; i++)
        to[i] = type == BRINK_F16 ? float_to_half(from[i]) : float_to_bfloat(from[i]);
}

#endif
