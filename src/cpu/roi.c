/* roi.c — RoiAlign and MaxRoiPool: regions of an image brought to one size.

   Source: ONNX RoiAlign (He et al., "Mask R-CNN", 2017) and MaxRoiPool (Girshick, "Fast R-CNN",
   2015). Bound by the scattered reads. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

enum { MAX_SAMPLES = 1 << 24 }; /* of one bin */

typedef struct roi_job {
    const tensor *x, *rois, *batches;
    tensor *out;
    int64_t channels, height, width, pooled_h, pooled_w;
    double scale;
    int64_t sampling;
    bool half_pixel, largest;
} roi_job;

static void store_number(tensor *t, int64_t i, double value)
{
    if (t->type == BRINK_F64)
        ((double *)t->data)[i] = value;
    else
        ((float *)t->data)[i] = (float)value;
}

/* Two neighbours of one coordinate and their weights; false outside of the image. */
static bool neighbours(double x, int64_t n, int64_t *at, double *weight)
{
    if (!(x >= -1 && x <= (double)n))
        return false;
    x = x < 0 ? 0 : x;
    at[0] = (int64_t)x;
    if (at[0] >= n - 1) {
        at[0] = at[1] = n - 1;
        x = (double)at[0];
    } else {
        at[1] = at[0] + 1;
    }
    weight[1] = x - (double)at[0];
    weight[0] = 1 - weight[1];
    return true;
}

/* One bin of one channel: the mean or the largest of its samples. */
static double bin(const roi_job *job, int64_t plane, double y0, double x0, double h, double w,
                  int64_t rows, int64_t columns)
{
    double sum = 0;
    bool first = true;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            int64_t ys[2] = {0, 0}, xs[2] = {0, 0};
            double wy[2] = {0, 0}, wx[2] = {0, 0}, parts[4];
            if (!neighbours(y0 + ((double)i + 0.5) * h / (double)rows, job->height, ys, wy) ||
                !neighbours(x0 + ((double)j + 0.5) * w / (double)columns, job->width, xs, wx))
                wy[0] = wy[1] = 0;
            for (int k = 0; k < 4; k++)
                parts[k] = wy[k / 2] * wx[k % 2] *
                           tensor_number(job->x, plane + ys[k / 2] * job->width + xs[k % 2]);
            if (job->largest) {
                double top = fmax(fmax(parts[0], parts[1]), fmax(parts[2], parts[3]));
                sum = first || top > sum ? top : sum;
            } else {
                sum += parts[0] + parts[1] + parts[2] + parts[3];
            }
            first = false;
        }
    return job->largest || rows * columns == 0 ? sum : sum / (double)(rows * columns);
}

static int64_t samples(const roi_job *job, double size, int64_t pooled)
{
    if (job->sampling > 0)
        return job->sampling;
    double n = ceil(size / (double)pooled);
    return n > 0 ? n < MAX_SAMPLES ? (int64_t)n : MAX_SAMPLES : 0;
}

typedef struct roi_box {
    int64_t batch, rows, columns; /* samples a bin */
    double y, x, height, width;
} roi_box;

static roi_box box_of(const roi_job *job, int64_t i)
{
    double offset = job->half_pixel ? 0.5 : 0, edge[4];
    for (int k = 0; k < 4; k++)
        edge[k] = tensor_number(job->rois, 4 * i + k) * job->scale - offset;
    roi_box b = {.batch = tensor_int(job->batches, i),
                 .x = edge[0],
                 .y = edge[1],
                 .width = edge[2] - edge[0],
                 .height = edge[3] - edge[1]};
    if (!job->half_pixel) { /* malformed ones are 1x1 */
        b.width = fmax(b.width, 1);
        b.height = fmax(b.height, 1);
    }
    b.rows = samples(job, b.height, job->pooled_h);
    b.columns = samples(job, b.width, job->pooled_w);
    return b;
}

/* Units are channels of regions. */
static void align_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const roi_job *job = arg;
    for (int64_t unit = begin; unit < end; unit++) {
        roi_box b = box_of(job, unit / job->channels);
        double h = b.height / (double)job->pooled_h, w = b.width / (double)job->pooled_w;
        int64_t plane = (b.batch * job->channels + unit % job->channels) * job->height * job->width;
        for (int64_t i = 0; i < job->pooled_h; i++)
            for (int64_t j = 0; j < job->pooled_w; j++)
                store_number(job->out, (unit * job->pooled_h + i) * job->pooled_w + j,
                             bin(job, plane, b.y + (double)i * h, b.x + (double)j * w, h, w, b.rows,
                                 b.columns));
    }
}

static brink_status read_image(const kernel_args *a, roi_job *job)
{
    const tensor *x = job->x = a->in[0];
    job->rois = a->in[1];
    job->out = a->out[0];
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    job->channels = x->dims[1];
    job->height = x->dims[2];
    job->width = x->dims[3];
    job->pooled_h = a->out[0]->dims[2];
    job->pooled_w = a->out[0]->dims[3];
    job->scale = (double)onnx_float(a->node, ATTR_spatial_scale, 1);
    if (tensor_count(x) == 0 && tensor_count(a->out[0]) > 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "the image is empty");
    return BRINK_OK;
}

brink_status cpu_roi_align(const kernel_args *a)
{
    roi_job job = {.batches = a->in[2]};
    const char *standard = a->node->opset < 16 ? "output_half_pixel" : "half_pixel";
    const char *how = onnx_string(a->node, ATTR_coordinate_transformation_mode, standard);
    TRY(read_image(a, &job));
    job.sampling = onnx_int(a->node, ATTR_sampling_ratio, 0);
    job.half_pixel = strcmp(how, "half_pixel") == 0;
    job.largest = strcmp(onnx_string(a->node, ATTR_mode, "avg"), "max") == 0;
    int64_t rois = job.out->dims[0];
    if (tensor_count(job.batches) != rois || job.sampling > 4096)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld batch indices for %lld regions",
                           (long long)tensor_count(job.batches), (long long)rois);
    if (tensor_count(job.out) == 0)
        return BRINK_OK;
    for (int64_t i = 0; i < rois; i++) {
        roi_box b = box_of(&job, i);
        if (b.batch < 0 || b.batch >= job.x->dims[0])
            return kernel_fail(a, BRINK_BAD_INPUT, "region %lld is of image %lld", (long long)i,
                               (long long)b.batch);
        if (b.rows > MAX_SAMPLES / (b.columns + 1))
            return kernel_fail(a, BRINK_BAD_INPUT, "region %lld is %g by %g", (long long)i,
                               b.height, b.width);
    }
    thread_for(a->context->pool, rois * job.channels, grain_for(job.pooled_h * job.pooled_w * 64),
               align_range, &job);
    return BRINK_OK;
}

/* ── MaxRoiPool ── */

/* Where bin i of `pooled` over `size` cells from `start` begins and ends, within [0, n). */
static void bin_edges(double start, double size, int64_t i, int64_t pooled, int64_t n,
                      int64_t *from, int64_t *to)
{
    double each = size / (double)pooled;
    double low = floor((double)i * each) + start, high = ceil((double)(i + 1) * each) + start;
    *from = low > 0 ? low < (double)n ? (int64_t)low : n : 0;
    *to = high > 0 ? high < (double)n ? (int64_t)high : n : 0;
}

brink_status cpu_max_roi_pool(const kernel_args *a)
{
    roi_job job = {0};
    TRY(read_image(a, &job));
    for (int64_t n = 0; n < job.out->dims[0]; n++) {
        double edge[4], batch = tensor_number(job.rois, 5 * n);
        if (!(batch >= 0 && batch < (double)job.x->dims[0]))
            return kernel_fail(a, BRINK_BAD_INPUT, "region %lld is of image %g", (long long)n,
                               batch);
        for (int k = 0; k < 4; k++)
            edge[k] = round(tensor_number(job.rois, 5 * n + 1 + k) * job.scale);
        double width = fmax(edge[2] - edge[0] + 1, 1), height = fmax(edge[3] - edge[1] + 1, 1);
        for (int64_t i = 0; i < job.channels * job.pooled_h * job.pooled_w; i++) {
            int64_t c = i / (job.pooled_h * job.pooled_w), y0, y1, x0, x1;
            int64_t plane = ((int64_t)batch * job.channels + c) * job.height * job.width;
            double top = -INFINITY;
            bin_edges(edge[1], height, i / job.pooled_w % job.pooled_h, job.pooled_h, job.height,
                      &y0, &y1);
            bin_edges(edge[0], width, i % job.pooled_w, job.pooled_w, job.width, &x0, &x1);
            for (int64_t y = y0; y < y1; y++)
                for (int64_t x = x0; x < x1; x++)
                    top = fmax(top, tensor_number(job.x, plane + y * job.width + x));
            store_number(job.out, n * job.channels * job.pooled_h * job.pooled_w + i,
                         y1 <= y0 || x1 <= x0 ? 0 : top);
        }
    }
    return BRINK_OK;
}
