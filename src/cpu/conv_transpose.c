/* conv_transpose.c — ConvTranspose in one to six spatial dimensions.

   Source: ONNX ConvTranspose. For a block of input positions, one product (cpu/product.h) gives what
   each position adds to every output channel and kernel tap; those are then added where they belong,
   output channels over threads. Bound by compute; by memory with few channels. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"
#include "cpu/window.h"

#include <string.h>

enum { BLOCK = 256 };

typedef struct transpose_job {
    window w; /* of the convolution that this one undoes: its image is the output here */
    int64_t channels, outputs; /* of one group */
    const void *x, *weight, *bias;
    void *y;              /* this image's and group's */
    const float *shares;  /* [positions, outputs * kernel_size] */
    int64_t first, count; /* positions of the block */
} transpose_job;

/* Adds the kernel's taps for one input position to one output channel. */
#define SCATTER(T)                                                                                 \
    static void scatter_##T(const window *w, int64_t position, const T *share, T *y)               \
    {                                                                                              \
        uint32_t last = w->rank - 1;                                                               \
        int64_t at[WINDOW_RANK], tap[WINDOW_RANK] = {0}, run = w->kernel[last];                    \
        window_coordinates(w->rank, w->result, position, at);                                      \
        int64_t start = at[last] * w->stride[last] - w->before[last], step = w->dilation[last];    \
        int64_t width = w->image[last];                                                            \
        for (int64_t k = 0; k < w->kernel_size; k += run, share += run) {                          \
            int64_t row = 0;                                                                       \
            bool inside = true;                                                                    \
            for (uint32_t d = 0; d < last; d++) {                                                  \
                int64_t i = at[d] * w->stride[d] + tap[d] * w->dilation[d] - w->before[d];         \
                inside = inside && i >= 0 && i < w->image[d];                                      \
                row = row * w->image[d] + i;                                                       \
            }                                                                                      \
            for (int64_t t = 0, i = start; inside && t < run; t++, i += step)                      \
                if (i >= 0 && i < width)                                                           \
                    y[row * width + i] += share[t];                                                \
            for (uint32_t d = last; d-- > 0;) {                                                    \
                if (++tap[d] < w->kernel[d])                                                       \
                    break;                                                                         \
                tap[d] = 0;                                                                        \
            }                                                                                      \
        }                                                                                          \
    }
SCATTER(float)
SCATTER(double)

static void scatter_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const transpose_job *job = arg;
    const window *w = &job->w;
    for (int64_t o = begin; o < end; o++)
        for (int64_t i = 0; i < job->count; i++)
            scatter_float(w, job->first + i, job->shares + (i * job->outputs + o) * w->kernel_size,
                          (float *)job->y + o * w->image_size);
}

/* Double precision: each output channel by itself. */
static void double_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const transpose_job *job = arg;
    const window *w = &job->w;
    double share[WINDOW_RUN];
    for (int64_t o = begin; o < end; o++)
        for (int64_t c = 0; c < job->channels; c++) {
            const double *x = (const double *)job->x + c * w->result_size;
            const double *weight =
                (const double *)job->weight + (c * job->outputs + o) * w->kernel_size;
            for (int64_t p = 0; p < w->result_size; p++) {
                for (int64_t k = 0; k < w->kernel_size; k++)
                    share[k] = x[p] * weight[k];
                scatter_double(w, p, share, (double *)job->y + o * w->image_size);
            }
        }
}

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

/* One image and group: blocks of positions. */
static void blocks(const kernel_args *a, transpose_job *job, product *p, char *memory,
                   uint64_t inner, int64_t block)
{
    const window *w = &job->w;
    float *turned = (float *)(void *)(memory + inner), *shares = turned + block * job->channels;
    p->w = job->weight;
    p->x = turned;
    p->y = shares;
    job->shares = shares;
    for (job->first = 0; job->first < w->result_size; job->first += block) {
        int64_t rest = w->result_size - job->first;
        job->count = rest < block ? rest : block;
        nd walk = {.rank = 2,
                   .operands = 2,
                   .dims = {job->count, job->channels},
                   .stride = {{job->channels, 1}, {1, w->result_size}}};
        nd_copy(a->context->pool, &walk, turned, (const float *)job->x + job->first, sizeof(float));
        p->m = job->count;
        product_compute(a, p, memory);
        thread_for(a->context->pool, job->outputs, grain_for(job->count * w->kernel_size),
                   scatter_range, job);
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
    start_with_bias(a, &job, groups);
    if (tensor_count(out) == 0 || tensor_count(x) == 0)
        return BRINK_OK;
    bool single = x->type == BRINK_F32;
    int64_t taps = job.w.kernel_size, width = job.outputs * taps, size = element_bytes(x->type);
    int64_t block = job.w.result_size < BLOCK ? job.w.result_size : BLOCK;
    product p = {.n = width,
                 .k = job.channels,
                 .x_row = job.channels,
                 .y_row = width,
                 .w_type = BRINK_F32,
                 .w_row = width};
    if (!single && taps > WINDOW_RUN)
        return kernel_fail(a, BRINK_UNSUPPORTED, "a double kernel of %lld taps", (long long)taps);
    uint64_t inner = product_scratch(a, &p);
    char *memory =
        kernel_scratch(a, inner + (uint64_t)(block * (job.channels + width)) * sizeof(float));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t i = 0; i < x->dims[0] * groups; i++) {
        int64_t g = i % groups;
        job.x = (const char *)x->data + i * job.channels * job.w.result_size * size;
        job.weight = (const char *)w->data + g * job.channels * width * size;
        job.y = (char *)out->data + i * job.outputs * job.w.image_size * size;
        if (single)
            blocks(a, &job, &p, memory, inner, block);
        else
            thread_for(a->context->pool, job.outputs, 1, double_range, &job);
    }
    return BRINK_OK;
}
