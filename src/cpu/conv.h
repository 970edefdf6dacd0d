/* conv.h — what the float, fused and integer forms of a convolution share. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "cpu/activation.h"
#include "cpu/window.h"

typedef struct conv_sizes {
    window window;
    int64_t batches, groups;
    int64_t channels, outputs; /* of one group */
} conv_sizes;

/* Checks x [N, C, space …], w [M, C / groups, kernel …] and bias [M] (NULL: none). */
brink_status conv_read(const kernel_args *a, const tensor *x, const tensor *w, const tensor *bias,
                       const tensor *out, conv_sizes *s);

/* Conv, and f(Conv + more) where *finished: more (NULL: none) and f are the caller's to apply
   otherwise. */
brink_status conv_compute(const kernel_args *a, const tensor *more, const activation *f,
                          bool *finished);

/* An activation's name and parameters from the attributes `activation` and `activation_params`;
   none where they are missing. Parameters are those of the activation, but if there are four: then
   alpha, beta, gain and shift of gain * f(x) + shift, which graph/pass_conv.c makes. */
brink_status conv_activation(const kernel_args *a, activation *f);

#endif
