/* program.h — what a plan is on the GPU: its dispatches, prepared once, and the buffers they read.

   A kernel encodes its node each time the plan runs, since sizes may have changed; the n-th dispatch
   of a run finds the pipeline and the bind group of the n-th dispatch of the run before, and where
   these still fit, only its parameters and the number of workgroups are new.

   Invariant: parameters of dispatch n lie at n * GPU_PARAMETERS in `uniforms`; they and the dispatches
   reach the queue together, in gpu_program_submit. */
#ifndef GPU_PROGRAM_H
#define GPU_PROGRAM_H

#include "gpu/pipeline.h"
#include "plan/plan.h"

enum { GPU_PARAMETERS = 256, GPU_ALIGN = 256, GPU_SCRATCHES = 32 };

typedef struct gpu_weights gpu_weights;

/* Memory that stays between runs: what tensor.data of a resident tensor points to. */
typedef struct gpu_memory {
    uint32_t generation;
    WGPUBuffer buffer;
    uint64_t bytes;
} gpu_memory;

typedef struct gpu_binding {
    WGPUBuffer buffer;
    uint64_t offset, bytes;
} gpu_binding;

typedef struct gpu_slot {
    const gpu_pipeline *pipeline;
    uint32_t count; /* of bindings */
    gpu_binding bindings[GPU_BINDINGS];
    WGPUBuffer uniform; /* NULL: the program's, at the slot's place */
    uint32_t counting;  /* bit w: word w of the parameters counts positions */
    uint32_t step;      /* of the plan, that it belongs to                  */
} gpu_slot;

typedef struct gpu_repeat gpu_repeat;

typedef enum gpu_action_kind { GPU_RUN, GPU_RUN_CPU, GPU_UPLOAD, GPU_DOWNLOAD } gpu_action_kind;

typedef struct gpu_action {
    gpu_action_kind kind;
    uint32_t index; /* of a step, or of a root tensor */
} gpu_action;

/* A submit whose end is awaited. */
enum { GPU_FLIGHTS = 2 };
typedef struct gpu_flight {
    gpu_ticket *ticket;
    double work;
} gpu_flight;

/* Steps that a product of one row does with its own, before and behind it: see fuse.c. */
typedef struct gpu_fusion {
    const kernel_args *norm; /* whose result is the product's x; with a skip where it has one   */
    const kernel_args *pre;  /* a norm whose result is what that norm reads, before the skip    */
    const kernel_args *gate; /* an elementwise chain of the two products' results               */
    bool swapped;            /* the chain begins with the second                                */
    const kernel_args *lora[3];   /* an adapter's changes to each product; NULL: none             */
    const kernel_args *attention; /* that makes x, and may leave it in parts: */
    uint32_t splits;              /* how many; 0 and 1: none                  */
    uint32_t product; /* of an attention: 1 + the step of the product that joins its parts */
} gpu_fusion;

/* Memory that grows: the last buffer is in use, the smaller ones before it may be in bind groups. */
typedef struct gpu_grown {
    WGPUBuffer list[GPU_SCRATCHES];
    uint32_t count;
    uint64_t bytes;
} gpu_grown;

typedef struct gpu_program {
    gpu_device *d;
    uint32_t generation; /* of the device: what is here may only be freed when that has grown */
    plan *p;
    gpu_fusion *fusions;      /* by step */
    bool *absorbed;           /* by step: another one does it */
    const gpu_fusion *fusion; /* of the step that is encoded; NULL: none */
    uint32_t step;            /* that is encoded                         */
    step_usage *usage;        /* of the run, NULL: not measured          */
    gpu_weights *weights;     /* the model's */
    uint32_t forgotten;       /* of theirs, that its bind groups know of */
    WGPUBuffer saved;         /* the arena, while dispatches are measured; see measure.c */
    WGPUBuffer arena;         /* the workspace at the plan's offsets, then what the caller places */
    uint64_t arena_bytes;     /* … and then places for empty tensors */
    uint64_t *offsets;        /* of each tensor's root in the arena  */
    WGPUBuffer *constants;    /* of this plan alone, by tensor       */
    gpu_slot *slots;
    gpu_item *items; /* of each slot, as it is submitted */
    uint32_t slot_count, slot_capacity;
    uint32_t next, submitted; /* in this run: dispatches encoded, and handed to the queue */
    char *parameters;         /* [slot_capacity * GPU_PARAMETERS] */
    WGPUBuffer uniforms;
    uint32_t uniform_slots;
    gpu_grown scratch;  /* what a kernel keeps for its next dispatch         */
    gpu_grown partials; /* … and the attention of one row for the product behind it */
    WGPUBuffer staging;
    uint64_t staging_bytes;
    gpu_action *actions;
    uint32_t action_count, action; /* the next one */
    uint32_t waiting;              /* actions whose bytes are being mapped */
    gpu_ticket *mapped;            /* … NULL: there are none */
    double work;                   /* encoded and not submitted: see pace.c */
    double mapped_work;            /* submitted with what is being mapped   */
    gpu_flight flights[GPU_FLIGHTS];
    uint32_t flown, landed; /* flights begun, and known to be done */
    gpu_repeat *repeat;
    bool rehearsing; /* nothing is bound, see rehearse.c */
} gpu_program;

/* What a kernel asks for, in the order of the file's bindings from 1 on: a tensor or, where that is
   NULL, a binding of its own. */
typedef struct gpu_dispatch {
    const char *head, *body;
    const tensor *tensors[GPU_BINDINGS];
    gpu_binding bindings[GPU_BINDINGS];
    uint32_t written; /* bit i: bindings[i] is read_write */
    uint32_t count;
    const void *parameters; /* a uniform struct of at most GPU_PARAMETERS bytes */
    uint32_t bytes;
    WGPUBuffer uniform; /* holds the parameters already; NULL: they are copied */
    uint32_t
        counting; /* bit w: word w of the parameters grows by one from a decoding step to the next */
    uint64_t groups; /* of work; 0: nothing is to be done. Kernels count them as
                        id.x + id.y * num_workgroups.x and stop past the end */
} gpu_dispatch;

brink_status gpu_encode(gpu_program *g, const gpu_dispatch *dispatch);

/* The whole arena, for kernels that write several tensors or read and write by offset; false where it
   is larger than a binding may be. */
bool gpu_arena(const gpu_program *g, gpu_binding *out);

/* Where a tensor begins in it, in elements of `size` bytes; false where it lies elsewhere. */
bool gpu_arena_offset(const gpu_program *g, const tensor *t, uint32_t size, uint32_t *out);

/* At least `bytes`; what an earlier call gave of the same memory is spent. */
brink_status gpu_grow(gpu_program *g, gpu_grown *memory, uint64_t bytes, gpu_binding *out);

/* A constant; and several constants of the model one after another, as a buffer of their own: bytes is
   0 where one is not a constant of the model. */
brink_status gpu_constant(gpu_program *g, const tensor *t, gpu_binding *out);
brink_status gpu_joined(gpu_program *g, const tensor *const *list, uint32_t count,
                        gpu_binding *out);

/* Room for `count` dispatches: `uniforms` is then as large as they need. */
brink_status gpu_program_reserve(gpu_program *g, uint32_t count);

/* Makes what was encoded ready for the queue: bind groups, parameters. */
brink_status gpu_program_ready(gpu_program *g);

/* Runs what was encoded, dispatch by dispatch, for `usage`; and, when the run has ended, waits for times
   that come later. See measure.c. */
brink_status gpu_measure(gpu_program *g);
brink_status gpu_measured(gpu_program *g);

/* What a copy reaches, once a device. BRINK_PENDING: to be called again. */
brink_status gpu_measure_bandwidth(gpu_device *d);

/* Hands what was encoded to the queue, after it the copies. */
brink_status gpu_program_submit(gpu_program *g, const gpu_copy *copies, uint32_t count);

/* Bytes of a tensor to the GPU, after all that was encoded. */
brink_status gpu_program_write(gpu_program *g, uint32_t root, const void *data, uint64_t bytes);

/* Every dispatch is bound anew. */
void gpu_program_unbind(gpu_program *g);

/* Frees what encoding took. */
void gpu_program_drop(gpu_program *g);

/* Whether a constant is the model's, and not of this plan alone. */
bool gpu_is_fixed(const plan *p, uint32_t root);

/* ── Where steps run: see place.c ── */

/* Whether a step runs on the GPU; those before it have been asked. */
bool gpu_takes(const gpu_device *d, const plan *p, uint32_t step);

/* Whether the kernel reads this input on the host, while it encodes, and not on the GPU. */
bool gpu_reads_on_host(op_id op, uint32_t input);

/* Whether it does, or may beside reading it on the GPU. */
bool gpu_looks_at(op_id op, uint32_t input);

/* g->actions; BRINK_UNSUPPORTED where a step on the CPU reads or writes resident memory. */
brink_status gpu_list_actions(gpu_program *g);

/* g->offsets and arena_bytes; and the bytes of the buffer. */
brink_status gpu_lay_out(gpu_program *g);
uint64_t gpu_arena_size(const gpu_program *g);

/* Finds what products of one row can do besides, before memory is laid out: lifetimes change. */
void gpu_fuse(gpu_program *g);

/* Runs the step of an action, or encodes it. */
brink_status gpu_run_step(gpu_program *g, execution *e, const gpu_action *a);

/* Before a step is encoded: submits what is, if with it a submit would take too long, and waits while
   GPU_FLIGHTS of them are on their way. */
brink_status gpu_pace(gpu_program *g, const plan_step *s, uint64_t deadline);

/* Learns from a ticket that was answered, behind which this much work lay. */
void gpu_pace_learn(gpu_device *d, const gpu_ticket *t, double work);

/* Learns from what has landed. */
void gpu_pace_settle(gpu_program *g);

/* Forgets what is on its way. */
void gpu_pace_end(gpu_program *g);

/* See plan.h: executor.repeat. */
brink_status gpu_repeat_advance(execution *e, const plan_repeat *r, uint64_t deadline,
                                uint32_t *tokens, uint32_t *count);
brink_status gpu_repeat_rehearse(gpu_program *g, const plan_repeat *r); /* see rehearse.c */
void gpu_repeat_end(plan *p);
void gpu_repeat_free(gpu_program *g);

/* A kernel: encodes its node; asked with NULL, says whether it takes the node (BRINK_UNSUPPORTED: the
   CPU runs it), when running dimensions are not known yet. */
typedef brink_status (*gpu_kernel_fn)(gpu_program *g, const kernel_args *a);

#endif
