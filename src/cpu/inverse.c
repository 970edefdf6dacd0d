/* inverse.c — com.microsoft's Inverse and CDist on f32 and f64.

   Source: onnxruntime's operators. Inverse is Gauss-Jordan elimination with the largest pivot of a
   column, in f64, a matrix at a time; CDist sums squared differences. Bound by compute. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

static void swap_rows(double *m, int64_t n, int64_t p, int64_t q)
{
    for (int64_t j = 0; p != q && j < 2 * n; j++) {
        double t = m[p * 2 * n + j];
        m[p * 2 * n + j] = m[q * 2 * n + j];
        m[q * 2 * n + j] = t;
    }
}

/* m[n, 2n] holds the matrix and the unit matrix; false when it has no inverse. */
static bool eliminate(double *m, int64_t n)
{
    int64_t width = 2 * n;
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; r++)
            pivot = fabs(m[r * width + c]) > fabs(m[pivot * width + c]) ? r : pivot;
        swap_rows(m, n, c, pivot);
        double first = m[c * width + c];
        if (first == 0 || first != first)
            return false;
        for (int64_t j = c; j < width; j++)
            m[c * width + j] /= first;
        for (int64_t r = 0; r < n; r++) {
            double factor = r == c ? 0 : m[r * width + c];
            for (int64_t j = c; factor != 0 && j < width; j++)
                m[r * width + j] -= factor * m[c * width + j];
        }
    }
    return true;
}

brink_status cpu_inverse(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    int64_t n = x->dims[x->rank - 1], count = tensor_count(x);
    if (count == 0)
        return BRINK_OK;
    double *m = kernel_scratch(a, (uint64_t)(2 * n * n) * sizeof(double));
    if (m == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t at = 0; at < count; at += n * n) {
        for (int64_t i = 0; i < n * n; i++) {
            m[i / n * 2 * n + i % n] = tensor_number(x, at + i);
            m[i / n * 2 * n + n + i % n] = i / n == i % n;
        }
        if (!eliminate(m, n))
            return kernel_fail(a, BRINK_BAD_INPUT, "matrix %lld has no inverse",
                               (long long)(at / (n * n)));
        for (int64_t i = 0; i < n * n; i++) {
            double value = m[i / n * 2 * n + n + i % n];
            if (x->type == BRINK_F32)
                ((float *)out->data)[at + i] = (float)value;
            else
                ((double *)out->data)[at + i] = value;
        }
    }
    return BRINK_OK;
}

typedef struct distance_job {
    const tensor *a, *b;
    tensor *out;
    int64_t n, columns;
    bool root;
} distance_job;

#define DISTANCE(type, T)                                                                          \
    static void rows_##T(const distance_job *job, int64_t begin, int64_t end)                      \
    {                                                                                              \
        for (int64_t r = begin; r < end; r++)                                                      \
            for (int64_t c = 0; c < job->columns; c++) {                                           \
                const T *x = (const T *)job->a->data + r * job->n;                                 \
                const T *y = (const T *)job->b->data + c * job->n;                                 \
                T sum = 0;                                                                         \
                for (int64_t i = 0; i < job->n; i++)                                               \
                    sum += (x[i] - y[i]) * (x[i] - y[i]);                                          \
                ((T *)job->out->data)[r * job->columns + c] =                                      \
                    job->root ? (T)sqrt((double)sum) : sum;                                        \
            }                                                                                      \
    }
FLOAT_TYPES(DISTANCE)

static void distance_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const distance_job *job = arg;
    if (job->out->type == BRINK_F32)
        rows_float(job, begin, end);
    else
        rows_double(job, begin, end);
}

brink_status cpu_cdist(const kernel_args *a)
{
    distance_job job = {a->in[0], a->in[1], a->out[0], a->in[0]->dims[1], a->in[1]->dims[0], false};
    const char *metric = onnx_string(a->node, ATTR_metric, "sqeuclidean");
    if ((job.out->type != BRINK_F32 && job.out->type != BRINK_F64) ||
        job.b->type != job.out->type || job.a->type != job.out->type)
        return kernel_bad_type(a, job.out->type);
    job.root = strcmp(metric, "euclidean") == 0;
    if (!job.root && strcmp(metric, "sqeuclidean") != 0)
        return kernel_fail(a, BRINK_UNSUPPORTED, "metric %s", metric);
    if (job.b->dims[1] != job.n)
        return kernel_fail(a, BRINK_BAD_INPUT, "rows of %lld and %lld", (long long)job.n,
                           (long long)job.b->dims[1]);
    thread_for(a->context->pool, job.a->dims[0], grain_for(job.columns * job.n), distance_range,
               &job);
    return BRINK_OK;
}
