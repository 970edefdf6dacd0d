/* pass_identity.c — removes nodes that change nothing: Identity, a cast to the type that a value has,
   a transposition that leaves the order.

   Invariant: readers of such a node's output read its input instead; outputs of the graph keep their
   node. */
#include "graph/passes.h"

static bool changes_nothing(const rewrite *w, const ir_node *n)
{
    const ir_value *x = rewrite_value(w, n->inputs[0]), *y = rewrite_value(w, n->outputs[0]);
    uint32_t count;
    const int64_t *perm;
    switch (n->op->id) {
    case OP_onnx_Identity_1:
        return true;
    case OP_onnx_Cast_1:
        return x->type == y->type;
    case OP_onnx_Transpose_1:
        perm = onnx_ints(n->source, ATTR_perm, &count);
        for (uint32_t i = 0; perm != NULL && i < count; i++)
            if (perm[i] != i)
                return false;
        return perm != NULL;
    case OP_onnx_Reshape_1:
    case OP_onnx_Expand_8:
        return rewrite_same_shape(w, n->inputs[0], n->outputs[0]);
    default:
        return false;
    }
}

brink_status pass_identity(rewrite *w)
{
    for (uint32_t i = 0; i < w->g->node_count; i++) {
        const ir_node *n = &w->g->nodes[i];
        if (n->dead || n->input_count == 0 || n->output_count == 0 || n->inputs[0] == IR_NONE ||
            n->outputs[0] == IR_NONE || w->output[n->outputs[0]] || !changes_nothing(w, n))
            continue;
        rewrite_redirect(w, n->outputs[0], n->inputs[0]);
    }
    return BRINK_OK;
}
