/* pass_cse.c — common subexpressions: of nodes that compute the same, the first is kept.

   Hash tables of the nodes seen, by operator, inputs and attributes, and of small constants and
   values that are followed, by content; nodes are in order, so inputs have been unified before.

   Invariant: every entry is a live node that stands before the one looked up, or a value that has
   the content of all that are found to be like it. */
#include "graph/passes.h"

#include <string.h>

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

enum { SMALL = 64 };

typedef struct cse {
    rewrite *w;
    uint32_t *like;        /* by value: one of the same content + 1, 0 where not looked up yet */
    uint32_t *nodes, size; /* node + 1, 0 where free; a power of two */
    uint32_t *values;      /* the same of values; as many */
} cse;

/* What a small constant or a followed value holds: NULL for others. */
static const void *content(const rewrite *w, const ir_value *v, uint64_t *bytes)
{
    uint64_t count;
    if (v->symbolic != NULL && v->kind != IR_CONST) {
        *bytes = v->symbolic_count * sizeof *v->symbolic;
        return *bytes <= SMALL ? v->symbolic : NULL;
    }
    return v->kind == IR_CONST && v->data != NULL && ir_count(w->g, v, &count) &&
                   onnx_type_bytes(v->type, count, bytes) && *bytes <= SMALL
               ? v->data
               : NULL;
}

static bool same_content(const rewrite *w, const ir_value *a, const ir_value *b)
{
    uint64_t a_bytes, b_bytes;
    const void *x = content(w, a, &a_bytes), *y = content(w, b, &b_bytes);
    return a->kind == b->kind && a->type == b->type && a->rank == b->rank && a_bytes == b_bytes &&
           memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0 && memcmp(x, y, a_bytes) == 0;
}

/* The value that stands for all of its content. */
static uint32_t like(const cse *c, uint32_t value)
{
    uint64_t bytes;
    if (value == IR_NONE || c->like[value] != 0)
        return value == IR_NONE ? IR_NONE : c->like[value] - 1;
    c->like[value] = value + 1;
    const ir_value *v = rewrite_value(c->w, value);
    const uint8_t *data = content(c->w, v, &bytes);
    if (data == NULL)
        return value;
    uint64_t h = bytes;
    for (uint64_t i = 0; i < bytes; i++)
        h = mix(h, data[i]);
    uint32_t at = (uint32_t)h & (c->size - 1);
    while (c->values[at] != 0 && !same_content(c->w, rewrite_value(c->w, c->values[at] - 1), v))
        at = (at + 1) & (c->size - 1);
    if (c->values[at] == 0)
        c->values[at] = value + 1;
    c->like[value] = c->values[at];
    return c->values[at] - 1;
}

/* Inputs of a view beyond the first are seen in its shape. */
static uint32_t telling(const ir_node *n)
{
    return (n->op->flags & OP_VIEW) && n->input_count > 1 ? 1 : n->input_count;
}

/* Attributes are compared, not hashed: few nodes differ in them alone. */
static uint64_t hash_of(const cse *c, const ir_node *n)
{
    uint64_t h = mix(n->op->id, n->input_count);
    for (uint32_t i = 0; i < telling(n); i++)
        h = mix(h, like(c, n->inputs[i]));
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

static bool same(const cse *c, const ir_node *a, const ir_node *b)
{
    const rewrite *w = c->w;
    if (a->op != b->op || a->source->opset != b->source->opset || a->dead ||
        a->input_count != b->input_count || a->output_count != b->output_count ||
        a->source->attr_count != b->source->attr_count)
        return false;
    for (uint32_t i = 0; i < telling(a); i++)
        if (like(c, a->inputs[i]) != like(c, b->inputs[i]))
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
    cse c = {.w = w, .size = 64};
    uint64_t reads = 0;
    for (uint32_t i = 0; i < w->g->node_count; i++)
        reads += w->g->nodes[i].input_count + 1;
    while (c.size < 2 * reads)
        c.size *= 2;
    c.nodes = ARENA_ARRAY(&w->work, uint32_t, c.size);
    c.values = ARENA_ARRAY(&w->work, uint32_t, c.size);
    c.like = ARENA_ARRAY(&w->work, uint32_t, w->g->value_count);
    if (c.nodes == NULL || c.values == NULL || c.like == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < w->g->node_count; i++) {
        const ir_node *n = &w->g->nodes[i];
        if (n->dead || (n->op->flags & (OP_RANDOM | OP_KV)))
            continue;
        uint32_t at = (uint32_t)hash_of(&c, n) & (c.size - 1);
        while (c.nodes[at] != 0 && !same(&c, &w->g->nodes[c.nodes[at] - 1], n))
            at = (at + 1) & (c.size - 1);
        if (c.nodes[at] == 0) {
            c.nodes[at] = i + 1;
            continue;
        }
        const ir_node *first = &w->g->nodes[c.nodes[at] - 1];
        for (uint32_t k = 0; k < n->output_count; k++)
            if (n->outputs[k] != IR_NONE)
                rewrite_redirect(w, n->outputs[k], first->outputs[k]);
    }
    return BRINK_OK;
}
