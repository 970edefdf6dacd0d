/* gather_nbits.c — GatherBlockQuantized on the GPU, for tables of bytes whose rows are gathered and
   whose blocks lie along the last dimension: a language model's embedding.

   Source: as cpu/gather_block_quantized.c. */
#include "cpu/loops.h"
#include "gpu/nbits.h"
#include "gpu/sources.h"

brink_status gpu_gather_block_quantized(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1], *scale = a->in[2], *zero = kernel_in(a, 3);
    const tensor *out = a->out[0];
    int64_t bits = onnx_int(a->node, ATTR_bits, 4);
    int64_t block = onnx_int(a->node, ATTR_block_size, 128);
    uint32_t rows, axis;
    if (x->type != BRINK_U8 || (bits != 4 && bits != 8) || x->rank < 2 || !gpu_is_f32(out) ||
        (scale->type != BRINK_F32 && scale->type != BRINK_F16) || block < 1 ||
        (zero != NULL && zero->type != BRINK_U8) ||
        (indices->type != BRINK_I64 && indices->type != BRINK_I32) ||
        !axis_wrap(onnx_int(a->node, ATTR_gather_axis, 0), x->rank, &rows) || rows != 0 ||
        !axis_wrap(onnx_int(a->node, ATTR_quantize_axis, 1), x->rank, &axis) ||
        axis != x->rank - 1 || x->rank != 2)
        return gpu_gather_codes(g, a);
    if (g == NULL)
        return BRINK_OK;
    int64_t inner = x->dims[1] * 8 / bits, blocks = (inner + block - 1) / block;
    int64_t count = tensor_count(out), bound = x->dims[0];
    if (tensor_count(scale) < bound * blocks || bound * inner > UINT32_MAX || count > UINT32_MAX ||
        (zero != NULL && tensor_count(zero) < bound * ((blocks * bits + 7) / 8)))
        return kernel_fail(a, BRINK_BAD_INPUT, "the scales do not fit %lld rows of %lld",
                           (long long)bound, (long long)inner);
    const gpu_nbits form = {.bits = bits, .parts[0] = {.scale = scale, .zero = zero}};
    const uint32_t p[8] = {(uint32_t)count, (uint32_t)inner,
                           (uint32_t)bound, element_bytes(indices->type) / 4,
                           (uint32_t)block, (uint32_t)blocks};
    gpu_text_head h = {.used = 0};
    gpu_nbits_scales(&h, &form, 4, zero != NULL ? 5 : 0, "p.blocks");
    return gpu_encode(g, &(gpu_dispatch){.head = h.text,
                                         .body = gpu_source_gather_nbits,
                                         .tensors = {out, indices, x, scale, zero},
                                         .count = zero != NULL ? 5 : 4,
                                         .parameters = p,
                                         .bytes = sizeof p,
                                         .groups = ((uint64_t)count + 63) / 64});
}
