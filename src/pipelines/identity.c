/* identity.c — see identity.h.

   Words are mixed as SplitMix64 does it (Steele et al. 2014). What has an order is folded, one into the next;
   the bytes of weights, which a GPU may be given in parts and keep alone, are summed with their places. */
#include "pipelines/identity.h"

#include <string.h>

enum { SAMPLE = 64 }; /* bytes from a weight's beginning, and from its middle */

static uint64_t fold(uint64_t h, uint64_t word)
{
    h = (h ^ word) + 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9u;
    h = (h ^ h >> 27) * 0x94D049BB133111EBu;
    return h ^ h >> 31;
}

static uint64_t fold_text(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = fold(h, (uint8_t)*text);
    return fold(h, 256);
}

static uint64_t fold_float(uint64_t h, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return fold(h, bits);
}

static uint64_t fold_attr(uint64_t h, const onnx_attr *a)
{
    h = fold(fold(h, (uint64_t)a->name), (uint64_t)a->kind << 32 | a->count);
    if (a->kind == ATTR_KIND_INT)
        return fold(h, (uint64_t)a->i);
    if (a->kind == ATTR_KIND_FLOAT)
        return fold_float(h, a->f);
    if (a->kind == ATTR_KIND_STRING)
        return fold_text(h, a->s);
    for (uint32_t i = 0; a->kind == ATTR_KIND_INTS && i < a->count; i++)
        h = fold(h, (uint64_t)a->ints[i]);
    for (uint32_t i = 0; a->kind == ATTR_KIND_FLOATS && i < a->count; i++)
        h = fold_float(h, a->floats[i]);
    return h;
}

static uint64_t sampled(uint32_t tensor, uint64_t begin, uint64_t at, const uint8_t *data,
                        uint64_t size, uint64_t bytes)
{
    uint64_t end = bytes - begin < SAMPLE ? bytes : begin + SAMPLE, sum = 0;
    for (uint64_t i = begin > at ? begin : at; i < end && i < at + size; i++)
        sum += fold(fold(tensor, i), data[i - at]);
    return sum;
}

uint64_t identity_of_bytes(const brink_model *m, uint32_t tensor, uint64_t at, const void *data,
                           uint64_t size)
{
    uint64_t bytes = m->onnx.tensors[tensor]->bytes, middle = bytes / 2;
    uint64_t sum = sampled(tensor, 0, at, data, size, bytes);
    return middle < SAMPLE ? sum : sum + sampled(tensor, middle, at, data, size, bytes);
}

uint64_t model_identity(const brink_model *m)
{
    uint64_t h = 0, sum = 0;
    const onnx_graph *g = m->onnx.graph;
    for (uint32_t i = 0; i < g->node_count; i++) {
        h = fold_text(h, g->nodes[i].type);
        for (uint32_t k = 0; k < g->nodes[i].attr_count; k++)
            h = fold_attr(h, &g->nodes[i].attrs[k]);
    }
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++) {
        const onnx_tensor *w = m->onnx.tensors[i];
        h = fold(fold(h, (uint64_t)w->type), w->rank);
        for (uint32_t k = 0; k < w->rank; k++)
            h = fold(h, (uint64_t)w->dims[k]);
        if (!w->remote && w->data != NULL)
            sum += identity_of_bytes(m, i, 0, w->data, w->bytes);
    }
    for (uint32_t i = 0; i < m->external_count; i++)
        sum += m->externals[i].identity;
    return fold(h, sum);
}
