/* matmul.c — MatMul and FusedMatMul: batches of matrices, numpy's rules for rank 1 and broadcasting.

   Source: ONNX MatMul, onnxruntime's FusedMatMul. f32 (with f16 or bf16 constant weights) goes
   through cpu/product.h; other types take a plain loop. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

#include <string.h>

/* A matrix operand: [batch…, rows, columns] with strides in elements. */
typedef struct operand {
    uint32_t batch_rank;
    int64_t rows, columns, row_stride, column_stride;
    int64_t dims[BRINK_MAX_RANK], stride[BRINK_MAX_RANK];
} operand;

/* `flip` reads the last two dimensions swapped; `flip_batch` (FusedMatMul) has the matrix's rows in
   dimension 0 and the batch between. */
static operand operand_of(const tensor *t, bool flip, bool flip_batch, bool first)
{
    operand o = {0};
    int64_t dense[BRINK_MAX_RANK + 1], dims[BRINK_MAX_RANK + 1];
    uint32_t rank = t->rank;
    memcpy(dims, t->dims, rank * sizeof *dims);
    dense_strides(rank, dims, dense);
    if (rank == 1) { /* a row on the left, a column on the right */
        dims[1] = first ? dims[0] : 1;
        dense[1] = first ? 1 : 0;
        dims[0] = first ? 1 : dims[0];
        dense[0] = first ? 0 : 1;
        rank = 2;
    }
    uint32_t rows = rank - 2, columns = rank - 1, base = 0;
    if (flip_batch && rank > 2) {
        rows = 0;
        base = 1;
    }
    o.batch_rank = rank - 2;
    for (uint32_t i = 0; i < o.batch_rank; i++) {
        o.dims[i] = dims[base + i];
        o.stride[i] = dense[base + i];
    }
    o.rows = dims[flip ? columns : rows];
    o.columns = dims[flip ? rows : columns];
    o.row_stride = dense[flip ? columns : rows];
    o.column_stride = dense[flip ? rows : columns];
    return o;
}

#define PLAIN(type, T, A)                                                                          \
    static void plain_##T(T *y, const T *x, const operand *p, const T *w, const operand *q)        \
    {                                                                                              \
        for (int64_t i = 0; i < p->rows; i++)                                                      \
            for (int64_t j = 0; j < q->columns; j++) {                                             \
                A sum = 0;                                                                         \
                for (int64_t k = 0; k < p->columns; k++)                                           \
                    sum += (A)x[i * p->row_stride + k * p->column_stride] *                        \
                           (A)w[k * q->row_stride + j * q->column_stride];                         \
                *y++ = (T)sum;                                                                     \
            }                                                                                      \
    }
#define PLAIN_INTEGER(type, T) PLAIN(type, T, uint64_t)
#define PLAIN_FLOAT(type, T) PLAIN(type, T, double)
INTEGER_TYPES(PLAIN_INTEGER)
FLOAT_TYPES(PLAIN_FLOAT)

static brink_status plain(const kernel_args *a, const product *p, const operand *x,
                          const operand *w)
{
    int64_t batches = 1;
    for (uint32_t d = 0; d < p->batch_rank; d++)
        batches *= p->batch[d];
    for (int64_t b = 0; b < batches; b++) {
        int64_t index = b, x_at = 0, w_at = 0, y_at = b * x->rows * w->columns;
        for (uint32_t d = p->batch_rank; d-- > 0; index /= p->batch[d]) {
            x_at += index % p->batch[d] * p->x_batch[d];
            w_at += index % p->batch[d] * p->w_batch[d];
        }
        switch (a->out[0]->type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        plain_##T((T *)a->out[0]->data + y_at, (const T *)a->in[0]->data + x_at, x,                \
                  (const T *)a->in[1]->data + w_at, w);                                            \
        break;
            INTEGER_TYPES(CASE)
            FLOAT_TYPES(CASE)
#undef CASE
        default:
            return kernel_bad_type(a, a->out[0]->type);
        }
    }
    return BRINK_OK;
}

/* Broadcasts the batch dimensions of both. */
static void set_batches(product *p, const operand *x, const operand *w)
{
    p->batch_rank = x->batch_rank > w->batch_rank ? x->batch_rank : w->batch_rank;
    for (uint32_t i = 0; i < p->batch_rank; i++) {
        uint32_t from_x = i + x->batch_rank - p->batch_rank;
        uint32_t from_w = i + w->batch_rank - p->batch_rank;
        bool has_x = i + x->batch_rank >= p->batch_rank, has_w = i + w->batch_rank >= p->batch_rank;
        int64_t dx = has_x ? x->dims[from_x] : 1, dw = has_w ? w->dims[from_w] : 1;
        p->batch[i] = dx == 1 ? dw : dx;
        p->x_batch[i] = dx == 1 ? 0 : x->stride[from_x];
        p->w_batch[i] = dw == 1 ? 0 : w->stride[from_w];
    }
}

static void scale(tensor *t, float alpha)
{
    int64_t count = tensor_count(t);
    if (alpha == 1)
        return;
    for (int64_t i = 0; i < count && t->type == BRINK_F32; i++)
        ((float *)t->data)[i] *= alpha;
    for (int64_t i = 0; i < count && t->type == BRINK_F64; i++)
        ((double *)t->data)[i] *= (double)alpha;
}

static brink_status multiply(const kernel_args *a, operand x, operand w)
{
    const tensor *t = a->in[0], *u = a->in[1];
    tensor *out = a->out[0];
    if (x.columns != w.rows)
        return kernel_fail(a, BRINK_BAD_INPUT, "inner dimensions %lld and %lld differ",
                           (long long)x.columns, (long long)w.rows);
    product p = {.m = x.rows, .n = w.columns, .k = x.columns, .x = t->data, .y = out->data};
    set_batches(&p, &x, &w);
    bool widened = u->type == BRINK_F16 || u->type == BRINK_BF16;
    if (out->type != BRINK_F32) {
        if (t->type != out->type || u->type != out->type)
            return kernel_bad_type(a, u->type);
        return plain(a, &p, &x, &w);
    }
    if (a->packed != NULL)
        p.panels = a->packed;
    if (t->type != BRINK_F32 || (u->type != BRINK_F32 && !widened))
        return kernel_bad_type(a, u->type);
    if (w.batch_rank == 0 && x.batch_rank > 0 && x.column_stride == 1) {
        int64_t batches = 1; /* one w for all: the batch is more rows, if they lie evenly */
        bool even = true;
        for (uint32_t i = x.batch_rank; i-- > 0; batches *= x.dims[i])
            even = even && x.stride[i] == x.row_stride * x.rows * batches;
        if (even) {
            p.m *= batches;
            p.batch_rank = 0;
        }
    }
    p.x_row = x.row_stride;
    p.y_row = p.n;
    p.w = u->data;
    p.w_type = u->type;
    p.transposed = w.column_stride != 1 || w.columns == 1;
    p.w_row = p.transposed ? w.column_stride : w.row_stride;
    if (p.transposed && w.row_stride != 1 && w.rows > 1) {
        if (widened) /* a strided half-precision w has no fast form and no user */
            return kernel_bad_type(a, u->type);
        return plain(a, &p, &x, &w);
    }
    uint64_t count = (uint64_t)tensor_count(t), copy = 0;
    if (x.column_stride != 1 && x.columns > 1) /* x is transposed: a copy with dense rows */
        copy = whole_lines(count * sizeof(float));
    char *memory = kernel_scratch(a, copy + product_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (copy != 0) {
        nd walk = {.rank = x.batch_rank + 2, .operands = 2};
        for (uint32_t i = 0; i < x.batch_rank; i++) {
            walk.dims[i] = x.dims[i];
            walk.stride[1][i] = x.stride[i];
        }
        walk.dims[x.batch_rank] = x.rows;
        walk.stride[1][x.batch_rank] = x.row_stride;
        walk.dims[x.batch_rank + 1] = x.columns;
        walk.stride[1][x.batch_rank + 1] = x.column_stride;
        dense_strides(walk.rank, walk.dims, walk.stride[0]);
        memcpy(x.stride, walk.stride[0], x.batch_rank * sizeof *x.stride);
        nd_copy(a->context->pool, &walk, memory, t->data, sizeof(float));
        set_batches(&p, &x, &w);
        p.x = (const float *)(const void *)memory;
        p.x_row = x.columns;
    }
    product_compute(a, &p, memory + copy);
    return BRINK_OK;
}

brink_status cpu_prepare_matmul(const kernel_args *a, packing *store, const void **out)
{
    const product_panels *panels;
    bool turned = onnx_int(a->node, ATTR_transB, 0) != 0;
    if (a->in[1]->type != BRINK_F32 && a->in[1]->type != BRINK_F16 && a->in[1]->type != BRINK_BF16)
        return BRINK_OK;
    TRY(product_pack(a, store, a->in[1], turned, &panels));
    *out = panels;
    return BRINK_OK;
}

brink_status cpu_matmul(const kernel_args *a)
{
    if (a->in[0]->rank == 0 || a->in[1]->rank == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "an input is a scalar");
    return multiply(a, operand_of(a->in[0], false, false, true),
                    operand_of(a->in[1], false, false, false));
}

brink_status cpu_fused_matmul(const kernel_args *a)
{
    const onnx_node *n = a->node;
    const tensor *x = a->in[0], *w = a->in[1];
    if (x->rank == 0 || w->rank == 0)
        return kernel_fail(a, BRINK_BAD_INPUT, "an input is a scalar");
    bool flip_x = onnx_int(n, ATTR_transA, 0) != 0 && x->rank > 1;
    bool flip_w = onnx_int(n, ATTR_transB, 0) != 0 && w->rank > 1;
    TRY(multiply(a, operand_of(x, flip_x, onnx_int(n, ATTR_transBatchA, 0) != 0, true),
                 operand_of(w, flip_w, onnx_int(n, ATTR_transBatchB, 0) != 0, false)));
    scale(a->out[0], onnx_float(n, ATTR_alpha, 1));
    return BRINK_OK;
}
