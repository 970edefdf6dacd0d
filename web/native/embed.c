/* embed.c — texts to vectors, for script, which writes the options in place. */
#include "module.h"

/* web/sdk/src/layout.ts */
_Static_assert(sizeof(brink_embed_desc) == 48, "twelve words");
_Static_assert(offsetof(brink_embed_desc, bytes) == 4, "");
_Static_assert(offsetof(brink_embed_desc, count) == 8, "");
_Static_assert(offsetof(brink_embed_desc, prefix) == 12, "");
_Static_assert(offsetof(brink_embed_desc, prompt) == 16, "");
_Static_assert(offsetof(brink_embed_desc, dimensions) == 20, "");
_Static_assert(offsetof(brink_embed_desc, max_tokens) == 24, "");
_Static_assert(offsetof(brink_embed_desc, pooling) == 28, "");
_Static_assert(offsetof(brink_embed_desc, normalize) == 32, "");
_Static_assert(offsetof(brink_embed_desc, precision) == 36, "");
_Static_assert(sizeof(brink_embed_stats) == 32, "{u32, u32, u32, u32, u64, u64}");
_Static_assert(offsetof(brink_embed_stats, truncated) == 8, "");
_Static_assert(offsetof(brink_embed_stats, tokens) == 16, "");

EXPORT(web_embed_begin)
brink_status web_embed_begin(brink_model *model, const brink_embed_desc *desc, brink_task **out)
{
    return brink_embed_begin(model, desc, out);
}

EXPORT(web_embed_vectors)
brink_status web_embed_vectors(const brink_task *task, brink_tensor *out)
{
    return brink_embed_vectors(task, out);
}

EXPORT(web_embed_stats)
void web_embed_stats(const brink_task *task, brink_embed_stats *out)
{
    brink_embed_get_stats(task, out);
}
