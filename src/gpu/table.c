/* table.c — the GPU kernels by operator, expanded from onnx/ops.def. */
#include "gpu/gpu.h"

#define SECOND(a, b, ...) b
#define PROBE_none ~, NULL
#define PICK(...) SECOND(__VA_ARGS__)
#define KERNEL(name) PICK(PROBE_##name, gpu_##name, ~)

const gpu_kernel_fn gpu_kernels[OP_COUNT] = {
#define OP(domain, name, since, rule, kernel, gpu, flags)                                          \
    [OP_##domain##_##name##_##since] = KERNEL(gpu),
#include "onnx/ops.def"
#undef OP
};
