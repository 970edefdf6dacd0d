/* softmax.c — Softmax and LogSoftmax.

   Source: ONNX; below opset 13 the input is a matrix cut at `axis`. Bound by exp. The largest
   element is taken off first; sums are f32 in several lanes (simd) or f64 (strided). */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <math.h>

typedef struct softmax_job {
    const tensor *x;
    tensor *out;
    int64_t n, inner;
    bool log;
} softmax_job;

#define STRIDED(T)                                                                                 \
    static void strided_##T(T *to, const T *x, int64_t n, int64_t step, bool take_log)             \
    {                                                                                              \
        T top = (T) - INFINITY;                                                                    \
        double sum = 0;                                                                            \
        for (int64_t i = 0; i < n; i++)                                                            \
            top = x[i * step] > top ? x[i * step] : top;                                           \
        for (int64_t i = 0; i < n; i++)                                                            \
            sum += exp((double)(x[i * step] - top));                                               \
        double shift = log(sum);                                                                   \
        for (int64_t i = 0; i < n; i++)                                                            \
            to[i * step] = (T)(take_log ? (double)(x[i * step] - top) - shift                      \
                                        : exp((double)(x[i * step] - top)) / sum);                 \
    }
STRIDED(float)
STRIDED(double)

static void softmax_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const softmax_job *job = arg;
    for (int64_t r = begin; r < end; r++) {
        int64_t at = r / job->inner * job->n * job->inner + r % job->inner;
        if (job->out->type == BRINK_F64)
            strided_double((double *)job->out->data + at, (const double *)job->x->data + at, job->n,
                           job->inner, job->log);
        else if (job->inner == 1 && !job->log)
            simd()->softmax((float *)job->out->data + at, (const float *)job->x->data + at, job->n,
                            -INFINITY, 0);
        else
            strided_float((float *)job->out->data + at, (const float *)job->x->data + at, job->n,
                          job->inner, job->log);
    }
}

/* The normalised part is dimension `axis` alone or, when flat, all from it on. */
static brink_status softmax(const kernel_args *a, int64_t default_axis, bool flat, bool take_log)
{
    const tensor *x = a->in[0];
    uint32_t axis = 0;
    int64_t wanted = onnx_int(a->node, ATTR_axis, default_axis);
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    if (x->rank > 0 && !(flat && wanted == x->rank) && !axis_wrap(wanted, x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u", (long long)wanted,
                           x->rank);
    if (flat && wanted == x->rank)
        axis = x->rank;
    uint32_t end = flat || x->rank == 0 ? x->rank : axis + 1;
    softmax_job job = {x, a->out[0], dims_product(x, axis, end), dims_product(x, end, x->rank),
                       take_log};
    if (tensor_count(x) == 0)
        return BRINK_OK;
    thread_for(a->context->pool, tensor_count(x) / job.n, grain_for(8 * job.n), softmax_range,
               &job);
    return BRINK_OK;
}

brink_status cpu_softmax(const kernel_args *a)
{
    return softmax(a, -1, false, false);
}

brink_status cpu_softmax_flat(const kernel_args *a)
{
    return softmax(a, 1, true, false);
}

brink_status cpu_log_softmax(const kernel_args *a)
{
    return softmax(a, -1, false, true);
}

brink_status cpu_log_softmax_flat(const kernel_args *a)
{
    return softmax(a, 1, true, true);
}
