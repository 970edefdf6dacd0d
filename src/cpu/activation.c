/* activation.c — see activation.h.

   Source: ONNX RNN, GRU and LSTM for the names and standard parameters. */
#include "cpu/activation.h"

#include "cpu/simd.h"

#include <math.h>
#include <strings.h>

bool activation_find(const char *name, activation *out)
{
    static const struct {
        const char *name;
        activation f;
    } known[] = {{"", {ACTIVATION_NONE, 0, 0}},
                 {"none", {ACTIVATION_NONE, 0, 0}},
                 {"Sigmoid", {ACTIVATION_SIGMOID, 0, 0}},
                 {"Tanh", {ACTIVATION_TANH, 0, 0}},
                 {"Relu", {ACTIVATION_RELU, 0, 0}},
                 {"Affine", {ACTIVATION_AFFINE, 1, 0}},
                 {"LeakyRelu", {ACTIVATION_LEAKY_RELU, 0.01f, 0}},
                 {"Elu", {ACTIVATION_ELU, 1, 0}},
                 {"HardSigmoid", {ACTIVATION_HARD_SIGMOID, 0.2f, 0.5f}},
                 {"ThresholdedRelu", {ACTIVATION_THRESHOLDED_RELU, 1, 0}},
                 {"ScaledTanh", {ACTIVATION_SCALED_TANH, 1, 1}},
                 {"Softsign", {ACTIVATION_SOFTSIGN, 0, 0}},
                 {"Softplus", {ACTIVATION_SOFTPLUS, 0, 0}},
                 {"Clip", {ACTIVATION_CLIP, -INFINITY, INFINITY}},
                 {"silu", {ACTIVATION_SILU, 0, 0}},
                 {"swish", {ACTIVATION_SILU, 0, 0}}};
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, known[i].name) == 0) {
            *out = known[i].f;
            return true;
        }
    return false;
}

float activate(const activation *f, float x)
{
    switch (f->kind) {
    case ACTIVATION_SIGMOID:
        return 1 / (1 + expf(-x));
    case ACTIVATION_TANH:
        return tanhf(x);
    case ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case ACTIVATION_AFFINE:
        return f->alpha * x + f->beta;
    case ACTIVATION_LEAKY_RELU:
        return x < 0 ? f->alpha * x : x;
    case ACTIVATION_ELU:
        return x < 0 ? f->alpha * expm1f(x) : x;
    case ACTIVATION_HARD_SIGMOID:
        return fmaxf(0, fminf(1, f->alpha * x + f->beta));
    case ACTIVATION_THRESHOLDED_RELU:
        return x > f->alpha ? x : 0;
    case ACTIVATION_SCALED_TANH:
        return f->alpha * tanhf(f->beta * x);
    case ACTIVATION_SOFTSIGN:
        return x / (1 + fabsf(x));
    case ACTIVATION_SOFTPLUS:
        return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
    case ACTIVATION_CLIP:
        return fminf(f->beta, fmaxf(f->alpha, x));
    case ACTIVATION_SILU:
        return x / (1 + expf(-x));
    default:
        return x;
    }
}

void activate_row(const activation *f, float *x, int64_t n)
{
    if (f->kind == ACTIVATION_NONE)
        return;
    if (f->kind == ACTIVATION_SIGMOID)
        simd()->sigmoid(x, x, n);
    else if (f->kind == ACTIVATION_TANH)
        simd()->tanh(x, x, n);
    else if (f->kind == ACTIVATION_SILU)
        simd()->silu(x, x, n);
    else
        for (int64_t i = 0; i < n; i++)
            x[i] = activate(f, x[i]);
}
