/* layout.h — lifetimes to offsets. */
#ifndef PLAN_LAYOUT_H
#define PLAN_LAYOUT_H

#include "plan/plan.h"

/* Gives each PLAN_ARENA tensor its offset and the plan its arena_bytes. Invariant: two tensors whose
   lifetimes overlap do not overlap in memory. */
brink_status plan_layout(plan *p);

#endif
