/* gpu.h — the GPU backend: its kernels by operator, and plans that run on it.

   Each kernel word X in the GPU column of onnx/ops.def is the function gpu_X. */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include "gpu/program.h"

extern const gpu_kernel_fn gpu_kernels[OP_COUNT];

static inline bool gpu_is_f32(const tensor *t)
{
    return t != NULL && t->type == BRINK_F32;
}

/* The tensor whose bytes these are. Two inputs of one root cannot both be bound: see pipeline.h. */
static inline uint32_t gpu_root(const tensor *t)
{
    return ((const plan_tensor *)t)->root;
}

/* Copies `outer` runs of `run` elements, from one row length to another. */
brink_status gpu_copy_runs(gpu_program *g, int64_t outer, int64_t run, const tensor *to,
                           int64_t to_row, const tensor *from, int64_t from_row);

/* Runs the plans of one model: what has a GPU kernel there, the rest on the CPU with copies between.
   Freed after the plans. */
brink_status gpu_executor_create(gpu_device *d, executor **out);
void gpu_executor_free(executor *e);

#define OP(domain, name, since, rule, kernel, gpu, flags)                                          \
    brink_status gpu_##gpu(gpu_program *g, const kernel_args *a);
#include "onnx/ops.def"
#undef OP

#endif
