/* facts.c — what can be asked of an opened model without running it. */
#include "cpu/cpu.h"
#include "pipelines/model.h"

#include <stdlib.h>
#include <string.h>

static void count_nodes(const onnx_graph *g, uint64_t *count)
{
    *count += g->node_count;
    for (uint32_t i = 0; i < g->node_count; i++)
        for (uint32_t k = 0; k < g->nodes[i].attr_count; k++)
            if (g->nodes[i].attrs[k].kind == ATTR_KIND_GRAPH)
                count_nodes(g->nodes[i].attrs[k].graph, count);
}

static void list_nodes(const onnx_graph *g, brink_op_info *list, uint64_t *at)
{
    for (uint32_t i = 0; i < g->node_count; i++) {
        const onnx_node *n = &g->nodes[i];
        list[(*at)++] = (brink_op_info){n->domain, n->type, 1, n->op != NULL && n->op->cpu,
                                        n->op != NULL && n->op->gpu};
        for (uint32_t k = 0; k < n->attr_count; k++)
            if (n->attrs[k].kind == ATTR_KIND_GRAPH)
                list_nodes(n->attrs[k].graph, list, at);
    }
}

static int by_name(const void *x, const void *y)
{
    const brink_op_info *a = x, *b = y;
    int domain = strcmp(a->domain, b->domain);
    return domain != 0 ? domain : strcmp(a->type, b->type);
}

brink_status model_count_ops(brink_model *m)
{
    uint64_t count = 0, at = 0;
    count_nodes(m->onnx.graph, &count);
    m->ops = ARENA_ARRAY(&m->memory, brink_op_info, count + 1);
    if (m->ops == NULL)
        return BRINK_OUT_OF_MEMORY;
    list_nodes(m->onnx.graph, m->ops, &at);
    qsort(m->ops, (size_t)count, sizeof *m->ops, by_name);
    for (uint64_t i = 0; i < count; i++) {
        brink_op_info *last = m->op_count ? &m->ops[m->op_count - 1] : NULL;
        if (last != NULL && by_name(last, &m->ops[i]) == 0) {
            last->count++;
            last->cpu &= m->ops[i].cpu;
            last->gpu &= m->ops[i].gpu;
        } else {
            m->ops[m->op_count++] = m->ops[i];
        }
    }
    return BRINK_OK;
}

uint32_t brink_model_op_count(const brink_model *m)
{
    return m->op_count;
}

void brink_model_op(const brink_model *m, uint32_t index, brink_op_info *out)
{
    *out = m->ops[index];
}

uint32_t brink_model_opset_count(const brink_model *m)
{
    return m->onnx.opset_count;
}

void brink_model_opset(const brink_model *m, uint32_t index, brink_opset *out)
{
    *out = m->onnx.opsets[index];
}

uint32_t brink_model_input_count(const brink_model *m)
{
    return m->onnx.graph->input_count;
}

uint32_t brink_model_output_count(const brink_model *m)
{
    return m->onnx.graph->output_count;
}

static void describe(const onnx_value *v, brink_value_info *out)
{
    *out = (brink_value_info){.name = v->name, .type = v->type, .rank = v->rank};
    for (int32_t i = 0; i < v->rank; i++) {
        out->shape[i] = v->dims[i];
        out->dim_names[i] = v->dim_names[i] != NULL ? v->dim_names[i] : "";
    }
}

void brink_model_input(const brink_model *m, uint32_t index, brink_value_info *out)
{
    describe(&m->onnx.values[m->onnx.graph->inputs[index]], out);
}

void brink_model_output(const brink_model *m, uint32_t index, brink_value_info *out)
{
    describe(&m->onnx.values[m->onnx.graph->outputs[index]], out);
}

void brink_model_output_node(const brink_model *m, uint32_t index, const char **name,
                             const char **type)
{
    const onnx_node *n = onnx_producer(&m->onnx, m->onnx.graph->outputs[index]);
    *name = n != NULL ? n->name : "";
    *type = n != NULL ? n->type : "";
}

static uint64_t weights_bytes(const brink_model *m)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++)
        bytes += m->onnx.tensors[i]->bytes;
    return bytes;
}

/* Block-quantised weights are stored several to a byte, with scales that are no parameters. */
static void count_packed(const brink_model *m, const onnx_graph *g, uint64_t *parameters)
{
    for (uint32_t i = 0; i < g->node_count; i++) {
        const onnx_node *n = &g->nodes[i];
        for (uint32_t k = 0; k < n->attr_count; k++)
            if (n->attrs[k].kind == ATTR_KIND_GRAPH)
                count_packed(m, n->attrs[k].graph, parameters);
        if (strcmp(n->type, "MatMulNBits") != 0)
            continue;
        uint64_t stored = 0, real;
        for (uint32_t k = 1; k < n->input_count && k < 4; k++) {
            const onnx_tensor *t =
                n->inputs[k] == ONNX_NONE ? NULL : m->onnx.values[n->inputs[k]].initial;
            stored += t != NULL ? t->count : 0;
        }
        int64_t rows = onnx_int(n, ATTR_N, 0), columns = onnx_int(n, ATTR_K, 0);
        if (rows > 0 && columns > 0 && stored <= *parameters &&
            core_mul((uint64_t)rows, (uint64_t)columns, &real) &&
            !core_add(*parameters - stored, real, parameters))
            *parameters = UINT64_MAX;
    }
}

void brink_model_get_facts(const brink_model *m, brink_model_facts *out)
{
    *out = (brink_model_facts){.weights_bytes = weights_bytes(m)};
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++)
        out->parameters += m->onnx.tensors[i]->count;
    count_packed(m, m->onnx.graph, &out->parameters);
    out->language_model = m->decoder.slot_count != 0;
    out->embedder = m->encoder.found;
    if (out->language_model) {
        out->vocabulary = m->decoder.vocabulary;
        out->context = m->decoder.context;
    }
}

/* ── The memory plan ── */

static const brink_dim *find_dim(const brink_dim *dims, uint32_t count, const char *name,
                                 bool symbol)
{
    for (uint32_t i = 0; i < count; i++)
        if ((dims[i].rank == 0) == symbol && strcmp(dims[i].name, name) == 0)
            return &dims[i];
    return NULL;
}

/* Shapes from the declarations and the caller's bindings. */
static brink_status bind_dims(brink_model *m, const brink_dim *dims, uint32_t count, expr_table *t,
                              ir_binding *out, arena *memory)
{
    const onnx_graph *g = m->onnx.graph;
    for (uint32_t i = 0; i < g->input_count; i++) {
        const onnx_value *v = &m->onnx.values[g->inputs[i]];
        const brink_dim *whole = find_dim(dims, count, v->name, false);
        expr *list = ARENA_ARRAY(memory, expr, BRINK_MAX_RANK);
        if (list == NULL)
            return BRINK_OUT_OF_MEMORY;
        uint32_t rank = whole ? whole->rank : v->rank < 0 ? 0 : (uint32_t)v->rank;
        if (v->rank < 0 && whole == NULL)
            return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                             "%s: input %s has no declared shape", m->onnx.file, v->name);
        if (whole && v->rank >= 0 && whole->rank != (uint32_t)v->rank)
            return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                             "%s: input %s has rank %d, the shape given has %u", m->onnx.file,
                             v->name, v->rank, whole->rank);
        for (uint32_t k = 0; k < rank; k++) {
            int64_t n = whole ? whole->shape[k] : v->dims[k];
            if (n < 0 && v->dim_names[k] != NULL && *v->dim_names[k]) {
                const brink_dim *one = find_dim(dims, count, v->dim_names[k], true);
                n = one ? one->shape[0] : n;
            }
            if (n < 0)
                return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                                 "%s: dimension %u of input %s (%s) is free: give its size",
                                 m->onnx.file, k, v->name,
                                 v->dim_names[k] != NULL && *v->dim_names[k] ? v->dim_names[k]
                                                                             : "unnamed");
            list[k] = expr_const(t, n);
        }
        out[i] = (ir_binding){.rank = rank, .dims = list, .type = v->type};
    }
    return BRINK_OK;
}

brink_status model_plan_desc(brink_model *m, const brink_dim *dims, uint32_t dim_count,
                             uint32_t tokens, uint32_t chunk, plan *p, plan_desc *out)
{
    arena *a = &p->ir.memory;
    ir_binding *inputs = ARENA_ARRAY(a, ir_binding, (uint64_t)m->onnx.graph->input_count + 1);
    bool *external = ARENA_ARRAY(a, bool, (uint64_t)m->onnx.graph->output_count + 1);
    if (inputs == NULL || external == NULL)
        return BRINK_OUT_OF_MEMORY;
    *out = (plan_desc){
        .inputs = inputs, .last_row_output = IR_NONE, .exact = m->desc.exact, .no_data = true};
    if (!model_plans_session(m, dim_count))
        return bind_dims(m, dims, dim_count, &p->ir.exprs, inputs, a);
    expr past = expr_symbol(&p->ir.exprs, 0, tokens - chunk);
    out->last_row = expr_symbol(&p->ir.exprs, 0, chunk - 1);
    out->last_row_output = m->decoder.logits;
    out->external_outputs = external;
    for (uint32_t i = 0; i < m->decoder.slot_count; i++)
        external[m->decoder.slots[i].output] = true;
    return decoder_bindings(m, &p->ir.exprs, past, chunk, inputs, a);
}

bool model_plans_session(const brink_model *m, uint32_t dim_count)
{
    return dim_count == 0 && m->decoder.slot_count != 0;
}

uint32_t model_tokens(const brink_model *m, uint32_t context)
{
    uint32_t tokens = context != 0 ? context : MODEL_TOKENS, most = m->decoder.context;
    return most != 0 && tokens > most ? most : tokens;
}

uint64_t model_cache_bytes(const brink_model *m, uint32_t tokens)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->decoder.slot_count; i++) {
        const cache_slot *s = &m->decoder.slots[i];
        bytes += (uint64_t)s->heads * (uint64_t)s->width * tokens * 4;
    }
    return bytes;
}

brink_status brink_model_plan(brink_model *m, const brink_dim *dims, uint32_t dim_count,
                              uint32_t context, brink_plan_memory *out)
{
    *out = (brink_plan_memory){.weights = weights_bytes(m)};
    uint32_t tokens = model_tokens(m, context);
    plan p = {0};
    plan_desc desc;
    TRY(ir_init(m->context, &m->onnx, m->onnx.graph, &cpu_kernels, &p.ir));
    brink_status status =
        model_plan_desc(m, dims, dim_count, tokens, tokens < 128 ? tokens : 128, &p, &desc);
    if (status == BRINK_OK)
        status = plan_build(&p, &desc);
    if (model_plans_session(m, dim_count))
        out->cache = model_cache_bytes(m, tokens);
    out->derived = p.derived_bytes;
    out->scratch = p.arena_bytes;
    out->peak = out->weights + out->derived + out->cache + out->scratch;
    plan_free(&p);
    return status;
}
