/* conv.c — Conv, ConvTranspose and the planner's FusedConv on the GPU, in one to three dimensions: by
   tiles, or an output an invocation where a group is small (depthwise).

   Source: ONNX Conv; geometry as cpu/conv.h reads it. */
#include "cpu/conv.h"

#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <stdio.h>
#include <string.h>

enum { RANK = 3, FEW = 16 /* outputs and taps below which tiles would be empty */ };

typedef struct parameters {
    uint32_t count, outputs, channels, groups;
    uint32_t image[4], kernel[4], result[4], stride[4], dilation[4], before[4];
} parameters;

/* f of v, where alpha and beta are constants of these names; NULL: on the CPU. */
static const char *expression(const activation *f)
{
    switch (f->kind) {
    case ACTIVATION_NONE:
        return "v";
    case ACTIVATION_SIGMOID:
        return "sigmoid_(v)";
    case ACTIVATION_TANH:
        return "tanh_(v)";
    case ACTIVATION_RELU:
        return "select(v, 0.0, v < 0.0)";
    case ACTIVATION_LEAKY_RELU:
        return "select(v, alpha * v, v < 0.0)";
    case ACTIVATION_HARD_SIGMOID:
        return "max_(0.0, min_(1.0, alpha * v + beta))";
    case ACTIVATION_CLIP:
        return "min_(beta, max_(alpha, v))";
    case ACTIVATION_SILU:
        return "v * sigmoid_(v)";
    case ACTIVATION_HARD_SWISH:
        return "v * clamp(alpha * v + beta, 0.0, 1.0)";
    default:
        return NULL;
    }
}

static void put_number(char *to, size_t size, const char *name, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    snprintf(to, size, "let %s = bitcast<f32>(0x%08xu + zero_); ", name, bits);
}

/* The last three dimensions; absent ones are `absent`. */
static void put_sizes(uint32_t to[4], const int64_t *from, uint32_t rank, uint32_t absent)
{
    for (uint32_t d = 0; d < RANK; d++)
        to[d] = d + rank < RANK ? absent : (uint32_t)from[d + rank - RANK];
}

/* finish(v): the activation and what its node does after it. */
static size_t put_finish(char *head, size_t size, const activation *f)
{
    char numbers[4][96];
    put_number(numbers[0], sizeof numbers[0], "alpha", f->alpha);
    put_number(numbers[1], sizeof numbers[1], "beta", f->beta);
    put_number(numbers[2], sizeof numbers[2], "gain", f->scaled ? f->gain : 1);
    put_number(numbers[3], sizeof numbers[3], "shift", f->scaled ? f->shift : 0);
    return (size_t)snprintf(head, size, "fn finish(v: f32) -> f32 { %s%s%s%sreturn %s%s%s; }\n",
                            numbers[0], numbers[1], numbers[2], numbers[3],
                            f->scaled ? "gain * (" : "", expression(f),
                            f->scaled ? ") + shift" : "");
}

static parameters sizes_of(const window *w, int64_t count, int64_t outputs, int64_t channels,
                           int64_t groups)
{
    parameters p = {.count = (uint32_t)count,
                    .outputs = (uint32_t)outputs,
                    .channels = (uint32_t)channels,
                    .groups = (uint32_t)groups};
    put_sizes(p.image, w->image, w->rank, 1);
    put_sizes(p.kernel, w->kernel, w->rank, 1);
    put_sizes(p.result, w->result, w->rank, 1);
    put_sizes(p.stride, w->stride, w->rank, 1);
    put_sizes(p.dilation, w->dilation, w->rank, 1);
    put_sizes(p.before, w->before, w->rank, 0);
    return p;
}

static brink_status convolve(gpu_program *g, const kernel_args *a, const tensor *more,
                             const activation *f)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2), *out = a->out[0];
    const char *what = expression(f);
    if (!gpu_is_f32(x) || !gpu_is_f32(w) || (bias != NULL && !gpu_is_f32(bias)) ||
        !gpu_is_f32(out) || (more != NULL && !gpu_is_f32(more)) || x->rank < 3 ||
        x->rank > 2 + RANK || what == NULL)
        return BRINK_UNSUPPORTED;
    if (gpu_root(x) == gpu_root(w))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    conv_sizes s;
    TRY(conv_read(a, x, w, bias, out, &s));
    if (tensor_count(out) > UINT32_MAX || tensor_count(x) > UINT32_MAX ||
        (more != NULL && tensor_count(more) != tensor_count(out)))
        return kernel_fail(a, BRINK_BAD_INPUT, "gpu: %lld outputs", (long long)tensor_count(out));
    parameters p = sizes_of(&s.window, tensor_count(out), s.outputs, s.channels, s.groups);
    char head[8192];
    size_t used = 0;
    gpu_dispatch d = {.head = head, .body = gpu_source_conv, .tensors = {out, x, w}, .count = 3};
#define PUT(...) used += (size_t)snprintf(head + used, sizeof head - used, __VA_ARGS__)
    PUT("%s", gpu_source_functions);
    const tensor *extra[] = {bias, more};
    static const char *const names[] = {"bias", "more"}, *const index[] = {"m", "i"};
    for (uint32_t k = 0; k < 2; k++) {
        if (extra[k] != NULL && gpu_root(extra[k]) == gpu_root(x)) { /* bound as it is */
            PUT("fn %s(%s: u32) -> f32 { return x[%s]; }\n", names[k], index[k], index[k]);
            continue;
        }
        if (extra[k] != NULL) {
            d.tensors[d.count++] = extra[k];
            PUT("@group(0) @binding(%u) var<storage, ACCESS_%u> %s_in: array<f32>;\n", d.count,
                d.count, names[k]);
        }
        PUT("fn %s(%s: u32) -> f32 { return ", names[k], index[k]);
        PUT(extra[k] != NULL ? "%s_in[%s]; }\n" : "0.0; }\n", names[k], index[k]);
    }
    put_finish(head + used, sizeof head - used, f);
#undef PUT
    d.parameters = &p;
    d.bytes = sizeof p;
    d.groups = ((uint64_t)p.count + 63) / 64;
    if (s.outputs >= FEW && s.channels * s.window.kernel_size >= FEW) {
        uint64_t tiles = (uint64_t)((s.outputs + 63) / 64 * ((s.window.result_size + 63) / 64));
        d.body = gpu_source_conv_tiled;
        d.groups = p.count == 0 ? 0 : (uint64_t)(s.batches * s.groups) * tiles;
    }
    return gpu_encode(g, &d);
}

brink_status gpu_conv(gpu_program *g, const kernel_args *a)
{
    const activation none = {0};
    return convolve(g, a, NULL, &none);
}

brink_status gpu_fused_conv(gpu_program *g, const kernel_args *a)
{
    activation f;
    brink_status status = conv_activation(a, &f);
    return status != BRINK_OK ? BRINK_UNSUPPORTED : convolve(g, a, kernel_in(a, 3), &f);
}

/* Each output gathers the inputs that its taps come from. */
brink_status gpu_conv_transpose(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2), *out = a->out[0];
    int64_t groups = onnx_int(a->node, ATTR_group, 1);
    activation f;
    if (!gpu_is_f32(x) || !gpu_is_f32(w) || (bias != NULL && !gpu_is_f32(bias)) ||
        !gpu_is_f32(out) || x->rank < 3 || x->rank > 2 + RANK || groups < 1 ||
        gpu_root(x) == gpu_root(w) || conv_activation(a, &f) != BRINK_OK || expression(&f) == NULL)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    window s;
    if (w->dims[0] != x->dims[1] || x->dims[1] % groups != 0 ||
        (bias != NULL && tensor_count(bias) != out->dims[1]))
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "%lld channels in %lld groups, the weight takes %lld",
                           (long long)x->dims[1], (long long)groups, (long long)w->dims[0]);
    TRY(window_read_transposed(a, x, w->dims + 2, out, &s));
    if (tensor_count(out) > UINT32_MAX || tensor_count(x) > UINT32_MAX)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "gpu: %lld outputs",
                           (long long)tensor_count(out));
    parameters p = sizes_of(&s, tensor_count(out), w->dims[1], x->dims[1] / groups, groups);
    char head[8192];
    size_t used = (size_t)snprintf(
        head, sizeof head, "%s%sfn bias(m: u32) -> f32 { return %s; }\n", gpu_source_functions,
        bias != NULL ? "@group(0) @binding(4) var<storage, ACCESS_4> bias_in: array<f32>;\n" : "",
        bias != NULL ? "bias_in[m]" : "0.0");
    put_finish(head + used, sizeof head - used, &f);
    return gpu_encode(g, &(gpu_dispatch){.head = head,
                                         .body = gpu_source_conv_transpose,
                                         .tensors = {out, x, w, bias},
                                         .count = bias != NULL ? 4 : 3,
                                         .parameters = &p,
                                         .bytes = sizeof p,
                                         .groups = ((uint64_t)p.count + 63) / 64});
}
