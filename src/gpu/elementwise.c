/* elementwise.c — elementwise operators and the planner's chains of them, as generated WGSL.

   Source: ONNX, graph/chain.h. A chain of any length is one dispatch that reads each operand once. */
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"
#include "graph/chain.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WALK_RANK = 8, OPERANDS = GPU_BINDINGS - 1, HEAD = 8192 /* bytes */ };

typedef struct walk {
    uint32_t count, rank, unused[2];
    uint32_t dims[WALK_RANK];
    uint32_t strides[12 * 4];
} walk;
_Static_assert(sizeof(walk) <= GPU_PARAMETERS, "a uniform block");

typedef struct text {
    char data[HEAD];
    size_t used;
} text;

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->data + t->used, HEAD - t->used, format, args);
    va_end(args);
    t->used += n < 0 ? 0 : (size_t)n;
    if (t->used >= HEAD)
        t->used = HEAD - 1;
}

/* ── Bindings: each value once, though an operator may read it twice ── */

typedef struct operands {
    const tensor *list[GPU_BINDINGS]; /* the output first */
    uint32_t count;
} operands;

/* The binding of t, from 1 on; 0 where there is no room. */
static uint32_t bind(operands *o, const tensor *t)
{
    for (uint32_t i = 1; i < o->count; i++)
        if (gpu_root(o->list[i]) == gpu_root(t))
            return i;
    if (o->count == GPU_BINDINGS)
        return 0;
    o->list[o->count] = t;
    return o->count++;
}

static void put_bindings(text *t, const operands *o)
{
    put(t, "@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;\n");
    for (uint32_t i = 1; i < o->count; i++)
        put(t, "@group(0) @binding(%u) var<storage, ACCESS_%u> x%u: array<f32>;\n", i + 1, i + 1,
            i);
    put(t, "%s", gpu_source_functions);
}

static brink_status encode(gpu_program *g, const operands *o, const text *head, walk *w)
{
    int64_t count = tensor_count(o->list[0]);
    if (count > UINT32_MAX)
        return core_fail(g->d->context, BRINK_OUT_OF_MEMORY, "gpu: a tensor of %lld elements",
                         (long long)count);
    w->count = (uint32_t)count;
    gpu_dispatch d = {.head = head->data,
                      .body = gpu_source_elementwise,
                      .count = o->count,
                      .parameters = w,
                      .bytes = sizeof *w,
                      .groups = ((uint64_t)count + 63) / 64};
    memcpy(d.tensors, o->list, sizeof d.tensors);
    return gpu_encode(g, &d);
}

static bool all_f32(const kernel_args *a, uint32_t inputs)
{
    for (uint32_t i = 0; i < inputs; i++)
        if (kernel_in(a, i) == NULL || a->in[i]->type != BRINK_F32)
            return false;
    return a->out_count != 0 && a->out[0] != NULL && a->out[0]->type == BRINK_F32;
}

/* A literal of exactly this value: its bits. */
static void put_number(text *t, const char *name, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put(t, "    let %s = bitcast<f32>(0x%08xu + zero_);\n", name, bits);
}

/* How `count` inputs broadcast to the output. */
static brink_status put_walk(const kernel_args *a, const tensor *const *in, uint32_t count, walk *w)
{
    nd n;
    nd_broadcast(&n, a->out[0], in, count);
    nd_collapse(&n);
    if (n.rank > WALK_RANK)
        return kernel_fail(a, BRINK_UNSUPPORTED, "gpu: more than %d dimensions", WALK_RANK);
    w->rank = n.rank;
    for (uint32_t d = 0; d < n.rank; d++) {
        w->dims[d] = (uint32_t)n.dims[d];
        for (uint32_t k = 0; k < count; k++)
            w->strides[k * WALK_RANK + d] = (uint32_t)n.stride[k + 1][d];
    }
    return BRINK_OK;
}

/* `expression` of x, of y with two inputs, and of two numbers p and q where they are given. */
static brink_status map(gpu_program *g, const kernel_args *a, uint32_t inputs,
                        const char *expression, const float *pq)
{
    if (!all_f32(a, inputs) || (inputs != a->in_count && inputs == 2))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    operands o = {.list = {a->out[0]}, .count = 1};
    walk w = {0};
    text head = {.used = 0};
    uint32_t at[2] = {0};
    for (uint32_t k = 0; k < inputs; k++)
        at[k] = bind(&o, a->in[k]);
    put_bindings(&head, &o);
    TRY(put_walk(a, a->in, inputs, &w));
    bool flat = w.rank == 1;
    for (uint32_t k = 0; k < inputs; k++)
        flat = flat && w.strides[k * WALK_RANK] == 1;
    put(&head, "fn f(x: f32, y: f32) -> f32 {\n");
    for (uint32_t k = 0; pq != NULL && k < 2; k++)
        put_number(&head, k == 0 ? "p" : "q", pq[k]);
    put(&head, "    return %s;\n}\n", expression);
    const char *where = flat ? "i" : "at(i, %uu)";
    put(&head, "fn value(i: u32) -> f32 { return f(");
    for (uint32_t k = 0; k < 2; k++) {
        char index[24];
        snprintf(index, sizeof index, where, k);
        if (k < inputs)
            put(&head, "%sx%u[%s]", k == 0 ? "" : ", ", at[k], index);
        else
            put(&head, ", 0.0");
    }
    put(&head, "); }\n");
    return encode(g, &o, &head, &w);
}

#define UNARY(name, expression)                                                                    \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return map(g, a, 1, expression, NULL);                                                     \
    }
#define BINARY(name, expression)                                                                   \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return map(g, a, 2, expression, NULL);                                                     \
    }
BINARY(add, "x + y")
BINARY(sub, "x - y")
BINARY(mul, "x * y")
BINARY(div, "x / y")
BINARY(min, "min_(x, y)")
BINARY(max, "max_(x, y)")
UNARY(abs, "abs(x)")
UNARY(neg, "-x")
UNARY(sqrt, "sqrt(x)")
UNARY(reciprocal, "1.0 / x")
UNARY(exp, "exp_(x)")
UNARY(log, "log_(x)")
UNARY(erf, "erf_(x)")
UNARY(sin, "sin_(x, 0)")
UNARY(cos, "sin_(x, 1)")
UNARY(tanh, "tanh_(x)")
UNARY(sigmoid, "sigmoid_(x)")
UNARY(relu, "select(x, 0.0, x < 0.0)")
UNARY(floor, "floor(x)")
UNARY(ceil, "ceil(x)")
UNARY(round, "round(x)")
UNARY(softplus, "max_(x, 0.0) + log(1.0 + exp_(-abs(x)))")
UNARY(softsign, "x / (1.0 + abs(x))")
UNARY(hard_swish, "x * clamp(x / 6.0 + 0.5, 0.0, 1.0)")

/* Those with attributes. */
#define UNARY_WITH(name, p, q, expression)                                                         \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return map(g, a, 1, expression, (const float[]){p, q});                                    \
    }
#define FLOAT(name, value) onnx_float(a->node, ATTR_##name, value)
UNARY_WITH(leaky_relu, FLOAT(alpha, 0.01f), 0, "select(x, p * x, x < 0.0)")
UNARY_WITH(elu, FLOAT(alpha, 1), 0, "select(x, p * expm1_(x), x < 0.0)")
UNARY_WITH(selu, FLOAT(alpha, 1.67326319217681884765625f), FLOAT(gamma, 1.05070102214813232421875f),
           "q * select(x, p * expm1_(x), x < 0.0)")
UNARY_WITH(hard_sigmoid, FLOAT(alpha, 0.2f), FLOAT(beta, 0.5f), "max_(0.0, min_(1.0, p * x + q))")
UNARY_WITH(thresholded_relu, FLOAT(alpha, 1), 0, "select(0.0, x, x > p)")
UNARY_WITH(swish, FLOAT(alpha, 1), 0, "x * sigmoid_(p * x)")
UNARY_WITH(quick_gelu, FLOAT(alpha, 1.702f), 0, "x * sigmoid_(p * x)")

#define GELU "0.5 * x * (1.0 + erf_(x * 0.70710678))"
#define GELU_TANH "x * sigmoid_(1.59576912 * (x + 0.044715 * x * x * x))"
brink_status gpu_gelu(gpu_program *g, const kernel_args *a)
{
    const char *how = onnx_string(a->node, ATTR_approximate, "none");
    return map(g, a, 1, strcmp(how, "tanh") == 0 ? GELU_TANH : GELU, NULL);
}

/* The condition's bytes lie four a word. */
brink_status gpu_where(gpu_program *g, const kernel_args *a)
{
    const tensor *const *in = a->in, *out = a->out[0];
    if (in[0]->type != BRINK_BOOL || in[1]->type != BRINK_F32 || in[2]->type != BRINK_F32 ||
        out->type != BRINK_F32)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    operands o = {.list = {out}, .count = 1};
    walk w = {0};
    text head = {.used = 0};
    uint32_t x = bind(&o, in[1]), y = bind(&o, in[2]);
    put_bindings(&head, &o);
    o.list[o.count++] = in[0];
    put(&head, "@group(0) @binding(%u) var<storage, ACCESS_%u> bits: array<u32>;\n", o.count,
        o.count);
    TRY(put_walk(a, in, 3, &w));
    put(&head,
        "fn value(i: u32) -> f32 {\n"
        "    let c = at(i, 0u);\n"
        "    return select(x%u[at(i, 2u)], x%u[at(i, 1u)], (bits[c / 4u] >> (8u * (c %% 4u)) & 255u) "
        "!= 0u);\n}\n",
        y, x);
    return encode(g, &o, &head, &w);
}

/* ── Chains ── */

static const char *const chain_text[] = {
    [CHAIN_ADD] = "x + y",
    [CHAIN_SUB] = "x - y",
    [CHAIN_SUB_FROM] = "y - x",
    [CHAIN_MUL] = "x * y",
    [CHAIN_DIV] = "x / y",
    [CHAIN_DIV_INTO] = "y / x",
    [CHAIN_MIN] = "min_(x, y)",
    [CHAIN_MAX] = "max_(x, y)",
    [CHAIN_NEG] = "-x",
    [CHAIN_ABS] = "abs(x)",
    [CHAIN_SQUARE] = "x * x",
    [CHAIN_SQRT] = "sqrt(x)",
    [CHAIN_RECIPROCAL] = "1.0 / x",
    [CHAIN_CLIP] = "select(min(max(x, p), q), x, nan_(x))",
    [CHAIN_SLOPE] = "select(x, p * x, x < 0.0)",
    [CHAIN_EXP] = "exp_(x)",
    [CHAIN_ERF] = "erf_(x)",
    [CHAIN_TANH] = "tanh_(x)",
    [CHAIN_SIGMOID] = "sigmoid_(x)",
    [CHAIN_GELU] = GELU,
    [CHAIN_GELU_TANH] = GELU_TANH,
    [CHAIN_SWISH] = "x * sigmoid_(p * x)",
    [CHAIN_HARD_SIGMOID] = "clamp(p * x + q, 0.0, 1.0)",
    [CHAIN_HARD_SWISH] = "x * clamp(x / 6.0 + 0.5, 0.0, 1.0)",
};

/* The run and period with which a chain's operand meets the output (see graph/chain.h). */
static void period_of(const tensor *out, const tensor *operand, uint32_t *run, uint32_t *period)
{
    *period = (uint32_t)tensor_count(operand);
    *run = 1;
    for (uint32_t k = operand->rank; *period > 1 && k-- > 0 && operand->dims[k] == 1;)
        *run *= (uint32_t)out->dims[k + out->rank - operand->rank];
}

brink_status gpu_chain(gpu_program *g, const kernel_args *a)
{
    const onnx_attr *steps = onnx_find(a->node, ATTR_steps);
    const onnx_attr *weights = onnx_find(a->node, ATTR_weights);
    if (!all_f32(a, a->in_count) || steps == NULL || a->in_count > OPERANDS)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    operands o = {.list = {a->out[0]}, .count = 1};
    walk w = {0};
    text head = {.used = 0}, body = {.used = 0};
    put(&body, "fn value(i: u32) -> f32 {\n  var x = x%u[i];\n", bind(&o, a->in[0]));
    for (uint64_t k = 0; k < steps->count / 2; k++) {
        uint32_t function = (uint32_t)steps->ints[2 * k], input = (uint32_t)steps->ints[2 * k + 1];
        put(&body, "  {\n");
        if (function >= CHAIN_BINARIES) {
            put_number(&body, "p", weights->floats[2 * k]);
            put_number(&body, "q", weights->floats[2 * k + 1]);
        }
        if (function < CHAIN_BINARIES) {
            uint32_t at = bind(&o, a->in[input]);
            period_of(a->out[0], a->in[input], &w.strides[4 * input], &w.strides[4 * input + 1]);
            put(&body, "    let y = x%u[repeated(i, %uu)];\n", at, input);
        }
        put(&body, "    x = %s;\n  }\n", chain_text[function]);
    }
    put(&body, "  return x;\n}\n");
    put_bindings(&head, &o);
    put(&head, "%s", body.data);
    return encode(g, &o, &head, &w);
}
