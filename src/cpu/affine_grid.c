/* affine_grid.c — AffineGrid: where a grid's points go under an affine map.

   Source: ONNX AffineGrid. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

/* Position i of n in [−1, 1]: its corners or its edges at the ends. */
static double position(int64_t i, int64_t n, bool align)
{
    if (align)
        return n > 1 ? -1 + 2.0 * (double)i / (double)(n - 1) : -1;
    return -1 + (2.0 * (double)i + 1) / (double)n;
}

brink_status cpu_affine_grid(const kernel_args *a)
{
    const tensor *theta = a->in[0];
    tensor *out = a->out[0];
    bool align = onnx_int(a->node, ATTR_align_corners, 0) != 0;
    uint32_t axes = out->rank - 2;
    int64_t points = dims_product(out, 1, out->rank - 1);
    if (out->type != BRINK_F32 && out->type != BRINK_F64)
        return kernel_bad_type(a, out->type);
    for (int64_t i = 0; i < out->dims[0] * points; i++) {
        int64_t rest = i % points, row = i / points * axes * (axes + 1);
        double at[4]; /* the last axis comes first, and a one at the end */
        at[axes] = 1;
        for (uint32_t d = 0; d < axes; d++) {
            int64_t n = out->dims[axes - d];
            at[d] = position(rest % n, n, align);
            rest /= n;
        }
        for (uint32_t k = 0; k < axes; k++) {
            double sum = 0;
            for (uint32_t d = 0; d <= axes; d++)
                sum += tensor_number(theta, row + k * (axes + 1) + d) * at[d];
            if (out->type == BRINK_F64)
                ((double *)out->data)[i * axes + k] = sum;
            else
                ((float *)out->data)[i * axes + k] = (float)sum;
        }
    }
    return BRINK_OK;
}
