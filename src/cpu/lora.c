/* lora.c — y + (x · downᵀ) · up, an adapter's change to a product; see graph/lora.h.

   As it is: f16, sums in f32. With the product it changes (matmul_nbits_group.c), where that takes x in 8
   bits: both matrices are kept in 8 bits too, in blocks along what they are summed over, packed as
   MatMulNBits's weights are (nbits_packed.c), and x · downᵀ meets `up` in 8 bits. Bound by reading the
   matrices once. */
#include "cpu/lora.h"

#include "cpu/cpu.h"
#include "cpu/product.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

enum { BITS = 8, MIDDLE = 128 };

static const char
    layout[3]; /* addresses that name the pair, and each matrix, among packed weights */

/* ── Packing ── */

static nbits shape_of(int64_t n, int64_t k, int64_t block)
{
    return (nbits){.n = n, .k = k, .bits = BITS, .block = block, .blocks = (k + block - 1) / block};
}

/* Blocks along the rank are no longer than it asks for. */
static int64_t rank_block(int64_t rank)
{
    return rank <= 16 ? 16 : 32;
}

/* Codes of count numbers `step` apart, and their scale. */
static uint16_t quantize(const uint16_t *from, int64_t step, int64_t count, uint8_t *to)
{
    float most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(half_to_float(from[i * step])));
    uint16_t half = float_to_half(most / (MIDDLE - 1));
    float scale = half_to_float(half), inverse = scale > 0 ? 1 / scale : 0;
    for (int64_t i = 0; i < count; i++) {
        float code = rintf(half_to_float(from[i * step]) * inverse);
        to[i] = (uint8_t)(MIDDLE + (int)fminf(fmaxf(code, -MIDDLE), MIDDLE - 1));
    }
    return half;
}

/* A matrix of p's shape whose element (n, k) is m[n * row + k * step]. */
static brink_status pack(const kernel_args *a, const uint16_t *m, nbits p, int64_t row,
                         int64_t step, const char *kind, packing *store, const void **out)
{
    int64_t n = p.n, k = p.k;
    uint64_t bytes = (uint64_t)(n * p.blocks * p.block);
    uint8_t *codes = core_alloc(a->context, bytes);
    uint16_t *scales = core_alloc(a->context, (uint64_t)(n * p.blocks) * sizeof *scales);
    brink_status status = codes != NULL && scales != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    if (status == BRINK_OK) {
        memset(codes, MIDDLE, (size_t)bytes);
        for (int64_t i = 0; i < n; i++)
            for (int64_t b = 0; b < p.blocks; b++) {
                int64_t at = b * p.block, count = k - at < p.block ? k - at : p.block;
                scales[i * p.blocks + b] = quantize(m + i * row + at * step, step, count,
                                                    codes + i * p.blocks * p.block + at);
            }
        const tensor scale = {.data = scales, .type = BRINK_F16, .rank = 2, .dims = {n, p.blocks}};
        p.w = codes;
        p.scales = &scale;
        status = nbits_pack_as(a, &p, &(packing_key){kind, {m}}, store, out);
    }
    core_free(a->context, codes);
    core_free(a->context, scales);
    return status;
}

brink_status lora_pack(const kernel_args *a, const tensor *down, const tensor *up, int64_t block,
                       packing *store, const packed_lora **out)
{
    int64_t rank = down->dims[0], k = down->dims[1], n = up->dims[1];
    *out = NULL;
    if (!simd()->packed_stays)
        return BRINK_OK;
    packing_key key = {&layout[0], {down->data, up->data}};
    if ((*out = packing_find(store, &key)) != NULL)
        return BRINK_OK;
    const void *both[2];
    TRY(pack(a, down->data, shape_of(rank, k, block), k, 1, &layout[1], store, &both[0]));
    TRY(pack(a, up->data, shape_of(n, rank, rank_block(rank)), 1, n, &layout[2], store, &both[1]));
    packed_lora *to = packing_add(store, &key, sizeof *to);
    if (to == NULL)
        return BRINK_OUT_OF_MEMORY;
    *to = (packed_lora){both[0], both[1]};
    *out = to;
    return BRINK_OK;
}

/* ── Running ── */

void lora_parts(const packed_lora *w, const tensor *down, const tensor *up, int64_t block,
                int64_t m, const float *x, float *low, float *to, nbits *first, nbits *second)
{
    int64_t rank = down->dims[0];
    *first = shape_of(rank, down->dims[1], block);
    *second = shape_of(up->dims[1], rank, rank_block(rank));
    first->m = second->m = m;
    first->x = x;
    first->y = low;
    first->packed = w->down;
    second->x = low;
    second->y = to;
    second->packed = w->up;
    second->add = true;
}

brink_status lora_halves(const kernel_args *a, const tensor *down, const tensor *up, int64_t m,
                         const float *x, float *low, float *to)
{
    int64_t rank = down->dims[0], k = down->dims[1], n = up->dims[1];
    TRY(product_simple(a, &(product){.m = m,
                                     .n = rank,
                                     .k = k,
                                     .x = x,
                                     .x_row = k,
                                     .y = low,
                                     .y_row = rank,
                                     .w = down->data,
                                     .w_type = BRINK_F16,
                                     .w_row = k,
                                     .transposed = true}));
    return product_simple(a, &(product){.m = m,
                                        .n = n,
                                        .k = rank,
                                        .x = low,
                                        .x_row = rank,
                                        .y = to,
                                        .y_row = n,
                                        .add = true,
                                        .w = up->data,
                                        .w_type = BRINK_F16,
                                        .w_row = n});
}

brink_status cpu_lora(const kernel_args *a)
{
    const tensor *down = a->in[2];
    int64_t m = tensor_count(a->in[1]) / down->dims[1];
    if (m == 0)
        return BRINK_OK;
    memcpy(a->out[0]->data, a->in[0]->data, (size_t)tensor_count(a->out[0]) * sizeof(float));
    return lora_halves(a, down, a->in[3], m, a->in[1]->data, a->out[1]->data, a->out[0]->data);
}
