/* pool.c — MaxPool, AveragePool and LpPool on the GPU, in one to three dimensions, without indices.

   Source: as cpu/pool.c; geometry as cpu/window.h reads it. */
#include "cpu/window.h"

#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <stdio.h>

enum { RANK = 3 };

typedef struct parameters {
    uint32_t count, padded, unused[2];
    uint32_t image[4], kernel[4], result[4], stride[4], dilation[4], before[4], after[4];
} parameters;

/* The last three dimensions; absent ones are `absent`. */
static void put_sizes(uint32_t to[4], const int64_t *from, uint32_t rank, uint32_t absent)
{
    for (uint32_t d = 0; d < RANK; d++)
        to[d] = d + rank < RANK ? absent : (uint32_t)from[d + rank - RANK];
}

/* WGSL: the start, an element's share, and the end, where n elements count. */
static brink_status pool(gpu_program *g, const kernel_args *a, bool padded, const char *start,
                         const char *take, const char *finish)
{
    const tensor *x = a->in[0], *out = kernel_out(a, 0);
    uint32_t count = 0;
    const int64_t *kernel = onnx_ints(a->node, ATTR_kernel_shape, &count);
    if (!gpu_is_f32(x) || !gpu_is_f32(out) || kernel_out(a, 1) != NULL || x->rank < 3 ||
        x->rank > 2 + RANK || kernel == NULL || count != x->rank - 2)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    window w;
    TRY(window_read(a, x, kernel, out, &w));
    if (tensor_count(out) > UINT32_MAX || tensor_count(x) > UINT32_MAX)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "gpu: %lld elements",
                           (long long)tensor_count(x));
    parameters p = {.count = (uint32_t)tensor_count(out), .padded = padded};
    put_sizes(p.image, w.image, w.rank, 1);
    put_sizes(p.kernel, w.kernel, w.rank, 1);
    put_sizes(p.result, w.result, w.rank, 1);
    put_sizes(p.stride, w.stride, w.rank, 1);
    put_sizes(p.dilation, w.dilation, w.rank, 1);
    put_sizes(p.before, w.before, w.rank, 0);
    put_sizes(p.after, w.after, w.rank, 0);
    char head[8192];
    snprintf(head, sizeof head,
             "%sfn start() -> f32 { return %s; }\n"
             "fn take(s: f32, v: f32) -> f32 { return %s; }\n"
             "fn finish(s: f32, n: f32) -> f32 { return %s; }\n",
             gpu_source_functions, start, take, finish);
    return gpu_encode(g, &(gpu_dispatch){.head = head,
                                         .body = gpu_source_pool,
                                         .tensors = {out, x},
                                         .count = 2,
                                         .parameters = &p,
                                         .bytes = sizeof p,
                                         .groups = ((uint64_t)p.count + 63) / 64});
}

brink_status gpu_max_pool(gpu_program *g, const kernel_args *a)
{
    return pool(g, a, false, "bitcast<f32>(0xff800000u + zero_)", "max_(s, v)", "s");
}

brink_status gpu_average_pool(gpu_program *g, const kernel_args *a)
{
    return pool(g, a, onnx_int(a->node, ATTR_count_include_pad, 0) != 0, "0.0", "s + v",
                "select(0.0, s / n, n > 0.0)");
}

brink_status gpu_lp_pool(gpu_program *g, const kernel_args *a)
{
    const onnx_attr *p = onnx_find(a->node, ATTR_p);
    bool two = p == NULL || (p->kind == ATTR_KIND_FLOAT ? p->f == 2 : p->i == 2);
    return two ? pool(g, a, false, "0.0", "s + v * v", "sqrt(s)") : BRINK_UNSUPPORTED;
}
