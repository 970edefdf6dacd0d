/* segment.c — see segment.h. */
#include "plan/segment.h"

#include <string.h>

enum { KEPT_SEGMENTS = 8 };

void segment_free(segment *s)
{
    if (s == NULL)
        return;
    brink_context *context = s->plan.ir.context;
    plan_free(&s->plan);
    core_free(context, s);
}

/* The inputs as bindings, and as the key. */
static brink_status bind(segment *s, const segment_desc *desc, ir_binding *inputs)
{
    arena *a = &s->plan.ir.memory;
    for (uint32_t i = 0; i < desc->graph->input_count; i++) {
        const brink_tensor *x = &desc->inputs[i];
        expr *dims = ARENA_ARRAY(a, expr, (uint64_t)x->rank + 1);
        if (dims == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint32_t k = 0; k < x->rank; k++)
            dims[k] = expr_const(&s->plan.ir.exprs, x->shape[k]);
        inputs[i] = (ir_binding){x->rank, dims, x->type, x->data};
        s->key[i] = *x;
        s->key[i].data = NULL;
    }
    return BRINK_OK;
}

static brink_status build(segment *s, const segment_desc *desc)
{
    const onnx_graph *g = desc->graph;
    plan *p = &s->plan;
    TRY(ir_init(desc->context, desc->model, g, desc->kernels, &p->ir));
    arena *a = &p->ir.memory;
    plan_desc d = {.last_row_output = IR_NONE,
                   .exact = desc->exact,
                   .segmented = true,
                   .known = desc->known,
                   .executor = desc->executor};
    if (desc->inputs == NULL)
        return plan_build(p, &d);
    ir_binding *inputs = ARENA_ARRAY(a, ir_binding, (uint64_t)g->input_count + 1);
    s->key = ARENA_ARRAY(a, brink_tensor, (uint64_t)g->input_count + 1);
    if (inputs == NULL || s->key == NULL)
        return BRINK_OUT_OF_MEMORY;
    TRY(bind(s, desc, inputs));
    d.inputs = inputs;
    TRY(plan_build(p, &d));
    for (uint32_t i = 0; i < g->input_count; i++)
        if (p->ir.bound[i])
            s->key[i].data = p->ir.values[g->inputs[i]].data;
    return BRINK_OK;
}

brink_status segment_create(const segment_desc *desc, segment **out)
{
    *out = NULL;
    segment *s = core_calloc(desc->context, 1, sizeof *s);
    if (s == NULL)
        return BRINK_OUT_OF_MEMORY;
    s->plan.ir.context = desc->context;
    s->exact = desc->exact;
    brink_status status = build(s, desc);
    if (status != BRINK_OK) {
        segment_free(s);
        return status;
    }
    *out = s;
    return BRINK_OK;
}

bool segment_is_dead(const segment *s)
{
    const plan *p = &s->plan;
    return p->executor != NULL && p->prepared != NULL && p->executor->is_dead(p);
}

bool segment_fits(const segment *s, const segment_desc *desc)
{
    if (s->in_use || segment_is_dead(s) || s->key == NULL || s->exact != desc->exact)
        return false;
    for (uint32_t i = 0; i < desc->graph->input_count; i++) {
        const brink_tensor *k = &s->key[i], *x = &desc->inputs[i];
        if (k->type != x->type || k->rank != x->rank ||
            memcmp(k->shape, x->shape, k->rank * sizeof *k->shape) != 0 ||
            (k->data != NULL && memcmp(k->data, x->data, (size_t)k->bytes) != 0))
            return false;
    }
    return true;
}

/* Forgets the oldest that nobody uses. */
static void prune(segment **list)
{
    uint32_t kept = 0;
    for (segment **at = list; *at != NULL;) {
        segment *s = *at;
        if (!s->in_use && (segment_is_dead(s) || kept++ >= KEPT_SEGMENTS)) {
            *at = s->next;
            segment_free(s);
        } else {
            at = &s->next;
        }
    }
}

brink_status segment_find(segment **list, const segment_desc *desc, segment **out)
{
    segment **at = list;
    while (*at != NULL && !segment_fits(*at, desc))
        at = &(*at)->next;
    segment *s = *at;
    if (s != NULL)
        *at = s->next;
    else
        TRY(segment_create(desc, &s));
    s->next = *list;
    *list = *out = s;
    s->in_use = true;
    prune(list);
    return BRINK_OK;
}
