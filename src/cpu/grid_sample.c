/* grid_sample.c — GridSample: an image read at given points, in one to six dimensions.

   Source: ONNX GridSample. The points' neighbours and weights are found once and used for all
   channels. Bound by the scattered reads. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

enum { SPACE = BRINK_MAX_RANK - 2, MAX_TAPS = 4, MAX_COMBINATIONS = 1 << 12 };

typedef enum grid_padding { GRID_ZEROS, GRID_BORDER, GRID_REFLECT } grid_padding;

typedef struct grid_job {
    const tensor *x, *grid;
    tensor *out;
    uint32_t rank, taps; /* of space; neighbours an axis: 1 nearest, 2 linear, 4 cubic */
    bool align;
    grid_padding padding;
    int64_t channels, image, points, combinations; /* combinations: taps^rank */
} grid_job;

/* Mirrors x at low and high until it lies between them. */
static double reflect(double x, double low, double high)
{
    double range = high - low;
    if (!(range > 0))
        return low;
    double away = fabs(x < low ? low - x : x > high ? x - high : 0);
    if (x >= low && x <= high)
        return x;
    double turns = floor(away / range), rest = away - turns * range;
    bool odd = fmod(turns, 2) != 0;
    return (x < low) != odd ? low + rest : high - rest;
}

/* Neighbours of one coordinate: index (−1 where it reads zero) and weight. */
static void neighbours(const grid_job *job, double x, int64_t n, int64_t *index, double *weight)
{
    double low = job->align ? 0 : -0.5, high = (double)n - (job->align ? 1 : 0.5);
    x = job->align ? (x + 1) / 2 * (double)(n - 1) : ((x + 1) * (double)n - 1) / 2;
    if (!(x > -1e15 && x < 1e15))
        x = x > 0 ? 1e15 : -1e15; /* NaN too: far outside */
    if (job->taps == 1)
        x = rint(x);
    if (job->padding == GRID_BORDER && job->taps < 4)
        x = x<0 ? 0 : x>(double)(n - 1) ? (double)(n - 1) : x;
    else if (job->padding == GRID_REFLECT)
        x = reflect(x, low, high);
    double first = floor(x), t = x - first, a = -0.75;
    if (job->taps == 1) {
        weight[0] = 1;
    } else if (job->taps == 2) {
        weight[0] = 1 - t;
        weight[1] = t;
    } else {
        double s = 1 - t;
        weight[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
        weight[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
        weight[2] = ((a + 2) * s - (a + 3)) * s * s + 1;
        weight[3] = ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a;
        first -= 1;
    }
    for (uint32_t k = 0; k < job->taps; k++) {
        double at = first + k;
        if (job->padding == GRID_REFLECT)
            at = trunc(reflect(at, low, high));
        bool inside = at >= 0 && at <= (double)(n - 1);
        index[k] = inside ? (int64_t)at : job->padding == GRID_ZEROS ? -1 : at < 0 ? 0 : n - 1;
    }
}

/* One point: offsets in the image and weights of all combinations of neighbours. */
static void point_taps(const grid_job *job, int64_t point, int64_t *offset, double *weight)
{
    int64_t index[SPACE][MAX_TAPS];
    double part[SPACE][MAX_TAPS];
    for (uint32_t d = 0; d < job->rank; d++) /* the grid names the last axis first */
        neighbours(job, tensor_number(job->grid, point * job->rank + job->rank - 1 - d),
                   job->x->dims[2 + d], index[d], part[d]);
    for (int64_t i = 0; i < job->combinations; i++) {
        int64_t rest = i, stride = 1;
        offset[i] = 0;
        weight[i] = 1;
        for (uint32_t d = job->rank; d-- > 0; rest /= job->taps) {
            int64_t k = rest % job->taps;
            if (index[d][k] < 0)
                weight[i] = 0;
            else
                offset[i] += index[d][k] * stride;
            weight[i] = index[d][k] < 0 ? 0 : weight[i] * part[d][k];
            stride *= job->x->dims[2 + d];
        }
    }
}

static void store_number(tensor *out, int64_t i, double value)
{
    switch (out->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        ((T *)out->data)[i] = (T)real_to_int(value);                                               \
        break;
#define REAL(type, T)                                                                              \
    case type:                                                                                     \
        ((T *)out->data)[i] = (T)value;                                                            \
        break;
        INTEGER_TYPES(CASE)
        FLOAT_TYPES(REAL)
        CASE(BRINK_BOOL, uint8_t)
#undef REAL
#undef CASE
    default:
        break;
    }
}

/* Units are points of all batches, taken in blocks, so that channels are read one after another. */
static void grid_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const grid_job *job = arg;
    int64_t offset[MAX_COMBINATIONS], n = job->combinations, block = MAX_COMBINATIONS / n;
    double weight[MAX_COMBINATIONS];
    while (begin < end) {
        int64_t batch = begin / job->points, at = begin % job->points, count = job->points - at;
        count = count < block ? count : block;
        count = count < end - begin ? count : end - begin;
        for (int64_t p = 0; p < count; p++)
            point_taps(job, begin + p, offset + p * n, weight + p * n);
        for (int64_t c = 0; c < job->channels; c++) {
            int64_t plane = batch * job->channels + c;
            const float *x = (const float *)job->x->data + plane * job->image;
            for (int64_t p = 0; p < count; p++) {
                double sum = 0;
                if (job->x->type == BRINK_F32)
                    for (int64_t i = p * n; i < (p + 1) * n; i++)
                        sum += weight[i] == 0 ? 0 : weight[i] * (double)x[offset[i]];
                else
                    for (int64_t i = p * n; i < (p + 1) * n; i++)
                        sum +=
                            weight[i] == 0
                                ? 0
                                : weight[i] * tensor_number(job->x, plane * job->image + offset[i]);
                store_number(job->out, plane * job->points + at + p, sum);
            }
        }
        begin += count;
    }
}

brink_status cpu_grid_sample(const kernel_args *a)
{
    const tensor *x = a->in[0], *grid = a->in[1];
    const char *mode = onnx_string(a->node, ATTR_mode, "linear");
    const char *padding = onnx_string(a->node, ATTR_padding_mode, "zeros");
    grid_job job = {.x = x,
                    .grid = grid,
                    .out = a->out[0],
                    .rank = x->rank - 2,
                    .align = onnx_int(a->node, ATTR_align_corners, 0) != 0,
                    .padding = strcmp(padding, "border") == 0       ? GRID_BORDER
                               : strcmp(padding, "reflection") == 0 ? GRID_REFLECT
                                                                    : GRID_ZEROS,
                    .channels = x->dims[1],
                    .image = dims_product(x, 2, x->rank),
                    .points = dims_product(a->out[0], 2, x->rank),
                    .combinations = 1};
    job.taps = strcmp(mode, "nearest") == 0                                 ? 1
               : strcmp(mode, "cubic") == 0 || strcmp(mode, "bicubic") == 0 ? 4
                                                                            : 2;
    if (element_bytes(x->type) == 0)
        return kernel_bad_type(a, x->type);
    for (uint32_t d = 0; d < job.rank; d++)
        job.combinations *= job.taps;
    if (x->dims[0] != grid->dims[0])
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld images and %lld grids", (long long)x->dims[0],
                           (long long)grid->dims[0]);
    if (tensor_count(a->out[0]) == 0)
        return BRINK_OK;
    if (job.image == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "the image is empty");
    thread_for(a->context->pool, x->dims[0] * job.points,
               grain_for(job.channels * job.combinations * 4), grid_range, &job);
    return BRINK_OK;
}
