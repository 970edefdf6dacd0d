/* pass_cse.c — common subexpressions: of nodes that compute the same, the first is kept.

   A hash table of the nodes seen, by operator, inputs and attributes; nodes are in order, so inputs
   have been unified before.

   Invariant: every entry is a live node that stands before the one looked up. */
#include "graph/passes.h"

#include <string.h>

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

/* Attributes are compared, not hashed: few nodes differ in them alone. */
static uint64_t hash_of(const ir_node *n)
{
    uint64_t h = mix(n->op->id, n->input_count);
    for (uint32_t i = 0; i < n->input_count; i++)
        h = mix(h, n->inputs[i]);
    return h;
}

static bool same_attr(const onnx_attr *a, const onnx_attr *b)
{
    if (a->name != b->name || a->kind != b->kind || a->count != b->count)
        return false;
    switch (a->kind) {
    case ATTR_KIND_FLOAT:
        return a->f == b->f;
    case ATTR_KIND_INT:
        return a->i == b->i;
    case ATTR_KIND_STRING:
        return strcmp(a->s, b->s) == 0;
    case ATTR_KIND_FLOATS:
        return memcmp(a->floats, b->floats, a->count * sizeof *a->floats) == 0;
    case ATTR_KIND_INTS:
        return memcmp(a->ints, b->ints, a->count * sizeof *a->ints) == 0;
    default:
        return false;
    }
}

static bool same(const rewrite *w, const ir_node *a, const ir_node *b)
{
    if (a->op != b->op || a->source->opset != b->source->opset || a->dead ||
        a->input_count != b->input_count || a->output_count != b->output_count ||
        a->source->attr_count != b->source->attr_count ||
        memcmp(a->inputs, b->inputs, a->input_count * sizeof *a->inputs) != 0)
        return false;
    for (uint32_t i = 0; i < a->source->attr_count; i++)
        if (!same_attr(&a->source->attrs[i], &b->source->attrs[i]))
            return false;
    for (uint32_t i = 0; i < a->output_count; i++) {
        uint32_t x = a->outputs[i], y = b->outputs[i];
        if (y != IR_NONE && (x == IR_NONE || w->output[y] || !rewrite_same_shape(w, x, y) ||
                             rewrite_value(w, x)->type != rewrite_value(w, y)->type))
            return false;
    }
    return true;
}

brink_status pass_cse(rewrite *w)
{
    uint32_t size = 64;
    while (size < 2 * w->g->node_count)
        size *= 2;
    uint32_t *table = ARENA_ARRAY(&w->work, uint32_t, size); /* node + 1, 0 where free */
    if (table == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < w->g->node_count; i++) {
        const ir_node *n = &w->g->nodes[i];
        if (n->dead || (n->op->flags & (OP_RANDOM | OP_KV)))
            continue;
        uint32_t at = (uint32_t)hash_of(n) & (size - 1);
        while (table[at] != 0 && !same(w, &w->g->nodes[table[at] - 1], n))
            at = (at + 1) & (size - 1);
        if (table[at] == 0) {
            table[at] = i + 1;
            continue;
        }
        const ir_node *first = &w->g->nodes[table[at] - 1];
        for (uint32_t k = 0; k < n->output_count; k++)
            if (n->outputs[k] != IR_NONE)
                rewrite_redirect(w, n->outputs[k], first->outputs[k]);
    }
    return BRINK_OK;
}
