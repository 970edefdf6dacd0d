/* conv.c — Conv in one to six spatial dimensions, with groups, strides, dilations and padding.

   Source: ONNX Conv. In f32 cpu/slide.h computes it. Double precision, and sizes that cpu/slide.h
   refuses, are sums over taps of each output channel. */
#include "cpu/conv.h"

#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/slide.h"

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

brink_status conv_activation(const kernel_args *a, activation *f)
{
    const char *name = onnx_string(a->node, ATTR_activation, "");
    const onnx_attr *params = onnx_find(a->node, ATTR_activation_params);
    if (!activation_find(name, f))
        return kernel_fail(a, BRINK_UNSUPPORTED, "activation %s", name);
    if (params == NULL || params->kind != ATTR_KIND_FLOATS)
        return BRINK_OK;
    f->alpha = params->count > 0 ? params->floats[0] : f->alpha;
    f->beta = params->count > 1 ? params->floats[1] : f->beta;
    f->scaled = params->count == 4;
    f->gain = f->scaled ? params->floats[2] : 1;
    f->shift = f->scaled ? params->floats[3] : 0;
    return BRINK_OK;
}

brink_status conv_compute(const kernel_args *a, const tensor *more, const activation *f,
                          bool *finished)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2);
    tensor *out = a->out[0];
    conv c = {.x = x->data, .w = w->data, .bias = bias != NULL ? bias->data : NULL, .y = out->data};
    *finished = false;
    if ((x->type != BRINK_F32 && x->type != BRINK_F64) || w->type != x->type ||
        (bias != NULL && bias->type != x->type))
        return kernel_bad_type(a, w->type == x->type ? x->type : w->type);
    TRY(conv_read(a, x, w, bias, out, &c.s));
    const conv_sizes *s = &c.s;
    if (tensor_count(out) == 0)
        return BRINK_OK;
    if (x->type == BRINK_F32 && tensor_count(x) > 0) {
        bool inside = !activation_slow(f) && (more == NULL || more->type == BRINK_F32);
        slide f32 = {.window = s->window,
                     .batches = s->batches,
                     .groups = s->groups,
                     .channels = s->channels,
                     .outputs = s->outputs,
                     .x = c.x,
                     .weight = c.w,
                     .bias = c.bias,
                     .more = inside && more != NULL ? more->data : NULL,
                     .y = c.y};
        if (inside)
            f32.f = *f;
        bool done = false;
        TRY(slide_run(a, &f32, &done));
        *finished = done && inside;
        if (done)
            return BRINK_OK;
    }
    thread_for(a->context->pool, s->batches * s->groups * s->outputs,
               grain_for(s->window.result_size * s->window.kernel_size * s->channels / 2),
               x->type == BRINK_F32 ? direct_float : direct_double, &c);
    return BRINK_OK;
}

brink_status cpu_conv(const kernel_args *a)
{
    activation none = {0};
    bool finished;
    return conv_compute(a, NULL, &none, &finished);
}
