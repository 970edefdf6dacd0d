/* pass_norm.c — RMSNorm and LayerNorm from the formulas that exporters write, and the sum before them.

   x / sqrt(mean(x²) + e) * w becomes SimplifiedLayerNormalization; with x − mean(x) in its place and
   a bias behind, LayerNormalization. A norm of a sum then takes the sum in, with a bias before it,
   and gives it out if others read it: SkipLayerNormalization, SkipSimplifiedLayerNormalization.

   Invariant: reductions are over the last axis; scale and bias are constant vectors of its size. */
#include "graph/passes.h"

#define ROOT(x) "Sqrt(Add(r=ReduceMean([Pow(~" x ",2)|Mul(~" x ",~" x ")]),$e))"
#define NORM(first, x)                                                                             \
    "[Div(~" first "," ROOT(x) ")|Mul(~" first ",[Reciprocal(" ROOT(x) ")|Div(1," ROOT(x) ")])]"
#define CENTRED "d=Sub(~x,m=ReduceMean(~x))"

static const char *const formulas[2] = {"Add(~Mul(~" NORM(CENTRED, "d") ",~W),~B)",
                                        "Mul(~" NORM("x", "x") ",~W)"};

static bool reduces_last(const rewrite *w, const rewrite_match *m, char letter)
{
    return rewrite_reduces_last(w, rewrite_producer(w, rewrite_bound(m, letter)));
}

static brink_status norm(rewrite *w, uint32_t at, bool simplified)
{
    rewrite_match m;
    if (rewrite_match_any(w, at, (const char *const[]){formulas[simplified], NULL}, &m) < 0)
        return BRINK_OK;
    uint32_t y = w->g->nodes[at].outputs[0];
    uint32_t in[] = {rewrite_bound(&m, 'x'), rewrite_bound(&m, 'W'), rewrite_bound(&m, 'B')};
    int64_t n = rewrite_dim(w, in[0], -1);
    if (!reduces_last(w, &m, 'r') || (!simplified && !reduces_last(w, &m, 'm')) ||
        !rewrite_same_shape(w, in[0], y) || !rewrite_is_vector(w, in[1], n) ||
        (!simplified && !rewrite_is_vector(w, in[2], n)))
        return BRINK_OK;
    onnx_attr epsilon = {
        .name = ATTR_epsilon, .kind = ATTR_KIND_FLOAT, .f = (float)rewrite_bound_number(&m, 'e')};
    return rewrite_replace(w, at,
                           &(rewrite_node){.op = simplified ? OP_onnx_SimplifiedLayerNormalization_1
                                                            : OP_onnx_LayerNormalization_1,
                                           .inputs = in,
                                           .input_count = simplified ? 2 : 3,
                                           .outputs = &y,
                                           .output_count = 1,
                                           .attrs = &epsilon,
                                           .attr_count = 1});
}

/* The sum that a norm reads, taken in. The new node stands where the sum was computed, so that all
   its readers follow it. */
static brink_status skip_norm(rewrite *w, uint32_t at)
{
    const ir_node *n = &w->g->nodes[at];
    bool simplified = n->op->id != OP_onnx_LayerNormalization_1;
    if (n->dead || (n->op->id != OP_onnx_LayerNormalization_1 &&
                    n->op->id != OP_onnx_SimplifiedLayerNormalization_1 &&
                    n->op->id != OP_ms_SimplifiedLayerNormalization_1 &&
                    n->op->id != OP_onnx_RMSNormalization_23))
        return BRINK_OK;
    const ir_node *add = rewrite_made_by(w, n->inputs[0], OP_onnx_Add_1);
    uint32_t axis, sum = n->inputs[0], scale = rewrite_input(n, 1), shift = rewrite_input(n, 2);
    const ir_value *s = rewrite_value(w, sum);
    int64_t width = rewrite_dim(w, sum, -1);
    if (add == NULL || s->rank == 0 || s->type == BRINK_F64 ||
        !axis_wrap(onnx_int(n->source, ATTR_axis, -1), s->rank, &axis) || axis + 1 != s->rank ||
        !rewrite_same_shape(w, add->inputs[0], sum) ||
        !rewrite_same_shape(w, add->inputs[1], sum) || !rewrite_is_vector(w, scale, width) ||
        (shift != IR_NONE && !rewrite_is_vector(w, shift, width)))
        return BRINK_OK;
    for (uint32_t k = 1; k < n->output_count; k++)
        if (n->outputs[k] != IR_NONE)
            return BRINK_OK;
    uint32_t place = rewrite_index(w, add), x = add->inputs[0], skip = add->inputs[1],
             bias = IR_NONE;
    if (!rewrite_available(w, scale, place) || !rewrite_available(w, shift, place))
        return BRINK_OK;
    for (uint32_t side = 0; side < 2 && bias == IR_NONE; side++) {
        const ir_node *inner = rewrite_made_by(w, add->inputs[side], OP_onnx_Add_1);
        for (uint32_t k = 0; inner != NULL && k < 2 && rewrite_sole(w, add->inputs[side]); k++)
            if (rewrite_is_const(w, inner->inputs[k]) &&
                rewrite_is_vector(w, inner->inputs[k], width) &&
                rewrite_same_shape(w, inner->inputs[1 - k], sum)) {
                bias = inner->inputs[k];
                x = inner->inputs[1 - k];
                skip = add->inputs[1 - side];
                break;
            }
    }
    bool keeps = !rewrite_sole(w, sum);
    uint32_t out[] = {n->outputs[0], IR_NONE, IR_NONE, sum};
    onnx_attr epsilon = {.name = ATTR_epsilon,
                         .kind = ATTR_KIND_FLOAT,
                         .f = onnx_float(n->source, ATTR_epsilon, 1e-5f)};
    return rewrite_replace(
        w, place,
        &(rewrite_node){.op = simplified ? OP_ms_SkipSimplifiedLayerNormalization_1
                                         : OP_ms_SkipLayerNormalization_1,
                        .inputs = simplified ? (uint32_t[]){x, skip, scale, bias}
                                             : (uint32_t[]){x, skip, scale, shift, bias},
                        .input_count = simplified ? 4 : 5,
                        .outputs = out,
                        .output_count = keeps ? 4 : 1,
                        .attrs = &epsilon,
                        .attr_count = 1});
}

brink_status pass_norm(rewrite *w)
{
    for (uint32_t i = 0; i < w->g->node_count; i++)
        TRY(norm(w, i, false));
    for (uint32_t i = 0; i < w->g->node_count; i++) /* what is no part of the former */
        TRY(norm(w, i, true));
    for (uint32_t i = 0; i < w->g->node_count; i++)
        TRY(skip_norm(w, i));
    return BRINK_OK;
}
