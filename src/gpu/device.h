/* device.h — the GPU: adapter, device, queue, and what has been compiled for it.

   Invariant: nothing here waits. Opening advances until it is done or failed; what the device says
   later (an error, its loss) is kept as text and found by gpu_device_check. */
#ifndef GPU_DEVICE_H
#define GPU_DEVICE_H

#include "core/context.h"
#include "gpu/api.h"

typedef struct gpu_pipeline gpu_pipeline;
typedef struct gpu_layout gpu_layout;

typedef enum gpu_state {
    GPU_CLOSED,
    GPU_WANTS_ADAPTER,
    GPU_WANTS_DEVICE,
    GPU_OPEN,
    GPU_LOST
} gpu_state;

typedef struct gpu_device {
    brink_context *context;
    WGPUInstance instance;
    WGPUAdapter adapter;
    WGPUDevice device;
    WGPUQueue queue;
    WGPULimits limits; /* in force */
    bool f16, subgroups, timestamps;
    bool software; /* the adapter is a CPU */
    bool plain;    /* default limits, no optional feature */
    gpu_state state;
    char name[128];
    char error[256]; /* the first that was reported and not yet told; "" */
    gpu_pipeline *pipelines;
    gpu_layout *layouts;
} gpu_device;

/* A device on its way; advance it until it is open. `plain` asks for nothing beyond the defaults. */
brink_status gpu_device_create(brink_context *context, bool plain, gpu_device **out);

/* BRINK_PENDING, BRINK_OK once open, or BRINK_DEVICE_FAILED with the reason. */
brink_status gpu_device_advance(gpu_device *d);
void gpu_device_destroy(gpu_device *d);

/* Lets callbacks run; BRINK_DEVICE_FAILED when the device reported an error or is gone. */
brink_status gpu_device_check(gpu_device *d);

/* A buffer that is a multiple of 4 bytes; NULL with the error recorded. */
WGPUBuffer gpu_buffer_create(gpu_device *d, uint64_t bytes, WGPUBufferUsage usage);
void gpu_buffer_free(WGPUBuffer buffer);

static inline WGPUStringView gpu_text(const char *text)
{
    return (WGPUStringView){text, WGPU_STRLEN};
}

#endif
