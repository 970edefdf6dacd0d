/* quantize.c — QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.

   Source: ONNX. Scales are one for all, one an index of `axis`, or one a block of `block_size` along
   it. Rounding is to nearest, ties to even; results saturate. 4-bit elements lie two a byte, the
   first in the low half. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/matmul_integer.h"

#include <math.h>

/* Which scale an element has: i → (outer, index of axis, inner). */
typedef struct scale_map {
    int64_t dim, inner, block; /* block 0: per axis; dim 0: one scale */
    int64_t blocks;
} scale_map;

static brink_status map_of(const kernel_args *a, const tensor *x, const tensor *scale, scale_map *m)
{
    int64_t block = onnx_int(a->node, ATTR_block_size, 0), count = tensor_count(scale), want = 0;
    uint32_t axis;
    *m = (scale_map){0};
    if (block == 0 && count == 1)
        return BRINK_OK;
    if (block < 0 || x->rank == 0 || !axis_wrap(onnx_int(a->node, ATTR_axis, 1), x->rank, &axis))
        return kernel_fail(a, BRINK_BAD_INPUT, "axis is outside rank %u or block_size is negative",
                           x->rank);
    m->dim = x->dims[axis];
    m->inner = dims_product(x, axis + 1, x->rank);
    m->block = block;
    m->blocks = block > 0 ? (m->dim + block - 1) / block : m->dim;
    want = block > 0 ? dims_product(x, 0, axis) * m->blocks * m->inner : m->dim;
    if (count != want)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld scales, %lld are needed", (long long)count,
                           (long long)want);
    return BRINK_OK;
}

static int64_t scale_index(const scale_map *m, int64_t i)
{
    if (m->blocks == 0)
        return 0;
    int64_t at = i / m->inner % m->dim;
    if (m->block == 0)
        return at;
    return (i / (m->inner * m->dim) * m->blocks + at / m->block) * m->inner + i % m->inner;
}

static int64_t quantized_at(const tensor *t, int64_t i)
{
    if (t->type != BRINK_I4 && t->type != BRINK_U4)
        return tensor_int(t, i);
    int64_t code = ((const uint8_t *)t->data)[i / 2] >> (i & 1 ? 4 : 0) & 15;
    return t->type == BRINK_I4 && code > 7 ? code - 16 : code;
}

typedef struct quantize_job {
    const tensor *x, *scale, *zero;
    tensor *out;
    scale_map map;
} quantize_job;

static void limits(brink_type type, double *low, double *high)
{
    uint32_t bits = brink_type_bits(type);
    bool negative = type == BRINK_I8 || type == BRINK_I16 || type == BRINK_I4 || type == BRINK_I32;
    *low = negative ? -ldexp(1, (int)bits - 1) : 0;
    *high = ldexp(1, (int)bits - (negative ? 1 : 0)) - 1;
}

static void store(tensor *out, int64_t i, int64_t value)
{
    uint8_t *bytes = out->data;
    switch (out->type) {
    case BRINK_I8:
    case BRINK_U8:
        bytes[i] = (uint8_t)value;
        break;
    case BRINK_I16:
    case BRINK_U16:
        ((uint16_t *)out->data)[i] = (uint16_t)value;
        break;
    case BRINK_I32:
        ((int32_t *)out->data)[i] = (int32_t)value;
        break;
    default: /* 4 bits */
        bytes[i / 2] =
            i & 1 ? (uint8_t)((bytes[i / 2] & 15) | (value & 15) << 4) : (uint8_t)(value & 15);
    }
}

static void quantize_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const quantize_job *job = arg;
    double low, high;
    limits(job->out->type, &low, &high);
    for (int64_t i = begin; i < end; i++) {
        int64_t s = scale_index(&job->map, i);
        float x = (float)tensor_number(job->x, i) / (float)tensor_number(job->scale, s);
        double q = rint((double)x) + (job->zero != NULL ? (double)quantized_at(job->zero, s) : 0);
        q = q > low ? q : low; /* NaN too */
        store(job->out, i, (int64_t)(q < high ? q : high));
    }
}

static brink_status check_zero(const kernel_args *a, const quantize_job *job)
{
    if (job->zero != NULL && tensor_count(job->zero) < tensor_count(job->scale))
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld zero points for %lld scales",
                           (long long)tensor_count(job->zero), (long long)tensor_count(job->scale));
    return BRINK_OK;
}

brink_status cpu_quantize(const kernel_args *a)
{
    quantize_job job = {a->in[0], a->in[1], kernel_in(a, 2), a->out[0], {0}};
    brink_type type = job.out->type;
    if (type != BRINK_I8 && type != BRINK_U8 && type != BRINK_I16 && type != BRINK_U16 &&
        type != BRINK_I4 && type != BRINK_U4)
        return kernel_bad_type(a, type);
    TRY(map_of(a, job.x, job.scale, &job.map));
    TRY(check_zero(a, &job));
    thread_for(a->context->pool, tensor_count(job.x), 4096, quantize_range, &job);
    return BRINK_OK;
}

static void dequantize_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const quantize_job *job = arg;
    float *to = job->out->data;
    for (int64_t i = begin; i < end; i++) {
        int64_t s = scale_index(&job->map, i);
        int64_t zero = job->zero != NULL ? quantized_at(job->zero, s) : 0;
        to[i] = (float)(quantized_at(job->x, i) - zero) * (float)tensor_number(job->scale, s);
    }
}

/* One scale, bytes: a table of the 256 results. */
static void dequantize_bytes(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const quantize_job *job = arg;
    const uint8_t *x = job->x->data;
    float *to = job->out->data, values[256], scale = (float)tensor_number(job->scale, 0);
    int64_t zero = job->zero != NULL ? tensor_int(job->zero, 0) : 0;
    for (int64_t i = 0; i < 256; i++)
        values[i] = (float)((job->x->type == BRINK_I8 ? (int8_t)i : i) - zero) * scale;
    for (int64_t i = begin; i < end; i++)
        to[i] = values[x[i]];
}

brink_status cpu_dequantize(const kernel_args *a)
{
    quantize_job job = {a->in[0], a->in[1], kernel_in(a, 2), a->out[0], {0}};
    bool byte = job.x->type == BRINK_U8 || job.x->type == BRINK_I8;
    if (job.out->type != BRINK_F32)
        return kernel_bad_type(a, job.out->type);
    TRY(map_of(a, job.x, job.scale, &job.map));
    TRY(check_zero(a, &job));
    thread_for(a->context->pool, tensor_count(job.x), 4096,
               byte && job.map.blocks == 0 ? dequantize_bytes : dequantize_range, &job);
    return BRINK_OK;
}

typedef struct dynamic_job {
    const float *x;
    uint8_t *to;
    float scale, zero;
} dynamic_job;

static void dynamic_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const dynamic_job *job = arg;
    for (int64_t i = begin; i < end; i++) {
        float q = rintf(job->x[i] / job->scale) + job->zero;
        q = q > 0 ? q : 0;
        job->to[i] = (uint8_t)(q < 255 ? q : 255);
    }
}

void dynamic_range_of(const float *x, int64_t count, float *scale, uint8_t *zero)
{
    float low = 0, high = 0; /* the range is widened to hold 0 */
    for (int64_t i = 0; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *scale = (high - low) / 255;
    if (*scale == 0)
        *scale = 1;
    *zero = (uint8_t)rintf(fminf(255, fmaxf(0, -low / *scale)));
}

void dynamic_quantize_to(const kernel_args *a, const float *x, int64_t count, float scale,
                         uint8_t zero, uint8_t *to)
{
    dynamic_job job = {x, to, scale, zero};
    thread_for(a->context->pool, count, 8192, dynamic_range, &job);
}

brink_status cpu_dynamic_quantize(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = kernel_out(a, 0), *scale_out = kernel_out(a, 1), *zero_out = kernel_out(a, 2);
    int64_t count = tensor_count(x);
    float scale;
    uint8_t zero;
    if (x->type != BRINK_F32)
        return kernel_bad_type(a, x->type);
    dynamic_range_of(x->data, count, &scale, &zero);
    if (scale_out != NULL)
        *(float *)scale_out->data = scale;
    if (zero_out != NULL)
        *(uint8_t *)zero_out->data = zero;
    if (out != NULL)
        dynamic_quantize_to(a, x->data, count, scale, zero, out->data);
    return BRINK_OK;
}
