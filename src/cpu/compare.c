/* compare.c — comparisons and logic: two inputs with broadcasting, a bool output.

   Source: ONNX Equal, Less…, And, Or, Xor, Not, IsNaN, IsInf. Bound by memory. A bool is one byte, 0 or 1. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>

typedef void (*compare_row)(uint8_t *to, const void *x, int64_t sx, const void *y, int64_t sy,
                            int64_t n);

#define ROW(name, T, op)                                                                           \
    static void name(uint8_t *to, const void *x, int64_t sx, const void *y, int64_t sy, int64_t n) \
    {                                                                                              \
        const T *v = x, *w = y;                                                                    \
        for (int64_t i = 0; i < n; i++)                                                            \
            to[i] = v[i * sx] op w[i * sy];                                                        \
    }
#define ROWS(name, op)                                                                             \
    ROW(name##_f32, float, op)                                                                     \
    ROW(name##_f64, double, op)                                                                    \
    ROW(name##_i8, int8_t, op)                                                                     \
    ROW(name##_u8, uint8_t, op)                                                                    \
    ROW(name##_i16, int16_t, op)                                                                   \
    ROW(name##_u16, uint16_t, op)                                                                  \
    ROW(name##_i32, int32_t, op)                                                                   \
    ROW(name##_u32, uint32_t, op)                                                                  \
    ROW(name##_i64, int64_t, op)                                                                   \
    ROW(name##_u64, uint64_t, op)                                                                  \
    static compare_row name##_row(brink_type type)                                                 \
    {                                                                                              \
        switch (type) {                                                                            \
        case BRINK_F32:                                                                            \
            return name##_f32;                                                                     \
        case BRINK_F64:                                                                            \
            return name##_f64;                                                                     \
        case BRINK_I8:                                                                             \
            return name##_i8;                                                                      \
        case BRINK_BOOL:                                                                           \
        case BRINK_U8:                                                                             \
            return name##_u8;                                                                      \
        case BRINK_I16:                                                                            \
            return name##_i16;                                                                     \
        case BRINK_U16:                                                                            \
            return name##_u16;                                                                     \
        case BRINK_I32:                                                                            \
            return name##_i32;                                                                     \
        case BRINK_U32:                                                                            \
            return name##_u32;                                                                     \
        case BRINK_I64:                                                                            \
            return name##_i64;                                                                     \
        case BRINK_U64:                                                                            \
            return name##_u64;                                                                     \
        default:                                                                                   \
            return NULL;                                                                           \
        }                                                                                          \
    }

ROWS(equal, ==)
ROWS(less, <)
ROWS(less_or_equal, <=)
ROW(and_u8, uint8_t, &&)
ROW(or_u8, uint8_t, ||)
ROW(xor_u8, uint8_t, !=)

typedef struct compare_job {
    compare_row row;
    uint8_t *to;
    const char *x, *y;
    int64_t sx, sy;
    uint32_t size;
} compare_job;

static void compare_piece(void *arg, const int64_t *offset, int64_t n)
{
    const compare_job *job = arg;
    job->row(job->to + offset[0], job->x + offset[1] * job->size, job->sx,
             job->y + offset[2] * job->size, job->sy, n);
}

static brink_status compare(const kernel_args *a, const tensor *x, const tensor *y, compare_row row)
{
    if (row == NULL || x->type != y->type)
        return kernel_bad_type(a, x->type);
    nd w;
    nd_broadcast(&w, a->out[0], (const tensor *const[]){x, y}, 2);
    compare_job job = {row,
                       a->out[0]->data,
                       x->data,
                       y->data,
                       nd_inner(&w, 1),
                       nd_inner(&w, 2),
                       element_bytes(x->type)};
    nd_for(a->context->pool, &w, compare_piece, &job);
    return BRINK_OK;
}

brink_status cpu_equal(const kernel_args *a)
{
    return compare(a, a->in[0], a->in[1], equal_row(a->in[0]->type));
}

brink_status cpu_less(const kernel_args *a)
{
    return compare(a, a->in[0], a->in[1], less_row(a->in[0]->type));
}

brink_status cpu_less_or_equal(const kernel_args *a)
{
    return compare(a, a->in[0], a->in[1], less_or_equal_row(a->in[0]->type));
}

brink_status cpu_greater(const kernel_args *a)
{
    return compare(a, a->in[1], a->in[0], less_row(a->in[0]->type));
}

brink_status cpu_greater_or_equal(const kernel_args *a)
{
    return compare(a, a->in[1], a->in[0], less_or_equal_row(a->in[0]->type));
}

static brink_status logic(const kernel_args *a, compare_row row)
{
    return compare(a, a->in[0], a->in[1], a->in[0]->type == BRINK_BOOL ? row : NULL);
}

brink_status cpu_and(const kernel_args *a)
{
    return logic(a, and_u8);
}

brink_status cpu_or(const kernel_args *a)
{
    return logic(a, or_u8);
}

brink_status cpu_xor(const kernel_args *a)
{
    return logic(a, xor_u8);
}

brink_status cpu_not(const kernel_args *a)
{
    const uint8_t *x = a->in[0]->data;
    uint8_t *to = a->out[0]->data;
    int64_t count = tensor_count(a->out[0]);
    if (a->in[0]->type != BRINK_BOOL)
        return kernel_bad_type(a, a->in[0]->type);
    for (int64_t i = 0; i < count; i++)
        to[i] = !x[i];
    return BRINK_OK;
}

brink_status cpu_is_nan(const kernel_args *a)
{
    uint8_t *to = a->out[0]->data;
    int64_t count = tensor_count(a->out[0]);
    if (a->in[0]->type == BRINK_F32) {
        const float *x = a->in[0]->data;
        for (int64_t i = 0; i < count; i++)
            to[i] = x[i] != x[i];
    } else if (a->in[0]->type == BRINK_F64) {
        const double *x = a->in[0]->data;
        for (int64_t i = 0; i < count; i++)
            to[i] = x[i] != x[i];
    } else {
        return kernel_bad_type(a, a->in[0]->type);
    }
    return BRINK_OK;
}

/* Which signs count is in the attributes. */
brink_status cpu_is_inf(const kernel_args *a)
{
    const tensor *x = a->in[0];
    uint8_t *to = a->out[0]->data;
    int64_t count = tensor_count(a->out[0]);
    double high = onnx_int(a->node, ATTR_detect_positive, 1) != 0 ? INFINITY : 0;
    double low = onnx_int(a->node, ATTR_detect_negative, 1) != 0 ? -INFINITY : 0;
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    for (int64_t i = 0; i < count; i++) {
        double p = tensor_number(x, i);
        to[i] = isinf(p) && (p == high || p == low);
    }
    return BRINK_OK;
}
