/* qlinear.c — QLinearConv, QLinearMatMul and onnxruntime's QGemm: products of quantised operands.

   Source: ONNX; com.microsoft QGemm. Sums are exact (cpu/integer.h); each is then scaled in single
   precision in onnxruntime's order, rounded to even and saturated. */
#include "cpu/cpu.h"
#include "cpu/integer.h"
#include "cpu/loops.h"
#include "cpu/rescale.h"

/* Scales of one side: one for all, or one a row or column. */
typedef struct scales {
    const tensor *t;
    int64_t count;
} scales;

typedef struct rescale_job {
    const int32_t *sums;
    tensor *out;
    const tensor *bias; /* int32, or NULL       */
    scales x, w;        /* w: as its `inner` runs */
    double y_scale;     /* 0: results are floats  */
    int32_t y_zero;
    int64_t inner, columns; /* w and the bias change every `inner` results, over `columns` */
    int64_t rows;           /* x changes every `columns * inner` results, over `rows`      */
    float alpha;
} rescale_job;

static float scale_at(const scales *s, int64_t i)
{
    return (float)tensor_number(s->t, s->count == 1 ? 0 : i % s->count);
}

static void rescale_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const rescale_job *job = arg;
    for (int64_t unit = begin; unit < end; unit++) { /* runs of `inner` */
        int64_t column = unit % job->columns;
        float factor =
            job->alpha * scale_at(&job->x, unit / job->columns) * scale_at(&job->w, column);
        int32_t bias = 0;
        if (job->bias != NULL && tensor_count(job->bias) == job->columns)
            bias = ((const int32_t *)job->bias->data)[column];
        else if (job->bias != NULL) /* of QGemm: [M, 1], [M, N] or one */
            bias = ((const int32_t *)job->bias->data)[unit % tensor_count(job->bias)];
        if (job->y_scale != 0)
            factor /= (float)job->y_scale;
        for (int64_t i = unit * job->inner; i < (unit + 1) * job->inner; i++) {
            float value = (float)(job->sums[i] + bias) * factor;
            if (job->y_scale != 0)
                rescale_store(job->out, i, value, job->y_zero);
            else
                ((float *)job->out->data)[i] = value;
        }
    }
}

static void rescale(const kernel_args *a, rescale_job *job)
{
    thread_for(a->context->pool, tensor_count(job->out) / job->inner, grain_for(job->inner),
               rescale_range, job);
}

/* The result's scale and zero point, inputs `scale` and `scale` + 1. */
static brink_status read_result(const kernel_args *a, uint32_t scale, rescale_job *job)
{
    const tensor *y_scale = kernel_in(a, scale), *y_zero = kernel_in(a, scale + 1);
    job->out = a->out[0];
    job->alpha = 1;
    if (y_scale == NULL)
        return job->out->type == BRINK_F32 ? BRINK_OK : kernel_bad_type(a, job->out->type);
    if (!is_byte(job->out->type) || (y_zero != NULL && y_zero->type != job->out->type))
        return kernel_bad_type(a, job->out->type);
    if (tensor_count(y_scale) < 1 || (y_zero != NULL && tensor_count(y_zero) < 1))
        return kernel_fail(a, BRINK_BAD_INPUT, "the result's scale or zero point is empty");
    job->y_scale = tensor_number(y_scale, 0);
    job->y_zero = y_zero != NULL ? (int32_t)tensor_int(y_zero, 0) : 0;
    return job->y_scale != 0 ? BRINK_OK
                             : kernel_fail(a, BRINK_BAD_INPUT, "the result's scale is 0");
}

static brink_status read_scales(const kernel_args *a, scales *s, uint32_t input, int64_t many)
{
    s->t = a->in[input];
    s->count = tensor_count(s->t);
    if (s->count != 1 && s->count != many)
        return kernel_fail(a, BRINK_UNSUPPORTED, "%lld scales in input %u, 1 or %lld are supported",
                           (long long)s->count, input, (long long)many);
    return BRINK_OK;
}

brink_status cpu_qlinear_conv(const kernel_args *a)
{
    rescale_job job = {.bias = kernel_in(a, 8)};
    integer_operands o = {a->in[0], a->in[2], a->in[3], a->in[5], false, false};
    int32_t *sums = NULL;
    TRY(read_result(a, 6, &job));
    job.columns = job.out->dims[1];
    job.inner = dims_product(job.out, 2, job.out->rank);
    job.rows = 1;
    TRY(read_scales(a, &job.x, 1, 1));
    TRY(read_scales(a, &job.w, 4, job.columns));
    if (job.bias != NULL && (job.bias->type != BRINK_I32 || tensor_count(job.bias) != job.columns))
        return kernel_fail(a, BRINK_BAD_INPUT, "the bias should be int32, one a filter");
    TRY(conv_integer(a, &o, NULL, &sums));
    if (tensor_count(job.out) == 0)
        return BRINK_OK;
    job.sums = sums;
    rescale(a, &job);
    return BRINK_OK;
}

static brink_status matrix(const kernel_args *a, const integer_operands *o, rescale_job *job)
{
    int32_t *sums = NULL;
    job->inner = 1;
    TRY(matmul_integer(a, o, NULL, &sums));
    if (tensor_count(job->out) == 0)
        return BRINK_OK;
    job->sums = sums;
    rescale(a, job);
    return BRINK_OK;
}

brink_status cpu_qlinear_matmul(const kernel_args *a)
{
    rescale_job job = {0};
    const tensor *x = a->in[0], *w = a->in[3];
    integer_operands o = {x, a->in[2], w, a->in[5], false, false};
    TRY(read_result(a, 6, &job));
    job.columns = w->rank > 1 ? w->dims[w->rank - 1] : 1;
    job.rows = x->rank > 1 ? x->dims[x->rank - 2] : 1;
    TRY(read_scales(a, &job.x, 1, job.rows));
    TRY(read_scales(a, &job.w, 4, job.columns));
    return matrix(a, &o, &job);
}

/* A, its scale and zero point, B, its own, C in int32, and those of the result (a float without). */
brink_status cpu_qgemm(const kernel_args *a)
{
    rescale_job job = {.bias = kernel_in(a, 6)};
    integer_operands o = {a->in[0],
                          kernel_in(a, 2),
                          a->in[3],
                          kernel_in(a, 5),
                          onnx_int(a->node, ATTR_transA, 0) != 0,
                          onnx_int(a->node, ATTR_transB, 0) != 0};
    TRY(read_result(a, 7, &job));
    job.alpha = onnx_float(a->node, ATTR_alpha, 1);
    job.rows = job.out->dims[0];
    job.columns = job.out->dims[1];
    TRY(read_scales(a, &job.x, 1, 1));
    TRY(read_scales(a, &job.w, 4, job.columns));
    int64_t count = job.bias != NULL ? tensor_count(job.bias) : 1;
    if (job.bias != NULL && job.bias->type != BRINK_I32)
        return kernel_bad_type(a, job.bias->type);
    if (count != 1 && count != job.columns && count != job.rows * job.columns)
        return kernel_fail(a, BRINK_UNSUPPORTED, "C of %lld elements for [%lld, %lld]",
                           (long long)count, (long long)job.rows, (long long)job.columns);
    return matrix(a, &o, &job);
}
