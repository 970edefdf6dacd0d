/* compare.c — elementwise operators whose types are mixed: comparisons, logic, Cast, Where.

   Source: ONNX; as cpu/compare.c, cpu/cast.c, cpu/where.c. A bool is a byte, 0 or 1. */
#include "gpu/sources.h"
#include "gpu/walk.h"

#include <stdio.h>

/* result(i) = `expression` of the inputs x, y, z, each of its class. */
static brink_status mixed(gpu_program *g, const kernel_args *a, uint32_t inputs,
                          const char *functions, const char *expression)
{
    gpu_operands o = {.list = {a->out[0]}, .count = 1};
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0};
    uint32_t at[3];
    for (uint32_t k = 0; k < inputs; k++)
        at[k] = gpu_bind(&o, a->in[k]);
    gpu_put_storage(&head, &o);
    TRY(gpu_put_walk(a, a->in, inputs, &w));
    gpu_put(&head, "%sfn result(i: u32) -> %s {\n", functions,
            gpu_class_name(gpu_class_of(a->out[0]->type)));
    for (uint32_t k = 0; k < inputs; k++)
        gpu_put(&head, "    let %c = load%u(at(i, %uu));\n", "xyz"[k], at[k], k);
    gpu_put(&head, "    return %s;\n}\n", expression);
    gpu_put_result(&head, a->out[0]);
    return gpu_encode_walk(g, &o, &head, &w);
}

static bool is_known(const tensor *t)
{
    return t != NULL && gpu_class_of(t->type) != GPU_NO_CLASS;
}

/* ── Comparisons ── */

/* By class, where the operands are numbers (NaN: never), and where they are pairs of words. */
static brink_status compare(gpu_program *g, const kernel_args *a, const char *numbers,
                            const char *words)
{
    static const char less[] = "fn less_(x: vec2<u32>, y: vec2<u32>) -> bool {\n"
                               "    return i32(x.y) < i32(y.y) || (x.y == y.y && x.x < y.x);\n}\n";
    if (a->in_count != 2 || !is_known(a->in[0]) || !is_known(a->in[1]) ||
        a->in[0]->type != a->in[1]->type || a->in[0]->type == BRINK_U64 ||
        a->out[0]->type != BRINK_BOOL)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    gpu_class c = gpu_class_of(a->in[0]->type);
    char expression[128];
    snprintf(expression, sizeof expression, "select(0u, 1u, %s%s)",
             c == GPU_FLOAT ? "!nan_(x) && !nan_(y) && " : "", c == GPU_LONG ? words : numbers);
    return mixed(g, a, 2, less, expression);
}

#define COMPARE(name, numbers, words)                                                              \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return compare(g, a, numbers, words);                                                      \
    }
COMPARE(equal, "x == y", "all(x == y)")
COMPARE(less, "x < y", "less_(x, y)")
COMPARE(less_or_equal, "x <= y", "!less_(y, x)")
COMPARE(greater, "x > y", "less_(y, x)")
COMPARE(greater_or_equal, "x >= y", "!less_(x, y)")

/* ── Logic, and what asks a float ── */

static brink_status ask(gpu_program *g, const kernel_args *a, uint32_t inputs, brink_type type,
                        const char *condition)
{
    for (uint32_t i = 0; i < inputs; i++)
        if (kernel_in(a, i) == NULL || a->in[i]->type != type)
            return BRINK_UNSUPPORTED;
    if (a->out[0]->type != BRINK_BOOL)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    char expression[160];
    snprintf(expression, sizeof expression, "select(0u, 1u, %s)", condition);
    return mixed(g, a, inputs, "", expression);
}

#define ASK(name, inputs, type, condition)                                                         \
    brink_status gpu_##name(gpu_program *g, const kernel_args *a)                                  \
    {                                                                                              \
        return ask(g, a, inputs, type, condition);                                                 \
    }
ASK(and, 2, BRINK_BOOL, "x != 0u && y != 0u")
ASK(or, 2, BRINK_BOOL, "x != 0u || y != 0u")
ASK(xor, 2, BRINK_BOOL, "x != y")
ASK(not, 1, BRINK_BOOL, "x == 0u")
ASK(is_nan, 1, BRINK_F32, "nan_(x)")

brink_status gpu_is_inf(gpu_program *g, const kernel_args *a)
{
    bool above = onnx_int(a->node, ATTR_detect_positive, 1) != 0;
    bool below = onnx_int(a->node, ATTR_detect_negative, 1) != 0;
    char condition[96];
    snprintf(condition, sizeof condition, "bitcast<u32>(x) == %s || bitcast<u32>(x) == %s",
             above ? "0x7f800000u" : "0xff800000u", below ? "0xff800000u" : "0x7f800000u");
    return ask(g, a, 1, BRINK_F32, above || below ? condition : "false");
}

/* ── Cast ── */

/* From one class to another; NULL: on the CPU. Floats become small integers by way of i32, cut and, out
   of its range, the least one. A class of bools asks for what is not 0. */
static const char *conversion(gpu_class source, brink_type to)
{
    static const char *const to_bool[] = {NULL, "select(0u, 1u, (bitcast<u32>(x) << 1u) != 0u)",
                                          "select(0u, 1u, x != 0)", "select(0u, 1u, x != 0u)",
                                          "select(0u, 1u, any(x != vec2<u32>()))"};
    static const char *const table[5][5] = {
        [GPU_FLOAT] = {NULL, "x", "cut_(x)", "u32(cut_(x))", NULL},
        [GPU_SIGNED] = {NULL, "f32(x)", "x", "u32(x)",
                        "vec2<u32>(u32(x), select(0u, 0xffffffffu, x < 0))"},
        [GPU_PLAIN] = {NULL, "f32(x)", "i32(x)", "x", "vec2<u32>(x, 0u)"},
        [GPU_LONG] = {NULL, "long_(x)", "i32(x.x)", "x.x", "x"},
    };
    return to == BRINK_BOOL ? to_bool[source] : table[source][gpu_class_of(to)];
}

static brink_status cast(gpu_program *g, const kernel_args *a, brink_type rounding)
{
    static const char functions[] =
        "fn cut_(x: f32) -> i32 {\n"
        "    return select(-2147483647 - 1, i32(x), abs(x) < 2147483648.0 && !nan_(x));\n}\n"
        "fn long_(x: vec2<u32>) -> f32 {\n"
        "    if (x.y == u32(i32(x.x) >> 31u)) { return f32(i32(x.x)); }\n"
        "    return f32(i32(x.y)) * 4294967296.0 + f32(x.x);\n}\n";
    const tensor *x = a->in[0], *out = a->out[0];
    if (!is_known(x) || !is_known(out) || x->type == BRINK_U64 || out->type == BRINK_U64 ||
        (x->type == BRINK_F32 && out->type == BRINK_U32))
        return BRINK_UNSUPPORTED;
    const char *what = conversion(gpu_class_of(x->type), out->type);
    if (what == NULL)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    char expression[160], all[4096];
    bool half = rounding == BRINK_F16 || rounding == BRINK_BF16;
    snprintf(expression, sizeof expression, "%s(%s)",
             !half                   ? ""
             : rounding == BRINK_F16 ? "half_"
                                     : "brain_",
             what);
    snprintf(all, sizeof all, "%s%s", functions, half ? gpu_source_half : "");
    return mixed(g, a, 1, all, expression);
}

brink_status gpu_cast(gpu_program *g, const kernel_args *a)
{
    return cast(g, a, (brink_type)onnx_int(a->node, ATTR_to, 0));
}

/* ── Where ── */

brink_status gpu_where(gpu_program *g, const kernel_args *a)
{
    const tensor *const *in = a->in, *out = a->out[0];
    if (in[0]->type != BRINK_BOOL || !is_known(out) || in[1]->type != out->type ||
        in[2]->type != out->type)
        return BRINK_UNSUPPORTED;
    return g == NULL ? BRINK_OK : mixed(g, a, 3, "", "select(z, y, x != 0u)");
}

/* ── Rounding to half precision (plan_step.round) ── */

brink_status gpu_round_to(gpu_program *g, const tensor *t, brink_type type)
{
    gpu_operands o = {.list = {t}, .count = 1};
    gpu_walk w = {0};
    gpu_wgsl head = {.used = 0};
    gpu_put_storage(&head, &o);
    gpu_put(&head,
            "%sfn value(i: u32) -> f32 {\n"
            "    let v = %s(y[i]);\n"
            "    return select(v, y[i], (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u);\n}\n",
            gpu_source_half, type == BRINK_F16 ? "half_" : "brain_");
    return gpu_encode_walk(g, &o, &head, &w);
}
