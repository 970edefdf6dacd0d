/* executor.c — runs a plan on the GPU, and on the CPU what has no kernel there.

   When a plan is made, each step is given to one of the two, and the list of actions says where
   between them bytes are copied: a value is uploaded before the first GPU step that reads it, read
   back before the first CPU step that does. Reading back waits for the GPU, so a run ends its turn
   there (BRINK_PENDING) and goes on when the bytes have come.

   Invariant: of each value the plan computes, either the workspace or the GPU's arena, or both, hold
   its bytes, at the same offset. */
#include "gpu/gpu.h"

#include <string.h>
#include <time.h>

typedef enum action_kind { RUN_GPU, RUN_CPU, UPLOAD, DOWNLOAD } action_kind;

typedef struct gpu_action {
    action_kind kind;
    uint32_t index; /* of a step, or of a root tensor */
} gpu_action;

/* A model's constants on the GPU, by their address. */
typedef struct weight {
    const void *data;
    uint64_t bytes;
    WGPUBuffer buffer;
} weight;

struct gpu_weights {
    weight *list;
    uint32_t count, capacity;
};

typedef struct gpu_executor {
    executor base;
    gpu_device *d;
    gpu_weights weights;
} gpu_executor;

/* ── Placement ── */

/* Whether each tensor of a step fits a binding; the products of nbits.c bind their weights in parts. */
static bool fits(const gpu_device *d, const plan_step *s)
{
    bool parts = s->op == OP_ms_MatMulNBits_1 || s->op == OP_brink_MatMulNBitsGroup_1;
    for (uint32_t i = 0; i < s->args.in_count + s->args.out_count; i++) {
        const tensor *t = i < s->args.in_count ? s->args.in[i] : s->args.out[i - s->args.in_count];
        const plan_tensor *own = (const plan_tensor *)t;
        if (t != NULL && own->bytes > d->limits.maxStorageBufferBindingSize &&
            !(parts && own->place == PLAN_CONST))
            return false;
    }
    return true;
}

static void place(const executor *base, plan *p)
{
    const gpu_device *d = ((const gpu_executor *)base)->d;
    for (uint32_t k = 0; k < p->step_count; k++) {
        plan_step *s = &p->steps[k];
        gpu_kernel_fn kernel = gpu_kernels[s->op];
        s->away = kernel != NULL && s->round == BRINK_UNDEFINED && fits(d, s) &&
                  kernel(NULL, &s->args) == BRINK_OK;
    }
}

/* Inputs that a kernel reads on the host while it encodes: lengths, indices, axes. */
static uint32_t host_inputs(op_id op)
{
    switch (op) {
    case OP_ms_GroupQueryAttention_1:
        return 1u << 5 | 1u << 6;
    case OP_onnx_Slice_1:
        return 15u << 1;
    case OP_onnx_Expand_8:
    case OP_onnx_Split_1:
        return 1u << 1;
    default:
        return 0;
    }
}

/* … and those that it reads there as well. */
static uint32_t both_inputs(op_id op)
{
    return op == OP_onnx_Gather_1 ? 1u << 1 : 0;
}

/* ── Constants ── */

static brink_status upload(gpu_device *d, const void *data, uint64_t bytes, WGPUBuffer *out)
{
    *out = gpu_buffer_create(d, bytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    uint64_t whole = bytes / 4 * 4;
    if (whole != 0)
        GPU_CALL(QueueWriteBuffer)(d->queue, *out, 0, data, (size_t)whole);
    char tail[4] = {0};
    memcpy(tail, (const char *)data + whole, (size_t)(bytes - whole));
    if (whole != bytes)
        GPU_CALL(QueueWriteBuffer)(d->queue, *out, whole, tail, 4);
    return gpu_device_check(d);
}

static bool is_fixed(const gpu_program *g, uint32_t root)
{
    const plan_tensor *t = &g->p->tensors[root];
    const ir_value *v = &g->p->ir.values[t->value];
    return v->fixed && t->t.data == v->data;
}

/* A place in the model's list for `bytes` that begin with what `data` is; *found if it is there. */
static brink_status find_weight(gpu_program *g, const void *data, uint64_t bytes, weight **out,
                                bool *found)
{
    gpu_weights *w = g->weights;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->list[i].data == data && w->list[i].bytes == bytes) {
            *out = &w->list[i];
            *found = true;
            return BRINK_OK;
        }
    if (w->count == w->capacity) {
        uint32_t capacity = w->capacity ? 2 * w->capacity : 64;
        weight *list = core_realloc(g->d->context, w->list, capacity * sizeof *list);
        if (list == NULL)
            return BRINK_OUT_OF_MEMORY;
        w->list = list;
        w->capacity = capacity;
    }
    *out = &w->list[w->count];
    **out = (weight){data, bytes, NULL};
    *found = false;
    return BRINK_OK;
}

brink_status gpu_constant(gpu_program *g, const tensor *t, gpu_binding *out)
{
    uint32_t root = gpu_root(t);
    const plan_tensor *own = &g->p->tensors[root];
    WGPUBuffer *buffer = &g->constants[root];
    if (*buffer == NULL && is_fixed(g, root)) {
        weight *w;
        bool found;
        TRY(find_weight(g, own->t.data, own->bytes, &w, &found));
        if (!found) {
            TRY(upload(g->d, own->t.data, own->bytes, &w->buffer));
            g->weights->count++;
        }
        *buffer = w->buffer;
    } else if (*buffer == NULL) {
        TRY(upload(g->d, own->t.data, own->bytes, buffer));
    }
    *out = (gpu_binding){*buffer, 0, (own->bytes + 3) / 4 * 4};
    return BRINK_OK;
}

brink_status gpu_joined(gpu_program *g, const tensor *const *list, uint32_t count, gpu_binding *out)
{
    *out = (gpu_binding){0};
    if (count == 1)
        return gpu_constant(g, list[0], out);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        const plan_tensor *t = &g->p->tensors[gpu_root(list[i])];
        if (t->place != PLAN_CONST || !is_fixed(g, gpu_root(list[i])))
            return BRINK_OK;
        bytes += t->bytes;
    }
    weight *w;
    bool found;
    TRY(find_weight(g, list[0]->data, bytes, &w, &found));
    if (!found) {
        char *all = core_alloc(g->d->context, bytes);
        if (all == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint64_t i = 0, at = 0; i < count; i++) {
            const plan_tensor *t = &g->p->tensors[gpu_root(list[i])];
            memcpy(all + at, t->t.data, (size_t)t->bytes);
            at += t->bytes;
        }
        brink_status status = upload(g->d, all, bytes, &w->buffer);
        core_free(g->d->context, all);
        TRY(status);
        g->weights->count++;
    }
    *out = (gpu_binding){w->buffer, 0, (bytes + 3) / 4 * 4};
    return BRINK_OK;
}

/* ── The list of actions ── */

static void act(gpu_program *g, action_kind kind, uint32_t index)
{
    g->actions[g->action_count++] = (gpu_action){kind, index};
}

static brink_status list_actions(gpu_program *g, bool *host, bool *device)
{
    plan *p = g->p;
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        device[i] = p->tensors[i].resident;
        host[i] = !device[i] &&
                  (p->tensors[i].place == PLAN_EXTERNAL || p->tensors[i].place == PLAN_CONST);
    }
    for (uint32_t i = 0; i < p->fill_count; i++)
        host[p->fills[i]] = true;
    for (uint32_t k = 0; k < p->step_count; k++) {
        const plan_step *s = &p->steps[k];
        for (uint32_t i = 0; i < s->args.in_count; i++) {
            const tensor *t = s->args.in[i];
            if (t == NULL)
                continue;
            uint32_t root = gpu_root(t);
            bool away = s->away && (i >= 32 || !(host_inputs(s->op) >> i & 1));
            bool *there = away ? device : host;
            if (away && i < 32 && both_inputs(s->op) >> i & 1 && !host[root]) {
                act(g, DOWNLOAD, root);
                host[root] = true;
            }
            if (away && p->tensors[root].place == PLAN_CONST)
                continue; /* uploaded when first bound */
            if (!there[root] && p->tensors[root].resident) {
                return core_fail(g->d->context, BRINK_UNSUPPORTED,
                                 "%s: %s reads the cache, and has no GPU kernel for it",
                                 p->ir.model->file, s->args.node->type);
            } else if (!there[root]) {
                act(g, away ? UPLOAD : DOWNLOAD, root);
                there[root] = true;
            }
        }
        act(g, s->away ? RUN_GPU : RUN_CPU, k);
        for (uint32_t i = 0; i < s->args.out_count; i++) {
            if (s->args.out[i] == NULL)
                continue;
            uint32_t root = gpu_root(s->args.out[i]);
            if (p->tensors[root].resident && !s->away)
                return core_fail(g->d->context, BRINK_UNSUPPORTED,
                                 "%s: %s writes the cache, and has no GPU kernel for it",
                                 p->ir.model->file, s->args.node->type);
            device[root] = s->away;
            host[root] = !s->away;
        }
    }
    for (uint32_t i = 0; i < p->ir.output_count; i++) {
        uint32_t root = p->tensors[p->outputs[i]].root;
        if (!host[root] && !p->tensors[root].resident)
            act(g, DOWNLOAD, root);
        host[root] = true;
    }
    return BRINK_OK;
}

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + GPU_ALIGN - 1) / GPU_ALIGN * GPU_ALIGN;
}

static brink_status lay_out(gpu_program *g)
{
    plan *p = g->p;
    g->arena_bytes = aligned(p->arena_bytes) + GPU_ALIGN;
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        const plan_tensor *t = &p->tensors[i];
        g->offsets[i] = t->offset;
        if (t->place == PLAN_EXTERNAL && t->root == i && !t->resident) {
            g->offsets[i] = g->arena_bytes;
            g->arena_bytes += aligned(t->bytes + 1); /* a place even where it is empty */
        }
    }
    g->arena = gpu_buffer_create(g->d, g->arena_bytes,
                                 WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst |
                                     WGPUBufferUsage_CopySrc);
    return g->arena != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

/* Ends a read-back that a cancelled run left behind: unmapping calls its callback. */
static void stop_waiting(gpu_program *g)
{
    if (g->waiting != 0 && g->staging != NULL) {
        GPU_CALL(BufferUnmap)(g->staging);
        GPU_CALL(InstanceProcessEvents)(g->d->instance);
    }
    g->waiting = 0;
}

static void release(plan *p)
{
    gpu_program *g = p->prepared;
    if (g == NULL)
        return;
    stop_waiting(g);
    brink_context *context = g->d->context;
    for (uint32_t i = 0; i < g->slot_count; i++)
        if (g->slots[i].group != NULL)
            GPU_CALL(BindGroupRelease)(g->slots[i].group);
    for (uint32_t i = 0; g->constants != NULL && i < p->tensor_count; i++)
        if (g->constants[i] != NULL && !is_fixed(g, i))
            gpu_buffer_free(g->constants[i]);
    gpu_buffer_free(g->arena);
    gpu_buffer_free(g->uniforms);
    gpu_buffer_free(g->staging);
    core_free(context, g->slots);
    core_free(context, g->parameters);
    core_free(context, g->constants);
    core_free(context, g->offsets);
    core_free(context, g->actions);
    core_free(context, g);
    p->prepared = NULL;
}

static brink_status prepare(const executor *base, plan *p)
{
    gpu_executor *e = (gpu_executor *)(uintptr_t)base;
    brink_context *context = e->d->context;
    gpu_program *g = core_calloc(context, 1, sizeof *g);
    if (g == NULL)
        return BRINK_OUT_OF_MEMORY;
    p->prepared = g;
    g->d = e->d;
    g->p = p;
    g->weights = &e->weights;
    uint64_t reads = p->ir.output_count + 1, count = (uint64_t)p->tensor_count + 1;
    for (uint32_t k = 0; k < p->step_count; k++)
        reads += p->steps[k].args.in_count + 1;
    g->constants = core_calloc(context, count, sizeof *g->constants);
    g->offsets = core_calloc(context, count, sizeof *g->offsets);
    g->actions = core_calloc(context, reads, sizeof *g->actions);
    bool *valid = core_calloc(context, 2 * count, sizeof *valid);
    brink_status status = BRINK_OUT_OF_MEMORY;
    if (g->constants != NULL && g->offsets != NULL && g->actions != NULL && valid != NULL)
        status = list_actions(g, valid, valid + count);
    core_free(context, valid);
    if (status == BRINK_OK)
        status = lay_out(g);
    return status; /* on failure plan_free releases */
}

/* ── Running ── */

static void on_mapped(WGPUMapAsyncStatus status, WGPUStringView message, void *user, void *unused)
{
    (void)message, (void)unused;
    ((gpu_program *)user)->mapped = status == WGPUMapAsyncStatus_Success ? 1 : -1;
}

static uint64_t bytes_now(const plan *p, uint32_t root)
{
    const tensor *t = &p->tensors[root].t;
    return (uint64_t)tensor_count(t) * element_bytes(t->type);
}

static uint64_t copied(uint64_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

/* Copies what the next actions download to staging and begins to map it. */
static brink_status start_download(gpu_program *g)
{
    enum { MOST = 64 };
    gpu_copy copies[MOST];
    uint64_t total = 0;
    uint32_t count = 0, filled = 0;
    while (count < MOST && g->action + count < g->action_count &&
           g->actions[g->action + count].kind == DOWNLOAD) {
        uint32_t root = g->actions[g->action + count++].index;
        uint64_t bytes = copied(bytes_now(g->p, root));
        if (bytes != 0)
            copies[filled++] = (gpu_copy){g->offsets[root], bytes};
        total += bytes;
    }
    if (total > g->staging_bytes) {
        gpu_buffer_free(g->staging);
        g->staging_bytes = 0;
        g->staging =
            gpu_buffer_create(g->d, total, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
        if (g->staging == NULL)
            return BRINK_OUT_OF_MEMORY;
        g->staging_bytes = total;
    }
    TRY(gpu_program_submit(g, copies, filled));
    g->waiting = count;
    g->mapped = total == 0;
    if (total != 0)
        GPU_CALL(BufferMapAsync)
    (g->staging, WGPUMapMode_Read, 0, (size_t)total,
     (WGPUBufferMapCallbackInfo){
         .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_mapped, .userdata1 = g});
    return BRINK_OK;
}

/* BRINK_PENDING while the bytes have not come and the deadline has. */
static brink_status wait_mapped(gpu_program *g, uint64_t deadline)
{
    for (;;) {
        TRY(gpu_device_check(g->d));
        if (g->mapped != 0)
            break;
#ifdef __wasm__
        (void)deadline;
        return BRINK_PENDING;
#else
        if (core_now() >= deadline)
            return BRINK_PENDING;
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
#endif
    }
    return g->mapped > 0 ? BRINK_OK
                         : core_fail(g->d->context, BRINK_DEVICE_FAILED,
                                     "gpu %s: results could not be read back", g->d->name);
}

static brink_status end_download(gpu_program *g)
{
    uint64_t total = 0, at = 0;
    for (uint32_t i = 0; i < g->waiting; i++)
        total += copied(bytes_now(g->p, g->actions[g->action + i].index));
    const char *from =
        total == 0 ? "" : GPU_CALL(BufferGetConstMappedRange)(g->staging, 0, (size_t)total);
    for (uint32_t i = 0; i < g->waiting && from != NULL; i++) {
        uint32_t root = g->actions[g->action + i].index;
        uint64_t bytes = bytes_now(g->p, root);
        if (bytes != 0)
            memcpy(g->p->tensors[root].t.data, from + at, (size_t)bytes);
        at += copied(bytes);
    }
    if (total != 0)
        GPU_CALL(BufferUnmap)(g->staging);
    g->action += g->waiting;
    g->waiting = 0;
    return from != NULL ? BRINK_OK
                        : core_fail(g->d->context, BRINK_DEVICE_FAILED,
                                    "gpu %s: results could not be read back", g->d->name);
}

static brink_status run_action(gpu_program *g, execution *e)
{
    const gpu_action *a = &g->actions[g->action];
    plan *p = g->p;
    switch (a->kind) {
    case RUN_GPU: {
        uint64_t start = e->times != NULL ? core_now() : 0;
        TRY(gpu_kernels[p->steps[a->index].op](g, &p->steps[a->index].args));
        if (e->times != NULL)
            e->times[a->index] = core_now() - start;
        break;
    }
    case RUN_CPU:
        TRY(execution_step(e, a->index));
        break;
    case UPLOAD: {
        uint64_t bytes = bytes_now(p, a->index);
        TRY(gpu_program_write(g, a->index, p->tensors[a->index].t.data, bytes));
        break;
    }
    case DOWNLOAD:
        return start_download(g);
    }
    g->action++;
    return BRINK_OK;
}

static brink_status advance(execution *e, uint64_t deadline)
{
    gpu_program *g = e->p->prepared;
    if (!e->started) {
        e->started = true;
        stop_waiting(g);
        g->action = g->next = g->submitted = 0;
    }
    while (g->action < g->action_count) {
        if (g->waiting != 0) {
            TRY(wait_mapped(g, deadline));
            TRY(end_download(g));
            continue;
        }
        TRY(run_action(g, e));
        if (g->waiting == 0 && g->action < g->action_count && core_now() >= deadline)
            return BRINK_PENDING;
    }
    TRY(gpu_program_submit(g, NULL, 0));
    return BRINK_OK;
}

/* ── Memory that stays ── */

static void *memory_create(const executor *base, uint64_t bytes)
{
    gpu_device *d = ((const gpu_executor *)base)->d;
    gpu_memory *m = core_alloc(d->context, sizeof *m);
    if (m == NULL)
        return NULL;
    m->bytes = (bytes + 3) / 4 * 4;
    m->buffer = gpu_buffer_create(
        d, m->bytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc);
    if (m->buffer != NULL)
        return m;
    core_free(d->context, m);
    return NULL;
}

static void memory_free(const executor *base, void *memory)
{
    gpu_memory *m = memory;
    if (m == NULL)
        return;
    gpu_buffer_free(m->buffer);
    core_free(((const gpu_executor *)base)->d->context, m);
}

static brink_status memory_copy(const executor *base, void *to, uint64_t to_row, const void *from,
                                uint64_t from_row, uint64_t rows, uint64_t bytes)
{
    gpu_device *d = ((const gpu_executor *)base)->d;
    if (bytes == 0)
        return BRINK_OK;
    WGPUCommandEncoder encoder = GPU_CALL(DeviceCreateCommandEncoder)(d->device, NULL);
    for (uint64_t i = 0; i < rows; i++)
        GPU_CALL(CommandEncoderCopyBufferToBuffer)
    (encoder, ((const gpu_memory *)from)->buffer, i * from_row, ((gpu_memory *)to)->buffer,
     i * to_row, bytes);
    WGPUCommandBuffer commands = GPU_CALL(CommandEncoderFinish)(encoder, NULL);
    GPU_CALL(CommandEncoderRelease)(encoder);
    GPU_CALL(QueueSubmit)(d->queue, 1, &commands);
    GPU_CALL(CommandBufferRelease)(commands);
    return gpu_device_check(d);
}

brink_status gpu_executor_create(gpu_device *d, executor **out)
{
    gpu_executor *e = core_calloc(d->context, 1, sizeof *e);
    *out = NULL;
    if (e == NULL)
        return BRINK_OUT_OF_MEMORY;
    e->base = (executor){place, prepare, advance, release, memory_create, memory_free, memory_copy};
    e->d = d;
    *out = &e->base;
    return BRINK_OK;
}

void gpu_executor_free(executor *base)
{
    gpu_executor *e = (gpu_executor *)base;
    if (e == NULL)
        return;
    for (uint32_t i = 0; i < e->weights.count; i++)
        gpu_buffer_free(e->weights.list[i].buffer);
    core_free(e->d->context, e->weights.list);
    core_free(e->d->context, e);
}
