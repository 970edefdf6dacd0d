/* qlinear_pool.c — onnxruntime's QLinearAveragePool and QLinearGlobalAveragePool.

   Source: com.microsoft. Sums of bytes less their zero point are exact; one division and one
   rounding follow. The channels may be last. Bound by memory. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/rescale.h"
#include "cpu/window.h"

typedef struct qpool_job {
    window w;
    const tensor *x;
    tensor *out;
    int64_t channels;
    int64_t x_step; /* between neighbours in space: 1, or the channels when last */
    int64_t x_zero;
    float x_scale, y_scale;
    int32_t y_zero;
    bool last, padding; /* padding counts */
} qpool_job;

static brink_status read_scales(const kernel_args *a, qpool_job *job)
{
    const tensor *x_scale = kernel_in(a, 1), *x_zero = kernel_in(a, 2);
    const tensor *y_scale = kernel_in(a, 3), *y_zero = kernel_in(a, 4);
    job->x = a->in[0];
    job->out = a->out[0];
    job->last = onnx_int(a->node, ATTR_channels_last, 0) != 0;
    job->padding = onnx_int(a->node, ATTR_count_include_pad, 0) != 0;
    if (!is_byte(job->x->type) || job->out->type != job->x->type)
        return kernel_bad_type(a, job->x->type);
    if (x_scale == NULL || y_scale == NULL || tensor_count(x_scale) != 1 ||
        tensor_count(y_scale) != 1 || (x_zero != NULL && tensor_count(x_zero) != 1) ||
        (y_zero != NULL && tensor_count(y_zero) != 1) || job->x->rank < 3)
        return kernel_fail(a, BRINK_BAD_INPUT, "scales and zero points should be one number each");
    job->x_scale = (float)tensor_number(x_scale, 0);
    job->y_scale = (float)tensor_number(y_scale, 0);
    job->x_zero = x_zero != NULL ? tensor_int(x_zero, 0) : 0;
    job->y_zero = y_zero != NULL ? (int32_t)tensor_int(y_zero, 0) : 0;
    job->channels = job->x->dims[job->last ? job->x->rank - 1 : 1];
    job->x_step = job->last ? job->channels : 1;
    return job->y_scale != 0 ? BRINK_OK
                             : kernel_fail(a, BRINK_BAD_INPUT, "the result's scale is 0");
}

/* First element of a channel of an image of `size` elements. */
static int64_t plane(const qpool_job *job, int64_t unit, int64_t size)
{
    int64_t c = unit % job->channels;
    return job->last ? (unit - c) * size + c : unit * size;
}

static void store_mean(const qpool_job *job, int64_t at, int64_t sum, int64_t count)
{
    float mean = count == 0 ? 0 : (float)((double)sum / (double)count * (double)job->x_scale);
    rescale_store(job->out, at, mean / job->y_scale, job->y_zero);
}

/* Units are channels of all images. */
static void pool_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const qpool_job *job = arg;
    const window *w = &job->w;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t x = plane(job, unit, w->image_size), y = plane(job, unit, w->result_size);
        for (int64_t n = 0; n < w->result_size; n++) {
            int64_t at[WINDOW_RANK], sum = 0, count = 0;
            window_coordinates(w->rank, w->result, n, at);
            for (int64_t k = 0; k < w->kernel_size; k++) {
                int64_t source = window_source(w, at, k);
                if (source >= 0)
                    sum += tensor_int(job->x, x + source * job->x_step) - job->x_zero;
                count += source >= 0;
            }
            store_mean(job, y + n * job->x_step, sum,
                       job->padding ? window_counted(w, at, true) : count);
        }
    }
}

static void global_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const qpool_job *job = arg;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t x = plane(job, unit, job->w.image_size), sum = 0;
        for (int64_t i = 0; i < job->w.image_size; i++)
            sum += tensor_int(job->x, x + i * job->x_step) - job->x_zero;
        store_mean(job, unit, sum, job->w.image_size);
    }
}

brink_status cpu_qlinear_average_pool(const kernel_args *a)
{
    qpool_job job = {0};
    uint32_t count = 0;
    const int64_t *kernel = onnx_ints(a->node, ATTR_kernel_shape, &count);
    TRY(read_scales(a, &job));
    if (kernel == NULL || count + 2 != job.x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "kernel_shape does not fit rank %u", job.x->rank);
    tensor x = window_channels_first(job.x, job.last),
           out = window_channels_first(job.out, job.last);
    TRY(window_read(a, &x, kernel, &out, &job.w));
    if (tensor_count(job.out) > 0)
        thread_for(a->context->pool, x.dims[0] * job.channels,
                   grain_for(job.w.result_size * job.w.kernel_size * 8), pool_range, &job);
    return BRINK_OK;
}

brink_status cpu_qlinear_global_average_pool(const kernel_args *a)
{
    qpool_job job = {0};
    TRY(read_scales(a, &job));
    tensor x = window_channels_first(job.x, job.last);
    job.w.image_size = dims_product(&x, 2, x.rank);
    thread_for(a->context->pool, x.dims[0] * job.channels, grain_for(job.w.image_size),
               global_range, &job);
    return BRINK_OK;
}
