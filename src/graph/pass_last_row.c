/* pass_last_row.c — of the logits only one row is asked for.

   Walks from the output up through operators whose rows are independent (OP_ROWS: a product with a
   constant matrix, a cast, an elementwise function) as long as they have no other reader, and takes
   the row there with a Slice: the vocabulary projection then sees one row instead of a chunk. */
#include "graph/passes.h"

#include <string.h>

/* Whether the node keeps rows apart: its other inputs are constants without rows of their own. */
static bool keeps_rows(const ir_graph *g, const ir_node *n)
{
    if (!(n->op->flags & OP_ROWS) || n->output_count == 0)
        return false;
    for (uint32_t k = 1; k < n->output_count; k++)
        if (n->outputs[k] != ONNX_NONE)
            return false;
    const ir_value *x = &g->values[n->inputs[0]];
    for (uint32_t k = 1; k < n->input_count; k++) {
        if (n->inputs[k] == IR_NONE)
            continue;
        const ir_value *v = &g->values[n->inputs[k]];
        if (v->kind != IR_CONST)
            return false;
        /* A product's matrix must not be a batch of them. */
        if (strcmp(n->op->name, "MatMul") == 0 && v->rank > 2)
            return false;
    }
    return x->rank == 3 && g->values[n->outputs[0]].rank == 3;
}

/* [row] as a value that follows the expression. */
static uint32_t add_symbolic(ir_graph *g, expr row)
{
    ir_value v = {.name = "row",
                  .kind = IR_TEMP,
                  .type = BRINK_I64,
                  .rank = 1,
                  .alias = IR_NONE,
                  .producer = IR_NONE,
                  .symbolic_count = 1};
    expr *list = ARENA_ARRAY(&g->memory, expr, 1);
    if (list == NULL)
        return IR_NONE;
    list[0] = row;
    v.symbolic = list;
    v.dims[0] = expr_const(&g->exprs, 1);
    return ir_add_value(g, &v);
}

brink_status pass_last_row(rewrite *w, uint32_t output, expr row)
{
    ir_graph *g = w->g;
    uint32_t value = g->outputs[output], chain[16], depth = 0;
    if (g->values[value].kind != IR_TEMP || g->values[value].rank != 3)
        return BRINK_OK;
    expr one = expr_const(&g->exprs, 1);
    for (; depth < 16; depth++) {
        const ir_node *n = rewrite_producer(w, value);
        if (n == NULL || w->readers[value] + w->output[value] != 1 || !keeps_rows(g, n))
            break;
        chain[depth] = value;
        value = n->inputs[0];
    }
    if (depth == 0)
        return BRINK_OK; /* the caller takes the row from the whole output */
    uint32_t first = g->values[chain[depth - 1]].producer;
    expr dims[BRINK_MAX_RANK];
    memcpy(dims, g->values[value].dims, sizeof dims);
    dims[1] = one;
    void *axis;
    uint32_t start = add_symbolic(g, row);
    uint32_t end = add_symbolic(g, expr_add(&g->exprs, row, one));
    uint32_t axes = rewrite_constant(w, BRINK_I64, 1, &(int64_t){1}, &axis);
    uint32_t result = rewrite_temp(w, value, 3, dims);
    if (start == IR_NONE || end == IR_NONE || axes == IR_NONE || result == IR_NONE)
        return BRINK_OUT_OF_MEMORY;
    *(int64_t *)axis = 1;
    TRY(rewrite_insert(w, first,
                       &(rewrite_node){.op = OP_onnx_Slice_1,
                                       .inputs = (uint32_t[]){value, start, end, axes},
                                       .input_count = 4,
                                       .outputs = &result,
                                       .output_count = 1}));
    rewrite_set_input(w, first, 0, result);
    for (uint32_t i = 0; i < depth; i++)
        g->values[chain[i]].dims[1] = one;
    return BRINK_OK;
}
