/* forecast.c — what a plan would take on the GPU, from the plan alone.

   Constants, the arena and what is read back are exact. A dispatch costs GPU_PARAMETERS of the uniform
   buffer, which grows by doubling; how many a kernel makes is a guess. Of what kernels keep between
   their dispatches, only x in 8 bits (nbits_bytes.c) is large enough to be counted. */
#include "gpu/nbits.h"

/* Whether `root` was seen, or the model's own bytes under another name. */
static bool seen_before(const plan *p, const bool *seen, uint32_t root)
{
    const plan_tensor *t = &p->tensors[root];
    for (uint32_t i = 0; !seen[root] && t->t.data != NULL && i < p->tensor_count; i++)
        if (seen[i] && p->tensors[i].t.data == t->t.data && p->tensors[i].bytes == t->bytes)
            return true;
    return seen[root];
}

/* Constants as they are bound; what several steps read is there once. */
static brink_status add_constants(const gpu_program *g, gpu_forecast *f)
{
    const plan *p = g->p;
    bool *seen = core_calloc(g->d->context, (uint64_t)p->tensor_count + 1, sizeof *seen);
    if (seen == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < p->step_count; k++) {
        const plan_step *s = &p->steps[k];
        for (uint32_t i = 0; s->away && i < s->args.in_count; i++) {
            if (s->args.in[i] == NULL || gpu_reads_on_host(s->op, i))
                continue;
            uint32_t root = gpu_root(s->args.in[i]);
            const plan_tensor *t = &p->tensors[root];
            if (t->place != PLAN_CONST || seen_before(p, seen, root))
                continue;
            seen[root] = true;
            bool widened = t->t.type != p->ir.values[t->value].type; /* without data: see plan.c */
            *(gpu_is_fixed(p, root) && !widened ? &f->weights : &f->derived) += gpu_whole(t->bytes);
        }
    }
    core_free(g->d->context, seen);
    return BRINK_OK;
}

static uint32_t dispatches(const plan_step *s)
{
    switch (s->op) {
    case OP_ms_GroupQueryAttention_1:
        return 4; /* keys, values, attention, its parts */
    case OP_ms_MultiHeadAttention_1:
    case OP_onnx_Attention_23:
    case OP_onnx_Concat_1:
    case OP_onnx_Split_1:
        return 3;
    default:
        return 1 + (s->round != BRINK_UNDEFINED ? s->args.out_count : 0);
    }
}

static uint64_t uniforms(const gpu_program *g)
{
    uint64_t count = 0, slots = 64;
    for (uint32_t k = 0; k < g->p->step_count; k++)
        if (g->p->steps[k].away && !g->absorbed[k])
            count += dispatches(&g->p->steps[k]);
    while (slots < count)
        slots *= 2;
    return count == 0 ? 0 : slots * GPU_PARAMETERS;
}

/* What gpu_grow comes to for x in 8 bits, product after product. */
static uint64_t bytes_of_products(const gpu_program *g)
{
    uint64_t last = 0, total = 0;
    for (uint32_t k = 0; k < g->p->step_count; k++) {
        gpu_nbits n;
        const plan_step *s = &g->p->steps[k];
        if (!s->away || !gpu_nbits_read(s, &n) || n.exact || n.block % 32 != 0)
            continue;
        uint64_t count = ((const plan_tensor *)n.x)->bytes / 4, bytes = count + count / 4 + 255;
        if (count <= (uint64_t)n.k || bytes <= last)
            continue;
        last = bytes > 2 * last ? bytes : 2 * last;
        total += last;
    }
    return total;
}

/* The longest row of read-backs. */
static uint64_t staging(const gpu_program *g)
{
    uint64_t most = 0, row = 0;
    for (uint32_t i = 0; i < g->action_count; i++) {
        bool download = g->actions[i].kind == GPU_DOWNLOAD;
        row = download ? row + gpu_whole(g->p->tensors[g->actions[i].index].bytes) : 0;
        most = most < row ? row : most;
    }
    return most;
}

brink_status gpu_forecast_plan(plan *p, gpu_forecast *out)
{
    gpu_program *g = p->prepared;
    *out = (gpu_forecast){0};
    brink_status status = gpu_list_actions(g);
    out->refused = status == BRINK_UNSUPPORTED;
    if (out->refused)
        return BRINK_OK;
    TRY(status);
    TRY(gpu_lay_out(g));
    TRY(add_constants(g, out));
    out->scratch = gpu_arena_size(g) + uniforms(g) + bytes_of_products(g) + staging(g);
    return BRINK_OK;
}
