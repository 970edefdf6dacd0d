/* window.h — the geometry of a kernel that slides over an image, for Conv and the pools.

   Image, kernel and result have the same number of spatial dimensions, one to six. Tap k of the
   kernel meets, at result n, the image element at n * stride + k * dilation − before in each
   dimension; outside the image there is padding. */
#ifndef CPU_WINDOW_H
#define CPU_WINDOW_H

#include "graph/kernel.h"

enum { WINDOW_RANK = BRINK_MAX_RANK - 2, WINDOW_RUN = 256 };

typedef struct window {
    uint32_t rank;
    int64_t image[WINDOW_RANK], kernel[WINDOW_RANK], result[WINDOW_RANK];
    int64_t stride[WINDOW_RANK], dilation[WINDOW_RANK];
    int64_t before[WINDOW_RANK], after[WINDOW_RANK]; /* padding  */
    int64_t image_size, kernel_size, result_size;    /* products */
} window;

/* From the node's strides, dilations, pads and auto_pad; `x` and `out` are [N, C, space …] and
   `kernel` has one size a spatial dimension. */
brink_status window_read(const kernel_args *a, const tensor *x, const int64_t *kernel,
                         const tensor *out, window *w);

/* As window_read for a transposed convolution: `x` is the smaller side, and what slides over `out`
   would give x back, so image and result change places. */
brink_status window_read_transposed(const kernel_args *a, const tensor *x, const int64_t *kernel,
                                    const tensor *out, window *w);

/* The elements of one channel's image that the tap at `tap` meets at `columns` results from the one
   at `from` on, `outside` where that is padding. Both are coordinates. */
#define WINDOW_TAP(T)                                                                              \
    void window_tap_##T(const window *w, const T *image, const int64_t *tap, const int64_t *from,  \
                        int64_t columns, T outside, T *to)
WINDOW_TAP(float);
WINDOW_TAP(double);
WINDOW_TAP(int8_t);
WINDOW_TAP(uint8_t);

/* Coordinates of index `i` in a dense box. */
static inline void window_coordinates(uint32_t rank, const int64_t *dims, int64_t i, int64_t *at)
{
    for (uint32_t d = rank; d-- > 0; i /= dims[d])
        at[d] = i % dims[d];
}

/* Where tap `tap` at the result at `at` is in the image, −1 in the padding. */
int64_t window_source(const window *w, const int64_t *at, int64_t tap);

/* The next coordinates in a dense box; false when all have been. */
static inline bool window_next(uint32_t rank, const int64_t *dims, int64_t *at)
{
    for (uint32_t d = rank; d-- > 0; at[d] = 0)
        if (++at[d] < dims[d])
            return true;
    return false;
}

/* For rows of results, whose last coordinate runs from 0: where in the image the row begins that tap
   `tap`, the first of its last dimension, meets; −1 in the padding. */
int64_t window_source_row(const window *w, const int64_t *at, int64_t tap);

/* … and of n results of such a row, [*first, *end) at which tap t of the last dimension is inside;
   result r meets element r * stride + what is returned. */
int64_t window_run(const window *w, int64_t t, int64_t n, int64_t *first, int64_t *end);

/* How many taps at the result at `at` are in the image, or in it and its padding. */
int64_t window_counted(const window *w, const int64_t *at, bool padding);

/* The shape of channels-last t with the channels behind the batch; t itself when not `last`. */
tensor window_channels_first(const tensor *t, bool last);

#endif
