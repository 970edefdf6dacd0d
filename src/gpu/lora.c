/* lora.c — y + (x · downᵀ) · up, an adapter's change to a product, in two products through memory; see
   graph/lora.h. A step of decoding has most of them computed with the products they change: fuse.c.

   The matrices are f16, two a word. */
#include "gpu/product.h"
#include "gpu/sources.h"

#define HALVES                                                                                     \
    "@group(0) @binding(3) var<storage, ACCESS_3> w: array<u32>;\n"                                \
    "fn weight(base: u32, k: u32, n: u32) -> f32 {\n"                                              \
    "  let at = k * p.w_row + n * p.w_step;\n"                                                     \
    "  return unpack2x16float(w[at / 2u])[at % 2u];\n}\n"

brink_status gpu_lora(gpu_program *g, const kernel_args *a)
{
    const tensor *y = a->in[0], *x = a->in[1], *down = a->in[2], *up = a->in[3];
    if (!gpu_is_f32(y) || !gpu_is_f32(x) || down->type != BRINK_F16 || up->type != BRINK_F16 ||
        down->dims[1] % 2 != 0)
        return BRINK_UNSUPPORTED;
    if (g == NULL)
        return BRINK_OK;
    uint32_t rank = (uint32_t)down->dims[0], k = (uint32_t)down->dims[1];
    uint32_t n = (uint32_t)up->dims[1], m = (uint32_t)(tensor_count(x) / down->dims[1]);
    gpu_product_parameters second = {.m = m,
                                     .n = n,
                                     .k = rank,
                                     .x_row = rank,
                                     .x_step = 1,
                                     .w_row = n,
                                     .w_step = 1,
                                     .alpha = 1,
                                     .c_row = n};
    const uint32_t low[3] = {m, k, rank};
    TRY(gpu_encode(g, &(gpu_dispatch){.head = "",
                                      .body = gpu_source_low,
                                      .tensors = {a->out[1], x, down},
                                      .count = 3,
                                      .parameters = low,
                                      .bytes = sizeof low,
                                      .groups = m}));
    return gpu_product(
        g, &second,
        &(gpu_dispatch){.head = HALVES
                        "@group(0) @binding(4) var<storage, ACCESS_4> c: array<f32>;\n"
                        "fn addend(m: u32, n: u32) -> f32 { return c[m * p.c_row + n]; }\n",
                        .tensors = {a->out[0], a->out[1], up, y},
                        .count = 4});
}
