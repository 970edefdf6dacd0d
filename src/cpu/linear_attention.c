/* linear_attention.c — LinearAttention: a recurrent state in place of a key-value cache.

   Source: ONNX LinearAttention-27. For each step the state S [d, dv] of a key-value head decays by
   exp(g), takes in k ⊗ v (in the delta rules v − Sᵀk times beta), and is read by the query heads
   that share it. Bound by memory: S passes once a step and stays in the cache of the thread that has
   its head. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

typedef struct linear_job {
    int64_t batch, steps, heads, kv_heads, d, dv;
    int64_t gates, rates; /* entries of decay and beta a step */
    const float *q, *k, *v, *past, *decay, *beta;
    float *y, *state;
    float scale;
    float *memory; /* [threads, dv] */
} linear_job;

static void linear_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const linear_job *job = arg;
    int64_t d = job->d, dv = job->dv, shared = job->heads / job->kv_heads;
    float *update = job->memory + thread * dv;
    for (int64_t i = begin; i < end; i++) {
        int64_t b = i / job->kv_heads, head = i % job->kv_heads;
        float *state = job->state + i * d * dv;
        if (job->past != NULL)
            memcpy(state, job->past + i * d * dv, (size_t)(d * dv) * sizeof(float));
        else
            memset(state, 0, (size_t)(d * dv) * sizeof(float));
        for (int64_t t = 0; t < job->steps; t++) {
            int64_t at = b * job->steps + t;
            const float *k = job->k + (at * job->kv_heads + head) * d;
            const float *v = job->v + (at * job->kv_heads + head) * dv;
            if (job->decay != NULL) {
                bool each = job->gates != job->kv_heads;
                const float *g = job->decay + at * job->gates + (each ? head * d : head);
                float factor = expf(*g);
                for (int64_t r = 0; r < d; r++) {
                    factor = each ? expf(g[r]) : factor;
                    for (int64_t c = 0; c < dv; c++)
                        state[r * dv + c] *= factor;
                }
            }
            if (job->beta != NULL) {
                float rate = job->beta[at * job->rates + (job->rates == 1 ? 0 : head)];
                memset(update, 0, (size_t)dv * sizeof(float));
                for (int64_t r = 0; r < d; r++)
                    simd()->axpy(update, k[r], state + r * dv, dv);
                for (int64_t c = 0; c < dv; c++)
                    update[c] = rate * (v[c] - update[c]);
                v = update;
            }
            for (int64_t r = 0; r < d; r++)
                simd()->axpy(state + r * dv, k[r], v, dv);
            for (int64_t h = head * shared; job->y != NULL && h < (head + 1) * shared; h++) {
                const float *q = job->q + (at * job->heads + h) * d;
                float *y = job->y + (at * job->heads + h) * dv;
                memset(y, 0, (size_t)dv * sizeof(float));
                for (int64_t r = 0; r < d; r++)
                    simd()->axpy(y, q[r] * job->scale, state + r * dv, dv);
            }
        }
    }
}

/* decay and beta, as the update rule asks for them. */
static brink_status gates(const kernel_args *a, linear_job *job)
{
    const char *rule = onnx_string(a->node, ATTR_update_rule, "gated_delta");
    bool gated = strncmp(rule, "gated", 5) == 0, delta = strstr(rule, "delta") != NULL;
    const tensor *decay = kernel_in(a, 4), *beta = kernel_in(a, 5);
    if (!gated && !delta && strcmp(rule, "linear") != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "update_rule %s", rule);
    if (gated != (decay != NULL) || delta != (beta != NULL))
        return kernel_fail(a, BRINK_BAD_INPUT, "decay or beta is missing or too much for rule %s",
                           rule);
    int64_t steps = job->batch * job->steps;
    if (decay != NULL) {
        job->gates = decay->rank == 3 ? decay->dims[2] : 0;
        job->decay = decay->data;
        if ((job->gates != job->kv_heads && job->gates != job->kv_heads * job->d) ||
            tensor_count(decay) != steps * job->gates)
            return kernel_fail(a, BRINK_BAD_INPUT, "decay does not fit %lld heads of %lld",
                               (long long)job->kv_heads, (long long)job->d);
    }
    if (beta != NULL) {
        job->rates = beta->rank == 3 ? beta->dims[2] : 0;
        job->beta = beta->data;
        if ((job->rates != job->kv_heads && job->rates != 1) ||
            tensor_count(beta) != steps * job->rates)
            return kernel_fail(a, BRINK_BAD_INPUT, "beta does not fit %lld heads",
                               (long long)job->kv_heads);
    }
    return BRINK_OK;
}

brink_status cpu_linear_attention(const kernel_args *a)
{
    const tensor *q = a->in[0], *k = a->in[1], *v = a->in[2], *past = kernel_in(a, 3);
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i] != NULL && a->in[i]->type != BRINK_F32)
            return kernel_bad_type(a, a->in[i]->type);
    linear_job job = {.batch = q->dims[0],
                      .steps = q->dims[1],
                      .heads = onnx_int(a->node, ATTR_q_num_heads, 0),
                      .kv_heads = onnx_int(a->node, ATTR_kv_num_heads, 0),
                      .q = q->data,
                      .k = k->data,
                      .v = v->data,
                      .past = past != NULL ? past->data : NULL,
                      .scale = onnx_float(a->node, ATTR_scale, 0)};
    job.d = q->dims[2] / job.heads; /* the shape rule has checked the heads */
    job.dv = v->dims[2] / job.kv_heads;
    int64_t rows = job.batch * job.steps, states = job.batch * job.kv_heads * job.d * job.dv;
    if (tensor_count(k) != rows * job.kv_heads * job.d ||
        tensor_count(v) != rows * job.kv_heads * job.dv ||
        (past != NULL && tensor_count(past) != states))
        return kernel_fail(a, BRINK_BAD_INPUT, "key, value or past_state does not fit the query");
    TRY(gates(a, &job));
    if (job.scale == 0)
        job.scale = job.d > 0 ? 1 / sqrtf((float)job.d) : 1;
    uint64_t threads = thread_pool_size(a->context->pool);
    tensor *y = kernel_out(a, 0), *present = kernel_out(a, 1);
    uint64_t extra = present == NULL ? (uint64_t)states : 0;
    job.memory = kernel_scratch(a, (threads * (uint64_t)job.dv + extra) * sizeof(float));
    if (job.memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    job.state = present != NULL ? present->data : job.memory + threads * (uint64_t)job.dv;
    job.y = y != NULL ? y->data : NULL;
    thread_for(a->context->pool, job.batch * job.kv_heads, grain_for(job.steps * job.d * job.dv),
               linear_range, &job);
    return BRINK_OK;
}
