/* pass_conv.c — what follows a convolution becomes part of it.

   1. BatchNormalization, and sums and products with one constant a channel, change its weights.
   2. The sum with another tensor and an activation make it com.microsoft's FusedConv (ConvTranspose
      keeps its name and takes the attributes `activation` and `activation_params`, which files do
      not have). Of HardSwish, HardSigmoid and Silu also the formulas that exporters write.
   3. A product and a sum with one constant after the activation become its gain and shift
      (cpu/conv.h).

   Bound: every element of a result is then written once and read by the next layer, instead of once
   an operator. */
#include "graph/passes.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Whether kernels see f32. */
static bool is_single(const rewrite *w, uint32_t value)
{
    brink_type type = rewrite_value(w, value)->type;
    return type == BRINK_F32 || type == BRINK_F16 || type == BRINK_BF16;
}

/* The elements of a constant of f32 that holds for all runs, NULL if it is none. */
static const float *floats(const rewrite *w, uint32_t value)
{
    if (!rewrite_is_const(w, value))
        return NULL;
    const ir_value *v = rewrite_value(w, value);
    return v->type == BRINK_F32 && !v->learned ? v->data : NULL;
}

/* ── 1. Weights ── */

/* A number for each of m channels in dimension 1 of `rank`: one of them or m, *step apart. */
static const float *by_channel(const rewrite *w, uint32_t value, uint32_t rank, int64_t m,
                               int64_t *step)
{
    const float *data = floats(w, value);
    uint64_t count;
    if (data == NULL || rewrite_value(w, value)->rank > rank ||
        !ir_count(w->g, rewrite_value(w, value), &count))
        return NULL;
    *step = count > 1;
    if (count == 1)
        return data;
    bool along = count == (uint64_t)m && rewrite_value(w, value)->rank + 1 >= rank &&
                 rewrite_dim(w, value, 1 - (int32_t)rank) == m;
    return along ? data : NULL;
}

/* Takes the node that reads y into scale and shift [m] of a convolution's channels. */
static bool take_in(const rewrite *w, const ir_node *n, uint32_t y, int64_t m, float *scale,
                    float *shift)
{
    uint32_t rank = rewrite_value(w, y)->rank, other = n->inputs[0] == y ? 1 : 0;
    if (n->op->id == OP_onnx_BatchNormalization_1) {
        const float *v[4];
        for (uint32_t k = 0; k < 4; k++) {
            v[k] = floats(w, rewrite_input(n, k + 1));
            if (v[k] == NULL || !rewrite_is_vector(w, n->inputs[k + 1], m))
                return false;
        }
        for (uint32_t k = 1; k < n->output_count; k++)
            if (n->outputs[k] != IR_NONE)
                return false;
        if (n->inputs[0] != y || onnx_int(n->source, ATTR_training_mode, 0) != 0)
            return false;
        float epsilon = onnx_float(n->source, ATTR_epsilon, 1e-5f);
        for (int64_t c = 0; c < m; c++) {
            float factor = v[0][c] / sqrtf(v[3][c] + epsilon);
            shift[c] = (shift[c] - v[2][c]) * factor + v[1][c];
            scale[c] *= factor;
        }
        return true;
    }
    op_id op = n->op->id;
    bool product = op == OP_onnx_Mul_1, quotient = op == OP_onnx_Div_1 && other == 1;
    bool sum = op == OP_onnx_Add_1, difference = op == OP_onnx_Sub_1 && other == 1;
    if ((!product && !quotient && !sum && !difference) || n->source->opset < 7)
        return false;
    int64_t step;
    const float *v = by_channel(w, n->inputs[other], rank, m, &step);
    for (int64_t c = 0; v != NULL && c < m; c++) {
        float p = v[c * step];
        float factor = product ? p : quotient ? 1 / p : 1;
        shift[c] = sum ? shift[c] + p : difference ? shift[c] - p : shift[c] * factor;
        scale[c] *= factor;
    }
    return v != NULL;
}

static brink_status fold(rewrite *w, uint32_t at)
{
    const ir_node *n = &w->g->nodes[at];
    bool transposed = n->op->id == OP_onnx_ConvTranspose_1;
    if (n->dead || (n->op->id != OP_onnx_Conv_1 && !transposed) || n->output_count == 0)
        return BRINK_OK;
    uint32_t y = n->outputs[0], last = at, x = n->inputs[0], old = rewrite_input(n, 2);
    const float *weight = floats(w, n->inputs[1]), *bias = floats(w, old);
    const ir_value *shape = rewrite_value(w, n->inputs[1]);
    int64_t groups = onnx_int(n->source, ATTR_group, 1), dims[BRINK_MAX_RANK], inner = 1;
    if (weight == NULL || (old != IR_NONE && bias == NULL) || !rewrite_sole(w, y))
        return BRINK_OK;
    for (uint32_t d = 0; d < shape->rank; d++) {
        dims[d] = rewrite_dim(w, n->inputs[1], (int32_t)d);
        inner *= d >= (transposed ? 2 : 1) ? dims[d] : 1;
    }
    int64_t m = transposed ? dims[1] * groups : dims[0];
    float *scale = ARENA_ARRAY(&w->work, float, m + 1),
          *shift = ARENA_ARRAY(&w->work, float, m + 1);
    if (scale == NULL || shift == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t c = 0; c < m; c++) {
        scale[c] = 1;
        shift[c] = bias != NULL ? bias[c] : 0;
    }
    for (const ir_node *r; (r = rewrite_reader(w, y)) != NULL && !w->output[y];) {
        if (!rewrite_same_shape(w, y, r->outputs[0]) || !take_in(w, r, y, m, scale, shift))
            break;
        last = rewrite_index(w, r);
        y = r->outputs[0];
    }
    if (last == at)
        return BRINK_OK;
    float *new_weight, *new_bias;
    uint32_t rank = shape->rank;
    uint32_t in[3] = {x, rewrite_constant(w, BRINK_F32, rank, dims, (void **)(void *)&new_weight),
                      rewrite_constant(w, BRINK_F32, 1, &m, (void **)(void *)&new_bias)};
    if (in[1] == IR_NONE || in[2] == IR_NONE)
        return BRINK_OUT_OF_MEMORY;
    int64_t rows = transposed ? dims[0] * dims[1] : m, each = transposed ? dims[0] / groups : 1;
    for (int64_t r = 0; r < rows; r++) {
        int64_t c = transposed ? r / dims[1] / each * dims[1] + r % dims[1] : r;
        for (int64_t i = 0; i < inner; i++)
            new_weight[r * inner + i] = weight[r * inner + i] * scale[c];
    }
    memcpy(new_bias, shift, (size_t)m * sizeof *shift);
    n = &w->g->nodes[at];
    return rewrite_replace(w, last,
                           &(rewrite_node){.op = n->op->id,
                                           .inputs = in,
                                           .outputs = &y,
                                           .input_count = 3,
                                           .output_count = 1,
                                           .attrs = n->source->attrs,
                                           .attr_count = n->source->attr_count});
}

/* ── 2. and 3. Activations ── */

typedef struct follower {
    const char *name; /* NULL: none */
    float params[4];  /* alpha, beta, gain, shift */
} follower;

enum { MOST_ATTRS = 16 };

/* Node `at` becomes the convolution `conv` with f behind it, and `more` added before that. */
static brink_status fuse(rewrite *w, uint32_t at, const ir_node *conv, uint32_t more,
                         const follower *f)
{
    onnx_attr attrs[MOST_ATTRS + 2];
    uint32_t count = 0, y = w->g->nodes[at].outputs[0];
    const onnx_node *source = conv->source;
    for (uint32_t i = 0; i < source->attr_count && count < MOST_ATTRS; i++)
        if (source->attrs[i].name != ATTR_activation &&
            source->attrs[i].name != ATTR_activation_params)
            attrs[count++] = source->attrs[i];
    if (f->name != NULL) {
        float *params = ARENA_ARRAY(&w->g->memory, float, 4);
        if (params == NULL)
            return BRINK_OUT_OF_MEMORY;
        memcpy(params, f->params, sizeof f->params);
        attrs[count++] =
            (onnx_attr){.name = ATTR_activation, .kind = ATTR_KIND_STRING, .s = f->name};
        attrs[count++] = (onnx_attr){
            .name = ATTR_activation_params, .kind = ATTR_KIND_FLOATS, .count = 4, .floats = params};
    }
    uint32_t in[] = {conv->inputs[0], conv->inputs[1], rewrite_input(conv, 2), more};
    bool transposed = conv->op->id == OP_onnx_ConvTranspose_1;
    return rewrite_replace(
        w, at,
        &(rewrite_node){.op = transposed ? OP_onnx_ConvTranspose_1 : OP_ms_FusedConv_1,
                        .inputs = in,
                        .outputs = &y,
                        .input_count = more != IR_NONE ? 4 : 3,
                        .output_count = 1,
                        .attrs = attrs,
                        .attr_count = count});
}

/* The convolution without an activation whose result, for this reader alone, the value is. */
static const ir_node *convolution(const rewrite *w, uint32_t value)
{
    const ir_node *n = rewrite_producer(w, value);
    if (n == NULL || !is_single(w, value) || !rewrite_sole(w, value) ||
        (n->op->id != OP_onnx_Conv_1 && n->op->id != OP_onnx_ConvTranspose_1 &&
         n->op->id != OP_ms_FusedConv_1))
        return NULL;
    return onnx_find(n->source, ATTR_activation) == NULL ? n : NULL;
}

/* Conv + z, for z of the same shape. */
static brink_status take_sum(rewrite *w, uint32_t at)
{
    const ir_node *n = &w->g->nodes[at];
    if (n->dead || n->op->id != OP_onnx_Add_1)
        return BRINK_OK;
    for (uint32_t side = 2; side-- > 0;) {
        uint32_t x = n->inputs[side], z = n->inputs[1 - side];
        const ir_node *conv = convolution(w, x);
        if (conv != NULL && conv->op->id == OP_onnx_Conv_1 && is_single(w, z) &&
            rewrite_same_shape(w, x, z) && rewrite_same_shape(w, x, n->outputs[0]))
            return fuse(w, at, conv, z, &(follower){0});
    }
    return BRINK_OK;
}

static bool clip_limits(const rewrite *w, const ir_node *n, float *low, float *high)
{
    *low = -FLT_MAX, *high = FLT_MAX;
    if (n->source->opset < 11) {
        *low = onnx_float(n->source, ATTR_min, -FLT_MAX);
        *high = onnx_float(n->source, ATTR_max, FLT_MAX);
        return true;
    }
    double l = -FLT_MAX, h = FLT_MAX;
    if ((rewrite_input(n, 1) != IR_NONE && !rewrite_number(w, n->inputs[1], &l)) ||
        (rewrite_input(n, 2) != IR_NONE && !rewrite_number(w, n->inputs[2], &h)))
        return false;
    *low = (float)l, *high = (float)h;
    return true;
}

/* An activation of one node. */
static bool simple(const rewrite *w, const ir_node *n, follower *f)
{
    const onnx_node *s = n->source;
    *f = (follower){.params = {0, 0, 1, 0}};
    switch (n->op->id) {
    case OP_onnx_Relu_1:
        f->name = "Relu";
        return true;
    case OP_onnx_Sigmoid_1:
        f->name = "Sigmoid";
        return true;
    case OP_onnx_Tanh_1:
        f->name = "Tanh";
        return true;
    case OP_onnx_LeakyRelu_1:
        f->name = "LeakyRelu";
        f->params[0] = onnx_float(s, ATTR_alpha, 0.01f);
        return true;
    case OP_onnx_HardSigmoid_1:
        f->name = "HardSigmoid";
        f->params[0] = onnx_float(s, ATTR_alpha, 0.2f);
        f->params[1] = onnx_float(s, ATTR_beta, 0.5f);
        return true;
    case OP_onnx_HardSwish_14:
        f->name = "HardSwish";
        f->params[0] = 1.0f / 6;
        f->params[1] = 0.5f;
        return true;
    case OP_onnx_Clip_1:
        f->name = "Clip";
        return clip_limits(w, n, &f->params[0], &f->params[1]);
    default:
        return false;
    }
}

/* Activations written as formulas. */
#define CONV "x=[Conv(a,b)|ConvTranspose(a,b)]"
#define CLIPPED "Clip(Add(x,3))"
#define TIMES "0.1666667"
enum { SILU, SWISH_GIVEN, SWISH, SWISH_LAST = SWISH + 3, SIGMOID, SIGMOID_LAST };

static const char *const formulas[] = {"Mul(" CONV ",Sigmoid(x))",
                                       "Mul(" CONV ",HardSigmoid(x))",
                                       "Div(Mul(" CONV "," CLIPPED "),6)",
                                       "Mul(Mul(" CONV "," CLIPPED ")," TIMES ")",
                                       "Mul(" CONV ",Div(" CLIPPED ",6))",
                                       "Mul(" CONV ",Mul(" CLIPPED "," TIMES "))",
                                       "Div(Clip(Add(" CONV ",3)),6)",
                                       "Mul(Clip(Add(" CONV ",3))," TIMES ")",
                                       NULL};

static const ir_node *in_match(const rewrite *w, const rewrite_match *m, op_id op)
{
    for (uint32_t i = 0; i < m->node_count; i++)
        if (w->g->nodes[m->nodes[i]].op->id == op)
            return &w->g->nodes[m->nodes[i]];
    return NULL;
}

static brink_status take_formula(rewrite *w, uint32_t at)
{
    op_id op = w->g->nodes[at].op->id;
    rewrite_match m;
    int which =
        op == OP_onnx_Mul_1 || op == OP_onnx_Div_1 ? rewrite_match_any(w, at, formulas, &m) : -1;
    if (which < 0)
        return BRINK_OK;
    uint32_t x = rewrite_bound(&m, 'x');
    const ir_node *conv = rewrite_producer(w, x), *clip = in_match(w, &m, OP_onnx_Clip_1);
    follower f = {.name = "silu", .params = {1.0f / 6, 0.5f, 1, 0}};
    float low, high;
    if (!is_single(w, x) || onnx_find(conv->source, ATTR_activation) != NULL ||
        !rewrite_same_shape(w, x, w->g->nodes[at].outputs[0]) ||
        (clip != NULL && (!clip_limits(w, clip, &low, &high) || low != 0 || high != 6)))
        return BRINK_OK;
    if (which == SWISH_GIVEN && !simple(w, in_match(w, &m, OP_onnx_HardSigmoid_1), &f))
        return BRINK_OK;
    if (which >= SWISH_GIVEN)
        f.name = which <= SWISH_LAST ? "HardSwish" : "HardSigmoid";
    return fuse(w, at, conv, IR_NONE, &f);
}

/* The one number that an Add, Sub, Mul or Div by a constant takes. */
static bool take_number(const rewrite *w, const ir_node *n, uint32_t y, follower *f)
{
    uint32_t other = n->inputs[0] == y ? 1 : 0;
    op_id op = n->op->id;
    double v;
    if ((op != OP_onnx_Add_1 && op != OP_onnx_Mul_1 &&
         (other == 0 || (op != OP_onnx_Sub_1 && op != OP_onnx_Div_1))) ||
        !rewrite_is_const(w, n->inputs[other]) || !rewrite_number(w, n->inputs[other], &v))
        return false;
    if (op == OP_onnx_Mul_1 || op == OP_onnx_Div_1) {
        float factor = op == OP_onnx_Mul_1 ? (float)v : 1 / (float)v;
        f->params[2] *= factor;
        f->params[3] *= factor;
    } else {
        f->params[3] += op == OP_onnx_Add_1 ? (float)v : -(float)v;
    }
    return true;
}

static brink_status take_numbers(rewrite *w, uint32_t at)
{
    const ir_node *n = &w->g->nodes[at];
    const onnx_attr *params = onnx_find(n->source, ATTR_activation_params);
    const char *name = onnx_string(n->source, ATTR_activation, NULL);
    uint32_t last = at, y = n->dead ? IR_NONE : n->outputs[0];
    if (n->dead || name == NULL || params == NULL || params->kind != ATTR_KIND_FLOATS ||
        params->count != 4 ||
        (n->op->id != OP_ms_FusedConv_1 && n->op->id != OP_onnx_ConvTranspose_1))
        return BRINK_OK;
    follower f = {.name = name};
    memcpy(f.params, params->floats, sizeof f.params);
    for (const ir_node *r; (r = rewrite_reader(w, y)) != NULL && !w->output[y];) {
        if (!rewrite_same_shape(w, y, r->outputs[0]) || !take_number(w, r, y, &f))
            break;
        last = rewrite_index(w, r);
        y = r->outputs[0];
    }
    return last == at ? BRINK_OK : fuse(w, last, n, rewrite_input(n, 3), &f);
}

brink_status pass_conv(rewrite *w)
{
    uint32_t count = w->g->node_count;
    for (uint32_t i = 0; i < count; i++)
        TRY(fold(w, i));
    for (uint32_t i = 0; i < count; i++)
        if (!w->g->nodes[i].dead)
            TRY(take_formula(w, i));
    for (uint32_t i = 0; i < count; i++)
        TRY(take_sum(w, i));
    for (uint32_t i = 0; i < count; i++) {
        const ir_node *n = &w->g->nodes[i], *conv;
        follower f;
        if (!n->dead && n->input_count > 0 && simple(w, n, &f) &&
            (conv = convolution(w, n->inputs[0])) != NULL)
            TRY(fuse(w, i, conv, rewrite_input(conv, 3), &f));
    }
    for (uint32_t i = 0; i < count; i++)
        TRY(take_numbers(w, i));
    return BRINK_OK;
}
