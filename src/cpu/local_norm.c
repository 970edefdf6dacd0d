/* local_norm.c — MeanVarianceNormalization, LpNormalization and LRN.

   Source: ONNX. Sums are taken in double precision. Bound by memory; MeanVarianceNormalization over
   other than trailing axes by its strides. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

static bool is_float(brink_type type)
{
    return type == BRINK_F32 || type == BRINK_F64;
}

static void store_number(tensor *t, int64_t i, double value)
{
    if (t->type == BRINK_F64)
        ((double *)t->data)[i] = value;
    else
        ((float *)t->data)[i] = (float)value;
}

/* ── MeanVarianceNormalization ── */

typedef struct moments_job {
    const tensor *x;
    tensor *out;
    nd kept, reduced; /* operand 0: x */
} moments_job;

static int64_t box_offset(const nd *w, int64_t i)
{
    int64_t at = 0;
    for (uint32_t d = w->rank; d-- > 0; i /= w->dims[d])
        at += i % w->dims[d] * w->stride[0][d];
    return at;
}

static int64_t box_count(const nd *w)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < w->rank; d++)
        n *= w->dims[d];
    return n;
}

static void moments_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const moments_job *job = arg;
    int64_t n = box_count(&job->reduced);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t base = box_offset(&job->kept, unit);
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++)
            sum += tensor_number(job->x, base + box_offset(&job->reduced, i));
        double mean = sum / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double away = tensor_number(job->x, base + box_offset(&job->reduced, i)) - mean;
            squares += away * away;
        }
        double scale = 1 / (sqrt(squares / (double)n) + 1e-9);
        for (int64_t i = 0; i < n; i++) {
            int64_t at = base + box_offset(&job->reduced, i);
            store_number(job->out, at, (tensor_number(job->x, at) - mean) * scale);
        }
    }
}

brink_status cpu_mean_variance_norm(const kernel_args *a)
{
    const tensor *x = a->in[0];
    static const int64_t standard[] = {0, 2, 3};
    uint32_t count = 0, axis;
    const int64_t *axes = onnx_ints(a->node, ATTR_axes, &count);
    moments_job job = {.x = x, .out = a->out[0]};
    int64_t dense[BRINK_MAX_RANK];
    bool reduced[BRINK_MAX_RANK] = {false};
    if (!is_float(x->type))
        return kernel_bad_type(a, x->type);
    if (axes == NULL) {
        axes = standard;
        count = 3;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!axis_wrap(axes[i], x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u",
                               (long long)axes[i], x->rank);
        reduced[axis] = true;
    }
    dense_strides(x->rank, x->dims, dense);
    for (uint32_t d = 0; d < x->rank; d++) {
        nd *w = reduced[d] ? &job.reduced : &job.kept;
        w->dims[w->rank] = x->dims[d];
        w->stride[0][w->rank++] = dense[d];
    }
    if (tensor_count(x) > 0)
        thread_for(a->context->pool, box_count(&job.kept), grain_for(8 * box_count(&job.reduced)),
                   moments_range, &job);
    return BRINK_OK;
}

/* ── LpNormalization ── */

brink_status cpu_lp_norm(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    uint32_t axis;
    int64_t p = onnx_int(a->node, ATTR_p, 2);
    if (!is_float(x->type))
        return kernel_bad_type(a, x->type);
    if (p != 1 && p != 2)
        return kernel_fail(a, BRINK_BAD_INPUT, "p is %lld, neither 1 nor 2", (long long)p);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, -1), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    int64_t outer = dims_product(x, 0, axis), n = x->dims[axis];
    int64_t inner = dims_product(x, axis + 1, x->rank);
    for (int64_t r = 0; r < outer * inner; r++) {
        int64_t base = r / inner * n * inner + r % inner;
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            double value = tensor_number(x, base + i * inner);
            sum += p == 1 ? fabs(value) : value * value;
        }
        double norm = p == 1 ? sum : sqrt(sum);
        for (int64_t i = 0; i < n; i++) {
            double value = tensor_number(x, base + i * inner);
            store_number(out, base + i * inner, norm == 0 ? 0 : value / norm);
        }
    }
    return BRINK_OK;
}

/* ── LRN ── */

typedef struct lrn_job {
    const tensor *x;
    tensor *out;
    int64_t channels, space, size;
    double alpha, beta, bias;
} lrn_job;

/* Units are channels of all images. */
static void lrn_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const lrn_job *job = arg;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t c = unit % job->channels, first = c - (job->size - 1) / 2, last = c + job->size / 2;
        int64_t image = (unit - c) * job->space;
        first = first < 0 ? 0 : first;
        last = last < job->channels ? last : job->channels - 1;
        for (int64_t i = 0; i < job->space; i++) {
            double sum = 0;
            for (int64_t k = first; k <= last; k++) {
                double value = tensor_number(job->x, image + k * job->space + i);
                sum += value * value;
            }
            double value = tensor_number(job->x, unit * job->space + i);
            store_number(job->out, unit * job->space + i,
                         value / pow(job->bias + job->alpha / (double)job->size * sum, job->beta));
        }
    }
}

brink_status cpu_lrn(const kernel_args *a)
{
    const tensor *x = a->in[0];
    lrn_job job = {.x = x,
                   .out = a->out[0],
                   .size = onnx_int(a->node, ATTR_size, 0),
                   .alpha = (double)onnx_float(a->node, ATTR_alpha, 0.0001f),
                   .beta = (double)onnx_float(a->node, ATTR_beta, 0.75f),
                   .bias = (double)onnx_float(a->node, ATTR_bias, 1)};
    if (!is_float(x->type))
        return kernel_bad_type(a, x->type);
    if (x->rank < 2 || job.size < 1 || job.size > INT32_MAX)
        return kernel_fail(a, BRINK_BAD_INPUT, "rank %u and size %lld", x->rank,
                           (long long)job.size);
    job.channels = x->dims[1];
    job.space = dims_product(x, 2, x->rank);
    if (tensor_count(x) > 0)
        thread_for(a->context->pool, x->dims[0] * job.channels, grain_for(job.space * 16),
                   lrn_range, &job);
    return BRINK_OK;
}
