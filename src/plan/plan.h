/* plan.h — a resolved graph as a list of kernel calls over one block of memory.

   Invariant: between plan_build and plan_free nothing is allocated, looked up or re-planned to run
   it. A run sets the running symbols, writes the dimensions and small values that depend on them,
   and calls the kernels in order. Two tensors share bytes only if their lifetimes are apart, or one
   is a view of the other. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "graph/lora.h"

typedef enum plan_place {
    PLAN_CONST,    /* data is set                                  */
    PLAN_ARENA,    /* at `offset` of the workspace                 */
    PLAN_EXTERNAL, /* the caller sets data before each run         */
    PLAN_ABSENT    /* never materialised                           */
} plan_place;

typedef struct plan_tensor {
    tensor t;
    uint32_t value; /* of the ir_graph */
    plan_place place;
    uint32_t root;        /* tensor whose bytes these are: itself, or what it views */
    uint64_t offset;      /* PLAN_ARENA                                             */
    uint64_t bytes;       /* upper bound over the symbols' ranges                   */
    uint32_t first, last; /* steps between which it is alive                   */
    bool resident;        /* PLAN_EXTERNAL in the executor's memory: data is its handle */
    bool rounded;         /* half precision, and its values are exactly of that type */
} plan_tensor;

typedef struct plan_step {
    op_id op;
    bool away; /* the executor runs it, not the CPU */
    kernel_fn kernel;
    prepare_fn prepare;
    kernel_args args;
    brink_type round; /* outputs are rounded to this half-precision type; BRINK_UNDEFINED: not */
    const void
        *weights; /* of a product of a row that runs may have together (see together.h); NULL:
                            it is none */
} plan_step;

typedef struct plan {
    ir_graph ir;
    uint32_t tensor_count;
    plan_tensor *tensors;
    uint32_t step_count;
    plan_step *steps;
    uint32_t running_count; /* tensors whose dimensions change */
    uint32_t *running;
    uint32_t fill_count; /* tensors whose elements are written from expressions */
    uint32_t *fills;
    uint32_t *inputs, *outputs; /* tensor of each graph input and output; IR_NONE: not needed */
    int64_t *expr_values;
    uint64_t arena_bytes, derived_bytes;
    bool exact;
    const struct executor *executor; /* NULL: the CPU alone */
    void *prepared;                  /* the executor's      */
} plan;

typedef struct plan_desc {
    const ir_binding *inputs;     /* one a graph input, made with the plan's own expressions */
    const bool *external_outputs; /* by output; NULL: all lie in the workspace           */
    uint32_t last_row_output; /* of this output only row `last_row` is wanted; IR_NONE: whole  */
    expr last_row;
    bool exact;
    bool rows_apart;       /* where kernels can: see kernel_args                              */
    bool plain;            /* nodes stay as the model has them                                */
    bool no_data;          /* constants may be missing: for the memory plan only, it cannot run */
    bool segmented;        /* what cannot be planned yet is left for later: see machine.h     */
    const ir_known *known; /* what earlier segments computed; NULL: nothing                   */
    const lora *lora;      /* an adapter's changes; NULL: none                                */
    const struct executor *executor;
    const bool *resident_inputs; /* by input: lies in the executor's memory, as do all external
                                    outputs; NULL: nothing does */
} plan_desc;

/* ir_init(&p->ir, …) has been called, so that bindings and symbols could be made. */
brink_status plan_build(plan *p, const plan_desc *desc);
void plan_free(plan *p);

/* Gives a plan that was built with an adapter the matrices of one of the same structure. */
brink_status plan_set_lora(plan *p, const lora *l);

/* Output k of a finished run, in the value's own type: its type, shape and bytes. `data` is where it
   lies, or NULL when it is a half-precision value, which a plan holds as f32. */
brink_status plan_output(const plan *p, uint32_t k, brink_tensor *out);

/* Its bytes to `to`. */
void plan_copy_output(const plan *p, uint32_t k, void *to);

/* What a run works in. */
typedef struct workspace {
    void *data;
    uint64_t size;
    scratch scratch;
} workspace;

brink_status workspace_reserve(brink_context *context, workspace *w, uint64_t size);
void workspace_free(brink_context *context, workspace *w);

/* What a step cost, summed over the runs that were measured. */
typedef struct step_usage {
    uint64_t ns;         /* on the CPU, or on the GPU alone */
    uint64_t bytes;      /* of what it reads and writes     */
    uint32_t dispatches; /* on a GPU                        */
} step_usage;

/* A run in progress. */
typedef struct execution {
    plan *p;
    workspace *w;
    uint32_t next;     /* step */
    bool started;      /* for an executor's use */
    step_usage *usage; /* by step, added to; NULL: not kept */
} execution;

/* A language model's step run again and again on its own newest token. */
enum { PLAN_REPEATS = 16 };
typedef struct plan_repeat {
    uint32_t ids, logits;    /* tensors: one integer, an external input; and [1, 1, vocabulary] */
    uint32_t most;           /* runs */
    brink_sampling sampling; /* how the token is chosen; without bias and penalties  */
    uint64_t place;          /* of the first that is, in the reply: see text/sampler.h */
} plan_repeat;

/* Runs plans, or the steps of them that it chose, elsewhere than on the CPU. */
typedef struct executor {
    /* What it runs on may be lost, with all that was made there: every function then fails, and
       generation() has grown. Plans and memory of an earlier generation may only be freed; open()
       is BRINK_PENDING until new ones can be made. */
    brink_status (*open)(const struct executor *e, uint64_t deadline);
    uint32_t (*generation)(const struct executor *e);
    /* What a failure was: memory that could not be had, since the device was gone, is its loss. */
    brink_status (*failure)(const struct executor *e, brink_status status);
    bool (*is_dead)(const plan *p);

    brink_status (*place)(const struct executor *e, plan *p); /* marks its steps; no memory yet:
                                                                  lifetimes may be made longer */
    brink_status (*prepare)(const struct executor *e,
                            plan *p); /* the plan is complete: p->prepared */
    brink_status (*advance)(execution *e, uint64_t deadline); /* as execution_advance */
    void (*release)(plan *p);
    void (*rebind)(plan *p); /* constants that adapters bring are others now */
    /* A constant's bytes on the host are about to go; plans that read it do not run again. */
    void (*forget)(const struct executor *e, const void *data);

    /* The next tokens, [PLAN_REPEATS] at most, of an execution that was started; BRINK_PENDING while
       they have not come. BRINK_UNSUPPORTED, with nothing done: the plan cannot be repeated. Runs may
       be ahead of the tokens until repeat_end drops them. */
    brink_status (*repeat)(execution *e, const plan_repeat *r, uint64_t deadline, uint32_t *tokens,
                           uint32_t *count);
    void (*repeat_end)(plan *p);

    /* Whether a node's input may be held there alone, without a copy that the host can read; and parts
       of such a weight, in order, as they come (positions and sizes are multiples of 4). */
    bool (*keeps)(const struct executor *e, const onnx_node *n, uint32_t input,
                  const onnx_tensor *w);
    brink_status (*weight_write)(const struct executor *e, const onnx_tensor *w, uint64_t at,
                                 const void *data, uint64_t bytes);

    /* Memory of its own for what lies there between runs, zeroed; NULL: no room. */
    void *(*memory_create)(const struct executor *e, uint64_t bytes);
    void (*memory_free)(const struct executor *e, void *memory);
    /* Copies `rows` runs of `bytes` from one row length to another (multiples of 4). */
    brink_status (*memory_copy)(const struct executor *e, void *to, uint64_t to_row,
                                const void *from, uint64_t from_row, uint64_t rows, uint64_t bytes);
    /* Writes the same from the host, where runs follow one another. */
    brink_status (*memory_write)(const struct executor *e, void *to, uint64_t to_row,
                                 const void *from, uint64_t rows, uint64_t bytes);
    /* … and reads it: BRINK_PENDING until the bytes have come to `to`. *read is NULL at first, and what is
       under way until then; memory_unread drops it. */
    brink_status (*memory_read)(const struct executor *e, void *to, const void *from,
                                uint64_t from_row, uint64_t rows, uint64_t bytes, uint64_t deadline,
                                void **read);
    void (*memory_unread)(const struct executor *e, void *read);
} executor;

/* Sets symbols and memory; external tensors have their data (plan_external) already. */
brink_status execution_start(execution *e, plan *p, workspace *w, const int64_t *symbols);

/* Bytes that a step reads and writes in this run; of a table that is gathered from, what is. */
uint64_t execution_bytes(const plan_step *s);

/* Runs one step on the CPU. */
brink_status execution_step(const execution *e, uint32_t step);

/* Runs steps until `deadline` (core_now() time; at least one); BRINK_PENDING if some are left. */
brink_status execution_advance(execution *e, uint64_t deadline);

/* Data (and reserved rows) of an external input or output; ignored where the plan needs it not. */
void plan_external(plan *p, uint32_t tensor_index, void *data, int64_t capacity);

#endif
