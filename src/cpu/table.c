/* table.c — the kernels by operator, expanded from onnx/ops.def.

   Invariant: a row whose kernel is `none` has NULL, any other row cpu_NAME. */
#include "cpu/cpu.h"

#define SECOND(a, b, ...) b
#define PROBE_none ~, NULL
#define PICK(...) SECOND(__VA_ARGS__)
#define KERNEL(name) PICK(PROBE_##name, cpu_##name, ~)

const kernel_table cpu_kernels = {
    {
#define OP(domain, name, since, rule, kernel, gpu, flags)                                          \
    [OP_##domain##_##name##_##since] = KERNEL(kernel),
#include "onnx/ops.def"
#undef OP
    },
    .prepare = {
        [OP_onnx_MatMul_1] = cpu_prepare_matmul,
        [OP_ms_FusedMatMul_1] = cpu_prepare_matmul,
        [OP_onnx_Gemm_1] = cpu_prepare_matmul,
        [OP_ms_MatMulNBits_1] = cpu_prepare_matmul_nbits,
        [OP_brink_MatMulNBitsGroup_1] = cpu_prepare_matmul_nbits_group,
        [OP_brink_MatMulWeights_1] = cpu_prepare_matmul_weights,
    }};
