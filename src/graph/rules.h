/* rules.h — shape rules: from a node's inputs, the types, shapes and small values of its outputs.

   A rule reads its inputs with the functions below and fills r->out. Failing functions have recorded
   an error that names the node. A value that a rule must know (the target of a Reshape) is asked for
   with rule_ints or rule_data; when it comes from a graph input, that input becomes bound and the
   graph is resolved again with its content. */
#ifndef GRAPH_RULES_H
#define GRAPH_RULES_H

#include "graph/ir.h"

/* Internal to ir_resolve: an input was bound, start again; a value is computed, leave the node for
   later. */
#define IR_RESTART ((brink_status)100)
#define IR_POSTPONE ((brink_status)101)

typedef struct rule_args {
    ir_graph *g;
    expr_table *t; /* &g->exprs */
    const onnx_node *node;
    const op_row *op;
    uint32_t in_count, out_count;
    const uint32_t *in; /* value indices after aliases, IR_NONE where left out */
    ir_value *out;      /* zeroed, rank 0 */
} rule_args;

typedef brink_status (*rule_fn)(rule_args *r);

extern const rule_fn rule_table[OP_COUNT];

#define rule_fail(r, ...)                                                                          \
    onnx_node_fail((r)->g->context, (r)->g->model->file, (r)->node, BRINK_BAD_INPUT, __VA_ARGS__)
#define rule_unsupported(r, ...)                                                                   \
    onnx_node_fail((r)->g->context, (r)->g->model->file, (r)->node, BRINK_UNSUPPORTED, __VA_ARGS__)

/* Input i, NULL where it is left out. The pointer lives until a value is added. */
const ir_value *rule_in(const rule_args *r, uint32_t i);

/* Input i, which must be there. */
brink_status rule_need(const rule_args *r, uint32_t i, const ir_value **out);

/* The elements of an integer or boolean input, each known or over running symbols. */
brink_status rule_ints(rule_args *r, uint32_t i, const expr **out, uint64_t *count);

/* The same, all known now. */
brink_status rule_known_ints(rule_args *r, uint32_t i, const int64_t **out, uint64_t *count);

/* The content of an input that must be constant for this shape, of any type. */
brink_status rule_data(rule_args *r, uint32_t i, const void **out);

/* Attribute `name`, or else input i when given: axes, pads, splits. *given is false when neither. */
brink_status rule_attr_or_input(rule_args *r, attr_name name, uint32_t i, const int64_t **out,
                                uint64_t *count, bool *given);

/* Whether the node has the inputs and outputs, and of the types, that its operator asks for. */
brink_status signature_check(const rule_args *r);

/* Checks −rank <= axis < rank and makes it non-negative. */
brink_status rule_axis(const rule_args *r, int64_t axis, uint32_t rank, uint32_t *out);

/* A dimension that must be a plain number. */
brink_status rule_dim(const rule_args *r, const ir_value *v, uint32_t axis, int64_t *out);

/* Dimensions as numpy broadcasts them. */
brink_status rule_broadcast(const rule_args *r, const ir_value *a, const ir_value *b,
                            ir_value *out);

/* Type and shape of `v`. */
void rule_like(ir_value *out, const ir_value *v);

/* Follows small integer values through the node; leaves r->out[i].symbolic NULL where it cannot. */
brink_status symbolic_evaluate(rule_args *r);

/* An input's elements if they are known or over running symbols; NULL otherwise, never binds. */
const expr *symbolic_elements(rule_args *r, uint32_t i, uint64_t *count);

/* infer_NAME for each rule that ops.def names. */
#define OP(domain, name, since, rule, kernel, gpu, flags) brink_status infer_##rule(rule_args *r);
#include "onnx/ops.def"
#undef OP

#endif
