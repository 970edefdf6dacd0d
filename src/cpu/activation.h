/* activation.h — functions that other operators apply to their results by name: those of the
   recurrent operators and of onnxruntime's fused ones. */
#ifndef CPU_ACTIVATION_H
#define CPU_ACTIVATION_H

#include "brink.h"

typedef enum activation_kind {
    ACTIVATION_NONE,
    ACTIVATION_SIGMOID,
    ACTIVATION_TANH,
    ACTIVATION_RELU,
    ACTIVATION_AFFINE,
    ACTIVATION_LEAKY_RELU,
    ACTIVATION_ELU,
    ACTIVATION_HARD_SIGMOID,
    ACTIVATION_THRESHOLDED_RELU,
    ACTIVATION_SCALED_TANH,
    ACTIVATION_SOFTSIGN,
    ACTIVATION_SOFTPLUS,
    ACTIVATION_CLIP,
    ACTIVATION_SILU,
    ACTIVATION_HARD_SWISH,
    ACTIVATION_MISH
} activation_kind;

typedef struct activation {
    activation_kind kind;
    float alpha, beta;
    bool scaled; /* gain * f(x) + shift instead of f(x) */
    float gain, shift;
} activation;

/* By its ONNX name in any case, "" for none, with its standard parameters; false if unknown. */
bool activation_find(const char *name, activation *out);

float activate(const activation *f, float x);

/* In place. */
void activate_row(const activation *f, float *x, int64_t n);

/* Those without a vector form: activate() computes them. */
static inline bool activation_slow(const activation *f)
{
    return f->kind == ACTIVATION_ELU || f->kind == ACTIVATION_SOFTPLUS;
}

#endif
