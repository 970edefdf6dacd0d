/* matmul_integer_to_float.c — MatMulIntegerToFloat and DynamicQuantizeMatMul.

   Source: onnxruntime's com.microsoft operators. Sums are exact (cpu/matmul_integer.h) and become f32
   in their own place. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/matmul_integer.h"

#include <string.h>

brink_status integer_scale_check(const kernel_args *a, const integer_product *p,
                                 const tensor *x_scale, const tensor *w_scale, const tensor *bias)
{
    int64_t scales = tensor_count(w_scale);
    if ((x_scale != NULL && (x_scale->type != BRINK_F32 || tensor_count(x_scale) != 1)) ||
        w_scale->type != BRINK_F32 || (scales != 1 && scales != p->n))
        return kernel_fail(a, BRINK_UNSUPPORTED,
                           "scales should be one for A and one, or one a column, for B");
    if (bias != NULL && (bias->type != BRINK_F32 || tensor_count(bias) != p->n))
        return kernel_fail(a, BRINK_BAD_INPUT, "bias of %lld for %lld columns",
                           (long long)tensor_count(bias), (long long)p->n);
    return BRINK_OK;
}

typedef struct scale_job {
    const integer_product *p;
    float x_scale;
    const float *w_scale, *bias;
    int64_t step; /* of w_scale from column to column */
} scale_job;

static void scale_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const scale_job *job = arg;
    for (int64_t r = begin; r < end; r++) {
        char *y = (char *)(job->p->y + r * job->p->n);
        for (int64_t c = 0; c < job->p->n; c++, y += sizeof(int32_t)) {
            int32_t sum;
            memcpy(&sum, y, sizeof sum);
            float value = (float)sum * (job->x_scale * job->w_scale[c * job->step]);
            value += job->bias != NULL ? job->bias[c] : 0;
            memcpy(y, &value, sizeof value);
        }
    }
}

void integer_to_float(const kernel_args *a, const integer_product *p, float x_scale,
                      const tensor *w_scale, const tensor *bias)
{
    scale_job job = {p, x_scale, w_scale->data, bias != NULL ? bias->data : NULL,
                     tensor_count(w_scale) == 1 ? 0 : 1};
    thread_for(a->context->pool, p->batches * p->m, grain_for(p->n), scale_range, &job);
}

/* A, B, a_scale, b_scale, a_zero_point, b_zero_point, bias. */
brink_status cpu_matmul_integer_to_float(const kernel_args *a)
{
    integer_operands o = {a->in[0], kernel_in(a, 4), a->in[1], kernel_in(a, 5), false, false};
    integer_product p;
    TRY(integer_prepare(a, &o, &p));
    TRY(integer_scale_check(a, &p, a->in[2], a->in[3], kernel_in(a, 6)));
    p.y = a->out[0]->data;
    void *memory = kernel_scratch(a, integer_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    integer_compute(a, &p, memory);
    integer_to_float(a, &p, *(const float *)a->in[2]->data, a->in[3], kernel_in(a, 6));
    return BRINK_OK;
}

/* A in f32, B, b_scale, b_zero_point, bias: A is quantised as DynamicQuantizeLinear does it. */
brink_status cpu_dynamic_quantize_matmul(const kernel_args *a)
{
    const tensor *x = a->in[0], *scale = a->in[2], *bias = kernel_in(a, 4);
    integer_product p;
    float x_scale;
    uint8_t zero;
    if (x->type != BRINK_F32)
        return kernel_bad_type(a, x->type);
    int64_t count = tensor_count(x);
    dynamic_range_of(x->data, count, &x_scale, &zero);
    tensor quantized = *x, zero_point = {.data = &zero, .type = BRINK_U8};
    quantized.type = BRINK_U8;
    integer_operands o = {&quantized, &zero_point, a->in[1], kernel_in(a, 3), false, false};
    TRY(integer_prepare(a, &o, &p));
    TRY(integer_scale_check(a, &p, NULL, scale, bias));
    p.y = a->out[0]->data;
    uint64_t size = integer_scratch(a, &p);
    char *memory = kernel_scratch(a, size + (uint64_t)count);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    dynamic_quantize_to(a, x->data, count, x_scale, zero, (uint8_t *)memory + size);
    p.a = (const uint8_t *)memory + size;
    integer_compute(a, &p, memory);
    integer_to_float(a, &p, x_scale, scale, bias);
    return BRINK_OK;
}
