/* task.h — the common part of every task: what brink_task_advance needs to know.

   A kind of task is a struct that begins with a brink_task and sets `advance` and `destroy`. advance
   works until core_now() reaches the deadline, at least one smallest step. */
#ifndef PIPELINES_TASK_H
#define PIPELINES_TASK_H

#include "core/context.h"

typedef enum task_kind {
    TASK_LOAD,
    TASK_RUN,
    TASK_GENERATE,
    TASK_GPU,
    TASK_EMBED,
    TASK_SAVE
} task_kind;

struct brink_task {
    brink_context *context;
    task_kind kind;
    brink_model *model; /* that it runs; NULL: none */
    brink_status (*advance)(brink_task *task, uint64_t deadline);
    void (*destroy)(brink_task *task); /* frees what the task holds, not the task */
    bool cancelled, ended;
    brink_status result;
};

/* brink_run_node of a generation. */
uint32_t generate_node_count(const brink_task *task);
void generate_node(const brink_task *task, uint32_t index, brink_node_time *out);

/* When a budget that is given now is used up, in core_now() time. */
uint64_t task_deadline(uint64_t budget_us);

/* The run of a generation's next step, begun if it was not: whoever has advanced it to its end advances the
   task. NULL: the task has to go on by itself: it is none, its model is on an executor, each node is measured, or what
   is wrong with the step is for the task to say. */
struct execution *generate_step(brink_task *task);

/* A zeroed task of `size` bytes. */
void *task_create(brink_context *context, uint64_t size, task_kind kind,
                  brink_status (*advance)(brink_task *, uint64_t), void (*destroy)(brink_task *));

#endif
