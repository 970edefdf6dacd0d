/* product.c — the blocked f32 product behind MatMul, Gemm, Conv and the exact quantised forms.

   Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008), with
   one level of blocking less: x is read in place, since a tile's few rows of it stream well, and
   only the weights are packed. Bound by compute from about 16 rows on, below by memory.

   With few rows packing would cost as much as the product: dense [k, n] weights are then read in
   place and runs along k become dot products. */
#include "cpu/product.h"

#include "core/half.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <string.h>

/* A panel of K_BLOCK steps is half of a 32 KiB cache at the widest tile. */
enum { K_BLOCK = 128, FEW_ROWS = 3, ROW_BLOCK = 48 };

typedef struct product_job {
    const product *p;
    char *memory;
    uint64_t each; /* bytes of memory a thread */
    int64_t width, panels, blocks, block_rows;
} product_job;

static void widen(brink_type type, const void *from, int64_t n, float *to)
{
    const uint16_t *half = from;
    if (type == BRINK_F32)
        memcpy(to, from, (size_t)n * sizeof(float));
    else if (type == BRINK_F16)
        for (int64_t i = 0; i < n; i++)
            to[i] = half_to_float(half[i]);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = bfloat_to_float(half[i]);
}

static const char *element(const product *p, const char *w, int64_t index)
{
    return w + index * element_bytes(p->w_type);
}

/* Elements k to k + count of column n, in place where they are dense f32. */
static const float *column_run(const product *p, const char *w, int64_t n, int64_t k, int64_t count,
                               float *buffer)
{
    if (p->run != NULL) {
        p->run(p->source, n, k, count, buffer);
        return buffer;
    }
    const char *at = element(p, w, n * p->w_row + k);
    if (p->w_type == BRINK_F32)
        return (const float *)(const void *)at;
    widen(p->w_type, at, count, buffer);
    return buffer;
}

/* panel[count, width] from columns n to n + columns, zeros beyond. */
static void pack(const product *p, const char *w, int64_t n, int64_t columns, int64_t k,
                 int64_t count, int64_t width, float *panel, float *buffer)
{
    if (p->panel != NULL) {
        p->panel(p->source, n, columns, k, count, width, panel);
        return;
    }
    if (p->run == NULL && !p->transposed) {
        for (int64_t r = 0; r < count; r++) {
            widen(p->w_type, element(p, w, (k + r) * p->w_row + n), columns, panel + r * width);
            for (int64_t c = columns; c < width; c++)
                panel[r * width + c] = 0;
        }
        return;
    }
    for (int64_t c = 0; c < width; c++) {
        float *to = panel + c;
        if (c >= columns) {
            for (int64_t r = 0; r < count; r++)
                to[r * width] = 0;
            continue;
        }
        const float *run = column_run(p, w, n + c, k, count, buffer);
        for (int64_t r = 0; r < count; r++)
            to[r * width] = run[r];
    }
}

static void panel_product(const product_job *job, const float *x, const char *w, float *y,
                          int64_t n, int64_t m0, int64_t m1, float *memory)
{
    const product *p = job->p;
    const simd_table *s = simd();
    int64_t width = job->width, columns = p->n - n < width ? p->n - n : width;
    float *panel = memory, *buffer = memory + K_BLOCK * width;
    bool in_place = p->run == NULL && p->panel == NULL && !p->transposed &&
                    p->w_type == BRINK_F32 && columns == width && m1 - m0 <= 2 * s->tile_rows;
    for (int64_t k = 0; k < p->k; k += K_BLOCK) {
        int64_t count = p->k - k < K_BLOCK ? p->k - k : K_BLOCK, row = width;
        const float *from = panel;
        if (in_place) {
            from = (const float *)(const void *)w + k * p->w_row + n;
            row = p->w_row;
        } else {
            pack(p, w, n, columns, k, count, width, panel, buffer);
        }
        for (int64_t m = m0; m < m1; m += s->tile_rows) {
            int64_t rows = m1 - m < s->tile_rows ? m1 - m : s->tile_rows;
            s->tile(rows, columns, count, x + m * p->x_row + k, p->x_row, from, row,
                    y + m * p->y_row + n, p->y_row, p->add || k > 0);
        }
    }
}

/* Few rows against runs along k. */
static void dot_product(const product_job *job, const float *x, const char *w, float *y, int64_t n,
                        int64_t m0, int64_t m1, float *buffer)
{
    const product *p = job->p;
    int64_t end = n + job->width < p->n ? n + job->width : p->n;
    for (; n < end; n++) {
        float sums[FEW_ROWS] = {0};
        for (int64_t k = 0; k < p->k; k += K_BLOCK) {
            int64_t count = p->k - k < K_BLOCK ? p->k - k : K_BLOCK;
            const float *run = column_run(p, w, n, k, count, buffer);
            for (int64_t m = m0; m < m1; m++)
                sums[m - m0] += simd()->dot(x + m * p->x_row + k, run, count);
        }
        for (int64_t m = m0; m < m1; m++) {
            float *to = y + m * p->y_row + n;
            *to = p->add ? *to + sums[m - m0] : sums[m - m0];
        }
    }
}

static void product_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const product_job *job = arg;
    const product *p = job->p;
    float *memory = (float *)(void *)(job->memory + thread * job->each);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit % job->panels * job->width, block = unit / job->panels % job->blocks;
        int64_t batch = unit / (job->panels * job->blocks), index = batch, x_at = 0, w_at = 0;
        for (uint32_t d = p->batch_rank; d-- > 0;) {
            x_at += index % p->batch[d] * p->x_batch[d];
            w_at += index % p->batch[d] * p->w_batch[d];
            index /= p->batch[d];
        }
        const float *x = p->x + x_at;
        const char *w = p->run != NULL || p->panel != NULL ? NULL : element(p, p->w, w_at);
        float *y = p->y + batch * p->m * p->n;
        int64_t m0 = block * job->block_rows;
        int64_t m1 = m0 + job->block_rows < p->m ? m0 + job->block_rows : p->m;
        if ((p->run != NULL || p->transposed) && p->m <= FEW_ROWS)
            dot_product(job, x, w, y, n, m0, m1, memory);
        else
            panel_product(job, x, w, y, n, m0, m1, memory);
    }
}

uint64_t product_scratch(const kernel_args *a, const product *p)
{
    (void)p;
    uint64_t each = (uint64_t)K_BLOCK * ((uint64_t)simd()->tile_columns + 1) * sizeof(float);
    return (each + 63) / 64 * 64 * thread_pool_size(a->context->pool);
}

void product_compute(const kernel_args *a, const product *p, void *memory)
{
    uint32_t threads = thread_pool_size(a->context->pool);
    product_job job = {.p = p, .memory = memory, .width = simd()->tile_columns};
    int64_t batches = 1;
    for (uint32_t d = 0; d < p->batch_rank; d++)
        batches *= p->batch[d];
    if (batches * p->m * p->n == 0)
        return;
    if (p->k == 0) {
        for (int64_t r = 0; !p->add && r < batches * p->m; r++)
            memset(p->y + (r / p->m * p->m * p->n + r % p->m * p->y_row), 0,
                   (size_t)p->n * sizeof(float));
        return;
    }
    job.each = product_scratch(a, p) / threads;
    job.panels = (p->n + job.width - 1) / job.width;
    job.block_rows = p->m;
    job.blocks = 1;
    if (batches * job.panels < 4 * (int64_t)threads && p->m >= 2 * ROW_BLOCK && threads > 1) {
        job.blocks = p->m / ROW_BLOCK;
        job.block_rows = (p->m + job.blocks - 1) / job.blocks;
        job.blocks = (p->m + job.block_rows - 1) / job.block_rows;
    }
    int64_t cost = job.block_rows * p->k * job.width / 8;
    thread_for(a->context->pool, batches * job.panels * job.blocks, grain_for(cost), product_range,
               &job);
}

brink_status product_simple(const kernel_args *a, const product *p)
{
    void *memory = kernel_scratch(a, product_scratch(a, p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    product_compute(a, p, memory);
    return BRINK_OK;
}
