/* lora.c — y + (x · downᵀ) · up, an adapter's change to a product; see graph/lora.h.

   Fast: both matrices are kept in 8 bits, in blocks along what they are summed over, packed as
   MatMulNBits's weights are (nbits_packed.c), and x · downᵀ meets `up` in 8 bits too. Exact, and where
   weights do not stay packed: f16 as it is, sums in f32. Bound by reading the matrices once. */
#include "cpu/cpu.h"
#include "cpu/nbits.h"
#include "cpu/product.h"
#include "cpu/simd.h"

#include <math.h>
#include <string.h>

enum { BITS = 8, MIDDLE = 128 };

static const char layout[3]; /* addresses that name the pair, and each matrix, among packed weights */

typedef struct packed_lora {
    const void *down, *up;
} packed_lora;

/* ── Packing ── */

/* Blocks no longer than what is summed over asks for. */
static nbits shape_of(int64_t n, int64_t k)
{
    nbits p = {.n = n, .k = k, .bits = BITS, .block = k <= 16 ? 16 : 32};
    p.blocks = (k + p.block - 1) / p.block;
    return p;
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

/* A matrix whose element (n, k) is m[n * row + k * step]. */
static brink_status pack(const kernel_args *a, const uint16_t *m, int64_t n, int64_t k, int64_t row,
                         int64_t step, const char *kind, packing *store, const void **out)
{
    nbits p = shape_of(n, k);
    uint64_t bytes = (uint64_t)(n * p.blocks * p.block);
    uint8_t *codes = core_alloc(a->context, bytes);
    uint16_t *scales = core_alloc(a->context, (uint64_t)(n * p.blocks) * sizeof *scales);
    brink_status status = codes != NULL && scales != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    if (status == BRINK_OK) {
        memset(codes, MIDDLE, (size_t)bytes);
        for (int64_t i = 0; i < n; i++)
            for (int64_t b = 0; b < p.blocks; b++) {
                int64_t at = b * p.block, count = k - at < p.block ? k - at : p.block;
                scales[i * p.blocks + b] =
                    quantize(m + i * row + at * step, step, count,
                             codes + i * p.blocks * p.block + at);
            }
        const tensor scale = {
            .data = scales, .type = BRINK_F16, .rank = 2, .dims = {n, p.blocks}};
        p.w = codes;
        p.scales = &scale;
        status = nbits_pack_as(a, &p, &(packing_key){kind, {m}}, store, out);
    }
    core_free(a->context, codes);
    core_free(a->context, scales);
    return status;
}

brink_status cpu_prepare_lora(const kernel_args *a, packing *store, const void **out)
{
    const tensor *down = a->in[2], *up = a->in[3];
    int64_t rank = down->dims[0], k = down->dims[1], n = up->dims[1];
    *out = NULL;
    if (!simd()->packed_stays || a->exact || onnx_int(a->node, ATTR_accuracy_level, 0) == 1)
        return BRINK_OK;
    packing_key key = {&layout[0], {down->data, up->data}};
    if ((*out = packing_find(store, &key)) != NULL)
        return BRINK_OK;
    packed_lora both;
    TRY(pack(a, down->data, rank, k, k, 1, &layout[1], store, &both.down));
    TRY(pack(a, up->data, n, rank, 1, n, &layout[2], store, &both.up));
    packed_lora *to = packing_add(store, &key, sizeof *to);
    if (to == NULL)
        return BRINK_OUT_OF_MEMORY;
    *to = both;
    *out = to;
    return BRINK_OK;
}

/* ── Running ── */

static brink_status run_packed(const kernel_args *a, int64_t m, int64_t rank, int64_t k, int64_t n)
{
    const packed_lora *w = a->packed;
    const float *y = a->in[0]->data;
    nbits down = shape_of(rank, k), up = shape_of(n, rank);
    down.m = up.m = m;
    down.x = a->in[1]->data;
    down.y = a->out[1]->data;
    down.packed = w->down;
    up.x = down.y;
    up.y = a->out[0]->data;
    up.packed = w->up;
    up.bias = m == 1 ? y : NULL;
    TRY(nbits_packed_run(a, &down, 1));
    TRY(nbits_packed_run(a, &up, 1));
    for (int64_t i = 0; m > 1 && i < m * n; i++)
        up.y[i] += y[i];
    return BRINK_OK;
}

static brink_status run_halves(const kernel_args *a, int64_t m, int64_t rank, int64_t k, int64_t n)
{
    float *low = a->out[1]->data, *to = a->out[0]->data;
    memcpy(to, a->in[0]->data, (size_t)(m * n) * sizeof(float));
    TRY(product_simple(a, &(product){.m = m,
                                     .n = rank,
                                     .k = k,
                                     .x = a->in[1]->data,
                                     .x_row = k,
                                     .y = low,
                                     .y_row = rank,
                                     .w = a->in[2]->data,
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
                                        .w = a->in[3]->data,
                                        .w_type = BRINK_F16,
                                        .w_row = n});
}

brink_status cpu_lora(const kernel_args *a)
{
    int64_t rank = a->in[2]->dims[0], k = a->in[2]->dims[1], n = a->in[3]->dims[1];
    int64_t m = tensor_count(a->in[1]) / k;
    if (m == 0)
        return BRINK_OK;
    return a->packed != NULL ? run_packed(a, m, rank, k, n) : run_halves(a, m, rank, k, n);
}
