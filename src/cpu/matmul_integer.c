/* matmul_integer.c — MatMulInteger: 8-bit integers with zero points, summed in 32 bits.

   Source: ONNX MatMulInteger. Either side may be signed or not; zero points are scalars, one a row
   of A or one a column of B. Exact: sums wrap only where the operator's own would. */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <string.h>

enum { COLUMNS = 64 };

typedef struct integer_job {
    const uint8_t *a, *b;
    bool a_signed, b_signed;
    const tensor *a_zero, *b_zero; /* NULL: 0 */
    int64_t m, n, k;
    uint32_t batch_rank;
    int64_t batch[BRINK_MAX_RANK], a_batch[BRINK_MAX_RANK], b_batch[BRINK_MAX_RANK];
    int32_t *y;
    int64_t blocks; /* of columns */
} integer_job;

static int32_t byte_at(const uint8_t *p, bool negative, int64_t i)
{
    return negative ? (int8_t)p[i] : p[i];
}

static int32_t zero_at(const tensor *t, int64_t i)
{
    if (t == NULL)
        return 0;
    return (int32_t)tensor_int(t, tensor_count(t) == 1 ? 0 : i);
}

static void integer_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const integer_job *job = arg;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t block = unit % job->blocks, index = unit / job->blocks, a_at = 0, b_at = 0;
        int64_t batch = index;
        for (uint32_t d = job->batch_rank; d-- > 0; index /= job->batch[d]) {
            a_at += index % job->batch[d] * job->a_batch[d];
            b_at += index % job->batch[d] * job->b_batch[d];
        }
        int64_t n0 = block * COLUMNS, columns = job->n - n0 < COLUMNS ? job->n - n0 : COLUMNS;
        uint32_t zero[COLUMNS], sum[COLUMNS];
        for (int64_t c = 0; c < columns; c++)
            zero[c] = (uint32_t)zero_at(job->b_zero, n0 + c);
        for (int64_t m = 0; m < job->m; m++) {
            const uint8_t *x = job->a + a_at + m * job->k;
            int32_t a_zero = zero_at(job->a_zero, m);
            memset(sum, 0, sizeof sum);
            for (int64_t k = 0; k < job->k; k++) {
                const uint8_t *w = job->b + b_at + k * job->n + n0;
                uint32_t p = (uint32_t)(byte_at(x, job->a_signed, k) - a_zero);
                if (job->b_signed)
                    for (int64_t c = 0; c < columns; c++)
                        sum[c] += p * ((uint32_t)(int8_t)w[c] - zero[c]);
                else
                    for (int64_t c = 0; c < columns; c++)
                        sum[c] += p * (w[c] - zero[c]);
            }
            memcpy(job->y + (batch * job->m + m) * job->n + n0, sum,
                   (size_t)columns * sizeof *sum);
        }
    }
}

/* The last two dimensions of a matrix operand and strides of the rest, rank 1 made a matrix. */
static tensor as_matrix(const tensor *t, bool first)
{
    tensor m = *t;
    if (t->rank == 1) {
        m.rank = 2;
        m.dims[0] = first ? 1 : t->dims[0];
        m.dims[1] = first ? t->dims[0] : 1;
    }
    return m;
}

static bool is_byte(brink_type type)
{
    return type == BRINK_U8 || type == BRINK_I8;
}

brink_status cpu_matmul_integer(const kernel_args *a)
{
    if (!is_byte(a->in[0]->type) || !is_byte(a->in[1]->type))
        return kernel_bad_type(a, a->in[is_byte(a->in[0]->type)]->type);
    if (a->in[0]->rank == 0 || a->in[1]->rank == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "an input is a scalar");
    tensor x = as_matrix(a->in[0], true), w = as_matrix(a->in[1], false);
    integer_job job = {.a = x.data,
                       .b = w.data,
                       .a_signed = x.type == BRINK_I8,
                       .b_signed = w.type == BRINK_I8,
                       .a_zero = kernel_in(a, 2),
                       .b_zero = kernel_in(a, 3),
                       .m = x.dims[x.rank - 2],
                       .k = x.dims[x.rank - 1],
                       .n = w.dims[w.rank - 1],
                       .y = a->out[0]->data};
    if (w.dims[w.rank - 2] != job.k)
        return kernel_fail(a, BRINK_BAD_INPUT, "inner dimensions %lld and %lld differ",
                           (long long)job.k, (long long)w.dims[w.rank - 2]);
    int64_t a_zeros = job.a_zero != NULL ? tensor_count(job.a_zero) : 1;
    int64_t b_zeros = job.b_zero != NULL ? tensor_count(job.b_zero) : 1;
    if ((a_zeros != 1 && a_zeros != job.m) || (b_zeros != 1 && b_zeros != job.n))
        return kernel_fail(a, BRINK_UNSUPPORTED, "%lld and %lld zero points for [%lld, %lld]",
                           (long long)a_zeros, (long long)b_zeros, (long long)job.m,
                           (long long)job.n);
    int64_t batches = 1, xs[BRINK_MAX_RANK], ws[BRINK_MAX_RANK];
    dense_strides(x.rank, x.dims, xs);
    dense_strides(w.rank, w.dims, ws);
    job.batch_rank = (x.rank > w.rank ? x.rank : w.rank) - 2;
    for (uint32_t i = 0; i < job.batch_rank; i++) {
        uint32_t from_end = job.batch_rank - i + 2; /* this dimension's distance from the last */
        int64_t dx = x.rank >= from_end ? x.dims[x.rank - from_end] : 1;
        int64_t dw = w.rank >= from_end ? w.dims[w.rank - from_end] : 1;
        job.batch[i] = dx == 1 ? dw : dx;
        job.a_batch[i] = dx == 1 ? 0 : xs[x.rank - from_end];
        job.b_batch[i] = dw == 1 ? 0 : ws[w.rank - from_end];
        batches *= job.batch[i];
    }
    job.blocks = (job.n + COLUMNS - 1) / COLUMNS;
    thread_for(a->context->pool, batches * job.blocks, grain_for(job.m * job.k * COLUMNS / 8),
               integer_range, &job);
    return BRINK_OK;
}
