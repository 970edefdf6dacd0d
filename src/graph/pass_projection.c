/* pass_projection.c — MatMulNBits that read one input (queries, keys and values; gate and up) become
   one node with an output each: the input is quantised once and the threads meet once.

   Weights stay apart, packed as before. Invariant: all of a group agree in K, bits, block size and
   accuracy level, and everything but the input is constant. */
#include "graph/passes.h"

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

static brink_status projection(rewrite *w, uint32_t at)
{
    const ir_node *nodes = w->g->nodes, *first = &nodes[at];
    uint32_t found[PARTS] = {at}, count = 1, x = first->inputs[0];
    for (uint32_t u = w->first[x]; u != 0 && count < PARTS; u = w->uses[u - 1].next) {
        uint32_t other = w->uses[u - 1].node;
        if (other > at && w->uses[u - 1].slot == 0 && is_product(w, &nodes[other]) &&
            agree(first, &nodes[other]))
            found[count++] = other;
    }
    if (count == 1)
        return BRINK_OK;
    uint32_t inputs[1 + 4 * PARTS], outputs[PARTS];
    int64_t columns[PARTS];
    inputs[0] = x;
    for (uint32_t i = 0; i < PARTS; i++) {
        const ir_node *n = i < count ? &nodes[found[i]] : NULL;
        static const uint32_t order[] = {2, 1, 3, 5}; /* scales, weights, zero points, bias */
        for (uint32_t k = 0; k < 4; k++)
            inputs[1 + k * PARTS + i] = n == NULL ? IR_NONE : rewrite_input(n, order[k]);
        if (n == NULL)
            continue;
        outputs[i] = n->outputs[0];
        columns[i] = onnx_int(n->source, ATTR_N, 0);
    }
    onnx_attr attrs[5] = {
        {.name = ATTR_split, .kind = ATTR_KIND_INTS, .count = count, .ints = columns}};
    uint32_t attr_count = 1;
    for (uint32_t i = 0; i < first->source->attr_count && attr_count < 5; i++)
        if (first->source->attrs[i].kind == ATTR_KIND_INT && first->source->attrs[i].name != ATTR_N)
            attrs[attr_count++] = first->source->attrs[i];
    return rewrite_replace(w, at,
                           &(rewrite_node){.op = OP_brink_MatMulNBitsGroup_1,
                                           .inputs = inputs,
                                           .input_count = 1 + 4 * PARTS,
                                           .outputs = outputs,
                                           .output_count = count,
                                           .attrs = attrs,
                                           .attr_count = attr_count});
}

brink_status pass_projection(rewrite *w)
{
    for (uint32_t i = 0; i < w->g->node_count; i++)
        if (is_product(w, &w->g->nodes[i]))
            TRY(projection(w, i));
    return BRINK_OK;
}
