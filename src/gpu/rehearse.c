/* rehearse.c — encodes a plan whose weights have not come, so that its kernels are compiled meanwhile.

   Kernels encode as they would in a run after no tokens, with inputs, lengths and indices of zero; bindings
   have sizes and no buffers, and gpu_encode stops once it has found the pipeline. A step that reads on the
   host what is not there is left out, and so is a plan of a large workspace (the heap of a tab does not
   shrink): what is missed is compiled when it first runs. */
#include "gpu/gpu.h"

#include <string.h>

enum { MOST_BYTES = 4 << 20 };

static bool can_read(const plan *p, const plan_step *s)
{
    for (uint32_t i = 0; i < s->args.in_count; i++) {
        const plan_tensor *t = (const plan_tensor *)s->args.in[i];
        if (t != NULL && gpu_looks_at(s->op, i) &&
            (t->t.data == NULL ||
             (t->place == PLAN_CONST && t->t.type != p->ir.values[t->value].type)))
            return false; /* the latter: without data nothing is widened, see plan.c */
    }
    return true;
}

/* Inputs of the caller's are zero. */
static brink_status give_inputs(plan *p)
{
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        plan_tensor *t = &p->tensors[i];
        if (t->place != PLAN_EXTERNAL || t->resident || t->root != i || t->bytes > MOST_BYTES / 64)
            continue;
        t->t.data = arena_alloc(&p->ir.memory, t->bytes + 1);
        if (t->t.data == NULL)
            return BRINK_OUT_OF_MEMORY;
        memset(t->t.data, 0, (size_t)t->bytes + 1);
    }
    return BRINK_OK;
}

static brink_status encode(gpu_program *g, execution *e)
{
    for (uint32_t i = 0; i < g->action_count; i++) {
        const gpu_action *a = &g->actions[i];
        if (a->kind == GPU_RUN && can_read(g->p, &g->p->steps[a->index]))
            TRY(gpu_run_step(g, e, a));
    }
    return BRINK_OK;
}

brink_status gpu_rehearse(plan *p, uint32_t chunk, const plan_repeat *r)
{
    gpu_program *g = p->prepared;
    workspace memory = {0};
    execution e;
    const int64_t symbols[2] = {0, chunk - 1}; /* tokens before, the row that is asked for */
    if (p->arena_bytes > MOST_BYTES)
        return BRINK_OK;
    brink_status status = workspace_reserve(p->ir.context, &memory, p->arena_bytes);
    if (status == BRINK_OK)
        status = give_inputs(p);
    if (status == BRINK_OK) {
        memset(memory.data, 0, memory.size);
        status = execution_start(&e, p, &memory, symbols);
    }
    g->rehearsing = true;
    if (status == BRINK_OK)
        status = encode(g, &e);
    if (status == BRINK_OK && r != NULL)
        status = gpu_repeat_rehearse(g, r);
    workspace_free(p->ir.context, &memory);
    return status;
}
