/* ir.h — a graph whose shapes are known: what passes rewrite and the planner schedules.

   `ir_resolve` walks an ONNX graph for given input shapes. Dimensions are expressions over running
   symbols (none when everything is fixed). Small integer tensors are followed as values, element by
   element, so that the target of a Reshape is known though the past length is not. Nodes whose
   inputs are all constant are computed once; an If on a known condition is replaced by its branch.

   A shape that depends on an input's content (the shape input of a Reshape, a Silero sample rate)
   makes that input "bound": its value is part of what the graph was resolved for. */
#ifndef GRAPH_IR_H
#define GRAPH_IR_H

#include "graph/expr.h"
#include "graph/kernel.h"

enum { IR_NONE = ONNX_NONE, IR_MAX_SYMBOLIC = 4096 };

typedef enum ir_kind {
    IR_UNSET,
    IR_INPUT, /* given by the caller at each run */
    IR_CONST, /* `data` holds it                 */
    IR_TEMP   /* computed by `producer`          */
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
    uint32_t producer; /* node index, of IR_TEMP */
    uint32_t alias;    /* this value is another one, IR_NONE if not */
    bool derived;      /* a constant computed here, not one of the file's */
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

typedef struct ir_graph {
    brink_context *context;
    const onnx_model *model;
    arena memory;
    expr_table exprs;
    uint32_t value_count, value_capacity;
    ir_value *values; /* the model's values keep their index; more follow */
    uint32_t node_count, node_capacity;
    ir_node *nodes;
    uint32_t output_count;
    uint32_t *outputs;
    bool *bound; /* by input: its content was used */
    const kernel_table *kernels;
    uint64_t derived_bytes;
} ir_graph;

/* Prepares `out`, so that bindings can be made with its expression table. */
brink_status ir_init(brink_context *context, const onnx_model *model, const kernel_table *kernels,
                     ir_graph *out);

/* Resolves the main graph; `bindings` has one entry an input. On failure the text names the node. */
brink_status ir_resolve(ir_graph *g, const ir_binding *bindings);
void ir_free(ir_graph *g);

/* The value after aliases. */
uint32_t ir_follow(const ir_graph *g, uint32_t value);

/* Appends a value or a node; indices stay valid, pointers do not. IR_NONE when out of memory. */
uint32_t ir_add_value(ir_graph *g, const ir_value *v);

/* Elements, false when not the same for all symbols. */
bool ir_count(const ir_graph *g, const ir_value *v, uint64_t *count);

/* ── Passes, each in its own file ── */

/* Marks nodes dead whose outputs nobody needs. */
void pass_dead_code(ir_graph *g);

/* Of output `output` [batch, rows, n] only row `row` (an expression) is asked for: slices as early
   as rows are independent. */
brink_status pass_last_row(ir_graph *g, uint32_t output, expr row);

#endif
