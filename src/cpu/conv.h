/* conv.h — the sizes of a convolution, shared by its float and its integer form. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "cpu/window.h"

typedef struct conv_sizes {
    window window;
    int64_t batches, groups;
    int64_t channels, outputs; /* of one group */
} conv_sizes;

/* Checks x [N, C, space …], w [M, C / groups, kernel …] and bias [M] (NULL: none). */
brink_status conv_read(const kernel_args *a, const tensor *x, const tensor *w, const tensor *bias,
                       const tensor *out, conv_sizes *s);

#endif
