/* load.c — a model from bytes that script streams in, and what the model says about itself.

   Invariant: a buffer of web_buffer_alloc belongs to script until web_task_supply, which takes it
   whatever it answers. Parts that web_task_supply_part takes stay script's. */
#include "module.h"

/* web/sdk/src/layout.ts */
_Static_assert(sizeof(brink_want) == 16, "{u32 file, u8 optional, u8 in_parts, u64 least_bytes}");
_Static_assert(offsetof(brink_want, in_parts) == 5, "");
_Static_assert(offsetof(brink_want, optional) == 4 && offsetof(brink_want, least_bytes) == 8, "");
_Static_assert(sizeof(brink_value_info) == 112, "a value's declaration");
_Static_assert(offsetof(brink_value_info, shape) == 16, "after name, type and rank");
_Static_assert(offsetof(brink_value_info, dim_names) == 80, "after the shape");
_Static_assert(sizeof(brink_model_facts) == 32, "{u64, u64, u8, u8, u32, u32}");
_Static_assert(offsetof(brink_model_facts, language_model) == 16, "");
_Static_assert(offsetof(brink_model_facts, embedder) == 17, "");
_Static_assert(offsetof(brink_model_facts, vocabulary) == 20, "");
_Static_assert(offsetof(brink_model_facts, context) == 24, "");

enum { WEB_GRAPH_ONLY = 1, WEB_EXACT = 2, WEB_GPU = 4 };

EXPORT(web_load_begin)
brink_status web_load_begin(brink_context *context, const char *graph, uint32_t flags,
                            brink_task **out)
{
    const brink_model_desc desc = {.graph = graph,
                                   .graph_only = (flags & WEB_GRAPH_ONLY) != 0,
                                   .exact = (flags & WEB_EXACT) != 0,
                                   .gpu = (flags & WEB_GPU) != 0};
    return brink_model_load_begin(context, &desc, out);
}

EXPORT(web_task_want)
uint32_t web_task_want(const brink_task *task, brink_want *want)
{
    return brink_task_want(task, want);
}

EXPORT(web_task_want_later)
uint32_t web_task_want_later(const brink_task *task, uint32_t index, brink_want *want)
{
    return brink_task_want_later(task, index, want);
}

EXPORT(web_buffer_alloc)
void *web_buffer_alloc(brink_context *context, double size)
{
    return brink_alloc(context, web_size(size));
}

EXPORT(web_buffer_free)
void web_buffer_free(brink_context *context, void *data)
{
    brink_free(context, data);
}

EXPORT(web_task_supply)
brink_status web_task_supply(brink_task *task, void *data, double size)
{
    return brink_task_supply(task, data, web_size(size), NULL, NULL);
}

EXPORT(web_task_supply_part)
brink_status web_task_supply_part(brink_task *task, double at, const void *data, double size)
{
    return brink_task_supply_part(task, web_size(at), data, web_size(size));
}

EXPORT(web_task_supply_missing)
brink_status web_task_supply_missing(brink_task *task)
{
    return brink_task_supply_missing(task);
}

EXPORT(web_model_take)
brink_status web_model_take(brink_task *task, brink_model **out)
{
    return brink_model_take(task, out);
}

EXPORT(web_model_destroy)
void web_model_destroy(brink_model *model)
{
    brink_model_destroy(model);
}

EXPORT(web_model_facts)
void web_model_facts(const brink_model *model, brink_model_facts *out)
{
    brink_model_get_facts(model, out);
}

EXPORT(web_model_input_count)
uint32_t web_model_input_count(const brink_model *model)
{
    return brink_model_input_count(model);
}

EXPORT(web_model_output_count)
uint32_t web_model_output_count(const brink_model *model)
{
    return brink_model_output_count(model);
}

EXPORT(web_model_input)
void web_model_input(const brink_model *model, uint32_t index, brink_value_info *out)
{
    brink_model_input(model, index, out);
}

EXPORT(web_model_output)
void web_model_output(const brink_model *model, uint32_t index, brink_value_info *out)
{
    brink_model_output(model, index, out);
}
