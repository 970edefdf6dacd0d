/* slide.h — sums over what a kernel's taps meet in an image, for Conv and ConvTranspose in f32. */
#ifndef CPU_SLIDE_H
#define CPU_SLIDE_H

#include "cpu/activation.h"
#include "cpu/window.h"

typedef struct slide {
    window window;   /* where transposed, that of the convolution which this one undoes */
    bool transposed; /* … and image and result change places                            */
    int64_t batches, groups, channels, outputs; /* channels and outputs of one group     */
    const float *x;      /* [batches, groups * channels, space …]                        */
    const float *weight; /* [groups * outputs, channels, kernel …]; transposed:
                            [groups * channels, outputs, kernel …]                       */
    const float *bias;   /* [groups * outputs], or NULL                                  */
    const float *more;   /* as y, added before the activation, or NULL                   */
    float *y;            /* [batches, groups * outputs, space …], not empty              */
    activation f;
} slide;

/* Computes y. *done is false, and nothing is done, where dilations or strides so large are asked for
   that the padded image would need unreasonable memory. */
brink_status slide_run(const kernel_args *a, const slide *s, bool *done);

#endif
