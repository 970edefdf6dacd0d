/* together.h — runs of several plans side by side, so that weights are read once for all of them.

   Each run stays what it is alone: its own plan, lengths, memory and order of steps. Only where the next
   steps of several are one and the same product of a single row with constant weights are their rows put
   under one another and multiplied at once. Nothing else about a graph matters: masks, positions and
   caches are each run's own, whatever its length. This is what selective batching does (Yu et al.,
   "Orca", 2022, section 3.2), with the products found by their weights.

   Invariant: a run computes, bit for bit, what it computes alone. The kernels of such products keep rows
   apart (kernel_args.rows_apart), and each run may be advanced alone or with others at any time. */
#ifndef PLAN_TOGETHER_H
#define PLAN_TOGETHER_H

#include "plan/plan.h"

enum { TOGETHER_MOST = 32 }; /* runs whose rows are put together at a time */

typedef struct together_run {
    execution *e;
    bool failed; /* its next step did: advancing it alone says why */
} together_run;

/* Sets plan_step.weights. */
void together_mark(plan *p);

/* Advances all runs, whose plans are the CPU's, until `deadline` (at least one step of each) or until each
   is done or has failed; returns how many products were computed for several. `w` is for the rows that
   are put together, between calls anyone's. */
uint32_t together_advance(together_run *runs, uint32_t count, workspace *w, uint64_t deadline);

static inline bool together_done(const together_run *r)
{
    return !r->failed && r->e->next == r->e->p->step_count;
}

#endif
