/* matmul_weights.c — x times 8-bit weights with a scale a column: MatMulWeights, which pass_weights
   makes of a product whose weights the graph widens.

   The graph asks for f32 arithmetic and gets it: panels of weights are widened into the cache as all
   rows of x pass by, so that a weight takes one byte of memory and bandwidth, not four. They are
   packed once, panel by panel [columns / width, k, width], to be read in one stream. Bound by compute
   from about 16 rows on, below by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"
#include "cpu/simd.h"

#include <string.h>

typedef struct weights {
    const uint8_t *q; /* [panels, k, width], 0 beyond n */
    brink_type type;
    int64_t k, n, width;
    float *zero, *scale; /* [n], 0 filled up to whole panels */
} weights;

static const char layout; /* its address names this layout among packed weights */

static weights weights_of(const kernel_args *a)
{
    const tensor *q = a->in[1];
    bool turned = onnx_int(a->node, ATTR_transB, 0) != 0;
    return (weights){.q = a->packed,
                     .type = q->type,
                     .k = q->dims[turned ? 1 : 0],
                     .n = q->dims[turned ? 0 : 1],
                     .width = simd()->tile_columns};
}

static int64_t whole_panels(const weights *w)
{
    return (w->n + w->width - 1) / w->width * w->width;
}

brink_status cpu_prepare_matmul_weights(const kernel_args *a, packing *store, const void **out)
{
    const tensor *q = a->in[1];
    weights w = weights_of(a);
    bool turned = onnx_int(a->node, ATTR_transB, 0) != 0;
    packing_key key = {&layout, {q->data, (const void *)(uintptr_t)turned}};
    if ((*out = packing_find(store, &key)) != NULL)
        return BRINK_OK;
    uint64_t bytes = (uint64_t)(whole_panels(&w) * w.k);
    uint8_t *to = packing_add(store, &key, bytes);
    if (to == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(to, 0, (size_t)bytes);
    const uint8_t *from = q->data;
    for (int64_t n = 0; n < w.n; n += w.width) {
        int64_t columns = w.n - n < w.width ? w.n - n : w.width;
        for (int64_t k = 0; k < w.k; k++, to += w.width) {
            if (!turned)
                memcpy(to, from + k * w.n + n, (size_t)columns);
            for (int64_t c = 0; turned && c < columns; c++)
                to[c] = from[(n + c) * w.k + k];
        }
    }
    packing_done_with(store, q->data, (uint64_t)(w.n * w.k));
    *out = packing_find(store, &key);
    return BRINK_OK;
}

/* The product's panels are as wide as the packed ones. */
static void widen_panel(const void *source, int64_t n, int64_t columns, int64_t k, int64_t count,
                        int64_t width, float *panel)
{
    (void)columns;
    const weights *w = source;
    simd()->widen(panel, w->q + n * w->k + k * width, w->type == BRINK_I8, w->zero + n,
                  w->scale + n, count);
}

/* One number a column from one, one each, or none (zeros). */
static void spread(const tensor *t, const weights *w, float *to)
{
    bool one = t != NULL && tensor_count(t) == 1;
    for (int64_t i = 0; i < whole_panels(w); i++)
        to[i] = t == NULL || i >= w->n ? 0 : (float)tensor_number(t, one ? 0 : i);
}

brink_status cpu_matmul_weights(const kernel_args *a)
{
    const tensor *x = a->in[0], *bias = kernel_in(a, 4);
    weights w = weights_of(a);
    float *y = a->out[0]->data;
    int64_t m = w.n == 0 ? 0 : tensor_count(a->out[0]) / w.n;
    if (w.q == NULL || x->dims[x->rank - 1] != w.k)
        return kernel_fail(a, BRINK_BAD_INPUT, "rows of %lld do not fit the weights",
                           (long long)x->dims[x->rank - 1]);
    product p = {.m = m,
                 .n = w.n,
                 .k = w.k,
                 .x = x->data,
                 .x_row = w.k,
                 .y = y,
                 .y_row = w.n,
                 .add = bias != NULL,
                 .panel = widen_panel,
                 .source = &w};
    uint64_t vector = ((uint64_t)whole_panels(&w) * sizeof(float) + 63) / 64 * 64;
    char *memory = kernel_scratch(a, 2 * vector + product_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    w.zero = (float *)(void *)memory;
    w.scale = (float *)(void *)(memory + vector);
    spread(kernel_in(a, 3), &w, w.zero);
    spread(a->in[2], &w, w.scale);
    for (int64_t r = 0; bias != NULL && r < m; r++)
        memcpy(y + r * w.n, bias->data, (size_t)w.n * sizeof(float));
    product_compute(a, &p, memory + 2 * vector);
    return BRINK_OK;
}
