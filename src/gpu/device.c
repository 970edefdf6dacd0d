/* device.c — see device.h. */
#include "gpu/device.h"

#include "gpu/pipeline.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

void gpu_device_fail(gpu_device *d, WGPUErrorType type, WGPUStringView message)
{
    static bool lock; /* kernels compile on threads */
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        ;
    if (!d->has_error) {
        copy_text(d->error, sizeof d->error, message);
        d->error_type = type;
        __atomic_store_n(&d->has_error, true, __ATOMIC_RELEASE);
    }
    /* wgpu-native tells a loss as the error of whatever came after it */
    if (type == WGPUErrorType_NoError || strstr(d->error, "device is lost") != NULL)
        __atomic_store_n(&d->lost, true, __ATOMIC_RELEASE);
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

/* Both tell the generation that they belong to: an earlier device may still have something to say. */
static bool is_current(const gpu_device *d, const void *generation)
{
    return (uintptr_t)generation == d->generation && d->state != GPU_CLOSED;
}

static void on_error(WGPUDevice const *device, WGPUErrorType type, WGPUStringView message,
                     void *user, void *generation)
{
    (void)device;
    if (is_current(user, generation))
        gpu_device_fail(user, type, message);
}

static void on_lost(WGPUDevice const *device, WGPUDeviceLostReason reason, WGPUStringView message,
                    void *user, void *generation)
{
    (void)device;
    if (reason != WGPUDeviceLostReason_CallbackCancelled && is_current(user, generation))
        gpu_device_fail(user, WGPUErrorType_NoError,
                        message.length != 0 ? message : gpu_text("the device was lost"));
}

static void on_device(WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message,
                      void *user, void *unused)
{
    (void)unused;
    gpu_device *d = user;
    if (status != WGPURequestDeviceStatus_Success) {
        gpu_device_fail(d, WGPUErrorType_Unknown, message);
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
    if (d->pace == 0) /* until it is known */
        d->pace = d->software ? 0.2 : 0.01;
    GPU_CALL(AdapterInfoFreeMembers)(info);
}

static bool wants(const gpu_device *d, WGPUFeatureName feature)
{
    return !d->plain && GPU_CALL(AdapterHasFeature)(d->adapter, feature);
}

WGPULimits gpu_default_limits(void)
{
    return (WGPULimits){.maxStorageBuffersPerShaderStage = 8,
                        .maxStorageBufferBindingSize = 128u << 20,
                        .maxBufferSize = 256u << 20,
                        .minStorageBufferOffsetAlignment = 256,
                        .maxComputeWorkgroupStorageSize = 16384,
                        .maxComputeInvocationsPerWorkgroup = 256,
                        .maxComputeWorkgroupsPerDimension = 65535};
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
    d->limits = gpu_default_limits();
    if (!d->plain && GPU_CALL(AdapterGetLimits)(d->adapter, &most) == WGPUStatus_Success) {
#define RAISE(limit)                                                                               \
    if (most.limit > d->limits.limit)                                                              \
        d->limits.limit = limits.limit = most.limit;
        RAISE(maxStorageBuffersPerShaderStage)
        RAISE(maxStorageBufferBindingSize)
        RAISE(maxBufferSize)
        RAISE(maxComputeWorkgroupStorageSize)
#undef RAISE
        if (d->limits.maxBufferSize > UINT32_MAX - 3) /* offsets have 32 bits */
            d->limits.maxBufferSize = limits.maxBufferSize = UINT32_MAX - 3;
    }
    WGPUDeviceDescriptor desc = WGPU_DEVICE_DESCRIPTOR_INIT;
    desc.requiredFeatureCount = count;
    desc.requiredFeatures = features;
    desc.requiredLimits = &limits;
    desc.deviceLostCallbackInfo.mode = WGPUCallbackMode_AllowProcessEvents;
    desc.deviceLostCallbackInfo.callback = on_lost;
    desc.deviceLostCallbackInfo.userdata1 = d;
    desc.deviceLostCallbackInfo.userdata2 = (void *)(uintptr_t)d->generation;
    desc.uncapturedErrorCallbackInfo.callback = on_error;
    desc.uncapturedErrorCallbackInfo.userdata1 = d;
    desc.uncapturedErrorCallbackInfo.userdata2 = (void *)(uintptr_t)d->generation;
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
        gpu_device_fail(d, WGPUErrorType_Unknown,
                        message.length != 0 ? message : gpu_text("there is no adapter"));
}

static void request_adapter(gpu_device *d)
{
    d->state = GPU_WANTS_ADAPTER;
    WGPURequestAdapterOptions options = WGPU_REQUEST_ADAPTER_OPTIONS_INIT;
    options.powerPreference = WGPUPowerPreference_HighPerformance;
    GPU_CALL(InstanceRequestAdapter)
    (d->instance, &options,
     (WGPURequestAdapterCallbackInfo){
         .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_adapter, .userdata1 = d});
}

brink_status gpu_device_create(brink_context *context, const brink_gpu_desc *desc, gpu_device **out)
{
    *out = NULL;
    const char *why = gpu_api_open(desc != NULL && desc->hardware);
    if (why != NULL)
        return core_fail(context, BRINK_DEVICE_FAILED, "gpu: %s", why);
    gpu_device *d = core_calloc(context, 1, sizeof *d);
    if (d == NULL)
        return BRINK_OUT_OF_MEMORY;
    d->context = context;
    d->submit_time = GPU_SUBMIT_MS * 1000000u;
    d->plain = desc != NULL && desc->plain;
    d->hardware = desc != NULL && desc->hardware;
    d->instance = gpu_api_instance();
    if (d->instance == NULL) {
        core_free(context, d);
        return core_fail(context, BRINK_DEVICE_FAILED, "gpu: WebGPU could not be started");
    }
    request_adapter(d);
    *out = d;
    return BRINK_OK;
}

/* Lets go of what was opened. */
static void close_device(gpu_device *d)
{
    gpu_probe_free(d);
    gpu_pipelines_free(d);
    if (d->queue != NULL)
        GPU_CALL(QueueRelease)(d->queue);
    if (d->device != NULL) {
        GPU_CALL(DeviceDestroy)(d->device);
        GPU_CALL(DeviceRelease)(d->device);
    }
    if (d->adapter != NULL)
        GPU_CALL(AdapterRelease)(d->adapter);
    d->queue = NULL;
    d->device = NULL;
    d->adapter = NULL;
}

static brink_status advance(gpu_device *d)
{
    if (d->state == GPU_LOST) {
        close_device(d);
        d->has_error = d->lost = false;
        request_adapter(d);
    }
    TRY(gpu_device_check(d));
    if (d->state == GPU_WANTS_ADAPTER && d->adapter != NULL) {
        describe(d);
        if (d->hardware && d->software)
            return core_fail(d->context, BRINK_DEVICE_FAILED, "gpu %s: a software adapter",
                             d->name);
        request_device(d);
    }
    return d->state == GPU_OPEN ? BRINK_OK : BRINK_PENDING;
}

brink_status gpu_device_advance(gpu_device *d)
{
    if (d->state == GPU_OPEN)
        return BRINK_OK;
    brink_status status = advance(d);
    if (status != BRINK_OK && status != BRINK_PENDING)
        d->state = GPU_LOST; /* who asks next tries again */
    return status;
}

brink_status gpu_device_open(gpu_device *d, uint64_t deadline)
{
    brink_status status;
    while ((status = gpu_device_advance(d)) == BRINK_PENDING && core_now() < deadline)
#ifdef __wasm__
        break; /* nothing comes while C runs */
#else
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
#endif
    return status;
}

static void note_loss(gpu_device *d, bool full)
{
    d->full = full;
    d->state = GPU_LOST;
    d->generation++;
    d->context->gpu_memory.live = 0; /* what is left belongs to nobody */
}

brink_status gpu_device_check(gpu_device *d)
{
    GPU_CALL(InstanceProcessEvents)(d->instance);
    if (!__atomic_load_n(&d->has_error, __ATOMIC_ACQUIRE))
        return d->state != GPU_LOST ? BRINK_OK
                                    : core_fail(d->context, BRINK_DEVICE_FAILED,
                                                "gpu %s: the device was lost", d->name);
    bool full = d->error_type == WGPUErrorType_OutOfMemory;
    if (full)
        core_fail(d->context, BRINK_OUT_OF_MEMORY,
                  "gpu %s: out of memory, %llu bytes held or asked for: %s", d->name,
                  (unsigned long long)d->context->gpu_memory.live, d->error);
    else
        core_fail(d->context, BRINK_DEVICE_FAILED, "gpu%s%s: %s", d->name[0] ? " " : "", d->name,
                  d->error[0] ? d->error : "the device was lost");
    if (d->state == GPU_OPEN && (full || d->lost))
        note_loss(d, full);
    d->error[0] = 0;
    d->has_error = d->lost = false;
    return full ? BRINK_OUT_OF_MEMORY : BRINK_DEVICE_FAILED;
}

brink_status gpu_device_gone(gpu_device *d, const char *why)
{
    TRY(gpu_device_check(d));
    note_loss(d, false);
    return core_fail(d->context, BRINK_DEVICE_FAILED, "gpu %s: %s", d->name, why);
}

uint32_t gpu_device_lose(gpu_device *d)
{
    if (d->device != NULL)
        GPU_CALL(DeviceDestroy)(d->device);
    return d->generation;
}

brink_status gpu_device_submit(gpu_device *d, const gpu_item *items, uint32_t item_count,
                               const gpu_copy *copies, uint32_t copy_count)
{
    TRY(gpu_device_check(d));
    gpu_api_submit_unless(&d->has_error, d->device, d->queue, items, item_count, copies,
                          copy_count);
    return gpu_device_check(d);
}

void gpu_device_destroy(gpu_device *d)
{
    if (d == NULL)
        return;
    d->state = GPU_CLOSED;
    close_device(d);
    GPU_CALL(InstanceProcessEvents)(d->instance);
    GPU_CALL(InstanceRelease)(d->instance);
    for (gpu_ticket *t; (t = d->tickets) != NULL;) {
        d->tickets = t->next;
        core_free(d->context, t);
    }
    core_free(d->context, d);
}

static bool within_budget(const brink_context *context, uint64_t size)
{
    uint64_t budget = context->desc.memory_budget;
    uint64_t held = context->memory.live + context->gpu_memory.live;
    return budget == 0 || (size <= budget && held <= budget - size);
}

static void count(gpu_device *d, uint64_t size)
{
    brink_memory *m = &d->context->gpu_memory;
    m->live += size;
    m->peak = m->peak < m->live ? m->live : m->peak;
}

WGPUBuffer gpu_buffer_create(gpu_device *d, uint64_t bytes, WGPUBufferUsage usage)
{
    uint64_t size = bytes < 4 ? 4 : gpu_whole(bytes);
    if (d->state != GPU_OPEN) {
        gpu_device_check(d); /* says why */
        return NULL;
    }
    if (!within_budget(d->context, size)) {
        core_fail(d->context, BRINK_OUT_OF_MEMORY,
                  "gpu %s: %llu bytes asked for, %llu held there and %llu by the engine, the "
                  "budget is %llu",
                  d->name, (unsigned long long)size,
                  (unsigned long long)d->context->gpu_memory.live,
                  (unsigned long long)d->context->memory.live,
                  (unsigned long long)d->context->desc.memory_budget);
        return NULL;
    }
    WGPUBuffer buffer = NULL;
    if (size <= d->limits.maxBufferSize) {
        WGPUBufferDescriptor desc = WGPU_BUFFER_DESCRIPTOR_INIT;
        desc.size = size;
        desc.usage = usage;
        buffer = GPU_CALL(DeviceCreateBuffer)(d->device, &desc);
    }
    bool refused = __atomic_load_n(&d->has_error, __ATOMIC_ACQUIRE); /* natively, and at once */
    if (refused && buffer != NULL) {
        GPU_CALL(BufferRelease)(buffer);
        buffer = NULL;
    }
    if (refused && d->error_type == WGPUErrorType_OutOfMemory) {
        core_fail(d->context, BRINK_OUT_OF_MEMORY, "gpu %s: no room for %llu bytes beside %llu: %s",
                  d->name, (unsigned long long)size,
                  (unsigned long long)d->context->gpu_memory.live, d->error);
        d->has_error = false;
        d->error[0] = 0;
    } else if (refused) {
        gpu_device_check(d);
    } else if (buffer == NULL) {
        core_fail(d->context, BRINK_OUT_OF_MEMORY, "gpu %s: no buffer of %llu bytes (at most %llu)",
                  d->name, (unsigned long long)size, (unsigned long long)d->limits.maxBufferSize);
    } else {
        count(d, size);
    }
    return buffer;
}

void gpu_buffer_release(gpu_device *d, uint32_t generation, WGPUBuffer buffer)
{
    if (buffer == NULL)
        return;
    if (generation == d->generation)
        d->context->gpu_memory.live -= GPU_CALL(BufferGetSize)(buffer);
    GPU_CALL(BufferRelease)(buffer);
}

void gpu_buffer_free(gpu_device *d, uint32_t generation, WGPUBuffer buffer)
{
    if (buffer != NULL)
        GPU_CALL(BufferDestroy)(buffer);
    gpu_buffer_release(d, generation, buffer);
}

/* ── Tickets ── */

static gpu_ticket *take_ticket(gpu_device *d)
{
    gpu_ticket *t = d->tickets;
    while (t != NULL && (t->held || t->state == 0))
        t = t->next;
    gpu_ticket *next = NULL;
    if (t != NULL) {
        next = t->next;
    } else {
        t = core_alloc(d->context, sizeof *t);
        if (t == NULL)
            return NULL;
        next = d->tickets;
        d->tickets = t;
    }
    *t = (gpu_ticket){.next = next, .held = true, .begun = core_now()};
    t->seen = t->begun;
    return t;
}

static void answer(gpu_ticket *t, bool done)
{
    t->done = core_now();
    t->state = done ? 1 : -1;
}

static void on_mapped(WGPUMapAsyncStatus status, WGPUStringView message, void *user, void *unused)
{
    (void)message, (void)unused;
    answer(user, status == WGPUMapAsyncStatus_Success);
}

static void on_work_done(WGPUQueueWorkDoneStatus status, WGPUStringView message, void *user,
                         void *unused)
{
    (void)message, (void)unused;
    answer(user, status == WGPUQueueWorkDoneStatus_Success);
}

gpu_ticket *gpu_map(gpu_device *d, WGPUBuffer buffer, uint64_t bytes)
{
    gpu_ticket *t = take_ticket(d);
    if (t != NULL)
        GPU_CALL(BufferMapAsync)
    (buffer, WGPUMapMode_Read, 0, (size_t)bytes,
     (WGPUBufferMapCallbackInfo){
         .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_mapped, .userdata1 = t});
    return t;
}

gpu_ticket *gpu_work_done(gpu_device *d)
{
    gpu_ticket *t = take_ticket(d);
    if (t != NULL)
        GPU_CALL(QueueOnSubmittedWorkDone)
    (d->queue, (WGPUQueueWorkDoneCallbackInfo){.mode = WGPUCallbackMode_AllowProcessEvents,
                                               .callback = on_work_done,
                                               .userdata1 = t});
    return t;
}

void gpu_ticket_drop(gpu_ticket *t)
{
    if (t != NULL)
        t->held = false;
}

const void *gpu_mapped(gpu_device *d, WGPUBuffer buffer, uint64_t bytes)
{
    (void)d;
#ifndef __wasm__ /* wgpu-native ends the program where the device is lost: something that may fail first */
    GPU_CALL(CommandEncoderRelease)(GPU_CALL(DeviceCreateCommandEncoder)(d->device, NULL));
    if (__atomic_load_n(&d->has_error, __ATOMIC_ACQUIRE))
        return NULL;
#endif
    return GPU_CALL(BufferGetConstMappedRange)(buffer, 0, (size_t)bytes);
}

brink_status gpu_wait(gpu_device *d, gpu_ticket *t, uint64_t deadline)
{
    for (;;) {
        uint64_t now = core_now();
        TRY(gpu_device_check(d));
        if (t->state != 0)
            break;
        t->seen = now;
#ifdef __wasm__
        (void)deadline;
        return BRINK_PENDING;
#else
        if (now >= deadline)
            return BRINK_PENDING;
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
#endif
    }
    return t->state > 0 ? BRINK_OK : gpu_device_gone(d, "results could not be read back");
}
