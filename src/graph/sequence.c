/* sequence.c — sequences of tensors, followed while a graph is resolved: a sequence is the list of its
   items' values and never exists while running. Splitting and joining become Split, Squeeze, Unsqueeze
   and Concat nodes. */
#include "graph/sequence.h"

#include <string.h>

enum { MAX_ITEMS = 4096 };

typedef struct maker {
    rule_args *r;
    sequence_resolve resolve;
    void *arg;
} maker;

/* The sequence that input i is, empty where it is left out. */
static brink_status items_of(const rule_args *r, uint32_t i, const ir_value **out)
{
    TRY(rule_need(r, i, out));
    return (*out)->kind == IR_SEQUENCE ? BRINK_OK
                                       : rule_fail(r, "input %u should be a sequence", i);
}

/* Sets output 0. */
static brink_status set_sequence(rule_args *r, const uint32_t *items, uint32_t count)
{
    if (count > MAX_ITEMS)
        return rule_unsupported(r, "a sequence of %u items is too long", count);
    ir_value *v = &r->g->values[r->node->outputs[0]];
    v->kind = IR_SEQUENCE;
    v->items = items;
    v->item_count = count;
    v->maker = r->node;
    return BRINK_OK;
}

/* A position in a sequence of `count` items; the input may be left out. */
static brink_status position(rule_args *r, uint32_t i, int64_t count, int64_t otherwise,
                             uint32_t *out)
{
    const int64_t *at;
    uint64_t n;
    int64_t k = otherwise;
    if (rule_in(r, i) != NULL) {
        TRY(rule_known_ints(r, i, &at, &n));
        if (n != 1)
            return rule_fail(r, "a position should be one number");
        k = at[0] < 0 ? at[0] + count : at[0];
    }
    if (k < 0 || k > count)
        return rule_fail(r, "position %lld is outside a sequence of %lld", (long long)k,
                         (long long)count);
    *out = (uint32_t)k;
    return BRINK_OK;
}

static brink_status construct(rule_args *r)
{
    uint32_t *items = ARENA_ARRAY(&r->g->memory, uint32_t, (uint64_t)r->in_count + 1);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(items, r->in, r->in_count * sizeof *items);
    return set_sequence(r, items, r->in_count);
}

static brink_status insert(rule_args *r)
{
    const ir_value *s, *x;
    uint32_t at;
    TRY(items_of(r, 0, &s));
    TRY(rule_need(r, 1, &x));
    TRY(position(r, 2, s->item_count, s->item_count, &at));
    uint32_t *items = ARENA_ARRAY(&r->g->memory, uint32_t, (uint64_t)s->item_count + 1);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < s->item_count; i++)
        items[i + (i >= at)] = s->items[i];
    items[at] = r->in[1];
    return set_sequence(r, items, s->item_count + 1);
}

static brink_status erase(rule_args *r)
{
    const ir_value *s;
    uint32_t at;
    TRY(items_of(r, 0, &s));
    TRY(position(r, 1, s->item_count, (int64_t)s->item_count - 1, &at));
    if (at >= s->item_count)
        return rule_fail(r, "there is no such item");
    uint32_t *items = ARENA_ARRAY(&r->g->memory, uint32_t, s->item_count);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i + 1 < s->item_count; i++)
        items[i] = s->items[i + (i >= at)];
    return set_sequence(r, items, s->item_count - 1);
}

static brink_status item_at(rule_args *r)
{
    const ir_value *s;
    uint32_t at;
    TRY(items_of(r, 0, &s));
    TRY(position(r, 1, s->item_count, 0, &at));
    if (at >= s->item_count)
        return rule_fail(r, "position %u is outside a sequence of %u", at, s->item_count);
    r->g->values[r->node->outputs[0]].alias = s->items[at];
    return BRINK_OK;
}

/* A constant vector or scalar of integers. */
static brink_status add_ints(rule_args *r, const int64_t *list, uint64_t count, uint32_t rank,
                             uint32_t *out)
{
    int64_t *data = ARENA_ARRAY(&r->g->memory, int64_t, count + 1);
    if (data == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(data, list, (size_t)count * sizeof *data);
    ir_value v = {.name = r->node->name,
                  .kind = IR_CONST,
                  .type = BRINK_I64,
                  .rank = rank,
                  .data = data,
                  .producer = IR_NONE,
                  .alias = IR_NONE,
                  .derived = true};
    v.dims[0] = rank ? expr_const(r->t, (int64_t)count) : 0;
    *out = ir_add_value(r->g, &v);
    return *out != IR_NONE ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

static brink_status length(rule_args *r)
{
    const ir_value *s;
    uint32_t value;
    TRY(items_of(r, 0, &s));
    int64_t count = s->item_count;
    TRY(add_ints(r, &count, 1, 0, &value));
    r->g->values[r->node->outputs[0]].alias = value;
    return BRINK_OK;
}

/* Adds a node of another operator in this node's place, with its attributes, and resolves it; its
   outputs are new values. */
static brink_status add_node(const maker *m, const char *type, const uint32_t *inputs,
                             uint32_t input_count, uint32_t output_count, uint32_t *outputs)
{
    ir_graph *g = m->r->g;
    onnx_node *n = ARENA_NEW(&g->memory, onnx_node);
    uint32_t *list = ARENA_ARRAY(&g->memory, uint32_t, (uint64_t)input_count + output_count + 1);
    if (n == NULL || list == NULL)
        return BRINK_OUT_OF_MEMORY;
    *n = *m->r->node;
    n->type = type;
    n->opset = 13;
    n->op = op_find("", type, n->opset);
    n->inputs = list;
    n->outputs = list + input_count;
    n->input_count = input_count;
    n->output_count = output_count;
    memcpy(n->inputs, inputs, input_count * sizeof *list);
    for (uint32_t i = 0; i < output_count; i++) {
        ir_value v = {.name = m->r->node->name, .alias = IR_NONE, .producer = IR_NONE};
        n->outputs[i] = outputs[i] = ir_add_value(g, &v);
        if (outputs[i] == IR_NONE)
            return BRINK_OUT_OF_MEMORY;
    }
    return m->resolve(m->arg, n);
}

/* The sizes of the parts: as listed, or all alike but the last. */
static brink_status part_sizes(rule_args *r, int64_t whole, int64_t **out, uint64_t *count)
{
    const int64_t *given = &(int64_t){1};
    uint64_t n = 0;
    bool one = rule_in(r, 1) == NULL || rule_in(r, 1)->rank == 0;
    if (rule_in(r, 1) != NULL)
        TRY(rule_known_ints(r, 1, &given, &n));
    if (one && given[0] <= 0)
        return rule_fail(r, "parts of %lld are impossible", (long long)given[0]);
    *count = one ? (uint64_t)(whole / given[0] + (whole % given[0] != 0)) : n;
    if (*count > MAX_ITEMS)
        return rule_unsupported(r, "a sequence of %llu items is too long",
                                (unsigned long long)*count);
    *out = ARENA_ARRAY(&r->g->memory, int64_t, *count + 1);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    int64_t left = whole;
    for (uint64_t i = 0; i < *count; i++) {
        int64_t part = one ? (left < given[0] ? left : given[0]) : given[i];
        if (part < 0 || part > left)
            return rule_fail(r, "the parts do not add up to %lld", (long long)whole);
        (*out)[i] = part;
        left -= part;
    }
    return left == 0 ? BRINK_OK : rule_fail(r, "the parts do not add up to %lld", (long long)whole);
}

static brink_status split(const maker *m)
{
    rule_args *r = m->r;
    const ir_value *x;
    uint32_t axis, in[2], squeezed[2];
    int64_t whole, *sizes;
    uint64_t count;
    TRY(rule_need(r, 0, &x));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), x->rank, &axis));
    TRY(rule_dim(r, x, axis, &whole));
    TRY(part_sizes(r, whole, &sizes, &count));
    uint32_t *items = ARENA_ARRAY(&r->g->memory, uint32_t, count + 1);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    in[0] = r->in[0];
    TRY(add_ints(r, sizes, count, 1, &in[1]));
    if (count != 0)
        TRY(add_node(m, "Split", in, 2, (uint32_t)count, items));
    if (rule_in(r, 1) == NULL && !onnx_int(r->node, ATTR_keepdims, 1)) {
        int64_t at = axis;
        TRY(add_ints(r, &at, 1, 1, &squeezed[1]));
        for (uint64_t i = 0; i < count; i++) {
            squeezed[0] = items[i];
            TRY(add_node(m, "Squeeze", squeezed, 2, 1, &items[i]));
        }
    }
    return set_sequence(r, items, (uint32_t)count);
}

static brink_status join(const maker *m)
{
    rule_args *r = m->r;
    const ir_value *s;
    uint32_t joined, in[2];
    TRY(items_of(r, 0, &s));
    uint32_t count = s->item_count;
    uint32_t *items = ARENA_ARRAY(&r->g->memory, uint32_t, (uint64_t)count + 1);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (count == 0)
        return rule_fail(r, "an empty sequence cannot be joined");
    memcpy(items, s->items, count * sizeof *items);
    if (onnx_int(r->node, ATTR_new_axis, 0)) {
        int64_t axis = onnx_int(r->node, ATTR_axis, 0);
        TRY(add_ints(r, &axis, 1, 1, &in[1]));
        for (uint32_t i = 0; i < count; i++) {
            in[0] = items[i];
            TRY(add_node(m, "Unsqueeze", in, 2, 1, &items[i]));
        }
    }
    TRY(add_node(m, "Concat", items, count, 1, &joined));
    r->g->values[r->node->outputs[0]].alias = ir_follow(r->g, joined);
    return BRINK_OK;
}

brink_status sequence_infer(rule_args *r, sequence_resolve resolve, void *arg)
{
    maker m = {r, resolve, arg};
    if (r->out_count == 0 || r->node->outputs[0] == ONNX_NONE)
        return BRINK_OK;
    switch (r->op->id) {
    case OP_onnx_SequenceEmpty_11:
        return set_sequence(r, NULL, 0);
    case OP_onnx_SequenceConstruct_11:
        return construct(r);
    case OP_onnx_SequenceInsert_11:
        return insert(r);
    case OP_onnx_SequenceErase_11:
        return erase(r);
    case OP_onnx_SequenceAt_11:
        return item_at(r);
    case OP_onnx_SequenceLength_11:
        return length(r);
    case OP_onnx_SplitToSequence_11:
        return split(&m);
    default:
        return join(&m);
    }
}
