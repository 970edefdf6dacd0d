/* pipeline.c — see pipeline.h. */
#include "gpu/pipeline.h"

#include <string.h>

static uint64_t hash_text(uint64_t hash, const char *text) /* FNV-1a */
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
    return hash;
}

static brink_status find_layout(gpu_device *d, uint32_t bindings, uint32_t writable,
                                const gpu_layout **out)
{
    for (const gpu_layout *l = d->layouts; l != NULL; l = l->next)
        if (l->bindings == bindings && l->writable == writable) {
            *out = l;
            return BRINK_OK;
        }
    gpu_layout *l = core_calloc(d->context, 1, sizeof *l);
    if (l == NULL)
        return BRINK_OUT_OF_MEMORY;
    WGPUBindGroupLayoutEntry entries[GPU_BINDINGS + 1];
    for (uint32_t i = 0; i <= bindings; i++) {
        entries[i] = (WGPUBindGroupLayoutEntry)WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
        entries[i].binding = i;
        entries[i].visibility = WGPUShaderStage_Compute;
        entries[i].buffer.type = i == 0                    ? WGPUBufferBindingType_Uniform
                                 : writable >> (i - 1) & 1 ? WGPUBufferBindingType_Storage
                                                           : WGPUBufferBindingType_ReadOnlyStorage;
    }
    WGPUBindGroupLayoutDescriptor group = WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT;
    group.entryCount = bindings + 1;
    group.entries = entries;
    l->bindings = bindings;
    l->writable = writable;
    l->group = GPU_CALL(DeviceCreateBindGroupLayout)(d->device, &group);
    WGPUPipelineLayoutDescriptor layout = WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT;
    layout.bindGroupLayoutCount = 1;
    layout.bindGroupLayouts = &l->group;
    l->layout = GPU_CALL(DeviceCreatePipelineLayout)(d->device, &layout);
    l->next = d->layouts;
    d->layouts = l;
    *out = l;
    return BRINK_OK;
}

/* Appends `from` with each ACCESS_i written out. */
static char *put(char *to, const char *from, uint32_t writable)
{
    static const char mark[] = "ACCESS_";
    for (const char *at; (at = strstr(from, mark)) != NULL; from = at + sizeof mark) {
        memcpy(to, from, (size_t)(at - from));
        to += at - from;
        uint32_t binding = (uint32_t)(at[sizeof mark - 1] - '0');
        const char *word = writable >> (binding - 1) & 1 ? "read_write" : "read";
        memcpy(to, word, strlen(word));
        to += strlen(word);
    }
    size_t rest = strlen(from);
    memcpy(to, from, rest + 1);
    return to + rest;
}

static char *compose(gpu_device *d, const gpu_kernel_source *s)
{
    uint64_t size = strlen(s->head) + strlen(s->body) + GPU_BINDINGS * sizeof "read_write" + 1;
    char *text = core_alloc(d->context, size);
    if (text != NULL)
        put(put(text, s->head, s->writable), s->body, s->writable);
    return text;
}

brink_status gpu_pipeline_find(gpu_device *d, const gpu_kernel_source *source,
                               const gpu_pipeline **out)
{
    uint64_t hash = hash_text(0xcbf29ce484222325u + source->writable, source->head);
    for (const gpu_pipeline *p = d->pipelines; p != NULL; p = p->next)
        if (p->hash == hash && p->body == source->body && p->layout->writable == source->writable &&
            strcmp(p->head, source->head) == 0) {
            *out = p;
            return BRINK_OK;
        }
    const gpu_layout *layout;
    TRY(find_layout(d, source->bindings, source->writable, &layout));
    size_t head = strlen(source->head) + 1;
    gpu_pipeline *p = core_calloc(d->context, 1, sizeof *p + head);
    char *text = compose(d, source);
    if (p == NULL || text == NULL) {
        core_free(d->context, p);
        core_free(d->context, text);
        return BRINK_OUT_OF_MEMORY;
    }
    WGPUShaderSourceWGSL wgsl = WGPU_SHADER_SOURCE_WGSL_INIT;
    wgsl.code = gpu_text(text);
    WGPUShaderModuleDescriptor module_desc = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
    module_desc.nextInChain = &wgsl.chain;
    WGPUShaderModule module = GPU_CALL(DeviceCreateShaderModule)(d->device, &module_desc);
    core_free(d->context, text);
    WGPUComputePipelineDescriptor desc = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
    desc.layout = layout->layout;
    desc.compute.module = module;
    desc.compute.entryPoint = gpu_text("main");
    *p = (gpu_pipeline){.next = d->pipelines,
                        .hash = hash,
                        .layout = layout,
                        .body = source->body,
                        .head = memcpy(p + 1, source->head, head)};
    p->pipeline = GPU_CALL(DeviceCreateComputePipeline)(d->device, &desc);
    GPU_CALL(ShaderModuleRelease)(module);
    brink_status status = gpu_device_check(d);
    if (status != BRINK_OK) { /* nothing may use it */
        GPU_CALL(ComputePipelineRelease)(p->pipeline);
        core_free(d->context, p);
        return status;
    }
    d->pipelines = p;
    *out = p;
    return BRINK_OK;
}

void gpu_pipelines_free(gpu_device *d)
{
    for (gpu_pipeline *p; (p = d->pipelines) != NULL;) {
        d->pipelines = p->next;
        GPU_CALL(ComputePipelineRelease)(p->pipeline);
        core_free(d->context, p);
    }
    for (gpu_layout *l; (l = d->layouts) != NULL;) {
        d->layouts = l->next;
        GPU_CALL(PipelineLayoutRelease)(l->layout);
        GPU_CALL(BindGroupLayoutRelease)(l->group);
        core_free(d->context, l);
    }
}
