/* unary.c — elementwise functions of one input: mathematics, and what integers have too.

   Source: ONNX Abs to Tan. Floats of either width; integers where the operator allows them. Bound by
   memory, or by the transcendental function, whose f32 rows come from cpu/simd.h. */
#include "cpu/unary.h"

#include "cpu/simd.h"

#include <float.h>
#include <math.h>

static void unary_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const unary_job *job = arg;
    char *to = job->to + begin * job->size;
    const char *x = job->x + begin * job->size;
    if (job->fast != NULL)
        job->fast((float *)(void *)to, (const float *)(const void *)x, end - begin);
    else
        job->row(job, to, x, end - begin);
}

void activation_f32(const unary_job *job, void *to, const void *x, int64_t n)
{
    simd()->finish(1, n, x, n, to, n, NULL, 0, NULL, &job->f);
}

brink_status unary_run(const kernel_args *a, unary_job *job)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    job->size = element_bytes(out->type);
    if ((job->row == NULL && job->fast == NULL) || x->type != out->type)
        return kernel_bad_type(a, x->type);
    job->to = out->data;
    job->x = x->data;
    thread_for(a->context->pool, tensor_count(out), 8192, unary_range, job);
    return BRINK_OK;
}

brink_status unary_float(const kernel_args *a, const unary_job *f32, const unary_job *f64)
{
    unary_job job = {0};
    if (a->out[0]->type == BRINK_F32)
        job = *f32;
    else if (a->out[0]->type == BRINK_F64)
        job = *f64;
    return unary_run(a, &job);
}

FLOAT_KERNEL(sqrt, sqrtf(p), sqrt(p))
FLOAT_KERNEL(reciprocal, 1 / p, 1 / p)
FLOAT_KERNEL(log, logf(p), log(p))
FLOAT_KERNEL(sin, sinf(p), sin(p))
FLOAT_KERNEL(cos, cosf(p), cos(p))
FLOAT_KERNEL(tan, tanf(p), tan(p))
FLOAT_KERNEL(asin, asinf(p), asin(p))
FLOAT_KERNEL(acos, acosf(p), acos(p))
FLOAT_KERNEL(atan, atanf(p), atan(p))
FLOAT_KERNEL(sinh, sinhf(p), sinh(p))
FLOAT_KERNEL(cosh, coshf(p), cosh(p))
FLOAT_KERNEL(asinh, asinhf(p), asinh(p))
FLOAT_KERNEL(acosh, acoshf(p), acosh(p))
FLOAT_KERNEL(atanh, atanhf(p), atanh(p))
FLOAT_KERNEL(floor, floorf(p), floor(p))
FLOAT_KERNEL(ceil, ceilf(p), ceil(p))
FLOAT_KERNEL(round, rintf(p), rint(p)) /* ties to even: the default rounding mode */
FAST_KERNEL(exp, simd()->exp, exp(p))
FAST_KERNEL(tanh, simd()->tanh, tanh(p))

/* ── Integers too ── */

#define SIGNED_TYPES(X)                                                                            \
    X(BRINK_I8, int8_t)                                                                            \
    X(BRINK_I16, int16_t)                                                                          \
    X(BRINK_I32, int32_t)                                                                          \
    X(BRINK_I64, int64_t)
#define UNSIGNED_TYPES(X)                                                                          \
    X(BRINK_U8, uint8_t)                                                                           \
    X(BRINK_U16, uint16_t)                                                                         \
    X(BRINK_U32, uint32_t)                                                                         \
    X(BRINK_U64, uint64_t)

#define ABS(type, T) ROW(abs_##T, T, p < 0 ? (uint64_t)0 - (uint64_t)p : (uint64_t)p)
#define NEG(type, T) ROW(neg_##T, T, (uint64_t)0 - (uint64_t)p)
#define SIGN(type, T) ROW(sign_##T, T, (p > 0) - (p < 0))
#define RELU(type, T) ROW(relu_##T, T, p < 0 ? 0 : p)
#define COPY(type, T) ROW(copy_##T, T, p)
#define USIGN(type, T) ROW(sign_##T, T, p != 0)
SIGNED_TYPES(ABS)
SIGNED_TYPES(NEG)
SIGNED_TYPES(SIGN)
SIGNED_TYPES(RELU)
UNSIGNED_TYPES(COPY)
UNSIGNED_TYPES(USIGN)
FLOAT_ROWS(abs, fabsf(p), fabs(p))
FLOAT_ROWS(neg, -p, -p)
FLOAT_ROWS(sign, p != p ? p : (p > 0) - (p < 0), p != p ? p : (p > 0) - (p < 0))
FLOAT_ROWS(relu, p < 0 ? 0 : p, p < 0 ? 0 : p) /* NaN stays */

#define KERNEL(name, unsigned_name)                                                                \
    brink_status cpu_##name(const kernel_args *a)                                                  \
    {                                                                                              \
        unary_job job = {0};                                                                       \
        switch (a->out[0]->type) {                                                                 \
        case BRINK_F32:                                                                            \
            job.row = name##_f32;                                                                  \
            break;                                                                                 \
        case BRINK_F64:                                                                            \
            job.row = name##_f64;                                                                  \
            break;                                                                                 \
        case BRINK_I8:                                                                             \
            job.row = name##_int8_t;                                                               \
            break;                                                                                 \
        case BRINK_I16:                                                                            \
            job.row = name##_int16_t;                                                              \
            break;                                                                                 \
        case BRINK_I32:                                                                            \
            job.row = name##_int32_t;                                                              \
            break;                                                                                 \
        case BRINK_I64:                                                                            \
            job.row = name##_int64_t;                                                              \
            break;                                                                                 \
        case BRINK_U8:                                                                             \
            job.row = unsigned_name##_uint8_t;                                                     \
            break;                                                                                 \
        case BRINK_U16:                                                                            \
            job.row = unsigned_name##_uint16_t;                                                    \
            break;                                                                                 \
        case BRINK_U32:                                                                            \
            job.row = unsigned_name##_uint32_t;                                                    \
            break;                                                                                 \
        case BRINK_U64:                                                                            \
            job.row = unsigned_name##_uint64_t;                                                    \
            break;                                                                                 \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
        return unary_run(a, &job);                                                                 \
    }
KERNEL(abs, copy)
KERNEL(neg, copy)
KERNEL(sign, sign)
KERNEL(relu, copy)

/* erf of an integer is -1, 0 or 1: cut, and no integer reaches the ends but in the limit. */
#define ERF(type, T) ROW(erf_##T, T, erf((double)p))
INTEGER_TYPES(ERF)
ROW(erf_f64, double, erf(p))

brink_status cpu_erf(const kernel_args *a)
{
    unary_job job = {0};
    switch (a->out[0]->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        job.row = erf_##T;                                                                         \
        break;
        INTEGER_TYPES(CASE)
#undef CASE
    case BRINK_F32:
        job.fast = simd()->erf;
        break;
    case BRINK_F64:
        job.row = erf_f64;
        break;
    default:
        break;
    }
    return unary_run(a, &job);
}

/* ── Clip ── */

typedef struct clip_bounds {
    const tensor *low, *high; /* scalars, NULL where open */
} clip_bounds;

#define CLIP(type, T)                                                                              \
    static void clip_##T(T *to, const T *x, int64_t n, const clip_bounds *b)                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            T p = x[i];                                                                            \
            if (b->low != NULL && p < *(const T *)b->low->data)                                    \
                p = *(const T *)b->low->data;                                                      \
            if (b->high != NULL && p > *(const T *)b->high->data)                                  \
                p = *(const T *)b->high->data;                                                     \
            to[i] = p;                                                                             \
        }                                                                                          \
    }
INTEGER_TYPES(CLIP)
CLIP(BRINK_F64, double)

/* Bounds are attributes below opset 11 and inputs from then on. A float's missing bound is the last
   finite number, so that infinities are clipped. */
brink_status cpu_clip(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    bool old = a->node->opset < 11, wide = x->type == BRINK_F64;
    double low64 = old ? onnx_float(a->node, ATTR_min, -FLT_MAX) : wide ? -DBL_MAX : -FLT_MAX;
    double high64 = old ? onnx_float(a->node, ATTR_max, FLT_MAX) : wide ? DBL_MAX : FLT_MAX;
    float low32 = (float)low64, high32 = (float)high64;
    tensor low = {.data = wide ? (void *)&low64 : &low32, .type = x->type};
    tensor high = {.data = wide ? (void *)&high64 : &high32, .type = x->type};
    clip_bounds b = {kernel_in(a, 1), kernel_in(a, 2)};
    if (wide || x->type == BRINK_F32) {
        b.low = old || b.low == NULL ? &low : b.low;
        b.high = old || b.high == NULL ? &high : b.high;
    }
    if ((b.low != NULL && b.low->type != x->type) || (b.high != NULL && b.high->type != x->type))
        return kernel_bad_type(a, b.low != NULL ? b.low->type : b.high->type);
    if (x->type == BRINK_F32) {
        activation f = {.kind = ACTIVATION_CLIP,
                        .alpha = *(const float *)b.low->data,
                        .beta = *(const float *)b.high->data};
        return unary_run(a, &(unary_job){.row = activation_f32, .f = f});
    }
    switch (x->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        clip_##T(out->data, x->data, tensor_count(out), &b);                                       \
        return BRINK_OK;
        INTEGER_TYPES(CASE)
        CASE(BRINK_F64, double)
#undef CASE
    default:
        return kernel_bad_type(a, x->type);
    }
}
