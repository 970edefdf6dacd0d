/* conv_transpose.c — ConvTranspose in one to six spatial dimensions.

   Source: ONNX ConvTranspose. In f32 cpu/slide.h computes it. Double precision, and sizes that
   cpu/slide.h refuses, add each input position's taps where they belong, output channels over
   threads. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/slide.h"

typedef struct transpose_job {
    window w; /* of the convolution that this one undoes: its image is the output here */
    int64_t channels, outputs; /* of one group */
    const void *x, *weight, *bias;
    void *y; /* this image's and group's */
} transpose_job;

/* One output channel: each channel's positions, each with its taps. */
#define SCATTER(T)                                                                                 \
    static void scatter_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                \
    {                                                                                              \
        (void)thread;                                                                              \
        const transpose_job *job = arg;                                                            \
        const window *w = &job->w;                                                                 \
        int64_t at[WINDOW_RANK], tap[WINDOW_RANK] = {0};                                           \
        for (int64_t o = begin; o < end; o++)                                                      \
            for (int64_t c = 0; c < job->channels; c++) {                                          \
                const T *x = (const T *)job->x + c * w->result_size;                               \
                const T *weight =                                                                  \
                    (const T *)job->weight + (c * job->outputs + o) * w->kernel_size;              \
                T *y = (T *)job->y + o * w->image_size;                                            \
                for (int64_t p = 0; p < w->result_size; p++) {                                     \
                    window_coordinates(w->rank, w->result, p, at);                                 \
                    for (int64_t k = 0; k < w->kernel_size; k++) {                                 \
                        int64_t to = 0;                                                            \
                        bool inside = true;                                                        \
                        for (uint32_t d = 0; d < w->rank; d++) {                                   \
                            int64_t i =                                                            \
                                at[d] * w->stride[d] + tap[d] * w->dilation[d] - w->before[d];     \
                            inside = inside && i >= 0 && i < w->image[d];                          \
                            to = to * w->image[d] + i;                                             \
                        }                                                                          \
                        if (inside)                                                                \
                            y[to] += x[p] * weight[k];                                             \
                        window_next(w->rank, w->kernel, tap); /* back at 0 after the last */       \
                    }                                                                              \
                }                                                                                  \
            }                                                                                      \
    }
SCATTER(float)
SCATTER(double)

static void start_with_bias(const kernel_args *a, const transpose_job *job, int64_t groups)
{
    tensor *out = a->out[0];
    int64_t planes = out->dims[0] * out->dims[1], size = job->w.image_size;
    for (int64_t p = 0; p < planes; p++) {
        int64_t c = p % (groups * job->outputs);
        if (out->type == BRINK_F32) {
            float bias = job->bias != NULL ? ((const float *)job->bias)[c] : 0;
            for (int64_t i = 0; i < size; i++)
                ((float *)out->data)[p * size + i] = bias;
        } else {
            double bias = job->bias != NULL ? ((const double *)job->bias)[c] : 0;
            for (int64_t i = 0; i < size; i++)
                ((double *)out->data)[p * size + i] = bias;
        }
    }
}

brink_status cpu_conv_transpose(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *bias = kernel_in(a, 2);
    tensor *out = a->out[0];
    int64_t groups = onnx_int(a->node, ATTR_group, 1);
    if ((x->type != BRINK_F32 && x->type != BRINK_F64) || w->type != x->type ||
        (bias != NULL && bias->type != x->type))
        return kernel_bad_type(a, w->type == x->type ? x->type : w->type);
    if (groups < 1 || w->dims[0] != x->dims[1] || x->dims[1] % groups != 0 ||
        (bias != NULL && tensor_count(bias) != out->dims[1]))
        return kernel_fail(a, BRINK_BAD_INPUT,
                           "%lld channels in %lld groups, the weight takes %lld",
                           (long long)x->dims[1], (long long)groups, (long long)w->dims[0]);
    transpose_job job = {.channels = x->dims[1] / groups,
                         .outputs = w->dims[1],
                         .bias = bias != NULL ? bias->data : NULL};
    TRY(window_read_transposed(a, x, w->dims + 2, out, &job.w));
    bool single = x->type == BRINK_F32;
    activation f;
    TRY(conv_activation(a, &f));
    int64_t taps = job.w.kernel_size, size = element_bytes(x->type);
    if (single && tensor_count(out) > 0 && tensor_count(x) > 0) {
        slide f32 = {.window = job.w,
                     .transposed = true,
                     .batches = x->dims[0],
                     .groups = groups,
                     .channels = job.channels,
                     .outputs = job.outputs,
                     .x = x->data,
                     .weight = w->data,
                     .bias = job.bias,
                     .y = out->data,
                     .f = f};
        bool done = false;
        TRY(slide_run(a, &f32, &done));
        if (done)
            return BRINK_OK;
    }
    start_with_bias(a, &job, groups);
    if (tensor_count(out) == 0 || tensor_count(x) == 0)
        return BRINK_OK;
    for (int64_t i = 0; i < x->dims[0] * groups; i++) {
        int64_t g = i % groups;
        job.x = (const char *)x->data + i * job.channels * job.w.result_size * size;
        job.weight = (const char *)w->data + g * job.channels * job.outputs * taps * size;
        job.y = (char *)out->data + i * job.outputs * job.w.image_size * size;
        thread_for(a->context->pool, job.outputs, 1, single ? scatter_float : scatter_double, &job);
    }
    if (single)
        activate_row(&f, out->data, tensor_count(out));
    return BRINK_OK;
}
