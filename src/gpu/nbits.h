/* nbits.h — block-quantised products: what their files share. */
#ifndef GPU_NBITS_H
#define GPU_NBITS_H

#include "gpu/gpu.h"

#include <stdio.h>

enum { GPU_NBITS_PARTS = 3, GPU_LORA_RANK = 64 /* most that the row kernel takes */ };

/* Columns n of the products of one input. */
typedef struct gpu_nbits_part {
    const tensor *w;           /* [n, blocks, block * bits / 8] bytes  */
    const tensor *scale;       /* [n, blocks], f32 or f16              */
    const tensor *zero, *bias; /* [n, blocks] of `bits` each, rows in whole bytes, or of the scales'
                                  kind; [n]; NULL: none */
    const tensor *out;
    int64_t n;
} gpu_nbits_part;

typedef struct gpu_nbits {
    const tensor *x;
    int64_t bits, block, k, blocks;
    bool exact; /* x stays f32; else 8 bits will do */
    gpu_nbits_part parts[GPU_NBITS_PARTS];
    uint32_t count;
} gpu_nbits;

/* Elements that zero points have. */
static inline int64_t gpu_nbits_zeros(const gpu_nbits *p, const gpu_nbits_part *q)
{
    return q->n * (q->zero->type == BRINK_U8 ? (p->blocks * p->bits + 7) / 8 : p->blocks);
}

/* The text before a kernel. */
typedef struct gpu_text_head {
    char text[24576];
    size_t used;
} gpu_text_head;

/* Appends to it; what finds no room is cut, so that the shader does not compile. */
void gpu_nbits_put(gpu_text_head *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define PUT(h, ...) gpu_nbits_put(h, __VA_ARGS__)

/* fn scale_of(i) and zero_of(n, block); `blocks` is the parameter that has their number. */
void gpu_nbits_scales(gpu_text_head *h, const gpu_nbits *p, uint32_t scale_at, uint32_t zero_at,
                      const char *blocks);

/* ── Weights larger than a binding ── */

/* How many columns one binding takes: all, or a number that keeps every offset aligned. */
static inline uint64_t gpu_nbits_bound(const gpu_device *d, uint64_t column, int64_t columns)
{
    uint64_t most = d->limits.maxStorageBufferBindingSize / column;
    return most >= (uint64_t)columns ? (uint64_t)columns : most / GPU_ALIGN * GPU_ALIGN;
}

/* Columns n to n + some of what `whole` binds for all columns. */
static inline gpu_binding gpu_nbits_share(const gpu_binding *whole, uint64_t columns, uint64_t n,
                                          uint64_t some)
{
    uint64_t each = whole->bytes / columns;
    return some == columns ? *whole : (gpu_binding){whole->buffer, n * each, some * each};
}

/* Whether the products' constants are the model's and alike, so that they can be bound as one. */
bool gpu_nbits_joins(const gpu_program *g, const gpu_nbits *p);

/* Binds scales, zero points and biases behind what `d` has, and writes fn scale_of, zero_of, bias_of:
   `blocks` as above. *w, *scale and *zero (no buffer: none) are of all products' columns. */
brink_status gpu_nbits_join(gpu_program *g, const gpu_nbits *p, gpu_text_head *h, gpu_dispatch *d,
                            const char *blocks, gpu_binding *w, gpu_binding *scale,
                            gpu_binding *zero);

/* Many rows in 8 bits; *done stays false where the kernel cannot do it. */
brink_status gpu_nbits_bytes(gpu_program *g, const gpu_nbits *p, int64_t m, bool *done);

/* What a step's node is; false where no kernel takes it. */
bool gpu_nbits_read(const plan_step *s, gpu_nbits *out);

/* ── One row, see kernels/row_nbits.wgsl ── */

/* Whether the row kernel takes it, as far as the plan says. */
bool gpu_row_takes(const gpu_program *g, const gpu_nbits *p);

/* *done stays false where the kernel cannot do it. */
brink_status gpu_row(gpu_program *g, const gpu_nbits *p, bool *done);

#endif
