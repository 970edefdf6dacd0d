/* signal_windows.c — HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix.

   Source: ONNX. Made in f64 and stored in the type asked for. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

#define TAU 6.283185307179586476925286766559

/* c[0] − c[1] cos(2πn / N) + c[2] cos(4πn / N); N is the size, or one less when not periodic: then
   a window of one is NaN, as in the reference. */
static brink_status cosine_window(const kernel_args *a, double c0, double c1, double c2)
{
    tensor *out = a->out[0];
    int64_t n = tensor_count(out);
    bool periodic = onnx_int(a->node, ATTR_periodic, 1) != 0;
    double whole = (double)(periodic ? n : n - 1);
    double *w = kernel_scratch(a, (uint64_t)n * sizeof *w + 8);
    if (w == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t i = 0; i < n; i++)
        w[i] = c0 - c1 * cos(TAU * (double)i / whole) + c2 * cos(2 * TAU * (double)i / whole);
    return number_tensor(a, w, out);
}

brink_status cpu_hann_window(const kernel_args *a)
{
    return cosine_window(a, 0.5, 0.5, 0);
}

brink_status cpu_hamming_window(const kernel_args *a)
{
    return cosine_window(a, 25.0 / 46.0, 21.0 / 46.0, 0);
}

brink_status cpu_blackman_window(const kernel_args *a)
{
    return cosine_window(a, 0.42, 0.5, 0.08);
}

/* Triangles between bands that are even on the mel scale, 2595 log10(1 + f / 700). */
brink_status cpu_mel_weight_matrix(const kernel_args *a)
{
    tensor *out = a->out[0];
    int64_t bins = out->dims[0], bands = out->dims[1];
    double length = tensor_number(a->in[1], 0), rate = tensor_number(a->in[2], 0);
    double low = 2595 * log10(1 + tensor_number(a->in[3], 0) / 700);
    double high = 2595 * log10(1 + tensor_number(a->in[4], 0) / 700);
    double *w = kernel_scratch(a, (uint64_t)(bins * bands + 1) * sizeof *w);
    if (w == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(w, 0, (size_t)(bins * bands) * sizeof *w);
    for (int64_t b = 0; b < bands; b++) {
        int64_t edge[3]; /* left, centre, right */
        for (int64_t i = 0; i < 3; i++) {
            double mel = low + (double)(b + i) * (high - low) / (double)(bands + 2);
            double bin = floor((length + 1) * 700 * (pow(10, mel / 2595) - 1) / rate);
            if (!(bin >= 0 && bin < (double)bins + (i == 2)))
                return kernel_fail(a, BRINK_BAD_INPUT,
                                   "the edges do not lie between 0 and half the sample rate");
            edge[i] = (int64_t)bin;
        }
        if (edge[0] == edge[1])
            w[edge[1] * bands + b] = 1;
        for (int64_t i = edge[0]; edge[0] < edge[1] && i <= edge[1]; i++)
            w[i * bands + b] = (double)(i - edge[0]) / (double)(edge[1] - edge[0]);
        for (int64_t i = edge[1]; i < edge[2]; i++)
            w[i * bands + b] = (double)(edge[2] - i) / (double)(edge[2] - edge[1]);
    }
    return number_tensor(a, w, out);
}
