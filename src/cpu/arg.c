/* arg.c — ArgMax, ArgMin and Hardmax: where along an axis the largest or least element is.

   Source: ONNX. Bound by memory. The first of equals, or the last with select_last_index; NaN is
   never chosen unless it comes first, as in onnxruntime. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

#define ARG(type, T)                                                                               \
    static int64_t arg_##T(const T *x, int64_t n, int64_t step, bool least, bool last)             \
    {                                                                                              \
        int64_t best = 0;                                                                          \
        T value = *x;                                                                              \
        for (int64_t i = 1; i < n; i++) {                                                          \
            T p = x[i * step];                                                                     \
            if ((least ? p < value : p > value) || (last && p == value)) {                         \
                value = p;                                                                         \
                best = i;                                                                          \
            }                                                                                      \
        }                                                                                          \
        return best;                                                                               \
    }
INTEGER_TYPES(ARG)
FLOAT_TYPES(ARG)

static brink_status arg_of(const kernel_args *a, bool least)
{
    const tensor *x = a->in[0];
    int64_t *to = a->out[0]->data;
    bool last = onnx_int(a->node, ATTR_select_last_index, 0) != 0;
    uint32_t axis;
    if (!axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    int64_t n = x->dims[axis], outer = dims_product(x, 0, axis);
    int64_t inner = dims_product(x, axis + 1, x->rank);
    if (outer * inner == 0)
        return BRINK_OK;
    if (n == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "dimension %u is empty", axis);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t at = o * n * inner + i;
            switch (x->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        *to++ = arg_##T((const T *)x->data + at, n, inner, least, last);                           \
        break;
                INTEGER_TYPES(CASE)
                FLOAT_TYPES(CASE)
#undef CASE
            default:
                return kernel_bad_type(a, x->type);
            }
        }
    return BRINK_OK;
}

brink_status cpu_arg_max(const kernel_args *a)
{
    return arg_of(a, false);
}

brink_status cpu_arg_min(const kernel_args *a)
{
    return arg_of(a, true);
}

/* One where the largest element is, zero elsewhere. Before opset 13, a row is all dimensions from the
   axis on. */
brink_status cpu_hardmax(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    bool flat = a->node->opset < 13;
    int64_t wanted = onnx_int(a->node, ATTR_axis, flat ? 1 : -1);
    uint32_t axis = x->rank;
    if (!(flat && wanted == x->rank) && !axis_wrap(wanted, x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u", x->rank);
    uint32_t past = flat ? x->rank : axis + 1;
    int64_t n = dims_product(x, axis, past), outer = dims_product(x, 0, axis);
    int64_t inner = dims_product(x, past, x->rank);
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    memset(out->data, 0, (size_t)tensor_count(out) * element_bytes(out->type));
    if (n == 0)
        return BRINK_OK;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t at = o * n * inner + i;
            if (x->type == BRINK_F32) {
                int64_t best = arg_float((const float *)x->data + at, n, inner, false, false);
                ((float *)out->data)[at + best * inner] = 1;
            } else {
                int64_t best = arg_double((const double *)x->data + at, n, inner, false, false);
                ((double *)out->data)[at + best * inner] = 1;
            }
        }
    return BRINK_OK;
}
