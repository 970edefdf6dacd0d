/* context.c — contexts, errors, tasks and memory for script.

   Invariant: a status is all that a call returns; the text of a failure stays in the context until
   the next one, so script reads it before it calls anything else. */
#include "module.h"

/* web/sdk/src/layout.ts */
_Static_assert(sizeof(void *) == 4, "script writes 32-bit pointers");
_Static_assert(sizeof(brink_memory) == 16, "{u64 live, u64 peak}");

/* A NULL context in *out and BRINK_OUT_OF_MEMORY is the only failure. `budget` 0: no limit. */
EXPORT(web_context_create)
brink_status web_context_create(uint32_t threads, double budget, brink_context **out)
{
    const brink_context_desc desc = {.threads = threads,
                                     .memory_budget = budget > 0 ? web_size(budget) : 0};
    return brink_context_create(&desc, out);
}

EXPORT(web_context_destroy)
void web_context_destroy(brink_context *context)
{
    brink_context_destroy(context);
}

EXPORT(web_context_threads)
uint32_t web_context_threads(const brink_context *context)
{
    return brink_context_threads(context);
}

EXPORT(web_context_memory)
void web_context_memory(const brink_context *context, brink_memory *out)
{
    *out = brink_context_memory(context);
}

EXPORT(web_error)
const char *web_error(const brink_context *context)
{
    return brink_error(context);
}

EXPORT(web_version)
const char *web_version(void)
{
    return brink_version();
}

EXPORT(web_task_advance)
brink_status web_task_advance(brink_task *task, double budget_us)
{
    return brink_task_advance(task, budget_us > 0 ? web_size(budget_us) : 0);
}

EXPORT(web_task_cancel)
void web_task_cancel(brink_task *task)
{
    brink_task_cancel(task);
}

EXPORT(web_task_destroy)
void web_task_destroy(brink_task *task)
{
    brink_task_destroy(task);
}
