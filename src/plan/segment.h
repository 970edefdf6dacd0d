/* segment.h — the part of a graph that can be planned before anything of it has run, with what it was
   planned for: it fits inputs of the same types and shapes, and where a shape asked for an input's
   content (see graph/ir.h), of the same content. */
#ifndef PLAN_SEGMENT_H
#define PLAN_SEGMENT_H

#include "plan/plan.h"

typedef struct segment {
    struct segment *next;
    plan plan;
    bool exact, in_use;
    brink_tensor
        *key; /* by input: type, shape, and content where it was bound; NULL: it is for what
                          is known now, and fits nothing else */
} segment;

typedef struct segment_desc {
    brink_context *context;
    const onnx_model *model;
    const onnx_graph *graph;
    const kernel_table *kernels;
    const executor *executor;   /* NULL: the CPU alone */
    const brink_tensor *inputs; /* by the graph's inputs; NULL: all are known */
    const ir_known *known;      /* see plan_desc */
    bool exact;
} segment_desc;

brink_status segment_create(const segment_desc *desc, segment **out);
void segment_free(segment *s);

/* Its executor lost it: it may only be freed. */
bool segment_is_dead(const segment *s);

bool segment_fits(const segment *s, const segment_desc *desc);

/* One of the list that fits, or a new one put first; marked in_use. At most a few that are not in use
   are kept. */
brink_status segment_find(segment **list, const segment_desc *desc, segment **out);

/* Nodes are left for later. */
static inline bool segment_is_part(const segment *s)
{
    return s->plan.ir.later_count != 0;
}

#endif
