#include "pipelines/task.h"

void *task_create(brink_context *context, uint64_t size, task_kind kind,
                  brink_status (*advance)(brink_task *, uint64_t), void (*destroy)(brink_task *))
{
    brink_task *task = core_calloc(context, 1, size);
    if (task != NULL) {
        task->context = context;
        task->kind = kind;
        task->advance = advance;
        task->destroy = destroy;
    }
    return task;
}

uint64_t task_deadline(uint64_t budget_us)
{
    uint64_t now = core_now(), deadline;
    if (!core_mul(budget_us, 1000, &deadline) || !core_add(deadline, now, &deadline))
        deadline = UINT64_MAX;
    return deadline;
}

brink_status brink_task_advance(brink_task *task, uint64_t budget_us)
{
    if (task->ended)
        return task->result;
    uint64_t deadline = task_deadline(budget_us);
    brink_status status = task->cancelled
                              ? core_fail(task->context, BRINK_CANCELLED, "the task was cancelled")
                              : task->advance(task, deadline);
    if (status != BRINK_PENDING) {
        task->ended = true;
        task->result = status;
    }
    return status;
}

void brink_task_cancel(brink_task *task)
{
    task->cancelled = true;
}

void brink_task_destroy(brink_task *task)
{
    if (task == NULL)
        return;
    task->destroy(task);
    core_free(task->context, task);
}
