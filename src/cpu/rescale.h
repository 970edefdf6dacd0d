/* rescale.h — writing numbers as quantised elements: round to even, add the zero point, saturate. */
#ifndef CPU_RESCALE_H
#define CPU_RESCALE_H

#include "graph/kernel.h"

#include <math.h>

static inline uint8_t rescale_u8(float x, int32_t zero)
{
    float q = rintf(x) + (float)zero;
    q = q > 0 ? q : 0;
    return (uint8_t)(q < 255 ? q : 255);
}

static inline int8_t rescale_i8(float x, int32_t zero)
{
    float q = rintf(x) + (float)zero;
    q = q > -128 ? q : -128;
    return (int8_t)(q < 127 ? q : 127);
}

/* Element i of an 8-bit tensor becomes x / scale, already divided, with zero point `zero`. */
static inline void rescale_store(tensor *out, int64_t i, float x, int32_t zero)
{
    if (out->type == BRINK_I8)
        ((int8_t *)out->data)[i] = rescale_i8(x, zero);
    else
        ((uint8_t *)out->data)[i] = rescale_u8(x, zero);
}

static inline bool is_byte(brink_type type)
{
    return type == BRINK_U8 || type == BRINK_I8;
}

#endif
