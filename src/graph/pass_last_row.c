/* pass_last_row.c — of the logits only one row is asked for.

   Walks from the output up through operators whose rows are independent (OP_ROWS: a product with a
   constant matrix, a cast, an elementwise function) as long as they have no other reader, and takes
   the row there with a Slice: the vocabulary projection then sees one row instead of a chunk. */
#include "graph/ir.h"

#include <string.h>

static uint32_t reader_count(const ir_graph *g, uint32_t value)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].input_count; k++)
            count += g->nodes[i].inputs[k] == value;
    for (uint32_t i = 0; i < g->output_count; i++)
        count += g->outputs[i] == value;
    return count;
}

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

static uint32_t add_constant_int(ir_graph *g, const int64_t *values, uint32_t count)
{
    ir_value v = {.name = "row",
                  .kind = IR_CONST,
                  .type = BRINK_I64,
                  .rank = 1,
                  .alias = IR_NONE,
                  .derived = true};
    int64_t *data = ARENA_ARRAY(&g->memory, int64_t, count);
    if (data == NULL)
        return IR_NONE;
    memcpy(data, values, count * sizeof *data);
    v.dims[0] = expr_const(&g->exprs, count);
    v.data = data;
    return ir_add_value(g, &v);
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

brink_status pass_last_row(ir_graph *g, uint32_t output, expr row)
{
    uint32_t value = g->outputs[output];
    if (g->values[value].kind != IR_TEMP || g->values[value].rank != 3)
        return BRINK_OK;
    expr one = expr_const(&g->exprs, 1);
    uint32_t chain[16], depth = 0;
    while (depth < 16) {
        const ir_value *v = &g->values[value];
        if (v->kind != IR_TEMP || v->producer == IR_NONE || reader_count(g, value) != 1)
            break;
        const ir_node *n = &g->nodes[v->producer];
        if (!keeps_rows(g, n))
            break;
        chain[depth++] = value;
        value = n->inputs[0];
    }
    if (depth == 0)
        return BRINK_OK; /* the caller takes the row from the whole output */
    static const onnx_node slice_node = {
        .name = "last_row", .type = "Slice", .domain = "", .opset = 13};
    int64_t axis = 1;
    ir_value sliced = g->values[value];
    sliced.kind = IR_TEMP;
    sliced.symbolic = NULL;
    sliced.dims[1] = one;
    uint32_t insert = g->values[chain[depth - 1]].producer;
    sliced.producer = insert;
    uint32_t start = add_symbolic(g, row);
    uint32_t end = add_symbolic(g, expr_add(&g->exprs, row, one));
    uint32_t axes = add_constant_int(g, &axis, 1);
    uint32_t result = ir_add_value(g, &sliced);
    ir_node n = {.source = &slice_node,
                 .op = &op_table[OP_onnx_Slice_1],
                 .input_count = 4,
                 .output_count = 1};
    n.inputs = ARENA_ARRAY(&g->memory, uint32_t, 4);
    n.outputs = ARENA_ARRAY(&g->memory, uint32_t, 1);
    ir_node *nodes = ARENA_ARRAY(&g->memory, ir_node, (uint64_t)g->node_count + 1);
    if (start == IR_NONE || end == IR_NONE || axes == IR_NONE || result == IR_NONE || !n.inputs ||
        !n.outputs || !nodes)
        return BRINK_OUT_OF_MEMORY;
    memcpy(n.inputs, (uint32_t[]){value, start, end, axes}, 4 * sizeof *n.inputs);
    n.outputs[0] = result;
    memcpy(nodes, g->nodes, insert * sizeof *nodes);
    nodes[insert] = n;
    memcpy(nodes + insert + 1, g->nodes + insert, (g->node_count - insert) * sizeof *nodes);
    g->nodes = nodes;
    g->node_count++;
    g->node_capacity = g->node_count;
    nodes[insert + 1].inputs[0] = result;
    for (uint32_t i = 0; i < g->value_count; i++)
        if (i != result && g->values[i].kind == IR_TEMP && g->values[i].producer != IR_NONE &&
            g->values[i].producer >= insert)
            g->values[i].producer++;
    for (uint32_t i = 0; i < depth; i++)
        g->values[chain[i]].dims[1] = one;
    return BRINK_OK;
}
