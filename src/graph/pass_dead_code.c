/* pass_dead_code.c — marks nodes whose outputs nobody reads while running.

   A value that is followed element by element needs no producer: its elements are written from their
   expressions. An input that only the shape rule reads (OP_SHAPE) is no use either.

   Invariant: nodes are in order, so one backward sweep finds every needed node. */
#include "graph/passes.h"

static bool reads_input(const ir_graph *g, const ir_node *n, uint32_t i)
{
    if (n->inputs[i] == IR_NONE || (i < 8 && (n->op->flags & OP_SHAPE(i))))
        return false;
    const ir_value *v = &g->values[n->inputs[i]];
    return v->kind == IR_TEMP && v->symbolic == NULL;
}

brink_status pass_dead_code(ir_graph *g)
{
    arena work;
    arena_init(&work, g->context);
    bool *needed = ARENA_ARRAY(&work, bool, g->value_count);
    if (needed == NULL) {
        arena_free(&work);
        return BRINK_OUT_OF_MEMORY;
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        needed[g->outputs[i]] = true;
    for (uint32_t i = g->node_count; i-- > 0;) {
        ir_node *n = &g->nodes[i];
        bool live = false;
        for (uint32_t k = 0; k < n->output_count; k++)
            live |= n->outputs[k] != ONNX_NONE && needed[n->outputs[k]] &&
                    g->values[n->outputs[k]].symbolic == NULL &&
                    g->values[n->outputs[k]].kind == IR_TEMP;
        n->dead = !live;
        for (uint32_t k = 0; live && k < n->input_count; k++)
            if (reads_input(g, n, k))
                needed[n->inputs[k]] = true;
    }
    arena_free(&work);
    return BRINK_OK;
}
