/* norm.c — LayerNormalization, RMSNormalization and their forms with a residual sum.

   Source: ONNX LayerNormalization and RMSNormalization; onnxruntime's SimplifiedLayerNormalization,
   SkipLayerNormalization and SkipSimplifiedLayerNormalization. Bound by memory: a row is read twice
   from the cache. Variance is taken around the mean, not as a difference of squares. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

typedef struct norm_job {
    int64_t n;
    const float *x;    /* [rows, n]                            */
    const float *skip; /* [skip_rows, n], NULL if none         */
    int64_t skip_rows;
    const float *sum_bias;            /* [n] added to x + skip, NULL if none */
    const float *scale;               /* [n]                                  */
    const float *bias;                /* [n], NULL if none                    */
    float *to, *sum, *mean, *inverse; /* the last three may be NULL */
    float epsilon;
    bool simplified; /* no mean: RMS */
} norm_job;

static void norm_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const norm_job *job = arg;
    int64_t n = job->n;
    for (int64_t r = begin; r < end; r++) {
        const float *x = job->x + r * n;
        float *to = job->to + r * n, mean = 0;
        if (job->skip != NULL) {
            float *sum = job->sum != NULL ? job->sum + r * n : to;
            const float *skip = job->skip + r % job->skip_rows * n, *bias = job->sum_bias;
            if (bias != NULL)
                for (int64_t i = 0; i < n; i++)
                    sum[i] = x[i] + skip[i] + bias[i];
            else
                for (int64_t i = 0; i < n; i++)
                    sum[i] = x[i] + skip[i];
            x = sum;
        }
        if (!job->simplified)
            mean = simd()->sum(x, n) / (float)n;
        float inverse = 1 / sqrtf(simd()->squares(x, mean, n) / (float)n + job->epsilon);
        simd()->normalize(to, x, mean, inverse, job->scale, job->bias, n);
        if (job->mean != NULL)
            job->mean[r] = mean;
        if (job->inverse != NULL)
            job->inverse[r] = inverse;
    }
}

static const float *floats_of(const tensor *t)
{
    return t == NULL ? NULL : t->data;
}

static float *output_floats(const kernel_args *a, uint32_t i)
{
    tensor *t = kernel_out(a, i);
    return t == NULL ? NULL : t->data;
}

static brink_status check(const kernel_args *a, const tensor *t, int64_t count, const char *what)
{
    if (t == NULL)
        return BRINK_OK;
    if (t->type != BRINK_F32)
        return kernel_bad_type(a, t->type);
    if (tensor_count(t) != count)
        return kernel_fail(a, BRINK_UNSUPPORTED, "%s has %lld elements, the normalised part %lld",
                           what, (long long)tensor_count(t), (long long)count);
    return BRINK_OK;
}

static void run(const kernel_args *a, norm_job *job)
{
    int64_t rows = job->n == 0 ? 0 : tensor_count(a->in[0]) / job->n;
    thread_for(a->context->pool, rows, grain_for(2 * job->n), norm_range, job);
}

/* In f64, whose statistics are still f32 outputs. */
typedef struct norm_double {
    int64_t n;
    const double *x, *scale, *bias;
    double *to;
    float *mean, *inverse;
    double epsilon;
    bool simplified;
} norm_double;

static void norm_double_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const norm_double *job = arg;
    int64_t n = job->n;
    for (int64_t r = begin; r < end; r++) {
        const double *x = job->x + r * n;
        double mean = 0, squares = 0;
        for (int64_t i = 0; i < n && !job->simplified; i++)
            mean += x[i];
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++)
            squares += (x[i] - mean) * (x[i] - mean);
        double inverse = 1 / sqrt(squares / (double)n + job->epsilon);
        for (int64_t i = 0; job->to != NULL && i < n; i++)
            job->to[r * n + i] =
                (x[i] - mean) * inverse * job->scale[i] + (job->bias != NULL ? job->bias[i] : 0);
        if (job->mean != NULL)
            job->mean[r] = (float)mean;
        if (job->inverse != NULL)
            job->inverse[r] = (float)inverse;
    }
}

static brink_status norm_doubles(const kernel_args *a, uint32_t axis, bool simplified)
{
    const tensor *x = a->in[0], *scale = kernel_in(a, 1), *bias = kernel_in(a, 2);
    tensor *to = kernel_out(a, 0), *mean = simplified ? NULL : kernel_out(a, 1);
    tensor *inverse = kernel_out(a, simplified ? 1 : 2);
    int64_t n = dims_product(x, axis, x->rank);
    const tensor *given[] = {scale, bias};
    for (uint32_t i = 0; i < 2; i++)
        if (given[i] != NULL && (given[i]->type != BRINK_F64 || tensor_count(given[i]) != n))
            return kernel_fail(a, BRINK_UNSUPPORTED, "scale and bias should be %lld float64",
                               (long long)n);
    if ((mean != NULL && mean->type != BRINK_F32) ||
        (inverse != NULL && inverse->type != BRINK_F32))
        return kernel_bad_type(a, BRINK_F64);
    norm_double job = {.n = n,
                       .x = x->data,
                       .scale = scale->data,
                       .bias = bias != NULL ? bias->data : NULL,
                       .to = to != NULL ? to->data : NULL,
                       .mean = mean != NULL ? mean->data : NULL,
                       .inverse = inverse != NULL ? inverse->data : NULL,
                       .epsilon = onnx_float(a->node, ATTR_epsilon, 1e-5f),
                       .simplified = simplified};
    thread_for(a->context->pool, n == 0 ? 0 : tensor_count(x) / n, grain_for(2 * n),
               norm_double_range, &job);
    return BRINK_OK;
}

static brink_status norm(const kernel_args *a, bool simplified)
{
    const tensor *x = a->in[0], *scale = kernel_in(a, 1), *bias = kernel_in(a, 2);
    uint32_t axis;
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, -1), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    if (scale == NULL)
        return kernel_fail(a, BRINK_BAD_INPUT, "input scale is missing");
    if (x->type == BRINK_F64)
        return norm_doubles(a, axis, simplified);
    norm_job job = {.n = dims_product(x, axis, x->rank), .x = x->data, .simplified = simplified};
    TRY(check(a, scale, job.n, "scale"));
    TRY(check(a, bias, job.n, "bias"));
    job.scale = floats_of(scale);
    job.bias = floats_of(bias);
    job.epsilon = onnx_float(a->node, ATTR_epsilon, 1e-5f);
    if ((job.to = output_floats(a, 0)) == NULL) {
        job.to = kernel_scratch(a, (uint64_t)tensor_count(x) * sizeof(float));
        if (job.to == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    job.mean = simplified ? NULL : output_floats(a, 1);
    job.inverse = output_floats(a, simplified ? 1 : 2);
    run(a, &job);
    return BRINK_OK;
}

brink_status cpu_layer_norm(const kernel_args *a)
{
    return norm(a, false);
}

brink_status cpu_simplified_layer_norm(const kernel_args *a)
{
    return norm(a, true);
}

static brink_status skip_norm(const kernel_args *a, bool simplified)
{
    const tensor *x = a->in[0], *skip = a->in[1], *scale = kernel_in(a, 2);
    const tensor *bias = simplified ? NULL : kernel_in(a, 3);
    const tensor *sum_bias = kernel_in(a, simplified ? 3 : 4);
    if (x->type != BRINK_F32 || skip->type != BRINK_F32)
        return kernel_bad_type(a, x->type);
    if (scale == NULL || x->rank == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "input gamma is missing or the input is a scalar");
    norm_job job = {.n = x->dims[x->rank - 1], .x = x->data, .simplified = simplified};
    TRY(check(a, scale, job.n, "gamma"));
    TRY(check(a, bias, job.n, "beta"));
    TRY(check(a, sum_bias, job.n, "bias"));
    if (tensor_count(x) == 0)
        return BRINK_OK;
    job.skip = skip->data;
    job.skip_rows = tensor_count(skip) / job.n;
    if (job.skip_rows == 0 || tensor_count(x) % (job.skip_rows * job.n) != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "skip has %lld elements, the input %lld",
                           (long long)tensor_count(skip), (long long)tensor_count(x));
    job.sum_bias = floats_of(sum_bias);
    job.scale = floats_of(scale);
    job.bias = floats_of(bias);
    job.epsilon = onnx_float(a->node, ATTR_epsilon, 1e-12f);
    job.mean = output_floats(a, 1);
    job.inverse = output_floats(a, 2);
    job.sum = output_floats(a, 3);
    if ((job.to = output_floats(a, 0)) == NULL) {
        job.to = kernel_scratch(a, (uint64_t)tensor_count(x) * sizeof(float));
        if (job.to == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    run(a, &job);
    return BRINK_OK;
}

brink_status cpu_skip_layer_norm(const kernel_args *a)
{
    return skip_norm(a, false);
}

brink_status cpu_skip_simplified_layer_norm(const kernel_args *a)
{
    return skip_norm(a, true);
}
