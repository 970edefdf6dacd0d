/* shape_ops.c — what is made from a shape: Shape, Size, ConstantOfShape, Range, Expand, Tile, Trilu.

   Source: ONNX. Bound by memory; the output's shape is already inferred. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

brink_status cpu_shape(const kernel_args *a)
{
    const tensor *x = a->in[0];
    int64_t start = onnx_int(a->node, ATTR_start, 0), rank = x->rank;
    int64_t *to = a->out[0]->data, count = tensor_count(a->out[0]);
    if (start < 0)
        start += rank;
    if (start < 0)
        start = 0;
    for (int64_t i = 0; i < count && start + i < rank; i++)
        to[i] = x->dims[start + i];
    return BRINK_OK;
}

brink_status cpu_size(const kernel_args *a)
{
    *(int64_t *)a->out[0]->data = tensor_count(a->in[0]);
    return BRINK_OK;
}

brink_status cpu_optional_has_element(const kernel_args *a)
{
    *(uint8_t *)a->out[0]->data = kernel_in(a, 0) != NULL;
    return BRINK_OK;
}

/* Fills `out` with one element. */
static void fill(const kernel_args *a, tensor *out, const void *value)
{
    nd w;
    nd_dense(&w, out->rank, out->dims);
    nd_copy(a->context->pool, &w, out->data, value, element_bytes(out->type));
}

brink_status cpu_constant_of_shape(const kernel_args *a)
{
    tensor *out = a->out[0];
    const onnx_attr *value = onnx_find(a->node, ATTR_value);
    uint64_t element = 0;
    if (element_bytes(out->type) == 0)
        return kernel_bad_type(a, out->type);
    if (value != NULL && value->kind == ATTR_KIND_TENSOR) {
        const onnx_tensor *t = value->tensor;
        if (t->data == NULL || t->count == 0)
            return kernel_fail(a, BRINK_BAD_INPUT, "attribute value has no element");
        if (t->type == out->type) {
            memcpy(&element, t->data, element_bytes(out->type));
        } else if (out->type == BRINK_F32) {
            tensor one = {.data = (void *)(uintptr_t)t->data, .type = t->type};
            float f = (float)tensor_number(&one, 0);
            memcpy(&element, &f, 4);
        } else {
            return kernel_bad_type(a, t->type);
        }
    }
    fill(a, out, &element);
    return BRINK_OK;
}

brink_status cpu_range(const kernel_args *a)
{
    tensor *out = a->out[0];
    const tensor *by = kernel_in(a, 2);
    int64_t count = tensor_count(out);
    switch (out->type) {
#define INTEGER(type, T)                                                                           \
    case type: {                                                                                   \
        uint64_t start = (uint64_t)tensor_int(a->in[0], 0);                                        \
        uint64_t delta = by != NULL ? (uint64_t)tensor_int(by, 0) : 1;                             \
        for (int64_t i = 0; i < count; i++)                                                        \
            ((T *)out->data)[i] = (T)(start + delta * (uint64_t)i);                                \
        return BRINK_OK;                                                                           \
    }
#define REAL(type, T)                                                                              \
    case type: {                                                                                   \
        double start = tensor_number(a->in[0], 0);                                                 \
        double delta = by != NULL ? tensor_number(by, 0) : 1;                                      \
        for (int64_t i = 0; i < count; i++)                                                        \
            ((T *)out->data)[i] = (T)(start + delta * (double)i);                                  \
        return BRINK_OK;                                                                           \
    }
        INTEGER_TYPES(INTEGER)
        FLOAT_TYPES(REAL)
#undef INTEGER
#undef REAL
    default:
        return kernel_bad_type(a, out->type);
    }
}

brink_status cpu_expand(const kernel_args *a)
{
    tensor *out = a->out[0];
    nd w;
    if (element_bytes(out->type) == 0)
        return kernel_bad_type(a, out->type);
    nd_broadcast(&w, out, a->in, 1);
    nd_copy(a->context->pool, &w, out->data, a->in[0]->data, element_bytes(out->type));
    return BRINK_OK;
}

/* Each dimension is walked as [repeats, size], the first without a stride. */
brink_status cpu_tile(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t dense[BRINK_MAX_RANK], dims[ND_RANK];
    nd w;
    if (element_bytes(out->type) == 0)
        return kernel_bad_type(a, out->type);
    if (tensor_count(out) == 0)
        return BRINK_OK;
    dense_strides(x->rank, x->dims, dense);
    for (uint32_t i = 0; i < x->rank; i++) {
        dims[2 * i] = out->dims[i] / x->dims[i];
        dims[2 * i + 1] = x->dims[i];
    }
    nd_dense(&w, 2 * x->rank, dims);
    for (uint32_t i = 0; i < x->rank; i++)
        w.stride[1][2 * i + 1] = dense[i];
    nd_copy(a->context->pool, &w, out->data, x->data, element_bytes(out->type));
    return BRINK_OK;
}

/* Keeps the triangle on or above (upper), on or below diagonal k, and zeroes the rest. */
brink_status cpu_trilu(const kernel_args *a)
{
    const tensor *x = a->in[0], *diagonal = kernel_in(a, 1);
    tensor *out = a->out[0];
    uint32_t size = element_bytes(out->type);
    int64_t k = diagonal != NULL ? tensor_int(diagonal, 0) : 0;
    bool upper = onnx_int(a->node, ATTR_upper, 1) != 0;
    if (size == 0)
        return kernel_bad_type(a, out->type);
    if (x->rank < 2)
        return kernel_fail(a, BRINK_BAD_INPUT, "rank %u, a matrix has 2", x->rank);
    int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1];
    int64_t all = dims_product(x, 0, x->rank - 1);
    if (k > columns)
        k = columns;
    if (k < -rows)
        k = -rows;
    for (int64_t r = 0; r < all; r++) {
        char *to = (char *)out->data + r * columns * size;
        const char *from = (const char *)x->data + r * columns * size;
        int64_t cut = r % rows + k + (upper ? 0 : 1); /* first column kept or first zeroed */
        cut = cut < 0 ? 0 : cut > columns ? columns : cut;
        int64_t low = upper ? cut : 0, high = upper ? columns : cut;
        memset(to, 0, (size_t)(low * size));
        memcpy(to + low * size, from + low * size, (size_t)((high - low) * size));
        memset(to + high * size, 0, (size_t)((columns - high) * size));
    }
    return BRINK_OK;
}
