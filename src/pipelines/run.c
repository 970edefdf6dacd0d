/* run.c — a graph from given inputs to all its outputs, with the plans of earlier shapes kept. */
#include "cpu/cpu.h"
#include "pipelines/parts.h"
#include "pipelines/task.h"
#include "plan/machine.h"

#include <string.h>

typedef struct run_task {
    brink_task base;
    brink_model *model;
    machine machine;
    workspace own;
    arena memory;
    brink_tensor *inputs, *outputs; /* in the graph's order */
    bool started, profile;
    uint32_t generation, losses; /* of the executor's memory; how often it was lost */
} run_task;

enum { MOST_LOSSES = 3, MOST_FULL = 1 };

static brink_status take_output(run_task *t, uint32_t i)
{
    const plan *p = machine_result(&t->machine);
    brink_tensor *out = &t->outputs[i];
    TRY(plan_output(p, i, out));
    out->name = t->model->onnx.values[t->model->onnx.graph->outputs[i]].name;
    if (out->data != NULL)
        return BRINK_OK;
    void *half = arena_alloc(&t->memory, out->bytes);
    if (half == NULL)
        return BRINK_OUT_OF_MEMORY;
    plan_copy_output(p, i, half);
    out->data = half;
    return BRINK_OK;
}

static void run_end(run_task *t)
{
    if (t->started)
        machine_free(&t->machine);
    if (t->machine.workspace == &t->model->workspace)
        t->model->workspace_taken = false;
    t->machine.workspace = NULL;
    t->started = false;
}

static brink_status run_start(run_task *t, uint64_t deadline)
{
    brink_model *m = t->model;
    TRY(model_executor_open(m));
    if (m->executor != NULL) {
        TRY(m->executor->open(m->executor, deadline));
        TRY(parts_restore(m));
        t->generation = m->executor->generation(m->executor);
    }
    t->machine = (machine){.context = m->context,
                           .model = &m->onnx,
                           .kernels = &cpu_kernels,
                           .executor = m->executor,
                           .workspace = &t->own,
                           .kept = &m->segments,
                           .exact = m->desc.exact,
                           .profile = t->profile};
    if (!m->workspace_taken) {
        t->machine.workspace = &m->workspace;
        m->workspace_taken = true;
    }
    t->started = true;
    return machine_start(&t->machine, t->inputs);
}

static brink_status advance(run_task *t, uint64_t deadline)
{
    if (!t->started)
        TRY(run_start(t, deadline));
    TRY(machine_advance(&t->machine, deadline));
    for (uint32_t i = 0; i < t->model->onnx.graph->output_count; i++)
        TRY(take_output(t, i));
    return BRINK_OK;
}

/* Begins again from its inputs where the executor lost what was computed. */
static brink_status run_advance(brink_task *base, uint64_t deadline)
{
    run_task *t = (run_task *)base;
    for (;;) {
        brink_status status = advance(t, deadline);
        const executor *e = t->model->executor;
        if (status == BRINK_OK || status == BRINK_PENDING || e == NULL ||
            e->generation(e) == t->generation)
            return status;
        status = e->failure(e, status);
        if (t->losses++ == (status == BRINK_OUT_OF_MEMORY ? MOST_FULL : MOST_LOSSES))
            return status;
        run_end(t);
    }
}

static void run_destroy(brink_task *base)
{
    run_task *t = (run_task *)base;
    run_end(t);
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
    t->model = t->base.model = m;
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
    return base->kind == TASK_RUN        ? (uint32_t)t->machine.time_count
           : base->kind == TASK_GENERATE ? generate_node_count(base)
                                         : 0;
}

void brink_run_node(const brink_task *base, uint32_t index, brink_node_time *out)
{
    if (base->kind == TASK_GENERATE) {
        generate_node(base, index, out);
        return;
    }
    const machine_time *time = &((const run_task *)base)->machine.times[index];
    *out = (brink_node_time){time->node->name, time->node->type, time->usage.ns, time->usage.bytes,
                             time->usage.dispatches};
}
