/* api.h — webgpu.h, and where its functions come from.

   In the browser they are imports that web/sdk answers. Natively the library (wgpu-native) is opened
   when a GPU is first asked for, so that a program without one neither links nor needs it; the
   functions of webgpu.h are then called through the table below, under their own names.

   To use one more function: a row here, and one in web/sdk. */
#ifndef GPU_API_H
#define GPU_API_H

#include <webgpu.h>

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
    F(DeviceCreateComputePipeline)                                                                 \
    F(DeviceCreatePipelineLayout)                                                                  \
    F(DeviceCreateShaderModule)                                                                    \
    F(DeviceDestroy)                                                                               \
    F(DeviceGetQueue)                                                                              \
    F(DeviceRelease)                                                                               \
    F(BindGroupLayoutRelease)                                                                      \
    F(BindGroupRelease)                                                                            \
    F(BufferDestroy)                                                                               \
    F(BufferGetConstMappedRange)                                                                   \
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
    F(QueueRelease)                                                                                \
    F(QueueSubmit)                                                                                 \
    F(QueueWriteBuffer)                                                                            \
    F(ShaderModuleRelease)

#ifdef __wasm__

#define GPU_CALL(name) wgpu##name

/* Always there: the browser says otherwise when an adapter is asked for. */
static inline const char *gpu_api_open(void)
{
    return NULL;
}

static inline WGPUInstance gpu_api_instance(void)
{
    return wgpuCreateInstance(NULL);
}

#else

typedef struct gpu_api {
#define GPU_MEMBER(name) __typeof__(&wgpu##name) name;
    GPU_FUNCTIONS(GPU_MEMBER)
#undef GPU_MEMBER
} gpu_api;

extern gpu_api gpu_functions;
#define GPU_CALL(name) gpu_functions.name

/* Opens the library once: $BRINK_WEBGPU, or libwgpu_native.so beside the program or where the system
   looks. NULL when it is open, else what went wrong; the text is static. */
const char *gpu_api_open(void);

/* Without OpenGL, which is slower, knows fewer limits and looks for a display. */
WGPUInstance gpu_api_instance(void);

#endif

#endif
