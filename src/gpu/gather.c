/* gather.c — Gather on the GPU: elements of one, four or eight bytes, and f16 constants as f32.

   Source: as cpu/gather.c. Indices are looked at on the host, so that one outside is an error. */
#include "cpu/indices.h"
#include "cpu/loops.h"
#include "gpu/gpu.h"
#include "gpu/sources.h"
#include "gpu/walk.h"

#include <stdio.h>

brink_status gpu_gather(gpu_program *g, const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1], *out = a->out[0];
    uint32_t axis, size = element_bytes(out->type);
    bool half = x->type == BRINK_F16 && out->type == BRINK_F32;
    if ((size != 4 && size != 8 && !gpu_is_byte(out->type)) || (x->type != out->type && !half) ||
        (indices->type != BRINK_I64 && indices->type != BRINK_I32) ||
        !axis_wrap(onnx_int(a->node, ATTR_axis, 0), x->rank, &axis) ||
        gpu_root(x) == gpu_root(indices))
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    int64_t bound = x->dims[axis], numbers = tensor_count(indices);
    int64_t inner = dims_product(x, axis + 1, x->rank), count = tensor_count(out);
    for (int64_t i = 0; i < numbers && count > 0; i++) {
        int64_t index = tensor_int(indices, i);
        if (!index_wrap(&index, bound))
            return index_fail(a, index, bound);
    }
    if (count > UINT32_MAX || tensor_count(x) > UINT32_MAX)
        return kernel_fail(a, BRINK_OUT_OF_MEMORY, "gpu: %lld elements", (long long)count);
    if (gpu_is_byte(out->type))
        return gpu_pick_rows(g, a, inner, bound);
    const uint32_t p[8] = {(uint32_t)count, (uint32_t)inner, (uint32_t)numbers, (uint32_t)bound,
                           element_bytes(indices->type) / 4};
    char head[512];
    snprintf(head, sizeof head,
             "alias E = %s;\n"
             "@group(0) @binding(3) var<storage, ACCESS_3> x: array<%s>;\n"
             "fn element(i: u32) -> E { return %s; }\n",
             half        ? "f32"
             : size == 8 ? "vec2<u32>"
                         : "u32",
             half || size == 4 ? "u32" : "vec2<u32>",
             half ? "unpack2x16float(x[i / 2u])[i % 2u]" : "x[i]");
    return gpu_encode(g, &(gpu_dispatch){.head = head,
                                         .body = gpu_source_gather,
                                         .tensors = {out, indices, x},
                                         .count = 3,
                                         .parameters = p,
                                         .bytes = sizeof p,
                                         .groups = ((uint64_t)count + 63) / 64});
}
