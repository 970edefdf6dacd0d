/* sequence.h — the operators on sequences of tensors, part of resolving a graph. */
#ifndef GRAPH_SEQUENCE_H
#define GRAPH_SEQUENCE_H

#include "graph/rules.h"

/* Resolves a node that was made here. */
typedef brink_status (*sequence_resolve)(void *arg, const onnx_node *n);

/* Sets the outputs of an OP_SEQUENCE node in the graph's values. */
brink_status sequence_infer(rule_args *r, sequence_resolve resolve, void *arg);

#endif
