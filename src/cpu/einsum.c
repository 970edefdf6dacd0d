/* einsum.c — Einsum: sums of products over labelled dimensions.

   Source: ONNX Einsum, numpy.einsum. Operands are contracted in pairs from the left, each pair keeping
   the labels that the output or a later operand has. Two f32 operands whose summed labels are in
   both become a batched matrix product (see product.h), bound by compute; everything else is a
   strided loop, with f64 or wrapping 64-bit sums. */
#include "graph/einsum.h"

#include "core/arena.h"
#include "cpu/cpu.h"
#include "cpu/loops.h"
#include "cpu/product.h"

#include <string.h>

typedef struct operand {
    const void *data;
    uint64_t has;                  /* bit l: label l is one of its dimensions            */
    int64_t stride[EINSUM_LABELS]; /* 0 where it has not the label or repeats along it */
    bool diagonal;                 /* a label names two of its dimensions */
} operand;

/* out[kept] = sum over `summed` of x * y. Labels in the order in which they are walked. */
typedef struct contraction {
    const operand *x, *y; /* y may be NULL */
    uint32_t kept_count, summed_count;
    uint8_t kept[EINSUM_LABELS], summed[EINSUM_LABELS];
    const int64_t *dims; /* by label */
    void *to;
} contraction;

static int64_t product_of(const uint8_t *labels, uint32_t count, const int64_t *dims)
{
    int64_t n = 1;
    for (uint32_t i = 0; i < count; i++)
        n *= dims[labels[i]];
    return n;
}

/* Moves both offsets to index `i` of the box of `labels`. */
static void place(const contraction *c, const uint8_t *labels, uint32_t count, int64_t i,
                  int64_t *x, int64_t *y)
{
    for (uint32_t d = count; d-- > 0;) {
        int64_t index = i % c->dims[labels[d]];
        i /= c->dims[labels[d]];
        *x += index * c->x->stride[labels[d]];
        *y += c->y != NULL ? index * c->y->stride[labels[d]] : 0;
    }
}

#define CONTRACT(T, A)                                                                             \
    static void contract_##T(void *arg, int64_t begin, int64_t end, uint32_t thread)               \
    {                                                                                              \
        (void)thread;                                                                              \
        const contraction *c = arg;                                                                \
        const T one = 1, *x = c->x->data, *y = c->y != NULL ? c->y->data : &one;                   \
        uint32_t outer = c->summed_count > 0 ? c->summed_count - 1 : 0;                            \
        uint8_t last = c->summed[outer];                                                           \
        int64_t rows = product_of(c->summed, outer, c->dims);                                      \
        int64_t n = c->summed_count > 0 ? c->dims[last] : 1;                                       \
        int64_t sx = c->x->stride[last], sy = c->y != NULL ? c->y->stride[last] : 0;               \
        for (int64_t o = begin; o < end; o++) {                                                    \
            int64_t x0 = 0, y0 = 0;                                                                \
            A sum = 0;                                                                             \
            place(c, c->kept, c->kept_count, o, &x0, &y0);                                         \
            for (int64_t row = 0; row < rows; row++) {                                             \
                int64_t at_x = x0, at_y = y0;                                                      \
                place(c, c->summed, outer, row, &at_x, &at_y);                                     \
                for (int64_t i = 0; i < n; i++)                                                    \
                    sum += (A)x[at_x + i * sx] * (A)y[at_y + i * sy];                              \
            }                                                                                      \
            ((T *)c->to)[o] = (T)sum;                                                              \
        }                                                                                          \
    }
#define CONTRACT_INTEGER(type, T) CONTRACT(T, uint64_t)
#define CONTRACT_FLOAT(type, T) CONTRACT(T, double)
INTEGER_TYPES(CONTRACT_INTEGER)
FLOAT_TYPES(CONTRACT_FLOAT)

static brink_status contract(const kernel_args *a, const contraction *c, brink_type type)
{
    thread_range_fn fn;
    switch (type) {
#define CASE(type, T)                                                                              \
    case type:                                                                                     \
        fn = contract_##T;                                                                         \
        break;
        INTEGER_TYPES(CASE)
        FLOAT_TYPES(CASE)
#undef CASE
    default:
        return kernel_bad_type(a, type);
    }
    int64_t each = product_of(c->summed, c->summed_count, c->dims);
    thread_for(a->context->pool, product_of(c->kept, c->kept_count, c->dims), grain_for(each), fn,
               (void *)(uintptr_t)c);
    return BRINK_OK;
}

/* ── Two f32 operands as a matrix product ── */

typedef struct label_list {
    uint32_t count;
    uint8_t labels[EINSUM_LABELS];
} label_list;

/* A dense copy of `x` in the order of the three lists; at most 8 of the labels are longer than 1. */
static void gather_operand(const kernel_args *a, const operand *x, const int64_t *dims,
                           const label_list *const lists[3], float *to)
{
    nd w = {.operands = 2};
    for (uint32_t l = 0; l < 3; l++)
        for (uint32_t i = 0; i < lists[l]->count; i++) {
            uint8_t label = lists[l]->labels[i];
            if (dims[label] == 1)
                continue;
            w.dims[w.rank] = dims[label];
            w.stride[1][w.rank++] = x->stride[label];
        }
    dense_strides(w.rank, w.dims, w.stride[0]);
    nd_copy(a->context->pool, &w, to, x->data, sizeof(float));
}

/* False when the contraction is not a product of non-empty f32 matrices, and nothing was done. */
static bool as_product(const kernel_args *a, const contraction *c, brink_status *status)
{
    label_list batch = {0}, rows = {0}, columns = {0}, inner = {0};
    if (c->y == NULL || c->x->diagonal || c->y->diagonal)
        return false;
    for (uint32_t i = 0; i < c->kept_count; i++) {
        uint8_t l = c->kept[i];
        bool in_x = c->x->has >> l & 1, in_y = c->y->has >> l & 1;
        label_list *list = in_x && in_y ? &batch : in_x ? &rows : &columns;
        list->labels[list->count++] = l;
    }
    for (uint32_t i = 0; i < c->summed_count; i++) {
        uint8_t l = c->summed[i];
        if (!(c->x->has >> l & 1) || !(c->y->has >> l & 1))
            return false;
        inner.labels[inner.count++] = l;
    }
    uint32_t all = c->kept_count + c->summed_count;
    int64_t b = product_of(batch.labels, batch.count, c->dims);
    int64_t m = product_of(rows.labels, rows.count, c->dims);
    int64_t n = product_of(columns.labels, columns.count, c->dims);
    int64_t k = product_of(inner.labels, inner.count, c->dims);
    if (b * m * n * k == 0 || all > ND_RANK)
        return false;
    product p = {.m = m,
                 .n = n,
                 .k = k,
                 .x_row = k,
                 .y_row = n,
                 .w_type = BRINK_F32,
                 .w_row = n,
                 .batch_rank = 1,
                 .batch = {b},
                 .x_batch = {m * k},
                 .w_batch = {k * n}};
    uint64_t own = whole_lines(product_scratch(a, &p));
    uint64_t elements = (uint64_t)(b * m * k) + (uint64_t)(b * k * n) + (uint64_t)(b * m * n);
    char *memory = kernel_scratch(a, own + elements * sizeof(float));
    if (memory == NULL) {
        *status = BRINK_OUT_OF_MEMORY;
        return true;
    }
    float *x = (float *)(void *)(memory + own), *w = x + b * m * k, *y = w + b * k * n;
    gather_operand(a, c->x, c->dims, (const label_list *const[]){&batch, &rows, &inner}, x);
    gather_operand(a, c->y, c->dims, (const label_list *const[]){&batch, &inner, &columns}, w);
    p.x = x;
    p.w = w;
    p.y = y;
    product_compute(a, &p, memory);
    operand result = {.data = y};
    int64_t stride = 1;
    const label_list *order[] = {&columns, &rows, &batch};
    for (uint32_t l = 0; l < 3; l++)
        for (uint32_t i = order[l]->count; i-- > 0;) {
            result.stride[order[l]->labels[i]] = stride;
            stride *= c->dims[order[l]->labels[i]];
        }
    label_list kept = {.count = c->kept_count};
    memcpy(kept.labels, c->kept, c->kept_count);
    gather_operand(a, &result, c->dims,
                   (const label_list *const[]){&kept, &(label_list){0}, &(label_list){0}}, c->to);
    *status = BRINK_OK;
    return true;
}

/* ── Whole equations ── */

static brink_status operand_of(const kernel_args *a, const einsum_term *t, const tensor *x,
                               int64_t *dims, operand *out)
{
    int64_t dense[BRINK_MAX_RANK];
    *out = (operand){.data = x->data};
    dense_strides(x->rank, x->dims, dense);
    for (uint32_t d = 0; d < x->rank; d++) {
        uint8_t l = t->labels[d];
        if (dims[l] == 1)
            dims[l] = x->dims[d];
        else if (x->dims[d] != 1 && x->dims[d] != dims[l])
            return kernel_fail(a, BRINK_BAD_INPUT, "a label stands for %lld and %lld",
                               (long long)dims[l], (long long)x->dims[d]);
        out->diagonal |= out->has >> l & 1;
        out->has |= (uint64_t)1 << l;
        out->stride[l] += x->dims[d] == 1 ? 0 : dense[d];
    }
    return BRINK_OK;
}

brink_status cpu_einsum(const kernel_args *a)
{
    tensor *out = a->out[0];
    uint32_t ranks[EINSUM_OPERANDS] = {0};
    int64_t dims[EINSUM_LABELS];
    operand operands[EINSUM_OPERANDS], partial;
    einsum e;
    for (uint32_t i = 0; i < a->in_count && i < EINSUM_OPERANDS; i++)
        ranks[i] = a->in[i]->rank;
    const char *error =
        einsum_parse(onnx_string(a->node, ATTR_equation, ""), ranks, a->in_count, &e);
    if (error != NULL)
        return kernel_fail(a, BRINK_BAD_INPUT, "equation: %s", error);
    for (uint32_t l = 0; l < EINSUM_LABELS; l++)
        dims[l] = 1;
    for (uint32_t i = 0; i < e.count; i++) {
        if (a->in[i]->type != out->type)
            return kernel_bad_type(a, a->in[i]->type);
        TRY(operand_of(a, &e.operands[i], a->in[i], dims, &operands[i]));
    }
    uint64_t wanted = 0; /* labels of the output */
    for (uint32_t d = 0; d < e.out.rank; d++)
        wanted |= (uint64_t)1 << e.out.labels[d];
    arena work; /* the results of all pairs but the last */
    arena_init(&work, a->context);
    brink_status status = BRINK_OK;
    const operand *left = &operands[0];
    for (uint32_t i = e.count > 1; status == BRINK_OK && i < e.count; i++) {
        bool last = i + 1 >= e.count;
        contraction c = {.x = left, .y = i > 0 ? &operands[i] : NULL, .dims = dims};
        uint64_t here = left->has | (i > 0 ? operands[i].has : 0), later = wanted;
        for (uint32_t k = i + 1; k < e.count; k++)
            later |= operands[k].has;
        if (last) {
            c.kept_count = e.out.rank;
            memcpy(c.kept, e.out.labels, e.out.rank);
        }
        for (uint32_t l = 0; l < EINSUM_LABELS; l++) {
            if (!(here >> l & 1))
                continue;
            if (!(later >> l & 1))
                c.summed[c.summed_count++] = (uint8_t)l;
            else if (!last)
                c.kept[c.kept_count++] = (uint8_t)l;
        }
        operand next = {.has = here & later};
        int64_t stride = 1;
        uint64_t bytes = element_bytes(out->type);
        for (uint32_t d = c.kept_count; d-- > 0; stride *= dims[c.kept[d]]) {
            next.stride[c.kept[d]] = stride;
            if (!core_mul(bytes, (uint64_t)dims[c.kept[d]], &bytes) || bytes > INT64_MAX)
                return arena_free(&work), BRINK_OUT_OF_MEMORY;
        }
        c.to = last ? out->data : arena_alloc(&work, bytes + 8);
        if (c.to == NULL && !last)
            status = BRINK_OUT_OF_MEMORY;
        else if (out->type != BRINK_F32 || !as_product(a, &c, &status))
            status = contract(a, &c, out->type);
        next.data = c.to;
        partial = next;
        left = &partial;
    }
    arena_free(&work);
    return status;
}
