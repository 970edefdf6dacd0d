/* rope.h — rotary position embedding of one head's vector.

   Source: Su et al., "RoFormer" (2021). Element pairs are (i, i + half), or (2i, 2i + 1) when
   interleaved; what lies beyond the rotary dimension is copied. */
#ifndef CPU_ROPE_H
#define CPU_ROPE_H

#include <stdbool.h>
#include <stdint.h>

/* to and x [head], which may be the same; cos and sin [half] of the position. */
static inline void rope_rotate(float *to, const float *x, const float *cos, const float *sin,
                               int64_t half, int64_t head, bool interleaved)
{
    int64_t step = interleaved ? 2 : 1, apart = interleaved ? 1 : half;
    for (int64_t i = 0; i < half; i++) {
        float p = x[i * step], q = x[i * step + apart];
        to[i * step] = p * cos[i] - q * sin[i];
        to[i * step + apart] = p * sin[i] + q * cos[i];
    }
    if (to != x)
        for (int64_t i = 2 * half; i < head; i++)
            to[i] = x[i];
}

#endif
