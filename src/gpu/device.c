/* device.c — see device.h. */
#include "gpu/device.h"

#include "gpu/pipeline.h"

#include <stdio.h>
#include <string.h>

static void copy_text(char *to, size_t size, WGPUStringView from)
{
    size_t length = from.data == NULL            ? 0
                    : from.length == WGPU_STRLEN ? strlen(from.data)
                                                 : from.length;
    size_t used = 0;
    for (size_t i = 0; i < length && used < size - 1; i++) { /* one line */
        bool space = (unsigned char)from.data[i] <= ' ';
        if (!space || (used != 0 && to[used - 1] != ' '))
            to[used++] = space ? ' ' : from.data[i];
    }
    to[used] = 0;
}

static void keep_error(gpu_device *d, WGPUStringView message)
{
    if (d->error[0] == 0)
        copy_text(d->error, sizeof d->error, message);
}

static void on_error(WGPUDevice const *device, WGPUErrorType type, WGPUStringView message,
                     void *user, void *unused)
{
    (void)device, (void)type, (void)unused;
    keep_error(user, message);
}

static void on_lost(WGPUDevice const *device, WGPUDeviceLostReason reason, WGPUStringView message,
                    void *user, void *unused)
{
    (void)device, (void)unused;
    gpu_device *d = user;
    if (reason == WGPUDeviceLostReason_CallbackCancelled || d->state == GPU_CLOSED)
        return;
    keep_error(d, message.length != 0 ? message : gpu_text("the device was lost"));
    d->state = GPU_LOST;
}

static void on_device(WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message,
                      void *user, void *unused)
{
    (void)unused;
    gpu_device *d = user;
    if (status != WGPURequestDeviceStatus_Success) {
        keep_error(d, message);
        return;
    }
    d->device = device;
    d->queue = GPU_CALL(DeviceGetQueue)(device);
    d->state = GPU_OPEN;
}

static void describe(gpu_device *d)
{
    WGPUAdapterInfo info = WGPU_ADAPTER_INFO_INIT;
    if (GPU_CALL(AdapterGetInfo)(d->adapter, &info) != WGPUStatus_Success)
        return;
    copy_text(d->name, sizeof d->name, info.device.length != 0 ? info.device : info.description);
    d->software = info.adapterType == WGPUAdapterType_CPU;
    GPU_CALL(AdapterInfoFreeMembers)(info);
}

static bool wants(const gpu_device *d, WGPUFeatureName feature)
{
    return !d->plain && GPU_CALL(AdapterHasFeature)(d->adapter, feature);
}

/* Everything the adapter offers that kernels know to use; other limits stay at their defaults. */
static void request_device(gpu_device *d)
{
    WGPULimits most = WGPU_LIMITS_INIT, limits = WGPU_LIMITS_INIT;
    WGPUFeatureName features[3];
    size_t count = 0;
    d->f16 = wants(d, WGPUFeatureName_ShaderF16);
    d->subgroups = wants(d, WGPUFeatureName_Subgroups);
    d->timestamps = wants(d, WGPUFeatureName_TimestampQuery);
    if (d->f16)
        features[count++] = WGPUFeatureName_ShaderF16;
    if (d->subgroups)
        features[count++] = WGPUFeatureName_Subgroups;
    if (d->timestamps)
        features[count++] = WGPUFeatureName_TimestampQuery;
    d->limits = (WGPULimits){.maxStorageBuffersPerShaderStage = 8,
                             .maxStorageBufferBindingSize = 128u << 20,
                             .maxBufferSize = 256u << 20,
                             .minStorageBufferOffsetAlignment = 256,
                             .maxComputeWorkgroupStorageSize = 16384,
                             .maxComputeInvocationsPerWorkgroup = 256,
                             .maxComputeWorkgroupsPerDimension = 65535};
    if (!d->plain && GPU_CALL(AdapterGetLimits)(d->adapter, &most) == WGPUStatus_Success) {
#define RAISE(limit)                                                                               \
    if (most.limit > d->limits.limit)                                                              \
        d->limits.limit = limits.limit = most.limit;
        RAISE(maxStorageBuffersPerShaderStage)
        RAISE(maxStorageBufferBindingSize)
        RAISE(maxBufferSize)
        RAISE(maxComputeWorkgroupStorageSize)
#undef RAISE
    }
    WGPUDeviceDescriptor desc = WGPU_DEVICE_DESCRIPTOR_INIT;
    desc.requiredFeatureCount = count;
    desc.requiredFeatures = features;
    desc.requiredLimits = &limits;
    desc.deviceLostCallbackInfo.mode = WGPUCallbackMode_AllowProcessEvents;
    desc.deviceLostCallbackInfo.callback = on_lost;
    desc.deviceLostCallbackInfo.userdata1 = d;
    desc.uncapturedErrorCallbackInfo.callback = on_error;
    desc.uncapturedErrorCallbackInfo.userdata1 = d;
    d->state = GPU_WANTS_DEVICE;
    GPU_CALL(AdapterRequestDevice)
    (d->adapter, &desc,
     (WGPURequestDeviceCallbackInfo){
         .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_device, .userdata1 = d});
}

static void on_adapter(WGPURequestAdapterStatus status, WGPUAdapter adapter, WGPUStringView message,
                       void *user, void *unused)
{
    (void)unused;
    gpu_device *d = user;
    if (status == WGPURequestAdapterStatus_Success)
        d->adapter = adapter;
    else
        keep_error(d, message.length != 0 ? message : gpu_text("there is no adapter"));
}

brink_status gpu_device_create(brink_context *context, bool plain, gpu_device **out)
{
    *out = NULL;
    const char *why = gpu_api_open();
    if (why != NULL)
        return core_fail(context, BRINK_DEVICE_FAILED, "gpu: %s", why);
    gpu_device *d = core_calloc(context, 1, sizeof *d);
    if (d == NULL)
        return BRINK_OUT_OF_MEMORY;
    d->context = context;
    d->plain = plain;
    d->instance = gpu_api_instance();
    if (d->instance == NULL) {
        core_free(context, d);
        return core_fail(context, BRINK_DEVICE_FAILED, "gpu: WebGPU could not be started");
    }
    d->state = GPU_WANTS_ADAPTER;
    WGPURequestAdapterOptions options = WGPU_REQUEST_ADAPTER_OPTIONS_INIT;
    options.powerPreference = WGPUPowerPreference_HighPerformance;
    GPU_CALL(InstanceRequestAdapter)
    (d->instance, &options,
     (WGPURequestAdapterCallbackInfo){
         .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_adapter, .userdata1 = d});
    *out = d;
    return BRINK_OK;
}

brink_status gpu_device_advance(gpu_device *d)
{
    TRY(gpu_device_check(d));
    if (d->state == GPU_WANTS_ADAPTER && d->adapter != NULL) {
        describe(d);
        request_device(d);
    }
    return d->state == GPU_OPEN ? BRINK_OK : BRINK_PENDING;
}

brink_status gpu_device_check(gpu_device *d)
{
    GPU_CALL(InstanceProcessEvents)(d->instance);
    if (d->error[0] == 0 && d->state != GPU_LOST)
        return BRINK_OK;
    core_fail(d->context, BRINK_DEVICE_FAILED, "gpu%s%s: %s", d->name[0] ? " " : "", d->name,
              d->error[0] ? d->error : "the device was lost");
    d->error[0] = 0;
    return BRINK_DEVICE_FAILED;
}

void gpu_device_destroy(gpu_device *d)
{
    if (d == NULL)
        return;
    d->state = GPU_CLOSED;
    gpu_pipelines_free(d);
    if (d->queue != NULL)
        GPU_CALL(QueueRelease)(d->queue);
    if (d->device != NULL) {
        GPU_CALL(DeviceDestroy)(d->device);
        GPU_CALL(DeviceRelease)(d->device);
    }
    if (d->adapter != NULL)
        GPU_CALL(AdapterRelease)(d->adapter);
    GPU_CALL(InstanceProcessEvents)(d->instance);
    GPU_CALL(InstanceRelease)(d->instance);
    core_free(d->context, d);
}

WGPUBuffer gpu_buffer_create(gpu_device *d, uint64_t bytes, WGPUBufferUsage usage)
{
    uint64_t size = bytes < 4 ? 4 : (bytes + 3) / 4 * 4;
    WGPUBuffer buffer = NULL;
    if (size <= d->limits.maxBufferSize) {
        WGPUBufferDescriptor desc = WGPU_BUFFER_DESCRIPTOR_INIT;
        desc.size = size;
        desc.usage = usage;
        buffer = GPU_CALL(DeviceCreateBuffer)(d->device, &desc);
    }
    if (buffer == NULL)
        core_fail(d->context, BRINK_OUT_OF_MEMORY, "gpu %s: no buffer of %llu bytes (at most %llu)",
                  d->name, (unsigned long long)size, (unsigned long long)d->limits.maxBufferSize);
    return buffer;
}

void gpu_buffer_free(WGPUBuffer buffer)
{
    if (buffer == NULL)
        return;
    GPU_CALL(BufferDestroy)(buffer);
    GPU_CALL(BufferRelease)(buffer);
}
