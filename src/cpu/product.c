/* product.c — the blocked f32 product behind MatMul, Gemm, Conv and the exact quantised forms.

   Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008), with
   one level of blocking less: x is read in place, since a tile's few rows of it stream well, and
   only the weights are packed, a few neighbouring panels at a time so that a page is met once. Bound
   by compute from about 16 rows on (the tile reaches 0.85 of it), below by memory.

   With few rows packing would cost as much as the product: dense [k, n] weights are then read in
   place, wide rows of them added up, and runs along k become dot products. */
#include "cpu/product.h"

#include "core/half.h"
#include "cpu/loops.h"
#include "cpu/simd.h"

#include <string.h>

/* A panel of K_BLOCK steps is half of a 32 KiB cache at the widest tile; PANELS of them lie side by
   side in the second cache. */
enum {
    K_BLOCK = 128,
    PANELS = 4,
    FEW_RUNS = 3,
    FEW_ROWS = 16,
    ROW_BLOCK = 48,
    MOST_ROWS = 256,
    WIDE = 1024,
    EDGE_ROWS = 16
};

typedef enum product_form {
    PACKED,    /* panels that were packed before               */
    BY_PANELS, /* panels packed as they are needed             */
    BY_DOTS,   /* few rows of x, w by runs along k             */
    BY_ROWS    /* few rows of x, w by rows along n, in place   */
} product_form;

typedef struct product_job {
    const product *p;
    product_form form;
    char *memory;
    uint64_t each;                                     /* bytes of memory a thread */
    int64_t width, columns, units, blocks, block_rows; /* columns: of y a unit of work has */
} product_job;

static void widen(brink_type type, const void *from, int64_t n, float *to)
{
    const uint16_t *half = from;
    if (type == BRINK_F32)
        memcpy(to, from, (size_t)n * sizeof(float));
    else if (type == BRINK_F16)
        simd()->halves(to, half, n);
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
    if (p->run == NULL && p->w_type == BRINK_F32) {
        simd()->turn(panel, (const float *)(const void *)element(p, w, n * p->w_row + k), p->w_row,
                     columns, count);
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

/* Steps k to k + count of a packed panel as f32: in place, or widened into `panel`. */
static const float *packed_panel(const product *p, int64_t n, int64_t k, int64_t count,
                                 float *panel)
{
    const product_panels *w = p->panels;
    const char *at = (const char *)w->data + (n * w->k + k * w->width) * element_bytes(w->type);
    if (w->type == BRINK_F32)
        return (const float *)(const void *)at;
    if (w->type == BRINK_I8 || w->type == BRINK_U8)
        simd()->widen(panel, (const uint8_t *)at, w->type == BRINK_I8, p->zero + n, p->scale + n,
                      count);
    else
        widen(w->type, at, count * w->width, panel);
    return panel;
}

/* The same as panel_product below, from packed panels. A tile writes whole vectors: the last columns
   go by way of `edge`, where they end within one. */
static void packed_product(const product_job *job, const float *x, float *y, int64_t n, int64_t end,
                           int64_t m0, int64_t m1, float *memory)
{
    const product *p = job->p;
    const simd_table *s = simd();
    int64_t width = job->width;
    float *edge = memory + K_BLOCK * width;
    for (int64_t c = n; c < end; c += width) {
        bool whole = end - c >= width;
        int64_t columns = whole ? width : end - c, rows = whole ? m1 - m0 : EDGE_ROWS;
        for (int64_t k = 0; k < p->k; k += K_BLOCK) {
            int64_t count = p->k - k < K_BLOCK ? p->k - k : K_BLOCK;
            const float *panel = packed_panel(p, c, k, count, memory);
            bool add = p->add || k > 0;
            for (int64_t m = m0; m < m1; m += rows) {
                int64_t some = m1 - m < rows ? m1 - m : rows;
                const float *from = x + m * p->x_row + k;
                float *to = y + m * p->y_row + c;
                if (whole) {
                    s->panel_tile(some, columns, count, from, p->x_row, panel, to, p->y_row, add);
                    continue;
                }
                for (int64_t r = 0; add && r < some; r++)
                    memcpy(edge + r * width, to + r * p->y_row, (size_t)columns * sizeof(float));
                s->panel_tile(some, columns, count, from, p->x_row, panel, edge, width, add);
                for (int64_t r = 0; r < some; r++)
                    memcpy(to + r * p->y_row, edge + r * width, (size_t)columns * sizeof(float));
            }
        }
    }
}

/* Rows m0 to m1 of columns n to end. */
static void panel_product(const product_job *job, const float *x, const char *w, float *y,
                          int64_t n, int64_t end, int64_t m0, int64_t m1, float *memory)
{
    const product *p = job->p;
    const simd_table *s = simd();
    int64_t width = job->width;
    float *buffer = memory + K_BLOCK * width * PANELS;
    for (int64_t k = 0; k < p->k; k += K_BLOCK) {
        int64_t count = p->k - k < K_BLOCK ? p->k - k : K_BLOCK;
        float *panel = memory;
        if (p->run == NULL && p->panel == NULL && !p->transposed) { /* a row of all at a time */
            for (int64_t r = 0; r < count; r++)
                for (int64_t c = n, i = 0; c < end; c += width, i++)
                    pack(p, w, c, end - c < width ? end - c : width, k + r, 1, width,
                         panel + (i * K_BLOCK + r) * width, buffer);
        } else {
            for (int64_t c = n, i = 0; c < end; c += width, i++)
                pack(p, w, c, end - c < width ? end - c : width, k, count, width,
                     panel + i * K_BLOCK * width, buffer);
        }
        for (int64_t c = n; c < end; c += width, panel += K_BLOCK * width)
            for (int64_t m = m0; m < m1; m += s->tile_rows) {
                int64_t rows = m1 - m < s->tile_rows ? m1 - m : s->tile_rows;
                s->tile(rows, end - c < width ? end - c : width, count, x + m * p->x_row + k,
                        p->x_row, panel, width, y + m * p->y_row + c, p->y_row, p->add || k > 0);
            }
    }
}

/* Few rows against runs along k. */
static void dot_product(const product_job *job, const float *x, const char *w, float *y, int64_t n,
                        int64_t end, float *buffer)
{
    const product *p = job->p;
    for (; n < end; n++) {
        float sums[FEW_RUNS] = {0};
        for (int64_t k = 0; k < p->k; k += K_BLOCK) {
            int64_t count = p->k - k < K_BLOCK ? p->k - k : K_BLOCK;
            const float *run = column_run(p, w, n, k, count, buffer);
            for (int64_t m = 0; m < p->m; m++)
                sums[m] += simd()->dot(x + m * p->x_row + k, run, count);
        }
        for (int64_t m = 0; m < p->m; m++) {
            float *to = y + m * p->y_row + n;
            *to = p->add ? *to + sums[m] : sums[m];
        }
    }
}

/* Few rows against rows of w, in place. */
static void wide_product(const product_job *job, const float *x, const char *w, float *y, int64_t n,
                         int64_t end, float *buffer)
{
    const product *p = job->p;
    const simd_table *s = simd();
    for (int64_t m = 0; !p->add && m < p->m; m++)
        memset(y + m * p->y_row + n, 0, (size_t)(end - n) * sizeof(float));
    if (p->w_type == BRINK_F32) {
        s->combine(p->m, end - n, p->k, x, p->x_row, (const float *)(const void *)w + n, p->w_row,
                   y + n, p->y_row);
        return;
    }
    for (int64_t k = 0; k < p->k; k += 4) {
        int64_t count = p->k - k < 4 ? p->k - k : 4;
        for (int64_t r = 0; r < count; r++)
            widen(p->w_type, element(p, w, (k + r) * p->w_row + n), end - n, buffer + r * WIDE);
        s->combine(p->m, end - n, count, x + k, p->x_row, buffer, WIDE, y + n, p->y_row);
    }
}

static void product_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const product_job *job = arg;
    const product *p = job->p;
    float *memory = (float *)(void *)(job->memory + thread * job->each);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit % job->units * job->columns, block = unit / job->units % job->blocks;
        int64_t batch = unit / (job->units * job->blocks), index = batch, x_at = 0, w_at = 0;
        for (uint32_t d = p->batch_rank; d-- > 0;) {
            x_at += index % p->batch[d] * p->x_batch[d];
            w_at += index % p->batch[d] * p->w_batch[d];
            index /= p->batch[d];
        }
        const float *x = p->x + x_at;
        const char *w = p->w == NULL ? NULL : element(p, p->w, w_at);
        float *y = p->y + batch * p->m * p->n;
        int64_t last = n + job->columns < p->n ? n + job->columns : p->n;
        int64_t m0 = block * job->block_rows;
        int64_t m1 = m0 + job->block_rows < p->m ? m0 + job->block_rows : p->m;
        switch (job->form) {
        case BY_PANELS:
            panel_product(job, x, w, y, n, last, m0, m1, memory);
            break;
        case PACKED:
            packed_product(job, x, y, n, last, m0, m1, memory);
            break;
        case BY_DOTS:
            dot_product(job, x, w, y, n, last, memory);
            break;
        case BY_ROWS:
            wide_product(job, x, w, y, n, last, memory);
            break;
        }
    }
}

uint64_t product_scratch(const kernel_args *a, const product *p)
{
    (void)p;
    const simd_table *s = simd();
    int64_t wide = s->tile_columns > s->panel_columns ? s->tile_columns : s->panel_columns;
    uint64_t each = (uint64_t)(K_BLOCK * (wide * PANELS + 1)); /* EDGE_ROWS are less than a panel */
    return each * sizeof(float) * thread_pool_size(a->context->pool); /* whole lines */
}

/* `rows` decide, not p->m: those that are kept apart take the form of one. */
static product_form form_of(const product *p, int64_t rows)
{
    if (p->panels != NULL)
        return PACKED;
    if (p->panel != NULL)
        return BY_PANELS;
    if (p->run != NULL || p->transposed)
        return rows <= FEW_RUNS ? BY_DOTS : BY_PANELS;
    return rows <= FEW_ROWS ? BY_ROWS : BY_PANELS;
}

/* Cuts columns so that each thread gets several units; rows where columns do not suffice, and so that
   all panels meet some rows of x while these lie in the second cache. */
static void divide(product_job *job, int64_t batches, int64_t threads)
{
    const product *p = job->p;
    int64_t most = job->form == BY_ROWS ? WIDE : job->width * PANELS;
    int64_t wanted = (4 * threads + batches - 1) / batches, fair = (p->n + wanted - 1) / wanted;
    job->columns = fair < most ? fair : most;
    job->columns = (job->columns + job->width - 1) / job->width * job->width;
    job->units = (p->n + job->columns - 1) / job->columns;
    job->blocks = (p->m + MOST_ROWS - 1) / MOST_ROWS;
    if (batches * job->units < 4 * threads && p->m >= 2 * ROW_BLOCK && threads > 1)
        job->blocks = p->m / ROW_BLOCK;
    job->block_rows = (p->m + job->blocks - 1) / job->blocks;
    job->blocks = (p->m + job->block_rows - 1) / job->block_rows;
}

void product_compute(const kernel_args *a, const product *p, void *memory)
{
    uint32_t threads = thread_pool_size(a->context->pool);
    product_job job = {.p = p, .memory = memory, .width = simd()->tile_columns};
    job.form = form_of(p, a->rows_apart ? 1 : p->m);
    if (job.form == BY_DOTS && p->m > FEW_RUNS) {
        for (int64_t m = 0; m < p->m; m += FEW_RUNS) {
            product some = *p;
            some.m = p->m - m < FEW_RUNS ? p->m - m : FEW_RUNS;
            some.x += m * p->x_row;
            some.y += m * p->y_row;
            product_compute(a, &some, memory);
        }
        return;
    }
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
    if (job.form == PACKED)
        job.width = p->panels->width;
    job.each = product_scratch(a, p) / threads;
    divide(&job, batches, threads);
    int64_t cost = job.block_rows * p->k * job.columns / 8;
    thread_for(a->context->pool, batches * job.units * job.blocks, grain_for(cost), product_range,
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

/* Packing pays where a product is read again and again, and where the source can be let go of: the
   wasm heap cannot, and would hold f32 weights twice. */
#ifdef __wasm__
enum { PACK_FLOATS = 0 };
#else
enum { PACK_FLOATS = 1 };
#endif

static const char layout[2]; /* addresses that name the layouts among packed weights */

typedef struct packer {
    const tensor *w;
    const product_panels *to;
    bool transposed;
} packer;

static void pack_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const packer *j = arg;
    const product_panels *to = j->to;
    uint32_t size = element_bytes(to->type);
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i * to->width, columns = to->n - n < to->width ? to->n - n : to->width;
        const char *from = j->w->data;
        char *at = (char *)(uintptr_t)to->data + n * to->k * size;
        memset(at, 0, (size_t)(to->k * to->width) * size);
        for (int64_t k = 0; k < to->k; k++, at += to->width * size) {
            if (!j->transposed)
                memcpy(at, from + (k * to->n + n) * size, (size_t)columns * size);
            for (int64_t c = 0; j->transposed && c < columns; c++)
                memcpy(at + c * size, from + ((n + c) * to->k + k) * size, size);
        }
    }
}

brink_status product_pack(const kernel_args *a, packing *store, const tensor *w, bool transposed,
                          const product_panels **out)
{
    bool bytes_each = w->type == BRINK_I8 || w->type == BRINK_U8;
    bool half = w->type == BRINK_F16 || w->type == BRINK_BF16;
    *out = NULL;
    if (w->data == NULL || w->rank != 2 || tensor_count(w) < 256 ||
        !(bytes_each || ((half || w->type == BRINK_F32) && PACK_FLOATS)))
        return BRINK_OK;
    packing_key key = {&layout[transposed], {w->data, (const void *)(uintptr_t)w->dims[0]}};
    product_panels head = {.k = w->dims[transposed ? 1 : 0],
                           .n = w->dims[transposed ? 0 : 1],
                           .width = simd()->panel_columns,
                           .type = w->type};
    const product_panels *found = packing_find(store, &key);
    if (found != NULL) { /* the same bytes may have been another shape */
        *out = found->k == head.k && found->n == head.n && found->type == head.type ? found : NULL;
        return BRINK_OK;
    }
    uint64_t panels = (uint64_t)((head.n + head.width - 1) / head.width);
    uint64_t size = element_bytes(w->type), start = whole_lines(sizeof head);
    product_panels *to =
        packing_add(store, &key, start + panels * (uint64_t)(head.k * head.width) * size);
    if (to == NULL)
        return BRINK_OUT_OF_MEMORY;
    *to = head;
    to->data = (char *)to + start;
    packer j = {w, to, transposed};
    thread_for(a->context->pool, (int64_t)panels, 1, pack_range, &j);
    packing_done_with(store, w->data, (uint64_t)tensor_count(w) * size);
    *out = to;
    return BRINK_OK;
}
