/* webgpu.c — a program against webgpu.h, step by step: web/tests/webgpu.test.mjs drives it in a browser. */
#include "gpu/api.h"

#include <stdbool.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(#name), visibility("default")))

enum {
    ADAPTER = 1,
    DEVICE = 2,
    REFUSED = 4,
    ERROR = 8,
    LOST = 16,
    MAPPED = 32,
    ABORTED = 64,
    OTHER = 128,
    COMPILED = 256
};

static WGPUInstance instance;
static WGPUAdapter adapter;
static WGPUDevice device;
static WGPUQueue queue;
static WGPUBuffer data, staging;
static WGPUBindGroupLayout group_layout;
static WGPUComputePipeline pipeline;
static uint32_t heard, bytes;
static char said[2048];
static char self; /* what every callback gets back */

static WGPUStringView text(const char *from)
{
    return (WGPUStringView){from, WGPU_STRLEN};
}

static void hear(uint32_t what, WGPUStringView message, void *user)
{
    size_t length = message.length < sizeof said ? message.length : sizeof said - 1;
    memcpy(said, message.data, length);
    said[length] = 0;
    heard |= user == &self ? what : OTHER;
}

static void on_adapter(WGPURequestAdapterStatus status, WGPUAdapter got, WGPUStringView message,
                       void *user, void *unused)
{
    adapter = got;
    (void)unused;
    hear(status == WGPURequestAdapterStatus_Success ? ADAPTER : REFUSED, message, user);
}

static void on_device(WGPURequestDeviceStatus status, WGPUDevice got, WGPUStringView message,
                      void *user, void *unused)
{
    device = got;
    (void)unused;
    hear(status == WGPURequestDeviceStatus_Success ? DEVICE : REFUSED, message, user);
}

static void on_error(WGPUDevice const *from, WGPUErrorType type, WGPUStringView message, void *user,
                     void *unused)
{
    (void)from, (void)unused;
    hear(type == WGPUErrorType_Validation ? ERROR : OTHER, message, user);
}

static void on_lost(WGPUDevice const *from, WGPUDeviceLostReason reason, WGPUStringView message,
                    void *user, void *unused)
{
    (void)from, (void)unused;
    hear(reason == WGPUDeviceLostReason_Destroyed ? LOST : OTHER, message, user);
}

static void on_mapped(WGPUMapAsyncStatus status, WGPUStringView message, void *user, void *unused)
{
    (void)unused;
    hear(status == WGPUMapAsyncStatus_Success   ? MAPPED
         : status == WGPUMapAsyncStatus_Aborted ? ABORTED
                                                : OTHER,
         message, user);
}

/* Why not is the device's error. */
static void on_pipeline(WGPUCreatePipelineAsyncStatus status, WGPUComputePipeline got,
                        WGPUStringView message, void *user, void *unused)
{
    (void)unused;
    pipeline = got;
    if (status == WGPUCreatePipelineAsyncStatus_Success)
        hear(COMPILED, message, user);
}

/* What was heard since it was asked last. */
EXPORT(test_events) uint32_t test_events(void)
{
    wgpuInstanceProcessEvents(instance);
    uint32_t now = heard;
    heard = 0;
    return now;
}

EXPORT(test_said) const char *test_said(void)
{
    return said;
}

EXPORT(test_adapter) void test_adapter(void)
{
    instance = gpu_api_instance();
    WGPURequestAdapterOptions options = WGPU_REQUEST_ADAPTER_OPTIONS_INIT;
    wgpuInstanceRequestAdapter(
        instance, &options,
        (WGPURequestAdapterCallbackInfo){.mode = WGPUCallbackMode_AllowProcessEvents,
                                         .callback = on_adapter,
                                         .userdata1 = &self});
}

/* The adapter's description; 0 if it is no CPU, or a limit is not what every adapter has. */
EXPORT(test_info) const char *test_info(void)
{
    WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
    WGPULimits limits = WGPU_LIMITS_INIT;
    if (wgpuAdapterGetInfo(adapter, &info) != WGPUStatus_Success ||
        wgpuAdapterGetLimits(adapter, &limits) != WGPUStatus_Success)
        return NULL;
    memcpy(said, info.description.data, info.description.length);
    said[info.description.length] = 0;
    bool right = info.adapterType == WGPUAdapterType_CPU && limits.maxBindGroups >= 4 &&
                 limits.maxBufferSize >= 256u << 20 &&
                 limits.maxStorageBufferBindingSize >= 128u << 20 &&
                 limits.maxComputeWorkgroupsPerDimension >= 65535;
    wgpuAdapterInfoFreeMembers(info);
    return right ? said : NULL;
}

/* With a limit that no adapter grants if `much`. */
EXPORT(test_device) void test_device(uint32_t much)
{
    WGPULimits limits = WGPU_LIMITS_INIT;
    limits.maxStorageBufferBindingSize = 128u << 20;
    if (much)
        limits.maxComputeWorkgroupSizeX = 1u << 30;
    WGPUFeatureName features[] = {WGPUFeatureName_Subgroups};
    WGPUDeviceDescriptor desc = WGPU_DEVICE_DESCRIPTOR_INIT;
    desc.requiredLimits = &limits;
    desc.requiredFeatures = features;
    desc.requiredFeatureCount = wgpuAdapterHasFeature(adapter, features[0]) ? 1 : 0;
    desc.deviceLostCallbackInfo.mode = WGPUCallbackMode_AllowProcessEvents;
    desc.deviceLostCallbackInfo.callback = on_lost;
    desc.deviceLostCallbackInfo.userdata1 = &self;
    desc.uncapturedErrorCallbackInfo.callback = on_error;
    desc.uncapturedErrorCallbackInfo.userdata1 = &self;
    wgpuAdapterRequestDevice(
        adapter, &desc,
        (WGPURequestDeviceCallbackInfo){.mode = WGPUCallbackMode_AllowProcessEvents,
                                        .callback = on_device,
                                        .userdata1 = &self});
}

static WGPUBuffer buffer(WGPUBufferUsage usage)
{
    WGPUBufferDescriptor desc = WGPU_BUFFER_DESCRIPTOR_INIT;
    desc.size = bytes;
    desc.usage = usage;
    return wgpuDeviceCreateBuffer(device, &desc);
}

static void map(void)
{
    wgpuBufferMapAsync(staging, WGPUMapMode_Read, 0, bytes,
                       (WGPUBufferMapCallbackInfo){.mode = WGPUCallbackMode_AllowProcessEvents,
                                                   .callback = on_mapped,
                                                   .userdata1 = &self});
}

/* Begins to compile `code`, which test_run runs on `count` numbers of binding 0. */
EXPORT(test_compile) void test_compile(const char *code, const uint32_t *values, uint32_t count)
{
    queue = wgpuDeviceGetQueue(device);
    bytes = 4 * count;
    data = buffer(WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc);
    staging = buffer(WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
    wgpuQueueWriteBuffer(queue, data, 0, values, bytes);

    WGPUBindGroupLayoutEntry slot = WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT;
    slot.visibility = WGPUShaderStage_Compute;
    slot.buffer.type = WGPUBufferBindingType_Storage;
    WGPUBindGroupLayoutDescriptor slots = WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT;
    slots.entryCount = 1;
    slots.entries = &slot;
    group_layout = wgpuDeviceCreateBindGroupLayout(device, &slots);
    WGPUPipelineLayoutDescriptor layouts = WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT;
    layouts.bindGroupLayoutCount = 1;
    layouts.bindGroupLayouts = &group_layout;
    WGPUPipelineLayout layout = wgpuDeviceCreatePipelineLayout(device, &layouts);

    WGPUShaderSourceWGSL wgsl = WGPU_SHADER_SOURCE_WGSL_INIT;
    wgsl.code = text(code);
    WGPUShaderModuleDescriptor source = WGPU_SHADER_MODULE_DESCRIPTOR_INIT;
    source.nextInChain = &wgsl.chain;
    WGPUShaderModule module = wgpuDeviceCreateShaderModule(device, &source);
    WGPUComputePipelineDescriptor desc = WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT;
    desc.layout = layout;
    desc.compute.module = module;
    desc.compute.entryPoint = text("main");
    wgpuDeviceCreateComputePipelineAsync(
        device, &desc,
        (WGPUCreateComputePipelineAsyncCallbackInfo){.mode = WGPUCallbackMode_AllowProcessEvents,
                                                     .callback = on_pipeline,
                                                     .userdata1 = &self});
    wgpuShaderModuleRelease(module);
    wgpuPipelineLayoutRelease(layout);
}

/* Twice, a workgroup a number, and begins to map what it leaves. */
EXPORT(test_run) void test_run(void)
{
    uint32_t count = bytes / 4;
    WGPUBindGroupEntry entry = WGPU_BIND_GROUP_ENTRY_INIT;
    entry.buffer = data;
    entry.size = bytes;
    WGPUBindGroupDescriptor entries = WGPU_BIND_GROUP_DESCRIPTOR_INIT;
    entries.layout = group_layout;
    entries.entryCount = 1;
    entries.entries = &entry;
    WGPUBindGroup group = wgpuDeviceCreateBindGroup(device, &entries);

    gpu_item items[] = {{pipeline, group, {count, 1, 1}}, {pipeline, group, {count, 1, 1}}};
    gpu_copy copies[] = {{data, staging, 0, 0, bytes}};
    gpu_api_submit(device, queue, items, 2, copies, 1);
    map();
    wgpuComputePipelineRelease(pipeline);
    wgpuBindGroupRelease(group);
    wgpuBindGroupLayoutRelease(group_layout);
}

/* What was mapped, NULL while nothing is. */
EXPORT(test_result) const uint32_t *test_result(void)
{
    return wgpuBufferGetConstMappedRange(staging, 0, bytes);
}

EXPORT(test_unmap) void test_unmap(uint32_t again)
{
    wgpuBufferUnmap(staging);
    if (again)
        map();
}

EXPORT(test_drop) void test_drop(void)
{
    wgpuBufferDestroy(data);
    wgpuBufferDestroy(staging);
    wgpuBufferRelease(data);
    wgpuBufferRelease(staging);
    wgpuQueueRelease(queue);
}

EXPORT(test_destroy) void test_destroy(void)
{
    wgpuDeviceDestroy(device);
}

EXPORT(test_end) void test_end(void)
{
    wgpuDeviceRelease(device);
    wgpuAdapterRelease(adapter);
    wgpuInstanceRelease(instance);
}
