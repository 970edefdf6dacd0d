/* reduce.c — ReduceSum and its family.

   Source: ONNX Reduce*. Bound by memory. The kept and the reduced dimensions are merged apart; where
   the innermost kept dimension is dense, a block of its columns is reduced together, so that memory
   is read in order either way. Floats add up in f64, integers in 64 bits. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>
#include <string.h>

typedef enum reduce_kind {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_SQUARES, /* sum of squares */
    REDUCE_L1,
    REDUCE_L2,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP
} reduce_kind;

enum { COLUMNS = 64 };

typedef struct reduce_job {
    reduce_kind kind;
    const void *x;
    void *to;
    nd kept, reduced; /* operand 1 is x */
    int64_t count;    /* elements behind each output */
    int64_t columns;  /* outputs that are neighbours in x */
} reduce_job;

/* Where index number i of the box lies in operand 1. */
static int64_t nd_at(const nd *w, int64_t i, uint32_t rank)
{
    int64_t at = 0;
    for (uint32_t d = rank; d-- > 0;) {
        at += i % w->dims[d] * w->stride[1][d];
        i /= w->dims[d];
    }
    return at;
}

/* log(exp(x) + exp(y)) without overflow. */
static double log_add_exp(double x, double y)
{
    if (isnan(x) || isnan(y))
        return x + y;
    double high = x > y ? x : y, low = x > y ? y : x;
    return high == low || isinf(high) ? (high == low ? high + log(2) : high)
                                      : high + log1p(exp(low - high));
}

/* Integers wrap. */
#define WRAP(a, op, b)                                                                             \
    _Generic((a), int64_t: (int64_t)((uint64_t)(a)op(uint64_t)(b)), default: (a)op(b))
#define PLUS(a, b) WRAP(a, +, b)
#define LESS(a, b) WRAP(a, -, b)
#define TIMES(a, b) WRAP(a, *, b)
#define LOG(A, x)                                                                                  \
    _Generic((x),                                                                                  \
        int64_t: (A)real_to_int(log((double)(x))),                                                 \
        uint64_t: (A)real_to_int(log((double)(x))),                                                \
        default: (A)log((double)(x)))

/* Takes n steps of `step` elements into one accumulator. */
#define REDUCE_RUN(T, A)                                                                           \
    static A run_##T(reduce_kind kind, A acc, const T *x, int64_t step, int64_t n)                 \
    {                                                                                              \
        switch (kind) {                                                                            \
        case REDUCE_SUM:                                                                           \
        case REDUCE_MEAN:                                                                          \
        case REDUCE_LOG_SUM:                                                                       \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc = PLUS(acc, (A)x[i * step]);                                                   \
            break;                                                                                 \
        case REDUCE_PROD:                                                                          \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc = TIMES(acc, (A)x[i * step]);                                                  \
            break;                                                                                 \
        case REDUCE_MAX:                                                                           \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc = (A)x[i * step] > acc || x[i * step] != x[i * step] ? (A)x[i * step] : acc;   \
            break;                                                                                 \
        case REDUCE_MIN:                                                                           \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc = (A)x[i * step] < acc || x[i * step] != x[i * step] ? (A)x[i * step] : acc;   \
            break;                                                                                 \
        case REDUCE_L1:                                                                            \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc = x[i * step] > 0 ? PLUS(acc, (A)x[i * step]) : LESS(acc, (A)x[i * step]);     \
            break;                                                                                 \
        case REDUCE_LOG_SUM_EXP:                                                                   \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc = (A)log_add_exp((double)acc, (double)x[i * step]);                            \
            break;                                                                                 \
        default:                                                                                   \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc = PLUS(acc, TIMES((A)x[i * step], (A)x[i * step]));                            \
        }                                                                                          \
        return acc;                                                                                \
    }                                                                                              \
    /* One row into n accumulators. */                                                             \
    static void row_##T(reduce_kind kind, A *acc, const T *x, int64_t n)                           \
    {                                                                                              \
        if (kind == REDUCE_SUM || kind == REDUCE_MEAN) {                                           \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc[i] = PLUS(acc[i], (A)x[i]);                                                    \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++)                                                        \
                acc[i] = run_##T(kind, acc[i], x + i, 0, 1);                                       \
        }                                                                                          \
    }

#define REDUCE(T, A, LEAST, MOST, mean, root)                                                      \
    REDUCE_RUN(T, A)                                                                               \
    static void reduce_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)                 \
    {                                                                                              \
        (void)thread;                                                                              \
        const reduce_job *job = arg;                                                               \
        const nd *r = &job->reduced;                                                               \
        int64_t row = r->dims[r->rank - 1], step = r->stride[1][r->rank - 1], n;                   \
        int64_t rows = row == 0 ? 0 : job->count / row;                                            \
        A first = job->kind == REDUCE_MAX || job->kind == REDUCE_LOG_SUM_EXP ? (A)LEAST            \
                  : job->kind == REDUCE_MIN                                  ? (A)MOST             \
                  : job->kind == REDUCE_PROD                                 ? (A)1                \
                                                                             : (A)0;                                               \
        for (int64_t o = begin; o < end; o += n) {                                                 \
            const T *x = (const T *)job->x + nd_at(&job->kept, o, job->kept.rank);                 \
            A acc[COLUMNS];                                                                        \
            n = job->columns - o % job->columns;                                                   \
            n = n > end - o ? end - o : n;                                                         \
            n = n > COLUMNS ? COLUMNS : n;                                                         \
            for (int64_t c = 0; c < n; c++)                                                        \
                acc[c] = first;                                                                    \
            for (int64_t i = 0; i < rows; i++) {                                                   \
                const T *from = x + nd_at(r, i, r->rank - 1);                                      \
                if (n == 1)                                                                        \
                    acc[0] = run_##T(job->kind, acc[0], from, step, row);                          \
                else                                                                               \
                    for (int64_t k = 0; k < row; k++)                                              \
                        row_##T(job->kind, acc, from + k * step, n);                               \
            }                                                                                      \
            for (int64_t c = 0; c < n; c++)                                                        \
                ((T *)job->to)[o + c] = (T)(job->kind == REDUCE_MEAN      ? mean                   \
                                            : job->kind == REDUCE_L2      ? root                   \
                                            : job->kind == REDUCE_LOG_SUM ? LOG(A, acc[c])         \
                                                                          : acc[c]);               \
        }                                                                                          \
    }

#define INTEGER_MEAN (job->count == 0 ? 0 : acc[c] / job->count)
#define INTEGER_ROOT real_to_int(sqrt((double)acc[c]))
REDUCE(float, double, -INFINITY, INFINITY, acc[c] / (double)job->count, sqrt(acc[c]))
REDUCE(double, double, -INFINITY, INFINITY, acc[c] / (double)job->count, sqrt(acc[c]))
REDUCE(int8_t, int64_t, INT8_MIN, INT8_MAX, INTEGER_MEAN, INTEGER_ROOT)
REDUCE(uint8_t, int64_t, 0, UINT8_MAX, INTEGER_MEAN, INTEGER_ROOT)
REDUCE(int32_t, int64_t, INT32_MIN, INT32_MAX, INTEGER_MEAN, INTEGER_ROOT)
REDUCE(uint32_t, int64_t, 0, UINT32_MAX, INTEGER_MEAN, INTEGER_ROOT)
REDUCE(int64_t, int64_t, INT64_MIN, INT64_MAX, INTEGER_MEAN, INTEGER_ROOT)
#define UNSIGNED_MEAN (job->count == 0 ? 0 : acc[c] / (uint64_t)job->count)
REDUCE(uint64_t, uint64_t, 0, UINT64_MAX, UNSIGNED_MEAN, (uint64_t)sqrt((double)acc[c]))

static brink_status reduce_tensor(const kernel_args *a, reduce_kind kind, const tensor *x,
                                  tensor *out)
{
    int64_t dense[BRINK_MAX_RANK];
    uint32_t mask;
    thread_range_fn fn;
    TRY(kernel_axes(a, 1, x->rank, &mask));
    if (mask == 0 && onnx_int(a->node, ATTR_noop_with_empty_axes, 0) == 0)
        mask = (1u << x->rank) - 1;
    switch (x->type) {
    case BRINK_F32:
        fn = reduce_float;
        break;
    case BRINK_F64:
        fn = reduce_double;
        break;
    case BRINK_I8:
        fn = reduce_int8_t;
        break;
    case BRINK_BOOL:
    case BRINK_U8:
        fn = reduce_uint8_t;
        break;
    case BRINK_I32:
        fn = reduce_int32_t;
        break;
    case BRINK_U32:
        fn = reduce_uint32_t;
        break;
    case BRINK_I64:
        fn = reduce_int64_t;
        break;
    case BRINK_U64:
        fn = reduce_uint64_t;
        break;
    default:
        return kernel_bad_type(a, x->type);
    }
    /* an empty input may have no address, and nothing of it is read */
    reduce_job job = {.kind = kind,
                      .x = x->data != NULL ? x->data : out->data,
                      .to = out->data,
                      .count = 1,
                      .columns = 1};
    job.kept.operands = job.reduced.operands = 2;
    dense_strides(x->rank, x->dims, dense);
    for (uint32_t i = 0; i < x->rank; i++) {
        bool gone = mask >> i & 1;
        nd *w = gone ? &job.reduced : &job.kept;
        w->dims[w->rank] = x->dims[i];
        w->stride[0][w->rank] = w->stride[1][w->rank] = dense[i];
        w->rank++;
        if (gone)
            job.count *= x->dims[i];
    }
    nd_collapse(&job.kept);
    nd_collapse(&job.reduced);
    if (nd_inner(&job.kept, 1) == 1)
        job.columns = job.kept.dims[job.kept.rank - 1];
    int64_t grain = grain_for(job.count);
    if (job.columns > 1)
        grain = (grain + COLUMNS - 1) / COLUMNS * COLUMNS;
    thread_for(a->context->pool, tensor_count(out), grain, fn, &job);
    return BRINK_OK;
}

/* Logarithms of integers are taken in f64. */
static brink_status reduce(const kernel_args *a, reduce_kind kind)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    bool log_kind = kind == REDUCE_LOG_SUM || kind == REDUCE_LOG_SUM_EXP;
    if (!log_kind || x->type == BRINK_F32 || x->type == BRINK_F64)
        return reduce_tensor(a, kind, x, out);
    int64_t n_in = tensor_count(x), n_out = tensor_count(out);
    double *wide = kernel_scratch(a, (uint64_t)(n_in + n_out + 1) * 8);
    if (wide == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t i = 0; i < n_in; i++)
        wide[i] = tensor_number(x, i);
    tensor from = *x, to = *out;
    from.type = to.type = BRINK_F64;
    from.data = wide;
    to.data = wide + n_in;
    TRY(reduce_tensor(a, kind, &from, &to));
    return number_tensor(a, wide + n_in, out);
}

brink_status cpu_reduce_sum(const kernel_args *a)
{
    return reduce(a, REDUCE_SUM);
}

brink_status cpu_reduce_mean(const kernel_args *a)
{
    return reduce(a, REDUCE_MEAN);
}

brink_status cpu_reduce_max(const kernel_args *a)
{
    return reduce(a, REDUCE_MAX);
}

brink_status cpu_reduce_min(const kernel_args *a)
{
    return reduce(a, REDUCE_MIN);
}

brink_status cpu_reduce_prod(const kernel_args *a)
{
    return reduce(a, REDUCE_PROD);
}

brink_status cpu_reduce_l2(const kernel_args *a)
{
    return reduce(a, REDUCE_L2);
}

brink_status cpu_reduce_sum_square(const kernel_args *a)
{
    return reduce(a, REDUCE_SQUARES);
}

brink_status cpu_reduce_l1(const kernel_args *a)
{
    return reduce(a, REDUCE_L1);
}

brink_status cpu_reduce_log_sum(const kernel_args *a)
{
    return reduce(a, REDUCE_LOG_SUM);
}

brink_status cpu_reduce_log_sum_exp(const kernel_args *a)
{
    return reduce(a, REDUCE_LOG_SUM_EXP);
}
