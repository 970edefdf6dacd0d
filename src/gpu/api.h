/* api.h — webgpu.h, and where its functions come from.

   In the browser they are imports that web/sdk/src/worker/webgpu.ts answers. Natively the library
   (wgpu-native) is opened when a GPU is first asked for, so that a program without one neither links
   nor needs it; the functions of webgpu.h are then called through the table below, under their own
   names.

   To use one more function: a row here and one there. */
#ifndef GPU_API_H
#define GPU_API_H

#include <stdbool.h>
#include <webgpu.h>
#ifndef __wasm__
#include <wgpu.h>
#endif

#define GPU_FUNCTIONS(F)                                                                           \
    F(CreateInstance)                                                                              \
    F(InstanceProcessEvents)                                                                       \
    F(InstanceRelease)                                                                             \
    F(InstanceRequestAdapter)                                                                      \
    F(AdapterGetInfo)                                                                              \
    F(AdapterGetLimits)                                                                            \
    F(AdapterHasFeature)                                                                           \
    F(AdapterInfoFreeMembers)                                                                      \
    F(AdapterRelease)                                                                              \
    F(AdapterRequestDevice)                                                                        \
    F(DeviceCreateBindGroup)                                                                       \
    F(DeviceCreateBindGroupLayout)                                                                 \
    F(DeviceCreateBuffer)                                                                          \
    F(DeviceCreateCommandEncoder)                                                                  \
    F(DeviceCreatePipelineLayout)                                                                  \
    F(DeviceCreateShaderModule)                                                                    \
    F(DeviceDestroy)                                                                               \
    F(DeviceGetQueue)                                                                              \
    F(DeviceRelease)                                                                               \
    F(BindGroupLayoutRelease)                                                                      \
    F(BindGroupRelease)                                                                            \
    F(BufferDestroy)                                                                               \
    F(BufferGetConstMappedRange)                                                                   \
    F(BufferGetSize)                                                                               \
    F(BufferMapAsync)                                                                              \
    F(BufferRelease)                                                                               \
    F(BufferUnmap)                                                                                 \
    F(CommandBufferRelease)                                                                        \
    F(CommandEncoderBeginComputePass)                                                              \
    F(CommandEncoderCopyBufferToBuffer)                                                            \
    F(CommandEncoderFinish)                                                                        \
    F(CommandEncoderRelease)                                                                       \
    F(ComputePassEncoderDispatchWorkgroups)                                                        \
    F(ComputePassEncoderEnd)                                                                       \
    F(ComputePassEncoderRelease)                                                                   \
    F(ComputePassEncoderSetBindGroup)                                                              \
    F(ComputePassEncoderSetPipeline)                                                               \
    F(ComputePipelineRelease)                                                                      \
    F(PipelineLayoutRelease)                                                                       \
    F(QueueOnSubmittedWorkDone)                                                                    \
    F(QueueRelease)                                                                                \
    F(QueueSubmit)                                                                                 \
    F(QueueWriteBuffer)                                                                            \
    F(ShaderModuleRelease)

/* One submit: dispatches in one pass, then copies. The arrays are read before the call returns. */
typedef struct gpu_item {
    WGPUComputePipeline pipeline;
    WGPUBindGroup group;
    uint32_t groups[3];
} gpu_item;

typedef struct gpu_copy {
    WGPUBuffer from, to;
    uint32_t from_at, to_at, bytes; /* multiples of 4 */
} gpu_copy;

/* Used in browsers only, which compile beside all else; and natively only: there on threads of ours,
   and to measure. */
#define GPU_SCRIPT_FUNCTIONS(F) F(DeviceCreateComputePipelineAsync)
#define GPU_NATIVE_FUNCTIONS(F)                                                                    \
    F(CommandEncoderResolveQuerySet)                                                               \
    F(DeviceCreateComputePipeline)                                                                 \
    F(DeviceCreateQuerySet)                                                                        \
    F(QuerySetRelease)                                                                             \
    F(QueueGetTimestampPeriod)

#ifdef __wasm__

/* Imports of the module, by the names of webgpu.h. */
#define GPU_IMPORT(name)                                                                           \
    __attribute__((import_module("webgpu"),                                                        \
                   import_name("wgpu" #name))) __typeof__(wgpu##name) wgpu##name;
GPU_FUNCTIONS(GPU_IMPORT)
GPU_SCRIPT_FUNCTIONS(GPU_IMPORT)
#undef GPU_IMPORT
#define GPU_CALL(name) wgpu##name

/* Always there: the browser says otherwise when an adapter is asked for. */
static inline const char *gpu_api_open(bool hardware)
{
    (void)hardware;
    return NULL;
}

static inline WGPUInstance gpu_api_instance(void)
{
    return wgpuCreateInstance(NULL);
}

/* Not of webgpu.h: one call into script for a whole list, where each function above is one. */
__attribute__((import_module("webgpu"), import_name("submit"))) void
gpu_api_submit(WGPUDevice device, WGPUQueue queue, const gpu_item *items, uint32_t item_count,
               const gpu_copy *copies, uint32_t copy_count);

/* Browsers let work for a lost device pass. */
static inline void gpu_api_submit_unless(const bool *failed, WGPUDevice device, WGPUQueue queue,
                                         const gpu_item *items, uint32_t item_count,
                                         const gpu_copy *copies, uint32_t copy_count)
{
    (void)failed;
    gpu_api_submit(device, queue, items, item_count, copies, copy_count);
}

/* Runs each item `repeats` times between two timestamps. How many nanoseconds one of them took is known
   later, of all items since a call whose `first` was 0; until then gpu_api_times returns false. */
__attribute__((import_module("webgpu"), import_name("time"))) void
gpu_api_time(WGPUDevice device, WGPUQueue queue, const gpu_item *items, uint32_t count,
             uint32_t first, uint32_t repeats);
__attribute__((import_module("webgpu"), import_name("times"))) bool
gpu_api_times(WGPUDevice device, uint64_t *ns, uint32_t count);

#else

typedef struct gpu_api {
#define GPU_MEMBER(name) __typeof__(&wgpu##name) name;
    GPU_FUNCTIONS(GPU_MEMBER)
    GPU_NATIVE_FUNCTIONS(GPU_MEMBER)
#undef GPU_MEMBER
} gpu_api;

extern gpu_api gpu_functions;
#define GPU_CALL(name) gpu_functions.name

/* Opens the library once: $BRINK_WEBGPU, or libwgpu_native.so beside the program or where the system
   looks. NULL when it is open, else what went wrong; the text is static. Nothing is opened for
   `hardware` where the system shows none: software drivers take 50 ms and more to say that they are. */
const char *gpu_api_open(bool hardware);

/* Without OpenGL, which is slower, knows fewer limits and looks for a display. */
WGPUInstance gpu_api_instance(void);

/* Nothing is submitted once *failed, which an error while it is encoded may set: wgpu-native ends the
   program at a submit to a lost device. */
void gpu_api_submit_unless(const bool *failed, WGPUDevice device, WGPUQueue queue,
                           const gpu_item *items, uint32_t item_count, const gpu_copy *copies,
                           uint32_t copy_count);

/* Runs items, a pass each, and waits; ns[i] is how long item i took on the GPU. */
void gpu_api_time(WGPUInstance instance, WGPUDevice device, WGPUQueue queue, const gpu_item *items,
                  uint32_t count, uint64_t *ns);

#endif

#endif
