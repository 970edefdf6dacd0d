/* gather.c — Gather, GatherElements, GatherND.

   Source: ONNX. Bound by memory. Negative indices count from the end; one outside its bound is an
   error that names both. */
#include "cpu/indices.h"

#include "core/half.h"
#include "cpu/cpu.h"

#include <string.h>

brink_status index_fail(const kernel_args *a, int64_t index, int64_t bound)
{
    return kernel_fail(a, BRINK_BAD_INPUT, "index %lld is outside dimension %lld", (long long)index,
                       (long long)bound);
}

brink_status index_tuple(const kernel_args *a, const tensor *x, const int64_t *dense,
                         const tensor *indices, int64_t tuple, uint32_t first, int64_t width,
                         int64_t *offset)
{
    *offset = 0;
    for (int64_t d = 0; d < width; d++) {
        int64_t bound = x->dims[first + d], index = tensor_int(indices, tuple * width + d);
        if (!index_wrap(&index, bound))
            return index_fail(a, index, bound);
        *offset += index * dense[first + d];
    }
    return BRINK_OK;
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
                return index_fail(a, index, bound);
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
    for (uint32_t d = 0; d < x->rank; d++)
        if (d != axis && out->dims[d] > x->dims[d])
            return kernel_fail(a, BRINK_BAD_INPUT, "dimension %u of the indices is %lld, of x %lld",
                               d, (long long)out->dims[d], (long long)x->dims[d]);
    int64_t dense[BRINK_MAX_RANK], count = tensor_count(out), at[BRINK_MAX_RANK] = {0};
    dense_strides(x->rank, x->dims, dense);
    char *to = out->data;
    for (int64_t i = 0; i < count; i++, to += size) {
        int64_t from = 0, index = tensor_int(indices, i);
        if (!index_wrap(&index, x->dims[axis]))
            return index_fail(a, index, x->dims[axis]);
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
    for (uint32_t d = 0; d < batch_dims; d++)
        if (indices->dims[d] != x->dims[d])
            return kernel_fail(a, BRINK_BAD_INPUT,
                               "batch dimension %u is %lld in the data, %lld "
                               "in the indices",
                               d, (long long)x->dims[d], (long long)indices->dims[d]);
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
        TRY(index_tuple(a, x, dense, indices, i, batch_dims, width, &offset));
        memcpy(to, (const char *)x->data + (i / each * batch + offset) * size,
               (size_t)(run * size));
    }
    return BRINK_OK;
}
