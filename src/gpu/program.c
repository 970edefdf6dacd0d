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

static brink_status grow(gpu_program *g)
{
    brink_context *context = g->d->context;
    uint32_t capacity = g->slot_capacity ? 2 * g->slot_capacity : 64;
    gpu_slot *slots = core_realloc(context, g->slots, capacity * sizeof *slots);
    if (slots == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(slots + g->slot_capacity, 0, (capacity - g->slot_capacity) * sizeof *slots);
    g->slots = slots;
    char *parameters = core_realloc(context, g->parameters, (uint64_t)capacity * GPU_PARAMETERS);
    if (parameters == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(parameters + (uint64_t)g->slot_capacity * GPU_PARAMETERS, 0,
           (size_t)(capacity - g->slot_capacity) * GPU_PARAMETERS);
    g->parameters = parameters;
    g->slot_capacity = capacity;
    return BRINK_OK;
}

/* The uniform buffer has a place for every slot; bind groups made on a smaller one are dropped. */
static brink_status reserve_uniforms(gpu_program *g)
{
    if (g->uniform_slots >= g->slot_capacity)
        return BRINK_OK;
    WGPUBuffer bigger = gpu_buffer_create(g->d, (uint64_t)g->slot_capacity * GPU_PARAMETERS,
                                          WGPUBufferUsage_Uniform | WGPUBufferUsage_CopyDst);
    if (bigger == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (g->uniforms != NULL)
        GPU_CALL(BufferRelease)(g->uniforms); /* commands in flight keep it */
    g->uniforms = bigger;
    g->uniform_slots = g->slot_capacity;
    for (uint32_t i = 0; i < g->slot_count; i++) {
        if (g->slots[i].group != NULL)
            GPU_CALL(BindGroupRelease)(g->slots[i].group);
        g->slots[i].group = NULL;
    }
    return BRINK_OK;
}

static void make_group(gpu_program *g, uint32_t index)
{
    gpu_slot *s = &g->slots[index];
    WGPUBindGroupEntry entries[GPU_BINDINGS + 1];
    for (uint32_t i = 0; i <= s->count; i++) {
        entries[i] = (WGPUBindGroupEntry)WGPU_BIND_GROUP_ENTRY_INIT;
        entries[i].binding = i;
        entries[i].buffer = i == 0 ? g->uniforms : s->bindings[i - 1].buffer;
        entries[i].offset = i == 0 ? (uint64_t)index * GPU_PARAMETERS : s->bindings[i - 1].offset;
        entries[i].size = i == 0 ? GPU_PARAMETERS : s->bindings[i - 1].bytes;
    }
    WGPUBindGroupDescriptor desc = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    desc.layout = s->pipeline->layout->group;
    desc.entryCount = s->count + 1;
    desc.entries = entries;
    s->group = GPU_CALL(DeviceCreateBindGroup)(g->d->device, &desc);
}

/* Where a tensor lies, and whether a plan writes there. */
static brink_status locate(gpu_program *g, const tensor *t, gpu_binding *out, bool *writable)
{
    const plan_tensor *own = (const plan_tensor *)t;
    const plan_tensor *root = &g->p->tensors[own->root];
    *writable = root->place != PLAN_CONST;
    if (root->place == PLAN_CONST)
        return gpu_constant(g, &root->t, out);
    if (root->resident) {
        const gpu_memory *m = root->t.data;
        *out = (gpu_binding){m->buffer, 0, m->bytes};
        return BRINK_OK;
    }
    *out = (gpu_binding){g->arena, g->offsets[own->root], (root->bytes + 3) / 4 * 4};
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

/* WebGPU's limit on each dimension of the grid; kernels read a linear index and stop past the end. */
static void fold(const gpu_device *d, uint64_t count, uint32_t *groups)
{
    uint64_t most = d->limits.maxComputeWorkgroupsPerDimension, rows = (count + most - 1) / most;
    groups[1] = (uint32_t)rows;
    groups[0] = (uint32_t)((count + rows - 1) / rows);
    groups[2] = 1;
}

brink_status gpu_encode(gpu_program *g, const gpu_dispatch *dispatch)
{
    if (dispatch->groups == 0)
        return BRINK_OK;
    if (g->next == g->slot_capacity)
        TRY(grow(g));
    gpu_binding bindings[GPU_BINDINGS];
    gpu_kernel_source source = {dispatch->head, dispatch->body, dispatch->count, 0};
    for (uint32_t i = 0; i < dispatch->count; i++) {
        bool writable = dispatch->written >> i & 1;
        bindings[i] = dispatch->bindings[i];
        if (dispatch->tensors[i] != NULL)
            TRY(locate(g, dispatch->tensors[i], &bindings[i], &writable));
        source.writable |= (uint32_t)writable << i;
        if (bindings[i].bytes == 0) /* an empty input: some valid bytes that nobody reads */
            bindings[i].bytes = 4;
        if (bindings[i].bytes > g->d->limits.maxStorageBufferBindingSize)
            return core_fail(g->d->context, BRINK_OUT_OF_MEMORY,
                             "gpu %s: a tensor of %llu bytes is more than it binds (%llu)",
                             g->d->name, (unsigned long long)bindings[i].bytes,
                             (unsigned long long)g->d->limits.maxStorageBufferBindingSize);
    }
    const gpu_pipeline *pipeline;
    TRY(gpu_pipeline_find(g->d, &source, &pipeline));
    uint32_t index = g->next++;
    gpu_slot *s = &g->slots[index];
    if (s->pipeline != pipeline || !same_bindings(s, bindings, dispatch->count)) {
        if (s->group != NULL)
            GPU_CALL(BindGroupRelease)(s->group);
        s->group = NULL;
        s->pipeline = pipeline;
        s->count = dispatch->count;
        memcpy(s->bindings, bindings, dispatch->count * sizeof *bindings);
    }
    fold(g->d, dispatch->groups, s->groups);
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
        if (g->slots[i].group == NULL) {
            make_group(g, i);
            made = true;
        }
    brink_status status = made ? gpu_device_check(g->d) : BRINK_OK;
    for (uint32_t i = g->submitted; status != BRINK_OK && i < g->next; i++) {
        GPU_CALL(BindGroupRelease)(g->slots[i].group);
        g->slots[i].group = NULL;
    }
    return status;
}

static void encode_pass(gpu_program *g, WGPUCommandEncoder encoder)
{
    WGPUComputePassEncoder pass = GPU_CALL(CommandEncoderBeginComputePass)(encoder, NULL);
    for (uint32_t i = g->submitted; i < g->next; i++) {
        gpu_slot *s = &g->slots[i];
        GPU_CALL(ComputePassEncoderSetPipeline)(pass, s->pipeline->pipeline);
        GPU_CALL(ComputePassEncoderSetBindGroup)(pass, 0, s->group, 0, NULL);
        GPU_CALL(ComputePassEncoderDispatchWorkgroups)
        (pass, s->groups[0], s->groups[1], s->groups[2]);
    }
    GPU_CALL(ComputePassEncoderEnd)(pass);
    GPU_CALL(ComputePassEncoderRelease)(pass);
}

brink_status gpu_program_submit(gpu_program *g, const gpu_copy *copies, uint32_t count)
{
    if (g->submitted == g->next && count == 0)
        return BRINK_OK;
    TRY(reserve_uniforms(g));
    TRY(make_groups(g));
    if (g->submitted < g->next) {
        uint64_t at = (uint64_t)g->submitted * GPU_PARAMETERS;
        GPU_CALL(QueueWriteBuffer)
        (g->d->queue, g->uniforms, at, g->parameters + at,
         (size_t)(g->next - g->submitted) * GPU_PARAMETERS);
    }
    WGPUCommandEncoder encoder = GPU_CALL(DeviceCreateCommandEncoder)(g->d->device, NULL);
    if (g->submitted < g->next)
        encode_pass(g, encoder);
    g->submitted = g->next;
    for (uint64_t i = 0, to = 0; i < count; i++) {
        GPU_CALL(CommandEncoderCopyBufferToBuffer)
        (encoder, g->arena, copies[i].from, g->staging, to, copies[i].bytes);
        to += copies[i].bytes;
    }
    WGPUCommandBuffer commands = GPU_CALL(CommandEncoderFinish)(encoder, NULL);
    GPU_CALL(CommandEncoderRelease)(encoder);
    GPU_CALL(QueueSubmit)(g->d->queue, 1, &commands);
    GPU_CALL(CommandBufferRelease)(commands);
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
