/* elementwise.c — arithmetic of two inputs, or a list of them, with broadcasting.

   Source: ONNX operators Add to Mean; numpy's broadcasting rule. Bound by memory. Integers wrap, as
   numpy's do. After merging dimensions an operand's row is either dense or one repeated element. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

typedef void (*binary_row)(void *to, const void *x, int64_t sx, const void *y, int64_t sy,
                           int64_t n);

/* `expr` computes from p and q. */
#define PLAIN_ROW(name, T, expr)                                                                   \
    static void name(void *to, const void *x, int64_t sx, const void *y, int64_t sy, int64_t n)    \
    {                                                                                              \
        T *d = to;                                                                                 \
        const T *v = x, *w = y;                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                          \
            T p = v[i * sx], q = w[i * sy];                                                        \
            d[i] = (T)(expr);                                                                      \
        }                                                                                          \
    }
#define FAST_ROW(name, T, expr)                                                                    \
    static void name(void *to, const void *x, int64_t sx, const void *y, int64_t sy, int64_t n)    \
    {                                                                                              \
        T *d = to;                                                                                 \
        const T *v = x, *w = y;                                                                    \
        if (sx != 0 && sy != 0) {                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                      \
                T p = v[i], q = w[i];                                                              \
                d[i] = (T)(expr);                                                                  \
            }                                                                                      \
        } else if (sx != 0) {                                                                      \
            T q = *w;                                                                              \
            for (int64_t i = 0; i < n; i++) {                                                      \
                T p = v[i];                                                                        \
                d[i] = (T)(expr);                                                                  \
            }                                                                                      \
        } else {                                                                                   \
            T p = *v;                                                                              \
            for (int64_t i = 0; i < n; i++) {                                                      \
                T q = w[i * sy];                                                                   \
                d[i] = (T)(expr);                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

#define WRAPPING(op) (uint64_t)p op(uint64_t) q
#define ROWS(op, float_expr, signed_expr, unsigned_expr)                                           \
    FAST_ROW(op##_f32, float, float_expr)                                                          \
    PLAIN_ROW(op##_f64, double, float_expr)                                                        \
    PLAIN_ROW(op##_i8, int8_t, signed_expr)                                                        \
    PLAIN_ROW(op##_u8, uint8_t, unsigned_expr)                                                     \
    PLAIN_ROW(op##_i16, int16_t, signed_expr)                                                      \
    PLAIN_ROW(op##_u16, uint16_t, unsigned_expr)                                                   \
    PLAIN_ROW(op##_i32, int32_t, signed_expr)                                                      \
    PLAIN_ROW(op##_u32, uint32_t, unsigned_expr)                                                   \
    PLAIN_ROW(op##_i64, int64_t, signed_expr)                                                      \
    PLAIN_ROW(op##_u64, uint64_t, unsigned_expr)                                                   \
    static binary_row op##_row(brink_type type)                                                    \
    {                                                                                              \
        switch (type) {                                                                            \
        case BRINK_F32:                                                                            \
            return op##_f32;                                                                       \
        case BRINK_F64:                                                                            \
            return op##_f64;                                                                       \
        case BRINK_I8:                                                                             \
            return op##_i8;                                                                        \
        case BRINK_U8:                                                                             \
            return op##_u8;                                                                        \
        case BRINK_I16:                                                                            \
            return op##_i16;                                                                       \
        case BRINK_U16:                                                                            \
            return op##_u16;                                                                       \
        case BRINK_I32:                                                                            \
            return op##_i32;                                                                       \
        case BRINK_U32:                                                                            \
            return op##_u32;                                                                       \
        case BRINK_I64:                                                                            \
            return op##_i64;                                                                       \
        case BRINK_U64:                                                                            \
            return op##_u64;                                                                       \
        default:                                                                                   \
            return NULL;                                                                           \
        }                                                                                          \
    }

/* The remainder with the divisor's sign, Python's %. */
static double floor_mod(double p, double q)
{
    double r = fmod(p, q);
    return r != 0 && (r < 0) != (q < 0) ? r + q : r;
}

/* Division by −1 is negation: the only quotient that does not fit is the least integer's. */
#define QUOTIENT (q == -1 ? (uint64_t)0 - (uint64_t)p : (uint64_t)(p / q))
#define TRUNCATED (q == -1 ? 0 : p % q)
#define FLOORED (TRUNCATED != 0 && (p % q < 0) != (q < 0) ? p % q + q : TRUNCATED)
#define SLOPED (p < 0 ? (uint64_t)p * (uint64_t)q : (uint64_t)p)

ROWS(add, p + q, WRAPPING(+), WRAPPING(+))
ROWS(sub, p - q, WRAPPING(-), WRAPPING(-))
ROWS(mul, p *q, WRAPPING(*), WRAPPING(*))
ROWS(div, p / q, QUOTIENT, p / q)
ROWS(mod, floor_mod(p, q), FLOORED, p % q)
ROWS(fmod, fmod((double)p, (double)q), TRUNCATED, p % q)
ROWS(min, p != p || p < q ? p : q, p < q ? p : q, p < q ? p : q)
ROWS(max, p != p || p > q ? p : q, p > q ? p : q, p > q ? p : q)
ROWS(prelu, p < 0 ? p * q : p, SLOPED, ((void)q, p))

typedef struct binary_job {
    binary_row row;
    char *to;
    const char *x, *y;
    int64_t sx, sy;
    uint32_t size;
} binary_job;

static void binary_piece(void *arg, const int64_t *offset, int64_t n)
{
    const binary_job *job = arg;
    job->row(job->to + offset[0] * job->size, job->x + offset[1] * job->size, job->sx,
             job->y + offset[2] * job->size, job->sy, n);
}

static void binary_run(const kernel_args *a, binary_row row, tensor *out, const tensor *x,
                       const tensor *y)
{
    nd w;
    nd_broadcast(&w, out, (const tensor *const[]){x, y}, 2);
    binary_job job = {row,
                      out->data,
                      x->data,
                      y->data,
                      nd_inner(&w, 1),
                      nd_inner(&w, 2),
                      element_bytes(out->type)};
    nd_for(a->context->pool, &w, binary_piece, &job);
}

/* Opsets below 7 align the second input at attribute `axis` instead of at the right. */
static tensor aligned_second(const kernel_args *a)
{
    tensor y = *a->in[1];
    const tensor *x = a->in[0];
    const onnx_attr *axis = onnx_find(a->node, ATTR_axis);
    uint32_t at;
    if (axis != NULL && a->node->opset < 7 && y.rank < x->rank && axis_wrap(axis->i, x->rank, &at))
        while (y.rank + at < x->rank)
            y.dims[y.rank++] = 1;
    return y;
}

static brink_status binary(const kernel_args *a, binary_row row)
{
    if (row == NULL || a->in[1]->type != a->in[0]->type)
        return kernel_bad_type(a, a->in[1]->type);
    tensor y = aligned_second(a);
    binary_run(a, row, a->out[0], a->in[0], &y);
    return BRINK_OK;
}

static bool is_integer(brink_type type)
{
    return type != BRINK_F32 && type != BRINK_F64;
}

static bool has_zero(const tensor *t)
{
    int64_t count = tensor_count(t);
    for (int64_t i = 0; i < count; i++)
        if (tensor_int(t, i) == 0)
            return true;
    return false;
}

brink_status cpu_add(const kernel_args *a)
{
    return binary(a, add_row(a->out[0]->type));
}

brink_status cpu_sub(const kernel_args *a)
{
    return binary(a, sub_row(a->out[0]->type));
}

brink_status cpu_mul(const kernel_args *a)
{
    return binary(a, mul_row(a->out[0]->type));
}

static brink_status divide(const kernel_args *a, binary_row row)
{
    if (row != NULL && is_integer(a->out[0]->type) && tensor_count(a->out[0]) > 0 &&
        has_zero(a->in[1]))
        return kernel_fail(a, BRINK_BAD_INPUT, "division by zero");
    return binary(a, row);
}

brink_status cpu_div(const kernel_args *a)
{
    return divide(a, div_row(a->out[0]->type));
}

brink_status cpu_mod(const kernel_args *a)
{
    brink_type type = a->out[0]->type;
    return divide(a, onnx_int(a->node, ATTR_fmod, 0) != 0 ? fmod_row(type) : mod_row(type));
}

/* Before opset 7 a slope for each channel stands at axis 1. */
brink_status cpu_prelu(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor slope = *a->in[1];
    if (slope.type != x->type || prelu_row(x->type) == NULL)
        return kernel_bad_type(a, slope.type);
    if (a->node->opset < 7 && slope.rank == 1 && slope.dims[0] != 1)
        while (slope.rank + 1 < x->rank)
            slope.dims[slope.rank++] = 1;
    binary_run(a, prelu_row(x->type), a->out[0], x, &slope);
    return BRINK_OK;
}

/* out = in[0]; out = row(out, in[i]) for the rest. */
static brink_status variadic(const kernel_args *a, binary_row row)
{
    tensor *out = a->out[0];
    if (row == NULL)
        return kernel_bad_type(a, out->type);
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i]->type != out->type)
            return kernel_bad_type(a, a->in[i]->type);
    if (a->in_count == 1) {
        memcpy(out->data, a->in[0]->data, (size_t)tensor_count(out) * element_bytes(out->type));
        return BRINK_OK;
    }
    binary_run(a, row, out, a->in[0], a->in[1]);
    for (uint32_t i = 2; i < a->in_count; i++)
        binary_run(a, row, out, out, a->in[i]);
    return BRINK_OK;
}

brink_status cpu_min(const kernel_args *a)
{
    return variadic(a, min_row(a->out[0]->type));
}

brink_status cpu_max(const kernel_args *a)
{
    return variadic(a, max_row(a->out[0]->type));
}

brink_status cpu_sum(const kernel_args *a)
{
    return variadic(a, add_row(a->out[0]->type));
}

brink_status cpu_mean(const kernel_args *a)
{
    tensor *out = a->out[0];
    if (is_integer(out->type))
        return kernel_bad_type(a, out->type);
    TRY(variadic(a, add_row(out->type)));
    float count32 = (float)a->in_count;
    double count64 = (double)a->in_count;
    tensor count = {.data = &count32, .type = out->type};
    if (out->type == BRINK_F64)
        count.data = &count64;
    binary_run(a, div_row(out->type), out, out, &count);
    return BRINK_OK;
}
