/* matmul_nbits.c — x[m, k] times a block-quantised w[n, k]: MatMulNBits with 2, 4 or 8 bits.

   Source: onnxruntime's com.microsoft.MatMulNBits. A block of `block_size` weights along k is
   (q − zero) * scale. Bound by memory with one row (decode), by compute with many.

   Fast: activations are quantised to 8 bits a block, so that the inner sum is an exact integer
   product; scales multiply once a block and the zero point meets the block's sum. Error against f32
   stays under 1/254 of the block's largest activation for each weight. Exact (policy, accuracy_level
   1, 2 bits, or g_idx): f32 activations; few rows go weight row by weight row, many rows unpack
   panels for the f32 product. */
#include "core/half.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/nbits.h"
#include "cpu/product.h"
#include "cpu/simd.h"

#include <string.h>

enum { FEW_ROWS = 3, MANY_ROWS = 16, GROUP = 8 }; /* weight rows worked on together */

float nbits_zero_of(const nbits *p, int64_t row, int64_t b)
{
    const tensor *t = p->zeros;
    if (t == NULL)
        return (float)(1 << (p->bits - 1));
    if (t->type != BRINK_U8)
        return (float)tensor_number(t, row * p->blocks + b);
    int64_t per_byte = 8 / p->bits, row_bytes = (p->blocks + per_byte - 1) / per_byte;
    uint8_t byte = ((const uint8_t *)t->data)[row * row_bytes + b / per_byte];
    return (float)(byte >> (b % per_byte * p->bits) & ((1 << p->bits) - 1));
}

/* Scales and zero points of rows n to n + count as f32, in place where they are. */
static void group_scales(const nbits *p, int64_t n, int64_t count, float *memory,
                         const float **scale, const float **zero)
{
    int64_t at = n * p->blocks, all = count * p->blocks;
    float *scales = memory, *zeros = memory + GROUP * p->blocks;
    if (p->scales->type == BRINK_F32) {
        *scale = (const float *)p->scales->data + at;
    } else {
        for (int64_t i = 0; i < all; i++)
            scales[i] = nbits_scale(p, at + i);
        *scale = scales;
    }
    if (p->zeros != NULL && p->zeros->type == BRINK_F32) {
        *zero = (const float *)p->zeros->data + at;
        return;
    }
    for (int64_t r = 0; r < count; r++)
        for (int64_t b = 0; b < p->blocks; b++)
            zeros[r * p->blocks + b] = nbits_zero(p, n + r, b);
    *zero = zeros;
}

/* Weights k to k + count of row n, for the f32 product. */
static void unpack_run(const void *source, int64_t n, int64_t k, int64_t count, float *to)
{
    const nbits *p = source;
    int per_byte = (int)(8 / p->bits), bits = (int)p->bits, mask = (1 << bits) - 1;
    const uint8_t *w = p->w + n * p->blocks * p->block / per_byte;
    if (p->g_idx != NULL) {
        for (int64_t i = 0; i < count; i++, k++) {
            int64_t b = tensor_int(p->g_idx, k);
            int code = w[k / per_byte] >> (k % per_byte * bits) & mask;
            to[i] = ((float)code - nbits_zero(p, n, b)) * nbits_scale(p, n * p->blocks + b);
        }
        return;
    }
    for (int64_t b = k / p->block, end = k + count; k < end; b++) {
        int64_t stop = (b + 1) * p->block < end ? (b + 1) * p->block : end;
        float scale = nbits_scale(p, n * p->blocks + b), zero = nbits_zero(p, n, b), table[16];
        for (int i = 0; i < 16; i++)
            table[i] = ((float)i - zero) * scale;
        if (bits == 8)
            for (; k < stop; k++)
                *to++ = ((float)w[k] - zero) * scale;
        else if (bits == 4 && k % 2 == 0 && stop % 2 == 0)
            for (; k < stop; k += 2, to += 2) {
                to[0] = table[w[k / 2] & 15];
                to[1] = table[w[k / 2] >> 4];
            }
        else
            for (; k < stop; k++)
                *to++ = table[w[k / per_byte] >> (k % per_byte * bits) & mask];
    }
}

int64_t nbits_quantize(const nbits *p, int64_t row, int64_t b, int8_t *to)
{
    int64_t k = b * p->block, n = p->k - k < p->block ? p->k - k : p->block;
    int32_t sum = 0;
    float scale = simd()->quantize(to, p->x + row * p->k + k, n);
    for (int64_t j = 0; j < n; j++)
        sum += to[j];
    p->x_scale[row * p->blocks + b] = scale;
    p->x_sum[row * p->blocks + b] = scale * (float)sum;
    return n;
}

/* A row of x at a time. */
static void quantize_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    enum { MOST = 4096 }; /* a block's elements */
    const nbits *p = arg;
    int64_t chunk = simd()->q4_chunk;
    for (int64_t row = begin; row < end; row++) {
        int8_t *q = p->q + row * p->q_row, flat[MOST];
        memset(q + p->k / (2 * chunk) * 2 * chunk, 0,
               (size_t)(p->q_row - p->k / (2 * chunk) * 2 * chunk));
        for (int64_t b = 0; b < p->blocks; b++) {
            int64_t k = b * p->block;
            int64_t n = nbits_quantize(p, row, b, p->bits == 4 ? flat : q + k);
            if (p->bits != 4)
                continue;
            for (int64_t j = 0; j < n;) { /* the part of the block that lies in one chunk */
                int64_t at = (k + j) % (2 * chunk), part = 2 * chunk - at;
                int8_t *even = q + (k + j - at) + at / 2;
                part = part < n - j ? part : n - j;
                for (int64_t i = 0; i < part / 2; i++) {
                    even[i] = flat[j + 2 * i];
                    even[chunk + i] = flat[j + 2 * i + 1];
                }
                if (part & 1)
                    even[part / 2] = flat[j + part - 1];
                j += part;
            }
        }
    }
}

static void fast_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const nbits *p = arg;
    const simd_table *s = simd();
    int64_t row_bytes = p->blocks * p->block * p->bits / 8;
    for (int64_t n = begin; n < end; n += GROUP) {
        quant_dot d = {.blocks = p->blocks,
                       .block = p->block,
                       .n = end - n < GROUP ? end - n : GROUP,
                       .w = p->w + n * row_bytes,
                       .x_row = p->q_row,
                       .y_row = p->n};
        group_scales(p, n, d.n, (float *)(void *)(p->memory + thread * p->each), &d.scale, &d.zero);
        for (int64_t m = 0; m < p->m; m += s->quant_rows) {
            d.rows = p->m - m < s->quant_rows ? p->m - m : s->quant_rows;
            d.x = p->q + m * p->q_row;
            d.x_scale = p->x_scale + m * p->blocks;
            d.x_sum = p->x_sum + m * p->blocks;
            d.y = p->y + m * p->n + n;
            (p->bits == 4 ? s->dot_q4 : s->dot_q8)(&d);
        }
    }
}

/* x for the f32 inner loops: rows filled up with zeros; for 4 bits evens before odds. */
static void arrange(const nbits *p)
{
    for (int64_t m = 0; m < p->m; m++) {
        const float *x = p->x + m * p->k;
        float *to = p->x_wide + m * p->q_row;
        memset(to + p->k / 32 * 32, 0, (size_t)(p->q_row - p->k / 32 * 32) * sizeof(float));
        if (p->bits == 8)
            memcpy(to, x, (size_t)p->k * sizeof(float));
        else
            for (int64_t k = 0; k < p->k; k += 32)
                for (int64_t i = 0; i < 32 && k + i < p->k; i++)
                    to[k + i % 2 * 16 + i / 2] = x[k + i];
    }
}

static void exact_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const nbits *p = arg;
    int64_t row_bytes = p->blocks * p->block * p->bits / 8;
    for (int64_t group = begin; group < end; group += GROUP) {
        const float *scale, *zero;
        int64_t count = end - group < GROUP ? end - group : GROUP;
        group_scales(p, group, count, (float *)(void *)(p->memory + thread * p->each), &scale,
                     &zero);
        for (int64_t n = group; n < group + count; n++, scale += p->blocks, zero += p->blocks)
            for (int64_t m = 0; m < p->m; m++)
                p->y[m * p->n + n] = (p->bits == 4 ? simd()->dot_q4_f32 : simd()->dot_q8_f32)(
                    p->w + n * row_bytes, scale, zero, p->x_wide + m * p->q_row, p->blocks,
                    p->block);
    }
}

static void add_bias(const nbits *p)
{
    for (int64_t m = 0; p->bias != NULL && m < p->m; m++)
        for (int64_t n = 0; n < p->n; n++)
            p->y[m * p->n + n] += p->bias[n];
}

static brink_status check_shapes(const kernel_args *a, nbits *p)
{
    const tensor *x = a->in[0], *w = a->in[1];
    if (x->type != BRINK_F32 || x->rank == 0)
        return kernel_bad_type(a, x->type);
    if (p->bits != 2 && p->bits != 4 && p->bits != 8)
        return kernel_fail(a, BRINK_UNSUPPORTED, "%lld bits", (long long)p->bits);
    if (p->block < 16 || p->block > 4096 || (p->block & (p->block - 1)) != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "block_size %lld", (long long)p->block);
    if (p->k <= 0 || p->n <= 0 || p->k > INT32_MAX || p->n > INT32_MAX ||
        x->dims[x->rank - 1] != p->k)
        return kernel_fail(a, BRINK_BAD_INPUT, "K is %lld and N %lld, the input's rows have %lld",
                           (long long)p->k, (long long)p->n, (long long)x->dims[x->rank - 1]);
    p->blocks = (p->k + p->block - 1) / p->block;
    int64_t bytes = p->n * p->blocks * p->block * p->bits / 8;
    if (w->type != BRINK_U8 || tensor_count(w) < bytes)
        return kernel_fail(a, BRINK_BAD_INPUT, "B has %lld bytes, N, K and block_size ask for %lld",
                           (long long)tensor_count(w), (long long)bytes);
    if (tensor_count(p->scales) < p->n * p->blocks)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld scales for %lld blocks",
                           (long long)tensor_count(p->scales), (long long)(p->n * p->blocks));
    if (p->zeros != NULL) {
        int64_t per_byte = p->zeros->type == BRINK_U8 ? 8 / p->bits : 1;
        int64_t want = p->n * ((p->blocks + per_byte - 1) / per_byte);
        if (tensor_count(p->zeros) < want)
            return kernel_fail(a, BRINK_BAD_INPUT, "%lld zero points, %lld are needed",
                               (long long)tensor_count(p->zeros), (long long)want);
    }
    if (p->g_idx != NULL) {
        if (tensor_count(p->g_idx) < p->k)
            return kernel_fail(a, BRINK_BAD_INPUT, "g_idx is shorter than K");
        for (int64_t i = 0; i < p->k; i++) {
            int64_t b = tensor_int(p->g_idx, i);
            if (b < 0 || b >= p->blocks)
                return kernel_fail(a, BRINK_BAD_INPUT, "g_idx %lld is outside %lld blocks",
                                   (long long)b, (long long)p->blocks);
        }
    }
    return BRINK_OK;
}

brink_status nbits_read(const kernel_args *a, int64_t n, nbits *p)
{
    *p = (nbits){.k = onnx_int(a->node, ATTR_K, 0),
                 .n = n,
                 .bits = onnx_int(a->node, ATTR_bits, 4),
                 .block = onnx_int(a->node, ATTR_block_size, 0),
                 .x = a->in[0]->data,
                 .w = a->in[1]->data,
                 .scales = a->in[2],
                 .zeros = kernel_in(a, 3),
                 .g_idx = kernel_in(a, 4),
                 .y = a->out[0]->data,
                 .packed = a->packed};
    const tensor *bias = kernel_in(a, 5);
    TRY(check_shapes(a, p));
    p->m = tensor_count(a->in[0]) / p->k;
    if (bias != NULL) {
        if (bias->type != BRINK_F32 || tensor_count(bias) != p->n)
            return kernel_fail(a, BRINK_BAD_INPUT, "bias is not float32 [N]");
        p->bias = bias->data;
    }
    return BRINK_OK;
}

bool nbits_exact(const kernel_args *a, const nbits *p)
{
    return a->exact || onnx_int(a->node, ATTR_accuracy_level, 0) == 1 || p->g_idx != NULL ||
           p->bits == 2;
}

int64_t nbits_grain(const nbits *p, int64_t group, int64_t speed, uint64_t threads)
{
    int64_t grain = grain_for(p->k * p->m / speed), share = p->n / (8 * (int64_t)threads);
    grain = grain > share ? grain : share;
    return (grain + group - 1) / group * group;
}

brink_status nbits_run(const kernel_args *a, const nbits *call)
{
    nbits p = *call;
    if (p.m == 0)
        return BRINK_OK;
    bool exact = nbits_exact(a, &p), stays = simd()->packed_stays;
    int64_t rows = a->rows_apart ? 1 : p.m; /* that the form is chosen by */
    bool packs = stays || (simd()->packed_lanes != 0 && !exact && rows >= MANY_ROWS);
    if (packs && p.g_idx == NULL && p.bits != 2)
        return nbits_packed_run(a, &p, 1);
    thread_pool *pool = a->context->pool;
    uint64_t threads = thread_pool_size(pool);
    p.each = whole_lines((uint64_t)(GROUP * p.blocks) * 2 * sizeof(float));
    p.q_row = (p.blocks * p.block + 127) / 128 * 128; /* whole chunks of any table */
    if (exact && (rows > FEW_ROWS || p.g_idx != NULL || p.bits == 2)) {
        product f = {.m = p.m,
                     .n = p.n,
                     .k = p.k,
                     .x = p.x,
                     .x_row = p.k,
                     .y = p.y,
                     .y_row = p.n,
                     .run = unpack_run,
                     .source = &p};
        TRY(product_simple(a, &f));
    } else if (exact) {
        uint64_t wide = (uint64_t)(p.m * p.q_row) * sizeof(float);
        if ((p.memory = kernel_scratch(a, p.each * threads + wide)) == NULL)
            return BRINK_OUT_OF_MEMORY;
        p.x_wide = (float *)(void *)(p.memory + p.each * threads);
        arrange(&p);
        thread_for(pool, p.n, nbits_grain(&p, GROUP, 4, threads), exact_range, &p);
    } else {
        uint64_t count = (uint64_t)(p.m * p.blocks), sums = whole_lines(count * sizeof(float));
        uint64_t values = (uint64_t)(p.m * p.q_row);
        if ((p.memory = kernel_scratch(a, p.each * threads + 2 * sums + values)) == NULL)
            return BRINK_OUT_OF_MEMORY;
        char *at = p.memory + p.each * threads;
        p.x_scale = (float *)(void *)at;
        p.x_sum = (float *)(void *)(at + sums);
        p.q = (int8_t *)(at + 2 * sums);
        thread_for(pool, p.m, grain_for(p.k), quantize_range, &p);
        thread_for(pool, p.n, nbits_grain(&p, GROUP, 16, threads), fast_range, &p);
    }
    add_bias(&p);
    return BRINK_OK;
}

brink_status cpu_matmul_nbits(const kernel_args *a)
{
    nbits p;
    TRY(nbits_read(a, onnx_int(a->node, ATTR_N, 0), &p));
    return nbits_run(a, &p);
}
