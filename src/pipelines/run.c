/* run.c — a graph from given inputs to all its outputs, with the plans of earlier shapes kept.

   A plan fits inputs of the same types and shapes; where a shape asked for an input's content (see
   graph/ir.h), that content must be the same too. */
#include "cpu/cpu.h"
#include "pipelines/model.h"
#include "pipelines/task.h"

#include "core/half.h"

#include <string.h>

enum { KEPT_PLANS = 8 };

struct run_plan {
    run_plan *next;
    plan plan;
    bool exact, in_use;
    brink_tensor *key; /* by input: type, shape, and content where it was bound */
};

typedef struct run_task {
    brink_task base;
    brink_model *model;
    run_plan *plan;
    execution execution;
    workspace own, *workspace;
    arena memory;
    brink_tensor *inputs, *outputs; /* in the graph's order */
    bool started, profile;
} run_task;

static void run_plan_free(brink_context *context, run_plan *p)
{
    plan_free(&p->plan);
    core_free(context, p);
}

void run_plans_free(brink_model *m)
{
    for (run_plan *p = m->plans; p != NULL;) {
        run_plan *next = p->next;
        run_plan_free(m->context, p);
        p = next;
    }
    m->plans = NULL;
}

static bool fits(const brink_model *m, const run_plan *p, const brink_tensor *inputs)
{
    if (p->in_use || p->exact != m->desc.exact)
        return false;
    for (uint32_t i = 0; i < m->onnx.graph->input_count; i++) {
        const brink_tensor *k = &p->key[i], *x = &inputs[i];
        if (k->type != x->type || k->rank != x->rank ||
            memcmp(k->shape, x->shape, k->rank * sizeof *k->shape) != 0 ||
            (k->data != NULL && memcmp(k->data, x->data, (size_t)k->bytes) != 0))
            return false;
    }
    return true;
}

/* Forgets the oldest plans nobody uses. */
static void prune(brink_model *m)
{
    uint32_t kept = 0;
    for (run_plan **at = &m->plans; *at != NULL;) {
        run_plan *p = *at;
        if (!p->in_use && kept++ >= KEPT_PLANS) {
            *at = p->next;
            run_plan_free(m->context, p);
        } else {
            at = &p->next;
        }
    }
}

static brink_status make_plan(run_task *t, run_plan *p)
{
    brink_model *m = t->model;
    const onnx_graph *g = m->onnx.graph;
    TRY(ir_init(m->context, &m->onnx, &cpu_kernels, &p->plan.ir));
    arena *a = &p->plan.ir.memory;
    ir_binding *inputs = ARENA_ARRAY(a, ir_binding, (uint64_t)g->input_count + 1);
    p->key = ARENA_ARRAY(a, brink_tensor, (uint64_t)g->input_count + 1);
    if (inputs == NULL || p->key == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < g->input_count; i++) {
        const brink_tensor *x = &t->inputs[i];
        expr *dims = ARENA_ARRAY(a, expr, (uint64_t)x->rank + 1);
        if (dims == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint32_t k = 0; k < x->rank; k++)
            dims[k] = expr_const(&p->plan.ir.exprs, x->shape[k]);
        inputs[i] = (ir_binding){x->rank, dims, x->type, x->data};
        p->key[i] = *x;
        p->key[i].data = NULL;
    }
    plan_desc desc = {.inputs = inputs, .last_row_output = IR_NONE, .exact = m->desc.exact};
    p->exact = m->desc.exact;
    TRY(plan_build(&p->plan, &desc));
    for (uint32_t i = 0; i < g->input_count; i++)
        if (p->plan.ir.bound[i])
            p->key[i].data = p->plan.ir.values[g->inputs[i]].data;
    return BRINK_OK;
}

static brink_status find_plan(run_task *t)
{
    brink_model *m = t->model;
    for (run_plan **at = &m->plans; *at != NULL; at = &(*at)->next) {
        run_plan *p = *at;
        if (!fits(m, p, t->inputs))
            continue;
        *at = p->next;
        p->next = m->plans;
        m->plans = t->plan = p;
        p->in_use = true;
        return BRINK_OK;
    }
    run_plan *p = core_calloc(m->context, 1, sizeof *p);
    if (p == NULL)
        return BRINK_OUT_OF_MEMORY;
    brink_status status = make_plan(t, p);
    if (status != BRINK_OK) {
        run_plan_free(m->context, p);
        return status;
    }
    p->in_use = true;
    p->next = m->plans;
    m->plans = t->plan = p;
    prune(m);
    return BRINK_OK;
}

/* Half-precision inputs are f32 inside a plan. */
static brink_status bind_input(run_task *t, uint32_t i)
{
    plan *p = &t->plan->plan;
    const brink_tensor *x = &t->inputs[i];
    void *data = (void *)(uintptr_t)x->data;
    if (is_half(x->type)) {
        uint64_t count = x->bytes / 2;
        float *wide = ARENA_ARRAY(&t->memory, float, count + 1);
        if (wide == NULL)
            return BRINK_OUT_OF_MEMORY;
        half_widen(x->type, x->data, count, wide);
        data = wide;
    }
    plan_external(p, p->inputs[i], data, 0);
    return BRINK_OK;
}

static brink_status take_output(run_task *t, uint32_t i)
{
    plan *p = &t->plan->plan;
    const plan_tensor *from = &p->tensors[p->outputs[i]];
    const ir_value *v = &p->ir.values[p->ir.outputs[i]];
    brink_tensor *out = &t->outputs[i];
    uint64_t count = (uint64_t)tensor_count(&from->t);
    *out = (brink_tensor){.name = t->model->onnx.values[t->model->onnx.graph->outputs[i]].name,
                          .type = v->type,
                          .rank = from->t.rank,
                          .data = from->t.data};
    memcpy(out->shape, from->t.dims, sizeof out->shape);
    if (!onnx_type_bytes(v->type, count, &out->bytes))
        return BRINK_OUT_OF_MEMORY;
    if (from->t.type == v->type)
        return BRINK_OK;
    uint16_t *half = ARENA_ARRAY(&t->memory, uint16_t, count + 1);
    if (half == NULL)
        return BRINK_OUT_OF_MEMORY;
    half_narrow(v->type, from->t.data, count, half);
    out->data = half;
    return BRINK_OK;
}

static brink_status run_advance(brink_task *base, uint64_t deadline)
{
    run_task *t = (run_task *)base;
    brink_model *m = t->model;
    if (!t->started) {
        TRY(find_plan(t));
        plan *p = &t->plan->plan;
        for (uint32_t i = 0; i < m->onnx.graph->input_count; i++)
            TRY(bind_input(t, i));
        t->workspace = &t->own;
        if (!m->workspace_taken) {
            t->workspace = &m->workspace;
            m->workspace_taken = true;
        }
        int64_t none = 0;
        TRY(execution_start(&t->execution, p, t->workspace, &none));
        if (t->profile) {
            t->execution.times = ARENA_ARRAY(&t->memory, uint64_t, (uint64_t)p->step_count + 1);
            if (t->execution.times == NULL)
                return BRINK_OUT_OF_MEMORY;
        }
        t->started = true;
    }
    TRY(execution_advance(&t->execution, deadline));
    for (uint32_t i = 0; i < m->onnx.graph->output_count; i++)
        TRY(take_output(t, i));
    return BRINK_OK;
}

static void run_destroy(brink_task *base)
{
    run_task *t = (run_task *)base;
    if (t->plan != NULL)
        t->plan->in_use = false;
    if (t->workspace == &t->model->workspace)
        t->model->workspace_taken = false;
    workspace_free(base->context, &t->own);
    arena_free(&t->memory);
}

/* Finds each graph input among what was given, by name or else by position, and checks it. */
static brink_status order_inputs(run_task *t, const brink_run_desc *desc)
{
    brink_model *m = t->model;
    const onnx_graph *g = m->onnx.graph;
    bool used[1024] = {false};
    if (desc->input_count > 1024 || desc->input_count > g->input_count)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%s: %u inputs were given, it has %u",
                         m->onnx.file, desc->input_count, g->input_count);
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < desc->input_count; k++) {
            const brink_tensor *x = &desc->inputs[k];
            bool has_name = x->name != NULL && *x->name;
            if (has_name != (pass == 0))
                continue;
            uint32_t i = has_name ? 0 : k;
            while (has_name && i < g->input_count &&
                   strcmp(m->onnx.values[g->inputs[i]].name, x->name) != 0)
                i++;
            if (i == g->input_count)
                return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%s: there is no input %s",
                                 m->onnx.file, x->name);
            if (i < 1024 && used[i])
                return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%s: input %s is given twice",
                                 m->onnx.file, m->onnx.values[g->inputs[i]].name);
            used[i] = true;
            t->inputs[i] = *x;
        }
    for (uint32_t i = 0; i < g->input_count; i++) {
        const onnx_value *v = &m->onnx.values[g->inputs[i]];
        const brink_tensor *x = &t->inputs[i];
        uint64_t count = 1, bytes;
        if (i >= 1024 || !used[i])
            return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%s: input %s is missing",
                             m->onnx.file, v->name);
        if (v->type != BRINK_UNDEFINED && x->type != v->type)
            return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                             "%s: input %s should be %s, not %s", m->onnx.file, v->name,
                             brink_type_name(v->type), brink_type_name(x->type));
        if (x->rank > BRINK_MAX_RANK || (v->rank >= 0 && x->rank != (uint32_t)v->rank))
            return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                             "%s: input %s should have rank %d, not %u", m->onnx.file, v->name,
                             v->rank, x->rank);
        for (uint32_t k = 0; k < x->rank; k++) {
            if (x->shape[k] < 0 || !core_mul(count, (uint64_t)x->shape[k], &count))
                return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                                 "%s: input %s has an impossible shape", m->onnx.file, v->name);
            if (v->rank >= 0 && v->dims[k] >= 0 && v->dims[k] != x->shape[k])
                return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                                 "%s: dimension %u of input %s should be %lld, not %lld",
                                 m->onnx.file, k, v->name, (long long)v->dims[k],
                                 (long long)x->shape[k]);
        }
        if (!onnx_type_bytes(x->type, count, &bytes) || bytes != x->bytes)
            return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                             "%s: input %s holds %llu bytes, not what its shape needs",
                             m->onnx.file, v->name, (unsigned long long)x->bytes);
    }
    return BRINK_OK;
}

brink_status brink_run_begin(brink_model *m, const brink_run_desc *desc, brink_task **out)
{
    *out = NULL;
    run_task *t = task_create(m->context, sizeof *t, TASK_RUN, run_advance, run_destroy);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    t->model = m;
    t->profile = desc->profile;
    arena_init(&t->memory, m->context);
    t->inputs = ARENA_ARRAY(&t->memory, brink_tensor, (uint64_t)m->onnx.graph->input_count + 1);
    t->outputs = ARENA_ARRAY(&t->memory, brink_tensor, (uint64_t)m->onnx.graph->output_count + 1);
    brink_status status = BRINK_OUT_OF_MEMORY;
    if (t->inputs != NULL && t->outputs != NULL)
        status = order_inputs(t, desc);
    if (status != BRINK_OK) {
        brink_task_destroy(&t->base);
        return status;
    }
    *out = &t->base;
    return BRINK_OK;
}

brink_status brink_run_output(const brink_task *base, uint32_t index, brink_tensor *out)
{
    const run_task *t = (const run_task *)base;
    *out = (brink_tensor){0};
    if (base->kind != TASK_RUN || !base->ended || base->result != BRINK_OK ||
        index >= t->model->onnx.graph->output_count)
        return core_fail(base->context, BRINK_INVALID_ARGUMENT, "there is no output %u", index);
    *out = t->outputs[index];
    return BRINK_OK;
}

uint32_t brink_run_node_count(const brink_task *base)
{
    const run_task *t = (const run_task *)base;
    return base->kind == TASK_RUN && t->started && t->profile ? t->execution.next : 0;
}

void brink_run_node(const brink_task *base, uint32_t index, brink_node_time *out)
{
    const run_task *t = (const run_task *)base;
    const onnx_node *n = t->plan->plan.steps[index].args.node;
    *out = (brink_node_time){n->name, n->type, t->execution.times[index]};
}
