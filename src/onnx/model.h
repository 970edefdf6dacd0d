/* model.h — an ONNX file as graphs of nodes over one table of values.

   Names are resolved to value indices once, over all nested graphs, so that a subgraph's use of an
   outer value is just that value. Nodes are in an order in which each comes after what it reads,
   whatever the file's order was. Tensor bytes and strings stay in the file's bytes where they can.

   Invariant: every index in a node is below value_count, and every value has at most one producer. */
#ifndef ONNX_MODEL_H
#define ONNX_MODEL_H

#include "core/arena.h"
#include "onnx/op.h"

enum { ONNX_NONE = 0xFFFFFFFFu };

/* Elements in ONNX's layout. data is NULL while external bytes are not there. */
typedef struct onnx_tensor {
    const char *name;
    brink_type type;
    uint32_t rank;
    int64_t dims[BRINK_MAX_RANK];
    uint64_t count; /* product of dims       */
    uint64_t bytes; /* what `data` holds     */
    const void *data;
    const char *external; /* file it lies in, NULL when inside the graph */
    uint64_t offset;
    bool remote; /* the bytes are in an executor's memory; data names them and is not to be read */
} onnx_tensor;

typedef enum onnx_attr_kind {
    ATTR_KIND_NONE = 0,
    ATTR_KIND_FLOAT = 1,
    ATTR_KIND_INT = 2,
    ATTR_KIND_STRING = 3,
    ATTR_KIND_TENSOR = 4,
    ATTR_KIND_GRAPH = 5,
    ATTR_KIND_FLOATS = 6,
    ATTR_KIND_INTS = 7,
    ATTR_KIND_STRINGS = 8
} onnx_attr_kind;

typedef struct onnx_graph onnx_graph;

typedef struct onnx_attr {
    attr_name name;
    onnx_attr_kind kind;
    uint32_t count; /* of a list */
    union {
        float f;
        int64_t i;
        const char *s;
        const float *floats;
        const int64_t *ints;
        const char *const *strings;
        const onnx_tensor *tensor;
        const onnx_graph *graph;
    };
} onnx_attr;

typedef struct onnx_node {
    const char *name;
    const char *type;
    const char *domain; /* "" is ONNX's own */
    const op_row *op;   /* NULL: not in the table for this opset */
    int64_t opset;
    uint32_t input_count, output_count, attr_count;
    uint32_t *inputs; /* value indices, ONNX_NONE where left out */
    uint32_t *outputs;
    const onnx_attr *attrs;
} onnx_node;

typedef struct onnx_value {
    const char *name;
    brink_type type;
    int32_t rank;                          /* −1: not declared */
    int64_t dims[BRINK_MAX_RANK];          /* −1: symbolic or unknown */
    const char *dim_names[BRINK_MAX_RANK]; /* "" where unnamed        */
    const onnx_tensor *initial;            /* initialiser or Constant */
} onnx_value;

struct onnx_graph {
    const char *name;
    uint32_t node_count, input_count, output_count;
    onnx_node *nodes;
    uint32_t *inputs; /* initialisers that are listed as inputs are left out */
    uint32_t *outputs;
};

typedef struct onnx_model {
    arena memory;
    const char *file; /* for messages */
    int64_t ir_version;
    onnx_graph *graph;
    uint32_t value_count, value_capacity;
    onnx_value *values;
    uint32_t tensor_count, tensor_capacity;
    onnx_tensor **tensors; /* initialisers, those of subgraphs included */
    uint32_t opset_count;
    brink_opset *opsets;
    struct packing *packing; /* of its owner, for the plans: graph/packing.h; NULL: none is kept */
    bool all_values;         /* onnx_expose_values has been called */
} onnx_model;

/* Reads the graph. `data` must outlive the model. External tensors have data == NULL. */
brink_status onnx_read(brink_context *context, const char *file, const void *data, uint64_t size,
                       onnx_model *out);
void onnx_free(onnx_model *m);

/* Makes every value that a node of the main graph gives an output, after those there are, in the
   order of the nodes. */
brink_status onnx_expose_values(onnx_model *m);

/* The main graph's node that gives a value, NULL if none does. */
const onnx_node *onnx_producer(const onnx_model *m, uint32_t value);

/* One serialized TensorProto; unpacked element lists are allocated in `a`. */
brink_status onnx_read_tensor(arena *a, const char *file, const uint8_t *data, uint64_t size,
                              onnx_tensor *out);

const onnx_attr *onnx_find(const onnx_node *n, attr_name name);
int64_t onnx_int(const onnx_node *n, attr_name name, int64_t otherwise);
float onnx_float(const onnx_node *n, attr_name name, float otherwise);
const char *onnx_string(const onnx_node *n, attr_name name, const char *otherwise);

/* NULL and 0 where the attribute is absent. */
const int64_t *onnx_ints(const onnx_node *n, attr_name name, uint32_t *count);

/* "file: node NAME (TYPE): text" with `status`. */
brink_status onnx_node_fail(brink_context *context, const char *file, const onnx_node *n,
                            brink_status status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Bytes that `count` elements take, false if it does not fit or the type has no size. */
bool onnx_type_bytes(brink_type type, uint64_t count, uint64_t *bytes);

#endif
