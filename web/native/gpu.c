/* gpu.c — opens the GPU of a context, for script. */
#include "module.h"

/* web/sdk/src/layout.ts */
_Static_assert(sizeof(brink_gpu_info) == 16, "{u32 name, u8, u8, u8, u8, u64}");
_Static_assert(offsetof(brink_gpu_info, software) == 4 && offsetof(brink_gpu_info, f16) == 5, "");
_Static_assert(offsetof(brink_gpu_info, subgroups) == 6, "");
_Static_assert(offsetof(brink_gpu_info, timestamps) == 7, "");
_Static_assert(offsetof(brink_gpu_info, bandwidth) == 8, "");

EXPORT(web_gpu_begin)
brink_status web_gpu_begin(brink_context *context, uint32_t hardware, brink_task **out)
{
    const brink_gpu_desc desc = {.hardware = hardware != 0};
    return brink_gpu_begin(context, &desc, out);
}

EXPORT(web_gpu_set_submit_ms)
void web_gpu_set_submit_ms(brink_context *context, uint32_t ms)
{
    brink_gpu_set_submit_ms(context, ms);
}

EXPORT(web_context_gpu)
uint32_t web_context_gpu(const brink_context *context, brink_gpu_info *out)
{
    return brink_context_gpu(context, out);
}
