/* activations.c — elementwise activation functions: Relu's relatives, the sigmoids and the GELUs.

   Source: ONNX Celu to ThresholdedRelu, and onnxruntime's Gelu family. Floats of either width, and
   integers for Shrink. Bound by memory, or by the transcendental function, whose f32 rows come from
   cpu/simd.h. */
#include "cpu/unary.h"

#include "cpu/simd.h"

#include <math.h>
#include <string.h>

FLOAT_KERNEL(softplus, fmaxf(p, 0) + log1pf(expf(-fabsf(p))), fmax(p, 0) + log1p(exp(-fabs(p))))
ACTIVATION_KERNEL(hard_swish, ACTIVATION_HARD_SWISH, 1.0f / 6, 0.5f,
                  p *fmax(0, fmin(1, p / 6 + 0.5)))
ACTIVATION_KERNEL(softsign, ACTIVATION_SOFTSIGN, 0, 0, p / (1 + fabs(p)))
ACTIVATION_KERNEL(mish, ACTIVATION_MISH, 0, 0, p *tanh(fmax(p, 0) + log1p(exp(-fabs(p)))))
FAST_KERNEL(sigmoid, simd()->sigmoid, 1 / (1 + exp(-p)))
ACTIVATION_KERNEL(leaky_relu, ACTIVATION_LEAKY_RELU, 0.01f, 0, p < 0 ? p * alpha : p)
PARAMETER_KERNEL(elu, 1, 0, p < 0 ? alpha * expm1((double)p) : p)
ACTIVATION_KERNEL(hard_sigmoid, ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f,
                  alpha *p + beta < 0    ? 0
                  : alpha * p + beta > 1 ? 1
                                         : alpha * p + beta) /* NaN stays */
PARAMETER_KERNEL(celu, 1, 0, p < 0 ? alpha * expm1(p / alpha) : p)
ACTIVATION_KERNEL(thresholded_relu, ACTIVATION_THRESHOLDED_RELU, 1, 0, p > alpha ? p : 0)

ROW(gelu_f64, double, 0.5 * p * (1 + erf(p * 0.70710678118654752440)))
ROW(gelu_tanh_f64, double,
    0.5 * p * (1 + tanh(0.79788456080286535588 * (p + 0.044715 * p * p * p))))
ROW(quick_gelu_f32, float, p / (1 + expf((float)-alpha * p)))
ROW(quick_gelu_f64, double, p / (1 + exp(-alpha * p)))

brink_status cpu_gelu(const kernel_args *a)
{
    if (strcmp(onnx_string(a->node, ATTR_approximate, "none"), "tanh") == 0)
        return unary_float(a, &(unary_job){.fast = simd()->gelu_tanh},
                           &(unary_job){.row = gelu_tanh_f64});
    return unary_float(a, &(unary_job){.fast = simd()->gelu}, &(unary_job){.row = gelu_f64});
}

/* x * sigmoid(alpha * x) */
static brink_status swish(const kernel_args *a, double alpha)
{
    if (alpha == 1)
        return unary_float(a, &(unary_job){.fast = simd()->silu},
                           &(unary_job){.row = quick_gelu_f64, .p = 1});
    return unary_float(a, &(unary_job){.row = quick_gelu_f32, .p = alpha},
                       &(unary_job){.row = quick_gelu_f64, .p = alpha});
}

brink_status cpu_quick_gelu(const kernel_args *a)
{
    return swish(a, onnx_float(a->node, ATTR_alpha, 1.702f));
}

brink_status cpu_swish(const kernel_args *a)
{
    return swish(a, onnx_float(a->node, ATTR_alpha, 1));
}

/* swish(x) * y */
brink_status cpu_swiglu(const kernel_args *a)
{
    const tensor *y = a->in[1];
    tensor *out = a->out[0];
    int64_t n = tensor_count(out);
    if (y->type != out->type)
        return kernel_bad_type(a, y->type);
    if (tensor_count(a->in[0]) != n || tensor_count(y) != n)
        return kernel_fail(a, BRINK_BAD_INPUT, "the two inputs differ in shape");
    TRY(cpu_swish(a));
    if (out->type == BRINK_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)out->data)[i] *= ((const float *)y->data)[i];
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)out->data)[i] *= ((const double *)y->data)[i];
    return BRINK_OK;
}

FLOAT_ROWS(selu, beta *(p > 0 ? p : alpha * expm1((double)p)),
           beta *(p > 0 ? p : alpha * expm1((double)p)))

/* The specification's constants in f32 (alpha and gamma; opset 1 has them shorter). */
brink_status cpu_selu(const kernel_args *a)
{
    bool old = a->node->opset < 6;
    double alpha = onnx_float(a->node, ATTR_alpha, old ? 1.6732f : 1.67326319217681884765625f);
    double gamma = onnx_float(a->node, ATTR_gamma, old ? 1.0507f : 1.05070102214813232421875f);
    return unary_float(a, &(unary_job){.row = selu_f32, .p = alpha, .q = gamma},
                       &(unary_job){.row = selu_f64, .p = alpha, .q = gamma});
}

/* alpha is lambd, beta is bias. */
#define SHRUNK (p < -alpha ? p + beta : p > alpha ? p - beta : 0)
#define SHRINK_ROW(type, T) ROW(shrink_##T, T, whole(SHRUNK))

/* Cut towards zero; what no integer holds is the least. */
static int64_t whole(double v)
{
    return v > -9223372036854775808.0 && v < 9223372036854775808.0 ? (int64_t)v : INT64_MIN;
}

INTEGER_TYPES(SHRINK_ROW)
FLOAT_ROWS(shrink, SHRUNK, SHRUNK)

brink_status cpu_shrink(const kernel_args *a)
{
    unary_job job = {.p = onnx_float(a->node, ATTR_lambd, 0.5f),
                     .q = onnx_float(a->node, ATTR_bias, 0)};
    switch (a->out[0]->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        job.row = shrink_##T;                                                                      \
        break;
        INTEGER_TYPES(CASE)
#undef CASE
    case BRINK_F32:
        job.row = shrink_f32;
        break;
    case BRINK_F64:
        job.row = shrink_f64;
        break;
    default:
        break;
    }
    return unary_run(a, &job);
}

/* A GELU of x + bias, the bias over the last dimension. */
static brink_status biased(const kernel_args *a, void (*gelu)(float *, const float *, int64_t))
{
    const tensor *bias = kernel_in(a, 1);
    tensor *out = a->out[0];
    if (bias == NULL || out->type != BRINK_F32 || bias->type != BRINK_F32)
        return kernel_bad_type(a, out->type);
    int64_t n = tensor_count(bias), rows = n == 0 ? 0 : tensor_count(out) / n;
    if (out->rank == 0 || n != out->dims[out->rank - 1])
        return kernel_fail(a, BRINK_BAD_INPUT, "bias of %lld does not fit the last dimension",
                           (long long)n);
    const float *x = a->in[0]->data, *b = bias->data;
    float *to = out->data;
    for (int64_t r = 0; r < rows; r++, to += n, x += n) {
        for (int64_t i = 0; i < n; i++)
            to[i] = x[i] + b[i];
        gelu(to, to, n);
    }
    return BRINK_OK;
}

brink_status cpu_fast_gelu(const kernel_args *a)
{
    if (kernel_in(a, 1) != NULL)
        return biased(a, simd()->gelu_tanh);
    return unary_float(a, &(unary_job){.fast = simd()->gelu_tanh},
                       &(unary_job){.row = gelu_tanh_f64});
}

brink_status cpu_bias_gelu(const kernel_args *a)
{
    return biased(a, simd()->gelu);
}
