/* sort.h — puts a graph's nodes in an order in which each follows what it reads. */
#ifndef ONNX_SORT_H
#define ONNX_SORT_H

#include "onnx/model.h"

/* A cycle is BRINK_BAD_INPUT and names one of its nodes. */
brink_status onnx_sort(brink_context *context, onnx_model *m, onnx_graph *g);

#endif
