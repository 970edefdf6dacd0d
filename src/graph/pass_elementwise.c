/* pass_elementwise.c — chains of elementwise nodes become one, which works on a block of them at a
   time: each element is read and written once.

   A chain starts at a node whose operand has its output's shape and follows the only reader as long
   as that is elementwise too. Other operands are scalars, of the same shape, or repeat over leading
   or trailing axes (a bias of the last axis, a factor a channel). The new node stands where the last
   did, so everything it reads is there.

   Invariant: all values of a chain are f32 while running and have one shape. */
#include "graph/chain.h"
#include "graph/passes.h"

#include <float.h>
#include <string.h>

typedef struct step {
    chain_function function;
    uint32_t operand; /* value, IR_NONE if none */
    float p, q;
} step;

static bool is_floating(const rewrite *w, uint32_t value)
{
    const ir_value *v = rewrite_value(w, value);
    return (v->type == BRINK_F32 || v->type == BRINK_F16 || v->type == BRINK_BF16) &&
           v->symbolic == NULL;
}

/* Ones, the output's dimensions, ones: see chain.h. */
static bool repeats_evenly(const rewrite *w, uint32_t operand, uint32_t out)
{
    const ir_value *x = rewrite_value(w, operand), *y = rewrite_value(w, out);
    uint32_t stage = 0; /* trailing ones, dimensions, leading ones */
    if (x->rank > y->rank)
        return false;
    for (uint32_t i = 0; i < x->rank; i++) {
        expr d = x->dims[x->rank - 1 - i];
        bool one = rewrite_dim(w, operand, -1 - (int32_t)i) == 1;
        if (d == y->dims[y->rank - 1 - i]) {
            if (stage == 2 && !one)
                return false;
            stage = stage == 0 && !one ? 1 : stage;
        } else if (one) {
            stage = stage == 1 ? 2 : stage;
        } else {
            return false;
        }
    }
    return true;
}

static const struct {
    op_id op;
    chain_function function;
    chain_function swapped; /* for x as the second input */
} binaries[] = {{OP_onnx_Add_1, CHAIN_ADD, CHAIN_ADD}, {OP_onnx_Sub_1, CHAIN_SUB, CHAIN_SUB_FROM},
                {OP_onnx_Mul_1, CHAIN_MUL, CHAIN_MUL}, {OP_onnx_Div_1, CHAIN_DIV, CHAIN_DIV_INTO},
                {OP_onnx_Min_1, CHAIN_MIN, CHAIN_MIN}, {OP_onnx_Max_1, CHAIN_MAX, CHAIN_MAX}};

static const struct {
    op_id op;
    chain_function function;
    float alpha, beta; /* defaults of the attributes */
} unaries[] = {{OP_onnx_Neg_1, CHAIN_NEG, 0, 0},
               {OP_onnx_Abs_1, CHAIN_ABS, 0, 0},
               {OP_onnx_Sqrt_1, CHAIN_SQRT, 0, 0},
               {OP_onnx_Reciprocal_1, CHAIN_RECIPROCAL, 0, 0},
               {OP_onnx_Relu_1, CHAIN_SLOPE, 0, 0},
               {OP_onnx_LeakyRelu_1, CHAIN_SLOPE, 0.01f, 0},
               {OP_onnx_Exp_1, CHAIN_EXP, 0, 0},
               {OP_onnx_Erf_9, CHAIN_ERF, 0, 0},
               {OP_onnx_Tanh_1, CHAIN_TANH, 0, 0},
               {OP_onnx_Sigmoid_1, CHAIN_SIGMOID, 0, 0},
               {OP_onnx_Swish_24, CHAIN_SWISH, 1, 0},
               {OP_ms_QuickGelu_1, CHAIN_SWISH, 1.702f, 0},
               {OP_ms_Gelu_1, CHAIN_GELU, 0, 0},
               {OP_ms_FastGelu_1, CHAIN_GELU_TANH, 0, 0},
               {OP_onnx_HardSigmoid_1, CHAIN_HARD_SIGMOID, 0.2f, 0.5f},
               {OP_onnx_HardSwish_14, CHAIN_HARD_SWISH, 0, 0}};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* Bounds of a Clip that are numbers. */
static bool clip_bounds(const rewrite *w, const ir_node *n, step *s)
{
    double low = -FLT_MAX, high = FLT_MAX;
    if (n->source->opset < 11) {
        low = onnx_float(n->source, ATTR_min, -FLT_MAX);
        high = onnx_float(n->source, ATTR_max, FLT_MAX);
    }
    if ((rewrite_input(n, 1) != IR_NONE && !rewrite_number(w, n->inputs[1], &low)) ||
        (rewrite_input(n, 2) != IR_NONE && !rewrite_number(w, n->inputs[2], &high)))
        return false;
    *s = (step){CHAIN_CLIP, IR_NONE, (float)low, (float)high};
    return true;
}

/* What the node does to x, one of its inputs. */
static bool step_of(const rewrite *w, const ir_node *n, uint32_t x, step *s)
{
    if (n->dead || n->output_count != 1 || n->outputs[0] == IR_NONE || n->input_count == 0 ||
        !is_floating(w, n->outputs[0]) || !rewrite_same_shape(w, x, n->outputs[0]))
        return false;
    double number;
    for (uint32_t i = 0; i < COUNT(unaries); i++)
        if (unaries[i].op == n->op->id) {
            *s = (step){unaries[i].function, IR_NONE,
                        onnx_float(n->source, ATTR_alpha, unaries[i].alpha),
                        onnx_float(n->source, ATTR_beta, unaries[i].beta)};
            return n->input_count == 1;
        }
    if (n->op->id == OP_onnx_Gelu_20) {
        bool tanh = strcmp(onnx_string(n->source, ATTR_approximate, "none"), "tanh") == 0;
        *s = (step){tanh ? CHAIN_GELU_TANH : CHAIN_GELU, IR_NONE, 0, 0};
        return true;
    }
    if (n->op->id == OP_onnx_Clip_1)
        return n->inputs[0] == x && clip_bounds(w, n, s);
    if (n->op->id == OP_onnx_Pow_1 && n->inputs[0] == x &&
        rewrite_number(w, n->inputs[1], &number)) {
        *s = (step){number == 2 ? CHAIN_SQUARE : CHAIN_SQRT, IR_NONE, 0, 0};
        return number == 2 || number == 0.5;
    }
    for (uint32_t i = 0; i < COUNT(binaries); i++) {
        bool swapped = n->inputs[0] != x;
        if (binaries[i].op != n->op->id || n->input_count != 2)
            continue;
        s->operand = n->inputs[swapped ? 0 : 1];
        s->function = swapped ? binaries[i].swapped : binaries[i].function;
        s->p = s->q = 0;
        return is_floating(w, s->operand) && repeats_evenly(w, s->operand, n->outputs[0]) &&
               (n->source->opset >= 7 || onnx_find(n->source, ATTR_axis) == NULL);
    }
    return false;
}

/* The node's input that a chain can start from. */
static uint32_t start_of(const rewrite *w, const ir_node *n, step *s)
{
    for (uint32_t i = 0; i < n->input_count && i < 2; i++)
        if (n->inputs[i] != IR_NONE && !rewrite_is_const(w, n->inputs[i]) &&
            is_floating(w, n->inputs[i]) && step_of(w, n, n->inputs[i], s))
            return n->inputs[i];
    return IR_NONE;
}

static brink_status chain(rewrite *w, uint32_t at)
{
    step steps[CHAIN_STEPS];
    const ir_node *n = &w->g->nodes[at];
    if (n->dead)
        return BRINK_OK;
    uint32_t inputs[CHAIN_STEPS + 1] = {start_of(w, n, &steps[0])}, count = 1, input_count = 1;
    if (inputs[0] == IR_NONE)
        return BRINK_OK;
    for (; count < CHAIN_STEPS; count++) {
        const ir_node *next = rewrite_reader(w, n->outputs[0]);
        if (next == NULL || !step_of(w, next, n->outputs[0], &steps[count]))
            break;
        n = next;
    }
    if (count == 1)
        return BRINK_OK;
    int64_t program[2 * CHAIN_STEPS];
    float weights[2 * CHAIN_STEPS];
    for (uint32_t i = 0; i < count; i++) {
        program[2 * i] = steps[i].function;
        program[2 * i + 1] = steps[i].operand != IR_NONE ? input_count : 0;
        weights[2 * i] = steps[i].p;
        weights[2 * i + 1] = steps[i].q;
        if (steps[i].operand != IR_NONE)
            inputs[input_count++] = steps[i].operand;
    }
    onnx_attr attrs[] = {
        {.name = ATTR_steps, .kind = ATTR_KIND_INTS, .count = 2 * count, .ints = program},
        {.name = ATTR_weights, .kind = ATTR_KIND_FLOATS, .count = 2 * count, .floats = weights}};
    uint32_t y = n->outputs[0];
    return rewrite_replace(w, rewrite_index(w, n),
                           &(rewrite_node){.op = OP_brink_Elementwise_1,
                                           .inputs = inputs,
                                           .input_count = input_count,
                                           .outputs = &y,
                                           .output_count = 1,
                                           .attrs = attrs,
                                           .attr_count = 2});
}

brink_status pass_elementwise(rewrite *w)
{
    for (uint32_t i = 0; i < w->g->node_count; i++)
        TRY(chain(w, i));
    return BRINK_OK;
}
