/* pass_projection.c — MatMulNBits that read one input (queries, keys and values; gate and up) become
   one node with an output each: the input is quantised once and the threads meet once.

   Weights stay apart, packed as before. An adapter's changes to them (lora.h) become part of the node too,
   which then has one more output, room for x · downᵀ of all. Invariant: all of a group agree in K, bits,
   block size and accuracy level, and everything but the input is constant. */
#include "graph/passes.h"

#include <string.h>

enum { PARTS = 3 };

static bool is_product(const rewrite *w, const ir_node *n)
{
    if (n->dead || n->op->id != OP_ms_MatMulNBits_1 || n->output_count != 1 ||
        rewrite_is_const(w, n->inputs[0]) || rewrite_input(n, 4) != IR_NONE ||
        onnx_int(n->source, ATTR_bits, 4) == 2)
        return false;
    for (uint32_t i = 1; i < n->input_count; i++)
        if (n->inputs[i] != IR_NONE && !rewrite_is_const(w, n->inputs[i]))
            return false;
    return true;
}

static bool agree(const ir_node *a, const ir_node *b)
{
    static const attr_name names[] = {ATTR_K, ATTR_bits, ATTR_block_size, ATTR_accuracy_level};
    for (uint32_t i = 0; i < 4; i++)
        if (onnx_int(a->source, names[i], -1) != onnx_int(b->source, names[i], -1))
            return false;
    return true;
}

/* The Lora behind a product, if nothing else reads that; NULL: none. */
static const ir_node *change_of(const rewrite *w, const ir_node *product)
{
    const ir_node *n = rewrite_reader(w, product->outputs[0]);
    return n != NULL && n->op->id == OP_brink_Lora_1 && n->inputs[0] == product->outputs[0] &&
                   n->inputs[1] == product->inputs[0]
               ? n
               : NULL;
}

/* The products of one input, the first of them at found[0]. */
static uint32_t find_group(const rewrite *w, uint32_t *found)
{
    const ir_node *nodes = w->g->nodes, *first = &nodes[found[0]];
    uint32_t count = 1;
    for (uint32_t u = w->first[first->inputs[0]]; u != 0 && count < PARTS;
         u = w->uses[u - 1].next) {
        uint32_t other = w->uses[u - 1].node;
        if (other > found[0] && w->uses[u - 1].slot == 0 && is_product(w, &nodes[other]) &&
            agree(first, &nodes[other]))
            found[count++] = other;
    }
    return count;
}

/* A value for x · downᵀ of all changes. */
static uint32_t room_for(rewrite *w, uint32_t like, int64_t rank)
{
    expr dims[BRINK_MAX_RANK];
    const ir_value *v = rewrite_value(w, like);
    memcpy(dims, v->dims, sizeof dims);
    dims[v->rank - 1] = expr_const(&w->g->exprs, rank);
    return rewrite_temp(w, like, v->rank, dims);
}

static brink_status projection(rewrite *w, uint32_t at, bool away)
{
    static const uint32_t order[] = {2, 1, 3, 5}; /* scales, weights, zero points, bias */
    uint32_t found[PARTS] = {at}, count = find_group(w, found), inputs[1 + 6 * PARTS];
    uint32_t outputs[PARTS + 1], output_count = count;
    int64_t columns[PARTS], rank = 0;
    const ir_node *nodes = w->g->nodes, *first = &nodes[at];
    inputs[0] = first->inputs[0];
    for (uint32_t i = 0; i < PARTS; i++) {
        const ir_node *n = i < count ? &nodes[found[i]] : NULL;
        const ir_node *change = n != NULL && !away ? change_of(w, n) : NULL;
        for (uint32_t k = 0; k < 4; k++)
            inputs[1 + k * PARTS + i] = n == NULL ? IR_NONE : rewrite_input(n, order[k]);
        for (uint32_t k = 0; k < 2; k++) /* down, up */
            inputs[1 + (4 + k) * PARTS + i] = change == NULL ? IR_NONE : change->inputs[2 + k];
        if (n == NULL)
            continue;
        outputs[i] = change != NULL ? change->outputs[0] : n->outputs[0];
        columns[i] = onnx_int(n->source, ATTR_N, 0);
        rank += change != NULL ? rewrite_dim(w, change->inputs[2], 0) : 0;
    }
    if (count == 1 && rank == 0)
        return BRINK_OK;
    onnx_attr attrs[5] = {
        {.name = ATTR_split, .kind = ATTR_KIND_INTS, .count = count, .ints = columns}};
    uint32_t attr_count = 1;
    for (uint32_t i = 0; i < first->source->attr_count && attr_count < 5; i++)
        if (first->source->attrs[i].kind == ATTR_KIND_INT && first->source->attrs[i].name != ATTR_N)
            attrs[attr_count++] = first->source->attrs[i];
    if (rank != 0) {
        outputs[output_count++] = room_for(w, outputs[0], rank);
        if (outputs[count] == IR_NONE)
            return BRINK_OUT_OF_MEMORY;
    }
    return rewrite_replace(w, at,
                           &(rewrite_node){.op = OP_brink_MatMulNBitsGroup_1,
                                           .inputs = inputs,
                                           .input_count = 1 + (rank != 0 ? 6 : 4) * PARTS,
                                           .outputs = outputs,
                                           .output_count = output_count,
                                           .attrs = attrs,
                                           .attr_count = attr_count});
}

brink_status pass_projection(rewrite *w, bool away)
{
    for (uint32_t i = 0; i < w->g->node_count; i++)
        if (is_product(w, &w->g->nodes[i]))
            TRY(projection(w, i, away));
    return BRINK_OK;
}
