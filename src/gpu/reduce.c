/* reduce.c — ReduceSum and its family, and GlobalAveragePool, on the GPU.

   Source: as cpu/reduce.c; sums are f32, each of 64 invocations' part apart. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <stdio.h>

enum { RANK = 8 };

typedef struct parameters {
    uint32_t outputs, count, kept_rank, rank;
    uint32_t kept_dims[RANK], kept_strides[RANK], dims[RANK], strides[RANK];
} parameters;

/* WGSL: the start, an element's share of the sum, how two sums are one, and the end. */
typedef struct reduction {
    const char *start, *take, *join, *finish;
} reduction;

static const reduction sum = {"0.0", "s + v", "a + b", "s"};
static const reduction mean = {"0.0", "s + v", "a + b", "s / f32(p.count)"};
static const reduction squares = {"0.0", "s + v * v", "a + b", "s"};
static const reduction l1 = {"0.0", "s + abs(v)", "a + b", "s"};
static const reduction l2 = {"0.0", "s + v * v", "a + b", "sqrt(s)"};
static const reduction product = {"1.0", "s * v", "a * b", "s"};
static const reduction most = {"bitcast<f32>(0xff800000u + zero_)", "max_(s, v)", "max_(a, b)",
                               "s"};
static const reduction least = {"bitcast<f32>(0x7f800000u + zero_)", "min_(s, v)", "min_(a, b)",
                                "s"};

static const reduction log_sum = {"0.0", "s + v", "a + b", "log_(s)"};

static void put_walk(const nd *w, uint32_t *dims, uint32_t *strides)
{
    for (uint32_t d = 0; d < w->rank && d < RANK; d++) {
        dims[d] = (uint32_t)w->dims[d];
        strides[d] = (uint32_t)w->stride[1][d];
    }
}

/* Dimensions in `mask` go. */
static brink_status reduce(gpu_program *g, const kernel_args *a, uint32_t mask, const reduction *r)
{
    const tensor *x = a->in[0], *out = a->out[0];
    int64_t dense[BRINK_MAX_RANK], count = 1;
    nd kept = {.operands = 2}, gone = {.operands = 2};
    dense_strides(x->rank, x->dims, dense);
    for (uint32_t i = 0; i < x->rank; i++) {
        nd *w = mask >> i & 1 ? &gone : &kept;
        w->dims[w->rank] = x->dims[i];
        w->stride[0][w->rank] = w->stride[1][w->rank] = dense[i];
        w->rank++;
        count *= mask >> i & 1 ? x->dims[i] : 1;
    }
    nd_collapse(&kept);
    nd_collapse(&gone);
    if (tensor_count(x) > UINT32_MAX)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "gpu: %lld elements",
                           (long long)tensor_count(x));
    parameters p = {
        (uint32_t)tensor_count(out), (uint32_t)count, kept.rank, gone.rank, {0}, {0}, {0}, {0}};
    put_walk(&kept, p.kept_dims, p.kept_strides);
    put_walk(&gone, p.dims, p.strides);
    char head[8192];
    snprintf(head, sizeof head,
             "%sfn start() -> f32 { return %s; }\n"
             "fn take(s: f32, v: f32) -> f32 { return %s; }\n"
             "fn join(a: f32, b: f32) -> f32 { return %s; }\n"
             "fn finish(s: f32) -> f32 { return %s; }\n",
             gpu_source_functions, r->start, r->take, r->join, r->finish);
    return gpu_encode(g, &(gpu_dispatch){.head = head,
                                         .body = gpu_source_reduce,
                                         .tensors = {out, x},
                                         .count = 2,
                                         .parameters = &p,
                                         .bytes = sizeof p,
                                         .groups = p.outputs});
}

static brink_status by_axes(gpu_program *g, const kernel_args *a, const reduction *r)
{
    const tensor *x = a->in[0];
    uint32_t mask;
    if (x->type != BRINK_F32 || a->out[0] == NULL || a->out[0]->type != BRINK_F32)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    TRY(kernel_axes(a, 1, x->rank, &mask));
    if (mask == 0 && onnx_int(a->node, ATTR_noop_with_empty_axes, 0) == 0)
        mask = (1u << x->rank) - 1;
    return reduce(g, a, mask, r);
}

#define REDUCE(name, what)                                                                         \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return by_axes(g, a, &(what));                                                             \
    }
REDUCE(reduce_sum, sum)
REDUCE(reduce_mean, mean)
REDUCE(reduce_sum_square, squares)
REDUCE(reduce_l1, l1)
REDUCE(reduce_l2, l2)
REDUCE(reduce_prod, product)
REDUCE(reduce_max, most)
REDUCE(reduce_min, least)
REDUCE(reduce_log_sum, log_sum)

/* Over all but the first two dimensions. */
static brink_status global(gpu_program *g, const kernel_args *a, const reduction *r)
{
    const tensor *x = a->in[0];
    if (x->type != BRINK_F32 || x->rank < 2)
        return BRINK_UNSUPPORTED;
    return g == NULL ? BRINK_OK : reduce(g, a, ((1u << x->rank) - 1) & ~3u, r);
}

brink_status gpu_global_average_pool(gpu_program *g, const kernel_args *a)
{
    return global(g, a, &mean);
}

brink_status gpu_global_max_pool(gpu_program *g, const kernel_args *a)
{
    return global(g, a, &most);
}
