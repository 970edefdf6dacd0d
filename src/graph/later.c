/* later.c — what a segment leaves for later; see ir.h. */
#include "graph/ir.h"

#include <string.h>

brink_status ir_postpone(ir_graph *g, const onnx_node *n)
{
    if (g->later_count == g->later_capacity) {
        uint32_t capacity = g->later_capacity ? g->later_capacity * 2 : 64;
        const onnx_node **later = ARENA_ARRAY(&g->memory, const onnx_node *, capacity);
        if (later == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (g->later_count != 0)
            memcpy(later, g->later, g->later_count * sizeof *later);
        g->later = later;
        g->later_capacity = capacity;
    }
    g->later[g->later_count++] = n;
    for (uint32_t i = 0; i < n->output_count; i++)
        if (n->outputs[i] != ONNX_NONE)
            g->values[n->outputs[i]].kind = IR_LATER;
    return BRINK_OK;
}

static void each_read_of_graph(const onnx_graph *graph, ir_visit visit, void *arg)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        ir_each_read(&graph->nodes[i], visit, arg);
    for (uint32_t i = 0; i < graph->output_count; i++)
        visit(arg, graph->outputs[i]);
}

void ir_each_read(const onnx_node *n, ir_visit visit, void *arg)
{
    for (uint32_t i = 0; i < n->input_count; i++)
        if (n->inputs[i] != ONNX_NONE)
            visit(arg, n->inputs[i]);
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (n->attrs[i].kind == ATTR_KIND_GRAPH)
            each_read_of_graph(n->attrs[i].graph, visit, arg);
}

/* Whether the value is one that only this segment has: computed, or derived from constants.
   What a subgraph defines inside itself is unset here. */
static bool is_fleeting(const ir_graph *g, uint32_t value)
{
    if (value >= g->model->value_count || (g->known != NULL && g->known[value].state == IR_KNOWN))
        return false;
    const ir_value *v = &g->values[ir_follow(g, value)];
    return v->kind == IR_TEMP || (v->kind == IR_CONST && v->producer != IR_NONE) ||
           (g->values[value].alias != IR_NONE && (v->kind == IR_CONST || v->kind == IR_INPUT));
}

typedef struct readiness {
    const ir_graph *g;
    bool ready;
} readiness;

static void check_read(void *arg, uint32_t value)
{
    readiness *r = arg;
    if (is_fleeting(r->g, value) || r->g->values[ir_follow(r->g, value)].kind == IR_LATER)
        r->ready = false;
}

bool ir_loop_ready(const ir_graph *g, const onnx_node *n)
{
    readiness r = {g, true};
    ir_each_read(n, check_read, &r);
    return r.ready;
}

typedef struct collection {
    ir_graph *g;
    bool *taken;
    uint32_t depth;
} collection;

enum { MAX_SEQUENCE_DEPTH = 1024 };

static void collect(void *arg, uint32_t value)
{
    collection *c = arg;
    const ir_value *v = &c->g->values[ir_follow(c->g, value)];
    if (v->kind == IR_SEQUENCE) { /* it is made again, from what it was made of */
        if (c->depth++ < MAX_SEQUENCE_DEPTH)
            ir_each_read(v->maker, collect, arg);
        c->depth--;
        return;
    }
    if (value >= c->g->model->value_count || c->taken[value] || !is_fleeting(c->g, value))
        return;
    c->taken[value] = true;
    c->g->output_names[c->g->output_count++] = value;
}

brink_status ir_find_outputs(ir_graph *g)
{
    const onnx_graph *graph = g->graph;
    uint64_t most = g->later_count ? g->model->value_count : graph->output_count;
    g->output_count = 0;
    g->outputs = ARENA_ARRAY(&g->memory, uint32_t, most + 1);
    g->output_names = ARENA_ARRAY(&g->memory, uint32_t, most + 1);
    if (g->outputs == NULL || g->output_names == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (g->later_count == 0) {
        g->output_count = graph->output_count;
        memcpy(g->output_names, graph->outputs, graph->output_count * sizeof *g->output_names);
    } else {
        collection c = {g, ARENA_ARRAY(&g->memory, bool, g->model->value_count), 0};
        if (c.taken == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint32_t i = 0; i < g->later_count; i++)
            ir_each_read(g->later[i], collect, &c);
        for (uint32_t i = 0; i < graph->output_count; i++)
            collect(&c, graph->outputs[i]);
    }
    for (uint32_t i = 0; i < g->output_count; i++) {
        g->outputs[i] = ir_follow(g, g->output_names[i]);
        if (g->values[g->outputs[i]].kind == IR_SEQUENCE)
            return core_fail(g->context, BRINK_UNSUPPORTED, "%s: output %s is a sequence",
                             g->model->file, g->values[g->output_names[i]].name);
        if (g->values[g->outputs[i]].kind == IR_UNSET)
            return core_fail(g->context, BRINK_BAD_INPUT, "%s: output %s has no value",
                             g->model->file, g->values[g->output_names[i]].name);
    }
    return BRINK_OK;
}
