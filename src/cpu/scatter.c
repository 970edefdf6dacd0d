/* scatter.c — ScatterND, ScatterElements, Scatter, TensorScatter: a copy with some elements replaced.

   Source: ONNX. Bound by memory. With a reduction an index may appear often, so updates are taken in
   order on one thread. */
#include "cpu/cpu.h"
#include "cpu/indices.h"

#include <string.h>

typedef enum reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MIN, REDUCE_MAX } reduction;

static reduction reduction_of(const onnx_node *n)
{
    const char *name = onnx_string(n, ATTR_reduction, "none");
    return strcmp(name, "add") == 0   ? REDUCE_ADD
           : strcmp(name, "mul") == 0 ? REDUCE_MUL
           : strcmp(name, "min") == 0 ? REDUCE_MIN
           : strcmp(name, "max") == 0 ? REDUCE_MAX
                                      : REDUCE_NONE;
}

#define COMBINE(type, T, sum, product)                                                             \
    static void combine_##T(T *to, const T *x, int64_t n, reduction r)                             \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            T p = to[i], q = x[i];                                                                 \
            to[i] = r == REDUCE_ADD   ? (T)(sum)                                                   \
                    : r == REDUCE_MUL ? (T)(product)                                               \
                    : r == REDUCE_MIN ? (p < q ? p : q)                                            \
                                      : (p > q ? p : q);                                           \
        }                                                                                          \
    }
#define COMBINE_INTEGER(type, T)                                                                   \
    COMBINE(type, T, (uint64_t)p + (uint64_t)q, (uint64_t)p * (uint64_t)q)
#define COMBINE_FLOAT(type, T) COMBINE(type, T, p + q, p * q)
INTEGER_TYPES(COMBINE_INTEGER)
FLOAT_TYPES(COMBINE_FLOAT)

static bool combine(brink_type type, void *to, const void *x, int64_t n, reduction r)
{
    switch (type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        combine_##T(to, x, n, r);                                                                  \
        return true;
        INTEGER_TYPES(CASE)
        FLOAT_TYPES(CASE)
#undef CASE
    default:
        return false;
    }
}

brink_status cpu_scatter_nd(const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1], *updates = a->in[2];
    tensor *out = a->out[0];
    reduction r = reduction_of(a->node);
    uint32_t size = element_bytes(x->type);
    if (size == 0 || updates->type != x->type)
        return kernel_bad_type(a, updates->type);
    int64_t width = indices->rank == 0 ? 0 : indices->dims[indices->rank - 1];
    if (indices->rank == 0 || width > x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "index tuples of %lld, the data's rank is %u",
                           (long long)width, x->rank);
    if (out->data != x->data)
        memcpy(out->data, x->data, (size_t)(tensor_count(x) * size));
    int64_t dense[BRINK_MAX_RANK], offset;
    dense_strides(x->rank, x->dims, dense);
    int64_t tuples = dims_product(indices, 0, indices->rank - 1);
    int64_t run = dims_product(x, (uint32_t)width, x->rank);
    if (tensor_count(updates) != tuples * run)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld updates for %lld tuples of %lld elements",
                           (long long)tensor_count(updates), (long long)tuples, (long long)run);
    const char *from = updates->data;
    for (int64_t i = 0; i < tuples; i++, from += run * size) {
        TRY(index_tuple(a, x, dense, indices, i, 0, width, &offset));
        char *to = (char *)out->data + offset * size;
        if (r == REDUCE_NONE)
            memcpy(to, from, (size_t)(run * size));
        else if (!combine(x->type, to, from, run, r))
            return kernel_bad_type(a, x->type);
    }
    return BRINK_OK;
}

/* Also Scatter, its name before opset 11. The updates walk the box of the indices. */
brink_status cpu_scatter_elements(const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1], *updates = a->in[2];
    tensor *out = a->out[0];
    reduction r = reduction_of(a->node);
    uint32_t axis, size = element_bytes(x->type);
    if (size == 0 || updates->type != x->type)
        return kernel_bad_type(a, updates->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    bool fits = indices->rank == x->rank && updates->rank == x->rank;
    for (uint32_t d = 0; fits && d < x->rank; d++)
        fits =
            indices->dims[d] == updates->dims[d] && (d == axis || indices->dims[d] <= x->dims[d]);
    if (!fits)
        return kernel_fail(a, BRINK_BAD_INPUT, "the shapes of data, indices and updates disagree");
    int64_t dense[BRINK_MAX_RANK], count = tensor_count(indices), at[BRINK_MAX_RANK] = {0};
    dense_strides(x->rank, x->dims, dense);
    if (out->data != x->data && tensor_count(x) > 0)
        memcpy(out->data, x->data, (size_t)(tensor_count(x) * size));
    const char *from = updates->data;
    for (int64_t i = 0; i < count; i++, from += size) {
        int64_t offset = 0, index = tensor_int(indices, i);
        if (!index_wrap(&index, x->dims[axis]))
            return index_fail(a, index, x->dims[axis]);
        for (uint32_t d = 0; d < x->rank; d++)
            offset += (d == axis ? index : at[d]) * dense[d];
        char *to = (char *)out->data + offset * size;
        if (r == REDUCE_NONE)
            memcpy(to, from, size);
        else if (!combine(x->type, to, from, 1, r))
            return kernel_bad_type(a, x->type);
        for (uint32_t d = x->rank; d-- > 0;) {
            if (++at[d] < indices->dims[d])
                break;
            at[d] = 0;
        }
    }
    return BRINK_OK;
}

/* A copy of the cache with `update` written along an axis from each batch's own index on. */
brink_status cpu_tensor_scatter(const kernel_args *a)
{
    const tensor *x = a->in[0], *update = a->in[1], *starts = kernel_in(a, 2);
    tensor *out = a->out[0];
    uint32_t axis, size = element_bytes(x->type);
    bool circular = strcmp(onnx_string(a->node, ATTR_mode, "linear"), "circular") == 0;
    if (size == 0 || update->type != x->type)
        return kernel_bad_type(a, update->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, -2), x->rank, &axis) || axis == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u or the batch", x->rank);
    bool fits = update->rank == x->rank;
    for (uint32_t d = 0; fits && d < x->rank; d++)
        fits = d == axis ? update->dims[d] <= x->dims[d] : update->dims[d] == x->dims[d];
    if (!fits || (starts != NULL && tensor_count(starts) != x->dims[0]))
        return kernel_fail(a, BRINK_BAD_INPUT, "the shapes of cache, update and indices disagree");
    int64_t length = x->dims[axis], steps = update->dims[axis];
    int64_t each = dims_product(x, 1, axis), run = dims_product(x, axis + 1, x->rank) * size;
    if (tensor_count(x) == 0)
        return BRINK_OK;
    if (out->data != x->data)
        memcpy(out->data, x->data, (size_t)tensor_count(x) * size);
    const char *from = update->data;
    for (int64_t row = 0; row < x->dims[0] * each; row++)
        for (int64_t s = 0; s < steps; s++, from += run) {
            int64_t index = starts != NULL ? tensor_int(starts, row / each) : 0;
            if (index < 0 || index > INT64_MAX - steps || (!circular && index + s >= length))
                return index_fail(a, index, length);
            memcpy((char *)out->data + (row * length + (index + s) % length) * run, from,
                   (size_t)run);
        }
    return BRINK_OK;
}
