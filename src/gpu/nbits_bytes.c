/* nbits_bytes.c — many rows of x, in 8 bits, times block-quantised weights: the policy "fast".

   Source: as nbits.c; x is quantised in blocks of 32 (kernels/quantize.wgsl), then all products of one
   input are one dispatch of kernels/product_i8.wgsl. */
#include "gpu/nbits.h"
#include "gpu/sources.h"

enum { TILE = 64 };

typedef struct tiles_parameters {
    uint32_t m, n, k, blocks, block, first, ends[2], y_at[4], widths[4];
} tiles_parameters;

static bool takes(const gpu_program *g, const gpu_nbits *p)
{
    return !p->exact && p->block % 32 == 0 && p->k % p->block == 0 && gpu_nbits_joins(g, p);
}

/* x in 8 bits and the form of each block, in the program's scratch. */
static brink_status quantize(gpu_program *g, const gpu_nbits *p, gpu_binding *q, gpu_binding *form)
{
    uint64_t count = (uint64_t)tensor_count(p->x),
             bytes = (count + GPU_ALIGN - 1) / GPU_ALIGN * GPU_ALIGN;
    gpu_binding scratch;
    TRY(gpu_grow(g, &g->scratch, bytes + count / 4, &scratch));
    *q = (gpu_binding){scratch.buffer, 0, count};
    *form = (gpu_binding){scratch.buffer, bytes, count / 4};
    const uint32_t parts[4] = {(uint32_t)(count / 8)};
    return gpu_encode(
        g, &(gpu_dispatch){.head = p->bits == 4 ? "const bits = 4u;\n" : "const bits = 8u;\n",
                           .body = gpu_source_quantize,
                           .tensors = {NULL, NULL, p->x},
                           .bindings = {*q, *form},
                           .written = 3,
                           .count = 3,
                           .parameters = parts,
                           .bytes = sizeof parts,
                           .groups = (count / 8 + 255) / 256});
}

brink_status gpu_nbits_bytes(gpu_program *g, const gpu_nbits *p, int64_t m, bool *done)
{
    tiles_parameters t = {.m = (uint32_t)m,
                          .k = (uint32_t)p->k,
                          .blocks = (uint32_t)p->blocks,
                          .block = (uint32_t)(p->block / 32)};
    gpu_text_head h = {.used = 0};
    gpu_dispatch d = {.head = h.text,
                      .body = gpu_source_product_i8,
                      .count = 4,
                      .written = 1 | 4 | 8,
                      .parameters = &t,
                      .bytes = sizeof t};
    int64_t columns = 0;
    t.ends[0] = t.ends[1] = UINT32_MAX;
    if (!takes(g, p) || m * p->k > UINT32_MAX || !gpu_arena(g, &d.bindings[0]))
        return BRINK_OK;
    for (uint32_t i = 0; i < p->count; i++) {
        columns += p->parts[i].n;
        t.widths[i] = (uint32_t)p->parts[i].n;
        if (i + 1 < p->count)
            t.ends[i] = (uint32_t)columns;
        if (!gpu_arena_offset(g, p->parts[i].out, 4, &t.y_at[i]))
            return BRINK_OK;
    }
    uint64_t most = gpu_nbits_bound(g->d, (uint64_t)(p->k * p->bits / 8), columns);
    if (most == 0)
        return BRINK_OK;
    *done = true;
    TRY(quantize(g, p, &d.bindings[2], &d.bindings[3]));
    gpu_binding scale, zero = {0};
    TRY(gpu_nbits_join(g, p, &h, &d, "p.blocks", &d.bindings[1], &scale, &zero));
    const gpu_binding w = d.bindings[1];
    const uint64_t all = (uint64_t)columns;
    for (uint64_t n = 0; n < all; n += most) {
        uint64_t some = all - n < most ? all - n : most;
        d.bindings[1] = gpu_nbits_share(&w, all, n, some);
        d.bindings[4] = gpu_nbits_share(&scale, all, n, some);
        if (zero.buffer != NULL)
            d.bindings[5] = gpu_nbits_share(&zero, all, n, some);
        t.n = (uint32_t)some;
        t.first = (uint32_t)n;
        d.groups = (some + TILE - 1) / TILE * (((uint64_t)m + TILE - 1) / TILE);
        TRY(gpu_encode(g, &d));
    }
    return BRINK_OK;
}
