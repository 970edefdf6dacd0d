/* cast.c — Cast between any two of the numeric types and bool.

   Source: ONNX Cast; what numpy and onnxruntime do where the standard leaves it open: floats are cut
   towards zero, out of range gives the type's least integer (the small types: the low bits of that
   32-bit result), NaN to bool is true. Elements go through f64 or i64 in chunks, which is exact for
   every type but the f64 and i64 themselves, and those are read without a detour.
   Half precision is stored as f32 here, so a cast to f16 or bf16 rounds the value and keeps it f32. */
#include "core/half.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

enum { CHUNK = 256 };

typedef struct cast_job {
    brink_type from, to, rounding; /* rounding: F16, BF16 or F32 for none */
    const char *x;
    char *d;
} cast_job;

static bool is_real(brink_type type)
{
    return type == BRINK_F32 || type == BRINK_F64 || type == BRINK_F16 || type == BRINK_BF16;
}

static void load_reals(brink_type type, const void *x, int64_t n, double *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = type == BRINK_F32   ? ((const float *)x)[i]
                : type == BRINK_F64 ? ((const double *)x)[i]
                : type == BRINK_F16 ? half_to_float(((const uint16_t *)x)[i])
                                    : bfloat_to_float(((const uint16_t *)x)[i]);
}

/* u64 is kept as its bits. */
static void load_integers(brink_type type, const void *x, int64_t n, int64_t *to)
{
    switch (type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        for (int64_t i = 0; i < n; i++)                                                            \
            to[i] = (int64_t)((const T *)x)[i];                                                    \
        break;
        INTEGER_TYPES(CASE)
        CASE(BRINK_BOOL, uint8_t)
#undef CASE
    default:
        break;
    }
}

static int32_t cut32(double p)
{
    return p > -2147483649.0 && p < 2147483648.0 ? (int32_t)p : INT32_MIN;
}

static int64_t cut64(double p)
{
    return p >= -9223372036854775808.0 && p < 9223372036854775808.0 ? (int64_t)p : INT64_MIN;
}

static float rounded(float f, brink_type rounding)
{
    return rounding == BRINK_F16    ? half_to_float(float_to_half(f))
           : rounding == BRINK_BF16 ? bfloat_to_float(float_to_bfloat(f))
                                    : f;
}

static void store_real(const cast_job *job, void *d, int64_t i, float f)
{
    if (job->to == BRINK_F32)
        ((float *)d)[i] = rounded(f, job->rounding);
    else
        ((uint16_t *)d)[i] = job->to == BRINK_F16 ? float_to_half(f) : float_to_bfloat(f);
}

static void from_reals(const cast_job *job, const double *x, int64_t n, void *d)
{
    for (int64_t i = 0; i < n; i++) {
        double p = x[i];
        switch (job->to) {
        case BRINK_F64:
            ((double *)d)[i] = p;
            break;
        case BRINK_BOOL:
            ((uint8_t *)d)[i] = p != 0;
            break;
        case BRINK_I8:
            ((int8_t *)d)[i] = (int8_t)cut32(p);
            break;
        case BRINK_U8:
            ((uint8_t *)d)[i] = (uint8_t)cut32(p);
            break;
        case BRINK_I16:
            ((int16_t *)d)[i] = (int16_t)cut32(p);
            break;
        case BRINK_U16:
            ((uint16_t *)d)[i] = (uint16_t)cut32(p);
            break;
        case BRINK_I32:
            ((int32_t *)d)[i] = cut32(p);
            break;
        case BRINK_U32:
            ((uint32_t *)d)[i] = (uint32_t)cut64(p);
            break;
        case BRINK_I64:
            ((int64_t *)d)[i] = cut64(p);
            break;
        case BRINK_U64:
            ((uint64_t *)d)[i] = p >= 9223372036854775808.0 && p < 18446744073709551616.0
                                     ? (uint64_t)p
                                     : (uint64_t)cut64(p);
            break;
        default:
            store_real(job, d, i, (float)p);
            break;
        }
    }
}

static void from_integers(const cast_job *job, const int64_t *x, int64_t n, void *d)
{
    bool wide = job->from == BRINK_U64;
    for (int64_t i = 0; i < n; i++) {
        int64_t p = x[i];
        switch (job->to) {
        case BRINK_F64:
            ((double *)d)[i] = wide ? (double)(uint64_t)p : (double)p;
            break;
        case BRINK_BOOL:
            ((uint8_t *)d)[i] = p != 0;
            break;
        case BRINK_I8:
        case BRINK_U8:
            ((uint8_t *)d)[i] = (uint8_t)p;
            break;
        case BRINK_I16:
        case BRINK_U16:
            ((uint16_t *)d)[i] = (uint16_t)p;
            break;
        case BRINK_I32:
        case BRINK_U32:
            ((uint32_t *)d)[i] = (uint32_t)p;
            break;
        case BRINK_I64:
        case BRINK_U64:
            ((uint64_t *)d)[i] = (uint64_t)p;
            break;
        default:
            store_real(job, d, i, wide ? (float)(uint64_t)p : (float)p);
            break;
        }
    }
}

static void cast_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const cast_job *job = arg;
    uint32_t from = element_bytes(job->from), to = element_bytes(job->to);
    union {
        double reals[CHUNK];
        int64_t integers[CHUNK];
    } wide;
    for (int64_t i = begin; i < end; i += CHUNK) {
        int64_t n = end - i < CHUNK ? end - i : CHUNK;
        if (is_real(job->from)) {
            load_reals(job->from, job->x + i * from, n, wide.reals);
            from_reals(job, wide.reals, n, job->d + i * to);
        } else {
            load_integers(job->from, job->x + i * from, n, wide.integers);
            from_integers(job, wide.integers, n, job->d + i * to);
        }
    }
}

static void copy_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const cast_job *job = arg;
    uint32_t size = element_bytes(job->to);
    memcpy(job->d + begin * size, job->x + begin * size, (size_t)(end - begin) * size);
}

brink_status cpu_cast(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t to = onnx_int(a->node, ATTR_to, out->type);
    cast_job job = {x->type, out->type, BRINK_F32, x->data, out->data};
    if (to == BRINK_F16 || to == BRINK_BF16)
        job.rounding = (brink_type)to;
    if (element_bytes(x->type) == 0)
        return kernel_bad_type(a, x->type);
    if (element_bytes(out->type) == 0)
        return kernel_bad_type(a, out->type);
    bool same = x->type == out->type && (out->type != BRINK_F32 || job.rounding == BRINK_F32);
    thread_for(a->context->pool, tensor_count(out), 8192, same ? copy_range : cast_range, &job);
    return BRINK_OK;
}
