/* reader.h — what model.c and function.c share while a file is read. */
#ifndef ONNX_READER_H
#define ONNX_READER_H

#include "onnx/model.h"
#include "onnx/pb.h"

enum {
    MAX_DEPTH = 24,
    MAX_NODES = 1 << 22,
    MAX_INLINED = 1 << 14 /* nodes from functions, for a small file */
};

typedef struct scope_name {
    const char *name;
    uint32_t value; /* ONNX_NONE: an input of a function that the call leaves out */
} scope_name;

/* The names of one graph, with the enclosing graph's above. */
typedef struct scope {
    const struct scope *parent;
    scope_name *names; /* open addressing; name NULL: free */
    uint32_t size, used;
} scope;

typedef struct function {
    const char *domain, *name;
    pb_bytes proto;
    uint32_t input_count, output_count, node_count, opset_count;
    const char **inputs, **outputs;
    brink_opset *opsets;
} function;

/* A function's body is being read in place of this node. */
typedef struct call {
    const struct call *outer;
    pb_bytes node, function;
} call;

typedef struct reader {
    brink_context *context;
    onnx_model *m;
    uint32_t depth;
    uint32_t opset_count; /* of the model, or of the function that is being read */
    const brink_opset *opsets;
    uint32_t function_count;
    function *functions;
    uint64_t inlined, most_inlined; /* nodes */
    const call *call;
} reader;

const char *read_string(reader *r, pb_bytes b);
brink_status read_malformed(reader *r, const char *what);
brink_status read_opset(reader *r, pb_bytes proto, brink_opset *out);

brink_status scope_add(reader *r, scope *s, const char *name, uint32_t value);

/* A new value; its index in *out. */
brink_status read_new_value(reader *r, scope *s, const char *name, uint32_t *out);

/* Names and outputs of a node; inputs and attributes come when all names are declared. */
brink_status read_node_names(reader *r, pb_bytes proto, scope *s, onnx_node *n);
brink_status read_node_rest(reader *r, pb_bytes proto, const scope *s, onnx_node *n);
brink_status read_attr(reader *r, pb_bytes proto, const scope *s, onnx_attr *a);

/* ── function.c ── */

brink_status read_function(reader *r, pb_bytes proto, function *out);

/* Puts the bodies of the model's functions in place of their calls; `protos` are the nodes'. */
brink_status inline_functions(reader *r, onnx_graph *g, const pb_bytes *protos);

/* The attribute that a function's node takes over from the call, under its own name a->name. */
brink_status read_referred_attr(reader *r, pb_bytes name, const scope *s, onnx_attr *a);

#endif
