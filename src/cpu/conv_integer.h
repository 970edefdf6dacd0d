/* conv_integer.h — the exact integer convolution behind ConvInteger and QLinearConv. */
#ifndef CPU_CONV_INTEGER_H
#define CPU_CONV_INTEGER_H

#include "graph/kernel.h"

/* Sums of (x − x_zero) * (w − w_zero) in the shape of output 0, with the node's Conv attributes;
   zero points may be NULL. Written to `y`, or when it is NULL to the kernel's scratch, which *made
   then points to. */
brink_status conv_integer(const kernel_args *a, const tensor *x, const tensor *x_zero,
                          const tensor *w, const tensor *w_zero, int32_t *y, int32_t **made);

#endif
