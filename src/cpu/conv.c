/* conv.c — Conv in one to six spatial dimensions, with groups, strides, dilations and padding.

   Source: ONNX Conv; the product form after Chellapilla et al. (2006), without their buffer: panels
   of the unrolled image are made as the product (cpu/product.h) asks for them. One channel a group
   (depthwise) is computed directly, and so is double precision. Bound by compute; depthwise by
   memory. */
#include "cpu/conv.h"

#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

typedef struct conv {
    conv_sizes s;
    const void *x, *w, *bias; /* bias may be NULL */
    void *y;
} conv;

brink_status conv_read(const kernel_args *a, const tensor *x, const tensor *w, const tensor *bias,
                       const tensor *out, conv_sizes *s)
{
    int64_t groups = onnx_int(a->node, ATTR_group, 1);
    if (x->rank < 3 || w->rank != x->rank || out->rank != x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "ranks %u and %u", x->rank, w->rank);
    if (groups < 1 || x->dims[1] != w->dims[1] * groups || w->dims[0] % groups != 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld channels, %lld outputs of %lld in %lld groups",
                           (long long)x->dims[1], (long long)w->dims[0], (long long)w->dims[1],
                           (long long)groups);
    if (bias != NULL && tensor_count(bias) != w->dims[0])
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld biases for %lld outputs",
                           (long long)tensor_count(bias), (long long)w->dims[0]);
    s->batches = x->dims[0];
    s->groups = groups;
    s->channels = w->dims[1];
    s->outputs = w->dims[0] / groups;
    return window_read(a, x, w->dims + 2, out, &s->window);
}

/* One group's image. */
typedef struct image_panel {
    const window *window;
    const float *x;
} image_panel;

static void conv_panel(const void *source, int64_t n, int64_t columns, int64_t k, int64_t count,
                       int64_t width, float *panel)
{
    const image_panel *p = source;
    const window *w = p->window;
    int64_t at[WINDOW_RANK], tap[WINDOW_RANK];
    const float *x = p->x + k / w->kernel_size * w->image_size;
    window_coordinates(w->rank, w->result, n, at);
    window_coordinates(w->rank, w->kernel, k % w->kernel_size, tap);
    for (int64_t r = 0; r < count; r++, panel += width) {
        window_tap_float(w, x, tap, at, columns, 0, panel);
        for (int64_t c = columns; c < width; c++)
            panel[c] = 0;
        if (!window_next(w->rank, w->kernel, tap))
            x += w->image_size;
    }
}

/* Units are output channels of all batches, each the sum over its group's channels and taps. */
#define DIRECT(T)                                                                                  \
    static void direct_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                 \
    {                                                                                              \
        (void)thread;                                                                              \
        const conv *c = arg;                                                                       \
        const window *w = &c->s.window;                                                            \
        int64_t filters = c->s.groups * c->s.outputs, depth = c->s.channels * w->kernel_size;      \
        T values[WINDOW_RUN];                                                                      \
        int64_t at[WINDOW_RANK], tap[WINDOW_RANK] = {0}; /* tap is back at 0 after each pass */    \
        for (int64_t unit = begin; unit < end; unit++) {                                           \
            int64_t filter = unit % filters, batch = unit / filters;                               \
            int64_t channel = (batch * c->s.groups + filter / c->s.outputs) * c->s.channels;       \
            const T *x = (const T *)c->x + channel * w->image_size;                                \
            const T *weight = (const T *)c->w + filter * depth;                                    \
            T *y = (T *)c->y + unit * w->result_size;                                              \
            T bias = c->bias != NULL ? ((const T *)c->bias)[filter] : 0;                           \
            for (int64_t n = 0; n < w->result_size; n += WINDOW_RUN) {                             \
                int64_t rest = w->result_size - n, count = rest < WINDOW_RUN ? rest : WINDOW_RUN;  \
                for (int64_t i = 0; i < count; i++)                                                \
                    y[n + i] = bias;                                                               \
                window_coordinates(w->rank, w->result, n, at);                                     \
                const T *image = x;                                                                \
                for (int64_t k = 0; k < depth; k++) {                                              \
                    window_tap_##T(w, image, tap, at, count, 0, values);                           \
                    for (int64_t i = 0; i < count; i++)                                            \
                        y[n + i] += weight[k] * values[i];                                         \
                    if (!window_next(w->rank, w->kernel, tap))                                     \
                        image += w->image_size;                                                    \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
DIRECT(float)
DIRECT(double)

/* A kernel of one tap that visits every image element once is a plain matrix product. */
static bool pointwise(const window *w)
{
    for (uint32_t d = 0; d < w->rank; d++)
        if (w->kernel[d] != 1 || w->stride[d] != 1 || w->before[d] != 0 ||
            w->result[d] != w->image[d])
            return false;
    return true;
}

static brink_status conv_product(const kernel_args *a, const conv *c)
{
    const conv_sizes *s = &c->s;
    const window *w = &s->window;
    image_panel image = {.window = w};
    product p = {.m = s->outputs,
                 .n = w->result_size,
                 .k = s->channels * w->kernel_size,
                 .x_row = s->channels * w->kernel_size,
                 .y_row = w->result_size,
                 .add = c->bias != NULL,
                 .panel = conv_panel,
                 .source = &image};
    if (pointwise(w)) {
        p.panel = NULL;
        p.w_type = BRINK_F32;
        p.w_row = w->image_size;
    }
    void *memory = kernel_scratch(a, product_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t b = 0; b < s->batches; b++)
        for (int64_t g = 0; g < s->groups; g++) {
            image.x = (const float *)c->x + (b * s->groups + g) * s->channels * w->image_size;
            p.w = image.x;
            p.x = (const float *)c->w + g * s->outputs * p.k;
            p.y = (float *)c->y + (b * s->groups + g) * s->outputs * w->result_size;
            for (int64_t o = 0; c->bias != NULL && o < s->outputs; o++)
                for (int64_t i = 0; i < w->result_size; i++)
                    p.y[o * w->result_size + i] = ((const float *)c->bias)[g * s->outputs + o];
            product_compute(a, &p, memory);
        }
    return BRINK_OK;
}

brink_status cpu_conv(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2);
    tensor *out = a->out[0];
    conv c = {.x = x->data, .w = w->data, .bias = bias != NULL ? bias->data : NULL, .y = out->data};
    if ((x->type != BRINK_F32 && x->type != BRINK_F64) || w->type != x->type ||
        (bias != NULL && bias->type != x->type))
        return kernel_bad_type(a, w->type == x->type ? x->type : w->type);
    TRY(conv_read(a, x, w, bias, out, &c.s));
    if (tensor_count(out) == 0)
        return BRINK_OK;
    const conv_sizes *s = &c.s;
    if (x->type == BRINK_F32 && (s->channels > 1 || s->outputs > 2))
        return conv_product(a, &c);
    thread_for(a->context->pool, s->batches * s->groups * s->outputs,
               grain_for(s->window.result_size * s->window.kernel_size * s->channels / 2),
               x->type == BRINK_F32 ? direct_float : direct_double, &c);
    return BRINK_OK;
}
