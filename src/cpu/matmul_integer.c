/* matmul_integer.c — MatMulInteger: 8-bit integers with zero points, summed in 32 bits.

   Source: ONNX MatMulInteger. Either side may be signed or not; zero points are scalars, one a row
   of A or one a column of B. Both sides are widened to 16 bits with the zero point taken off, A once
   and B by panels, so that pairs of products add up exactly in 32 bits whatever the signs. Bound by
   compute with many rows, below by the widening of B. */
#include "cpu/matmul_integer.h"

#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/rescale.h"
#include "cpu/simd.h"

#include <string.h>

static int32_t zero_at(const tensor *t, int64_t i)
{
    if (t == NULL)
        return 0;
    return (int32_t)tensor_int(t, tensor_count(t) == 1 ? 0 : i);
}

static void widen_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const integer_product *job = arg;
    for (int64_t r = begin; r < end; r++) {
        const uint8_t *x = job->a + r * job->k;
        int16_t *to = job->wide + r * 2 * job->pairs;
        int32_t zero = zero_at(job->a_zero, r % job->m);
        if (job->a_turned) {
            for (int64_t i = 0; i < job->k; i++) {
                uint8_t value = job->a[i * job->m + r];
                to[i] = (int16_t)((job->a_signed ? (int8_t)value : value) - zero);
            }
            to[2 * job->pairs - 1] = job->k & 1 ? 0 : to[2 * job->pairs - 1];
            continue;
        }
        if (job->a_signed)
            for (int64_t i = 0; i < job->k; i++)
                to[i] = (int16_t)((int8_t)x[i] - zero);
        else
            for (int64_t i = 0; i < job->k; i++)
                to[i] = (int16_t)(x[i] - zero);
        if (job->k & 1)
            to[job->k] = 0;
    }
}

/* panel[pairs, width, 2] of columns n to n + columns. */
static void pack(const integer_product *job, const uint8_t *w, int64_t n, int64_t columns,
                 int64_t width, int16_t *panel)
{
    int16_t zero[64];
    memset(panel, 0, (size_t)(job->pairs * width * 2) * sizeof *panel);
    for (int64_t c = 0; c < columns; c++)
        zero[c] = (int16_t)zero_at(job->b_zero, n + c);
    for (int64_t c = 0; job->b_turned && c < columns; c++)
        for (int64_t k = 0; k < job->k; k++) {
            uint8_t value = w[(n + c) * job->k + k];
            panel[(k / 2 * width + c) * 2 + k % 2] =
                (int16_t)((job->b_signed ? (int8_t)value : value) - zero[c]);
        }
    for (int64_t k = 0; !job->b_turned && k < job->k; k++) {
        const uint8_t *from = w + k * job->n + n;
        int16_t *to = panel + k / 2 * width * 2 + k % 2;
        if (job->b_signed)
            for (int64_t c = 0; c < columns; c++)
                to[2 * c] = (int16_t)((int8_t)from[c] - zero[c]);
        else
            for (int64_t c = 0; c < columns; c++)
                to[2 * c] = (int16_t)(from[c] - zero[c]);
    }
}

static void integer_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    const integer_product *job = arg;
    const simd_table *s = simd();
    int16_t *panel = (int16_t *)(void *)(job->memory + thread * job->each);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t batch = unit / job->panels, index = batch, a_at = 0, b_at = 0;
        for (uint32_t d = job->batch_rank; d-- > 0; index /= job->batch[d]) {
            a_at += index % job->batch[d] * job->a_batch[d];
            b_at += index % job->batch[d] * job->b_batch[d];
        }
        int64_t n = unit % job->panels * s->pair_columns, row = 2 * job->pairs;
        int64_t columns = job->n - n < s->pair_columns ? job->n - n : s->pair_columns;
        const int16_t *x = job->wide + (job->k == 0 ? 0 : a_at / job->k * row);
        pack(job, job->b + b_at, n, columns, s->pair_columns, panel);
        for (int64_t m = 0; m < job->m; m += s->pair_rows)
            s->tile_pairs(job->m - m < s->pair_rows ? job->m - m : s->pair_rows, columns,
                          job->pairs, x + m * row, row, panel,
                          job->y + (batch * job->m + m) * job->n + n, job->n);
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

brink_status integer_prepare(const kernel_args *a, const integer_operands *o, integer_product *out)
{
    if (!is_byte(o->x->type) || !is_byte(o->w->type))
        return kernel_bad_type(a, is_byte(o->x->type) ? o->w->type : o->x->type);
    if (o->x->rank == 0 || o->w->rank == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "an input is a scalar");
    tensor x = as_matrix(o->x, true), w = as_matrix(o->w, false);
    integer_product p = {.a = x.data,
                         .b = w.data,
                         .a_signed = x.type == BRINK_I8,
                         .b_signed = w.type == BRINK_I8,
                         .a_zero = o->x_zero,
                         .b_zero = o->w_zero,
                         .a_turned = o->x_turned,
                         .b_turned = o->w_turned,
                         .m = x.dims[x.rank - (o->x_turned ? 1 : 2)],
                         .k = x.dims[x.rank - (o->x_turned ? 2 : 1)],
                         .n = w.dims[w.rank - (o->w_turned ? 2 : 1)],
                         .batches = 1};
    int64_t inner = w.dims[w.rank - (o->w_turned ? 1 : 2)];
    if (inner != p.k || ((o->x_turned || o->w_turned) && (x.rank != 2 || w.rank != 2)))
        return kernel_fail(a, BRINK_BAD_INPUT, "inner dimensions %lld and %lld differ",
                           (long long)p.k, (long long)inner);
    int64_t a_zeros = p.a_zero != NULL ? tensor_count(p.a_zero) : 1;
    int64_t b_zeros = p.b_zero != NULL ? tensor_count(p.b_zero) : 1;
    if ((a_zeros != 1 && a_zeros != p.m) || (b_zeros != 1 && b_zeros != p.n))
        return kernel_fail(a, BRINK_UNSUPPORTED, "%lld and %lld zero points for [%lld, %lld]",
                           (long long)a_zeros, (long long)b_zeros, (long long)p.m, (long long)p.n);
    int64_t xs[BRINK_MAX_RANK], ws[BRINK_MAX_RANK];
    dense_strides(x.rank, x.dims, xs);
    dense_strides(w.rank, w.dims, ws);
    p.batch_rank = (x.rank > w.rank ? x.rank : w.rank) - 2;
    for (uint32_t i = 0; i < p.batch_rank; i++) {
        uint32_t from_end = p.batch_rank - i + 2; /* this dimension's distance from the last */
        int64_t dx = x.rank >= from_end ? x.dims[x.rank - from_end] : 1;
        int64_t dw = w.rank >= from_end ? w.dims[w.rank - from_end] : 1;
        p.batch[i] = dx == 1 ? dw : dx;
        p.a_batch[i] = dx == 1 ? 0 : xs[x.rank - from_end];
        p.b_batch[i] = dw == 1 ? 0 : ws[w.rank - from_end];
        p.batches *= p.batch[i];
    }
    if (w.rank == 2 && p.batch_rank > 0 && a_zeros == 1) { /* one w for all: more rows */
        p.m *= p.batches;
        p.batch_rank = 0;
        p.batches = 1;
    }
    p.rows = p.k == 0 ? 0 : tensor_count(&x) / p.k;
    p.pairs = (p.k + 1) / 2;
    p.panels = (p.n + simd()->pair_columns - 1) / simd()->pair_columns;
    *out = p;
    return BRINK_OK;
}

uint64_t integer_scratch(const kernel_args *a, integer_product *p)
{
    uint64_t panel = (uint64_t)(p->pairs * simd()->pair_columns * 2) * sizeof(int16_t);
    p->each = whole_lines(panel);
    return thread_pool_size(a->context->pool) * p->each +
           whole_lines((uint64_t)(p->rows * 2 * p->pairs) * sizeof(int16_t));
}

void integer_compute(const kernel_args *a, integer_product *p, void *memory)
{
    thread_pool *pool = a->context->pool;
    if (p->batches * p->m * p->n == 0)
        return;
    p->memory = memory;
    p->wide = (int16_t *)(void *)(p->memory + thread_pool_size(pool) * p->each);
    thread_for(pool, p->rows, grain_for(p->k), widen_range, p);
    thread_for(pool, p->batches * p->panels, grain_for(p->m * p->k * simd()->pair_columns / 32),
               integer_range, p);
}

brink_status matmul_integer(const kernel_args *a, const integer_operands *o, int32_t *y,
                            int32_t **made)
{
    integer_product p;
    TRY(integer_prepare(a, o, &p));
    uint64_t size = integer_scratch(a, &p);
    uint64_t sums = y == NULL ? (uint64_t)(p.batches * p.m * p.n) * sizeof(int32_t) : 0;
    char *memory = kernel_scratch(a, size + sums);
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    p.y = y != NULL ? y : (int32_t *)(void *)(memory + size);
    if (made != NULL)
        *made = p.y;
    integer_compute(a, &p, memory);
    return BRINK_OK;
}

brink_status cpu_matmul_integer(const kernel_args *a)
{
    integer_operands o = {a->in[0], kernel_in(a, 2), a->in[1], kernel_in(a, 3), false, false};
    return matmul_integer(a, &o, a->out[0]->data, NULL);
}
