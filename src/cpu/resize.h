/* resize.h — what a Resize or Upsample node asks of each axis. */
#ifndef CPU_RESIZE_H
#define CPU_RESIZE_H

#include "graph/kernel.h"

typedef enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC } resize_mode;

typedef struct resize_axis {
    int64_t in, out, taps;
    float scale, roi_start, roi_end;
    bool identity;
    bool ratio;     /* the scale is out / in: ties are met by multiplying before dividing */
    int64_t *index; /* [out, taps], in [0, in)                                     */
    float *weight;  /* [out, taps]                                                 */
    bool *outside;  /* [out]: the extrapolation value goes here; of tf_crop_and_resize */
} resize_axis;

typedef struct resize {
    resize_mode mode;
    const char *coordinates, *nearest;
    bool antialias, exclude_outside, crop, simple; /* simple: nearest before opset 11 */
    float cubic_a, extrapolation;
    resize_axis axes[BRINK_MAX_RANK];
} resize;

/* Everything but the tables. */
brink_status resize_read(const kernel_args *a, resize *z);

#endif
