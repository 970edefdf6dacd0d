/* loops.h — walking several strided operands at once.

   An `nd` is a box of indices with a stride for each operand, as numpy's nditer has it. Dimensions
   of one are dropped and neighbours that all operands walk evenly are merged, so that the last
   dimension is as long as it can be; kernels then work on rows of it. */
#ifndef CPU_LOOPS_H
#define CPU_LOOPS_H

#include "graph/kernel.h"

enum { ND_RANK = 2 * BRINK_MAX_RANK, ND_OPERANDS = 4, ND_PIECE = 16384 };

/* Invariant: rank >= 1. Strides count elements. */
typedef struct nd {
    uint32_t rank, operands;
    int64_t dims[ND_RANK];
    int64_t stride[ND_OPERANDS][ND_RANK];
} nd;

/* Operand 0 is dense `out`; the others follow the broadcasting rule (stride 0 where they repeat). */
void nd_broadcast(nd *w, const tensor *out, const tensor *const *in, uint32_t count);

/* Drops and merges dimensions. */
void nd_collapse(nd *w);

/* Calls fn on pieces of rows, on all threads: `offset` is where each operand's piece starts, `n` how
   many elements it has; strides are those of the last dimension. */
typedef void (*nd_fn)(void *arg, const int64_t *offset, int64_t n);
void nd_for(thread_pool *pool, const nd *w, nd_fn fn, void *arg);

static inline int64_t nd_inner(const nd *w, uint32_t operand)
{
    return w->stride[operand][w->rank - 1];
}

/* Copies elements of `size` bytes (1, 2, 4, 8) from operand 1 to operand 0. */
void nd_copy(thread_pool *pool, nd *w, void *to, const void *from, uint32_t size);

/* A dense walk over `dims` for operand 0, strides of operand 1 left at zero. */
void nd_dense(nd *w, uint32_t rank, const int64_t *dims);

/* Strides of a dense array. */
void dense_strides(uint32_t rank, const int64_t *dims, int64_t *strides);

/* What a Slice copies: operand 1 of the walk is its input from element `from` on. */
brink_status slice_walk(const kernel_args *a, nd *w, int64_t *from);

/* Product of dims[from, to). */
static inline int64_t dims_product(const tensor *t, uint32_t from, uint32_t to)
{
    int64_t n = 1;
    for (uint32_t i = from; i < to; i++)
        n *= t->dims[i];
    return n;
}

/* Element i of an integer tensor (i32, i64 and the smaller ones). */
int64_t tensor_int(const tensor *t, int64_t i);

/* A real number cut towards zero; the least integer where it does not fit, as Cast gives it. */
static inline int64_t real_to_int(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}

/* Element i of any numeric tensor. */
double tensor_number(const tensor *t, int64_t i);

/* Stores numbers as elements of `out`, cut as Cast cuts them. */
brink_status number_tensor(const kernel_args *a, const double *from, const tensor *out);

/* How many pieces of work `count` items of `cost` operations each should be cut in: a grain. */
static inline int64_t grain_for(int64_t cost)
{
    int64_t grain = 32768 / (cost < 1 ? 1 : cost);
    return grain < 1 ? 1 : grain;
}

/* Axes of a reduction, Squeeze and the like: attribute `axes`, else input `input`, else none. */
brink_status kernel_axes(const kernel_args *a, uint32_t input, uint32_t rank, uint32_t *mask);

/* "type uint4 is not supported" */
brink_status kernel_bad_type(const kernel_args *a, brink_type type);

#define INTEGER_TYPES(X)                                                                           \
    X(BRINK_I8, int8_t)                                                                            \
    X(BRINK_U8, uint8_t)                                                                           \
    X(BRINK_I16, int16_t)                                                                          \
    X(BRINK_U16, uint16_t)                                                                         \
    X(BRINK_I32, int32_t)                                                                          \
    X(BRINK_U32, uint32_t)                                                                         \
    X(BRINK_I64, int64_t)                                                                          \
    X(BRINK_U64, uint64_t)
#define FLOAT_TYPES(X)                                                                             \
    X(BRINK_F32, float)                                                                            \
    X(BRINK_F64, double)

#endif
