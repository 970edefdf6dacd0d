/* qlinear_map.c — onnxruntime's elementwise operators on quantised bytes: QLinearAdd, QLinearMul,
   QLinearSigmoid, QLinearLeakyRelu, QLinearWhere, QLinearConcat, QLinearSoftmax and
   QLinearReduceMean.

   Source: com.microsoft. A function of one byte is a table of 256 results. Values are computed from
   (q − zero) * scale in single precision, divided by the result's scale, rounded to even and
   saturated. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/rescale.h"

#include <string.h>

/* One operand's or the result's scale and zero point. */
typedef struct linear {
    float scale;
    int32_t zero;
    brink_type type;
} linear;

/* Inputs `at` (scale) and `at` + 1 (zero point, 0 where left out). */
static brink_status read_linear(const kernel_args *a, uint32_t at, brink_type type, linear *l)
{
    const tensor *scale = kernel_in(a, at), *zero = kernel_in(a, at + 1);
    if (!is_byte(type) || (zero != NULL && zero->type != type))
        return kernel_bad_type(a, type);
    if (scale == NULL || tensor_count(scale) != 1 || (zero != NULL && tensor_count(zero) != 1))
        return kernel_fail(a, BRINK_UNSUPPORTED, "the scale in input %u should be one number", at);
    *l = (linear){(float)tensor_number(scale, 0), zero != NULL ? (int32_t)tensor_int(zero, 0) : 0,
                  type};
    return l->scale != 0 ? BRINK_OK
                         : kernel_fail(a, BRINK_BAD_INPUT, "the scale in input %u is 0", at);
}

static float value_of(const linear *l, uint8_t byte)
{
    return (float)((l->type == BRINK_I8 ? (int8_t)byte : byte) - l->zero) * l->scale;
}

/* The byte of x / scale. */
static uint8_t byte_of(const linear *l, float x)
{
    return l->type == BRINK_I8 ? (uint8_t)rescale_i8(x / l->scale, l->zero)
                               : rescale_u8(x / l->scale, l->zero);
}

/* ── Tables ── */

typedef struct table_job {
    const uint8_t *x;
    uint8_t *y;
    uint8_t table[256];
} table_job;

static void table_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const table_job *job = arg;
    for (int64_t i = begin; i < end; i++)
        job->y[i] = job->table[job->x[i]];
}

static brink_status map(const kernel_args *a, float (*function)(float, float), float p)
{
    const tensor *x = a->in[0];
    table_job job = {.x = x->data, .y = a->out[0]->data};
    linear from, to;
    TRY(read_linear(a, 1, x->type, &from));
    TRY(read_linear(a, 3, a->out[0]->type, &to));
    for (int i = 0; i < 256; i++)
        job.table[i] = byte_of(&to, function(value_of(&from, (uint8_t)i), p));
    thread_for(a->context->pool, tensor_count(x), 16384, table_range, &job);
    return BRINK_OK;
}

static float sigmoid(float x, float p)
{
    (void)p;
    return 1 / (1 + expf(-x));
}

static float leaky(float x, float alpha)
{
    return x < 0 ? alpha * x : x;
}

brink_status cpu_qlinear_sigmoid(const kernel_args *a)
{
    return map(a, sigmoid, 0);
}

brink_status cpu_qlinear_leaky_relu(const kernel_args *a)
{
    return map(a, leaky, onnx_float(a->node, ATTR_alpha, 0.01f));
}

/* Y's scale and zero point, then each input with its own. */
brink_status cpu_qlinear_concat(const kernel_args *a)
{
    tensor *out = a->out[0];
    linear to, from;
    uint32_t axis;
    TRY(read_linear(a, 0, out->type, &to));
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), out->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", out->rank);
    int64_t outer = dims_product(out, 0, axis), row = dims_product(out, axis, out->rank), at = 0;
    for (uint32_t i = 2; i + 2 < a->in_count; i += 3) {
        const tensor *x = a->in[i];
        table_job job = {0};
        int64_t run = dims_product(x, axis, x->rank);
        TRY(read_linear(a, i + 1, x->type, &from));
        for (int k = 0; k < 256; k++)
            job.table[k] = byte_of(&to, value_of(&from, (uint8_t)k));
        for (int64_t r = 0; r < outer; r++) {
            job.x = (const uint8_t *)x->data + r * run;
            job.y = (uint8_t *)out->data + r * row + at;
            table_range(&job, 0, run, 0);
        }
        at += run;
    }
    return BRINK_OK;
}

/* ── Two operands ── */

typedef struct pair_job {
    nd walk;
    const uint8_t *a, *b;
    const uint8_t *condition; /* of QLinearWhere */
    uint8_t *y;
    linear to;
    float values[2][256];  /* of each operand's bytes     */
    uint8_t bytes[2][256]; /* QLinearWhere: of the result */
    bool product;
} pair_job;

static void pair_row(void *arg, const int64_t *offset, int64_t n)
{
    const pair_job *job = arg;
    const uint8_t *x = job->a + offset[1], *w = job->b + offset[2];
    int64_t dx = nd_inner(&job->walk, 1), dw = nd_inner(&job->walk, 2);
    uint8_t *y = job->y + offset[0];
    for (int64_t i = 0; i < n; i++) {
        float p = job->values[0][x[i * dx]], q = job->values[1][w[i * dw]];
        y[i] = byte_of(&job->to, job->product ? p * q : p + q);
    }
}

static brink_status pair(const kernel_args *a, bool product)
{
    tensor *out = a->out[0];
    pair_job job = {.a = a->in[0]->data, .b = a->in[3]->data, .y = out->data, .product = product};
    linear from[2];
    TRY(read_linear(a, 1, a->in[0]->type, &from[0]));
    TRY(read_linear(a, 4, a->in[3]->type, &from[1]));
    TRY(read_linear(a, 6, out->type, &job.to));
    for (int k = 0; k < 256; k++)
        for (int i = 0; i < 2; i++)
            job.values[i][k] = value_of(&from[i], (uint8_t)k);
    nd_broadcast(&job.walk, out, (const tensor *const[]){a->in[0], a->in[3]}, 2);
    nd_for(a->context->pool, &job.walk, pair_row, &job);
    return BRINK_OK;
}

brink_status cpu_qlinear_add(const kernel_args *a)
{
    return pair(a, false);
}

brink_status cpu_qlinear_mul(const kernel_args *a)
{
    return pair(a, true);
}

static void where_row(void *arg, const int64_t *offset, int64_t n)
{
    const pair_job *job = arg;
    int64_t dc = nd_inner(&job->walk, 1), dx = nd_inner(&job->walk, 2),
            dw = nd_inner(&job->walk, 3);
    const uint8_t *c = job->condition + offset[1], *x = job->a + offset[2], *w = job->b + offset[3];
    for (int64_t i = 0; i < n; i++)
        job->y[offset[0] + i] = c[i * dc] ? job->bytes[0][x[i * dx]] : job->bytes[1][w[i * dw]];
}

/* condition; X, its scale and zero point; Y, its own; those of the result. */
brink_status cpu_qlinear_where(const kernel_args *a)
{
    tensor *out = a->out[0];
    const tensor *c = a->in[0], *x = a->in[1], *w = a->in[4];
    pair_job job = {.condition = c->data, .a = x->data, .b = w->data, .y = out->data};
    linear from[2];
    TRY(read_linear(a, 2, x->type, &from[0]));
    TRY(read_linear(a, 5, w->type, &from[1]));
    TRY(read_linear(a, 7, out->type, &job.to));
    for (int k = 0; k < 256; k++)
        for (int i = 0; i < 2; i++)
            job.bytes[i][k] = byte_of(&job.to, value_of(&from[i], (uint8_t)k));
    nd_broadcast(&job.walk, out, (const tensor *const[]){c, x, w}, 3);
    nd_for(a->context->pool, &job.walk, where_row, &job);
    return BRINK_OK;
}

/* ── Rows ── */

/* Softmax over `axis`, or before opset 13 over it and all that follow. */
brink_status cpu_qlinear_softmax(const kernel_args *a)
{
    const tensor *x = a->in[0];
    linear from, to;
    uint32_t axis;
    bool flat = onnx_int(a->node, ATTR_opset, 13) < 13;
    TRY(read_linear(a, 1, x->type, &from));
    TRY(read_linear(a, 3, a->out[0]->type, &to));
    if (x->rank == 0 || !axis_wrap(onnx_int(a->node, ATTR_axis, flat ? 1 : -1), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    int64_t n = flat ? dims_product(x, axis, x->rank) : x->dims[axis];
    int64_t inner = flat ? 1 : dims_product(x, axis + 1, x->rank);
    int64_t rows = n == 0 ? 0 : tensor_count(x) / n;
    for (int64_t r = 0; r < rows; r++) {
        const uint8_t *row = (const uint8_t *)x->data + r / inner * n * inner + r % inner;
        uint8_t *y = (uint8_t *)a->out[0]->data + (row - (const uint8_t *)x->data);
        float top = -INFINITY, sum = 0;
        for (int64_t i = 0; i < n; i++)
            top = fmaxf(top, value_of(&from, row[i * inner]));
        for (int64_t i = 0; i < n; i++)
            sum += expf(value_of(&from, row[i * inner]) - top);
        for (int64_t i = 0; i < n; i++)
            y[i * inner] = byte_of(&to, expf(value_of(&from, row[i * inner]) - top) / sum);
    }
    return BRINK_OK;
}

/* Sums of bytes in 64 bits, then one division. */
brink_status cpu_qlinear_reduce_mean(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    uint32_t count = 0, axis;
    const int64_t *axes = onnx_ints(a->node, ATTR_axes, &count);
    bool reduced[BRINK_MAX_RANK];
    int64_t stride[BRINK_MAX_RANK], rows = tensor_count(out), n = 1, step = 1;
    linear from, to;
    TRY(read_linear(a, 1, x->type, &from));
    TRY(read_linear(a, 3, out->type, &to));
    for (uint32_t d = 0; d < x->rank; d++)
        reduced[d] = count == 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!axis_wrap(axes[i], x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u",
                               (long long)axes[i], x->rank);
        reduced[axis] = true;
    }
    for (uint32_t d = x->rank; d-- > 0;) {
        stride[d] = reduced[d] ? 0 : step;
        step *= reduced[d] ? 1 : x->dims[d];
        n *= reduced[d] ? x->dims[d] : 1;
    }
    int64_t *sums = kernel_scratch(a, (uint64_t)(rows + 1) * sizeof *sums);
    if (sums == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(sums, 0, (size_t)rows * sizeof *sums);
    for (int64_t i = 0, total = tensor_count(x); i < total; i++) {
        int64_t rest = i, at = 0;
        for (uint32_t d = x->rank; d-- > 0; rest /= x->dims[d])
            at += rest % x->dims[d] * stride[d];
        sums[at] += tensor_int(x, i) - from.zero;
    }
    for (int64_t i = 0; i < rows; i++)
        ((uint8_t *)out->data)[i] =
            byte_of(&to, (float)((double)sums[i] / (double)n * (double)from.scale));
    return BRINK_OK;
}
