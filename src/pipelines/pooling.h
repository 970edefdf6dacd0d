/* pooling.h — from the vectors of a text's tokens to one vector, and that in the precision wanted. */
#ifndef PIPELINES_POOLING_H
#define PIPELINES_POOLING_H

#include "brink.h"

/* `pooling` is not BRINK_POOLING_MODEL. A mean leaves out the first `skip` tokens; over none it is 0. */
void pooling_apply(brink_pooling pooling, const float *x, /* [tokens, width], tokens >= 1 */
                   uint32_t tokens, uint32_t skip, uint32_t width, float *out /* [width] */);

/* To length 1; a vector of zeros stays. */
void pooling_normalize(float *x, uint32_t n);

/* See brink_embed_precision. */
void pooling_int8(const float *x, uint32_t n, const float *ranges /* [2, n] or NULL */,
                  int8_t *out);
void pooling_bits(const float *x, uint32_t n, uint8_t *out /* [(n + 7) / 8] */);

#endif
