/* conv.c — Conv and the planner's FusedConv on the GPU, in one to three dimensions.

   Source: ONNX Conv; geometry as cpu/conv.h reads it. */
#include "cpu/conv.h"

#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <stdio.h>
#include <string.h>

enum { RANK = 3 };

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

static brink_status convolve(gpu_program *g, const kernel_args *a, const tensor *more,
                             const activation *f)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2), *out = a->out[0];
    const char *what = expression(f);
    if (!gpu_is_f32(x) || !gpu_is_f32(w) || (bias != NULL && !gpu_is_f32(bias)) ||
        !gpu_is_f32(out) || (more != NULL && !gpu_is_f32(more)) || x->rank < 3 ||
        x->rank > 2 + RANK || what == NULL)
        return BRINK_UNSUPPORTED;
    if (gpu_root(x) == gpu_root(w) || (more != NULL && gpu_root(more) == gpu_root(x)))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    conv_sizes s;
    TRY(conv_read(a, x, w, bias, out, &s));
    if (tensor_count(out) > UINT32_MAX || tensor_count(x) > UINT32_MAX ||
        (more != NULL && tensor_count(more) != tensor_count(out)))
        return kernel_fail(a, BRINK_BAD_INPUT, "gpu: %lld outputs", (long long)tensor_count(out));
    parameters p = {.count = (uint32_t)tensor_count(out),
                    .outputs = (uint32_t)s.outputs,
                    .channels = (uint32_t)s.channels,
                    .groups = (uint32_t)s.groups};
    put_sizes(p.image, s.window.image, s.window.rank, 1);
    put_sizes(p.kernel, s.window.kernel, s.window.rank, 1);
    put_sizes(p.result, s.window.result, s.window.rank, 1);
    put_sizes(p.stride, s.window.stride, s.window.rank, 1);
    put_sizes(p.dilation, s.window.dilation, s.window.rank, 1);
    put_sizes(p.before, s.window.before, s.window.rank, 0);
    char head[8192], numbers[4][96];
    size_t used = 0;
    gpu_dispatch d = {.head = head, .body = gpu_source_conv, .tensors = {out, x, w}, .count = 3};
#define PUT(...) used += (size_t)snprintf(head + used, sizeof head - used, __VA_ARGS__)
    PUT("%s", gpu_source_functions);
    const tensor *extra[] = {bias, more};
    static const char *const names[] = {"bias", "more"}, *const index[] = {"m", "i"};
    for (uint32_t k = 0; k < 2; k++) {
        if (extra[k] != NULL) {
            d.tensors[d.count++] = extra[k];
            PUT("@group(0) @binding(%u) var<storage, ACCESS_%u> %s_in: array<f32>;\n", d.count,
                d.count, names[k]);
        }
        PUT("fn %s(%s: u32) -> f32 { return ", names[k], index[k]);
        PUT(extra[k] != NULL ? "%s_in[%s]; }\n" : "0.0; }\n", names[k], index[k]);
    }
    put_number(numbers[0], sizeof numbers[0], "alpha", f->alpha);
    put_number(numbers[1], sizeof numbers[1], "beta", f->beta);
    put_number(numbers[2], sizeof numbers[2], "gain", f->scaled ? f->gain : 1);
    put_number(numbers[3], sizeof numbers[3], "shift", f->scaled ? f->shift : 0);
    PUT("fn finish(v: f32) -> f32 { %s%s%s%sreturn %s%s%s; }\n", numbers[0], numbers[1], numbers[2],
        numbers[3], f->scaled ? "gain * (" : "", what, f->scaled ? ") + shift" : "");
#undef PUT
    d.parameters = &p;
    d.bytes = sizeof p;
    d.groups = ((uint64_t)p.count + 63) / 64;
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
