/* move.c — Transpose, Concat, Split, Slice, Pad, CenterCropPad: strided copies.

   Source: ONNX. Bound by memory. Each is one or several nd_copy with the right strides; elements of
   any type move by size. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

brink_status cpu_transpose(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    uint32_t count = 0, size = element_bytes(x->type), axis;
    const int64_t *perm = onnx_ints(a->node, ATTR_perm, &count);
    int64_t dense[BRINK_MAX_RANK];
    nd w;
    if (size == 0)
        return kernel_bad_type(a, x->type);
    if (perm != NULL && count != x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "perm has %u entries, the input's rank is %u", count,
                           x->rank);
    dense_strides(x->rank, x->dims, dense);
    nd_dense(&w, out->rank, out->dims);
    for (uint32_t i = 0; i < out->rank; i++) {
        if (!axis_wrap(perm != NULL ? perm[i] : (int64_t)(out->rank - 1 - i), x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "perm entry %lld is outside rank %u",
                               (long long)perm[i], x->rank);
        w.stride[1][i] = dense[axis];
    }
    nd_copy(a->context->pool, &w, out->data, x->data, size);
    return BRINK_OK;
}

/* Copies `outer` runs of `run` elements between rows of different length. */
static void copy_runs(const kernel_args *a, int64_t outer, int64_t run, char *to, int64_t to_row,
                      const char *from, int64_t from_row, uint32_t size)
{
    nd w = {.rank = 2, .operands = 2, .dims = {outer, run}, .stride = {{to_row, 1}, {from_row, 1}}};
    if (outer > 0 && run > 0)
        nd_copy(a->context->pool, &w, to, from, size);
}

brink_status cpu_concat(const kernel_args *a)
{
    tensor *out = a->out[0];
    uint32_t axis, size = element_bytes(out->type);
    if (size == 0)
        return kernel_bad_type(a, out->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, 1), out->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", out->rank);
    int64_t outer = dims_product(out, 0, axis), inner = dims_product(out, axis + 1, out->rank);
    int64_t row = out->dims[axis] * inner;
    char *to = out->data;
    for (uint32_t i = 0; i < a->in_count; i++) {
        const tensor *x = a->in[i];
        int64_t run = x->dims[axis] * inner;
        copy_runs(a, outer, run, to, row, x->data, run, size);
        to += run * size;
    }
    return BRINK_OK;
}

brink_status cpu_split(const kernel_args *a)
{
    const tensor *x = a->in[0], *sizes = kernel_in(a, 1);
    uint32_t axis, count = 0, size = element_bytes(x->type);
    const int64_t *listed = onnx_ints(a->node, ATTR_split, &count);
    if (size == 0)
        return kernel_bad_type(a, x->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    if (listed == NULL && sizes != NULL)
        count = (uint32_t)tensor_count(sizes);
    int64_t outer = dims_product(x, 0, axis), inner = dims_product(x, axis + 1, x->rank);
    int64_t row = x->dims[axis] * inner, at = 0;
    int64_t even = (x->dims[axis] + a->out_count - 1) / a->out_count;
    for (uint32_t i = 0; i < a->out_count; i++) {
        int64_t part = a->out[i] != NULL             ? a->out[i]->dims[axis]
                       : i < count && listed != NULL ? listed[i]
                       : i < count                   ? tensor_int(sizes, i)
                       : x->dims[axis] - at < even   ? x->dims[axis] - at
                                                     : even;
        if (part < 0 || part > x->dims[axis] - at)
            return kernel_fail(a, BRINK_BAD_INPUT, "parts are longer than dimension %lld",
                               (long long)x->dims[axis]);
        if (a->out[i] != NULL)
            copy_runs(a, outer, part * inner, a->out[i]->data, part * inner,
                      (const char *)x->data + at * inner * size, row, size);
        at += part;
    }
    return BRINK_OK;
}

/* Entry i of an attribute or, from the opset that moved it, of an input. */
typedef struct int_list {
    const int64_t *listed;
    const tensor *t;
    uint32_t count;
} int_list;

static int_list int_list_of(const kernel_args *a, attr_name name, uint32_t input)
{
    int_list l = {0};
    l.listed = onnx_ints(a->node, name, &l.count);
    if (l.listed == NULL && (l.t = kernel_in(a, input)) != NULL)
        l.count = (uint32_t)tensor_count(l.t);
    return l;
}

static int64_t int_list_at(const int_list *l, uint32_t i)
{
    return l->listed != NULL ? l->listed[i] : tensor_int(l->t, i);
}

brink_status slice_walk(const kernel_args *a, nd *w, int64_t *from)
{
    const tensor *x = a->in[0], *out = a->out[0];
    uint32_t axis;
    int_list starts = int_list_of(a, ATTR_starts, 1), axes = int_list_of(a, ATTR_axes, 3);
    int_list steps = {0};
    if (kernel_in(a, 4) != NULL)
        steps = int_list_of(a, ATTR_UNKNOWN, 4);
    int64_t dense[BRINK_MAX_RANK];
    dense_strides(x->rank, x->dims, dense);
    nd_dense(w, out->rank, out->dims);
    memcpy(w->stride[1], dense, x->rank * sizeof *dense);
    *from = 0;
    for (uint32_t i = 0; i < starts.count; i++) {
        int64_t at = i < axes.count ? int_list_at(&axes, i) : (int64_t)i;
        int64_t start = int_list_at(&starts, i);
        int64_t step = i < steps.count ? int_list_at(&steps, i) : 1;
        if (!axis_wrap(at, x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u", (long long)at,
                               x->rank);
        int64_t n = x->dims[axis], last = step > 0 ? n : n - 1;
        if (start < 0)
            start = start < -n ? 0 : start + n;
        if (start > last)
            start = last;
        if (out->dims[axis] <= 1)
            step = 1; /* it may be any number, and is not used */
        *from += start * dense[axis];
        w->stride[1][axis] = dense[axis] * step;
    }
    return BRINK_OK;
}

brink_status cpu_slice(const kernel_args *a)
{
    const tensor *x = a->in[0];
    uint32_t size = element_bytes(x->type);
    int64_t from;
    nd w;
    if (size == 0)
        return kernel_bad_type(a, x->type);
    if (tensor_count(a->out[0]) == 0)
        return BRINK_OK;
    TRY(slice_walk(a, &w, &from));
    nd_copy(a->context->pool, &w, a->out[0]->data, (const char *)x->data + from * size, size);
    return BRINK_OK;
}

/* ── Pad ── */

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

/* The source index for one outside [0, n). */
static int64_t pad_source(pad_mode mode, int64_t i, int64_t n)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == PAD_EDGE || n == 1)
        return i < 0 ? 0 : n - 1;
    int64_t period = mode == PAD_WRAP ? n : 2 * (n - 1);
    i %= period;
    if (i < 0)
        i += period;
    return i < n ? i : period - i;
}

typedef struct pad_job {
    const tensor *x;
    tensor *out;
    const int64_t *before;
    int64_t dense[BRINK_MAX_RANK];
    pad_mode mode;
    uint32_t size;
} pad_job;

/* Rows of the last dimension by index arithmetic: reflect, edge and wrap. */
static void pad_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const pad_job *job = arg;
    const tensor *x = job->x, *out = job->out;
    uint32_t last = out->rank - 1, size = job->size;
    int64_t columns = out->dims[last];
    for (int64_t r = begin; r < end; r++) {
        int64_t at = 0, rest = r;
        for (uint32_t i = last; i-- > 0;) {
            int64_t index = rest % out->dims[i];
            rest /= out->dims[i];
            at += pad_source(job->mode, index - job->before[i], x->dims[i]) * job->dense[i];
        }
        const char *from = (const char *)x->data + at * size;
        char *to = (char *)out->data + r * columns * size;
        for (int64_t c = 0; c < columns; c++)
            memcpy(to + c * size,
                   from + pad_source(job->mode, c - job->before[last], x->dims[last]) * size, size);
    }
}

/* Fills, then copies what overlaps; negative pads crop. */
static void pad_constant(const kernel_args *a, pad_job *job, const void *value)
{
    const tensor *x = job->x, *out = job->out;
    int64_t from = 0, to = 0, to_dense[BRINK_MAX_RANK];
    nd w;
    nd_dense(&w, out->rank, out->dims);
    nd_copy(a->context->pool, &w, out->data, value, job->size);
    dense_strides(out->rank, out->dims, to_dense);
    memset(&w, 0, sizeof w);
    w.rank = out->rank;
    w.operands = 2;
    for (uint32_t i = 0; i < out->rank; i++) {
        int64_t before = job->before[i], low = before > 0 ? before : 0;
        int64_t high = before + x->dims[i] < out->dims[i] ? before + x->dims[i] : out->dims[i];
        if (high <= low)
            return;
        w.dims[i] = high - low;
        w.stride[0][i] = to_dense[i];
        w.stride[1][i] = job->dense[i];
        to += low * to_dense[i];
        from += (low - before) * job->dense[i];
    }
    nd_copy(a->context->pool, &w, (char *)out->data + to * job->size,
            (const char *)x->data + from * job->size, job->size);
}

brink_status cpu_pad(const kernel_args *a)
{
    const tensor *x = a->in[0], *constant = kernel_in(a, 2);
    tensor *out = a->out[0];
    const char *name = onnx_string(a->node, ATTR_mode, "constant");
    int_list pads = int_list_of(a, ATTR_pads, 1), axes = {0};
    int64_t before[BRINK_MAX_RANK] = {0};
    uint32_t axis;
    pad_job job = {.x = x, .out = out, .before = before, .size = element_bytes(x->type)};
    job.mode = strcmp(name, "reflect") == 0 ? PAD_REFLECT
               : strcmp(name, "edge") == 0  ? PAD_EDGE
               : strcmp(name, "wrap") == 0  ? PAD_WRAP
                                            : PAD_CONSTANT;
    if (job.size == 0)
        return kernel_bad_type(a, x->type);
    if (kernel_in(a, 3) != NULL)
        axes = int_list_of(a, ATTR_UNKNOWN, 3);
    uint32_t count = axes.t != NULL ? axes.count : x->rank;
    if (pads.count != 2 * count)
        return kernel_fail(a, BRINK_BAD_INPUT, "%u pads for %u axes", pads.count, count);
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = axes.t != NULL ? int_list_at(&axes, i) : (int64_t)i;
        if (!axis_wrap(at, x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u", (long long)at,
                               x->rank);
        before[axis] = int_list_at(&pads, i);
    }
    dense_strides(x->rank, x->dims, job.dense);
    if (tensor_count(out) == 0)
        return BRINK_OK;
    if (x->rank == 0 || job.mode == PAD_CONSTANT) {
        uint64_t value = 0;
        float f = onnx_float(a->node, ATTR_value, 0);
        if (constant != NULL && constant->type == x->type && tensor_count(constant) > 0)
            memcpy(&value, constant->data, job.size);
        else if (x->type == BRINK_F32)
            memcpy(&value, &f, 4);
        else if (x->type == BRINK_F64)
            memcpy(&value, &(double){f}, 8);
        pad_constant(a, &job, &value);
        return BRINK_OK;
    }
    if (tensor_count(x) == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "mode %s of an empty input", name);
    int64_t columns = out->dims[out->rank - 1];
    thread_for(a->context->pool, tensor_count(out) / columns, grain_for(columns), pad_range, &job);
    return BRINK_OK;
}

/* Half of what is too much or missing on each side, rounded down in front. */
brink_status cpu_center_crop_pad(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t before[BRINK_MAX_RANK];
    pad_job job = {.x = x, .out = out, .before = before, .size = element_bytes(x->type)};
    uint64_t zero = 0;
    if (job.size == 0)
        return kernel_bad_type(a, x->type);
    for (uint32_t i = 0; i < x->rank; i++)
        before[i] = (out->dims[i] - x->dims[i]) / 2;
    dense_strides(x->rank, x->dims, job.dense);
    if (tensor_count(out) > 0)
        pad_constant(a, &job, &zero);
    return BRINK_OK;
}
