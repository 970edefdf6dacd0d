/* program.c — see program.h. */
#include "gpu/program.h"

#include <string.h>

static bool same_bindings(const gpu_slot *s, const gpu_binding *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (s->bindings[i].buffer != b[i].buffer || s->bindings[i].offset != b[i].offset ||
            s->bindings[i].bytes != b[i].bytes)
            return false;
    return s->count == count;
}

static brink_status grow(gpu_program *g, uint32_t count)
{
    brink_context *context = g->d->context;
    uint32_t capacity = g->slot_capacity ? g->slot_capacity : 64;
    while (capacity < count)
        capacity *= 2;
    if (capacity == g->slot_capacity)
        return BRINK_OK;
    gpu_slot *slots = core_realloc(context, g->slots, capacity * sizeof *slots);
    if (slots == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(slots + g->slot_capacity, 0, (capacity - g->slot_capacity) * sizeof *slots);
    g->slots = slots;
    gpu_item *items = core_realloc(context, g->items, capacity * sizeof *items);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(items + g->slot_capacity, 0, (capacity - g->slot_capacity) * sizeof *items);
    g->items = items;
    char *parameters = core_realloc(context, g->parameters, (uint64_t)capacity * GPU_PARAMETERS);
    if (parameters == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(parameters + (uint64_t)g->slot_capacity * GPU_PARAMETERS, 0,
           (size_t)(capacity - g->slot_capacity) * GPU_PARAMETERS);
    g->parameters = parameters;
    g->slot_capacity = capacity;
    return BRINK_OK;
}

static void drop_group(gpu_program *g, uint32_t index)
{
    if (g->items[index].group != NULL)
        GPU_CALL(BindGroupRelease)(g->items[index].group);
    g->items[index].group = NULL;
}

/* The uniform buffer has a place for every slot; bind groups made on a smaller one are dropped. */
static brink_status reserve_uniforms(gpu_program *g)
{
    if (g->uniform_slots >= g->slot_capacity)
        return BRINK_OK;
    WGPUBuffer bigger = gpu_buffer_create(g->d, (uint64_t)g->slot_capacity * GPU_PARAMETERS,
                                          WGPUBufferUsage_Uniform | WGPUBufferUsage_Storage |
                                              WGPUBufferUsage_CopyDst);
    if (bigger == NULL)
        return BRINK_OUT_OF_MEMORY;
    gpu_buffer_release(g->d, g->generation, g->uniforms); /* commands in flight keep it */
    g->uniforms = bigger;
    g->uniform_slots = g->slot_capacity;
    for (uint32_t i = 0; i < g->slot_count; i++)
        drop_group(g, i);
    return BRINK_OK;
}

static void make_group(gpu_program *g, uint32_t index)
{
    gpu_slot *s = &g->slots[index];
    WGPUBindGroupEntry entries[GPU_BINDINGS + 1];
    for (uint32_t i = 0; i <= s->count; i++) {
        entries[i] = (WGPUBindGroupEntry)WGPU_BIND_GROUP_ENTRY_INIT;
        entries[i].binding = i;
        entries[i].buffer = i != 0               ? s->bindings[i - 1].buffer
                            : s->uniform != NULL ? s->uniform
                                                 : g->uniforms;
        entries[i].offset = i != 0               ? s->bindings[i - 1].offset
                            : s->uniform != NULL ? 0
                                                 : (uint64_t)index * GPU_PARAMETERS;
        entries[i].size = i == 0 ? GPU_PARAMETERS : s->bindings[i - 1].bytes;
    }
    WGPUBindGroupDescriptor desc = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    desc.layout = s->pipeline->layout->group;
    desc.entryCount = s->count + 1;
    desc.entries = entries;
    g->items[index].group = GPU_CALL(DeviceCreateBindGroup)(g->d->device, &desc);
}

/* Where a tensor lies, and whether a plan writes there. */
static brink_status locate(gpu_program *g, const tensor *t, gpu_binding *out, bool *writable)
{
    const plan_tensor *own = (const plan_tensor *)t;
    const plan_tensor *root = &g->p->tensors[own->root];
    *writable = root->place != PLAN_CONST;
    if (root->place == PLAN_CONST)
        return gpu_constant(g, &root->t, out);
    if (root->resident && !g->rehearsing) {
        const gpu_memory *m = root->t.data;
        *out = (gpu_binding){m->buffer, 0, m->bytes};
        return BRINK_OK;
    }
    *out = (gpu_binding){g->arena, g->offsets[own->root], gpu_whole(root->bytes)};
    return BRINK_OK;
}

bool gpu_arena(const gpu_program *g, gpu_binding *out)
{
    *out = (gpu_binding){g->arena, 0, g->arena_bytes};
    return g->arena_bytes <= g->d->limits.maxStorageBufferBindingSize;
}

bool gpu_arena_offset(const gpu_program *g, const tensor *t, uint32_t size, uint32_t *out)
{
    const plan_tensor *own = (const plan_tensor *)t;
    const plan_tensor *root = &g->p->tensors[own->root];
    *out = (uint32_t)(g->offsets[own->root] / size);
    return root->place != PLAN_CONST && !root->resident;
}

brink_status gpu_grow(gpu_program *g, gpu_grown *memory, uint64_t bytes, gpu_binding *out)
{
    *out = (gpu_binding){NULL, 0, bytes};
    if (g->rehearsing)
        return BRINK_OK;
    if (bytes > memory->bytes) { /* at least twice the last, so that there are few */
        uint64_t size = bytes > 2 * memory->bytes ? bytes : 2 * memory->bytes;
        WGPUBuffer bigger = memory->count < GPU_SCRATCHES
                                ? gpu_buffer_create(g->d, size, WGPUBufferUsage_Storage)
                                : NULL;
        if (bigger == NULL)
            return BRINK_OUT_OF_MEMORY;
        memory->list[memory->count++] = bigger;
        memory->bytes = size;
    }
    *out = (gpu_binding){memory->list[memory->count - 1], 0, memory->bytes};
    return BRINK_OK;
}

static void drop_grown(const gpu_program *g, gpu_grown *memory)
{
    for (uint32_t i = 0; i < memory->count; i++)
        gpu_buffer_free(g->d, g->generation, memory->list[i]);
}

/* WebGPU's limit on each dimension of the grid; kernels read a linear index and stop past the end. */
static void fold(const gpu_device *d, uint64_t count, uint32_t *groups)
{
    uint64_t most = d->limits.maxComputeWorkgroupsPerDimension, rows = (count + most - 1) / most;
    groups[1] = (uint32_t)rows;
    groups[0] = (uint32_t)((count + rows - 1) / rows);
    groups[2] = 1;
}

/* Browsers refuse a dispatch one of whose bindings is written and overlaps another; wgpu lets it pass. */
static brink_status check_apart(const gpu_program *g, const gpu_binding *b, uint32_t count,
                                uint32_t writable)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (b[i].buffer == b[j].buffer && b[i].offset < b[j].offset + b[j].bytes &&
                b[j].offset < b[i].offset + b[i].bytes && ((writable >> i | writable >> j) & 1))
                return core_fail(g->d->context, BRINK_DEVICE_FAILED,
                                 "gpu %s: bindings %u and %u of a dispatch overlap", g->d->name,
                                 j + 1, i + 1);
    return BRINK_OK;
}

brink_status gpu_encode(gpu_program *g, const gpu_dispatch *dispatch)
{
    if (dispatch->groups == 0)
        return BRINK_OK;
    TRY(grow(g, g->next + 1));
    gpu_binding bindings[GPU_BINDINGS];
    gpu_kernel_source source = {dispatch->head, dispatch->body, dispatch->count, 0};
    for (uint32_t i = 0; i < dispatch->count; i++) {
        bool writable = dispatch->written >> i & 1;
        bindings[i] = dispatch->bindings[i];
        if (dispatch->tensors[i] != NULL)
            TRY(locate(g, dispatch->tensors[i], &bindings[i], &writable));
        source.writable |= (uint32_t)writable << i;
        if (bindings[i].bytes == 0 && writable) /* an empty tensor: bytes that nothing else has */
            bindings[i] = (gpu_binding){g->arena, g->arena_bytes + i * GPU_ALIGN, 4};
        if (bindings[i].bytes == 0)
            bindings[i].bytes = 4;
        if (bindings[i].bytes > g->d->limits.maxStorageBufferBindingSize)
            return core_fail(g->d->context, BRINK_OUT_OF_MEMORY,
                             "gpu %s: a tensor of %llu bytes is more than it binds (%llu)",
                             g->d->name, (unsigned long long)bindings[i].bytes,
                             (unsigned long long)g->d->limits.maxStorageBufferBindingSize);
    }
    const gpu_pipeline *pipeline;
    TRY(gpu_pipeline_find(g->d, &source, &pipeline));
    if (g->rehearsing)
        return BRINK_OK;
    TRY(check_apart(g, bindings, dispatch->count, source.writable));
    uint32_t index = g->next++;
    gpu_slot *s = &g->slots[index];
    s->counting = dispatch->counting;
    s->step = g->step;
    if (s->pipeline != pipeline || s->uniform != dispatch->uniform ||
        !same_bindings(s, bindings, dispatch->count)) {
        drop_group(g, index);
        s->pipeline = pipeline;
        s->count = dispatch->count;
        s->uniform = dispatch->uniform;
        memcpy(s->bindings, bindings, dispatch->count * sizeof *bindings);
    }
    fold(g->d, dispatch->groups, g->items[index].groups);
    memcpy(g->parameters + (uint64_t)index * GPU_PARAMETERS, dispatch->parameters, dispatch->bytes);
    if (g->slot_count < g->next)
        g->slot_count = g->next;
    return BRINK_OK;
}

/* An invalid bind group is an error before it is encoded: some libraries end the program at it. */
static brink_status make_groups(gpu_program *g)
{
    bool made = false;
    for (uint32_t i = g->submitted; i < g->next; i++)
        if (g->items[i].group == NULL) {
            make_group(g, i);
            made = true;
        }
    brink_status status = made ? gpu_device_check(g->d) : BRINK_OK;
    for (uint32_t i = g->submitted; status != BRINK_OK && i < g->next; i++)
        drop_group(g, i);
    return status;
}

brink_status gpu_program_reserve(gpu_program *g, uint32_t count)
{
    TRY(grow(g, count));
    return reserve_uniforms(g);
}

brink_status gpu_program_ready(gpu_program *g)
{
    TRY(reserve_uniforms(g));
    TRY(gpu_pipelines_compile(g->d));
    for (uint32_t i = g->submitted; i < g->next; i++)
        g->items[i].pipeline = g->slots[i].pipeline->pipeline;
    TRY(make_groups(g));
    if (g->submitted < g->next) {
        uint64_t at = (uint64_t)g->submitted * GPU_PARAMETERS;
        GPU_CALL(QueueWriteBuffer)
        (g->d->queue, g->uniforms, at, g->parameters + at,
         (size_t)(g->next - g->submitted) * GPU_PARAMETERS);
    }
    return BRINK_OK;
}

brink_status gpu_program_submit(gpu_program *g, const gpu_copy *copies, uint32_t count)
{
    if (g->submitted == g->next && count == 0)
        return BRINK_OK;
    TRY(gpu_program_ready(g));
    if (g->usage != NULL)
        TRY(gpu_measure(g));
    uint32_t rest = g->usage != NULL ? 0 : g->next - g->submitted;
    if (rest + count != 0)
        TRY(gpu_device_submit(g->d, g->items + g->submitted, rest, copies, count));
    g->submitted = g->next;
    g->work = 0;
    return gpu_device_check(g->d);
}

brink_status gpu_program_write(gpu_program *g, uint32_t root, const void *data, uint64_t bytes)
{
    TRY(gpu_program_submit(g, NULL, 0)); /* a write reaches the queue at once */
    uint64_t whole = bytes / 4 * 4;
    if (whole != 0)
        GPU_CALL(QueueWriteBuffer)
    (g->d->queue, g->arena, g->offsets[root], data, (size_t)whole);
    if (whole != bytes) {
        char tail[4] = {0};
        memcpy(tail, (const char *)data + whole, (size_t)(bytes - whole));
        GPU_CALL(QueueWriteBuffer)(g->d->queue, g->arena, g->offsets[root] + whole, tail, 4);
    }
    return BRINK_OK;
}

void gpu_program_unbind(gpu_program *g)
{
    for (uint32_t i = 0; i < g->slot_count; i++)
        drop_group(g, i);
}

void gpu_program_drop(gpu_program *g)
{
    gpu_program_unbind(g);
    gpu_buffer_free(g->d, g->generation, g->uniforms);
    drop_grown(g, &g->scratch);
    drop_grown(g, &g->partials);
    core_free(g->d->context, g->slots);
    core_free(g->d->context, g->items);
    core_free(g->d->context, g->parameters);
}
