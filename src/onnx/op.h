/* op.h — the operator table's types; its rows are in ops.def.

   A row is one operator from one opset on: the row with the highest `since` not above a node's
   opset is its meaning. Shape rules and kernels are found by the row's `id`, in tables that other
   folders expand from the same file. */
#ifndef ONNX_OP_H
#define ONNX_OP_H

#include "brink.h"

typedef enum attr_name {
    ATTR_UNKNOWN,
#define ATTR(name) ATTR_##name,
#include "onnx/attrs.def"
#undef ATTR
    ATTR_COUNT
} attr_name;

/* Flags of a row. */
enum {
    OP_VIEW = 1,      /* output 0 is input 0's bytes under another shape                  */
    OP_ANY = 2,       /* moves elements of any type by size                               */
    OP_CONTROL = 4,   /* planned by the graph, not run by a kernel                        */
    OP_KV = 8,        /* a past input and a present output may share a buffer                */
    OP_RANDOM = 16,   /* never folded                                                     */
    OP_SEQUENCE = 64, /* makes or reads a sequence: followed while the graph is resolved      */
    OP_ROWS = 32,     /* each row of the last dimension of output 0 needs that row of input 0 */
};
#define OP_SHAPE(i) (1u << (8 + (i))) /* input i is read by the shape rule only, i < 8        */
#define OP_HALF(i) (1u << (16 + (i))) /* kernel takes input i as an f16 constant, i < 8       */

/* Rows of the same operator under different since-versions have different ids. */
typedef enum op_id {
#define OP(domain, name, since, rule, kernel, gpu, flags) OP_##domain##_##name##_##since,
#include "onnx/ops.def"
#undef OP
    OP_COUNT
} op_id;

typedef struct op_row {
    const char *domain; /* "", "com.microsoft", or "brink" for what only passes write */
    const char *name;
    int32_t since;
    op_id id;
    uint32_t flags;
    bool cpu, gpu; /* has a kernel (or needs none) */
} op_row;

extern const op_row op_table[OP_COUNT];

/* NULL when the operator is not in the table for this opset. */
const op_row *op_find(const char *domain, const char *name, int64_t opset);

attr_name attr_find(const char *name, uint64_t length);

#endif
