/* ir.h — a graph whose shapes are known: what passes rewrite and the planner schedules.

   `ir_resolve` walks an ONNX graph for given input shapes. Dimensions are expressions over running
   symbols (none when everything is fixed). Small integer tensors are followed as values, element by
   element, so that the target of a Reshape is known though the past length is not. Nodes whose
   inputs are all constant are computed once; an If on a known condition is replaced by its branch.

   A shape that depends on an input's content (the shape input of a Reshape, a Silero sample rate)
   makes that input "bound": its value is part of what the graph was resolved for.

   A shape that depends on what the graph computes (NonZero), a branch on a computed condition, a
   Loop: such nodes, and all that follow from them, are left for later. What is resolved is then a
   segment; once it has run, its results are `known` and the graph is resolved again from there
   (see plan/machine.h). */
#ifndef GRAPH_IR_H
#define GRAPH_IR_H

#include "graph/expr.h"
#include "graph/kernel.h"

enum { IR_NONE = ONNX_NONE, IR_MAX_SYMBOLIC = 4096 };

typedef enum ir_kind {
    IR_UNSET,
    IR_INPUT,   /* given by the caller at each run */
    IR_CONST,   /* `data` holds it                 */
    IR_TEMP,    /* computed by `producer`          */
    IR_LATER,   /* computed by a later segment     */
    IR_SEQUENCE /* `items` are its tensors         */
} ir_kind;

typedef struct ir_value {
    const char *name;
    ir_kind kind;
    brink_type type;
    uint32_t rank;
    expr dims[BRINK_MAX_RANK];
    const void *data;     /* of a constant                                                   */
    const expr *symbolic; /* elements of a small integer or boolean tensor, where followed */
    uint64_t symbolic_count;
    const uint32_t *items; /* of a sequence: values */
    uint32_t item_count;
    const onnx_node *maker; /* of a sequence         */
    uint32_t producer;      /* node index, of IR_TEMP */
    uint32_t alias;         /* this value is another one, IR_NONE if not */
    bool derived;           /* a constant computed here, not one of the file's */
    bool
        fixed; /* a constant that stays while the model does: of the file, or computed from those */
    bool remote;   /* data names bytes in an executor's memory and is not to be read */
    bool learned;  /* a constant of this run only: an earlier segment's result, or from one */
    uint32_t lora; /* an adapter's matrix: which, see lora.h; 0: none */
} ir_value;

typedef struct ir_node {
    const onnx_node *source;
    const op_row *op;
    uint32_t input_count, output_count;
    uint32_t *inputs, *outputs; /* value indices */
    bool dead;
} ir_node;

/* What the caller says of an input. `dims` are expressions of the graph's table. */
typedef struct ir_binding {
    uint32_t rank;
    const expr *dims;
    brink_type type;
    const void *data; /* its content if it is at hand, used only when a shape asks for it */
} ir_binding;

typedef enum ir_state {
    IR_UNKNOWN,
    IR_KNOWN, /* an earlier segment computed it: `data` in the type's own form       */
    IR_SPENT  /* an earlier segment computed it, and nothing that is left reads it */
} ir_state;

/* What is known of one of the model's values before resolving. */
typedef struct ir_known {
    ir_state state;
    brink_type type;
    uint32_t rank;
    int64_t dims[BRINK_MAX_RANK];
    uint64_t bytes;
    void *data;
    bool owned; /* data is the holder's to free */
} ir_known;

typedef struct ir_graph {
    brink_context *context;
    const onnx_model *model;
    const onnx_graph *graph;
    const ir_known *known; /* by the model's values; NULL before anything is known */
    bool segmented;        /* nodes may be left for later                          */
    arena memory;
    expr_table exprs;
    uint32_t value_count, value_capacity;
    ir_value *values; /* the model's values keep their index; more follow */
    uint32_t node_count, node_capacity;
    ir_node *nodes;
    uint32_t output_count; /* the graph's outputs, or of a segment what later ones read */
    uint32_t *outputs;
    uint32_t *output_names; /* of each output, the model's value before aliases */
    uint32_t later_count, later_capacity;
    const onnx_node **later; /* nodes left for later */
    const onnx_node *loop;   /* one of them is a Loop or Scan that can begin */
    bool *bound;             /* by input: its content was used */
    const kernel_table *kernels;
    uint64_t derived_bytes;
} ir_graph;

/* Prepares `out` for a graph of the model, so that bindings can be made with its expression table. */
brink_status ir_init(brink_context *context, const onnx_model *model, const onnx_graph *graph,
                     const kernel_table *kernels, ir_graph *out);

/* Resolves the graph; `bindings` has one entry an input, or is NULL when all inputs are known.
   g->known and g->segmented are set before. On failure the text names the node. */
brink_status ir_resolve(ir_graph *g, const ir_binding *bindings);
void ir_free(ir_graph *g);

/* The value after aliases. */
uint32_t ir_follow(const ir_graph *g, uint32_t value);

/* Leaves a node and its outputs for later. */
brink_status ir_postpone(ir_graph *g, const onnx_node *n);

/* Calls visit for each value that a node reads, values that its subgraphs capture included, and
   for each value that only its subgraphs define. */
typedef void (*ir_visit)(void *arg, uint32_t value);
void ir_each_read(const onnx_node *n, ir_visit visit, void *arg);

/* Sets g->outputs: what the caller, or a later segment, asks for. */
brink_status ir_find_outputs(ir_graph *g);

/* Whether all that a Loop or Scan reads is known, constant or an input. */
bool ir_loop_ready(const ir_graph *g, const onnx_node *n);

/* Appends a value or a node; indices stay valid, pointers do not. IR_NONE when out of memory. */
uint32_t ir_add_value(ir_graph *g, const ir_value *v);

/* Elements, false when not the same for all symbols. */
bool ir_count(const ir_graph *g, const ir_value *v, uint64_t *count);

#endif
