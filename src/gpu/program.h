/* program.h — what a plan is on the GPU: its dispatches, prepared once, and the buffers they read.

   A kernel encodes its node each time the plan runs, since sizes may have changed; the n-th dispatch
   of a run finds the pipeline and the bind group of the n-th dispatch of the run before, and where
   these still fit, only its parameters and the number of workgroups are new.

   Invariant: parameters of dispatch n lie at n * GPU_PARAMETERS in `uniforms`; they and the dispatches
   reach the queue together, in gpu_program_submit. */
#ifndef GPU_PROGRAM_H
#define GPU_PROGRAM_H

#include "gpu/pipeline.h"
#include "plan/plan.h"

enum { GPU_PARAMETERS = 256, GPU_ALIGN = 256 };

typedef struct gpu_weights gpu_weights;

/* Memory that stays between runs: what tensor.data of a resident tensor points to. */
typedef struct gpu_memory {
    WGPUBuffer buffer;
    uint64_t bytes;
} gpu_memory;

typedef struct gpu_binding {
    WGPUBuffer buffer;
    uint64_t offset, bytes;
} gpu_binding;

typedef struct gpu_slot {
    const gpu_pipeline *pipeline;
    WGPUBindGroup group;
    uint32_t count; /* of bindings */
    gpu_binding bindings[GPU_BINDINGS];
    uint32_t groups[3];
} gpu_slot;

typedef struct gpu_program {
    gpu_device *d;
    plan *p;
    gpu_weights *weights; /* the model's */
    WGPUBuffer arena;     /* the workspace at the plan's offsets, then what the caller places */
    uint64_t arena_bytes, *offsets; /* of each tensor's root within it   */
    WGPUBuffer *constants;          /* of this plan alone, by tensor     */
    gpu_slot *slots;
    uint32_t slot_count, slot_capacity;
    uint32_t next, submitted; /* in this run: dispatches encoded, and handed to the queue */
    char *parameters;         /* [slot_capacity * GPU_PARAMETERS] */
    WGPUBuffer uniforms;
    uint32_t uniform_slots;
    WGPUBuffer staging;
    uint64_t staging_bytes;
    struct gpu_action *actions;
    uint32_t action_count, action; /* the next one */
    uint32_t waiting;              /* actions whose bytes are being mapped */
    int mapped;                    /* 0: not yet, 1: done, −1: failed */
} gpu_program;

/* What a kernel asks for, in the order of the file's bindings from 1 on: a tensor or, where that is
   NULL, a binding of its own. */
typedef struct gpu_dispatch {
    const char *head, *body;
    const tensor *tensors[GPU_BINDINGS];
    gpu_binding bindings[GPU_BINDINGS];
    uint32_t written; /* bit i: bindings[i] is read_write */
    uint32_t count;
    const void *parameters; /* a uniform struct of at most GPU_PARAMETERS bytes */
    uint32_t bytes;
    uint64_t groups; /* of work; 0: nothing is to be done. Kernels count them as
                        id.x + id.y * num_workgroups.x and stop past the end */
} gpu_dispatch;

brink_status gpu_encode(gpu_program *g, const gpu_dispatch *dispatch);

/* The whole arena, for kernels that write several tensors or read and write by offset; false where it
   is larger than a binding may be. */
bool gpu_arena(const gpu_program *g, gpu_binding *out);

/* Where a tensor begins in it, in elements of `size` bytes; false where it lies elsewhere. */
bool gpu_arena_offset(const gpu_program *g, const tensor *t, uint32_t size, uint32_t *out);

/* A constant; and several constants of the model one after another, as a buffer of their own: bytes is
   0 where one is not a constant of the model. */
brink_status gpu_constant(gpu_program *g, const tensor *t, gpu_binding *out);
brink_status gpu_joined(gpu_program *g, const tensor *const *list, uint32_t count,
                        gpu_binding *out);

/* Hands what was encoded to the queue, after it `copies` (source offset, size) to staging. */
typedef struct gpu_copy {
    uint64_t from, bytes;
} gpu_copy;
brink_status gpu_program_submit(gpu_program *g, const gpu_copy *copies, uint32_t count);

/* Bytes of a tensor to the GPU, after all that was encoded. */
brink_status gpu_program_write(gpu_program *g, uint32_t root, const void *data, uint64_t bytes);

/* A kernel: encodes its node; asked with NULL, says whether it takes the node (BRINK_UNSUPPORTED: the
   CPU runs it), when running dimensions are not known yet. */
typedef brink_status (*gpu_kernel_fn)(gpu_program *g, const kernel_args *a);

#endif
