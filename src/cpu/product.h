/* product.h — y = x · w in f32, for weights in whatever form can be unpacked by panels.

   The columns of y are cut in panels as wide as the processor's tile. A panel of w is unpacked for
   a stretch of k at a time into a buffer that stays in the cache, and all rows of x pass by it. */
#ifndef CPU_PRODUCT_H
#define CPU_PRODUCT_H

#include "graph/kernel.h"

/* Writes w's elements k to k + count of output column n. */
typedef void (*product_run)(const void *source, int64_t n, int64_t k, int64_t count, float *to);

/* Writes panel[r][c] = w's row k + r of column n + c for c < columns, zero for the rest of `width`. */
typedef void (*product_panel)(const void *source, int64_t n, int64_t columns, int64_t k,
                              int64_t count, int64_t width, float *panel);

/* Weights packed once: panels of panel_columns, [columns / width, k, width], 0 beyond n. */
typedef struct product_panels {
    int64_t k, n, width;
    brink_type type; /* f32, f16, bf16, or bytes: i8, u8 */
    const void *data;
} product_panels;

/* Packs a constant matrix w [k, n], or [n, k] when `transposed`, for all plans of the model. *out
   stays NULL where w is read as well as it is. */
brink_status product_pack(const kernel_args *a, packing *store, const tensor *w, bool transposed,
                          const product_panels **out);

typedef struct product {
    int64_t m, n, k;
    const float *x; /* [m, k], rows x_row apart */
    int64_t x_row;
    float *y; /* [m, n], rows y_row apart */
    int64_t y_row;
    bool add; /* to what y holds */

    /* The weights: a dense f32, f16 or bf16 matrix [k, n], or [n, k] when `transposed`, its rows
       w_row apart … */
    const void *w;
    brink_type w_type;
    int64_t w_row;
    bool transposed;
    /* … or packed panels; bytes mean (q − zero) * scale, [n] filled up to whole panels. */
    const product_panels *panels;
    const float *zero, *scale;
    /* … or runs along k of anything. */
    product_run run;
    /* … or whole panels. */
    product_panel panel;
    const void *source; /* of run or panel */

    /* Batches of a dense w: dimensions, and elements between neighbours of x and w; y is dense,
       m * n apart. rank 0: one. */
    uint32_t batch_rank;
    int64_t batch[BRINK_MAX_RANK], x_batch[BRINK_MAX_RANK], w_batch[BRINK_MAX_RANK];
} product;

/* Scratch that product_compute needs, and the product in such memory. */
uint64_t product_scratch(const kernel_args *a, const product *p);
void product_compute(const kernel_args *a, const product *p, void *memory);

/* Both, with the kernel's scratch. */
brink_status product_simple(const kernel_args *a, const product *p);

#endif
