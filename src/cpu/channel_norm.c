/* channel_norm.c — BatchNormalization, InstanceNormalization, GroupNormalization, and onnxruntime's
   GroupNorm with channels last.

   Source: ONNX; com.microsoft GroupNorm. The last three are one thing: mean and variance over the
   channels of a group (one channel a group for instances), then a scale and a bias. Variance is
   taken around the mean. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <math.h>

typedef struct moments {
    double mean, variance;
} moments;

/* Of `rows` runs of n elements, `step` apart. */
static moments moments_float(const float *x, int64_t rows, int64_t n, int64_t step)
{
    double sum = 0, squares = 0, count = (double)(rows * n);
    for (int64_t r = 0; r < rows; r++)
        sum += (double)simd()->sum(x + r * step, n);
    float mean = (float)(sum / count);
    for (int64_t r = 0; r < rows; r++)
        squares += (double)simd()->squares(x + r * step, mean, n);
    return (moments){(double)mean, squares / count};
}

static moments moments_double(const double *x, int64_t rows, int64_t n, int64_t step)
{
    double sum = 0, squares = 0, count = (double)(rows * n);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            sum += x[r * step + i];
    double mean = sum / count;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++)
            squares += (x[r * step + i] - mean) * (x[r * step + i] - mean);
    return (moments){mean, squares / count};
}

static bool is_float(brink_type type)
{
    return type == BRINK_F32 || type == BRINK_F64;
}

/* ── Groups of channels ── */

typedef struct group_job {
    const void *x;
    void *y;
    const tensor *scale, *bias;
    int64_t channels, groups, space;
    double epsilon;
    bool by_group, last, silu; /* scale by group, not by channel; channels last; x * sigmoid(x) */
} group_job;

static double number_of(const tensor *t, int64_t i)
{
    return tensor_number(t, tensor_count(t) == 1 ? 0 : i);
}

/* Units are groups of all batches. */
#define GROUPS(T)                                                                                  \
    static void groups_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                 \
    {                                                                                              \
        (void)thread;                                                                              \
        const group_job *job = arg;                                                                \
        int64_t each = job->channels / job->groups, space = job->space;                            \
        int64_t rows = job->last ? space : each, n = job->last ? each : space;                     \
        int64_t step = job->last ? job->channels : space;                                          \
        for (int64_t unit = begin; unit < end; unit++) {                                           \
            int64_t group = unit % job->groups, first = group * each;                              \
            int64_t at =                                                                           \
                unit / job->groups * job->channels * space + (job->last ? first : first * space);  \
            const T *x = (const T *)job->x + at;                                                   \
            T *y = (T *)job->y + at;                                                               \
            moments m = moments_##T(x, rows, n, step);                                             \
            double inverse = 1 / sqrt(m.variance + job->epsilon);                                  \
            for (int64_t c = 0; c < each; c++) {                                                   \
                int64_t which = job->by_group ? group : first + c;                                 \
                T scale = (T)(number_of(job->scale, which) * inverse), mean = (T)m.mean;           \
                T bias = job->bias != NULL ? (T)number_of(job->bias, which) : 0;                   \
                int64_t start = job->last ? c : c * space, stride = job->last ? job->channels : 1; \
                for (int64_t i = start, k = 0; k < space; k++, i += stride)                        \
                    y[i] = (x[i] - mean) * scale + bias;                                           \
                for (int64_t i = start, k = 0; job->silu && k < space; k++, i += stride)           \
                    y[i] = (T)((double)y[i] / (1 + exp(-(double)y[i])));                           \
            }                                                                                      \
        }                                                                                          \
    }
GROUPS(float)
GROUPS(double)

static brink_status group_run(const kernel_args *a, group_job *job)
{
    const tensor *x = a->in[0];
    int64_t want = job->by_group ? job->groups : job->channels;
    if (!is_float(x->type))
        return kernel_bad_type(a, x->type);
    if (job->groups < 1 || job->channels % job->groups != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld channels in %lld groups",
                           (long long)job->channels, (long long)job->groups);
    if (job->scale == NULL || tensor_count(job->scale) != want ||
        (job->bias != NULL && tensor_count(job->bias) != want))
        return kernel_fail(a, BRINK_BAD_INPUT, "scale and bias should have %lld elements",
                           (long long)want);
    job->x = x->data;
    job->y = a->out[0]->data;
    job->epsilon = (double)onnx_float(a->node, ATTR_epsilon, 1e-5f);
    if (tensor_count(x) > 0)
        thread_for(a->context->pool, x->dims[0] * job->groups,
                   grain_for(3 * job->space * (job->channels / job->groups)),
                   x->type == BRINK_F32 ? groups_float : groups_double, job);
    return BRINK_OK;
}

/* x [N, C, space …] */
static brink_status group_norm(const kernel_args *a, int64_t groups, bool by_group)
{
    const tensor *x = a->in[0];
    if (x->rank < 2)
        return kernel_fail(a, BRINK_BAD_INPUT, "an input of rank %u has no channels", x->rank);
    group_job job = {.scale = kernel_in(a, 1),
                     .bias = kernel_in(a, 2),
                     .channels = x->dims[1],
                     .groups = groups == 0 ? x->dims[1] : groups,
                     .space = dims_product(x, 2, x->rank),
                     .by_group = by_group};
    return tensor_count(x) == 0 ? BRINK_OK : group_run(a, &job);
}

brink_status cpu_instance_norm(const kernel_args *a)
{
    return group_norm(a, 0, false);
}

brink_status cpu_group_norm(const kernel_args *a)
{
    return group_norm(a, onnx_int(a->node, ATTR_num_groups, 0), false);
}

/* In opset 18 scale and bias were by group. */
brink_status cpu_group_norm_18(const kernel_args *a)
{
    return group_norm(a, onnx_int(a->node, ATTR_num_groups, 0), true);
}

brink_status cpu_group_norm_ms(const kernel_args *a)
{
    const tensor *x = a->in[0];
    bool last = onnx_int(a->node, ATTR_channels_last, 1) != 0;
    if (x->rank < 2)
        return kernel_fail(a, BRINK_BAD_INPUT, "an input of rank %u has no channels", x->rank);
    uint32_t axis = last ? x->rank - 1 : 1;
    group_job job = {.scale = kernel_in(a, 1),
                     .bias = kernel_in(a, 2),
                     .channels = x->dims[axis],
                     .groups = onnx_int(a->node, ATTR_groups, 0),
                     .space = dims_product(x, last ? 1 : 2, last ? x->rank - 1 : x->rank),
                     .last = last,
                     .silu = onnx_int(a->node, ATTR_activation, 0) != 0};
    return tensor_count(x) == 0 ? BRINK_OK : group_run(a, &job);
}

/* ── BatchNormalization ── */

typedef struct batch_job {
    const void *x;
    void *y;
    const tensor *scale, *bias, *mean, *variance;
    tensor *next_mean, *next_variance; /* running statistics, NULL if not asked for */
    int64_t batches, channels, space;
    double epsilon, momentum;
    bool training;
} batch_job;

static void store_number(tensor *t, int64_t i, double value)
{
    if (t != NULL && t->type == BRINK_F64)
        ((double *)t->data)[i] = value;
    else if (t != NULL)
        ((float *)t->data)[i] = (float)value;
}

/* Units are channels. */
#define CHANNELS(T)                                                                                \
    static void channels_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)               \
    {                                                                                              \
        (void)thread;                                                                              \
        const batch_job *job = arg;                                                                \
        int64_t step = job->channels * job->space;                                                 \
        for (int64_t c = begin; c < end; c++) {                                                    \
            const T *x = (const T *)job->x + c * job->space;                                       \
            T *y = (T *)job->y + c * job->space;                                                   \
            moments m = {tensor_number(job->mean, c), tensor_number(job->variance, c)};            \
            if (job->training) {                                                                   \
                moments now = moments_##T(x, job->batches, job->space, step);                      \
                double old = job->momentum, fresh = 1 - job->momentum;                             \
                store_number(job->next_mean, c, m.mean *old + now.mean * fresh);                   \
                store_number(job->next_variance, c, m.variance *old + now.variance * fresh);       \
                m = now;                                                                           \
            }                                                                                      \
            double scale = tensor_number(job->scale, c) / sqrt(m.variance + job->epsilon);         \
            T factor = (T)scale, mean = (T)m.mean, bias = (T)tensor_number(job->bias, c);          \
            for (int64_t b = 0; job->y != NULL && b < job->batches; b++)                           \
                for (int64_t i = 0; i < job->space; i++)                                           \
                    y[b * step + i] = (x[b * step + i] - mean) * factor + bias;                    \
        }                                                                                          \
    }
CHANNELS(float)
CHANNELS(double)

brink_status cpu_batch_norm(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = kernel_out(a, 0);
    bool spatial = onnx_int(a->node, ATTR_spatial, 1) != 0;
    batch_job job = {.x = x->data,
                     .y = out != NULL ? out->data : NULL,
                     .scale = a->in[1],
                     .bias = a->in[2],
                     .mean = a->in[3],
                     .variance = a->in[4],
                     .next_mean = kernel_out(a, 1),
                     .next_variance = kernel_out(a, 2),
                     .epsilon = (double)onnx_float(a->node, ATTR_epsilon, 1e-5f),
                     .momentum = (double)onnx_float(a->node, ATTR_momentum, 0.9f),
                     .training = onnx_int(a->node, ATTR_training_mode, 0) != 0};
    if (!is_float(x->type))
        return kernel_bad_type(a, x->type);
    for (uint32_t i = 1; i < a->out_count; i++)
        if (a->out[i] != NULL && !job.training)
            return kernel_fail(a, BRINK_UNSUPPORTED, "output %u, without training_mode", i);
    job.batches = x->rank > 0 ? x->dims[0] : 1;
    job.channels = x->rank < 2 ? 1 : spatial ? x->dims[1] : dims_product(x, 1, x->rank);
    job.space = x->rank > 2 && spatial ? dims_product(x, 2, x->rank) : 1;
    for (uint32_t i = 1; i < 5; i++)
        if (tensor_count(a->in[i]) != job.channels)
            return kernel_fail(a, BRINK_BAD_INPUT, "input %u has %lld elements for %lld channels",
                               i, (long long)tensor_count(a->in[i]), (long long)job.channels);
    if (tensor_count(x) > 0 || job.training)
        thread_for(a->context->pool, job.channels, grain_for(job.batches * job.space),
                   x->type == BRINK_F32 ? channels_float : channels_double, &job);
    return BRINK_OK;
}
