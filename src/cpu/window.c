/* window.c — reading a sliding kernel's attributes, and rows of what one tap of it meets.

   Source: ONNX Conv and MaxPool for strides, dilations, pads and auto_pad; ConvTranspose for the
   transposed form. */
#include "cpu/window.h"

#include "cpu/loops.h"

#include <string.h>

static int64_t entry(const int64_t *list, uint32_t count, uint32_t i, int64_t otherwise)
{
    return list != NULL && i < count ? list[i] : otherwise;
}

static brink_status read_steps(const kernel_args *a, const tensor *image, const int64_t *kernel,
                               const tensor *result, window *w)
{
    uint32_t strides_n = 0, dilations_n = 0, pads_n = 0;
    const int64_t *strides = onnx_ints(a->node, ATTR_strides, &strides_n);
    const int64_t *dilations = onnx_ints(a->node, ATTR_dilations, &dilations_n);
    const int64_t *pads = onnx_ints(a->node, ATTR_pads, &pads_n);
    *w = (window){.rank = image->rank - 2, .kernel_size = 1};
    w->image_size = dims_product(image, 2, image->rank);
    w->result_size = dims_product(result, 2, result->rank);
    for (uint32_t d = 0; d < w->rank; d++) {
        w->image[d] = image->dims[2 + d];
        w->result[d] = result->dims[2 + d];
        w->kernel[d] = kernel[d];
        w->kernel_size *= kernel[d];
        w->stride[d] = entry(strides, strides_n, d, 1);
        w->dilation[d] = entry(dilations, dilations_n, d, 1);
        w->before[d] = entry(pads, pads_n, d, 0);
        w->after[d] = entry(pads, pads_n, w->rank + d, 0);
        if (w->stride[d] < 1 || w->dilation[d] < 1 || kernel[d] < 1)
            return kernel_fail(a, BRINK_BAD_INPUT, "kernel %lld, stride %lld and dilation %lld",
                               (long long)kernel[d], (long long)w->stride[d],
                               (long long)w->dilation[d]);
    }
    return BRINK_OK;
}

static void set_padding(window *w, uint32_t d, int64_t all, bool more_before)
{
    w->before[d] = more_before ? all - all / 2 : all / 2;
    w->after[d] = all - w->before[d];
}

brink_status window_read(const kernel_args *a, const tensor *x, const int64_t *kernel,
                         const tensor *out, window *w)
{
    const char *mode = onnx_string(a->node, ATTR_auto_pad, "NOTSET");
    TRY(read_steps(a, x, kernel, out, w));
    for (uint32_t d = 0; d < w->rank; d++) {
        int64_t extent = (w->kernel[d] - 1) * w->dilation[d] + 1;
        int64_t all = (w->result[d] - 1) * w->stride[d] + extent - w->image[d];
        if (strcmp(mode, "VALID") == 0)
            set_padding(w, d, 0, false);
        else if (strncmp(mode, "SAME", 4) == 0)
            set_padding(w, d, all < 0 ? 0 : all, strcmp(mode, "SAME_LOWER") == 0);
    }
    return BRINK_OK;
}

brink_status window_read_transposed(const kernel_args *a, const tensor *x, const int64_t *kernel,
                                    const tensor *out, window *w)
{
    const char *mode = onnx_string(a->node, ATTR_auto_pad, "NOTSET");
    uint32_t more_n = 0;
    const int64_t *more = onnx_ints(a->node, ATTR_output_padding, &more_n);
    TRY(read_steps(a, out, kernel, x, w));
    for (uint32_t d = 0; d < w->rank; d++) {
        int64_t extent = (w->kernel[d] - 1) * w->dilation[d] + 1;
        int64_t all =
            (w->result[d] - 1) * w->stride[d] + extent + entry(more, more_n, d, 0) - w->image[d];
        if (onnx_find(a->node, ATTR_output_shape) != NULL || strncmp(mode, "SAME", 4) == 0)
            set_padding(w, d, all < 0 ? 0 : all, strcmp(mode, "SAME_UPPER") != 0);
        else if (strcmp(mode, "VALID") == 0)
            set_padding(w, d, 0, false);
    }
    return BRINK_OK;
}

int64_t window_source(const window *w, const int64_t *at, int64_t tap)
{
    int64_t k[WINDOW_RANK], source = 0;
    window_coordinates(w->rank, w->kernel, tap, k);
    for (uint32_t d = 0; d < w->rank; d++) {
        int64_t i = at[d] * w->stride[d] + k[d] * w->dilation[d] - w->before[d];
        if (i < 0 || i >= w->image[d])
            return -1;
        source = source * w->image[d] + i;
    }
    return source;
}

int64_t window_counted(const window *w, const int64_t *at, bool padding)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < w->rank; d++) {
        int64_t start = at[d] * w->stride[d] - w->before[d], count = 0;
        int64_t high = w->image[d] + (padding ? w->after[d] : 0);
        for (int64_t k = 0; k < w->kernel[d]; k++) {
            int64_t i = start + k * w->dilation[d];
            count += i < high && (padding || i >= 0);
        }
        n *= count;
    }
    return n;
}

tensor window_channels_first(const tensor *t, bool last)
{
    tensor first = *t;
    if (last) {
        first.dims[1] = t->dims[t->rank - 1];
        memcpy(first.dims + 2, t->dims + 1, (t->rank - 2) * sizeof *t->dims);
    }
    return first;
}

/* How many of `run` steps from i are below `limit`. */
static int64_t steps_below(int64_t i, int64_t step, int64_t limit, int64_t run)
{
    int64_t n = i >= limit ? 0 : (limit - i + step - 1) / step;
    return n < run ? n : run;
}

int64_t window_source_row(const window *w, const int64_t *at, int64_t tap)
{
    int64_t k[WINDOW_RANK], source = 0;
    window_coordinates(w->rank, w->kernel, tap, k);
    for (uint32_t d = 0; d + 1 < w->rank; d++) {
        int64_t i = at[d] * w->stride[d] + k[d] * w->dilation[d] - w->before[d];
        if (i < 0 || i >= w->image[d])
            return -1;
        source = source * w->image[d] + i;
    }
    return source * w->image[w->rank - 1];
}

int64_t window_run(const window *w, int64_t t, int64_t n, int64_t *first, int64_t *end)
{
    uint32_t last = w->rank - 1;
    int64_t i = t * w->dilation[last] - w->before[last];
    *first = steps_below(i, w->stride[last], 0, n);
    *end = steps_below(i, w->stride[last], w->image[last], n);
    return i;
}

#define TAP(T)                                                                                     \
    WINDOW_TAP(T)                                                                                  \
    {                                                                                              \
        uint32_t last = w->rank - 1;                                                               \
        int64_t tap_at[WINDOW_RANK], at[WINDOW_RANK], width = w->image[last];                      \
        int64_t step = w->stride[last];                                                            \
        for (uint32_t d = 0; d < w->rank; d++) {                                                   \
            at[d] = from[d];                                                                       \
            tap_at[d] = tap[d] * w->dilation[d] - w->before[d];                                    \
        }                                                                                          \
        while (columns > 0) {                                                                      \
            int64_t run = w->result[last] - at[last], row = 0, i, r = 0;                           \
            bool inside = true;                                                                    \
            run = run < columns ? run : columns;                                                   \
            for (uint32_t d = 0; d < last; d++) {                                                  \
                i = at[d] * w->stride[d] + tap_at[d];                                              \
                inside = inside && i >= 0 && i < w->image[d];                                      \
                row = row * w->image[d] + i;                                                       \
            }                                                                                      \
            i = at[last] * step + tap_at[last];                                                    \
            int64_t first = inside ? steps_below(i, step, 0, run) : run;                           \
            int64_t end = inside ? steps_below(i, step, width, run) : run;                         \
            int64_t source = row * width + i;                                                      \
            for (; r < first; r++)                                                                 \
                to[r] = outside;                                                                   \
            if (step == 1 && end > first) {                                                        \
                memcpy(to + first, image + source + first, (size_t)(end - first) * sizeof(T));     \
                r = end;                                                                           \
            }                                                                                      \
            for (; r < end; r++)                                                                   \
                to[r] = image[source + r * step];                                                  \
            for (; r < run; r++)                                                                   \
                to[r] = outside;                                                                   \
            to += run;                                                                             \
            columns -= run;                                                                        \
            at[last] = 0;                                                                          \
            for (uint32_t d = last; d-- > 0;) {                                                    \
                if (++at[d] < w->result[d])                                                        \
                    break;                                                                         \
                at[d] = 0;                                                                         \
            }                                                                                      \
        }                                                                                          \
    }
TAP(float)
TAP(double)
TAP(int8_t)
TAP(uint8_t)
