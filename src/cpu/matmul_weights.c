/* matmul_weights.c — x times 8-bit weights with a scale a column: MatMulWeights, which pass_weights
   makes of a product whose weights the graph widens.

   The graph asks for f32 arithmetic and gets it: packed panels of bytes are widened into the cache as
   all rows of x pass by, so that a weight takes one byte of memory and bandwidth, not four. Bound by
   compute from about 16 rows on, below by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

#include <string.h>

brink_status cpu_prepare_matmul_weights(const kernel_args *a, packing *store, const void **out)
{
    const product_panels *panels;
    TRY(product_pack(a, store, a->in[1], onnx_int(a->node, ATTR_transB, 0) != 0, &panels));
    *out = panels;
    return BRINK_OK;
}

/* One number a column from one, one each, or none (zeros). */
static void spread(const tensor *t, int64_t n, int64_t whole, float *to)
{
    bool one = t != NULL && tensor_count(t) == 1;
    for (int64_t i = 0; i < whole; i++)
        to[i] = t == NULL || i >= n ? 0 : (float)tensor_number(t, one ? 0 : i);
}

brink_status cpu_matmul_weights(const kernel_args *a)
{
    const tensor *x = a->in[0], *bias = kernel_in(a, 4);
    const product_panels *w = a->packed;
    if (w == NULL || x->dims[x->rank - 1] != w->k)
        return kernel_fail(a, BRINK_BAD_INPUT, "rows of %lld do not fit the weights",
                           (long long)x->dims[x->rank - 1]);
    float *y = a->out[0]->data;
    int64_t m = tensor_count(a->out[0]) / w->n, whole = (w->n + w->width - 1) / w->width * w->width;
    product p = {.m = m,
                 .n = w->n,
                 .k = w->k,
                 .x = x->data,
                 .x_row = w->k,
                 .y = y,
                 .y_row = w->n,
                 .add = bias != NULL,
                 .panels = w};
    uint64_t vector = (uint64_t)whole * sizeof(float); /* whole lines */
    char *memory = kernel_scratch(a, 2 * vector + product_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    spread(kernel_in(a, 3), w->n, whole, (float *)(void *)memory);
    spread(a->in[2], w->n, whole, (float *)(void *)(memory + vector));
    p.zero = (const float *)(void *)memory;
    p.scale = (const float *)(void *)(memory + vector);
    for (int64_t r = 0; bias != NULL && r < m; r++)
        memcpy(y + r * w->n, bias->data, (size_t)w->n * sizeof(float));
    product_compute(a, &p, memory + 2 * vector);
    return BRINK_OK;
}
