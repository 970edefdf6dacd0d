/* run.c — one computation of a graph on tensors that script describes.

   Invariant: `inputs` and what it points to stay as they are until the task is destroyed; script
   writes brink_tensor records and frees them after web_task_destroy. */
#include "module.h"

/* web/sdk/src/layout.ts */
_Static_assert(sizeof(brink_tensor) == 96, "a tensor's record");
_Static_assert(offsetof(brink_tensor, type) == 4 && offsetof(brink_tensor, rank) == 8, "");
_Static_assert(offsetof(brink_tensor, shape) == 16, "i64[8]");
_Static_assert(sizeof(brink_node_time) == 32, "{u32 name, u32 type, u64 ns, u64 bytes, u32}");
_Static_assert(offsetof(brink_node_time, dispatches) == 24, "");
_Static_assert(offsetof(brink_tensor, data) == 80 && offsetof(brink_tensor, bytes) == 88, "");

EXPORT(web_run_begin)
brink_status web_run_begin(brink_model *model, const brink_tensor *inputs, uint32_t count,
                           uint32_t profile, brink_task **out)
{
    const brink_run_desc desc = {.inputs = inputs, .input_count = count, .profile = profile != 0};
    return brink_run_begin(model, &desc, out);
}

EXPORT(web_run_output)
brink_status web_run_output(const brink_task *task, uint32_t index, brink_tensor *out)
{
    return brink_run_output(task, index, out);
}

/* Of a run or a generation with a profile. */
EXPORT(web_node_count)
uint32_t web_node_count(const brink_task *task)
{
    return brink_run_node_count(task);
}

EXPORT(web_node)
void web_node(const brink_task *task, uint32_t index, brink_node_time *out)
{
    brink_run_node(task, index, out);
}

EXPORT(web_tensor_parse)
brink_status web_tensor_parse(brink_context *context, const void *data, double size,
                              brink_tensor *out)
{
    return brink_tensor_parse(context, data, web_size(size), out);
}

EXPORT(web_tensor_release)
void web_tensor_release(brink_context *context, brink_tensor *tensor)
{
    brink_tensor_release(context, tensor);
}
