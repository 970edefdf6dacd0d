/* gemm.c — Gemm: alpha * A' · B' + beta * C, C broadcast to the result.

   Source: ONNX Gemm. f32 goes through cpu/product.h, other types take a plain loop. */
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

typedef struct gemm {
    int64_t m, n, k;
    bool flip_a, flip_b;
    float alpha, beta;
} gemm;

/* y = alpha * y + beta * C in place. */
#define FINISH(T)                                                                                  \
    static void finish_##T(T *y, const gemm *g, const tensor *c)                                   \
    {                                                                                              \
        int64_t row = 0, column = 0;                                                               \
        if (c != NULL) {                                                                           \
            int64_t columns = c->rank > 0 ? c->dims[c->rank - 1] : 1;                              \
            int64_t rows = c->rank > 1 ? c->dims[c->rank - 2] : 1;                                 \
            column = columns == 1 ? 0 : 1;                                                         \
            row = rows == 1 ? 0 : columns;                                                         \
        }                                                                                          \
        for (int64_t i = 0; i < g->m; i++)                                                         \
            for (int64_t j = 0; j < g->n; j++) {                                                   \
                T *to = y + i * g->n + j;                                                          \
                T value = g->alpha == 1 ? *to : (T)((T)g->alpha * *to);                            \
                T addend = c == NULL ? 0 : ((const T *)c->data)[i * row + j * column];             \
                *to = (T)(value + (g->beta == 1 ? addend : (T)((T)g->beta * addend)));             \
            }                                                                                      \
    }

#define PLAIN(T, A)                                                                                \
    FINISH(T)                                                                                      \
    static void plain_##T(T *y, const T *x, const T *w, const gemm *g)                             \
    {                                                                                              \
        for (int64_t i = 0; i < g->m; i++)                                                         \
            for (int64_t j = 0; j < g->n; j++) {                                                   \
                A sum = 0;                                                                         \
                for (int64_t k = 0; k < g->k; k++)                                                 \
                    sum += (A)x[g->flip_a ? k * g->m + i : i * g->k + k] *                         \
                           (A)w[g->flip_b ? j * g->k + k : k * g->n + j];                          \
                y[i * g->n + j] = (T)sum;                                                          \
            }                                                                                      \
    }
PLAIN(double, double)
PLAIN(uint32_t, uint32_t)
PLAIN(uint64_t, uint64_t)
FINISH(float)

static brink_status gemm_f32(const kernel_args *a, const gemm *g, const tensor *c)
{
    const tensor *x = a->in[0], *w = a->in[1];
    tensor *out = a->out[0];
    product p = {.m = g->m,
                 .n = g->n,
                 .k = g->k,
                 .x = x->data,
                 .x_row = g->k,
                 .y = out->data,
                 .y_row = g->n,
                 .w = w->data,
                 .w_type = w->type,
                 .transposed = g->flip_b,
                 .w_row = g->flip_b ? g->k : g->n,
                 .panels = a->packed};
    uint64_t copy = g->flip_a ? whole_lines((uint64_t)(g->m * g->k) * sizeof(float)) : 0;
    char *memory = kernel_scratch(a, copy + product_scratch(a, &p));
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (copy != 0) {
        nd walk = {
            .rank = 2, .operands = 2, .dims = {g->m, g->k}, .stride = {{g->k, 1}, {1, g->m}}};
        nd_copy(a->context->pool, &walk, memory, x->data, sizeof(float));
        p.x = (const float *)(const void *)memory;
    }
    product_compute(a, &p, memory + copy);
    if (g->alpha != 1 || c != NULL)
        finish_float(out->data, g, c);
    return BRINK_OK;
}

brink_status cpu_gemm(const kernel_args *a)
{
    const tensor *x = a->in[0], *w = a->in[1], *c = kernel_in(a, 2);
    tensor *out = a->out[0];
    gemm g = {.flip_a = onnx_int(a->node, ATTR_transA, 0) != 0,
              .flip_b = onnx_int(a->node, ATTR_transB, 0) != 0,
              .alpha = onnx_float(a->node, ATTR_alpha, 1),
              .beta = onnx_float(a->node, ATTR_beta, 1)};
    if (x->rank != 2 || w->rank != 2)
        return kernel_fail(a, BRINK_BAD_INPUT, "ranks %u and %u, both must be 2", x->rank, w->rank);
    g.m = x->dims[g.flip_a ? 1 : 0];
    g.k = x->dims[g.flip_a ? 0 : 1];
    g.n = w->dims[g.flip_b ? 0 : 1];
    if (w->dims[g.flip_b ? 1 : 0] != g.k)
        return kernel_fail(a, BRINK_BAD_INPUT, "inner dimensions %lld and %lld differ",
                           (long long)g.k, (long long)w->dims[g.flip_b ? 1 : 0]);
    if (x->type != out->type || (c != NULL && c->type != out->type))
        return kernel_bad_type(a, x->type);
    for (uint32_t i = 0; c != NULL && i < c->rank; i++) {
        int64_t most = i + 1 == c->rank ? g.n : i + 2 == c->rank ? g.m : 1;
        if (c->dims[i] != 1 && c->dims[i] != most)
            return kernel_fail(a, BRINK_BAD_INPUT, "C does not broadcast to [%lld, %lld]",
                               (long long)g.m, (long long)g.n);
    }
    if (c != NULL && tensor_count(c) == 0)
        c = NULL;
    switch (out->type) {
    case BRINK_F32:
        if (w->type != BRINK_F32 && w->type != BRINK_F16 && w->type != BRINK_BF16)
            return kernel_bad_type(a, w->type);
        return gemm_f32(a, &g, c);
#define CASE(T)                                                                                    \
    if (w->type != out->type)                                                                      \
        return kernel_bad_type(a, w->type);                                                        \
    plain_##T(out->data, x->data, w->data, &g);                                                    \
    finish_##T(out->data, &g, c);                                                                  \
    return BRINK_OK;
    case BRINK_F64:
        CASE(double)
    case BRINK_I32:
    case BRINK_U32:
        CASE(uint32_t)
    case BRINK_I64:
    case BRINK_U64:
        CASE(uint64_t)
#undef CASE
    default:
        return kernel_bad_type(a, out->type);
    }
}
