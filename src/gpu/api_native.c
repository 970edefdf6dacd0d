/* api_native.c — opens wgpu-native; see api.h. */
#ifndef __wasm__

#include "gpu/api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

gpu_api gpu_functions;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[512];

/* `name` in the folder of the running program; false where that is not known. */
static bool beside_program(const char *name, char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0)
        return false;
    path[length] = 0;
    char *end = strrchr(path, '/');
    size_t used = end == NULL ? 0 : (size_t)(end + 1 - path);
    return used != 0 && (size_t)snprintf(path + used, size - used, "%s", name) < size - used;
}

static void *open_library(void)
{
    char path[4096];
    const char *chosen = getenv("BRINK_WEBGPU");
    if (chosen != NULL && chosen[0] != 0)
        return dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    void *library = NULL;
    if (beside_program("libwgpu_native.so", path, sizeof path))
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return library != NULL ? library : dlopen("libwgpu_native.so", RTLD_NOW | RTLD_LOCAL);
}

static void open_once(void)
{
    void *library = open_library();
    if (library == NULL) {
        const char *why = dlerror();
        snprintf(failure, sizeof failure, "no WebGPU library: %s", why != NULL ? why : "not found");
        return;
    }
#define GPU_LOAD(name)                                                                             \
    {                                                                                              \
        void *symbol = dlsym(library, "wgpu" #name);                                               \
        memcpy(&gpu_functions.name, &symbol, sizeof symbol);                                       \
        if (symbol == NULL)                                                                        \
            snprintf(failure, sizeof failure, "the WebGPU library has no wgpu%s", #name);          \
    }
    GPU_FUNCTIONS(GPU_LOAD)
    GPU_NATIVE_FUNCTIONS(GPU_LOAD)
#undef GPU_LOAD
}

WGPUInstance gpu_api_instance(void)
{
    WGPUInstanceExtras extras = {.chain.sType = (WGPUSType)WGPUSType_InstanceExtras,
                                 .backends = WGPUInstanceBackend_Primary};
    WGPUInstanceDescriptor desc = WGPU_INSTANCE_DESCRIPTOR_INIT;
    desc.nextInChain = &extras.chain;
    return GPU_CALL(CreateInstance)(&desc);
}

static void encode_pass(WGPUCommandEncoder encoder, const gpu_item *items, uint32_t count,
                        const WGPUPassTimestampWrites *writes)
{
    WGPUComputePassDescriptor desc = WGPU_COMPUTE_PASS_DESCRIPTOR_INIT;
    desc.timestampWrites = writes;
    WGPUComputePassEncoder pass = GPU_CALL(CommandEncoderBeginComputePass)(encoder, &desc);
    WGPUComputePipeline pipeline = NULL;
    for (const gpu_item *i = items; i < items + count; i++) {
        if (i->pipeline != pipeline)
            GPU_CALL(ComputePassEncoderSetPipeline)(pass, i->pipeline);
        pipeline = i->pipeline;
        GPU_CALL(ComputePassEncoderSetBindGroup)(pass, 0, i->group, 0, NULL);
        GPU_CALL(ComputePassEncoderDispatchWorkgroups)
        (pass, i->groups[0], i->groups[1], i->groups[2]);
    }
    GPU_CALL(ComputePassEncoderEnd)(pass);
    GPU_CALL(ComputePassEncoderRelease)(pass);
}

void gpu_api_submit_unless(const bool *failed, WGPUDevice device, WGPUQueue queue,
                           const gpu_item *items, uint32_t item_count, const gpu_copy *copies,
                           uint32_t copy_count)
{
    WGPUCommandEncoder encoder = GPU_CALL(DeviceCreateCommandEncoder)(device, NULL);
    if (item_count != 0)
        encode_pass(encoder, items, item_count, NULL);
    for (const gpu_copy *c = copies; copy_count != 0 && c < copies + copy_count; c++)
        GPU_CALL(CommandEncoderCopyBufferToBuffer)
    (encoder, c->from, c->from_at, c->to, c->to_at, c->bytes);
    WGPUCommandBuffer commands = GPU_CALL(CommandEncoderFinish)(encoder, NULL);
    GPU_CALL(CommandEncoderRelease)(encoder);
    if (!__atomic_load_n(failed, __ATOMIC_ACQUIRE))
        GPU_CALL(QueueSubmit)(queue, 1, &commands);
    GPU_CALL(CommandBufferRelease)(commands);
}

static void on_mapped(WGPUMapAsyncStatus status, WGPUStringView message, void *user, void *unused)
{
    (void)message, (void)unused;
    *(int *)user = status == WGPUMapAsyncStatus_Success ? 1 : -1;
}

static WGPUBuffer timing_buffer(WGPUDevice device, uint64_t bytes, WGPUBufferUsage usage)
{
    WGPUBufferDescriptor desc = WGPU_BUFFER_DESCRIPTOR_INIT;
    desc.size = bytes;
    desc.usage = usage;
    return GPU_CALL(DeviceCreateBuffer)(device, &desc);
}

/* At most MOST_TIMED items. */
enum { MOST_TIMED = 1024 };
static void time_some(WGPUInstance instance, WGPUDevice device, WGPUQueue queue,
                      const gpu_item *items, uint32_t count, uint64_t *ns)
{
    WGPUQuerySetDescriptor desc = WGPU_QUERY_SET_DESCRIPTOR_INIT;
    desc.type = WGPUQueryType_Timestamp;
    desc.count = 2 * count;
    uint64_t bytes = 16 * (uint64_t)count;
    WGPUQuerySet set = GPU_CALL(DeviceCreateQuerySet)(device, &desc);
    WGPUBuffer resolved =
        timing_buffer(device, bytes, WGPUBufferUsage_QueryResolve | WGPUBufferUsage_CopySrc);
    WGPUBuffer staging =
        timing_buffer(device, bytes, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
    WGPUCommandEncoder encoder = GPU_CALL(DeviceCreateCommandEncoder)(device, NULL);
    for (uint32_t i = 0; i < count; i++) {
        WGPUPassTimestampWrites writes = WGPU_PASS_TIMESTAMP_WRITES_INIT;
        writes.querySet = set;
        writes.beginningOfPassWriteIndex = 2 * i;
        writes.endOfPassWriteIndex = 2 * i + 1;
        encode_pass(encoder, &items[i], 1, &writes);
    }
    GPU_CALL(CommandEncoderResolveQuerySet)(encoder, set, 0, 2 * count, resolved, 0);
    GPU_CALL(CommandEncoderCopyBufferToBuffer)(encoder, resolved, 0, staging, 0, bytes);
    WGPUCommandBuffer commands = GPU_CALL(CommandEncoderFinish)(encoder, NULL);
    GPU_CALL(CommandEncoderRelease)(encoder);
    GPU_CALL(QueueSubmit)(queue, 1, &commands);
    GPU_CALL(CommandBufferRelease)(commands);
    int mapped = 0;
    GPU_CALL(BufferMapAsync)
    (staging, WGPUMapMode_Read, 0, (size_t)bytes,
     (WGPUBufferMapCallbackInfo){
         .mode = WGPUCallbackMode_AllowProcessEvents, .callback = on_mapped, .userdata1 = &mapped});
    while (mapped == 0)
        GPU_CALL(InstanceProcessEvents)(instance);
    float period = GPU_CALL(QueueGetTimestampPeriod)(queue);
    const uint64_t *ticks =
        mapped > 0 ? GPU_CALL(BufferGetConstMappedRange)(staging, 0, (size_t)bytes) : NULL;
    for (uint32_t i = 0; ticks != NULL && i < count; i++)
        ns[i] = (uint64_t)((double)(ticks[2 * i + 1] - ticks[2 * i]) * (double)period);
    GPU_CALL(BufferRelease)(staging);
    GPU_CALL(BufferRelease)(resolved);
    GPU_CALL(QuerySetRelease)(set);
}

void gpu_api_time(WGPUInstance instance, WGPUDevice device, WGPUQueue queue, const gpu_item *items,
                  uint32_t count, uint64_t *ns)
{
    for (uint32_t i = 0; i < count; i += MOST_TIMED)
        time_some(instance, device, queue, items + i,
                  count - i < MOST_TIMED ? count - i : MOST_TIMED, ns + i);
}

/* Linux drivers reach a GPU through one of these. */
static bool has_hardware(void)
{
#ifdef __linux__
    static const char *const nodes[] = {"/dev/dri",      "/dev/nvidiactl", "/dev/dxg",
                                        "/dev/kgsl-3d0", "/dev/mali0",     "/dev/pvr_sync"};
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        if (access(nodes[i], F_OK) == 0)
            return true;
    return false;
#else
    return true;
#endif
}

const char *gpu_api_open(bool hardware)
{
    if (hardware && !has_hardware())
        return "no hardware";
    pthread_once(&once, open_once);
    return failure[0] != 0 ? failure : NULL;
}

#endif
