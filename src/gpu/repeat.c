/* repeat.c — a decode step run again and again on its own newest token.

   The list of dispatches is prepared once; behind it the highest logit, or one that is drawn, becomes the
   next step's token and every parameter that counts positions counts one more (advance.wgsl), so that a further step is
   the same list once more. A batch of steps is one submit; `DEPTH` batches are on their way while the
   tokens of the oldest are awaited, and a batch is as long as keeps a submit near BATCH_TIME.

   Invariant: a plan is repeated only if nothing else in it depends on the step: see repeats(). */
#include "gpu/gpu.h"
#include "gpu/sources.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { DEPTH = 2, STRETCHES = 256, RING = 64, BATCH_TIME = 8000000 /* ns */ };
_Static_assert(DEPTH *PLAN_REPEATS <= RING, "a token is read before its place is used again");

typedef struct batch {
    WGPUBuffer staging;
    uint32_t first, count; /* steps */
    gpu_ticket *mapped;
} batch;

struct gpu_repeat {
    WGPUBuffer best, places, tokens, parameters;
    batch batches[DEPTH];
    uint64_t places_bytes;
    uint32_t begun, done; /* batches submitted, and taken */
    uint32_t submitted;   /* steps */
    uint32_t size;        /* steps of the next batch */
    uint64_t last;        /* when a batch was last done */
    gpu_item *items;      /* [PLAN_REPEATS * the list's] */
    bool running;
};

/* ── Whether ── */

/* Lengths may reach the attention, which counts them itself, and nothing else on the GPU. */
static bool repeats(const gpu_program *g, const plan_repeat *r)
{
    const plan *p = g->p;
    for (uint32_t i = 0; i < g->action_count; i++) {
        uint32_t index = g->actions[i].index;
        if (g->actions[i].kind == GPU_UPLOAD && index != p->tensors[r->ids].root)
            return false;
        if (g->actions[i].kind == GPU_DOWNLOAD && index != p->tensors[r->logits].root)
            return false;
    }
    for (uint32_t k = 0; k < p->step_count; k++) {
        const plan_step *s = &p->steps[k];
        if (!s->away || s->op == OP_ms_GroupQueryAttention_1)
            continue;
        for (uint32_t i = 0; i < s->args.in_count + s->args.out_count; i++) {
            const tensor *t =
                i < s->args.in_count ? s->args.in[i] : s->args.out[i - s->args.in_count];
            if (t == NULL)
                continue;
            uint32_t own = (uint32_t)((const plan_tensor *)t - p->tensors);
            for (uint32_t n = 0; n < p->running_count; n++)
                if (p->running[n] == own)
                    return false;
            for (uint32_t n = 0; n < p->fill_count; n++)
                if (p->fills[n] == gpu_root(t))
                    return false;
        }
    }
    return true;
}

/* ── The list ── */

/* One that is drawn, to the place of the highest. */
static brink_status encode_draw(gpu_program *g, const plan_repeat *r, uint32_t count,
                                uint32_t stretches)
{
    gpu_repeat *e = g->repeat;
    const brink_sampling *how = &r->sampling;
    const struct {
        uint32_t count, stretches, top_k, place, seed[2];
        float temperature, top_p, log_min_p;
        uint32_t unused;
    } sample = {.count = count,
                .stretches = stretches,
                .top_k = how->top_k,
                .place = (uint32_t)r->place,
                .seed = {(uint32_t)how->seed, (uint32_t)(how->seed >> 32)},
                .temperature = how->temperature,
                .top_p = how->top_p,
                .log_min_p = how->min_p > 0 ? logf(how->min_p) : -FLT_MAX};
    return gpu_encode(
        g, &(gpu_dispatch){
               .head = "",
               .body = gpu_source_sample,
               .tensors = {NULL, &g->p->tensors[r->logits].t},
               .bindings = {{e->best, 0, STRETCHES * 8}, {0}, {e->tokens, 0, 4 * (RING + 1)}},
               .written = 1,
               .count = 3,
               .parameters = &sample,
               .bytes = sizeof sample,
               .groups = 1});
}

/* The highest logit, or one that is drawn, to the next step's token, and `words` parameters that count one
   more. */
static brink_status encode_choice(gpu_program *g, const plan_repeat *r, uint32_t words)
{
    gpu_repeat *e = g->repeat;
    const tensor *logits = &g->p->tensors[r->logits].t, *ids = &g->p->tensors[r->ids].t;
    uint32_t count = (uint32_t)tensor_count(logits);
    uint32_t stretch = (count + STRETCHES - 1) / STRETCHES;
    stretch = stretch < 256 ? 256 : stretch;
    uint32_t stretches = (count + stretch - 1) / stretch;
    const uint32_t highest[4] = {count, stretch};
    bool drawn = r->sampling.temperature > 0;
    const uint32_t advance[4] = {drawn ? 1 : stretches, words, element_bytes(ids->type) / 4, RING};
    TRY(gpu_encode(g, &(gpu_dispatch){.head = "",
                                      .body = gpu_source_highest,
                                      .tensors = {NULL, logits},
                                      .bindings = {{e->best, 0, STRETCHES * 8}},
                                      .written = 1,
                                      .count = 2,
                                      .parameters = highest,
                                      .bytes = sizeof highest,
                                      .groups = stretches}));
    if (drawn)
        TRY(encode_draw(g, r, count, stretches));
    if (!g->rehearsing) {
        TRY(gpu_program_reserve(g, g->next + 1));
        GPU_CALL(QueueWriteBuffer)(g->d->queue, e->parameters, 0, advance, sizeof advance);
    }
    return gpu_encode(
        g, &(gpu_dispatch){.head = "",
                           .body = gpu_source_advance,
                           .tensors = {NULL, ids},
                           .bindings = {{e->best, 0, STRETCHES * 8},
                                        {0},
                                        {g->uniforms, 0, (uint64_t)g->next * GPU_PARAMETERS},
                                        {e->places, 0, 4 * (uint64_t)words + 4},
                                        {e->tokens, 0, 4 * (RING + 1)}},
                           .written = 1 | 4 | 16,
                           .count = 5,
                           .uniform = e->parameters,
                           .parameters = advance,
                           .bytes = sizeof advance,
                           .groups = 1});
}

brink_status gpu_repeat_rehearse(gpu_program *g, const plan_repeat *r)
{
    gpu_repeat none = {0};
    g->repeat = &none;
    brink_status status = encode_choice(g, r, 0);
    g->repeat = NULL;
    return status;
}

static brink_status encode_end(gpu_program *g, const plan_repeat *r)
{
    gpu_repeat *e = g->repeat;
    uint32_t words = 0;
    uint32_t *places = core_alloc(g->d->context, (uint64_t)g->next * 4 * sizeof *places + 4);
    if (places == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < g->next; i++)
        for (uint32_t w = 0; w < 32; w++)
            if (g->slots[i].counting >> w & 1 && words < 4 * g->next)
                places[words++] = i * (GPU_PARAMETERS / 4) + w;
    uint64_t bytes = 4 * (uint64_t)words + 4;
    if (e->places_bytes < bytes) { /* another may get the address of the one that goes */
        gpu_program_unbind(g);
        gpu_buffer_free(g->d, g->generation, e->places);
        e->places =
            gpu_buffer_create(g->d, bytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst);
        e->places_bytes = e->places != NULL ? bytes : 0;
    }
    if (e->places != NULL)
        GPU_CALL(QueueWriteBuffer)(g->d->queue, e->places, 0, places, 4 * (size_t)words + 4);
    core_free(g->d->context, places);
    return e->places != NULL ? encode_choice(g, r, words) : BRINK_OUT_OF_MEMORY;
}

static brink_status create(gpu_program *g)
{
    gpu_device *d = g->d;
    gpu_repeat *e = g->repeat = core_calloc(d->context, 1, sizeof *e);
    if (e == NULL)
        return BRINK_OUT_OF_MEMORY;
    const WGPUBufferUsage storage =
        WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc;
    e->size = 1;
    e->best = gpu_buffer_create(d, STRETCHES * 8, storage);
    e->tokens = gpu_buffer_create(d, 4 * (RING + 1), storage);
    e->parameters =
        gpu_buffer_create(d, GPU_PARAMETERS, WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst);
    bool all = e->best != NULL && e->tokens != NULL && e->parameters != NULL;
    for (uint32_t i = 0; i < DEPTH; i++) {
        e->batches[i].staging =
            gpu_buffer_create(d, 4 * (RING + 1), WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
        all = all && e->batches[i].staging != NULL;
    }
    return all ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

/* Runs what the CPU does of the first step, and encodes the rest. */
static brink_status begin(gpu_program *g, execution *x, const plan_repeat *r)
{
    if (g->repeat == NULL)
        TRY(create(g));
    gpu_repeat *e = g->repeat;
    gpu_device *d = g->d;
    g->usage = NULL;
    g->action = g->next = g->submitted = 0;
    core_free(d->context, e->items);
    e->items = NULL;
    e->begun = e->done = e->submitted = 0;
    for (uint32_t i = 0; i < g->action_count; i++)
        if (g->actions[i].kind == GPU_UPLOAD) {
            const tensor *ids = &g->p->tensors[r->ids].t;
            TRY(gpu_program_write(g, g->actions[i].index, ids->data, element_bytes(ids->type)));
        }
    for (uint32_t i = 0; i < g->action_count; i++)
        if (g->actions[i].kind == GPU_RUN || g->actions[i].kind == GPU_RUN_CPU)
            TRY(gpu_run_step(g, x, &g->actions[i]));
    TRY(encode_end(g, r));
    const uint32_t none = 0;
    GPU_CALL(QueueWriteBuffer)(d->queue, e->tokens, 0, &none, sizeof none);
    TRY(gpu_program_ready(g));
    e->items = core_alloc(d->context, (uint64_t)PLAN_REPEATS * g->next * sizeof *e->items);
    if (e->items == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < PLAN_REPEATS; i++)
        memcpy(e->items + (uint64_t)i * g->next, g->items, g->next * sizeof *e->items);
    e->last = core_now();
    e->running = true;
    return BRINK_OK;
}

/* ── Batches ── */

static brink_status submit(gpu_program *g, uint32_t count)
{
    gpu_repeat *e = g->repeat;
    batch *b = &e->batches[e->begun % DEPTH];
    b->first = e->submitted;
    b->count = count;
    const gpu_copy copy = {.from = e->tokens, .to = b->staging, .bytes = 4 * (RING + 1)};
    TRY(gpu_device_submit(g->d, e->items, count * g->next, &copy, 1));
    b->mapped = gpu_map(g->d, b->staging, 4 * (RING + 1));
    if (b->mapped == NULL)
        return BRINK_OUT_OF_MEMORY;
    e->submitted += count;
    e->begun++;
    return gpu_device_check(g->d);
}

static void fit_size(gpu_repeat *e, const batch *b)
{
    uint64_t now = core_now(), took = now - e->last;
    e->last = now;
    if (took > 2 * (uint64_t)BATCH_TIME && e->size > 1)
        e->size /= 2;
    else if (took < BATCH_TIME / 2 && e->size < PLAN_REPEATS && b->count == e->size)
        e->size *= 2;
}

brink_status gpu_repeat_advance(execution *x, const plan_repeat *r, uint64_t deadline,
                                uint32_t *tokens, uint32_t *count)
{
    gpu_program *g = x->p->prepared;
    *count = 0;
    if (g->generation != g->d->generation)
        return core_fail(g->d->context, BRINK_DEVICE_FAILED, "gpu %s: the device was lost",
                         g->d->name);
    if (g->repeat == NULL || !g->repeat->running) {
        if (!repeats(g, r))
            return BRINK_UNSUPPORTED;
        TRY(gpu_pipelines_compile(
            g->d)); /* while that is pending, begin() would do its work again */
        TRY(begin(g, x, r));
    }
    gpu_repeat *e = g->repeat;
    while (e->begun - e->done < DEPTH && e->submitted < r->most) {
        uint32_t rest = r->most - e->submitted;
        TRY(submit(g, rest < e->size ? rest : e->size));
    }
    batch *b = &e->batches[e->done % DEPTH];
    TRY(gpu_wait(g->d, b->mapped, deadline));
    const uint32_t *ring = gpu_mapped(g->d, b->staging, 4 * (RING + 1)); /* count, tokens */
    for (uint32_t i = 0; ring != NULL && i < b->count; i++)
        tokens[i] = ring[1 + (b->first + i) % RING];
    *count = ring != NULL ? b->count : 0;
    GPU_CALL(BufferUnmap)(b->staging);
    gpu_ticket_drop(b->mapped);
    e->done++;
    fit_size(e, b);
    return ring != NULL ? BRINK_OK : gpu_device_gone(g->d, "tokens could not be read back");
}

/* Steps on their way are dropped: what they wrote lies past what counts. */
void gpu_repeat_end(plan *p)
{
    gpu_program *g = p->prepared;
    gpu_repeat *e = g->repeat;
    if (e == NULL || !e->running)
        return;
    for (; e->done < e->begun; e->done++) {
        GPU_CALL(BufferUnmap)(e->batches[e->done % DEPTH].staging);
        gpu_ticket_drop(e->batches[e->done % DEPTH].mapped);
    }
    GPU_CALL(InstanceProcessEvents)(g->d->instance);
    e->running = false;
}

void gpu_repeat_free(gpu_program *g)
{
    gpu_repeat *e = g->repeat;
    if (e == NULL)
        return;
    gpu_repeat_end(g->p);
    for (uint32_t i = 0; i < DEPTH; i++)
        gpu_buffer_free(g->d, g->generation, e->batches[i].staging);
    gpu_buffer_free(g->d, g->generation, e->best);
    gpu_buffer_free(g->d, g->generation, e->places);
    gpu_buffer_free(g->d, g->generation, e->tokens);
    gpu_buffer_free(g->d, g->generation, e->parameters);
    core_free(g->d->context, e->items);
    core_free(g->d->context, e);
    g->repeat = NULL;
}
