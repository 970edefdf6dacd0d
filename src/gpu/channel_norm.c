/* channel_norm.c — InstanceNormalization, GroupNormalization, onnxruntime's GroupNorm, and
   BatchNormalization as it is at inference, on the GPU.

   Source: as cpu/channel_norm.c. */
#include "cpu/loops.h"
#include "gpu/sources.h"
#include "gpu/walk.h"

#include <stdio.h>
#include <string.h>

typedef struct group {
    uint32_t units, groups, channels, space, by_group, last, silu;
    float epsilon;
} group;

static bool takes(const kernel_args *a)
{
    const tensor *x = a->in[0], *scale = kernel_in(a, 1), *bias = kernel_in(a, 2);
    return gpu_is_f32(x) && gpu_is_f32(scale) && gpu_is_f32(a->out[0]) && x->rank >= 2 &&
           (bias == NULL || gpu_is_f32(bias)) && gpu_root(scale) != gpu_root(x) &&
           (bias == NULL || (gpu_root(bias) != gpu_root(x) && gpu_root(bias) != gpu_root(scale)));
}

/* `groups` 0: one a channel. */
static brink_status norm(gpu_program *g, const kernel_args *a, int64_t groups, bool by_group,
                         bool last, bool silu)
{
    const tensor *x = a->in[0], *scale = a->in[1], *bias = kernel_in(a, 2);
    int64_t channels = x->dims[last ? x->rank - 1 : 1];
    int64_t space = dims_product(x, last ? 1 : 2, last ? x->rank - 1 : x->rank);
    groups = groups == 0 ? channels : groups;
    int64_t want = by_group ? groups : channels;
    if (tensor_count(x) == 0)
        return BRINK_OK;
    if (groups < 1 || channels % groups != 0 || tensor_count(scale) != want ||
        (bias != NULL && tensor_count(bias) != want) || tensor_count(x) > UINT32_MAX)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld channels in %lld groups, scale of %lld",
                           (long long)channels, (long long)groups, (long long)tensor_count(scale));
    group p = {.units = (uint32_t)(x->dims[0] * groups),
               .groups = (uint32_t)groups,
               .channels = (uint32_t)(channels / groups),
               .space = (uint32_t)space,
               .by_group = by_group,
               .last = last,
               .silu = silu,
               .epsilon = onnx_float(a->node, ATTR_epsilon, 1e-5f)};
    char head[256];
    snprintf(head, sizeof head, "%sfn shift(i: u32) -> f32 { return %s; }\n",
             bias != NULL ? "@group(0) @binding(4) var<storage, ACCESS_4> bias: array<f32>;\n" : "",
             bias != NULL ? "bias[i]" : "0.0");
    return gpu_encode(g, &(gpu_dispatch){.head = head,
                                         .body = gpu_source_group_norm,
                                         .tensors = {a->out[0], x, scale, bias},
                                         .count = bias != NULL ? 4 : 3,
                                         .parameters = &p,
                                         .bytes = sizeof p,
                                         .groups = p.units});
}

static brink_status plain(gpu_program *g, const kernel_args *a, int64_t groups, bool by_group)
{
    if (!takes(a))
        return BRINK_UNSUPPORTED;
    return g == NULL ? BRINK_OK : norm(g, a, groups, by_group, false, false);
}

brink_status gpu_instance_norm(gpu_program *g, const kernel_args *a)
{
    return plain(g, a, 0, false);
}

brink_status gpu_group_norm(gpu_program *g, const kernel_args *a)
{
    return plain(g, a, onnx_int(a->node, ATTR_num_groups, 0), false);
}

/* In opset 18 scale and bias were by group. */
brink_status gpu_group_norm_18(gpu_program *g, const kernel_args *a)
{
    return plain(g, a, onnx_int(a->node, ATTR_num_groups, 0), true);
}

brink_status gpu_group_norm_ms(gpu_program *g, const kernel_args *a)
{
    if (!takes(a))
        return BRINK_UNSUPPORTED;
    return g == NULL ? BRINK_OK
                     : norm(g, a, onnx_int(a->node, ATTR_groups, 0), false,
                            onnx_int(a->node, ATTR_channels_last, 1) != 0,
                            onnx_int(a->node, ATTR_activation, 0) != 0);
}

/* (x − mean) scale / sqrt(variance + epsilon) + bias, each one a channel. */
brink_status gpu_batch_norm(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *out = kernel_out(a, 0);
    gpu_operands o = {.list = {out}, .count = 1};
    uint32_t at[5];
    if (a->in_count != 5 || !gpu_is_f32(out) || onnx_int(a->node, ATTR_training_mode, 0) != 0)
        return BRINK_UNSUPPORTED;
    for (uint32_t i = 0; i < 5; i++) {
        if (!gpu_is_f32(a->in[i]))
            return BRINK_UNSUPPORTED;
        at[i] = gpu_bind(&o, a->in[i]);
    }
    for (uint32_t i = 1; i < a->out_count; i++)
        if (a->out[i] != NULL)
            return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    bool spatial = onnx_int(a->node, ATTR_spatial, 1) != 0;
    int64_t channels = x->rank < 2 ? 1 : spatial ? x->dims[1] : dims_product(x, 1, x->rank);
    int64_t space = x->rank > 2 && spatial ? dims_product(x, 2, x->rank) : 1;
    for (uint32_t i = 1; i < 5; i++)
        if (tensor_count(a->in[i]) != channels)
            return kernel_fail(a, BRINK_BAD_INPUT, "input %u has %lld elements for %lld channels",
                               i, (long long)tensor_count(a->in[i]), (long long)channels);
    gpu_walk w = {.strides = {(uint32_t)space, (uint32_t)channels}};
    float epsilon = onnx_float(a->node, ATTR_epsilon, 1e-5f);
    memcpy(&w.strides[2], &epsilon, sizeof epsilon);
    gpu_wgsl head = {.used = 0};
    gpu_put_storage(&head, &o);
    gpu_put(&head,
            "fn value(i: u32) -> f32 {\n    let s = walk.strides[0];\n"
            "    let c = i / s.x %% s.y;\n"
            "    let f = load%u(c) / sqrt(load%u(c) + bitcast<f32>(s.z));\n"
            "    return (load%u(i) - load%u(c)) * f + load%u(c);\n}\n",
            at[1], at[4], at[0], at[3], at[2]);
    return gpu_encode_walk(g, &o, &head, &w);
}
