/* product.h — the tiled product of kernels/product.wgsl, for any form of weights. */
#ifndef GPU_PRODUCT_H
#define GPU_PRODUCT_H

#include "gpu/gpu.h"

enum { GPU_BATCH_RANK = 8 };

/* As in the file. */
typedef struct gpu_product_parameters {
    uint32_t m, n, k, batch_rank, x_row, x_step, w_row, w_step;
    float alpha, beta;
    uint32_t block, c_row;
    uint32_t batch[GPU_BATCH_RANK], x_batch[GPU_BATCH_RANK], w_batch[GPU_BATCH_RANK];
    uint32_t c_step;
    uint32_t y_row, y_at, unused; /* y_row 0: n */
} gpu_product_parameters;
_Static_assert(sizeof(gpu_product_parameters) <= GPU_PARAMETERS, "a uniform block");

/* d has a head that says weight(base, k, n), or quad(base, k, n) and along_k, and addend(m, n); y and x
   are its first tensors. */
brink_status gpu_product(gpu_program *g, gpu_product_parameters *p, gpu_dispatch *d);

#endif
