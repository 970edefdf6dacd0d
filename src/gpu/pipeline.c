/* pipeline.c — see pipeline.h. */
#include "gpu/pipeline.h"

#include "core/threads.h"

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
        while (*word != 0)
            *to++ = *word++;
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

/* ── Compiling ── */

static WGPUShaderModule make_module(gpu_device *d, const char *text)
{
    WGPUShaderSourceWGSL wgsl = WGPU_SHADER_SOURCE_WGSL_INIT;
    wgsl.code = gpu_text(text);
    WGPUShaderModuleDescriptor desc = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
    desc.nextInChain = &wgsl.chain;
    return GPU_CALL(DeviceCreateShaderModule)(d->device, &desc);
}

static WGPUComputePipelineDescriptor describe(const gpu_pipeline *p, WGPUShaderModule module)
{
    WGPUComputePipelineDescriptor desc = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
    desc.layout = p->layout->layout;
    desc.compute.module = module;
    desc.compute.entryPoint = gpu_text("main");
    return desc;
}

#ifdef __wasm__
/* Those of a device that was lost meanwhile are nobody's. */
static void on_pipeline(WGPUCreatePipelineAsyncStatus status, WGPUComputePipeline pipeline,
                        WGPUStringView message, void *user, void *id)
{
    gpu_device *d = user;
    for (gpu_pipeline *p = d->pipelines; p != NULL; p = p->next)
        if (p->id == (uint32_t)(uintptr_t)id) {
            p->pipeline = pipeline;
            core_free(d->context, p->text);
            p->text = NULL;
            if (status != WGPUCreatePipelineAsyncStatus_Success)
                gpu_device_fail(d, WGPUErrorType_Validation, message);
            return;
        }
    if (pipeline != NULL)
        GPU_CALL(ComputePipelineRelease)(pipeline);
}

static void begin(gpu_device *d, gpu_pipeline *p)
{
    WGPUShaderModule module = make_module(d, p->text);
    WGPUComputePipelineDescriptor desc = describe(p, module);
    GPU_CALL(DeviceCreateComputePipelineAsync)
    (d->device, &desc,
     (WGPUCreateComputePipelineAsyncCallbackInfo){.mode = WGPUCallbackMode_AllowProcessEvents,
                                                  .callback = on_pipeline,
                                                  .userdata1 = d,
                                                  .userdata2 = (void *)(uintptr_t)p->id});
    GPU_CALL(ShaderModuleRelease)(module);
}
#endif

brink_status gpu_pipeline_find(gpu_device *d, const gpu_kernel_source *source,
                               const gpu_pipeline **out)
{
    uint64_t hash = hash_text(0xcbf29ce484222325u + source->writable, source->head);
    for (const gpu_pipeline *p = d->pipelines; p != NULL; p = p->next)
        if (p->hash == hash && p->body == source->body && p->layout->writable == source->writable &&
            strcmp(p->head, source->head) == 0) {
            *out = p;
            return p->pipeline != NULL || p->text != NULL
                       ? BRINK_OK
                       : core_fail(d->context, BRINK_DEVICE_FAILED,
                                   "gpu %s: a kernel could not be compiled", d->name);
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
    *p = (gpu_pipeline){.next = d->pipelines,
                        .hash = hash,
                        .id = ++d->pipeline_ids,
                        .layout = layout,
                        .text = text,
                        .body = source->body,
                        .head = memcpy(p + 1, source->head, head)};
    d->pipelines = p;
    *out = p;
#ifdef __wasm__
    begin(d, p);
#endif
    return BRINK_OK;
}

#ifndef __wasm__
typedef struct compilation {
    gpu_device *d;
    gpu_pipeline **list;
} compilation;

static void compile(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const compilation *c = arg;
    (void)thread;
    for (int64_t i = begin; i < end; i++) {
        gpu_pipeline *p = c->list[i];
        WGPUShaderModule module = make_module(c->d, p->text);
        WGPUComputePipelineDescriptor desc = describe(p, module);
        p->pipeline = GPU_CALL(DeviceCreateComputePipeline)(c->d->device, &desc);
        GPU_CALL(ShaderModuleRelease)(module);
    }
}

brink_status gpu_pipelines_compile(gpu_device *d)
{
    uint32_t count = 0;
    for (gpu_pipeline *p = d->pipelines; p != NULL && p->text != NULL; p = p->next)
        count++; /* the newest come first */
    if (count == 0)
        return BRINK_OK;
    compilation c = {d, core_alloc(d->context, count * sizeof *c.list)};
    if (c.list == NULL)
        return BRINK_OUT_OF_MEMORY;
    gpu_pipeline *p = d->pipelines;
    for (uint32_t i = 0; i < count; i++, p = p->next)
        c.list[i] = p;
    thread_for(d->context->pool, count, 1, compile, &c);
    brink_status status = gpu_device_check(d);
    for (uint32_t i = 0; i < count; i++) {
        core_free(d->context, c.list[i]->text);
        c.list[i]->text = NULL;
        if (status != BRINK_OK) { /* nothing may use it */
            GPU_CALL(ComputePipelineRelease)(c.list[i]->pipeline);
            c.list[i]->pipeline = NULL;
        }
    }
    core_free(d->context, c.list);
    return status;
}
#else
brink_status gpu_pipelines_compile(gpu_device *d)
{
    TRY(gpu_device_check(d));
    for (const gpu_pipeline *p = d->pipelines; p != NULL; p = p->next)
        if (p->text != NULL)
            return BRINK_PENDING;
    return BRINK_OK;
}
#endif

void gpu_pipelines_free(gpu_device *d)
{
    for (gpu_pipeline *p; (p = d->pipelines) != NULL;) {
        d->pipelines = p->next;
        core_free(d->context, p->text);
        if (p->pipeline != NULL)
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

uint32_t gpu_pipeline_count(const gpu_device *d)
{
    return d->pipeline_ids;
}
