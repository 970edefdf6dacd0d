/* gather_block_quantized.c — rows of a block-quantised table as f32: GatherBlockQuantized.

   Source: onnxruntime's com.microsoft.GatherBlockQuantized. The table is INT4 or UINT4 (the default
   zero point 0), or uint8 with attribute `bits` (2 and 4: several a byte along the last
   dimension, 8: one; default zero point the middle). Blocks run along quantize_axis. An index outside
   the table gives zeros. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

typedef struct table {
    const tensor *data, *scales, *zeros;
    int64_t bits, zero;
    bool negative; /* 4-bit codes are two's complement */
} table;

static int64_t code_at(const tensor *t, int64_t bits, bool negative, int64_t i)
{
    const uint8_t *bytes = t->data;
    int64_t per = 8 / bits, code = bytes[i / per] >> (i % per * bits) & ((1 << bits) - 1);
    if (negative && code >= 1 << (bits - 1))
        code -= 1 << bits;
    return code;
}

brink_status cpu_gather_block_quantized(const kernel_args *a)
{
    const tensor *data = a->in[0], *indices = a->in[1];
    tensor *out = a->out[0];
    bool packed = data->type == BRINK_U8;
    table t = {data,
               a->in[2],
               kernel_in(a, 3),
               packed ? onnx_int(a->node, ATTR_bits, 4) : 4,
               0,
               data->type == BRINK_I4};
    int64_t block = onnx_int(a->node, ATTR_block_size, 128), dims[BRINK_MAX_RANK];
    uint32_t rank = data->rank, gather_axis, axis;
    if ((!packed && data->type != BRINK_I4 && data->type != BRINK_U4) || out->type != BRINK_F32)
        return kernel_bad_type(a, data->type);
    if (t.bits != 2 && t.bits != 4 && t.bits != 8)
        return kernel_fail(a, BRINK_UNSUPPORTED, "%lld bits", (long long)t.bits);
    if (!axis_wrap(onnx_int(a->node, ATTR_gather_axis, 0), rank, &gather_axis) ||
        !axis_wrap(onnx_int(a->node, ATTR_quantize_axis, 1), rank, &axis) || block < 1)
        return kernel_fail(a, BRINK_BAD_INPUT, "an axis is outside rank %u or block_size is %lld",
                           rank, (long long)block);
    int64_t per = packed ? 8 / t.bits : 1; /* codes a byte of uint8 */
    if (packed)
        t.zero = 1 << (t.bits - 1);
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = data->dims[i];
    dims[rank - 1] *= per;
    int64_t blocks = (dims[axis] + block - 1) / block, inner = 1, after = 1, outer = 1, rows = 1;
    for (uint32_t i = 0; i < rank; i++) {
        outer *= i < gather_axis ? dims[i] : 1;
        after *= i > gather_axis ? dims[i] : 1;
        inner *= i > axis ? dims[i] : 1;
        rows *= i == axis ? blocks : dims[i];
    }
    if (tensor_count(t.scales) < rows)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld scales for %lld blocks",
                           (long long)tensor_count(t.scales), (long long)rows);
    /* Packed zero points of a uint8 table are padded to whole bytes along the last dimension. */
    int64_t last = axis == rank - 1 ? blocks : dims[rank - 1];
    int64_t zero_row = (last + per - 1) / per * per;
    int64_t zeros = last == 0 ? 0 : rows / last * zero_row;
    if (t.zeros != NULL && tensor_count(t.zeros) * per < zeros)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld zero points are too few",
                           (long long)tensor_count(t.zeros));
    int64_t bound = dims[gather_axis], count = tensor_count(indices);
    float *to = out->data;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < count; i++) {
            int64_t index = tensor_int(indices, i);
            bool inside = index >= -bound && index < bound;
            index += index < 0 ? bound : 0;
            for (int64_t j = 0; j < after; j++) {
                if (!inside) {
                    *to++ = 0;
                    continue;
                }
                int64_t at = (o * bound + index) * after + j;
                int64_t step = at / inner % dims[axis];
                int64_t b =
                    (at / (inner * dims[axis]) * blocks + step / block) * inner + at % inner;
                int64_t zero = t.zero;
                if (t.zeros != NULL)
                    zero = code_at(t.zeros, t.bits, t.negative, b / last * zero_row + b % last);
                *to++ = (float)(code_at(data, t.bits, t.negative, at) - zero) *
                        (float)tensor_number(t.scales, b);
            }
        }
    return BRINK_OK;
}
