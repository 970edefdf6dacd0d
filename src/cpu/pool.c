/* pool.c — MaxPool, AveragePool, LpPool, their global forms, and MaxUnpool.

   Source: ONNX. Rows of results take in what each tap of the kernel meets (cpu/window.h). Bound by
   memory for small kernels. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/simd.h"
#include "cpu/window.h"

#include <math.h>
#include <string.h>

typedef struct pool_job {
    window w;
    const void *x;
    void *y;
    int64_t *indices;    /* of MaxPool, or NULL                       */
    bool columns_first;  /* storage_order 1                           */
    const double *share; /* of AveragePool: 1 / elements, by result   */
    double p;            /* of LpPool                                 */
} pool_job;

static brink_status pool_read(const kernel_args *a, pool_job *job, const tensor *out)
{
    const tensor *x = a->in[0];
    uint32_t count = 0;
    const int64_t *kernel = onnx_ints(a->node, ATTR_kernel_shape, &count);
    if (x->rank < 3 || kernel == NULL || count != x->rank - 2)
        return kernel_fail(a, BRINK_BAD_INPUT, "kernel_shape does not fit rank %u", x->rank);
    job->x = x->data;
    return window_read(a, x, kernel, out, &job->w);
}

/* Channels over threads. */
static brink_status pool_run(const kernel_args *a, pool_job *job, const tensor *out,
                             thread_range_fn fn)
{
    if (tensor_count(out) > 0)
        thread_for(a->context->pool, out->dims[0] * out->dims[1],
                   grain_for(job->w.result_size * job->w.kernel_size), fn, job);
    return BRINK_OK;
}

/* ── MaxPool ── */

/* Folds the kernel over rows of results: `start` sets up a row (y, and whatever else), `step` takes
   in element x[i] of the image for result r, and `finish` ends the row. Padding is skipped. */
#define POOL(name, T, start, step, finish)                                                         \
    static void name(void *arg, int64_t begin, int64_t end, uint32_t thread)                       \
    {                                                                                              \
        (void)thread;                                                                              \
        const pool_job *job = arg;                                                                 \
        const window *w = &job->w;                                                                 \
        int64_t width = w->result[w->rank - 1], rows = w->result_size / width;                     \
        int64_t taps = w->kernel[w->rank - 1], stride = w->stride[w->rank - 1];                    \
        for (int64_t unit = begin; unit < end; unit++) {                                           \
            const T *x = (const T *)job->x + unit * w->image_size;                                 \
            for (int64_t row = 0; row < rows; row++) {                                             \
                int64_t at[WINDOW_RANK], to = unit * w->result_size + row * width;                 \
                T *y = (T *)job->y + to;                                                           \
                window_coordinates(w->rank, w->result, row *width, at);                            \
                start;                                                                             \
                for (int64_t k = 0; k < w->kernel_size; k += taps) {                               \
                    int64_t source = window_source_row(w, at, k);                                  \
                    for (int64_t t = 0; source >= 0 && t < taps; t++) {                            \
                        int64_t first, last, i = window_run(w, t, width, &first, &last);           \
                        i += source;                                                               \
                        if (stride == 1)                                                           \
                            for (int64_t r = first; r < last; r++) {                               \
                                step(i + r);                                                       \
                            }                                                                      \
                        else                                                                       \
                            for (int64_t r = first; r < last; r++) {                               \
                                step(i + r * stride);                                              \
                            }                                                                      \
                    }                                                                              \
                }                                                                                  \
                finish;                                                                            \
            }                                                                                      \
        }                                                                                          \
    }

/* NaN is larger than all, and stays. */
#define LARGER(a, b) ((a) > (b) || (a) != (a))
#define LARGER_OF(i) y[r] = LARGER(x[i], y[r]) ? x[i] : y[r]
#define LARGEST(i)                                                                                 \
    if (LARGER(x[i], y[r]) || index[r] < 0) {                                                      \
        y[r] = x[i];                                                                               \
        index[r] = i;                                                                              \
    }

/* An index in a channel's image becomes one in the whole of x, in the order that is asked for. */
static void finish_indices(const pool_job *job, int64_t unit, int64_t *index, int64_t n)
{
    const window *w = &job->w;
    for (int64_t r = 0; r < n; r++) {
        int64_t source = index[r] < 0 ? 0 : index[r], at[WINDOW_RANK];
        if (job->columns_first) {
            window_coordinates(w->rank, w->image, source, at);
            source = 0;
            for (uint32_t d = w->rank; d-- > 0;)
                source = source * w->image[d] + at[d];
        }
        index[r] = unit * w->image_size + source;
    }
}

#define MAX_POOL(T, lowest)                                                                        \
    POOL(max_pool_##T, T, for (int64_t r = 0; r < width; r++) y[r] = lowest;, LARGER_OF, )         \
    POOL(                                                                                          \
        max_index_##T, T, int64_t *index = job->indices + to;                                      \
        for (int64_t r = 0; r < width; r++) {                                                      \
            y[r] = lowest;                                                                         \
            index[r] = -1;                                                                         \
        },                                                                                         \
        LARGEST, finish_indices(job, unit, index, width))
MAX_POOL(float, -INFINITY)
MAX_POOL(double, -(double)INFINITY)
MAX_POOL(int8_t, INT8_MIN)
MAX_POOL(uint8_t, 0)

brink_status cpu_max_pool(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = kernel_out(a, 0), *indices = kernel_out(a, 1);
    const tensor *shape = out != NULL ? out : indices;
    pool_job job = {.indices = indices != NULL ? indices->data : NULL,
                    .columns_first = onnx_int(a->node, ATTR_storage_order, 0) != 0};
    thread_range_fn fn = NULL;
    switch (x->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        fn = indices != NULL ? max_index_##T : max_pool_##T;                                       \
        break;
        CASE(BRINK_F32, float)
        CASE(BRINK_F64, double)
        CASE(BRINK_I8, int8_t)
        CASE(BRINK_U8, uint8_t)
#undef CASE
    default:
        return kernel_bad_type(a, x->type);
    }
    if (shape == NULL)
        return BRINK_OK;
    TRY(pool_read(a, &job, shape));
    job.y = out != NULL
                ? out->data
                : kernel_scratch(a, (uint64_t)(tensor_count(shape) + 1) * element_bytes(x->type));
    return job.y == NULL ? BRINK_OUT_OF_MEMORY : pool_run(a, &job, shape, fn);
}

/* ── AveragePool and LpPool ── */

static double power(double x, double p)
{
    return p == 1 ? x : p == 2 ? x * x : pow(x, p);
}

static double root(double x, double p)
{
    return p == 1 ? x : p == 2 ? sqrt(x) : pow(x, 1 / p);
}

#define SUM(i) y[r] += x[i]
#define POWERS(i) y[r] += TYPE_OF_POWER(power(fabs((double)x[i]), job->p))

#define SUM_POOL(T)                                                                                \
    POOL(mean_pool_##T, T, memset(y, 0, (size_t)width * sizeof(T)), SUM,                           \
         for (int64_t r = 0; r < width; r++) y[r] =                                                \
             (T)((double)y[r] * job->share[row * width + r]);)                                     \
    POOL(norm_pool_##T, T, memset(y, 0, (size_t)width * sizeof(T)), POWERS,                        \
         for (int64_t r = 0; r < width; r++) y[r] = (T)root((double)y[r], job->p);)
#define TYPE_OF_POWER (float)
SUM_POOL(float)
#undef TYPE_OF_POWER
#define TYPE_OF_POWER (double)
SUM_POOL(double)

static brink_status sum_pool(const kernel_args *a, pool_job *job)
{
    tensor *out = a->out[0];
    job->y = out->data;
    if (out->type != BRINK_F32 && out->type != BRINK_F64)
        return kernel_bad_type(a, out->type);
    bool single = out->type == BRINK_F32, mean = job->share != NULL;
    return pool_run(a, job, out,
                    mean     ? single ? mean_pool_float : mean_pool_double
                    : single ? norm_pool_float
                             : norm_pool_double);
}

brink_status cpu_average_pool(const kernel_args *a)
{
    pool_job job = {0};
    bool padding = onnx_int(a->node, ATTR_count_include_pad, 0) != 0;
    TRY(pool_read(a, &job, a->out[0]));
    const window *w = &job.w;
    double *share = kernel_scratch(a, (uint64_t)w->result_size * sizeof(double));
    if (share == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t i = 0; i < w->result_size; i++) {
        int64_t at[WINDOW_RANK];
        window_coordinates(w->rank, w->result, i, at);
        int64_t n = window_counted(w, at, padding);
        share[i] = n > 0 ? 1 / (double)n : 0;
    }
    job.share = share;
    return sum_pool(a, &job);
}

/* `p` was a float in the first opset. */
static double norm_order(const kernel_args *a)
{
    const onnx_attr *p = onnx_find(a->node, ATTR_p);
    return p == NULL ? 2 : p->kind == ATTR_KIND_FLOAT ? (double)p->f : (double)p->i;
}

brink_status cpu_lp_pool(const kernel_args *a)
{
    pool_job job = {.p = norm_order(a)};
    if (job.p == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "p is 0");
    TRY(pool_read(a, &job, a->out[0]));
    return sum_pool(a, &job);
}

/* ── Global pools: one number a channel ── */

typedef struct global_job {
    const void *x;
    void *y;
    int64_t n;
    enum { GLOBAL_MAX, GLOBAL_MEAN, GLOBAL_NORM } kind;
    double p;
} global_job;

/* Sums of stretches that are short enough for f32, in double. */
static double sum_float(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i += 1024)
        sum += (double)simd()->sum(x + i, n - i < 1024 ? n - i : 1024);
    return sum;
}

static double sum_double(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

#define GLOBAL_POOL(T)                                                                             \
    static void global_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                 \
    {                                                                                              \
        (void)thread;                                                                              \
        const global_job *job = arg;                                                               \
        for (int64_t r = begin; r < end; r++) {                                                    \
            const T *x = (const T *)job->x + r * job->n;                                           \
            T top = -(T)INFINITY;                                                                  \
            double sum = 0;                                                                        \
            if (job->kind == GLOBAL_MAX)                                                           \
                for (int64_t i = 0; i < job->n; i++)                                               \
                    top = LARGER(x[i], top) ? x[i] : top;                                          \
            else if (job->kind == GLOBAL_MEAN)                                                     \
                sum = sum_##T(x, job->n);                                                          \
            else                                                                                   \
                for (int64_t i = 0; i < job->n; i++)                                               \
                    sum += power(fabs((double)x[i]), job->p);                                      \
            ((T *)job->y)[r] = job->kind == GLOBAL_MAX    ? top                                    \
                               : job->kind == GLOBAL_MEAN ? (T)(sum / (double)job->n)              \
                                                          : (T)root(sum, job->p);                  \
        }                                                                                          \
    }
GLOBAL_POOL(float)
GLOBAL_POOL(double)

static brink_status global_pool(const kernel_args *a, global_job job)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    job.x = x->data;
    job.y = out->data;
    job.n = dims_product(x, 2, x->rank);
    thread_for(a->context->pool, tensor_count(out), grain_for(job.n),
               x->type == BRINK_F32 ? global_float : global_double, &job);
    return BRINK_OK;
}

brink_status cpu_global_max_pool(const kernel_args *a)
{
    return global_pool(a, (global_job){.kind = GLOBAL_MAX});
}

brink_status cpu_global_average_pool(const kernel_args *a)
{
    return global_pool(a, (global_job){.kind = GLOBAL_MEAN});
}

brink_status cpu_global_lp_pool(const kernel_args *a)
{
    global_job job = {.kind = GLOBAL_NORM, .p = norm_order(a)};
    return job.p == 0 ? kernel_fail(a, BRINK_BAD_INPUT, "p is 0") : global_pool(a, job);
}

/* ── MaxUnpool ── */

/* Indices count within the box that the window infers; a given output_shape may be larger, and the
   box then lies in its first corner. */
brink_status cpu_max_unpool(const kernel_args *a)
{
    const tensor *x = a->in[0], *indices = a->in[1];
    tensor *out = a->out[0];
    uint32_t size = element_bytes(x->type), kernel_n = 0, strides_n = 0, pads_n = 0;
    const int64_t *kernel = onnx_ints(a->node, ATTR_kernel_shape, &kernel_n);
    const int64_t *strides = onnx_ints(a->node, ATTR_strides, &strides_n);
    const int64_t *pads = onnx_ints(a->node, ATTR_pads, &pads_n);
    int64_t count = tensor_count(x), box[BRINK_MAX_RANK], stride[BRINK_MAX_RANK], limit = 1;
    if (size == 0 || indices->type != BRINK_I64)
        return kernel_bad_type(a, size == 0 ? x->type : indices->type);
    if (tensor_count(indices) != count || kernel_n + 2 != x->rank)
        return kernel_fail(a, BRINK_BAD_INPUT, "%lld indices for %lld elements",
                           (long long)tensor_count(indices), (long long)count);
    for (uint32_t d = 0; d < x->rank; d++) {
        uint32_t s = d - 2;
        box[d] = d < 2 ? x->dims[d]
                       : (x->dims[d] - 1) * (s < strides_n ? strides[s] : 1) + kernel[s] -
                             (pads_n == 2 * kernel_n ? pads[s] + pads[kernel_n + s] : 0);
        limit *= box[d] < 0 ? 0 : box[d];
    }
    dense_strides(out->rank, out->dims, stride);
    memset(out->data, 0, (size_t)tensor_count(out) * size);
    for (int64_t i = 0; i < count; i++) {
        int64_t from = ((const int64_t *)indices->data)[i], at[BRINK_MAX_RANK], to = 0;
        if (from < 0 || from >= limit)
            return kernel_fail(a, BRINK_BAD_INPUT, "index %lld is outside %lld elements",
                               (long long)from, (long long)limit);
        window_coordinates(x->rank, box, from, at);
        bool inside = true;
        for (uint32_t d = 0; d < out->rank; d++) {
            inside = inside && at[d] < out->dims[d];
            to += at[d] * stride[d];
        }
        if (inside)
            memcpy((char *)out->data + to * size, (const char *)x->data + i * size, size);
    }
    return BRINK_OK;
}
