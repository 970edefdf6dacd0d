/* chain.c — several elementwise functions on a block of elements at a time, the planner's Elementwise.

   Source: graph/chain.h. Bound by memory: an element is read and written once, whatever the number
   of steps, as a block (4 KiB of the output, worked on in place) stays in the first cache. Each step
   is what its operator's own kernel computes. */
#include "graph/chain.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <math.h>

enum { BLOCK = 1024 };

typedef struct chain_step {
    chain_function function;
    const float *operand; /* element i of the output meets operand[i / inner % size] */
    int64_t inner, size;
    float p, q;
} chain_step;

typedef struct chain_job {
    const float *x;
    float *to;
    uint32_t count;
    chain_step steps[CHAIN_STEPS];
} chain_job;

#define EACH(expr)                                                                                 \
    for (int64_t i = 0; i < n; i++) {                                                              \
        float x = from[i];                                                                         \
        to[i] = (expr);                                                                            \
    }                                                                                              \
    return
#define BOTH(expr)                                                                                 \
    if (repeated) {                                                                                \
        float y = *operand;                                                                        \
        EACH(expr);                                                                                \
    }                                                                                              \
    for (int64_t i = 0; i < n; i++) {                                                              \
        float x = from[i], y = operand[i];                                                         \
        to[i] = (expr);                                                                            \
    }                                                                                              \
    return

/* to = function(from, operand), whose one element may be repeated; from may be to. */
static void binary(chain_function function, float *to, const float *from, const float *operand,
                   bool repeated, int64_t n)
{
    switch (function) {
    case CHAIN_ADD:
        BOTH(x + y);
    case CHAIN_SUB:
        BOTH(x - y);
    case CHAIN_SUB_FROM:
        BOTH(y - x);
    case CHAIN_MUL:
        BOTH(x * y);
    case CHAIN_DIV:
        BOTH(x / y);
    case CHAIN_DIV_INTO:
        BOTH(y / x);
    case CHAIN_MIN:
        BOTH(x != x || x < y ? x : y);
    default:
        BOTH(x != x || x > y ? x : y);
    }
}

/* x * sigmoid(p * x) */
static void swish(float *to, const float *from, float p, int64_t n)
{
    float gate[256];
    if (p == 1) {
        simd()->silu(to, from, n);
        return;
    }
    for (int64_t at = 0; at < n; at += 256) {
        int64_t count = n - at < 256 ? n - at : 256;
        for (int64_t i = 0; i < count; i++)
            gate[i] = p * from[at + i];
        simd()->sigmoid(gate, gate, count);
        for (int64_t i = 0; i < count; i++)
            to[at + i] = from[at + i] * gate[i];
    }
}

static void unary(const chain_step *s, float *to, const float *from, int64_t n)
{
    float p = s->p, q = s->q;
    switch (s->function) {
    case CHAIN_NEG:
        EACH(-x);
    case CHAIN_ABS:
        EACH(fabsf(x));
    case CHAIN_SQUARE:
        EACH(x * x);
    case CHAIN_SQRT:
        EACH(sqrtf(x));
    case CHAIN_RECIPROCAL:
        EACH(1 / x);
    case CHAIN_CLIP:
        EACH(x < p ? p : x > q ? q : x);
    case CHAIN_SLOPE:
        EACH(x < 0 ? p * x : x);
    case CHAIN_EXP:
        simd()->exp(to, from, n);
        return;
    case CHAIN_ERF:
        simd()->erf(to, from, n);
        return;
    case CHAIN_TANH:
        simd()->tanh(to, from, n);
        return;
    case CHAIN_SIGMOID:
        simd()->sigmoid(to, from, n);
        return;
    case CHAIN_GELU:
        simd()->gelu(to, from, n);
        return;
    case CHAIN_GELU_TANH:
        simd()->gelu_tanh(to, from, n);
        return;
    case CHAIN_SWISH:
        swish(to, from, p, n);
        return;
    case CHAIN_HARD_SIGMOID:
        EACH(p * x + q < 0 ? 0 : p * x + q > 1 ? 1 : p * x + q);
    default:
        EACH(x * fmaxf(0, fminf(1, x / 6 + 0.5f)));
    }
}

/* Elements [at, at + n) of the output, in stretches in which the operand runs on or stays. */
static void run_step(const chain_step *s, float *to, const float *from, int64_t at, int64_t n)
{
    if (s->operand == NULL) {
        unary(s, to, from, n);
        return;
    }
    bool repeated = s->inner > 1 || s->size == 1;
    for (int64_t done = 0, count; done < n; done += count) {
        int64_t i = at + done, slot = i / s->inner % s->size;
        count = s->size == 1 ? n : s->inner > 1 ? s->inner - i % s->inner : s->size - slot;
        count = count < n - done ? count : n - done;
        binary(s->function, to + done, from + done, s->operand + slot, repeated, count);
    }
}

static void chain_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const chain_job *job = arg;
    for (int64_t at = begin; at < end; at += BLOCK) {
        int64_t n = end - at < BLOCK ? end - at : BLOCK;
        const float *from = job->x + at;
        for (uint32_t i = 0; i < job->count; i++, from = job->to + at)
            run_step(&job->steps[i], job->to + at, from, at, n);
    }
}

/* How the operand repeats: see chain_step. */
static void measure(chain_step *s, const tensor *operand, const tensor *out)
{
    uint32_t axis = out->rank, last = operand->rank;
    s->operand = operand->data;
    s->size = tensor_count(operand);
    s->inner = 1;
    while (last > 0 && operand->dims[last - 1] == 1) {
        last--;
        s->inner *= out->dims[--axis];
    }
}

brink_status cpu_chain(const kernel_args *a)
{
    tensor *out = a->out[0];
    const onnx_attr *steps = onnx_find(a->node, ATTR_steps),
                    *weights = onnx_find(a->node, ATTR_weights);
    chain_job job = {.x = a->in[0]->data, .to = out->data, .count = steps->count / 2};
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i]->type != BRINK_F32)
            return kernel_bad_type(a, a->in[i]->type);
    for (uint32_t i = 0; i < job.count; i++) {
        chain_step *s = &job.steps[i];
        *s = (chain_step){.function = (chain_function)steps->ints[2 * i],
                          .p = weights->floats[2 * i],
                          .q = weights->floats[2 * i + 1]};
        if (steps->ints[2 * i + 1] != 0)
            measure(s, a->in[steps->ints[2 * i + 1]], out);
    }
    thread_for(a->context->pool, tensor_count(out), 8192, chain_range, &job);
    return BRINK_OK;
}
