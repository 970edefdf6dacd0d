/* rewrite.c — the use index of a graph, and changes that keep it; see rewrite.h. */
#include "graph/rewrite.h"

#include "core/half.h"

#include <string.h>

/* Whether the kernel reads input `slot`, rather than the shape rule alone. */
static bool is_read(const ir_node *n, uint32_t slot)
{
    return n->inputs[slot] != IR_NONE && !(slot < 8 && (n->op->flags & OP_SHAPE(slot)));
}

/* ── The index ── */

/* The array with room for `needed` elements; what it held stays. */
static void *grown(arena *a, void *old, uint32_t *capacity, uint32_t needed, uint32_t size)
{
    uint32_t wanted = *capacity;
    while (wanted < needed)
        wanted = wanted ? wanted * 2 : 256;
    if (wanted == *capacity)
        return old;
    void *more = arena_array(a, wanted, size);
    if (more != NULL && old != NULL)
        memcpy(more, old, (size_t)*capacity * size);
    if (more != NULL)
        *capacity = wanted;
    return more;
}

static brink_status room_for_values(rewrite *w)
{
    uint32_t old = w->value_capacity, capacity = old;
    if (w->g->value_count <= old)
        return BRINK_OK;
    uint32_t *first = grown(&w->work, w->first, &capacity, w->g->value_count, sizeof *first);
    capacity = old;
    uint32_t *readers = grown(&w->work, w->readers, &capacity, w->g->value_count, sizeof *readers);
    capacity = old;
    bool *output = grown(&w->work, w->output, &capacity, w->g->value_count, sizeof *output);
    if (first == NULL || readers == NULL || output == NULL)
        return BRINK_OUT_OF_MEMORY;
    w->first = first;
    w->readers = readers;
    w->output = output;
    w->value_capacity = capacity;
    return BRINK_OK;
}

static brink_status add_use(rewrite *w, uint32_t node, uint32_t slot)
{
    rewrite_use *uses = grown(&w->work, w->uses, &w->use_capacity, w->use_count + 1, sizeof *uses);
    if (uses == NULL)
        return BRINK_OUT_OF_MEMORY;
    w->uses = uses;
    uint32_t value = w->g->nodes[node].inputs[slot];
    uses[w->use_count] = (rewrite_use){node, slot, w->first[value]};
    w->first[value] = ++w->use_count;
    w->readers[value]++;
    return BRINK_OK;
}

static brink_status add_uses(rewrite *w, uint32_t node)
{
    for (uint32_t k = 0; k < w->g->nodes[node].input_count; k++)
        if (is_read(&w->g->nodes[node], k))
            TRY(add_use(w, node, k));
    return BRINK_OK;
}

static void remove_uses(rewrite *w, uint32_t node);

/* What leads to the use by a node's input. */
static uint32_t *use_of(rewrite *w, uint32_t node, uint32_t slot)
{
    uint32_t *link = &w->first[w->g->nodes[node].inputs[slot]];
    while (w->uses[*link - 1].node != node || w->uses[*link - 1].slot != slot)
        link = &w->uses[*link - 1].next;
    return link;
}

/* The producer of a value that nobody reads any more dies, if all its outputs are like that. */
static void value_is_idle(rewrite *w, uint32_t value)
{
    const ir_value *v = &w->g->values[value];
    if (w->readers[value] != 0 || w->output[value] || v->kind != IR_TEMP || v->producer == IR_NONE)
        return;
    ir_node *n = &w->g->nodes[v->producer];
    for (uint32_t k = 0; k < n->output_count; k++)
        if (n->outputs[k] != IR_NONE && (w->readers[n->outputs[k]] || w->output[n->outputs[k]]))
            return;
    if (n->dead)
        return;
    n->dead = true;
    remove_uses(w, v->producer);
}

/* Takes what the node reads out of the index. */
static void remove_uses(rewrite *w, uint32_t node)
{
    const ir_node *n = &w->g->nodes[node];
    for (uint32_t k = 0; k < n->input_count; k++) {
        if (!is_read(n, k))
            continue;
        uint32_t *link = use_of(w, node, k);
        *link = w->uses[*link - 1].next;
        w->readers[n->inputs[k]]--;
    }
    for (uint32_t k = 0; k < n->input_count; k++)
        if (is_read(n, k))
            value_is_idle(w, n->inputs[k]);
}

brink_status rewrite_begin(rewrite *w, ir_graph *g)
{
    *w = (rewrite){.g = g, .settled = g->node_count};
    arena_init(&w->work, g->context);
    brink_status status = room_for_values(w);
    for (uint32_t i = 0; i < g->output_count && status == BRINK_OK; i++)
        w->output[g->outputs[i]] = true;
    for (uint32_t i = 0; i < g->node_count && status == BRINK_OK; i++)
        if (!g->nodes[i].dead)
            status = add_uses(w, i);
    if (status != BRINK_OK)
        rewrite_end(w);
    return status;
}

void rewrite_end(rewrite *w)
{
    arena_free(&w->work);
}

brink_status rewrite_settle(rewrite *w)
{
    ir_graph *g = w->g;
    if (w->settled == g->node_count)
        return BRINK_OK;
    uint32_t *next = ARENA_ARRAY(&w->work, uint32_t, (uint64_t)g->node_count + 1);
    uint32_t *head = ARENA_ARRAY(&w->work, uint32_t, (uint64_t)w->settled + 1);
    uint32_t *moved = ARENA_ARRAY(&w->work, uint32_t, (uint64_t)g->node_count + 1);
    ir_node *nodes = ARENA_ARRAY(&g->memory, ir_node, (uint64_t)g->node_count + 1);
    if (!next || !head || !moved || !nodes)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = g->node_count; i-- > w->settled;) { /* lists, the first added in front */
        uint32_t before = w->place[i - w->settled];
        next[i] = head[before];
        head[before] = i;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->settled; i++) {
        for (uint32_t k = head[i]; k != 0; k = next[k]) {
            moved[k] = count;
            nodes[count++] = g->nodes[k];
        }
        moved[i] = count;
        nodes[count++] = g->nodes[i];
    }
    for (uint32_t i = 0; i < g->value_count; i++)
        if (g->values[i].kind == IR_TEMP && g->values[i].producer != IR_NONE)
            g->values[i].producer = moved[g->values[i].producer];
    for (uint32_t i = 0; i < w->use_count; i++)
        w->uses[i].node = moved[w->uses[i].node];
    g->nodes = nodes;
    g->node_capacity = g->node_count + 1;
    w->settled = g->node_count;
    return BRINK_OK;
}

/* ── Looking ── */

ir_node *rewrite_producer(const rewrite *w, uint32_t value)
{
    if (value == IR_NONE)
        return NULL;
    const ir_value *v = &w->g->values[value];
    if (v->kind != IR_TEMP || v->symbolic != NULL || v->producer == IR_NONE)
        return NULL;
    ir_node *n = &w->g->nodes[v->producer];
    return n->dead ? NULL : n;
}

ir_node *rewrite_made_by(const rewrite *w, uint32_t value, op_id op)
{
    ir_node *n = rewrite_producer(w, value);
    return n != NULL && n->op->id == op ? n : NULL;
}

bool rewrite_sole(const rewrite *w, uint32_t value)
{
    return w->readers[value] == 1 && !w->output[value];
}

ir_node *rewrite_reader(const rewrite *w, uint32_t value)
{
    return rewrite_sole(w, value) ? &w->g->nodes[w->uses[w->first[value] - 1].node] : NULL;
}

/* Where a node stands among those that are in order. */
static uint32_t position(const rewrite *w, uint32_t node)
{
    return node < w->settled ? node : w->place[node - w->settled];
}

bool rewrite_available(const rewrite *w, uint32_t value, uint32_t at)
{
    if (value == IR_NONE)
        return true;
    const ir_value *v = &w->g->values[value];
    if (v->kind != IR_TEMP || v->symbolic != NULL || v->producer == IR_NONE)
        return true;
    uint32_t made = position(w, v->producer), here = position(w, at);
    return made != here ? made < here : v->producer >= w->settled && at < w->settled;
}

static bool number_at(const ir_value *v, uint64_t i, double *out)
{
    switch (v->type) {
    case BRINK_F32:
        *out = ((const float *)v->data)[i];
        return true;
    case BRINK_F64:
        *out = ((const double *)v->data)[i];
        return true;
    case BRINK_F16:
        *out = half_to_float(((const uint16_t *)v->data)[i]);
        return true;
    case BRINK_BF16:
        *out = bfloat_to_float(((const uint16_t *)v->data)[i]);
        return true;
    case BRINK_I64:
        *out = (double)((const int64_t *)v->data)[i];
        return true;
    case BRINK_I32:
        *out = ((const int32_t *)v->data)[i];
        return true;
    default:
        return false;
    }
}

bool rewrite_uniform(const rewrite *w, uint32_t value, double *out)
{
    uint64_t count;
    double other;
    if (!rewrite_is_const(w, value))
        return false;
    const ir_value *v = &w->g->values[value];
    if (v->data == NULL || v->remote || !ir_count(w->g, v, &count) || count == 0 || count > 4096 ||
        !number_at(v, 0, out))
        return false;
    for (uint64_t i = 1; i < count; i++)
        if (!number_at(v, i, &other) || other != *out)
            return false;
    return true;
}

bool rewrite_number(const rewrite *w, uint32_t value, double *out)
{
    uint64_t count;
    return rewrite_is_const(w, value) && ir_count(w->g, &w->g->values[value], &count) &&
           count == 1 && rewrite_uniform(w, value, out);
}

int64_t rewrite_dim(const rewrite *w, uint32_t value, int32_t axis)
{
    const ir_value *v = &w->g->values[value];
    uint32_t at;
    int64_t n;
    return axis_wrap(axis, v->rank, &at) && expr_known(&w->g->exprs, v->dims[at], &n) ? n : -1;
}

bool rewrite_same_shape(const rewrite *w, uint32_t x, uint32_t y)
{
    const ir_value *p = &w->g->values[x], *q = &w->g->values[y];
    return p->rank == q->rank && memcmp(p->dims, q->dims, p->rank * sizeof *p->dims) == 0;
}

bool rewrite_is_vector(const rewrite *w, uint32_t value, int64_t n)
{
    const ir_value *v = &w->g->values[value];
    if (v->rank == 0 || n < 0 || rewrite_dim(w, value, -1) != n)
        return false;
    for (uint32_t i = 0; i + 1 < v->rank; i++)
        if (rewrite_dim(w, value, (int32_t)i) != 1)
            return false;
    return true;
}

bool rewrite_ints(const rewrite *w, const ir_node *n, attr_name name, uint32_t i,
                  const int64_t **out, uint32_t *count)
{
    *out = onnx_ints(n->source, name, count);
    if (*out != NULL)
        return true;
    uint32_t value = rewrite_input(n, i);
    uint64_t many;
    if (!rewrite_is_const(w, value) || w->g->values[value].type != BRINK_I64 ||
        w->g->values[value].data == NULL || !ir_count(w->g, &w->g->values[value], &many) ||
        many > IR_MAX_SYMBOLIC)
        return false;
    *out = w->g->values[value].data;
    *count = (uint32_t)many;
    return true;
}

bool rewrite_reduces_last(const rewrite *w, const ir_node *n)
{
    const int64_t *axes;
    uint32_t count;
    int64_t rank = w->g->values[n->inputs[0]].rank;
    return rewrite_ints(w, n, ATTR_axes, 1, &axes, &count) && count == 1 &&
           (axes[0] == -1 || axes[0] == rank - 1) && onnx_int(n->source, ATTR_keepdims, 1) != 0;
}

/* ── Changing ── */

/* A node of no file, named like another. */
static const onnx_node *make_source(rewrite *w, const onnx_node *like, const rewrite_node *n)
{
    arena *a = &w->g->memory;
    const op_row *op = &op_table[n->op];
    onnx_node *source = ARENA_NEW(a, onnx_node);
    onnx_attr *attrs = ARENA_ARRAY(a, onnx_attr, (uint64_t)n->attr_count + 1);
    if (source == NULL || attrs == NULL)
        return NULL;
    for (uint32_t i = 0; i < n->attr_count; i++) {
        attrs[i] = n->attrs[i];
        uint32_t size = attrs[i].kind == ATTR_KIND_INTS     ? sizeof(int64_t)
                        : attrs[i].kind == ATTR_KIND_FLOATS ? sizeof(float)
                                                            : 0;
        if (size == 0)
            continue;
        void *list = arena_array(a, (uint64_t)attrs[i].count + 1, size);
        if (list == NULL)
            return NULL;
        memcpy(list, attrs[i].ints, (size_t)attrs[i].count * size);
        attrs[i].ints = list;
    }
    *source = (onnx_node){.name = like->name,
                          .type = op->name,
                          .domain = op->domain,
                          .op = op,
                          .opset = *op->domain == '\0' ? 25 : 1,
                          .attrs = attrs,
                          .attr_count = n->attr_count};
    return source;
}

static brink_status make_node(rewrite *w, const onnx_node *like, const rewrite_node *n,
                              ir_node *out)
{
    arena *a = &w->g->memory;
    *out = (ir_node){.source = make_source(w, like, n),
                     .op = &op_table[n->op],
                     .input_count = n->input_count,
                     .output_count = n->output_count,
                     .inputs = ARENA_ARRAY(a, uint32_t, (uint64_t)n->input_count + 1),
                     .outputs = ARENA_ARRAY(a, uint32_t, (uint64_t)n->output_count + 1)};
    if (out->source == NULL || out->inputs == NULL || out->outputs == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(out->inputs, n->inputs, n->input_count * sizeof *out->inputs);
    memcpy(out->outputs, n->outputs, n->output_count * sizeof *out->outputs);
    return BRINK_OK;
}

/* The node's outputs are its own from now on; who computed them before may die. */
static void take_outputs(rewrite *w, uint32_t node)
{
    for (uint32_t k = 0; k < w->g->nodes[node].output_count; k++) {
        uint32_t value = w->g->nodes[node].outputs[k];
        if (value == IR_NONE)
            continue;
        uint32_t old = w->g->values[value].producer;
        w->g->values[value].producer = node;
        if (old == IR_NONE || old == node)
            continue;
        ir_node *n = &w->g->nodes[old];
        bool needed = false;
        for (uint32_t i = 0; i < n->output_count; i++) {
            if (n->outputs[i] == value)
                n->outputs[i] = IR_NONE;
            needed |= n->outputs[i] != IR_NONE &&
                      (w->readers[n->outputs[i]] != 0 || w->output[n->outputs[i]]);
        }
        if (needed || n->dead)
            continue;
        n->dead = true;
        remove_uses(w, old);
    }
}

brink_status rewrite_replace(rewrite *w, uint32_t at, const rewrite_node *n)
{
    ir_node made;
    TRY(room_for_values(w));
    TRY(make_node(w, w->g->nodes[at].source, n, &made));
    for (uint32_t k = 0; k < made.input_count; k++) /* so that no input dies meanwhile */
        if (made.inputs[k] != IR_NONE)
            w->readers[made.inputs[k]]++;
    ir_node old = w->g->nodes[at];
    remove_uses(w, at);
    for (uint32_t k = 0; k < made.input_count; k++)
        if (made.inputs[k] != IR_NONE)
            w->readers[made.inputs[k]]--;
    w->g->nodes[at] = made;
    TRY(add_uses(w, at));
    for (uint32_t k = 0; k < old.output_count; k++) /* what it no longer gives */
        if (old.outputs[k] != IR_NONE && w->g->values[old.outputs[k]].producer == at)
            w->g->values[old.outputs[k]].producer = IR_NONE;
    take_outputs(w, at);
    return BRINK_OK;
}

brink_status rewrite_insert(rewrite *w, uint32_t at, const rewrite_node *n)
{
    ir_graph *g = w->g;
    ir_node made;
    TRY(room_for_values(w));
    TRY(make_node(w, g->nodes[at].source, n, &made));
    uint32_t index = g->node_count, added = index - w->settled;
    ir_node *nodes = g->nodes;
    if (index == g->node_capacity) {
        g->node_capacity = 2 * index + 1;
        nodes = ARENA_ARRAY(&g->memory, ir_node, g->node_capacity);
        if (nodes == NULL)
            return BRINK_OUT_OF_MEMORY;
        memcpy(nodes, g->nodes, index * sizeof *nodes);
    }
    uint32_t *place = grown(&w->work, w->place, &w->place_capacity, added + 1, sizeof *place);
    if (place == NULL)
        return BRINK_OUT_OF_MEMORY;
    w->place = place;
    place[added] = position(w, at);
    g->nodes = nodes;
    g->nodes[g->node_count++] = made;
    TRY(add_uses(w, index));
    take_outputs(w, index);
    return BRINK_OK;
}

void rewrite_set_input(rewrite *w, uint32_t node, uint32_t slot, uint32_t value)
{
    const ir_node *n = &w->g->nodes[node];
    uint32_t old = n->inputs[slot];
    if (!is_read(n, slot)) {
        n->inputs[slot] = value;
        return;
    }
    uint32_t *link = use_of(w, node, slot), use = *link;
    *link = w->uses[use - 1].next;
    w->readers[old]--;
    n->inputs[slot] = value;
    w->uses[use - 1].next = w->first[value];
    w->first[value] = use;
    w->readers[value]++;
    value_is_idle(w, old);
}

void rewrite_redirect(rewrite *w, uint32_t from, uint32_t to)
{
    while (w->first[from] != 0) {
        rewrite_use *u = &w->uses[w->first[from] - 1];
        uint32_t at = w->first[from];
        w->first[from] = u->next;
        w->g->nodes[u->node].inputs[u->slot] = to;
        u->next = w->first[to];
        w->first[to] = at;
        w->readers[from]--;
        w->readers[to]++;
    }
    value_is_idle(w, from);
}

uint32_t rewrite_temp(rewrite *w, uint32_t like, uint32_t rank, const expr *dims)
{
    ir_value v = {.name = w->g->values[like].name,
                  .kind = IR_TEMP,
                  .type = w->g->values[like].type,
                  .rank = rank,
                  .alias = IR_NONE,
                  .producer = IR_NONE};
    memcpy(v.dims, dims, rank * sizeof *dims);
    return ir_add_value(w->g, &v);
}

uint32_t rewrite_constant(rewrite *w, brink_type type, uint32_t rank, const int64_t *dims,
                          void **data)
{
    ir_value v = {.name = "constant",
                  .kind = IR_CONST,
                  .type = type,
                  .rank = rank,
                  .alias = IR_NONE,
                  .producer = IR_NONE,
                  .derived = true};
    uint64_t count = 1, bytes;
    for (uint32_t i = 0; i < rank; i++) {
        count *= (uint64_t)dims[i];
        v.dims[i] = expr_const(&w->g->exprs, dims[i]);
    }
    if (!onnx_type_bytes(type, count, &bytes))
        return IR_NONE;
    v.data = *data = arena_alloc(&w->g->memory, bytes + 1);
    return *data != NULL ? ir_add_value(w->g, &v) : IR_NONE;
}
