/* kernel.h — what a kernel is given, on any backend's CPU side.

   A kernel computes one node from dense row-major tensors. Shapes are already inferred and checked
   by the node's shape rule; a kernel still checks what only data can say (an index out of range).

   Half precision: on the CPU every f16 and bf16 value is held as f32 while a plan runs, so a kernel
   sees BRINK_F32 in their place. Only inputs marked OP_HALF in ops.def may come as the f16 or bf16
   constants they are. What a node says of types (Cast's `to`) is in its attributes. Kernels marked
   OP_ANY move elements by size and must take every type. */
#ifndef GRAPH_KERNEL_H
#define GRAPH_KERNEL_H

#include "core/threads.h"
#include "graph/packing.h"
#include "onnx/model.h"

typedef struct tensor {
    void *data;
    brink_type type;
    uint32_t rank;
    int64_t dims[BRINK_MAX_RANK];
    int64_t capacity; /* rows reserved in dims[rank − 2] of a key-value buffer; 0: dense */
} tensor;

/* Memory that a kernel may use while it runs; kept between calls, so that a steady step allocates
   nothing. */
typedef struct scratch {
    void *data;
    uint64_t size;
} scratch;

typedef struct kernel_args {
    brink_context *context; /* context->pool are the threads */
    const char *file;
    const onnx_node *node;
    const tensor *const *in; /* NULL where an optional input is left out */
    tensor *const *out;      /* NULL where nobody asks for it            */
    uint32_t in_count, out_count;
    scratch *scratch;
    const void *packed; /* what `prepare` made of the constant inputs; NULL: nothing */
    bool exact;         /* f32 activations in quantised products */
    bool rows_apart;    /* a row of the result is, bit for bit, what it is without the others */
} kernel_args;

typedef brink_status (*kernel_fn)(const kernel_args *a);

/* Puts a node's constant inputs into the form its kernel reads, once: called when the node is
   planned, with data only in the constant inputs. *out stays NULL where there is nothing to gain. */
typedef brink_status (*prepare_fn)(const kernel_args *a, packing *store, const void **out);

/* The kernels of one backend, by op_id; NULL where there is none. */
typedef struct kernel_table {
    kernel_fn kernels[OP_COUNT];
    prepare_fn prepare[OP_COUNT];
} kernel_table;

static inline int64_t tensor_count(const tensor *t)
{
    int64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        n *= t->dims[i];
    return n;
}

static inline const tensor *kernel_in(const kernel_args *a, uint32_t i)
{
    return i < a->in_count ? a->in[i] : NULL;
}

static inline tensor *kernel_out(const kernel_args *a, uint32_t i)
{
    return i < a->out_count ? a->out[i] : NULL;
}

/* Bytes of one element, 0 for types below a byte and strings. */
static inline uint32_t element_bytes(brink_type type)
{
    return brink_type_bits(type) / 8;
}

/* Bytes filled up to whole cache lines: scratch is cut at them, so that threads do not share one. */
static inline uint64_t whole_lines(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* An axis attribute or tensor value brought into [0, rank); false if it is outside. */
static inline bool axis_wrap(int64_t axis, uint32_t rank, uint32_t *out)
{
    if (axis < 0)
        axis += rank;
    if (axis < 0 || axis >= (int64_t)rank)
        return false;
    *out = (uint32_t)axis;
    return true;
}

/* At least `size` bytes, NULL with the error recorded when there is no room. What an earlier call
   gave is lost. */
void *kernel_scratch(const kernel_args *a, uint64_t size);

#define kernel_fail(a, status, ...)                                                                \
    onnx_node_fail((a)->context, (a)->file, (a)->node, status, __VA_ARGS__)

#endif
