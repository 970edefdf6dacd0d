/* conv.c — Conv in one to six spatial dimensions, with groups, strides, dilations and padding.

   Source: ONNX Conv; the product form after Chellapilla et al. (2006), without their buffer: panels
   of the unrolled image are made as the product (cpu/product.h) asks for them. One channel a group
   (depthwise) is computed directly. Bound by compute; depthwise by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

#include <string.h>

enum { SPATIAL = BRINK_MAX_RANK - 2 };

typedef struct conv {
    uint32_t rank; /* of space */
    int64_t image[SPATIAL], kernel[SPATIAL], result[SPATIAL];
    int64_t stride[SPATIAL], dilation[SPATIAL], before[SPATIAL]; /* before: padding */
    int64_t image_size, kernel_size, result_size;                /* products       */
    int64_t channels, outputs;                                   /* of one group   */
    const float *x;                                              /* this group's image */
    /* depthwise */
    const float *w, *bias;
    float *y;
    int64_t groups, multiplier;
} conv;

/* Writes the image elements that kernel tap `k` meets at results n to n + columns. */
static void tap_row(const conv *c, int64_t k, int64_t n, int64_t columns, float *to)
{
    uint32_t last = c->rank - 1;
    int64_t tap[SPATIAL], at[SPATIAL], rest = k % c->kernel_size, position = n;
    const float *x = c->x + k / c->kernel_size * c->image_size;
    for (uint32_t d = c->rank; d-- > 0;) {
        tap[d] = rest % c->kernel[d] * c->dilation[d] - c->before[d];
        rest /= c->kernel[d];
        at[d] = position % c->result[d];
        position /= c->result[d];
    }
    while (columns > 0) {
        int64_t run = c->result[last] - at[last], row = 0, width = c->image[last];
        bool inside = true;
        run = run < columns ? run : columns;
        for (uint32_t d = 0; d < last; d++) {
            int64_t i = at[d] * c->stride[d] + tap[d];
            inside = inside && i >= 0 && i < c->image[d];
            row = row * c->image[d] + i;
        }
        if (inside) {
            const float *from = x + row * width;
            int64_t i = at[last] * c->stride[last] + tap[last], step = c->stride[last];
            if (step == 1 && i >= 0 && i + run <= width)
                memcpy(to, from + i, (size_t)run * sizeof(float));
            else
                for (int64_t r = 0; r < run; r++, i += step)
                    to[r] = i >= 0 && i < width ? from[i] : 0;
        } else {
            memset(to, 0, (size_t)run * sizeof(float));
        }
        to += run;
        columns -= run;
        at[last] = 0;
        for (uint32_t d = last; d-- > 0;) {
            if (++at[d] < c->result[d])
                break;
            at[d] = 0;
        }
    }
}

static void conv_panel(const void *source, int64_t n, int64_t columns, int64_t k, int64_t count,
                       int64_t width, float *panel)
{
    for (int64_t r = 0; r < count; r++, panel += width) {
        tap_row(source, k + r, n, columns, panel);
        for (int64_t c = columns; c < width; c++)
            panel[c] = 0;
    }
}

/* One image channel, `multiplier` results of it. */
static void depthwise_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    enum { RUN = 256 };
    const conv *job = arg;
    float values[RUN];
    for (int64_t unit = begin; unit < end; unit++) {
        conv c = *job;
        int64_t output = unit % (c.groups * c.multiplier);
        c.x = job->x +
              (unit / (c.groups * c.multiplier) * c.groups + output / c.multiplier) * c.image_size;
        const float *w = c.w + output * c.kernel_size;
        float *y = c.y + unit * c.result_size, bias = c.bias != NULL ? c.bias[output] : 0;
        for (int64_t n = 0; n < c.result_size; n += RUN) {
            int64_t count = c.result_size - n < RUN ? c.result_size - n : RUN;
            for (int64_t i = 0; i < count; i++)
                y[n + i] = bias;
            for (int64_t k = 0; k < c.kernel_size; k++) {
                tap_row(&c, k, n, count, values);
                for (int64_t i = 0; i < count; i++)
                    y[n + i] += w[k] * values[i];
            }
        }
    }
}

static int64_t entry(const int64_t *list, uint32_t count, uint32_t i, int64_t otherwise)
{
    return list != NULL && i < count ? list[i] : otherwise;
}

static brink_status geometry(const kernel_args *a, conv *c)
{
    const tensor *x = a->in[0], *w = a->in[1], *out = a->out[0];
    uint32_t strides_n = 0, dilations_n = 0, pads_n = 0;
    const int64_t *strides = onnx_ints(a->node, ATTR_strides, &strides_n);
    const int64_t *dilations = onnx_ints(a->node, ATTR_dilations, &dilations_n);
    const int64_t *pads = onnx_ints(a->node, ATTR_pads, &pads_n);
    const char *mode = onnx_string(a->node, ATTR_auto_pad, "NOTSET");
    c->rank = x->rank - 2;
    c->image_size = dims_product(x, 2, x->rank);
    c->kernel_size = dims_product(w, 2, w->rank);
    c->result_size = dims_product(out, 2, out->rank);
    for (uint32_t d = 0; d < c->rank; d++) {
        c->image[d] = x->dims[2 + d];
        c->kernel[d] = w->dims[2 + d];
        c->result[d] = out->dims[2 + d];
        c->stride[d] = entry(strides, strides_n, d, 1);
        c->dilation[d] = entry(dilations, dilations_n, d, 1);
        c->before[d] = entry(pads, pads_n, d, 0);
        if (c->stride[d] < 1 || c->dilation[d] < 1)
            return kernel_fail(a, BRINK_BAD_INPUT, "stride %lld and dilation %lld",
                               (long long)c->stride[d], (long long)c->dilation[d]);
        if (strcmp(mode, "VALID") == 0)
            c->before[d] = 0;
        if (strncmp(mode, "SAME", 4) == 0) {
            int64_t all = (c->result[d] - 1) * c->stride[d] + (c->kernel[d] - 1) * c->dilation[d] +
                          1 - c->image[d];
            all = all < 0 ? 0 : all;
            c->before[d] = strcmp(mode, "SAME_LOWER") == 0 ? (all + 1) / 2 : all / 2;
        }
    }
    return BRINK_OK;
}

/* A kernel of one tap that visits every image element once is a plain matrix product. */
static bool pointwise(const conv *c)
{
    for (uint32_t d = 0; d < c->rank; d++)
        if (c->kernel[d] != 1 || c->stride[d] != 1 || c->before[d] != 0 ||
            c->result[d] != c->image[d])
            return false;
    return true;
}

brink_status cpu_conv(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2);
    tensor *out = a->out[0];
    int64_t groups = onnx_int(a->node, ATTR_group, 1);
    conv c = {0};
    if (x->type != BRINK_F32 || w->type != BRINK_F32 || (bias != NULL && bias->type != BRINK_F32))
        return kernel_bad_type(a, x->type != BRINK_F32 ? x->type : w->type);
    if (x->rank < 3 || w->rank != x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "ranks %u and %u", x->rank, w->rank);
    if (groups < 1 || x->dims[1] != w->dims[1] * groups || w->dims[0] % groups != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld channels, %lld outputs of %lld in %lld groups",
                           (long long)x->dims[1], (long long)w->dims[0], (long long)w->dims[1],
                           (long long)groups);
    if (bias != NULL && tensor_count(bias) != w->dims[0])
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld biases for %lld outputs",
                           (long long)tensor_count(bias), (long long)w->dims[0]);
    TRY(geometry(a, &c));
    c.channels = w->dims[1];
    c.outputs = w->dims[0] / groups;
    c.groups = groups;
    c.multiplier = c.outputs;
    c.bias = bias != NULL ? bias->data : NULL;
    c.x = x->data;
    c.w = w->data;
    c.y = out->data;
    if (tensor_count(out) == 0)
        return BRINK_OK;
    int64_t batches = x->dims[0];
    if (c.channels == 1 && c.outputs <= 2) {
        thread_for(a->context->pool, batches * groups * c.outputs,
                   grain_for(c.result_size * c.kernel_size / 2), depthwise_range, &c);
        return BRINK_OK;
    }
    product p = {.m = c.outputs,
                 .n = c.result_size,
                 .k = c.channels * c.kernel_size,
                 .x_row = c.channels * c.kernel_size,
                 .y_row = c.result_size,
                 .add = bias != NULL,
                 .panel = conv_panel,
                 .source = &c};
    if (pointwise(&c)) {
        p.panel = NULL;
        p.w_type = BRINK_F32;
        p.w_row = c.image_size;
    }
    void *memory = kernel_scratch(a, product_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t b = 0; b < batches; b++)
        for (int64_t g = 0; g < groups; g++) {
            c.x = (const float *)x->data + (b * groups + g) * c.channels * c.image_size;
            p.w = c.x;
            p.x = c.w + g * c.outputs * p.k;
            p.y = c.y + (b * groups + g) * c.outputs * c.result_size;
            for (int64_t o = 0; bias != NULL && o < c.outputs; o++)
                for (int64_t i = 0; i < c.result_size; i++)
                    p.y[o * c.result_size + i] = c.bias[g * c.outputs + o];
            product_compute(a, &p, memory);
        }
    return BRINK_OK;
}
