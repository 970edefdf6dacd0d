/* cpu.h — the CPU backend's kernels.

   Each kernel word X in onnx/ops.def is the function cpu_X here. */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "graph/kernel.h"

extern const kernel_table cpu_kernels;

#define OP(domain, name, since, rule, kernel, gpu, flags)                                          \
    brink_status cpu_##kernel(const kernel_args *a);
#include "onnx/ops.def"
#undef OP

/* What kernels make of constant weights: see prepare_fn. */
brink_status cpu_prepare_matmul(const kernel_args *a, packing *store, const void **out);
brink_status cpu_prepare_matmul_nbits(const kernel_args *a, packing *store, const void **out);
brink_status cpu_prepare_matmul_nbits_group(const kernel_args *a, packing *store, const void **out);
brink_status cpu_prepare_matmul_weights(const kernel_args *a, packing *store, const void **out);

#endif
