/* bitwise.c — the integer operators on bits: BitwiseAnd, Or, Xor, Not, BitShift, and BitCast.

   Source: ONNX. Bound by memory. And, or and xor look at bits alone, so one row serves the signed and
   the unsigned type of a size; a right shift copies the sign. */
#include "core/half.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

typedef void (*bits_row)(void *to, const void *x, int64_t sx, const void *y, int64_t sy, int64_t n);

#define ROW(name, T, expr)                                                                         \
    static void name##_##T(void *to, const void *x, int64_t sx, const void *y, int64_t sy,         \
                           int64_t n)                                                              \
    {                                                                                              \
        T *d = to;                                                                                 \
        const T *v = x, *w = y;                                                                    \
        for (int64_t i = 0; i < n; i++) {                                                          \
            T p = v[i * sx], q = w[i * sy];                                                        \
            d[i] = (T)(expr);                                                                      \
        }                                                                                          \
    }

/* A shift by a negative amount or by all bits leaves only what moves in: zeros or the sign. */
#define SHIFTS_OUT(q, T) ((uint64_t)(q) >= 8 * sizeof(T))
#define AND(type, T) ROW(and, T, p &q)
#define OR(type, T) ROW(or, T, p | q)
#define XOR(type, T) ROW(xor, T, p ^ q)
#define LEFT(type, T) ROW(left, T, SHIFTS_OUT(q, T) ? 0 : (uint64_t)p << q)
#define RIGHT(type, T) ROW(right, T, SHIFTS_OUT(q, T) ? p >> (8 * sizeof(T) - 1) : p >> q)
#define RIGHT_UNSIGNED(type, T) ROW(right, T, SHIFTS_OUT(q, T) ? 0 : p >> q)
INTEGER_TYPES(AND)
INTEGER_TYPES(OR)
INTEGER_TYPES(XOR)
INTEGER_TYPES(LEFT)
RIGHT(BRINK_I8, int8_t)
RIGHT(BRINK_I16, int16_t)
RIGHT(BRINK_I32, int32_t)
RIGHT(BRINK_I64, int64_t)
RIGHT_UNSIGNED(BRINK_U8, uint8_t)
RIGHT_UNSIGNED(BRINK_U16, uint16_t)
RIGHT_UNSIGNED(BRINK_U32, uint32_t)
RIGHT_UNSIGNED(BRINK_U64, uint64_t)

#define PICK(name)                                                                                 \
    static bits_row name##_row(brink_type type)                                                    \
    {                                                                                              \
        switch (type) {                                                                            \
        case BRINK_I8:                                                                             \
            return name##_int8_t;                                                                  \
        case BRINK_U8:                                                                             \
            return name##_uint8_t;                                                                 \
        case BRINK_I16:                                                                            \
            return name##_int16_t;                                                                 \
        case BRINK_U16:                                                                            \
            return name##_uint16_t;                                                                \
        case BRINK_I32:                                                                            \
            return name##_int32_t;                                                                 \
        case BRINK_U32:                                                                            \
            return name##_uint32_t;                                                                \
        case BRINK_I64:                                                                            \
            return name##_int64_t;                                                                 \
        case BRINK_U64:                                                                            \
            return name##_uint64_t;                                                                \
        default:                                                                                   \
            return NULL;                                                                           \
        }                                                                                          \
    }
PICK(and)
PICK(or)
PICK(xor)
PICK(left)
PICK(right)

typedef struct bits_job {
    bits_row row;
    char *to;
    const char *x, *y;
    int64_t sx, sy;
    uint32_t size;
} bits_job;

static void bits_piece(void *arg, const int64_t *offset, int64_t n)
{
    const bits_job *job = arg;
    job->row(job->to + offset[0] * job->size, job->x + offset[1] * job->size, job->sx,
             job->y + offset[2] * job->size, job->sy, n);
}

static brink_status bits_run(const kernel_args *a, bits_row row, const tensor *x, const tensor *y)
{
    tensor *out = a->out[0];
    if (row == NULL || x->type != y->type)
        return kernel_bad_type(a, y->type);
    nd w;
    nd_broadcast(&w, out, (const tensor *const[]){x, y}, 2);
    bits_job job = {
        row, out->data, x->data, y->data, nd_inner(&w, 1), nd_inner(&w, 2), element_bytes(x->type)};
    nd_for(a->context->pool, &w, bits_piece, &job);
    return BRINK_OK;
}

brink_status cpu_bitwise_and(const kernel_args *a)
{
    return bits_run(a, and_row(a->out[0]->type), a->in[0], a->in[1]);
}

brink_status cpu_bitwise_or(const kernel_args *a)
{
    return bits_run(a, or_row(a->out[0]->type), a->in[0], a->in[1]);
}

brink_status cpu_bitwise_xor(const kernel_args *a)
{
    return bits_run(a, xor_row(a->out[0]->type), a->in[0], a->in[1]);
}

brink_status cpu_bitwise_not(const kernel_args *a)
{
    uint64_t ones = UINT64_MAX;
    tensor all = {.data = &ones, .type = a->in[0]->type};
    return bits_run(a, xor_row(a->out[0]->type), a->in[0], &all);
}

brink_status cpu_bit_shift(const kernel_args *a)
{
    const char *direction = onnx_string(a->node, ATTR_direction, "");
    brink_type type = a->out[0]->type;
    if (strcmp(direction, "LEFT") == 0)
        return bits_run(a, left_row(type), a->in[0], a->in[1]);
    if (strcmp(direction, "RIGHT") == 0)
        return bits_run(a, right_row(type), a->in[0], a->in[1]);
    return kernel_fail(a, BRINK_BAD_INPUT, "direction is %s, LEFT or RIGHT are possible",
                       direction);
}

/* Half precision is stored as f32 here: those bits are made and read on the way. The shape rule has
   sorted out bfloat16, which a kernel cannot tell from float16. */
brink_status cpu_bit_cast(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t count = tensor_count(out);
    brink_type to = (brink_type)onnx_int(a->node, ATTR_to, 0);
    uint32_t size = element_bytes(to);
    if (element_bytes(x->type) == size && element_bytes(out->type) == size)
        memcpy(out->data, x->data, (size_t)count * size);
    else if (size == 2 && x->type == BRINK_F32 && out->type == BRINK_F32) /* float16 to itself */
        memcpy(out->data, x->data, (size_t)count * 4);
    else if (size == 2 && x->type == BRINK_F32)
        half_narrow(BRINK_F16, x->data, (uint64_t)count, out->data);
    else if (size == 2 && element_bytes(x->type) == 2)
        half_widen(to, x->data, (uint64_t)count, out->data);
    else
        return kernel_bad_type(a, x->type);
    return BRINK_OK;
}
