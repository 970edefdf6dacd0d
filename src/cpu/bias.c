/* bias.c — com.microsoft's BiasSplitGelu and BiasAdd, as diffusion models have them.

   Source: onnxruntime's operators. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

typedef struct bias_job {
    const float *x, *bias, *skip;
    float *to;
    int64_t n; /* of a row of x */
} bias_job;

/* (left half) * gelu(right half) of x + bias. */
static void split_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const bias_job *job = arg;
    int64_t half = job->n / 2;
    for (int64_t r = begin; r < end; r++) {
        const float *x = job->x + r * job->n;
        float *to = job->to + r * half;
        for (int64_t i = 0; i < half; i++)
            to[i] = x[half + i] + job->bias[half + i];
        simd()->gelu(to, to, half);
        for (int64_t i = 0; i < half; i++)
            to[i] *= x[i] + job->bias[i];
    }
}

static void add_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const bias_job *job = arg;
    for (int64_t r = begin; r < end; r++)
        for (int64_t i = r * job->n, c = 0; c < job->n; i++, c++)
            job->to[i] = job->x[i] + job->bias[c] + job->skip[i];
}

static brink_status describe(const kernel_args *a, bias_job *job, int64_t *rows)
{
    const tensor *x = a->in[0], *bias = kernel_in(a, 1);
    if (bias == NULL || x->type != BRINK_F32 || bias->type != BRINK_F32)
        return kernel_bad_type(a, x->type);
    if (x->rank == 0 || tensor_count(bias) != x->dims[x->rank - 1])
        return kernel_fail(a, BRINK_BAD_INPUT, "bias of %lld does not fit the last dimension",
                           (long long)tensor_count(bias));
    *job = (bias_job){
        .x = x->data, .bias = bias->data, .to = a->out[0]->data, .n = x->dims[x->rank - 1]};
    *rows = job->n == 0 ? 0 : tensor_count(x) / job->n;
    return BRINK_OK;
}

brink_status cpu_bias_split_gelu(const kernel_args *a)
{
    bias_job job;
    int64_t rows;
    TRY(describe(a, &job, &rows));
    thread_for(a->context->pool, rows, grain_for(4 * job.n), split_range, &job);
    return BRINK_OK;
}

brink_status cpu_bias_add(const kernel_args *a)
{
    const tensor *skip = kernel_in(a, 2);
    bias_job job;
    int64_t rows;
    TRY(describe(a, &job, &rows));
    if (skip == NULL || skip->type != BRINK_F32 || tensor_count(skip) != rows * job.n)
        return kernel_fail(a, BRINK_BAD_INPUT, "skip does not have the input's shape");
    job.skip = skip->data;
    thread_for(a->context->pool, rows, grain_for(job.n), add_range, &job);
    return BRINK_OK;
}
