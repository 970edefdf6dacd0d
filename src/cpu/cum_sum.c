/* cum_sum.c — CumSum and CumProd: running sums and products along an axis.

   Source: ONNX. Bound by memory. Floats add up and multiply in f64. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#define CUM_SUM(type, T, A)                                                                        \
    static void cum_sum_##T(T *to, const T *x, int64_t n, int64_t step, bool exclusive,            \
                            bool product)                                                          \
    {                                                                                              \
        A sum = product;                                                                           \
        for (int64_t i = 0; i < n; i++, to += step, x += step) {                                   \
            A before = sum;                                                                        \
            sum = product ? sum * (A) * x : sum + (A) * x;                                         \
            *to = (T)(exclusive ? before : sum);                                                   \
        }                                                                                          \
    }
#define CUM_SUM_INTEGER(type, T) CUM_SUM(type, T, uint64_t)
#define CUM_SUM_FLOAT(type, T) CUM_SUM(type, T, double)
INTEGER_TYPES(CUM_SUM_INTEGER)
FLOAT_TYPES(CUM_SUM_FLOAT)

static brink_status cumulative(const kernel_args *a, bool product)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    uint32_t axis;
    bool exclusive = onnx_int(a->node, ATTR_exclusive, 0) != 0;
    bool reverse = onnx_int(a->node, ATTR_reverse, 0) != 0;
    if (tensor_count(a->in[1]) != 1)
        return kernel_fail(a, BRINK_BAD_INPUT, "axis should be one number");
    if (!axis_wrap(tensor_int(a->in[1], 0), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u",
                           (long long)tensor_int(a->in[1], 0), x->rank);
    int64_t n = x->dims[axis], outer = dims_product(x, 0, axis);
    int64_t inner = dims_product(x, axis + 1, x->rank);
    int64_t step = reverse ? -inner : inner, first = reverse ? (n - 1) * inner : 0;
    if (tensor_count(x) == 0)
        return BRINK_OK;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t at = o * n * inner + i + first;
            switch (x->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        cum_sum_##T((T *)out->data + at, (const T *)x->data + at, n, step, exclusive, product);    \
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

brink_status cpu_cum_sum(const kernel_args *a)
{
    return cumulative(a, false);
}

brink_status cpu_cum_prod(const kernel_args *a)
{
    return cumulative(a, true);
}
