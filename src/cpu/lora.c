/* lora.c — y + (x · downᵀ) · up, an adapter's change to a product; see graph/lora.h.

   Bound by reading the matrices, f16, once for all rows of x. Sums are f32. */
#include "cpu/cpu.h"
#include "cpu/product.h"

#include <string.h>

brink_status cpu_lora(const kernel_args *a)
{
    const tensor *y = a->in[0], *x = a->in[1], *down = a->in[2], *up = a->in[3];
    int64_t rank = down->dims[0], k = down->dims[1], n = up->dims[1];
    product first = {.m = tensor_count(x) / k,
                     .n = rank,
                     .k = k,
                     .x = x->data,
                     .x_row = k,
                     .y = a->out[1]->data,
                     .y_row = rank,
                     .w = down->data,
                     .w_type = down->type,
                     .w_row = k,
                     .transposed = true};
    product second = {.m = first.m,
                      .n = n,
                      .k = rank,
                      .x = first.y,
                      .x_row = rank,
                      .y = a->out[0]->data,
                      .y_row = n,
                      .add = true,
                      .w = up->data,
                      .w_type = up->type,
                      .w_row = n};
    if (first.m == 0)
        return BRINK_OK;
    memcpy(second.y, y->data, (size_t)(first.m * n) * sizeof(float));
    TRY(product_simple(a, &first));
    return product_simple(a, &second);
}
