/* machine.h — runs a graph whose sizes, branches or loops depend on what it computes.

   A graph is run segment by segment: what can be planned is planned and run, its results become
   known, and the rest of the graph is planned with them as constants. A Loop or Scan whose inputs
   are known pushes a frame, in which its body is run as a graph of its own, once an iteration; a
   body that can be planned whole keeps its plan while shapes stay the same. A graph of fixed sizes
   is one segment, and the machine is a thin wrapper around its plan.

   Invariant: between segments, what later ones read lies in `known`, not in the workspace. */
#ifndef PLAN_MACHINE_H
#define PLAN_MACHINE_H

#include "plan/segment.h"

typedef struct frame frame;

typedef struct machine_time {
    const onnx_node *node;
    step_usage usage;
} machine_time;

typedef struct machine {
    brink_context *context;
    const onnx_model *model;
    const kernel_table *kernels;
    const executor *executor;
    workspace *workspace;
    segment **kept; /* first segments of the main graph, kept between runs */
    bool exact, profile;

    ir_known *known; /* by the model's values; NULL while nothing is left for later */
    frame *top;
    machine_time *times; /* of each step that ran, with profile */
    uint64_t time_count, time_capacity;
} machine;

/* The fields up to `profile` are set. `inputs`, by the graph's inputs, must stay until machine_free. */
brink_status machine_start(machine *m, const brink_tensor *inputs);

/* Runs until `deadline` (core_now() time; at least one step); BRINK_PENDING if there is more. */
brink_status machine_advance(machine *m, uint64_t deadline);

/* After BRINK_OK: the plan that holds the main graph's outputs, until machine_free. */
const plan *machine_result(const machine *m);
void machine_free(machine *m);

/* ── Shared with loop.c ── */

typedef struct scan_list {
    char *data; /* step after step */
    uint64_t size, capacity;
    brink_tensor item; /* type and shape of one step, all the same */
    int64_t count;
} scan_list;

/* One graph in progress: the main one, or the body of a Loop or Scan. */
struct frame {
    frame *outer;
    const onnx_graph *graph;
    const onnx_node *loop; /* NULL: the main graph */
    brink_tensor *inputs;  /* by the graph's inputs */
    segment *segment;      /* being run */
    segment *first;        /* of a body: kept for the next iteration */
    bool past_first;       /* the first segment has run */
    bool running;          /* `execution` is in progress */
    execution execution;
    arena memory; /* of this segment: f32 copies of half-precision inputs */

    uint32_t state_count, scan_input_count, scan_count;
    int64_t step, steps; /* iterations done, and wanted at most */
    scan_list *scans;
};

/* Puts a frame on top for a loop all of whose inputs are known. */
brink_status loop_begin(machine *m, const onnx_node *n);

/* After an iteration: takes its results, and starts the next or ends the loop. */
brink_status loop_step(machine *m, frame *f);
void loop_free(machine *m, frame *f);

brink_status machine_push(machine *m, const onnx_graph *graph, const onnx_node *loop, frame **out);
void machine_pop(machine *m);

/* Makes a value known. `data` then belongs to the machine if `owned`. */
void machine_know(machine *m, uint32_t value, const brink_tensor *t, void *data, bool owned);
void machine_forget(machine *m, uint32_t value);

#endif
