/* select.c — NonZero, Compress, Unique, OneHot, EyeLike, ReverseSequence.

   Source: ONNX. Bound by memory. Where the output's size depends on the data, the shape rule has
   counted; a kernel that finds another number says so. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "graph/unique.h"

#include <string.h>

static brink_status other_count(const kernel_args *a)
{
    return kernel_fail(a, BRINK_BAD_INPUT, "the data are not those that the shape was made for");
}

static bool is_nonzero(const tensor *x, int64_t i)
{
    return x->type == BRINK_F32 || x->type == BRINK_F64 ? tensor_number(x, i) != 0
                                                        : tensor_int(x, i) != 0;
}

/* Column c of the output are the coordinates of the c-th element that is not zero. */
brink_status cpu_non_zero(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t *to = out->data, found = 0, room = out->dims[1], count = tensor_count(x);
    for (int64_t i = 0; i < count; i++) {
        if (!is_nonzero(x, i))
            continue;
        if (found == room)
            return other_count(a);
        int64_t rest = i;
        for (uint32_t d = x->rank; d-- > 0;) {
            to[d * room + found] = rest % x->dims[d];
            rest /= x->dims[d];
        }
        found++;
    }
    return found == room ? BRINK_OK : other_count(a);
}

brink_status cpu_compress(const kernel_args *a)
{
    const tensor *x = a->in[0], *condition = a->in[1];
    tensor *out = a->out[0];
    uint32_t axis, size = element_bytes(x->type);
    int64_t n = tensor_count(x), outer = 1, inner = 1, room = tensor_count(out);
    if (size == 0)
        return kernel_bad_type(a, x->type);
    if (onnx_find(a->node, ATTR_axis) != NULL) {
        if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
        n = x->dims[axis];
        outer = dims_product(x, 0, axis);
        inner = dims_product(x, axis + 1, x->rank);
    }
    const uint8_t *keep = condition->data;
    int64_t length = tensor_count(condition) < n ? tensor_count(condition) : n, done = 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < length; i++) {
            if (!keep[i])
                continue;
            if (room - done < inner)
                return other_count(a);
            memcpy((char *)out->data + done * size,
                   (const char *)x->data + (o * n + i) * inner * size, (size_t)(inner * size));
            done += inner;
        }
    return done == room ? BRINK_OK : other_count(a);
}

/* ── Unique ── */

/* Groups of equal slices, numbered as they are to come out. */
typedef struct groups {
    int64_t count;
    int64_t *of;    /* [n] group of each slice */
    int64_t *first; /* [n] its first slice     */
    int64_t *size;  /* [n] how many it has     */
} groups;

/* `memory` has room for 5 n. */
static groups find_groups(const slices *s, bool sorted, int64_t *memory)
{
    int64_t n = s->n, *order = memory, *name = memory + n, next = 0;
    groups g = {0, memory + 2 * n, memory + 3 * n, memory + 4 * n};
    slices_sort(s, order, name);
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || slices_compare(s, order[i - 1], order[i]) != 0) {
            g.first[g.count] = order[i];
            g.size[g.count++] = 0;
        }
        g.size[g.count - 1]++;
        g.of[order[i]] = g.count - 1;
    }
    if (sorted)
        return g;
    /* Renumber by first appearance; `order` and `name` are free now. */
    for (int64_t i = 0; i < n; i++)
        if (g.first[g.of[i]] == i)
            name[g.of[i]] = next++;
    for (int64_t i = 0; i < g.count; i++)
        order[name[i]] = g.size[i];
    memcpy(g.size, order, (size_t)g.count * sizeof *order);
    for (int64_t i = 0; i < g.count; i++)
        order[name[i]] = g.first[i];
    memcpy(g.first, order, (size_t)g.count * sizeof *order);
    for (int64_t i = 0; i < n; i++)
        g.of[i] = name[g.of[i]];
    return g;
}

brink_status cpu_unique(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *y = kernel_out(a, 0);
    uint32_t axis, size = element_bytes(x->type);
    slices s = {x->type, x->data, 1, tensor_count(x), 1};
    if (size == 0)
        return kernel_bad_type(a, x->type);
    if (onnx_find(a->node, ATTR_axis) != NULL) {
        if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
        s.n = x->dims[axis];
        s.outer = dims_product(x, 0, axis);
        s.inner = dims_product(x, axis + 1, x->rank);
    }
    int64_t *memory = kernel_scratch(a, 5 * sizeof(int64_t) * (uint64_t)s.n + 8);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    groups g = find_groups(&s, onnx_int(a->node, ATTR_sorted, 1) != 0, memory);
    int64_t run = s.inner * size;
    if (y != NULL && tensor_count(y) != s.outer * g.count * s.inner)
        return other_count(a);
    for (int64_t o = 0; y != NULL && o < s.outer; o++)
        for (int64_t i = 0; i < g.count; i++)
            if (run > 0)
                memcpy((char *)y->data + (o * g.count + i) * run,
                       (const char *)x->data + (o * s.n + g.first[i]) * run, (size_t)run);
    const int64_t *lists[] = {g.first, g.of, g.size};
    for (uint32_t i = 0; i < 3; i++) {
        tensor *out = kernel_out(a, i + 1);
        if (out == NULL)
            continue;
        if (tensor_count(out) != (i == 1 ? s.n : g.count))
            return other_count(a);
        if (tensor_count(out) > 0)
            memcpy(out->data, lists[i], (size_t)tensor_count(out) * sizeof(int64_t));
    }
    return BRINK_OK;
}

/* ── Placing ones ── */

/* An index outside [−depth, depth) leaves its row without the "on" value. */
brink_status cpu_one_hot(const kernel_args *a)
{
    const tensor *indices = a->in[0], *values = a->in[2];
    tensor *out = a->out[0];
    uint32_t axis, size = element_bytes(out->type);
    nd w;
    if (size == 0 || values->type != out->type)
        return kernel_bad_type(a, values->type);
    if (tensor_count(values) != 2)
        return kernel_fail(a, BRINK_BAD_INPUT, "values should be the off and the on value");
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, -1), out->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", out->rank);
    nd_dense(&w, out->rank, out->dims);
    nd_copy(a->context->pool, &w, out->data, values->data, size);
    const char *on = (const char *)values->data + size;
    int64_t depth = out->dims[axis], count = tensor_count(indices);
    int64_t inner = dims_product(out, axis + 1, out->rank);
    for (int64_t i = 0; i < count; i++) {
        double index = tensor_number(indices, i);
        if (index < 0)
            index += (double)depth;
        if (index >= 0 && index < (double)depth)
            memcpy((char *)out->data +
                       ((i / inner * depth + (int64_t)index) * inner + i % inner) * size,
                   on, size);
    }
    return BRINK_OK;
}

/* Ones on diagonal k. Half precision is f32 here. */
brink_status cpu_eye_like(const kernel_args *a)
{
    tensor *out = a->out[0];
    uint32_t size = element_bytes(out->type);
    int64_t k = onnx_int(a->node, ATTR_k, 0), rows = out->dims[0], columns = out->dims[1];
    union {
        double f64;
        float f32;
        uint64_t integer;
    } one = {.integer = 1};
    if (size == 0)
        return kernel_bad_type(a, out->type);
    if (out->type == BRINK_F32)
        one.f32 = 1;
    else if (out->type == BRINK_F64)
        one.f64 = 1;
    memset(out->data, 0, (size_t)tensor_count(out) * size);
    if (k <= -rows || k >= columns)
        return BRINK_OK;
    for (int64_t r = k < 0 ? -k : 0; r < rows && r + k < columns; r++)
        memcpy((char *)out->data + (r * columns + r + k) * size, &one, size);
    return BRINK_OK;
}

/* The first sequence_lens[b] steps of batch b backwards, the rest as they are. Batch and time are
   the first two dimensions, in either order. */
brink_status cpu_reverse_sequence(const kernel_args *a)
{
    const tensor *x = a->in[0], *lengths = a->in[1];
    tensor *out = a->out[0];
    uint32_t size = element_bytes(x->type);
    int64_t batch_axis = onnx_int(a->node, ATTR_batch_axis, 1);
    int64_t time_axis = onnx_int(a->node, ATTR_time_axis, 0);
    if (size == 0)
        return kernel_bad_type(a, x->type);
    if (x->rank < 2 ||
        !((batch_axis == 0 && time_axis == 1) || (batch_axis == 1 && time_axis == 0)))
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "batch_axis %lld and time_axis %lld should be 0 and 1, rank 2 or more",
                           (long long)batch_axis, (long long)time_axis);
    int64_t batch = x->dims[batch_axis], steps = x->dims[time_axis];
    int64_t run = dims_product(x, 2, x->rank) * size;
    int64_t batch_step = batch_axis == 0 ? steps : 1, time_step = time_axis == 0 ? batch : 1;
    if (tensor_count(lengths) != batch)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld sequence lengths for a batch of %lld",
                           (long long)tensor_count(lengths), (long long)batch);
    for (int64_t b = 0; b < batch; b++) {
        int64_t length = tensor_int(lengths, b);
        if (length < 0 || length > steps)
            return kernel_fail(a, BRINK_BAD_INPUT, "sequence length %lld is outside 0 to %lld",
                               (long long)length, (long long)steps);
        for (int64_t t = 0; t < steps && run > 0; t++) {
            int64_t from = t < length ? length - 1 - t : t;
            memcpy((char *)out->data + (b * batch_step + t * time_step) * run,
                   (const char *)x->data + (b * batch_step + from * time_step) * run, (size_t)run);
        }
    }
    return BRINK_OK;
}
