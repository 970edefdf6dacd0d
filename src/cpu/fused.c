/* fused.c — onnxruntime's FusedConv, FusedGemm and NhwcConv: other kernels and what follows them.

   Source: com.microsoft. FusedConv is activation(Conv(X, W, B) + Z); NhwcConv has the channels last
   in X and Y, the weights as Conv has them. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

typedef struct fused_job {
    float *y;
    const float *more; /* added before the activation, or NULL */
    activation function;
} fused_job;

static void fused_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const fused_job *job = arg;
    for (int64_t i = begin; job->more != NULL && i < end; i++)
        job->y[i] += job->more[i];
    activate_row(&job->function, job->y + begin, end - begin);
}

static brink_status finish(const kernel_args *a, const tensor *more, const activation *f)
{
    tensor *out = a->out[0];
    fused_job job = {out->data, more != NULL ? more->data : NULL, *f};
    if (more == NULL && f->kind == ACTIVATION_NONE && !f->scaled)
        return BRINK_OK;
    if (out->type != BRINK_F32 || (more != NULL && more->type != BRINK_F32))
        return kernel_bad_type(a, out->type);
    thread_for(a->context->pool, tensor_count(out), 8192, fused_range, &job);
    return BRINK_OK;
}

brink_status cpu_fused_conv(const kernel_args *a)
{
    const tensor *more = kernel_in(a, 3), *out = a->out[0];
    activation f;
    bool finished;
    TRY(conv_activation(a, &f));
    if (more != NULL && tensor_count(more) != tensor_count(out))
        return kernel_fail(a, BRINK_BAD_INPUT, "Z has %lld elements, the result %lld",
                           (long long)tensor_count(more), (long long)tensor_count(out));
    TRY(conv_compute(a, more, &f, &finished));
    return finished ? BRINK_OK : finish(a, more, &f);
}

brink_status cpu_fused_gemm(const kernel_args *a)
{
    activation f;
    const char *name = onnx_string(a->node, ATTR_activation, "");
    if (!activation_find(name, &f))
        return kernel_fail(a, BRINK_UNSUPPORTED, "activation %s", name);
    f.alpha = onnx_float(a->node, ATTR_activation_alpha, f.alpha);
    f.beta = onnx_float(a->node, ATTR_activation_beta, f.beta);
    TRY(cpu_gemm(a));
    return finish(a, NULL, &f);
}

/* The box [N, rows, columns] of x with rows and columns changed. */
static void turn(const kernel_args *a, const tensor *x, int64_t rows, int64_t columns, void *to)
{
    nd walk = {.rank = 3,
               .operands = 2,
               .dims = {x->dims[0], columns, rows},
               .stride = {{rows * columns, rows, 1}, {rows * columns, 1, columns}}};
    nd_copy(a->context->pool, &walk, to, x->data, element_bytes(x->type));
}

brink_status cpu_nhwc_conv(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    uint32_t size = element_bytes(x->type);
    if (x->rank < 3 || out->rank != x->rank || size == 0 || out->type != x->type)
        return kernel_bad_type(a, x->type);
    if (tensor_count(out) == 0)
        return BRINK_OK;
    tensor image = window_channels_first(x, true), result = window_channels_first(out, true);
    uint64_t x_bytes = whole_lines((uint64_t)tensor_count(x) * size);
    char *memory = kernel_scratch(a, x_bytes + (uint64_t)tensor_count(out) * size);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    image.data = memory;
    result.data = memory + x_bytes;
    turn(a, x, dims_product(x, 1, x->rank - 1), image.dims[1], image.data);
    scratch own = {0}; /* Conv's, since this kernel's holds its operands */
    const tensor *in[] = {&image, a->in[1], kernel_in(a, 2)};
    tensor *results[] = {&result};
    kernel_args inner = *a;
    inner.in = in;
    inner.out = results;
    inner.in_count = 3;
    inner.scratch = &own;
    brink_status status = cpu_conv(&inner);
    core_free(a->context, own.data);
    TRY(status);
    turn(a, &result, result.dims[1], dims_product(&result, 2, result.rank), out->data);
    return BRINK_OK;
}
