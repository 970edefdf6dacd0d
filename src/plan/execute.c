/* execute.c — runs a plan, in pieces when asked. */
#include "plan/plan.h"

#include "core/half.h"
#include "core/sanitize.h"

#include <string.h>

brink_status workspace_reserve(brink_context *context, workspace *w, uint64_t size)
{
    if (w->data != NULL && size <= w->size)
        return BRINK_OK;
    core_free(context, w->data);
    w->size = 0;
    w->data = core_alloc(context, size);
    if (w->data == NULL)
        return BRINK_OUT_OF_MEMORY;
    w->size = size;
    return BRINK_OK;
}

void workspace_free(brink_context *context, workspace *w)
{
    core_free(context, w->data);
    core_free(context, w->scratch.data);
    *w = (workspace){0};
}

static void write_elements(plan *p, const plan_tensor *t)
{
    const ir_value *v = &p->ir.values[t->value];
    uint32_t size = brink_type_bits(v->type) / 8;
    char *to = t->t.data;
    for (uint64_t i = 0; i < v->symbolic_count; i++)
        memcpy(to + i * size, &p->expr_values[v->symbolic[i]], size);
}

brink_status execution_start(execution *e, plan *p, workspace *w, const int64_t *symbols)
{
    *e = (execution){.p = p, .w = w};
    TRY(workspace_reserve(p->ir.context, w, p->arena_bytes));
    expr_evaluate(&p->ir.exprs, symbols, p->expr_values);
    for (uint32_t i = 0; i < p->running_count; i++) {
        plan_tensor *t = &p->tensors[p->running[i]];
        const ir_value *v = &p->ir.values[t->value];
        for (uint32_t k = 0; k < v->rank; k++) {
            t->t.dims[k] = p->expr_values[v->dims[k]];
            if (t->t.dims[k] < 0)
                return core_fail(p->ir.context, BRINK_BAD_INPUT,
                                 "%s: dimension %u of %s would be negative", p->ir.model->file, k,
                                 v->name);
        }
    }
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        plan_tensor *t = &p->tensors[i];
        const plan_tensor *root = &p->tensors[t->root];
        if (root->place == PLAN_ARENA)
            t->t.data = (char *)w->data + root->offset;
        else if (t->root != i)
            t->t.data = root->t.data;
    }
    for (uint32_t i = 0; i < p->fill_count; i++)
        write_elements(p, &p->tensors[p->fills[i]]);
    return BRINK_OK;
}

/* What a step may touch of the workspace: its own inputs and outputs. */
static void open_tensor(const plan *p, const tensor *t)
{
    const plan_tensor *own = (const plan_tensor *)t;
    if (t != NULL && p->tensors[own->root].place == PLAN_ARENA)
        core_unpoison(t->data, own->bytes);
}

static brink_status call(const execution *e, const plan_step *s)
{
    const kernel_args *a = &s->args;
    core_poison(e->w->data, e->w->size);
    for (uint32_t i = 0; i < a->in_count; i++)
        open_tensor(e->p, a->in[i]);
    for (uint32_t i = 0; i < a->out_count; i++)
        open_tensor(e->p, a->out[i]);
    brink_status status = s->kernel(a);
    core_unpoison(e->w->data, e->w->size);
    return status;
}

/* Rounds to the half-precision type; what is too large for it stays, rather than become infinite. */
static void round_outputs(const plan_step *s)
{
    for (uint32_t k = 0; k < s->args.out_count; k++) {
        const tensor *t = s->args.out[k];
        if (t == NULL || t->type != BRINK_F32)
            continue;
        float *x = t->data;
        for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
            float y = s->round == BRINK_F16 ? half_to_float(float_to_half(x[i]))
                                            : bfloat_to_float(float_to_bfloat(x[i]));
            x[i] = y - y == 0 ? y : x[i];
        }
    }
}

uint64_t execution_bytes(const plan_step *s)
{
    const kernel_args *a = &s->args;
    uint64_t bytes = 0, out = 0;
    for (uint32_t i = 0; i < a->out_count; i++)
        if (a->out[i] != NULL)
            out += (uint64_t)tensor_count(a->out[i]) * brink_type_bits(a->out[i]->type) / 8;
    if (strncmp(a->node->type, "Gather", 6) == 0)
        return 2 * out;
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i] != NULL)
            bytes += (uint64_t)tensor_count(a->in[i]) * brink_type_bits(a->in[i]->type) / 8;
    return bytes + out;
}

brink_status execution_step(const execution *e, uint32_t step)
{
    plan_step *s = &e->p->steps[step];
    s->args.scratch = &e->w->scratch;
    uint64_t start = e->usage != NULL ? core_now() : 0;
    TRY(call(e, s));
    if (s->round != BRINK_UNDEFINED)
        round_outputs(s);
    if (e->usage != NULL) {
        e->usage[step].ns += core_now() - start;
        e->usage[step].bytes += execution_bytes(s);
    }
    return BRINK_OK;
}

brink_status execution_advance(execution *e, uint64_t deadline)
{
    const plan *p = e->p;
    if (p->executor != NULL)
        return p->executor->advance(e, deadline);
    while (e->next < p->step_count) {
        TRY(execution_step(e, e->next++));
        if (e->next < p->step_count && core_now() >= deadline)
            return BRINK_PENDING;
    }
    return BRINK_OK;
}
