/* machine.c — see machine.h. */
#include "plan/machine.h"

#include "core/half.h"

#include <string.h>

void machine_forget(machine *m, uint32_t value)
{
    ir_known *k = &m->known[value];
    if (k->owned)
        core_free(m->context, k->data);
    *k = (ir_known){0};
}

void machine_know(machine *m, uint32_t value, const brink_tensor *t, void *data, bool owned)
{
    machine_forget(m, value);
    ir_known *k = &m->known[value];
    *k = (ir_known){.state = IR_KNOWN,
                    .type = t->type,
                    .rank = t->rank,
                    .bytes = t->bytes,
                    .data = data,
                    .owned = owned};
    memcpy(k->dims, t->shape, sizeof k->dims);
}

brink_status machine_push(machine *m, const onnx_graph *graph, const onnx_node *loop, frame **out)
{
    frame *f = core_calloc(m->context, 1, sizeof *f);
    if (f == NULL)
        return BRINK_OUT_OF_MEMORY;
    arena_init(&f->memory, m->context);
    f->graph = graph;
    f->loop = loop;
    f->outer = m->top;
    m->top = *out = f;
    f->inputs = core_calloc(m->context, (uint64_t)graph->input_count + 1, sizeof *f->inputs);
    return f->inputs != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

/* The main graph's first segments stay with the model, a body's with its frame. */
static void release_segment(frame *f)
{
    segment *s = f->segment;
    f->segment = NULL;
    if (s == NULL)
        return;
    s->in_use = false;
    if (s->key == NULL)
        segment_free(s);
}

void machine_pop(machine *m)
{
    frame *f = m->top;
    m->top = f->outer;
    release_segment(f);
    segment_free(f->first);
    loop_free(m, f);
    arena_free(&f->memory);
    core_free(m->context, f->inputs);
    core_free(m->context, f);
}

void machine_free(machine *m)
{
    while (m->top != NULL)
        machine_pop(m);
    for (uint32_t i = 0; m->known != NULL && i < m->model->value_count; i++)
        machine_forget(m, i);
    core_free(m->context, m->known);
    core_free(m->context, m->times);
    m->known = NULL;
    m->times = NULL;
}

brink_status machine_start(machine *m, const brink_tensor *inputs)
{
    frame *f;
    TRY(machine_push(m, m->model->graph, NULL, &f));
    memcpy(f->inputs, inputs, m->model->graph->input_count * sizeof *inputs);
    return BRINK_OK;
}

const plan *machine_result(const machine *m)
{
    return &m->top->segment->plan;
}

/* From now on there is a table of what is known, the main graph's inputs first. */
static brink_status start_knowing(machine *m)
{
    if (m->known != NULL)
        return BRINK_OK;
    m->known = core_calloc(m->context, m->model->value_count, sizeof *m->known);
    if (m->known == NULL)
        return BRINK_OUT_OF_MEMORY;
    const frame *f = m->top;
    for (uint32_t i = 0; i < f->graph->input_count; i++)
        machine_know(m, f->graph->inputs[i], &f->inputs[i], (void *)(uintptr_t)f->inputs[i].data,
                     false);
    return BRINK_OK;
}

/* Half-precision inputs are f32 inside a plan. */
static brink_status bind_inputs(frame *f)
{
    plan *p = &f->segment->plan;
    for (uint32_t i = 0; i < f->graph->input_count; i++) {
        const brink_tensor *x = &f->inputs[i];
        void *data = (void *)(uintptr_t)x->data;
        if (p->inputs[i] != IR_NONE && is_half(x->type)) {
            uint64_t count = x->bytes / 2;
            float *wide = ARENA_ARRAY(&f->memory, float, count + 1);
            if (wide == NULL)
                return BRINK_OUT_OF_MEMORY;
            half_widen(x->type, x->data, count, wide);
            data = wide;
        }
        plan_external(p, p->inputs[i], data, 0);
    }
    return BRINK_OK;
}

static brink_status choose_segment(machine *m, frame *f)
{
    segment_desc desc = {.context = m->context,
                         .model = m->model,
                         .graph = f->graph,
                         .kernels = m->kernels,
                         .executor = m->executor,
                         .inputs = f->past_first ? NULL : f->inputs,
                         .known = m->known,
                         .exact = m->exact};
    if (f->past_first)
        return segment_create(&desc, &f->segment);
    if (f->loop == NULL)
        return segment_find(m->kept, &desc, &f->segment);
    if (f->first == NULL || !segment_fits(f->first, &desc)) {
        segment_free(f->first);
        f->first = NULL;
        TRY(segment_create(&desc, &f->first));
    }
    f->segment = f->first;
    return BRINK_OK;
}

static brink_status begin_segment(machine *m, frame *f)
{
    TRY(choose_segment(m, f));
    if (!f->past_first)
        TRY(bind_inputs(f));
    plan *p = &f->segment->plan;
    TRY(execution_start(&f->execution, p, m->workspace, &(int64_t){0}));
    if (m->profile) {
        f->execution.usage = ARENA_ARRAY(&f->memory, step_usage, (uint64_t)p->step_count + 1);
        if (f->execution.usage == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    f->running = true;
    return BRINK_OK;
}

static brink_status keep_times(machine *m, const frame *f)
{
    const plan *p = &f->segment->plan;
    if (!m->profile)
        return BRINK_OK;
    uint64_t needed = m->time_count + p->step_count;
    if (needed > m->time_capacity) {
        uint64_t capacity = 2 * needed;
        machine_time *times = core_realloc(m->context, m->times, capacity * sizeof *times);
        if (times == NULL)
            return BRINK_OUT_OF_MEMORY;
        m->times = times;
        m->time_capacity = capacity;
    }
    for (uint32_t i = 0; i < p->step_count; i++)
        m->times[m->time_count++] = (machine_time){p->steps[i].args.node, f->execution.usage[i]};
    return BRINK_OK;
}

/* Makes what later segments read known, and the rest of what was computed spent. */
static brink_status keep_results(machine *m, const frame *f)
{
    const plan *p = &f->segment->plan;
    const ir_graph *g = &p->ir;
    TRY(start_knowing(m));
    for (uint32_t k = 0; k < g->output_count; k++) {
        const ir_value *v = &g->values[g->outputs[k]];
        brink_tensor t;
        TRY(plan_output(p, k, &t));
        if (v->kind == IR_CONST && !v->derived) { /* a view of what stays: no need to copy */
            machine_know(m, g->output_names[k], &t, (void *)(uintptr_t)v->data, false);
            continue;
        }
        void *copy = core_alloc(m->context, t.bytes);
        if (copy == NULL)
            return BRINK_OUT_OF_MEMORY;
        plan_copy_output(p, k, copy);
        machine_know(m, g->output_names[k], &t, copy, true);
    }
    for (uint32_t i = 0; i < m->model->value_count; i++) {
        const ir_value *v = &g->values[ir_follow(g, i)];
        bool had = v->kind == IR_TEMP || (v->kind == IR_CONST && v->producer != IR_NONE) ||
                   (g->values[i].alias != IR_NONE && v->kind != IR_LATER);
        if (had && m->known[i].state == IR_UNKNOWN)
            m->known[i].state = IR_SPENT;
    }
    return BRINK_OK;
}

/* Goes on after a segment that is not the graph's last. */
static brink_status next_segment(machine *m, frame *f)
{
    const plan *p = &f->segment->plan;
    const onnx_node *loop = p->ir.loop, *stuck = p->ir.later[0];
    /* After the first segment the inputs are known too, which may be all that was missing. */
    bool idle = p->ir.output_count == 0 && f->past_first;
    if (!idle || loop != NULL)
        TRY(keep_results(m, f));
    release_segment(f);
    arena_free(&f->memory);
    arena_init(&f->memory, m->context);
    f->past_first = true;
    if (!idle)
        return BRINK_OK;
    if (loop != NULL)
        return loop_begin(m, loop);
    return onnx_node_fail(m->context, m->model->file, stuck, BRINK_UNSUPPORTED,
                          "what its shape depends on cannot be computed before it");
}

brink_status machine_advance(machine *m, uint64_t deadline)
{
    for (;;) {
        frame *f = m->top;
        if (!f->running)
            TRY(begin_segment(m, f));
        TRY(execution_advance(&f->execution, deadline));
        f->running = false;
        TRY(keep_times(m, f));
        if (segment_is_part(f->segment))
            TRY(next_segment(m, f));
        else if (f->loop != NULL)
            TRY(loop_step(m, f));
        else
            return BRINK_OK;
        if (core_now() >= deadline)
            return BRINK_PENDING;
    }
}
