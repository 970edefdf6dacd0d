/* gpu.h — the GPU backend: its kernels by operator, and plans that run on it.

   Each kernel word X in the GPU column of onnx/ops.def is the function gpu_X. */
#ifndef GPU_GPU_H
#define GPU_GPU_H

#include "gpu/program.h"

extern const gpu_kernel_fn gpu_kernels[OP_COUNT];

/* Runs the plans of one model: what has a GPU kernel there, the rest on the CPU with copies between.
   Freed after the plans. */
brink_status gpu_executor_create(gpu_device *d, executor **out);
void gpu_executor_free(executor *e);

#define NAME_none(kernel)
#define OP(domain, name, since, rule, kernel, gpu, flags)                                          \
    brink_status gpu_##gpu(gpu_program *g, const kernel_args *a);
#include "onnx/ops.def"
#undef OP

#endif
