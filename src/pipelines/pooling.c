/* pooling.c — pooling, normalisation and quantisation as sentence-transformers defines them
   (Pooling, Normalize, quantize_embeddings). Padding lies behind a text's tokens and is never read.
   Bound by memory, and small beside the graph: no kernel of its own. */
#include "pipelines/pooling.h"

#include <math.h>
#include <string.h>

static void mean(const float *x, uint32_t tokens, uint32_t width, float *out)
{
    memset(out, 0, width * sizeof *out);
    for (uint32_t t = 0; t < tokens; t++, x += width)
        for (uint32_t i = 0; i < width; i++)
            out[i] += x[i];
    for (uint32_t i = 0; i < width && tokens != 0; i++)
        out[i] /= (float)tokens;
}

void pooling_apply(brink_pooling pooling, const float *x, uint32_t tokens, uint32_t skip,
                   uint32_t width, float *out)
{
    if (skip > tokens)
        skip = tokens;
    if (pooling == BRINK_POOLING_CLS)
        memcpy(out, x, width * sizeof *out);
    else if (pooling == BRINK_POOLING_LAST)
        memcpy(out, x + (uint64_t)(tokens - 1) * width, width * sizeof *out);
    else
        mean(x + (uint64_t)skip * width, tokens - skip, width, out);
}

void pooling_normalize(float *x, uint32_t n)
{
    double square = 0;
    for (uint32_t i = 0; i < n; i++)
        square += (double)x[i] * x[i];
    double length = sqrt(square);
    for (uint32_t i = 0; i < n && length > 1e-12; i++)
        x[i] = (float)(x[i] / length);
}

/* NaN becomes `low`. */
static float hold(float x, float low, float high)
{
    return !(x > low) ? low : x > high ? high : x;
}

void pooling_int8(const float *x, uint32_t n, const float *ranges, int8_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        if (ranges == NULL) {
            out[i] = (int8_t)lrintf(hold(x[i], -1, 1) * 127);
            continue;
        }
        float low = ranges[i], step = (ranges[n + i] - low) / 255;
        out[i] = (int8_t)hold((x[i] - low) / step - 128, -128, 127); /* towards 0 */
    }
}

void pooling_bits(const float *x, uint32_t n, uint8_t *out)
{
    memset(out, 0, (n + 7) / 8);
    for (uint32_t i = 0; i < n; i++)
        out[i / 8] |= (uint8_t)((x[i] > 0) << (7 - i % 8));
}
