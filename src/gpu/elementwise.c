/* elementwise.c — elementwise operators and the planner's chains of them, as generated WGSL.

   Source: ONNX, graph/chain.h. A chain of any length is one dispatch that reads each operand once. */
#include "gpu/sources.h"
#include "gpu/walk.h"
#include "graph/chain.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 3 }; /* inputs: what a walk takes */

static bool all_f32(const kernel_args *a, uint32_t inputs)
{
    for (uint32_t i = 0; i < inputs; i++)
        if (kernel_in(a, i) == NULL || a->in[i]->type != BRINK_F32)
            return false;
    return a->out_count != 0 && a->out[0] != NULL && a->out[0]->type == BRINK_F32;
}

/* `expression` of the inputs x, y, z in this order, and of two numbers p and q where they
   are given. */
static brink_status map_of(gpu_program *g, const kernel_args *a, const tensor *const *in,
                           uint32_t inputs, const char *functions, const char *expression,
                           const float *pq)
{
    gpu_operands o = {.list = {a->out[0]}, .count = 1};
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0};
    uint32_t at[MOST] = {0};
    for (uint32_t k = 0; k < inputs; k++)
        at[k] = gpu_bind(&o, in[k]);
    gpu_put_storage(&head, &o);
    gpu_put(&head, "%s", functions);
    TRY(gpu_put_walk(a, in, inputs, &w));
    bool flat = w.rank == 1;
    for (uint32_t k = 0; k < inputs; k++)
        flat = flat && w.strides[k * GPU_WALK_RANK] == 1;
    gpu_put(&head, "fn value(i: u32) -> f32 {\n");
    for (uint32_t k = 0; pq != NULL && k < 2; k++)
        gpu_put_number(&head, k == 0 ? "p" : "q", pq[k]);
    for (uint32_t k = 0; k < inputs; k++)
        gpu_put(&head, flat ? "    let %c = x%u[i];\n" : "    let %c = x%u[at(i, %uu)];\n",
                "xyz"[k], at[k], k);
    gpu_put(&head, "    return %s;\n}\n", expression);
    return gpu_encode_walk(g, &o, &head, &w);
}

static brink_status map(gpu_program *g, const kernel_args *a, uint32_t inputs,
                        const char *expression, const float *pq)
{
    if (!all_f32(a, inputs) || (inputs != a->in_count && inputs >= 2))
        return BRINK_UNSUPPORTED;
    return g == NULL ? BRINK_OK : map_of(g, a, a->in, inputs, "", expression, pq);
}

/* … with the functions of special.wgsl. */
static brink_status special(gpu_program *g, const kernel_args *a, uint32_t inputs,
                            const char *expression)
{
    if (!all_f32(a, inputs) || inputs != a->in_count)
        return BRINK_UNSUPPORTED;
    return g == NULL ? BRINK_OK : map_of(g, a, a->in, inputs, gpu_source_special, expression, NULL);
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
UNARY(tan, "sin_(x, 0) / sin_(x, 1)")
UNARY(hard_swish, "x * clamp(x / 6.0 + 0.5, 0.0, 1.0)")

#define SPECIAL(name, inputs, expression)                                                          \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return special(g, a, inputs, expression);                                                  \
    }
SPECIAL(sign, 1, "sign_(x)")
SPECIAL(asin, 1, "asin_(x)")
SPECIAL(acos, 1, "acos_(x)")
SPECIAL(atan, 1, "atan_(x)")
SPECIAL(sinh, 1, "sinh_(x)")
SPECIAL(cosh, 1, "cosh_(x)")
SPECIAL(asinh, 1, "asinh_(x)")
SPECIAL(acosh, 1, "acosh_(x)")
SPECIAL(atanh, 1, "atanh_(x)")
SPECIAL(mish, 1, "mish_(x)")
SPECIAL(pow, 2, "pow_(x, y)")

/* Those with attributes. */
#define UNARY_WITH(name, p, q, expression)                                                         \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return map(g, a, 1, expression, (const float[]){p, q});                                    \
    }
#define FLOAT(name, value) onnx_float(a->node, ATTR_##name, value)
#define OLD (a->node->opset < 6)
UNARY_WITH(leaky_relu, FLOAT(alpha, 0.01f), 0, "select(x, p * x, x < 0.0)")
UNARY_WITH(elu, FLOAT(alpha, 1), 0, "select(x, p * expm1_(x), x < 0.0)")
UNARY_WITH(selu, FLOAT(alpha, OLD ? 1.6732f : 1.67326319217681884765625f),
           FLOAT(gamma, OLD ? 1.0507f : 1.05070102214813232421875f),
           "q * select(x, p * expm1_(x), x < 0.0)")
UNARY_WITH(hard_sigmoid, FLOAT(alpha, 0.2f), FLOAT(beta, 0.5f), "max_(0.0, min_(1.0, p * x + q))")
UNARY_WITH(thresholded_relu, FLOAT(alpha, 1), 0, "select(0.0, x, x > p)")
UNARY_WITH(swish, FLOAT(alpha, 1), 0, "x * sigmoid_(p * x)")
UNARY_WITH(quick_gelu, FLOAT(alpha, 1.702f), 0, "x * sigmoid_(p * x)")
UNARY_WITH(celu, FLOAT(alpha, 1), 0, "max_(0.0, x) + min_(0.0, p * expm1_(x / p))")
UNARY_WITH(shrink, FLOAT(lambd, 0.5f), FLOAT(bias, 0),
           "select(select(select(0.0, x - q, x > p), x + q, x < -p), 0.0, nan_(x))")

/* Below opset 7 a slope of one dimension was one a channel. */
brink_status gpu_prelu(gpu_program *g, const kernel_args *a)
{
    return a->node->opset < 7 ? BRINK_UNSUPPORTED : map(g, a, 2, "select(x, x * y, x < 0.0)", NULL);
}

brink_status gpu_swiglu(gpu_program *g, const kernel_args *a)
{
    return map(g, a, 2, "x * sigmoid_(p * x) * y", (const float[]){FLOAT(alpha, 1), 0});
}

#define GELU "0.5 * x * (1.0 + erf_(x * 0.70710678))"
#define GELU_TANH "x * sigmoid_(1.59576912 * (x + 0.044715 * x * x * x))"
brink_status gpu_gelu(gpu_program *g, const kernel_args *a)
{
    const char *how = onnx_string(a->node, ATTR_approximate, "none");
    return map(g, a, 1, strcmp(how, "tanh") == 0 ? GELU_TANH : GELU, NULL);
}

brink_status gpu_bias_gelu(gpu_program *g, const kernel_args *a)
{
    return map(g, a, 2, "0.5 * (x + y) * (1.0 + erf_((x + y) * 0.70710678))", NULL);
}

brink_status gpu_fast_gelu(gpu_program *g, const kernel_args *a)
{
    if (kernel_in(a, 1) == NULL)
        return map(g, a, 1, GELU_TANH, NULL);
    return map(
        g, a, 2,
        "(x + y) * sigmoid_(1.59576912 * ((x + y) + 0.044715 * (x + y) * (x + y) * (x + y)))",
        NULL);
}

brink_status gpu_bias_add(gpu_program *g, const kernel_args *a)
{
    return map(g, a, 3, "x + y + z", NULL);
}

/* Any number of inputs, `pair` of the first two, then of that and the next. */
static brink_status variadic(gpu_program *g, const kernel_args *a, const char *pair,
                             const char *after)
{
    char expression[512] = "x";
    size_t used = 1;
    if (a->in_count == 0 || a->in_count > MOST || !all_f32(a, a->in_count))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    for (uint32_t i = 1; i < a->in_count; i++) { /* f(so far, next) */
        char before[512];
        memcpy(before, expression, sizeof before);
        used = (size_t)snprintf(expression, sizeof expression, "%s(%.*s, %c)", pair, (int)used,
                                before, "xyz"[i]);
    }
    snprintf(expression + used, sizeof expression - used, "%s", after);
    return map_of(g, a, a->in, a->in_count, "fn add_(x: f32, y: f32) -> f32 { return x + y; }\n",
                  expression, NULL);
}

brink_status gpu_min(gpu_program *g, const kernel_args *a)
{
    return variadic(g, a, "min_", "");
}

brink_status gpu_max(gpu_program *g, const kernel_args *a)
{
    return variadic(g, a, "max_", "");
}

brink_status gpu_sum(gpu_program *g, const kernel_args *a)
{
    return variadic(g, a, "add_", "");
}

brink_status gpu_mean(gpu_program *g, const kernel_args *a)
{
    char share[32];
    snprintf(share, sizeof share, " / %u.0", a->in_count);
    return variadic(g, a, "add_", share);
}

/* Bounds are attributes or, from opset 11 on, scalars that may be missing. */
brink_status gpu_clip(gpu_program *g, const kernel_args *a)
{
    const tensor *in[3] = {a->in[0]};
    const float most = 3.402823466e+38f;
    float bounds[2] = {-most, most};
    uint32_t count = 1;
    char low = 'p', high = 'q', expression[64];
    if (a->node->opset < 11) {
        bounds[0] = FLOAT(min, -most);
        bounds[1] = FLOAT(max, most);
    }
    if (!gpu_is_f32(in[0]) || !gpu_is_f32(a->out[0]))
        return BRINK_UNSUPPORTED;
    for (uint32_t i = 1; i < 3 && a->node->opset >= 11; i++)
        if (kernel_in(a, i) != NULL) {
            *(i == 1 ? &low : &high) = "xyz"[count];
            in[count++] = a->in[i];
            if (!gpu_is_f32(a->in[i]))
                return BRINK_UNSUPPORTED;
        }
    if (g == NULL)
        return BRINK_OK;
    snprintf(expression, sizeof expression, "select(min_(%c, max_(x, %c)), x, nan_(x))", high, low);
    return map_of(g, a, in, count, "", expression, bounds);
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

/* `x` after the steps of a chain in WGSL, where each operand is called y; returns the length. */
size_t gpu_chain_text(const onnx_node *node, char *to, size_t size)
{
    const onnx_attr *steps = onnx_find(node, ATTR_steps), *weights = onnx_find(node, ATTR_weights);
    gpu_wgsl t = {.used = 0};
    for (uint64_t k = 0; k < steps->count / 2; k++) {
        uint32_t function = (uint32_t)steps->ints[2 * k];
        gpu_put(&t, "  {\n");
        if (function >= CHAIN_BINARIES) {
            gpu_put_number(&t, "p", weights->floats[2 * k]);
            gpu_put_number(&t, "q", weights->floats[2 * k + 1]);
        }
        gpu_put(&t, "    x = %s;\n  }\n", chain_text[function]);
    }
    return (size_t)snprintf(to, size, "%s", t.data);
}

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
    if (!all_f32(a, a->in_count) || steps == NULL || a->in_count >= GPU_BINDINGS)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    gpu_operands o = {.list = {a->out[0]}, .count = 1};
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0}, body = {.used = 0};
    gpu_put(&body, "fn value(i: u32) -> f32 {\n  var x = x%u[i];\n", gpu_bind(&o, a->in[0]));
    for (uint64_t k = 0; k < steps->count / 2; k++) {
        uint32_t function = (uint32_t)steps->ints[2 * k], input = (uint32_t)steps->ints[2 * k + 1];
        gpu_put(&body, "  {\n");
        if (function >= CHAIN_BINARIES) {
            gpu_put_number(&body, "p", weights->floats[2 * k]);
            gpu_put_number(&body, "q", weights->floats[2 * k + 1]);
        }
        if (function < CHAIN_BINARIES) {
            uint32_t at = gpu_bind(&o, a->in[input]);
            period_of(a->out[0], a->in[input], &w.strides[4 * input], &w.strides[4 * input + 1]);
            gpu_put(&body, "    let y = x%u[repeated(i, %uu)];\n", at, input);
        }
        gpu_put(&body, "    x = %s;\n  }\n", chain_text[function]);
    }
    gpu_put(&body, "  return x;\n}\n");
    gpu_put_storage(&head, &o);
    gpu_put(&head, "%s", body.data);
    return gpu_encode_walk(g, &o, &head, &w);
}
