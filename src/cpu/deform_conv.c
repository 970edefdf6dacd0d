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

#define BILINEAR(T, FLOOR)                                                                         \
    static T pixel_##T(const window *w, const T *plane, int64_t y, int64_t x)                      \
    {                                                                                              \
        return y < 0 || y >= w->image[0] || x < 0 || x >= w->image[1]                              \
                   ? 0                                                                             \
                   : plane[y * w->image[1] + x];                                                   \
    }                                                                                              \
    static T bilinear_##T(const window *w, const T *plane, T y, T x)                               \
    {                                                                                              \
        if (!(y > -1 && y < (T)w->image[0] && x > -1 && x < (T)w->image[1]))                       \
            return 0;                                                                              \
        T y0 = FLOOR(y), x0 = FLOOR(x), ty = y - y0, tx = x - x0;                                  \
        int64_t iy = (int64_t)y0, ix = (int64_t)x0;                                                \
        return (1 - ty) * ((1 - tx) * pixel_##T(w, plane, iy, ix) +                                \
                           tx * pixel_##T(w, plane, iy, ix + 1)) +                                 \
               ty * ((1 - tx) * pixel_##T(w, plane, iy + 1, ix) +                                  \
                     tx * pixel_##T(w, plane, iy + 1, ix + 1));                                    \
    }
BILINEAR(float, floorf)
BILINEAR(double, floor)

/* Where tap `tap` of result `at` reads the image before it is displaced. */
static void tap_at(const window *w, int64_t at, int64_t tap, int64_t *y, int64_t *x)
{
    *y = at / w->result[1] * w->stride[0] - w->before[0] + tap / w->kernel[1] * w->dilation[0];
    *x = at % w->result[1] * w->stride[1] - w->before[1] + tap % w->kernel[1] * w->dilation[1];
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
            int64_t at = n + i, y, x;
            tap_at(w, at, tap, &y, &x);
            panel[i] = bilinear_float(w, plane, (float)y + dy[at], (float)x + dx[at]);
            if (mask != NULL)
                panel[i] *= mask[at];
        }
    }
}

/* In double precision, element by element. */
typedef struct deform_double {
    conv_sizes s;
    const double *x, *w, *bias, *offset, *mask;
    double *y;
    int64_t offset_groups;
} deform_double;

static void deform_double_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const deform_double *c = arg;
    const window *w = &c->s.window;
    int64_t outputs = c->s.groups * c->s.outputs, channels = c->s.groups * c->s.channels;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t batch = unit / outputs, o = unit % outputs,
                first = o / c->s.outputs * c->s.channels;
        for (int64_t at = 0; at < w->result_size; at++) {
            double sum = c->bias != NULL ? c->bias[o] : 0;
            for (int64_t r = 0; r < c->s.channels * w->kernel_size; r++) {
                int64_t channel = first + r / w->kernel_size, tap = r % w->kernel_size, y, x;
                int64_t which = (batch * c->offset_groups + channel * c->offset_groups / channels) *
                                    w->kernel_size +
                                tap;
                const double *d = c->offset + 2 * which * w->result_size + at;
                tap_at(w, at, tap, &y, &x);
                double value =
                    bilinear_double(w, c->x + (batch * channels + channel) * w->image_size,
                                    (double)y + d[0], (double)x + d[w->result_size]);
                if (c->mask != NULL)
                    value *= c->mask[which * w->result_size + at];
                sum += value * c->w[o * c->s.channels * w->kernel_size + r];
            }
            c->y[unit * w->result_size + at] = sum;
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
        if (a->in[i] != NULL &&
            (a->in[i]->type != x->type || (x->type != BRINK_F32 && x->type != BRINK_F64)))
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
    if (x->type == BRINK_F64) {
        deform_double d = {c.s,          x->data,
                           w->data,      bias != NULL ? bias->data : NULL,
                           offset->data, mask != NULL ? mask->data : NULL,
                           out->data,    offset_groups};
        thread_for(a->context->pool, out->dims[0] * out->dims[1], 1, deform_double_range, &d);
        return BRINK_OK;
    }
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
