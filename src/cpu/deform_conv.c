/* deform_conv.c — DeformConv in two dimensions.

   Source: ONNX DeformConv (Zhu et al., "Deformable ConvNets v2", 2018). For a block of results the
   displaced image elements are gathered to a panel, which the product with the weights (cpu/product.h)
   asks for. Bound by the scattered reads. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

#include <math.h>

typedef struct deform {
    conv_sizes s;
    const float *x;            /* one image, all channels          */
    const float *offset;       /* [offset groups, taps, 2, results] */
    const float *mask;         /* [offset groups, taps, results], or NULL */
    int64_t first, per_offset; /* this group's first channel; channels an offset group */
} deform;

static float pixel(const deform *c, const float *plane, int64_t y, int64_t x)
{
    const window *w = &c->s.window;
    return y < 0 || y >= w->image[0] || x < 0 || x >= w->image[1] ? 0 : plane[y * w->image[1] + x];
}

static float bilinear(const deform *c, const float *plane, float y, float x)
{
    const window *w = &c->s.window;
    if (!(y > -1 && y < (float)w->image[0] && x > -1 && x < (float)w->image[1]))
        return 0;
    float y0 = floorf(y), x0 = floorf(x), ty = y - y0, tx = x - x0;
    int64_t iy = (int64_t)y0, ix = (int64_t)x0;
    return (1 - ty) * ((1 - tx) * pixel(c, plane, iy, ix) + tx * pixel(c, plane, iy, ix + 1)) +
           ty * ((1 - tx) * pixel(c, plane, iy + 1, ix) + tx * pixel(c, plane, iy + 1, ix + 1));
}

static void deform_panel(const void *source, int64_t n, int64_t columns, int64_t k, int64_t count,
                         int64_t width, float *panel)
{
    const deform *c = source;
    const window *w = &c->s.window;
    for (int64_t r = k; r < k + count; r++, panel += width) {
        int64_t channel = c->first + r / w->kernel_size, tap = r % w->kernel_size;
        int64_t which = channel / c->per_offset * w->kernel_size + tap;
        const float *plane = c->x + channel * w->image_size;
        const float *dy = c->offset + 2 * which * w->result_size, *dx = dy + w->result_size;
        const float *mask = c->mask != NULL ? c->mask + which * w->result_size : NULL;
        for (int64_t i = 0; i < width; i++) {
            if (i >= columns) {
                panel[i] = 0;
                continue;
            }
            int64_t at = n + i, y = at / w->result[1], x = at % w->result[1];
            y = y * w->stride[0] - w->before[0] + tap / w->kernel[1] * w->dilation[0];
            x = x * w->stride[1] - w->before[1] + tap % w->kernel[1] * w->dilation[1];
            panel[i] = bilinear(c, plane, (float)y + dy[at], (float)x + dx[at]);
            if (mask != NULL)
                panel[i] *= mask[at];
        }
    }
}

brink_status cpu_deform_conv(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *offset = a->in[2], *bias = kernel_in(a, 3);
    const tensor *mask = kernel_in(a, 4);
    tensor *out = a->out[0];
    int64_t offset_groups = onnx_int(a->node, ATTR_offset_group, 1);
    deform c = {0};
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i] != NULL && a->in[i]->type != BRINK_F32)
            return kernel_bad_type(a, a->in[i]->type);
    if (x->rank != 4)
        return kernel_fail(a, BRINK_UNSUPPORTED, "rank %u, only 4 is supported", x->rank);
    TRY(conv_read(a, x, w, bias, out, &c.s));
    const window *win = &c.s.window;
    int64_t each = offset_groups * win->kernel_size * win->result_size;
    if (offset_groups < 1 || x->dims[1] % offset_groups != 0 ||
        tensor_count(offset) != c.s.batches * 2 * each ||
        (mask != NULL && tensor_count(mask) != c.s.batches * each))
        return kernel_fail(a, BRINK_BAD_INPUT, "offset or mask do not fit %lld offset groups",
                           (long long)offset_groups);
    if (tensor_count(out) == 0)
        return BRINK_OK;
    c.per_offset = x->dims[1] / offset_groups;
    product p = {.m = c.s.outputs,
                 .n = win->result_size,
                 .k = c.s.channels * win->kernel_size,
                 .x_row = c.s.channels * win->kernel_size,
                 .y_row = win->result_size,
                 .add = true,
                 .panel = deform_panel,
                 .source = &c};
    void *memory = kernel_scratch(a, product_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t i = 0; i < c.s.batches * c.s.groups; i++) {
        int64_t batch = i / c.s.groups, group = i % c.s.groups;
        c.x = (const float *)x->data + batch * x->dims[1] * win->image_size;
        c.offset = (const float *)offset->data + batch * 2 * each;
        c.mask = mask != NULL ? (const float *)mask->data + batch * each : NULL;
        c.first = group * c.s.channels;
        p.x = (const float *)w->data + group * p.m * p.k;
        p.y = (float *)out->data + i * p.m * p.n;
        for (int64_t o = 0; o < p.m; o++)
            for (int64_t k = 0; k < p.n; k++)
                p.y[o * p.n + k] = bias != NULL ? ((const float *)bias->data)[group * p.m + o] : 0;
        product_compute(a, &p, memory);
    }
    return BRINK_OK;
}
