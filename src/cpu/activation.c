/* activation.c — see activation.h.

   Source: ONNX RNN, GRU and LSTM for the names and standard parameters. */
#include "cpu/activation.h"

#include "cpu/simd.h"

#include <math.h>
#include <stddef.h>
#include <strings.h>

bool activation_find(const char *name, activation *out)
{
    static const struct {
        const char *name;
        activation f;
    } known[] = {{"", {.kind = ACTIVATION_NONE}},
                 {"none", {.kind = ACTIVATION_NONE}},
                 {"Sigmoid", {.kind = ACTIVATION_SIGMOID}},
                 {"Tanh", {.kind = ACTIVATION_TANH}},
                 {"Relu", {.kind = ACTIVATION_RELU}},
                 {"Affine", {.kind = ACTIVATION_AFFINE, .alpha = 1}},
                 {"LeakyRelu", {.kind = ACTIVATION_LEAKY_RELU, .alpha = 0.01f}},
                 {"Elu", {.kind = ACTIVATION_ELU, .alpha = 1}},
                 {"HardSigmoid", {.kind = ACTIVATION_HARD_SIGMOID, .alpha = 0.2f, .beta = 0.5f}},
                 {"ThresholdedRelu", {.kind = ACTIVATION_THRESHOLDED_RELU, .alpha = 1}},
                 {"ScaledTanh", {.kind = ACTIVATION_SCALED_TANH, .alpha = 1, .beta = 1}},
                 {"Softsign", {.kind = ACTIVATION_SOFTSIGN}},
                 {"Softplus", {.kind = ACTIVATION_SOFTPLUS}},
                 {"Clip", {.kind = ACTIVATION_CLIP, .alpha = -INFINITY, .beta = INFINITY}},
                 {"silu", {.kind = ACTIVATION_SILU}},
                 {"swish", {.kind = ACTIVATION_SILU}},
                 {"HardSwish", {.kind = ACTIVATION_HARD_SWISH, .alpha = 1.0f / 6, .beta = 0.5f}}};
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, known[i].name) == 0) {
            *out = known[i].f;
            return true;
        }
    return false;
}

static float plain(const activation *f, float x)
{
    switch (f->kind) {
    case ACTIVATION_SIGMOID:
        return 1 / (1 + expf(-x));
    case ACTIVATION_TANH:
        return tanhf(x);
    case ACTIVATION_RELU:
        return x < 0 ? 0 : x;
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
    case ACTIVATION_HARD_SWISH:
        return x * fmaxf(0, fminf(1, f->alpha * x + f->beta));
    case ACTIVATION_MISH:
        return x * tanhf(fmaxf(x, 0) + log1pf(expf(-fabsf(x))));
    default:
        return x;
    }
}

float activate(const activation *f, float x)
{
    x = plain(f, x);
    return f->scaled ? f->gain * x + f->shift : x;
}

void activate_row(const activation *f, float *x, int64_t n)
{
    if (!activation_slow(f)) {
        if (f->kind != ACTIVATION_NONE || f->scaled)
            simd()->finish(1, n, x, n, x, n, NULL, 0, NULL, f);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        x[i] = activate(f, x[i]);
}
