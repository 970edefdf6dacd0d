/* sort.c — Kahn's algorithm, stable: among nodes that are ready the file's order is kept
   (Kahn, "Topological sorting of large networks", 1962). Values that a node's subgraphs capture
   count as its inputs. */
#include "onnx/sort.h"

#include <string.h>

typedef struct edges {
    const uint32_t *producer; /* by value: node index + 1 in this graph, 0 for none */
    uint32_t value_count;
    void (*visit)(struct edges *e, uint32_t from);
    uint32_t to;
    uint32_t *degree, *next, *heads, *links, used;
    bool sorted;
} edges;

/* Calls visit for each node of this graph that a node, or a graph inside it, reads from. */
static void each_source(edges *e, const onnx_node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        uint32_t v = n->inputs[i];
        if (v < e->value_count && e->producer[v] != 0)
            e->visit(e, e->producer[v] - 1);
    }
    for (uint32_t i = 0; i < n->attr_count; i++) {
        if (n->attrs[i].kind != ATTR_KIND_GRAPH)
            continue;
        const onnx_graph *inner = n->attrs[i].graph;
        for (uint32_t k = 0; k < inner->node_count; k++)
            each_source(e, &inner->nodes[k]);
        for (uint32_t k = 0; k < inner->output_count; k++) {
            uint32_t v = inner->outputs[k];
            if (v < e->value_count && e->producer[v] != 0)
                e->visit(e, e->producer[v] - 1);
        }
    }
}

static void count_edge(edges *e, uint32_t from)
{
    e->used++;
    e->degree[e->to]++;
    if (from >= e->to)
        e->sorted = false;
}

static void add_edge(edges *e, uint32_t from)
{
    e->links[e->used] = e->to;
    e->next[e->used] = e->heads[from];
    e->heads[from] = ++e->used;
}

/* A heap of node indices, least first, so that the order is stable. */
static void push(uint32_t *heap, uint32_t *n, uint32_t v)
{
    uint32_t i = (*n)++;
    for (; i > 0 && heap[(i - 1) / 2] > v; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = v;
}

static uint32_t pop(uint32_t *heap, uint32_t *n)
{
    uint32_t least = heap[0], v = heap[--*n], i = 0;
    for (uint32_t k; (k = 2 * i + 1) < *n; i = k) {
        if (k + 1 < *n && heap[k + 1] < heap[k])
            k++;
        if (heap[k] >= v)
            break;
        heap[i] = heap[k];
    }
    heap[i] = v;
    return least;
}

brink_status onnx_sort(brink_context *context, onnx_model *m, onnx_graph *g)
{
    arena a;
    arena_init(&a, context);
    brink_status status = BRINK_OUT_OF_MEMORY;
    uint32_t n = g->node_count;
    uint32_t *producer = ARENA_ARRAY(&a, uint32_t, (uint64_t)m->value_count + 1);
    edges e = {
        .producer = producer, .value_count = m->value_count, .visit = count_edge, .sorted = true};
    e.degree = ARENA_ARRAY(&a, uint32_t, (uint64_t)n + 1);
    if (producer == NULL || e.degree == NULL)
        goto done;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < g->nodes[i].output_count; k++)
            if (g->nodes[i].outputs[k] != ONNX_NONE)
                producer[g->nodes[i].outputs[k]] = i + 1;
    for (e.to = 0; e.to < n; e.to++)
        each_source(&e, &g->nodes[e.to]);
    status = BRINK_OK;
    if (e.sorted)
        goto done;
    status = BRINK_OUT_OF_MEMORY;
    e.links = ARENA_ARRAY(&a, uint32_t, (uint64_t)e.used + 1);
    e.next = ARENA_ARRAY(&a, uint32_t, (uint64_t)e.used + 1);
    e.heads = ARENA_ARRAY(&a, uint32_t, (uint64_t)n + 1);
    uint32_t *heap = ARENA_ARRAY(&a, uint32_t, (uint64_t)n + 1), ready = 0;
    onnx_node *order = ARENA_ARRAY(&a, onnx_node, (uint64_t)n + 1);
    if (!e.links || !e.next || !e.heads || !heap || !order)
        goto done;
    e.used = 0;
    e.visit = add_edge;
    for (e.to = 0; e.to < n; e.to++)
        each_source(&e, &g->nodes[e.to]);
    uint32_t placed = 0;
    for (uint32_t i = 0; i < n; i++)
        if (e.degree[i] == 0)
            push(heap, &ready, i);
    while (ready != 0) {
        uint32_t i = pop(heap, &ready);
        order[placed++] = g->nodes[i];
        for (uint32_t l = e.heads[i]; l != 0; l = e.next[l - 1])
            if (--e.degree[e.links[l - 1]] == 0)
                push(heap, &ready, e.links[l - 1]);
    }
    status = BRINK_OK;
    if (placed == n) {
        memcpy(g->nodes, order, n * sizeof *order);
        goto done;
    }
    for (uint32_t i = 0; i < n; i++)
        if (e.degree[i] != 0) {
            status = onnx_node_fail(context, m->file, &g->nodes[i], BRINK_BAD_INPUT,
                                    "it depends on its own output");
            break;
        }
done:
    arena_free(&a);
    return status;
}
