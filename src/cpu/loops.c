/* loops.c — strided walks: broadcasting, merging of dimensions, threaded rows, strided copies.

   A copy is bound by memory. Rows that both sides hold contiguously are memcpy; a transposition goes
   in 16 by 16 tiles, so that each cache line is touched once. */
#include "cpu/loops.h"

#include "core/half.h"

#include <string.h>

void dense_strides(uint32_t rank, const int64_t *dims, int64_t *strides)
{
    int64_t stride = 1;
    for (uint32_t i = rank; i-- > 0;) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

void nd_dense(nd *w, uint32_t rank, const int64_t *dims)
{
    memset(w, 0, sizeof *w);
    w->rank = rank;
    w->operands = 2;
    for (uint32_t i = 0; i < rank; i++)
        w->dims[i] = dims[i];
    dense_strides(rank, dims, w->stride[0]);
}

void nd_broadcast(nd *w, const tensor *out, const tensor *const *in, uint32_t count)
{
    nd_dense(w, out->rank, out->dims);
    w->operands = count + 1;
    for (uint32_t k = 0; k < count; k++) {
        int64_t dense[BRINK_MAX_RANK];
        const tensor *t = in[k];
        dense_strides(t->rank, t->dims, dense);
        uint32_t shift = out->rank - t->rank;
        for (uint32_t i = 0; i < t->rank; i++)
            w->stride[k + 1][shift + i] = t->dims[i] == 1 ? 0 : dense[i];
    }
    nd_collapse(w);
}

void nd_collapse(nd *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->rank; i++) {
        if (w->dims[i] == 1)
            continue;
        bool merge = n > 0;
        for (uint32_t k = 0; merge && k < w->operands; k++)
            merge = w->stride[k][n - 1] == w->stride[k][i] * w->dims[i];
        if (merge)
            n--;
        w->dims[n] = merge ? w->dims[n] * w->dims[i] : w->dims[i];
        for (uint32_t k = 0; k < w->operands; k++)
            w->stride[k][n] = w->stride[k][i];
        n++;
    }
    if (n == 0) {
        w->dims[0] = 1;
        for (uint32_t k = 0; k < w->operands; k++)
            w->stride[k][0] = 0;
        n = 1;
    }
    w->rank = n;
}

typedef struct nd_job {
    const nd *w;
    nd_fn fn;
    void *arg;
    int64_t row, pieces; /* elements of a row, pieces it is cut in */
} nd_job;

static void nd_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const nd_job *job = arg;
    const nd *w = job->w;
    int64_t index[ND_RANK] = {0}, base[ND_OPERANDS] = {0}, offset[ND_OPERANDS];
    int64_t row = begin / job->pieces, piece = begin % job->pieces;
    for (uint32_t i = w->rank - 1; i-- > 0;) {
        index[i] = row % w->dims[i];
        row /= w->dims[i];
        for (uint32_t k = 0; k < w->operands; k++)
            base[k] += index[i] * w->stride[k][i];
    }
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t start = piece * ND_PIECE, n = job->row - start;
        if (job->pieces > 1 && n > ND_PIECE)
            n = ND_PIECE;
        for (uint32_t k = 0; k < w->operands; k++)
            offset[k] = base[k] + start * w->stride[k][w->rank - 1];
        job->fn(job->arg, offset, n);
        if (++piece < job->pieces)
            continue;
        piece = 0;
        for (uint32_t i = w->rank - 1; i-- > 0;) {
            for (uint32_t k = 0; k < w->operands; k++)
                base[k] += w->stride[k][i];
            if (++index[i] < w->dims[i])
                break;
            for (uint32_t k = 0; k < w->operands; k++)
                base[k] -= index[i] * w->stride[k][i];
            index[i] = 0;
        }
    }
}

void nd_for(thread_pool *pool, const nd *w, nd_fn fn, void *arg)
{
    int64_t rows = 1;
    for (uint32_t i = 0; i + 1 < w->rank; i++)
        rows *= w->dims[i];
    nd_job job = {w, fn, arg, w->dims[w->rank - 1], 1};
    if (rows == 0 || job.row == 0)
        return;
    job.pieces = (job.row + ND_PIECE - 1) / ND_PIECE;
    int64_t grain = ND_PIECE / (job.row < ND_PIECE ? job.row : ND_PIECE);
    thread_for(pool, rows * job.pieces, grain, nd_range, &job);
}

typedef struct copy_job {
    char *to;
    const char *from;
    uint32_t size;
    int64_t to_step, from_step;              /* strides within the row */
    int64_t columns, to_column, from_column; /* a tile's second dimension, 0 if none */
} copy_job;

#define COPY_STEPS(T)                                                                              \
    static void copy_steps_##T(T *to, int64_t to_step, const T *from, int64_t from_step,           \
                               int64_t n)                                                          \
    {                                                                                              \
        if (from_step == 0 && to_step == 1) {                                                      \
            T value = *from;                                                                       \
            for (int64_t i = 0; i < n; i++)                                                        \
                to[i] = value;                                                                     \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++)                                                        \
                to[i * to_step] = from[i * from_step];                                             \
        }                                                                                          \
    }
COPY_STEPS(uint8_t)
COPY_STEPS(uint16_t)
COPY_STEPS(uint32_t)
COPY_STEPS(uint64_t)

static void copy_steps(void *to, int64_t to_step, const void *from, int64_t from_step, int64_t n,
                       uint32_t size)
{
    if (to_step == 1 && from_step == 1)
        memcpy(to, from, (size_t)n * size);
    else if (size == 1)
        copy_steps_uint8_t(to, to_step, from, from_step, n);
    else if (size == 2)
        copy_steps_uint16_t(to, to_step, from, from_step, n);
    else if (size == 4)
        copy_steps_uint32_t(to, to_step, from, from_step, n);
    else
        copy_steps_uint64_t(to, to_step, from, from_step, n);
}

static void copy_row(void *arg, const int64_t *offset, int64_t n)
{
    const copy_job *job = arg;
    copy_steps(job->to + offset[0] * job->size, job->to_step, job->from + offset[1] * job->size,
               job->from_step, n, job->size);
}

/* A row of 16-wide tiles: n along the dimension in which `from` is dense. */
static void copy_tiles(void *arg, const int64_t *offset, int64_t n)
{
    enum { TILE = 16 };
    const copy_job *job = arg;
    char *to = job->to + offset[0] * job->size;
    const char *from = job->from + offset[1] * job->size;
    for (int64_t i = 0; i < n; i += TILE) {
        int64_t rows = n - i < TILE ? n - i : TILE;
        for (int64_t j = 0; j < job->columns; j += TILE) {
            int64_t columns = job->columns - j < TILE ? job->columns - j : TILE;
            for (int64_t r = i; r < i + rows; r++)
                copy_steps(to + (r * job->to_step + j * job->to_column) * job->size, job->to_column,
                           from + (r * job->from_step + j * job->from_column) * job->size,
                           job->from_column, columns, job->size);
        }
    }
}

void nd_copy(thread_pool *pool, nd *w, void *to, const void *from, uint32_t size)
{
    nd_collapse(w);
    copy_job job = {to, from, size, nd_inner(w, 0), nd_inner(w, 1), 0, 0, 0};
    uint32_t last = w->rank - 1;
    if (w->rank >= 2 && job.to_step == 1 && job.from_step > 1) {
        uint32_t dense = last;
        for (uint32_t i = 0; i < last; i++)
            if (w->stride[1][i] == 1 && w->dims[i] >= 4)
                dense = i;
        if (dense != last) { /* walk the others, tile these two */
            nd outer = *w;
            job.columns = w->dims[last];
            job.to_column = w->stride[0][last];
            job.from_column = w->stride[1][last];
            job.to_step = w->stride[0][dense];
            job.from_step = w->stride[1][dense];
            outer.dims[last] = w->dims[dense];
            outer.dims[dense] = 1;
            for (uint32_t k = 0; k < 2; k++) {
                outer.stride[k][last] = w->stride[k][dense];
                outer.stride[k][dense] = 0;
            }
            if (job.columns > 0)
                nd_for(pool, &outer, copy_tiles, &job);
            return;
        }
    }
    nd_for(pool, w, copy_row, &job);
}

int64_t tensor_int(const tensor *t, int64_t i)
{
    switch (t->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        return (int64_t)((const T *)t->data)[i];
        INTEGER_TYPES(CASE)
        CASE(BRINK_BOOL, uint8_t)
#undef CASE
    default:
        return (int64_t)tensor_number(t, i);
    }
}

double tensor_number(const tensor *t, int64_t i)
{
    switch (t->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        return (double)((const T *)t->data)[i];
        INTEGER_TYPES(CASE)
        FLOAT_TYPES(CASE)
        CASE(BRINK_BOOL, uint8_t)
#undef CASE
    case BRINK_F16:
        return half_to_float(((const uint16_t *)t->data)[i]);
    case BRINK_BF16:
        return bfloat_to_float(((const uint16_t *)t->data)[i]);
    default:
        return 0;
    }
}

/* Cut towards zero, the least of 32 or 64 bits for what they do not hold. */
static int64_t cut(double p, bool wide)
{
    double end = wide ? 9223372036854775808.0 : 2147483648.0;
    return p > -end && p < end ? (int64_t)p : wide ? INT64_MIN : INT32_MIN;
}

brink_status number_tensor(const kernel_args *a, const double *from, const tensor *out)
{
    int64_t n = tensor_count(out);
    bool wide = out->type == BRINK_I64 || out->type == BRINK_U64 || out->type == BRINK_U32;
    switch (out->type) {
#define INTEGER(type, T)                                                                           \
    case type:                                                                                     \
        for (int64_t i = 0; i < n; i++)                                                            \
            ((T *)out->data)[i] = (T)cut(from[i], wide);                                           \
        return BRINK_OK;
#define REAL(type, T)                                                                              \
    case type:                                                                                     \
        for (int64_t i = 0; i < n; i++)                                                            \
            ((T *)out->data)[i] = (T)from[i];                                                      \
        return BRINK_OK;
        INTEGER_TYPES(INTEGER)
        FLOAT_TYPES(REAL)
#undef INTEGER
#undef REAL
    default:
        return kernel_bad_type(a, out->type);
    }
}

brink_status kernel_axes(const kernel_args *a, uint32_t input, uint32_t rank, uint32_t *mask)
{
    uint32_t count = 0, axis;
    const int64_t *axes = onnx_ints(a->node, ATTR_axes, &count);
    const tensor *t = kernel_in(a, input);
    if (axes == NULL && t != NULL)
        count = (uint32_t)tensor_count(t);
    *mask = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = axes != NULL ? axes[i] : tensor_int(t, i);
        if (!axis_wrap(value, rank, &axis))
            return kernel_fail(a, BRINK_BAD_INPUT, "axis %lld is outside rank %u", (long long)value,
                               rank);
        *mask |= 1u << axis;
    }
    return BRINK_OK;
}

brink_status kernel_bad_type(const kernel_args *a, brink_type type)
{
    return kernel_fail(a, BRINK_UNSUPPORTED, "element type %s is not supported",
                       brink_type_name(type));
}
