/* pow.c — Pow, whose exponent may have another type than the base.

   Source: ONNX Pow. Floats follow C's pow; integers are multiplied out by squaring and wrap. The
   exponents 2, 3 and 1/2, which norms and GELU use, are products and a root. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>

typedef struct pow_job {
    tensor *out;
    const tensor *x, *y;
    int64_t sx, sy;
} pow_job;

static int64_t integer_pow(int64_t base, int64_t exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent > 0; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return (int64_t)result;
}

static void pow_f32(float *to, const float *x, int64_t sx, const float *y, int64_t sy, int64_t n)
{
    if (sy == 0 && *y == 2) {
        for (int64_t i = 0; i < n; i++)
            to[i] = x[i * sx] * x[i * sx];
    } else if (sy == 0 && *y == 3) {
        for (int64_t i = 0; i < n; i++)
            to[i] = x[i * sx] * x[i * sx] * x[i * sx];
    } else if (sy == 0 && *y == 0.5f) {
        for (int64_t i = 0; i < n; i++)
            to[i] = x[i * sx] == -INFINITY ? INFINITY : sqrtf(x[i * sx] + 0.0f); /* of -0: 0 */
    } else {
        for (int64_t i = 0; i < n; i++)
            to[i] = powf(x[i * sx], y[i * sy]);
    }
}

static void pow_piece(void *arg, const int64_t *offset, int64_t n)
{
    const pow_job *job = arg;
    const tensor *x = job->x, *y = job->y;
    bool real = y->type == BRINK_F32 || y->type == BRINK_F64;
    if (x->type == BRINK_F32 && y->type == BRINK_F32) {
        pow_f32((float *)job->out->data + offset[0], (const float *)x->data + offset[1], job->sx,
                (const float *)y->data + offset[2], job->sy, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t ix = offset[1] + i * job->sx, iy = offset[2] + i * job->sy, to = offset[0] + i;
        if (x->type == BRINK_F32) {
            ((float *)job->out->data)[to] =
                (float)pow(((const float *)x->data)[ix], tensor_number(y, iy));
        } else if (x->type == BRINK_F64) {
            ((double *)job->out->data)[to] =
                pow(((const double *)x->data)[ix], tensor_number(y, iy));
        } else {
            int64_t value;
            if (real) {
                double p = pow(tensor_number(x, ix), tensor_number(y, iy));
                value = p >= -9223372036854775808.0 && p < 9223372036854775808.0 ? (int64_t)p
                                                                                 : INT64_MIN;
            } else {
                value = integer_pow(tensor_int(x, ix), tensor_int(y, iy));
            }
            switch (x->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        ((T *)job->out->data)[to] = (T)value;                                                      \
        break;
                INTEGER_TYPES(CASE)
#undef CASE
            default:
                break;
            }
        }
    }
}

brink_status cpu_pow(const kernel_args *a)
{
    nd w;
    nd_broadcast(&w, a->out[0], a->in, 2);
    pow_job job = {a->out[0], a->in[0], a->in[1], nd_inner(&w, 1), nd_inner(&w, 2)};
    if (a->in[0]->type != a->out[0]->type || element_bytes(a->in[0]->type) == 0)
        return kernel_bad_type(a, a->in[0]->type);
    nd_for(a->context->pool, &w, pow_piece, &job);
    return BRINK_OK;
}
