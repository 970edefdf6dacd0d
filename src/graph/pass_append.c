/* pass_append.c — the Concat of past and new keys or values becomes an append, which writes only the
   new rows where past and present are one buffer.

   A session gives both the same buffer with room for more rows (tensor.capacity). So everything that
   touches the present must know of that room: it is read by Attention alone, as keys or values. The
   transposition that brings new rows behind their heads goes into the append.

   Invariant: past is an input of the graph that nothing else reads, the present one of its outputs. */
#include "graph/passes.h"

static bool is_input(const rewrite *w, uint32_t value)
{
    const ir_value *v = rewrite_value(w, value);
    return v->kind == IR_INPUT && v->rank == 4 &&
           (v->type == BRINK_F32 || v->type == BRINK_F16 || v->type == BRINK_BF16);
}

/* Whether only Attention reads the value, as keys or values. */
static bool only_attended(const rewrite *w, uint32_t value)
{
    for (uint32_t u = w->first[value]; u != 0; u = w->uses[u - 1].next) {
        const rewrite_use *use = &w->uses[u - 1];
        if (w->g->nodes[use->node].op->id != OP_onnx_Attention_23 ||
            (use->slot != 1 && use->slot != 2))
            return false;
    }
    return w->first[value] != 0;
}

static brink_status append(rewrite *w, uint32_t at)
{
    const ir_node *n = &w->g->nodes[at];
    if (n->dead || n->op->id != OP_onnx_Concat_1 || n->input_count != 2)
        return BRINK_OK;
    uint32_t past = n->inputs[0], fresh = n->inputs[1], present = n->outputs[0];
    int64_t axis = onnx_int(n->source, ATTR_axis, 0);
    if ((axis != 2 && axis != -2) || !is_input(w, past) || !rewrite_sole(w, past) ||
        !w->output[present] || rewrite_value(w, fresh)->symbolic != NULL ||
        rewrite_value(w, fresh)->kind == IR_CONST || !only_attended(w, present))
        return BRINK_OK;
    const ir_node *turn = rewrite_made_by(w, fresh, OP_onnx_Transpose_1);
    uint32_t count;
    const int64_t *perm = turn == NULL ? NULL : onnx_ints(turn->source, ATTR_perm, &count);
    bool behind = perm != NULL && perm[0] == 0 && perm[1] == 2 && rewrite_sole(w, fresh);
    onnx_attr flip = {.name = ATTR_transA, .kind = ATTR_KIND_INT, .i = behind};
    return rewrite_replace(
        w, at,
        &(rewrite_node){.op = OP_brink_Append_1,
                        .inputs = (uint32_t[]){past, behind ? turn->inputs[0] : fresh},
                        .input_count = 2,
                        .outputs = &present,
                        .output_count = 1,
                        .attrs = &flip,
                        .attr_count = 1});
}

brink_status pass_append(rewrite *w)
{
    for (uint32_t i = 0; i < w->g->node_count; i++)
        TRY(append(w, i));
    return BRINK_OK;
}
