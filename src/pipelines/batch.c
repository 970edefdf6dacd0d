/* batch.c — several tasks advanced in turn, generations of one model by steps that they make together.

   A round is one step of each generation: a chunk of its prompt, or a token. The products with weights of
   those that stand at the same place are computed for all of them at once (plan/together.h); everything
   else, and so whatever cannot be put together, is done one after another with the same results. Tasks may
   come and go between any two calls, and be advanced alone in between: what a step has reached is the
   session's. */
#include "pipelines/model.h"
#include "pipelines/task.h"
#include "plan/together.h"

enum { ALONE_US = 5000 }; /* of a task that goes by itself, a round, while others step together */

typedef struct round {
    brink_task *const *tasks; /* [count], at most TOGETHER_MOST */
    brink_status *statuses;
    uint32_t count, joined;
    uint64_t deadline;
} round;

/* The generations of tasks[first]'s model. */
static void step_together(round *r, uint32_t first, bool *handled)
{
    together_run runs[TOGETHER_MOST];
    uint32_t who[TOGETHER_MOST], n = 0;
    brink_model *model = r->tasks[first]->model;
    for (uint32_t i = first; i < r->count && model != NULL; i++) {
        if (handled[i] || r->tasks[i]->model != model)
            continue;
        execution *e = generate_step(r->tasks[i]);
        if (e == NULL)
            continue;
        handled[i] = true;
        who[n] = i;
        runs[n++] = (together_run){.e = e};
    }
    if (n == 0)
        return;
    together_advance(runs, n, &model->together, r->deadline);
    for (uint32_t k = 0; k < n; k++)
        if (runs[k].failed || together_done(&runs[k]))
            r->statuses[who[k]] = brink_task_advance(r->tasks[who[k]], 0);
    r->joined += n;
}

static uint64_t left_us(uint64_t deadline)
{
    uint64_t now = core_now();
    return now < deadline ? (deadline - now) / 1000 : 0;
}

static void run_round(round *r)
{
    bool handled[TOGETHER_MOST];
    uint32_t alone = 0;
    for (uint32_t i = 0; i < r->count; i++)
        handled[i] = r->statuses[i] != BRINK_PENDING;
    for (uint32_t i = 0; i < r->count; i++)
        if (!handled[i])
            step_together(r, i, handled);
    for (uint32_t i = 0; i < r->count; i++)
        alone += !handled[i];
    for (uint32_t i = 0; i < r->count; i++) {
        if (handled[i])
            continue;
        uint64_t share = left_us(r->deadline) / alone--;
        share = r->joined != 0 && share > ALONE_US ? ALONE_US : share;
        r->statuses[i] = brink_task_advance(r->tasks[i], share);
    }
}

static brink_status check(brink_task *const *tasks, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (tasks[i]->context != tasks[0]->context)
            return core_fail(tasks[0]->context, BRINK_INVALID_ARGUMENT,
                             "tasks of different contexts cannot be advanced together");
        for (uint32_t k = 0; k < i; k++)
            if (tasks[k] == tasks[i])
                return core_fail(tasks[0]->context, BRINK_INVALID_ARGUMENT,
                                 "task %u is task %u again", i, k);
    }
    return BRINK_OK;
}

brink_status brink_tasks_advance(brink_task *const *tasks, uint32_t count, uint64_t budget_us,
                                 brink_status *statuses)
{
    TRY(check(tasks, count));
    uint64_t deadline = task_deadline(budget_us);
    uint32_t pending = 0, before, joined;
    for (uint32_t i = 0; i < count; i++) {
        statuses[i] = tasks[i]->ended ? tasks[i]->result : BRINK_PENDING;
        pending += !tasks[i]->ended;
    }
    do {
        before = pending;
        pending = joined = 0;
        for (uint32_t i = 0; i < count; i += TOGETHER_MOST) {
            uint32_t some = count - i < TOGETHER_MOST ? count - i : TOGETHER_MOST;
            round r = {
                .tasks = tasks + i, .statuses = statuses + i, .count = some, .deadline = deadline};
            run_round(&r);
            joined += r.joined;
        }
        for (uint32_t i = 0; i < count; i++)
            pending += statuses[i] == BRINK_PENDING;
    } while (pending == before && joined != 0 && core_now() < deadline);
    return pending != 0 ? BRINK_PENDING : BRINK_OK;
}
