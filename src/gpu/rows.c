/* rows.c — what a workgroup does to a row: Softmax, LogSoftmax and the norms.

   Source: as cpu/softmax.c and cpu/norm.c. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <stdio.h>

/* ── Softmax ── */

static brink_status softmax(gpu_program *g, const kernel_args *a, int64_t default_axis, bool flat,
                            uint32_t take_log)
{
    const tensor *x = a->in[0];
    uint32_t axis;
    int64_t wanted = onnx_int(a->node, ATTR_axis, default_axis);
    if (!gpu_is_f32(x) || !axis_wrap(wanted, x->rank, &axis))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    uint32_t end = flat ? x->rank : axis + 1;
    int64_t n = dims_product(x, axis, end), inner = dims_product(x, end, x->rank);
    int64_t rows = n == 0 ? 0 : tensor_count(x) / n;
    const uint32_t p[4] = {(uint32_t)rows, (uint32_t)n, (uint32_t)inner, take_log};
    return gpu_encode(g, &(gpu_dispatch){.head = gpu_source_functions,
                                         .body = gpu_source_softmax,
                                         .tensors = {a->out[0], x},
                                         .count = 2,
                                         .parameters = p,
                                         .bytes = sizeof p,
                                         .groups = (uint64_t)rows});
}

brink_status gpu_softmax(gpu_program *g, const kernel_args *a)
{
    return softmax(g, a, -1, false, 0);
}

brink_status gpu_softmax_flat(gpu_program *g, const kernel_args *a)
{
    return softmax(g, a, 1, true, 0);
}

brink_status gpu_log_softmax(gpu_program *g, const kernel_args *a)
{
    return softmax(g, a, -1, false, 1);
}

/* ── Norms ── */

typedef struct norm_parameters {
    uint32_t rows, n, skip_rows, centred;
    float epsilon;
    uint32_t unused[3];
} norm_parameters;

/* Inputs by their places in the node; 0: there is none (input 0 is x). */
typedef struct norm_inputs {
    uint32_t skip, scale, bias, sum_bias;
} norm_inputs;

static brink_status norm(gpu_program *g, const kernel_args *a, norm_inputs at, bool centred,
                         float epsilon, int64_t n)
{
    const tensor *x = a->in[0], *skip = at.skip ? kernel_in(a, at.skip) : NULL;
    const tensor *scale = kernel_in(a, at.scale), *bias = at.bias ? kernel_in(a, at.bias) : NULL;
    const tensor *sum_bias = at.sum_bias ? kernel_in(a, at.sum_bias) : NULL;
    const tensor *sum = at.skip ? kernel_out(a, 3) : NULL;
    if (!gpu_is_f32(x) || !gpu_is_f32(scale) || !gpu_is_f32(a->out[0]) ||
        (bias != NULL && !gpu_is_f32(bias)) || (sum_bias != NULL && !gpu_is_f32(sum_bias)) ||
        (at.skip && !gpu_is_f32(skip)) || kernel_out(a, 1) != NULL || kernel_out(a, 2) != NULL)
        return BRINK_UNSUPPORTED;
    if (skip != NULL && gpu_root(skip) == gpu_root(x))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return tensor_count(scale) == n ? BRINK_OK : BRINK_UNSUPPORTED;
    if (tensor_count(scale) != n || (bias != NULL && tensor_count(bias) != n) ||
        (sum_bias != NULL && tensor_count(sum_bias) != n))
        return kernel_fail(a, BRINK_UNSUPPORTED, "gpu: a scale or bias that is not one a column");
    char head[1024];
    gpu_dispatch d = {.head = head, .body = gpu_source_norm, .tensors = {a->out[0], x, scale}};
    const tensor *extra[] = {bias, skip, sum_bias, sum};
    static const char *const names[] = {"bias", "skip", "more", "residual"};
    size_t used = 0;
    d.count = 3;
    for (uint32_t i = 0; i < 4; i++)
        if (extra[i] != NULL) {
            d.tensors[d.count++] = extra[i];
            used += (size_t)snprintf(head + used, sizeof head - used,
                                     "@group(0) @binding(%u) var<storage, ACCESS_%u> %s: "
                                     "array<f32>;\n",
                                     d.count, d.count, names[i]);
        }
    snprintf(head + used, sizeof head - used,
             "fn input(r: u32, i: u32) -> f32 { return x[r * p.n + i]%s%s; }\n"
             "fn keep(r: u32, i: u32) -> f32 { let v = input(r, i); %s return v; }\n"
             "fn shift(i: u32) -> f32 { return %s; }\n",
             skip != NULL ? " + skip[r % p.skip_rows * p.n + i]" : "",
             sum_bias != NULL ? " + more[i]" : "", sum != NULL ? "residual[r * p.n + i] = v;" : "",
             bias != NULL ? "bias[i]" : "0.0");
    int64_t rows = n == 0 ? 0 : tensor_count(x) / n;
    norm_parameters p = {.rows = (uint32_t)rows,
                         .n = (uint32_t)n,
                         .skip_rows =
                             skip == NULL || n == 0 ? 1 : (uint32_t)(tensor_count(skip) / n),
                         .centred = centred,
                         .epsilon = epsilon};
    d.parameters = &p;
    d.bytes = sizeof p;
    d.groups = (uint64_t)rows;
    return gpu_encode(g, &d);
}

static brink_status plain_norm(gpu_program *g, const kernel_args *a, bool centred)
{
    uint32_t axis;
    const tensor *x = a->in[0];
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, -1), x->rank, &axis))
        return BRINK_UNSUPPORTED;
    return norm(g, a, (norm_inputs){.scale = 1, .bias = centred ? 2 : 0}, centred,
                onnx_float(a->node, ATTR_epsilon, 1e-5f), dims_product(x, axis, x->rank));
}

brink_status gpu_layer_norm(gpu_program *g, const kernel_args *a)
{
    return plain_norm(g, a, true);
}

brink_status gpu_simplified_layer_norm(gpu_program *g, const kernel_args *a)
{
    return plain_norm(g, a, false);
}

static int64_t last_dimension(const tensor *t)
{
    return t->rank == 0 ? 1 : t->dims[t->rank - 1];
}

brink_status gpu_skip_layer_norm(gpu_program *g, const kernel_args *a)
{
    return norm(g, a, (norm_inputs){1, 2, 3, 4}, true, onnx_float(a->node, ATTR_epsilon, 1e-12f),
                last_dimension(a->in[0]));
}

brink_status gpu_skip_simplified_layer_norm(gpu_program *g, const kernel_args *a)
{
    return norm(g, a, (norm_inputs){1, 2, 0, 3}, false, onnx_float(a->node, ATTR_epsilon, 1e-12f),
                last_dimension(a->in[0]));
}
