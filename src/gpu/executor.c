/* executor.c — runs a plan on the GPU, and on the CPU what has no kernel there.

   place.c says where each step runs and which bytes are copied between. Reading back waits for the GPU,
   so a run ends its turn there (BRINK_PENDING) and goes on when the bytes have come. */
#include "gpu/executor.h"

#include "gpu/gpu.h"

#include <string.h>

/* ── Plans ── */

static brink_status place(const executor *base, plan *p)
{
    gpu_executor *e = (gpu_executor *)(uintptr_t)base;
    gpu_device *d = e->d;
    if (d->state != GPU_OPEN)
        return gpu_dead(d);
    if (e->weights.generation != d->generation)
        gpu_weights_free(d, &e->weights);
    gpu_program *g = core_calloc(d->context, 1, sizeof *g);
    if (g == NULL)
        return BRINK_OUT_OF_MEMORY;
    p->prepared = g; /* on failure plan_free releases */
    g->d = d;
    g->generation = d->generation;
    g->p = p;
    g->weights = &e->weights;
    g->forgotten = e->weights.forgotten;
    g->fusions = core_calloc(d->context, (uint64_t)p->step_count + 1, sizeof *g->fusions);
    g->absorbed = core_calloc(d->context, (uint64_t)p->step_count + 1, sizeof *g->absorbed);
    if (g->fusions == NULL || g->absorbed == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < p->step_count; k++)
        p->steps[k].away = gpu_takes(d, p, k);
    gpu_fuse(g);
    return BRINK_OK;
}

/* Ends a read-back that a cancelled run left behind. */
static void stop_waiting(gpu_program *g)
{
    if (g->mapped != NULL && g->staging != NULL) {
        GPU_CALL(BufferUnmap)(g->staging);
        GPU_CALL(InstanceProcessEvents)(g->d->instance);
    }
    gpu_ticket_drop(g->mapped);
    g->mapped = NULL;
    g->waiting = 0;
    gpu_pace_end(g);
}

static void release(plan *p)
{
    gpu_program *g = p->prepared;
    if (g == NULL)
        return;
    stop_waiting(g);
    gpu_repeat_free(g);
    brink_context *context = g->d->context;
    gpu_program_drop(g);
    for (uint32_t i = 0; g->constants != NULL && i < p->tensor_count; i++)
        if (g->constants[i] != NULL && !gpu_is_fixed(p, i))
            gpu_buffer_free(g->d, g->generation, g->constants[i]);
    gpu_buffer_free(g->d, g->generation, g->arena);
    gpu_buffer_free(g->d, g->generation, g->saved);
    gpu_buffer_free(g->d, g->generation, g->staging);
    core_free(context, g->constants);
    core_free(context, g->offsets);
    core_free(context, g->actions);
    core_free(context, g->fusions);
    core_free(context, g->absorbed);
    core_free(context, g);
    p->prepared = NULL;
}

static brink_status prepare(const executor *base, plan *p)
{
    (void)base;
    gpu_program *g = p->prepared;
    g->constants = core_calloc(g->d->context, (uint64_t)p->tensor_count + 1, sizeof *g->constants);
    brink_status status = g->constants == NULL ? BRINK_OUT_OF_MEMORY : gpu_list_actions(g);
    if (status == BRINK_OK)
        status = gpu_lay_out(g);
    if (status == BRINK_OK) {
        g->arena = gpu_buffer_create(g->d, gpu_arena_size(g),
                                     WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst |
                                         WGPUBufferUsage_CopySrc);
        status = g->arena != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    }
    gpu_binding arena;
    if (status == BRINK_OK && !gpu_arena(g, &arena)) { /* each step for itself */
        memset(g->fusions, 0, p->step_count * sizeof *g->fusions);
        memset(g->absorbed, 0, p->step_count * sizeof *g->absorbed);
    }
    return status;
}

static void rebind(plan *p)
{
    gpu_program *g = p->prepared;
    for (uint32_t i = 0; g->constants != NULL && i < p->tensor_count; i++)
        if (p->ir.values[p->tensors[i].value].lora != 0)
            g->constants[i] = NULL;
    if (g->forgotten !=
        g->weights->forgotten) /* another may have the address of one that is gone */
        gpu_program_unbind(g);
    g->forgotten = g->weights->forgotten;
}

static void forget(const executor *base, const void *data)
{
    gpu_executor *e = (gpu_executor *)(uintptr_t)base;
    gpu_weights_forget(e->d, &e->weights, data);
}

/* ── Running ── */

static uint64_t bytes_now(const plan *p, uint32_t root)
{
    const tensor *t = &p->tensors[root].t;
    return (uint64_t)tensor_count(t) * element_bytes(t->type);
}

/* Copies what the next actions download to staging and begins to map it. */
static brink_status start_download(gpu_program *g)
{
    enum { MOST = 64 };
    gpu_copy copies[MOST];
    uint64_t total = 0;
    uint32_t count = 0, filled = 0;
    while (count < MOST && g->action + count < g->action_count &&
           g->actions[g->action + count].kind == GPU_DOWNLOAD) {
        uint32_t root = g->actions[g->action + count++].index;
        uint64_t bytes = gpu_whole(bytes_now(g->p, root));
        gpu_binding from = {g->arena, g->offsets[root], bytes};
        if (gpu_is_remote(g->p, root))
            TRY(gpu_constant(g, &g->p->tensors[root].t, &from));
        if (bytes != 0)
            copies[filled++] = (gpu_copy){.from = from.buffer,
                                          .from_at = (uint32_t)from.offset,
                                          .to_at = (uint32_t)total,
                                          .bytes = (uint32_t)bytes};
        total += bytes;
    }
    if (total > g->staging_bytes) {
        gpu_buffer_free(g->d, g->generation, g->staging);
        g->staging_bytes = 0;
        g->staging =
            gpu_buffer_create(g->d, total, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
        if (g->staging == NULL)
            return BRINK_OUT_OF_MEMORY;
        g->staging_bytes = total;
    }
    for (uint32_t i = 0; i < filled; i++)
        copies[i].to = g->staging;
    g->mapped_work = g->work;
    TRY(gpu_program_submit(g, copies, filled));
    if (total != 0) {
        g->mapped = gpu_map(g->d, g->staging, total);
        if (g->mapped == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    g->waiting = count;
    return BRINK_OK;
}

static brink_status end_download(gpu_program *g)
{
    uint64_t total = 0, at = 0;
    for (uint32_t i = 0; i < g->waiting; i++)
        total += gpu_whole(bytes_now(g->p, g->actions[g->action + i].index));
    const char *from = total == 0 ? "" : gpu_mapped(g->d, g->staging, total);
    for (uint32_t i = 0; i < g->waiting && from != NULL; i++) {
        uint32_t root = g->actions[g->action + i].index;
        uint64_t bytes = bytes_now(g->p, root);
        if (bytes != 0)
            memcpy(g->p->tensors[root].t.data, from + at, (size_t)bytes);
        at += gpu_whole(bytes);
    }
    if (total != 0) {
        gpu_pace_settle(g);
        gpu_pace_learn(g->d, g->mapped, g->mapped_work);
        GPU_CALL(BufferUnmap)(g->staging);
    }
    gpu_ticket_drop(g->mapped);
    g->mapped = NULL;
    g->action += g->waiting;
    g->waiting = 0;
    return from != NULL ? BRINK_OK : gpu_device_gone(g->d, "results could not be read back");
}

brink_status gpu_run_step(gpu_program *g, execution *e, const gpu_action *a)
{
    const plan_step *s = &g->p->steps[a->index];
    if (a->kind == GPU_RUN_CPU)
        return execution_step(e, a->index);
    g->fusion = &g->fusions[a->index];
    g->step = a->index;
    if (e->usage != NULL)
        e->usage[a->index].bytes += g->absorbed[a->index] ? 0 : execution_bytes(s);
    if (!g->absorbed[a->index])
        TRY(gpu_kernels[s->op](g, &s->args));
    for (uint32_t i = 0; s->round != BRINK_UNDEFINED && i < s->args.out_count; i++)
        if (gpu_is_f32(s->args.out[i]))
            TRY(gpu_round_to(g, s->args.out[i], s->round));
    return BRINK_OK;
}

static brink_status run_action(gpu_program *g, execution *e)
{
    const gpu_action *a = &g->actions[g->action];
    if (a->kind == GPU_DOWNLOAD)
        return start_download(g);
    if (a->kind == GPU_UPLOAD)
        TRY(gpu_program_write(g, a->index, g->p->tensors[a->index].t.data,
                              bytes_now(g->p, a->index)));
    else
        TRY(gpu_run_step(g, e, a));
    g->action++;
    return BRINK_OK;
}

static brink_status advance(execution *e, uint64_t deadline)
{
    gpu_program *g = e->p->prepared;
    if (g->generation != g->d->generation)
        return gpu_dead(g->d);
    if (!e->started) {
        if (e->usage != NULL)
            TRY(gpu_measure_bandwidth(g->d));
        e->started = true;
        stop_waiting(g);
        g->usage = e->usage;
        g->action = g->next = g->submitted = 0;
        g->work = 0;
    }
    while (g->action < g->action_count) {
        if (g->waiting != 0) {
            if (g->mapped != NULL)
                TRY(gpu_wait(g->d, g->mapped, deadline));
            TRY(end_download(g));
            continue;
        }
        if (g->actions[g->action].kind == GPU_RUN && g->usage == NULL)
            TRY(gpu_pace(g, &g->p->steps[g->actions[g->action].index], deadline));
        TRY(run_action(g, e));
        if (g->waiting == 0 && g->action < g->action_count && core_now() >= deadline)
            return BRINK_PENDING;
    }
    TRY(gpu_program_submit(g, NULL, 0));
    return g->usage != NULL ? gpu_measured(g) : BRINK_OK;
}

/* ── Weights on their way ── */

static bool keeps(const executor *base, const onnx_node *n, uint32_t input, const onnx_tensor *w)
{
    return gpu_keeps(((const gpu_executor *)base)->d, n, input, w);
}

static brink_status weight_write(const executor *base, const onnx_tensor *w, uint64_t at,
                                 const void *data, uint64_t bytes)
{
    gpu_executor *e = (gpu_executor *)(uintptr_t)base;
    return gpu_weight_write(e->d, &e->weights, w, at, data, bytes);
}

/* ── Losses ── */

static brink_status executor_open(const executor *base, uint64_t deadline)
{
    return gpu_device_open(((const gpu_executor *)base)->d, deadline);
}

static uint32_t executor_generation(const executor *base)
{
    return ((const gpu_executor *)base)->d->generation;
}

static brink_status failure(const executor *base, brink_status status)
{
    const gpu_device *d = ((const gpu_executor *)base)->d;
    bool lost = d->state != GPU_OPEN && !d->full;
    return status == BRINK_OUT_OF_MEMORY && lost ? BRINK_DEVICE_FAILED : status;
}

static bool is_dead(const plan *p)
{
    const gpu_program *g = p->prepared;
    return g->generation != g->d->generation;
}

brink_status gpu_executor_create(gpu_device *d, executor **out)
{
    gpu_executor *e = core_calloc(d->context, 1, sizeof *e);
    *out = NULL;
    if (e == NULL)
        return BRINK_OUT_OF_MEMORY;
    e->base = (executor){.open = executor_open,
                         .generation = executor_generation,
                         .failure = failure,
                         .is_dead = is_dead,
                         .place = place,
                         .prepare = prepare,
                         .advance = advance,
                         .release = release,
                         .rebind = rebind,
                         .forget = forget,
                         .repeat = gpu_repeat_advance,
                         .repeat_end = gpu_repeat_end,
                         .keeps = keeps,
                         .weight_write = weight_write,
                         .memory_create = gpu_memory_create,
                         .memory_free = gpu_memory_free,
                         .memory_copy = gpu_memory_copy,
                         .memory_write = gpu_memory_write,
                         .memory_read = gpu_memory_read,
                         .memory_unread = gpu_memory_unread};
    e->d = d;
    e->weights.generation = d->generation;
    *out = &e->base;
    return BRINK_OK;
}

brink_status gpu_planner_create(brink_context *context, executor **out)
{
    gpu_device *own = NULL;
    if (context->gpu == NULL || context->gpu->state != GPU_OPEN) {
        own = core_calloc(context, 1, sizeof *own);
        if (own == NULL)
            return BRINK_OUT_OF_MEMORY;
        own->context = context;
        own->limits = gpu_default_limits();
        own->state = GPU_OPEN;
    }
    brink_status status = gpu_executor_create(own != NULL ? own : context->gpu, out);
    if (status == BRINK_OK)
        ((gpu_executor *)*out)->own = own;
    else
        core_free(context, own);
    return status;
}

void gpu_executor_free(executor *base)
{
    gpu_executor *e = (gpu_executor *)base;
    if (e == NULL)
        return;
    brink_context *context = e->d->context;
    gpu_weights_free(e->d, &e->weights);
    core_free(context, e->own);
    core_free(context, e);
}
