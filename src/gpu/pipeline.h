/* pipeline.h — compute pipelines by their WGSL source, each compiled once a device; those of a first
   run together, since drivers take tens of milliseconds for one.

   A kernel's source is what a C function says before it (constants, an expression) and a file of
   src/gpu/kernels. Binding 0 of group 0 is the uniform block of parameters; bindings 1 and on are
   storage. The file names how each is bound as ACCESS_1, ACCESS_2, …, which become `read` for
   constants and `read_write` for what a plan computes: all of a plan's values lie in one buffer, and
   a dispatch may not bind a buffer both ways. */
#ifndef GPU_PIPELINE_H
#define GPU_PIPELINE_H

#include "gpu/device.h"

enum { GPU_BINDINGS = 8 }; /* of storage, a dispatch */

struct gpu_layout {
    gpu_layout *next;
    uint32_t bindings, writable; /* how many; bit i: binding i + 1 is read_write */
    WGPUBindGroupLayout group;
    WGPUPipelineLayout layout;
};

struct gpu_pipeline {
    gpu_pipeline *next;
    uint64_t hash;
    uint32_t id; /* among all of the device's, those of earlier generations too */
    const gpu_layout *layout;
    WGPUComputePipeline pipeline; /* NULL: not compiled yet, or it cannot be */
    char *text;                   /* to be compiled; NULL: done              */
    const char *head, *body;      /* the key                                 */
};

typedef struct gpu_kernel_source {
    const char *head; /* WGSL before the file; may be short-lived */
    const char *body; /* static */
    uint32_t bindings, writable;
} gpu_kernel_source;

/* Compiled by gpu_pipelines_compile, before it is submitted; in browsers from here on, beside all else. */
brink_status gpu_pipeline_find(gpu_device *d, const gpu_kernel_source *source,
                               const gpu_pipeline **out);
/* Compiles what was found since, side by side on the context's threads; in browsers BRINK_PENDING while
   something is on its way. */
brink_status gpu_pipelines_compile(gpu_device *d);
void gpu_pipelines_free(gpu_device *d);

/* Found so far, on earlier devices too: for tests. */
uint32_t gpu_pipeline_count(const gpu_device *d);

#endif
