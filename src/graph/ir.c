/* ir.c — resolves an ONNX graph for given input shapes; see ir.h.

   One pass over the sorted nodes: the shape rule gives types, shapes and small values; a node whose
   inputs are all constant is computed at once; an If is replaced by the branch that its condition
   names. When a rule needs the content of a graph input, that input becomes bound (a constant) and
   the pass starts again; each restart binds at least one more input, so it ends.

   Invariant: nodes are in an order in which each follows what it reads. */
#include "graph/ir.h"

#include "core/half.h"
#include "core/sanitize.h"
#include "graph/rules.h"
#include "graph/sequence.h"

#include <string.h>

static const uint64_t MAX_ELEMENTS = (uint64_t)1 << 48;

enum {
    MAX_BOUND_BYTES = 1 << 20,
    MAX_BOUND_SEGMENT_BYTES = 4096, /* where the node could also wait for a later segment */
    MAX_FOLDED_BYTES = 1 << 20,
    MAX_WIDENED_BYTES = 4096,
    MAX_LEARNED_BYTES = 4096, /* of a run's own values only shapes and indices are folded */
    MAX_BRANCH_DEPTH = 32
};

const rule_fn rule_table[OP_COUNT] = {
#define OP(domain, name, since, rule, kernel, gpu, flags) infer_##rule,
#include "onnx/ops.def"
#undef OP
};

void *kernel_scratch(const kernel_args *a, uint64_t size)
{
    if (a->scratch->data == NULL || size > a->scratch->size) {
        core_free(a->context, a->scratch->data);
        *a->scratch = (scratch){0};
        a->scratch->data = core_alloc(a->context, size);
        if (a->scratch->data == NULL)
            return NULL;
        a->scratch->size = size;
    }
    core_poison(a->scratch->data, a->scratch->size);
    core_unpoison(a->scratch->data, size);
    core_scramble(a->scratch->data, size);
    return a->scratch->data;
}

brink_status ir_init(brink_context *context, const onnx_model *model, const onnx_graph *graph,
                     const kernel_table *kernels, ir_graph *out)
{
    *out = (ir_graph){.context = context, .model = model, .graph = graph, .kernels = kernels};
    arena_init(&out->memory, context);
    out->bound = ARENA_ARRAY(&out->memory, bool, (uint64_t)graph->input_count + 1);
    brink_status status =
        out->bound != NULL ? expr_table_init(&out->exprs, &out->memory) : BRINK_OUT_OF_MEMORY;
    if (status != BRINK_OK)
        ir_free(out);
    return status;
}

void ir_free(ir_graph *g)
{
    if (g->memory.context != NULL)
        arena_free(&g->memory);
}

uint32_t ir_follow(const ir_graph *g, uint32_t value)
{
    while (value != IR_NONE && g->values[value].alias != IR_NONE)
        value = g->values[value].alias;
    return value;
}

uint32_t ir_add_value(ir_graph *g, const ir_value *v)
{
    if (g->value_count == g->value_capacity) {
        uint32_t capacity = g->value_capacity * 2;
        ir_value *values = ARENA_ARRAY(&g->memory, ir_value, capacity);
        if (values == NULL)
            return IR_NONE;
        memcpy(values, g->values, g->value_count * sizeof *values);
        g->values = values;
        g->value_capacity = capacity;
    }
    g->values[g->value_count] = *v;
    return g->value_count++;
}

bool ir_count(const ir_graph *g, const ir_value *v, uint64_t *count)
{
    *count = 1;
    for (uint32_t i = 0; i < v->rank; i++) {
        int64_t n;
        if (!expr_known(&g->exprs, v->dims[i], &n) || n < 0 ||
            !core_mul(*count, (uint64_t)n, count))
            return false;
    }
    return true;
}

static brink_status ir_bytes(const ir_graph *g, const ir_value *v, uint64_t *bytes)
{
    uint64_t count;
    return ir_count(g, v, &count) && onnx_type_bytes(v->type, count, bytes) ? BRINK_OK
                                                                            : BRINK_UNSUPPORTED;
}

/* Sets every value as the model has it before any node. */
/* Strides are products of dimensions, those of an empty tensor too. */
static bool size_fits(const ir_graph *g, const ir_value *v)
{
    uint64_t reach = 1;
    for (uint32_t k = 0; k < v->rank; k++) {
        int64_t high = expr_high(&g->exprs, v->dims[k]);
        if (!core_mul(reach, high > 1 ? (uint64_t)high : 1, &reach) || reach > MAX_ELEMENTS)
            return false;
    }
    return true;
}

static brink_status start(ir_graph *g, const ir_binding *bindings)
{
    const onnx_model *m = g->model;
    g->value_count = m->value_count;
    g->node_count = 0;
    g->derived_bytes = 0;
    g->later_count = 0;
    g->loop = NULL;
    if (g->values == NULL) {
        g->value_capacity = m->value_count + 64;
        g->values = ARENA_ARRAY(&g->memory, ir_value, g->value_capacity);
        if (g->values == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    for (uint32_t i = 0; i < m->value_count; i++) {
        const onnx_tensor *t = m->values[i].initial;
        ir_value v = {.name = m->values[i].name, .alias = IR_NONE, .producer = IR_NONE};
        if (t != NULL) {
            v.kind = IR_CONST;
            v.type = t->type;
            v.rank = t->rank;
            v.data = t->data;
            v.remote = t->remote;
            v.fixed = true;
            for (uint32_t k = 0; k < t->rank; k++)
                v.dims[k] = expr_const(&g->exprs, t->dims[k]);
        }
        const ir_known *known = g->known != NULL ? &g->known[i] : NULL;
        if (known != NULL && known->state == IR_KNOWN) {
            v.kind = IR_CONST;
            v.type = known->type;
            v.rank = known->rank;
            v.data = known->data;
            v.learned = true;
            v.fixed = false;
            for (uint32_t k = 0; k < known->rank; k++)
                v.dims[k] = expr_const(&g->exprs, known->dims[k]);
        }
        if (!size_fits(g, &v))
            return core_fail(g->context, BRINK_BAD_INPUT, "%s: the size of %s overflows", m->file,
                             v.name);
        g->values[i] = v;
    }
    for (uint32_t i = 0; i < g->graph->input_count && bindings != NULL; i++) {
        ir_value *v = &g->values[g->graph->inputs[i]];
        const ir_binding *b = &bindings[i];
        v->kind = g->bound[i] ? IR_CONST : IR_INPUT;
        v->fixed = false;
        v->type = b->type;
        v->rank = b->rank;
        memcpy(v->dims, b->dims, b->rank * sizeof *b->dims);
        if (!size_fits(g, v))
            return core_fail(g->context, BRINK_BAD_INPUT, "%s: the size of input %s overflows",
                             m->file, v->name);
        uint64_t bytes;
        if (!g->bound[i] || ir_bytes(g, v, &bytes) != BRINK_OK)
            continue;
        void *copy = arena_alloc(&g->memory, bytes + 1);
        if (copy == NULL)
            return BRINK_OUT_OF_MEMORY;
        memcpy(copy, b->data, (size_t)bytes);
        v->data = copy;
    }
    return g->exprs.failed ? BRINK_OUT_OF_MEMORY : BRINK_OK;
}

/* Binds the graph inputs that `value` is computed from. IR_RESTART when that told something new. */
static brink_status bind_sources(ir_graph *g, const ir_binding *bindings, uint32_t value,
                                 uint32_t depth, bool *possible)
{
    value = ir_follow(g, value);
    const ir_value *v = &g->values[value];
    if (v->kind == IR_CONST || v->symbolic != NULL)
        return BRINK_OK;
    if (v->kind == IR_INPUT) {
        uint64_t most = g->segmented ? MAX_BOUND_SEGMENT_BYTES : MAX_BOUND_BYTES;
        for (uint32_t i = 0; i < g->graph->input_count; i++) {
            uint64_t bytes;
            if (g->graph->inputs[i] != value)
                continue;
            if (bindings[i].data == NULL || ir_bytes(g, v, &bytes) != BRINK_OK || bytes > most) {
                *possible = false;
                return BRINK_OK;
            }
            g->bound[i] = true;
            return IR_RESTART;
        }
    }
    if (v->kind != IR_TEMP || depth == 256) {
        *possible = false;
        return BRINK_OK;
    }
    const ir_node *n = &g->nodes[v->producer];
    brink_status status = BRINK_OK;
    for (uint32_t i = 0; i < n->input_count && *possible; i++) {
        if (n->inputs[i] == IR_NONE)
            continue;
        brink_status s = bind_sources(g, bindings, n->inputs[i], depth + 1, possible);
        if (s != BRINK_OK)
            status = s;
    }
    return status;
}

typedef struct resolver {
    ir_graph *g;
    const ir_binding *bindings;
    uint32_t depth;
} resolver;

typedef struct rule_call {
    rule_args args; /* first, so that a rule_args leads back to its call */
    const ir_binding *bindings;
} rule_call;

static brink_status ask_for_value(rule_args *r, uint32_t value)
{
    rule_call *call = (rule_call *)r;
    bool possible = true;
    brink_status status = bind_sources(r->g, call->bindings, value, 0, &possible);
    if (possible && status == IR_RESTART)
        return IR_RESTART;
    if (r->g->segmented)
        return IR_POSTPONE;
    return rule_unsupported(r, "its shape depends on the content of %s, which is computed",
                            r->g->values[value].name);
}

const ir_value *rule_in(const rule_args *r, uint32_t i)
{
    return i < r->in_count && r->in[i] != IR_NONE ? &r->g->values[r->in[i]] : NULL;
}

brink_status rule_need(const rule_args *r, uint32_t i, const ir_value **out)
{
    *out = rule_in(r, i);
    return *out != NULL ? BRINK_OK : rule_fail(r, "input %u is missing", i);
}

/* One element of an integer tensor. */
static bool read_int(brink_type type, const void *data, uint64_t i, int64_t *out)
{
    switch (type) {
    case BRINK_I64:
    case BRINK_U64:
        *out = ((const int64_t *)data)[i];
        return true;
    case BRINK_I32:
        *out = ((const int32_t *)data)[i];
        return true;
    case BRINK_U32:
        *out = ((const uint32_t *)data)[i];
        return true;
    case BRINK_I16:
        *out = ((const int16_t *)data)[i];
        return true;
    case BRINK_U16:
        *out = ((const uint16_t *)data)[i];
        return true;
    case BRINK_I8:
        *out = ((const int8_t *)data)[i];
        return true;
    case BRINK_U8:
    case BRINK_BOOL:
        *out = ((const uint8_t *)data)[i];
        return true;
    default:
        return false;
    }
}

const expr *symbolic_elements(rule_args *r, uint32_t i, uint64_t *count)
{
    const ir_value *v = rule_in(r, i);
    if (v == NULL)
        return NULL;
    if (v->symbolic != NULL) {
        *count = v->symbolic_count;
        return v->symbolic;
    }
    int64_t probe;
    if (v->kind != IR_CONST || v->data == NULL || v->remote || !ir_count(r->g, v, count) ||
        *count > IR_MAX_SYMBOLIC || (*count != 0 && !read_int(v->type, v->data, 0, &probe)))
        return NULL;
    expr *list = ARENA_ARRAY(&r->g->memory, expr, *count + 1);
    if (list == NULL)
        return NULL;
    for (uint64_t k = 0; k < *count; k++) {
        read_int(v->type, v->data, k, &probe);
        list[k] = expr_const(r->t, probe);
    }
    ir_value *keep = &r->g->values[r->in[i]];
    keep->symbolic = list;
    keep->symbolic_count = *count;
    return list;
}

brink_status rule_ints(rule_args *r, uint32_t i, const expr **out, uint64_t *count)
{
    const ir_value *v;
    TRY(rule_need(r, i, &v));
    *out = symbolic_elements(r, i, count);
    if (*out != NULL)
        return BRINK_OK;
    if (v->kind == IR_CONST)
        return rule_fail(r, "input %u (%s) should be a small integer tensor", i, v->name);
    return ask_for_value(r, r->in[i]);
}

brink_status rule_known_ints(rule_args *r, uint32_t i, const int64_t **out, uint64_t *count)
{
    const expr *list;
    TRY(rule_ints(r, i, &list, count));
    int64_t *values = ARENA_ARRAY(&r->g->memory, int64_t, *count + 1);
    if (values == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint64_t k = 0; k < *count; k++)
        if (!expr_known(r->t, list[k], &values[k]))
            return rule_unsupported(r, "input %u changes with the running length", i);
    *out = values;
    return BRINK_OK;
}

brink_status rule_data(rule_args *r, uint32_t i, const void **out)
{
    const ir_value *v;
    TRY(rule_need(r, i, &v));
    if (v->kind == IR_CONST && v->data != NULL && !v->remote) {
        *out = v->data;
        return BRINK_OK;
    }
    return ask_for_value(r, r->in[i]);
}

brink_status rule_attr_or_input(rule_args *r, attr_name name, uint32_t i, const int64_t **out,
                                uint64_t *count, bool *given)
{
    uint32_t n;
    *out = onnx_ints(r->node, name, &n);
    *count = n;
    *given = onnx_find(r->node, name) != NULL;
    if (*given || rule_in(r, i) == NULL)
        return BRINK_OK;
    *given = true;
    return rule_known_ints(r, i, out, count);
}

brink_status rule_axis(const rule_args *r, int64_t axis, uint32_t rank, uint32_t *out)
{
    if (axis < -(int64_t)rank || axis >= (int64_t)rank)
        return rule_fail(r, "axis %lld is outside rank %u", (long long)axis, rank);
    *out = (uint32_t)(axis < 0 ? axis + rank : axis);
    return BRINK_OK;
}

brink_status rule_dim(const rule_args *r, const ir_value *v, uint32_t axis, int64_t *out)
{
    if (axis < v->rank && expr_known(r->t, v->dims[axis], out))
        return BRINK_OK;
    return axis >= v->rank
               ? rule_fail(r, "%s has rank %u, too small", v->name, v->rank)
               : rule_unsupported(r, "dimension %u of %s changes while running", axis, v->name);
}

void rule_like(ir_value *out, const ir_value *v)
{
    out->type = v->type;
    out->rank = v->rank;
    memcpy(out->dims, v->dims, sizeof out->dims);
}

brink_status rule_broadcast(const rule_args *r, const ir_value *a, const ir_value *b, ir_value *out)
{
    ir_value x = *a, y = *b; /* out may be one of them */
    uint32_t rank = x.rank > y.rank ? x.rank : y.rank;
    expr one = expr_const(r->t, 1);
    for (uint32_t i = 0; i < rank; i++) {
        expr p = i + x.rank >= rank ? x.dims[i + x.rank - rank] : one;
        expr q = i + y.rank >= rank ? y.dims[i + y.rank - rank] : one;
        int64_t pv = 0, qv = 0;
        bool pk = expr_known(r->t, p, &pv), qk = expr_known(r->t, q, &qv);
        if (p == q || (qk && qv == 1))
            out->dims[i] = p;
        else if (pk && pv == 1)
            out->dims[i] = q;
        else if (pk && qk)
            return rule_fail(r, "dimensions %lld and %lld do not broadcast", (long long)pv,
                             (long long)qv);
        else if (pk)
            out->dims[i] = p;
        else if (qk)
            out->dims[i] = q;
        else
            out->dims[i] = expr_select(r->t, expr_equal(r->t, p, one), q, p);
    }
    out->rank = rank;
    return BRINK_OK;
}

/* ── Folding ── */

/* Half-precision constants as f32, the form kernels take. */
static brink_status widen(arena *a, brink_type type, uint64_t count, tensor *t)
{
    if (!is_half(type))
        return BRINK_OK;
    float *wide = ARENA_ARRAY(a, float, count + 1);
    if (wide == NULL)
        return BRINK_OUT_OF_MEMORY;
    half_widen(type, t->data, count, wide);
    t->data = wide;
    t->type = BRINK_F32;
    return BRINK_OK;
}

static brink_status tensor_of(ir_graph *g, const ir_value *v, tensor *out, uint64_t *count)
{
    *out = (tensor){.type = v->type, .rank = v->rank, .data = (void *)(uintptr_t)v->data};
    if (!ir_count(g, v, count))
        return BRINK_UNSUPPORTED;
    for (uint32_t i = 0; i < v->rank; i++)
        expr_known(&g->exprs, v->dims[i], &out->dims[i]);
    return BRINK_OK;
}

static bool is_learned(const rule_args *r)
{
    for (uint32_t i = 0; i < r->in_count; i++)
        if (rule_in(r, i) != NULL && rule_in(r, i)->learned)
            return true;
    return false;
}

static bool is_fixed(const rule_args *r)
{
    for (uint32_t i = 0; i < r->in_count; i++)
        if (rule_in(r, i) != NULL && !rule_in(r, i)->fixed)
            return false;
    return r->g->model->packing != NULL;
}

static const char folded; /* its address names results of nodes among what the model keeps */

static packing_key folded_key(const rule_args *r, uint32_t i)
{
    return (packing_key){&folded, {r->node, (const void *)(uintptr_t)(i + 1)}};
}

/* A result's bytes: the model's if they are fixed, so that plans share them, else the graph's. */
static brink_status place_result(rule_args *r, uint32_t i, uint64_t bytes, void **out)
{
    packing_key key = folded_key(r, i);
    *out = r->out[i].fixed ? packing_add(r->g->model->packing, &key, bytes + 1)
                           : arena_alloc(&r->g->memory, bytes + 1);
    return *out != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

/* Runs the node's kernel on its constant inputs; results lie in `work`. */
static brink_status compute_constant(rule_args *r, arena *work, tensor *results)
{
    ir_graph *g = r->g;
    tensor *tensors = ARENA_ARRAY(work, tensor, (uint64_t)r->in_count + 1);
    const tensor **in = ARENA_ARRAY(work, const tensor *, (uint64_t)r->in_count + 1);
    tensor **out = ARENA_ARRAY(work, tensor *, (uint64_t)r->out_count + 1);
    if (!tensors || !in || !out)
        return BRINK_OUT_OF_MEMORY;
    uint64_t count, bytes;
    for (uint32_t i = 0; i < r->in_count; i++) {
        const ir_value *v = rule_in(r, i);
        if (v == NULL)
            continue;
        TRY(tensor_of(g, v, &tensors[i], &count));
        if (i >= 8 || !(r->op->flags & OP_HALF(i)))
            TRY(widen(work, v->type, count, &tensors[i]));
        in[i] = &tensors[i];
    }
    for (uint32_t i = 0; i < r->out_count; i++) {
        tensor *t = out[i] = &results[i];
        TRY(tensor_of(g, &r->out[i], t, &count));
        if (is_half(t->type))
            t->type = BRINK_F32;
        if (!onnx_type_bytes(t->type, count, &bytes))
            return BRINK_UNSUPPORTED;
        if ((t->data = arena_alloc(work, bytes + 1)) == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    scratch s = {0};
    kernel_args a = {.context = g->context,
                     .file = g->model->file,
                     .node = r->node,
                     .in = in,
                     .out = out,
                     .in_count = r->in_count,
                     .out_count = r->out_count,
                     .scratch = &s,
                     .exact = true};
    brink_status status = g->kernels->kernels[r->op->id](&a);
    core_free(g->context, s.data);
    return status;
}

/* Makes the node's outputs constants. */
static brink_status run_constant(rule_args *r, arena *work)
{
    ir_graph *g = r->g;
    tensor *results = ARENA_ARRAY(work, tensor, (uint64_t)r->out_count + 1);
    if (results == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool fixed = is_fixed(r), known = fixed;
    for (uint32_t i = 0; i < r->out_count; i++) {
        packing_key key = folded_key(r, i);
        known = known && packing_find(g->model->packing, &key) != NULL;
    }
    if (!known)
        TRY(compute_constant(r, work, results));
    for (uint32_t i = 0; i < r->out_count; i++) {
        ir_value *v = &r->out[i];
        tensor unused;
        uint64_t count, bytes;
        void *data;
        TRY(tensor_of(g, v, &unused, &count));
        if (!onnx_type_bytes(v->type, count, &bytes))
            return BRINK_UNSUPPORTED;
        v->fixed = fixed;
        packing_key key = folded_key(r, i);
        if (known) {
            v->data = packing_find(g->model->packing, &key);
        } else {
            TRY(place_result(r, i, bytes, &data));
            if (is_half(v->type))
                half_narrow(v->type, results[i].data, count, data);
            else
                memcpy(data, results[i].data, (size_t)bytes);
            v->data = data;
        }
        v->kind = IR_CONST;
        v->derived = true;
        v->learned = is_learned(r);
        g->derived_bytes += bytes;
    }
    return BRINK_OK;
}

/* Whether it makes f32 of a matrix of bytes, which pass_weights has a better use for. */
static bool widens_weights(const rule_args *r, uint64_t in_bytes)
{
    const ir_value *x = r->in_count > 0 ? rule_in(r, 0) : NULL;
    return (r->op->id == OP_onnx_Cast_1 || r->op->id == OP_onnx_DequantizeLinear_10) && x != NULL &&
           (x->type == BRINK_I8 || x->type == BRINK_U8) && x->rank == 2 &&
           in_bytes > MAX_WIDENED_BYTES;
}

/* Whether the node can and should be computed now. */
static bool foldable(const rule_args *r)
{
    const ir_graph *g = r->g;
    if (r->op->flags & OP_RANDOM)
        return false;
    uint64_t in_bytes = 0, out_bytes = 0, bytes;
    for (uint32_t i = 0; i < r->in_count; i++) {
        const ir_value *v = rule_in(r, i);
        if (v == NULL)
            continue;
        if (v->kind != IR_CONST || v->data == NULL || ir_bytes(g, v, &bytes) != BRINK_OK ||
            (v->remote && !(i == 0 && (r->op->flags & OP_VIEW))))
            return false;
        in_bytes += bytes;
    }
    for (uint32_t i = 0; i < r->out_count; i++) {
        if (ir_bytes(g, &r->out[i], &bytes) != BRINK_OK)
            return false;
        out_bytes += bytes;
    }
    if (r->op->flags & OP_VIEW)
        return true;
    if (is_learned(r) && (in_bytes > MAX_LEARNED_BYTES || out_bytes > MAX_LEARNED_BYTES))
        return false;
    if (widens_weights(r, in_bytes))
        return false;
    return g->kernels->kernels[r->op->id] != NULL &&
           (out_bytes <= MAX_FOLDED_BYTES || out_bytes <= in_bytes);
}

/* Elements known one by one become a constant's bytes. */
static brink_status freeze_symbolic(ir_graph *g, ir_value *v)
{
    if (v->symbolic == NULL || v->kind == IR_CONST)
        return BRINK_OK;
    uint64_t bytes;
    if (ir_bytes(g, v, &bytes) != BRINK_OK)
        return BRINK_OK;
    uint32_t size = brink_type_bits(v->type) / 8;
    for (uint64_t i = 0; i < v->symbolic_count; i++)
        if (!expr_known(&g->exprs, v->symbolic[i], NULL))
            return BRINK_OK;
    uint8_t *data = arena_alloc(&g->memory, bytes + 8);
    if (data == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint64_t i = 0; i < v->symbolic_count; i++) {
        int64_t value = 0;
        expr_known(&g->exprs, v->symbolic[i], &value);
        memcpy(data + i * size, &value, size);
    }
    v->kind = IR_CONST;
    v->data = data;
    v->derived = true;
    return BRINK_OK;
}

/* ── Walking ── */

static brink_status add_node(ir_graph *g, const rule_args *r)
{
    if (g->node_count == g->node_capacity) {
        uint32_t capacity = g->node_capacity ? g->node_capacity * 2 : 256;
        ir_node *nodes = ARENA_ARRAY(&g->memory, ir_node, capacity);
        if (nodes == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (g->node_count != 0)
            memcpy(nodes, g->nodes, g->node_count * sizeof *nodes);
        g->nodes = nodes;
        g->node_capacity = capacity;
    }
    ir_node *n = &g->nodes[g->node_count];
    *n = (ir_node){
        .source = r->node, .op = r->op, .input_count = r->in_count, .output_count = r->out_count};
    n->inputs = ARENA_ARRAY(&g->memory, uint32_t, (uint64_t)r->in_count + 1);
    n->outputs = ARENA_ARRAY(&g->memory, uint32_t, (uint64_t)r->out_count + 1);
    if (!n->inputs || !n->outputs)
        return BRINK_OUT_OF_MEMORY;
    memcpy(n->inputs, r->in, r->in_count * sizeof *n->inputs);
    memcpy(n->outputs, r->node->outputs, r->out_count * sizeof *n->outputs);
    g->node_count++;
    return BRINK_OK;
}

static brink_status resolve_graph(resolver *w, const onnx_graph *graph);

static brink_status resolve_if(resolver *w, rule_args *r)
{
    ir_graph *g = w->g;
    const expr *condition;
    uint64_t count;
    int64_t value;
    TRY(rule_ints(r, 0, &condition, &count));
    if (count != 1 || !expr_known(r->t, condition[0], &value))
        return rule_unsupported(r, "its condition changes with the running length");
    const onnx_attr *branch = onnx_find(r->node, value ? ATTR_then_branch : ATTR_else_branch);
    if (branch == NULL || branch->kind != ATTR_KIND_GRAPH ||
        branch->graph->output_count < r->node->output_count)
        return rule_fail(r, "a branch is missing or has too few outputs");
    if (w->depth == MAX_BRANCH_DEPTH)
        return rule_fail(r, "branches are nested too deeply");
    w->depth++;
    TRY(resolve_graph(w, branch->graph));
    w->depth--;
    for (uint32_t i = 0; i < r->node->output_count; i++)
        if (r->node->outputs[i] != ONNX_NONE)
            g->values[r->node->outputs[i]].alias = ir_follow(g, branch->graph->outputs[i]);
    return BRINK_OK;
}

/* Whether an earlier segment ran the node. */
static bool is_past(const ir_graph *g, const onnx_node *n)
{
    bool past = g->known != NULL;
    for (uint32_t i = 0; i < n->output_count && past; i++)
        past = n->outputs[i] == ONNX_NONE || (n->outputs[i] < g->model->value_count &&
                                              g->known[n->outputs[i]].state != IR_UNKNOWN);
    return past;
}

/* A Loop or Scan is run by plan/machine.c, once all it reads is known. */
static brink_status resolve_loop(ir_graph *g, const rule_args *r)
{
    if (!g->segmented)
        return rule_unsupported(r, "a loop cannot be part of a model that is run step by step");
    if (g->loop == NULL && ir_loop_ready(g, r->node))
        g->loop = r->node;
    return ir_postpone(g, r->node);
}

static brink_status resolve_node(resolver *w, const onnx_node *n);

static brink_status resolve_made(void *w, const onnx_node *n)
{
    brink_status status = resolve_node(w, n);
    const ir_graph *g = ((resolver *)w)->g;
    return status == BRINK_OK && g->values[n->outputs[0]].kind == IR_LATER ? IR_POSTPONE : status;
}

static brink_status resolve_node(resolver *w, const onnx_node *n)
{
    ir_graph *g = w->g;
    if (is_past(g, n))
        return BRINK_OK;
    rule_call call = {.bindings = w->bindings};
    rule_args *r = &call.args;
    *r = (rule_args){.g = g,
                     .t = &g->exprs,
                     .node = n,
                     .op = n->op,
                     .in_count = n->input_count,
                     .out_count = n->output_count};
    if (n->op == NULL || !n->op->cpu)
        return rule_unsupported(r, "operator is not supported at opset %lld", (long long)n->opset);
    uint32_t *in = ARENA_ARRAY(&g->memory, uint32_t, (uint64_t)n->input_count + 1);
    r->out = ARENA_ARRAY(&g->memory, ir_value, (uint64_t)n->output_count + 1);
    if (in == NULL || r->out == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < n->input_count; i++) {
        in[i] = n->inputs[i] == ONNX_NONE ? IR_NONE : ir_follow(g, n->inputs[i]);
        if (in[i] != IR_NONE && g->values[in[i]].kind == IR_UNSET)
            return rule_fail(r, "input %s has no value", g->values[in[i]].name);
        if (in[i] != IR_NONE && g->values[in[i]].kind == IR_LATER)
            return ir_postpone(g, n);
    }
    r->in = in;
    if (n->op->flags & OP_SEQUENCE) {
        brink_status status = sequence_infer(r, resolve_made, w);
        return status == IR_POSTPONE ? ir_postpone(g, n) : status;
    }
    for (uint32_t i = 0; i < n->input_count; i++)
        if (in[i] != IR_NONE && g->values[in[i]].kind == IR_SEQUENCE) {
            if (n->op->id != OP_onnx_Identity_1 || n->outputs[0] == ONNX_NONE)
                return rule_fail(r, "input %s is a sequence", g->values[in[i]].name);
            g->values[n->outputs[0]].alias = in[i];
            return BRINK_OK;
        }
    TRY(signature_check(r));
    if (n->op->flags & OP_CONTROL) {
        if (strcmp(n->op->name, "If") != 0)
            return resolve_loop(g, r);
        brink_status status = resolve_if(w, r);
        return status == IR_POSTPONE ? ir_postpone(g, n) : status;
    }
    for (uint32_t i = 0; i < n->output_count; i++)
        r->out[i] = (ir_value){.kind = IR_TEMP, .alias = IR_NONE, .producer = g->node_count};
    brink_status ruled = rule_table[n->op->id](r);
    if (ruled == IR_POSTPONE)
        return ir_postpone(g, n);
    TRY(ruled);
    if (g->exprs.failed)
        return g->exprs.no_room ? BRINK_OUT_OF_MEMORY : rule_fail(r, "a dimension overflows");
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (r->out[i].rank > BRINK_MAX_RANK)
            return rule_unsupported(r, "output %u would have rank %u, above %d", i, r->out[i].rank,
                                    BRINK_MAX_RANK);
        for (uint32_t k = 0; k < r->out[i].rank; k++)
            if (expr_high(r->t, r->out[i].dims[k]) < 0)
                return rule_fail(r, "dimension %u of output %u would be negative", k, i);
        if (!size_fits(g, &r->out[i]))
            return rule_fail(r, "the size of output %u overflows", i);
        if (r->out[i].type == BRINK_UNDEFINED)
            return rule_fail(r, "output %u has no type", i);
    }
    if ((n->op->flags & OP_VIEW) && rule_in(r, 0)->kind == IR_CONST && foldable(r)) {
        r->out[0].kind = IR_CONST;
        r->out[0].data = rule_in(r, 0)->data;
        r->out[0].remote = rule_in(r, 0)->remote;
        r->out[0].symbolic = NULL;
        r->out[0].learned = rule_in(r, 0)->learned;
        r->out[0].fixed = rule_in(r, 0)->fixed;
    } else if (foldable(r)) {
        arena work;
        arena_init(&work, g->context);
        brink_status status = run_constant(r, &work);
        arena_free(&work);
        TRY(status);
    } else {
        TRY(symbolic_evaluate(r));
        for (uint32_t i = 0; i < n->output_count; i++)
            TRY(freeze_symbolic(g, &r->out[i]));
    }
    if (g->exprs.failed)
        return g->exprs.no_room ? BRINK_OUT_OF_MEMORY : rule_fail(r, "a dimension overflows");
    bool needed = false;
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (n->outputs[i] == ONNX_NONE)
            continue;
        r->out[i].name = g->values[n->outputs[i]].name;
        g->values[n->outputs[i]] = r->out[i];
        needed |= r->out[i].kind == IR_TEMP;
    }
    return needed ? add_node(g, r) : BRINK_OK;
}

static brink_status resolve_graph(resolver *w, const onnx_graph *graph)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        TRY(resolve_node(w, &graph->nodes[i]));
    return BRINK_OK;
}

brink_status ir_resolve(ir_graph *g, const ir_binding *bindings)
{
    for (;;) {
        resolver w = {.g = g, .bindings = bindings};
        TRY(start(g, bindings));
        brink_status status = resolve_graph(&w, g->graph);
        if (status == IR_RESTART)
            continue;
        TRY(status);
        return ir_find_outputs(g);
    }
}
