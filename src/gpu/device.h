/* device.h — the GPU: adapter, device, queue, and what has been compiled for it.

   A device may be lost at any time, with everything that was made on it. It is then opened anew in
   place: `generation` has grown, and what carries an earlier one may only be freed. Who owns something
   there compares, and makes it again (see plan.h: executor).

   Invariant: nothing here waits. Opening advances until it is done or failed; what the device says
   later (an error, its loss) is kept as text and found by gpu_device_check. */
#ifndef GPU_DEVICE_H
#define GPU_DEVICE_H

#include "core/context.h"
#include "gpu/api.h"

typedef struct gpu_pipeline gpu_pipeline;
typedef struct gpu_layout gpu_layout;
typedef struct gpu_ticket gpu_ticket;
typedef struct gpu_probe gpu_probe;

enum { GPU_SUBMIT_MS = 100 }; /* at first */

typedef enum gpu_state {
    GPU_CLOSED,
    GPU_WANTS_ADAPTER,
    GPU_WANTS_DEVICE,
    GPU_OPEN,
    GPU_LOST /* gpu_device_advance opens it again */
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
    bool hardware; /* a software adapter is refused       */
    gpu_state state;
    uint32_t generation; /* how often it was lost */
    bool full;           /* … the last time for want of memory */
    uint64_t bandwidth;  /* bytes a second, 0: not measured */
    gpu_probe *probe;    /* that measures it, or NULL       */
    char name[128];
    bool has_error, lost; /* since gpu_device_check: told by any thread */
    WGPUErrorType error_type;
    char error[256]; /* the first that was reported and not yet told; "" */
    gpu_pipeline *pipelines;
    uint32_t pipeline_ids; /* given so far */
    gpu_layout *layouts;
    gpu_ticket *tickets;
    double pace;          /* nanoseconds a unit of work takes: see pace.c   */
    uint64_t submit_time; /* nanoseconds that one submit should take at most */
    uint64_t last_done;   /* when a submit was last known to be done         */
} gpu_device;

/* In whole words, as buffers are written and copied. */
static inline uint64_t gpu_whole(uint64_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

/* What WebGPU promises everywhere. */
WGPULimits gpu_default_limits(void);

/* A device on its way; advance it until it is open. */
brink_status gpu_device_create(brink_context *context, const brink_gpu_desc *desc,
                               gpu_device **out);

/* BRINK_PENDING, BRINK_OK once open, or BRINK_DEVICE_FAILED with the reason. */
brink_status gpu_device_advance(gpu_device *d);

/* Until the deadline. */
brink_status gpu_device_open(gpu_device *d, uint64_t deadline);
void gpu_device_destroy(gpu_device *d);

/* What a callback tells: the first error is kept for gpu_device_check. Any thread. */
void gpu_device_fail(gpu_device *d, WGPUErrorType type, WGPUStringView message);

/* As if the adapter went away: for tests. How many devices were lost before. */
uint32_t gpu_device_lose(gpu_device *d);

/* Lets callbacks run. BRINK_DEVICE_FAILED when the device reported an error or is lost;
   BRINK_OUT_OF_MEMORY when it had no room, which counts as a loss, since nobody knows by then what
   has no memory. */
brink_status gpu_device_check(gpu_device *d);

/* What only a lost device does: something failed, and no error was reported. */
brink_status gpu_device_gone(gpu_device *d, const char *why);

brink_status gpu_device_submit(gpu_device *d, const gpu_item *items, uint32_t item_count,
                               const gpu_copy *copies, uint32_t copy_count);

/* Ends the measuring of the bandwidth: see measure.c. */
void gpu_probe_free(gpu_device *d);

/* A buffer that is a multiple of 4 bytes; NULL with the error recorded. Counted, and within the
   context's budget. */
WGPUBuffer gpu_buffer_create(gpu_device *d, uint64_t bytes, WGPUBufferUsage usage);

/* `generation` is the device's when the buffer was made. */
void gpu_buffer_free(gpu_device *d, uint32_t generation, WGPUBuffer buffer);

/* The same for one that commands may still read. */
void gpu_buffer_release(gpu_device *d, uint32_t generation, WGPUBuffer buffer);

/* ── What the GPU answers later ── */

/* The device's own, since an answer may come after who asked is gone. */
struct gpu_ticket {
    gpu_ticket *next;
    int state;      /* 0: not yet, 1: done, −1: failed */
    bool held;      /* somebody will ask               */
    uint64_t begun; /* nanoseconds: when it was asked for … */
    uint64_t seen;  /* … when it was last seen not done …   */
    uint64_t done;  /* … and when the answer came           */
};

/* Maps a buffer for reading; or hears when what was submitted so far is done. NULL: no memory. */
gpu_ticket *gpu_map(gpu_device *d, WGPUBuffer buffer, uint64_t bytes);
gpu_ticket *gpu_work_done(gpu_device *d);
void gpu_ticket_drop(gpu_ticket *t);

/* What was mapped, until it is unmapped; NULL: lost. */
const void *gpu_mapped(gpu_device *d, WGPUBuffer buffer, uint64_t bytes);

/* BRINK_PENDING while it is not done and the deadline has not come. */
brink_status gpu_wait(gpu_device *d, gpu_ticket *t, uint64_t deadline);

static inline WGPUStringView gpu_text(const char *text)
{
    return (WGPUStringView){text, WGPU_STRLEN};
}

#endif
