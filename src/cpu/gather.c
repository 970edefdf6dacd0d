/* gather.c — Gather, GatherElements, GatherND, ScatterND.

   Source: ONNX. Bound by memory. Negative indices count from the end; one outside its bound is an
   error that names both. */
#include "core/half.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

static brink_status bad_index(const kernel_args *a, int64_t index, int64_t bound)
{
    return kernel_fail(a, BRINK_BAD_INPUT, "index %lld is outside dimension %lld", (long long)index,
                       (long long)bound);
}

static inline bool index_wrap(int64_t *index, int64_t bound)
{
    if (*index < 0 && *index >= -bound)
        *index += bound;
    return *index >= 0 && *index < bound;
}

/* The table may be an f16 or bf16 constant where the output is f32. */
static void copy_elements(char *to, brink_type to_type, const char *from, brink_type from_type,
                          int64_t n)
{
    if (from_type == to_type) {
        memcpy(to, from, (size_t)(n * element_bytes(to_type)));
        return;
    }
    const uint16_t *half = (const uint16_t *)(const void *)from;
    float *real = (float *)(void *)to;
    for (int64_t i = 0; i < n; i++)
        real[i] = from_type == BRINK_F16 ? half_to_float(half[i]) : bfloat_to_float(half[i]);
}

brink_status cpu_gather(const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1];
    tensor *out = a->out[0];
    uint32_t axis, from_size = element_bytes(x->type), to_size = element_bytes(out->type);
    bool widened = (x->type == BRINK_F16 || x->type == BRINK_BF16) && out->type == BRINK_F32;
    if (from_size == 0 || (x->type != out->type && !widened))
        return kernel_bad_type(a, x->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    int64_t outer = dims_product(x, 0, axis), inner = dims_product(x, axis + 1, x->rank);
    int64_t bound = x->dims[axis], count = tensor_count(indices);
    char *to = out->data;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < count; i++, to += inner * to_size) {
            int64_t index = tensor_int(indices, i);
            if (!index_wrap(&index, bound))
                return bad_index(a, index, bound);
            copy_elements(to, out->type,
                          (const char *)x->data + (o * bound + index) * inner * from_size, x->type,
                          inner);
        }
    return BRINK_OK;
}

brink_status cpu_gather_elements(const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1];
    tensor *out = a->out[0];
    uint32_t axis, size = element_bytes(x->type);
    if (size == 0)
        return kernel_bad_type(a, x->type);
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    int64_t dense[BRINK_MAX_RANK], count = tensor_count(out), at[BRINK_MAX_RANK] = {0};
    dense_strides(x->rank, x->dims, dense);
    char *to = out->data;
    for (int64_t i = 0; i < count; i++, to += size) {
        int64_t from = 0, index = tensor_int(indices, i);
        if (!index_wrap(&index, x->dims[axis]))
            return bad_index(a, index, x->dims[axis]);
        for (uint32_t d = 0; d < x->rank; d++)
            from += (d == axis ? index : at[d]) * dense[d];
        memcpy(to, (const char *)x->data + from * size, size);
        for (uint32_t d = x->rank; d-- > 0;) {
            if (++at[d] < out->dims[d])
                break;
            at[d] = 0;
        }
    }
    return BRINK_OK;
}

/* Offset of the slice that index tuple `tuple` names, from dimension `first` on. */
static brink_status tuple_offset(const kernel_args *a, const tensor *x, const int64_t *dense,
                                 const tensor *indices, int64_t tuple, uint32_t first,
                                 int64_t width, int64_t *offset)
{
    *offset = 0;
    for (int64_t d = 0; d < width; d++) {
        int64_t bound = x->dims[first + d], index = tensor_int(indices, tuple * width + d);
        if (!index_wrap(&index, bound))
            return bad_index(a, index, bound);
        *offset += index * dense[first + d];
    }
    return BRINK_OK;
}

brink_status cpu_gather_nd(const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1];
    tensor *out = a->out[0];
    uint32_t size = element_bytes(x->type);
    uint32_t batch_dims = (uint32_t)onnx_int(a->node, ATTR_batch_dims, 0);
    if (size == 0)
        return kernel_bad_type(a, x->type);
    int64_t width = indices->rank == 0 ? 0 : indices->dims[indices->rank - 1];
    if (batch_dims >= indices->rank || width + batch_dims > x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "index tuples of %lld after %u batch dimensions, "
                           "the data's rank is %u",
                           (long long)width, batch_dims, x->rank);
    int64_t dense[BRINK_MAX_RANK];
    dense_strides(x->rank, x->dims, dense);
    int64_t batches = dims_product(x, 0, batch_dims);
    int64_t each = dims_product(indices, batch_dims, indices->rank - 1);
    int64_t run = dims_product(x, batch_dims + (uint32_t)width, x->rank);
    int64_t batch = dims_product(x, batch_dims, x->rank), offset;
    if (tensor_count(out) == 0)
        return BRINK_OK;
    char *to = out->data;
    for (int64_t i = 0; i < batches * each; i++, to += run * size) {
        TRY(tuple_offset(a, x, dense, indices, i, batch_dims, width, &offset));
        memcpy(to, (const char *)x->data + (i / each * batch + offset) * size,
               (size_t)(run * size));
    }
    return BRINK_OK;
}

typedef enum reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MIN, REDUCE_MAX } reduction;

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
    const char *name = onnx_string(a->node, ATTR_reduction, "none");
    reduction r = strcmp(name, "add") == 0   ? REDUCE_ADD
                  : strcmp(name, "mul") == 0 ? REDUCE_MUL
                  : strcmp(name, "min") == 0 ? REDUCE_MIN
                  : strcmp(name, "max") == 0 ? REDUCE_MAX
                                             : REDUCE_NONE;
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
        TRY(tuple_offset(a, x, dense, indices, i, 0, width, &offset));
        char *to = (char *)out->data + offset * size;
        if (r == REDUCE_NONE)
            memcpy(to, from, (size_t)(run * size));
        else if (!combine(x->type, to, from, run, r))
            return kernel_bad_type(a, x->type);
    }
    return BRINK_OK;
}
