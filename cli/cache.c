/* cache.c — see cache.h. */
#include "cache.h"

/* A prompt is computed in chunks of multiples of 8, and a lone token as a decoding step is, whose 8-bit
   activations round otherwise (docs/sessions.md). Cut at a multiple of 8, the rest is computed as it is
   without a cache, to the bit. */
enum { CHUNK = 8 };

uint32_t cli_cache_common(const token_cache *cache, const token_list *prompt)
{
    uint32_t n = 0, most = brink_session_length(cache->session);
    if (most > cache->held.count)
        most = cache->held.count;
    if (most > prompt->count - 1)
        most = prompt->count - 1;
    while (n < most && cache->held.ids[n] == prompt->ids[n])
        n++;
    return n - n % CHUNK;
}

brink_status cli_cache_begin(token_cache *cache, const token_list *prompt,
                             const brink_generate_desc *how, uint32_t *kept, brink_task **out)
{
    *kept = cli_cache_common(cache, prompt);
    *out = NULL;
    brink_status status = brink_session_truncate(cache->session, *kept);
    cache->held.count = *kept;
    if (status != BRINK_OK)
        return status;
    for (uint32_t i = *kept; i < prompt->count; i++)
        cli_token_list_add(&cache->held, prompt->ids[i]);
    brink_generate_desc desc = *how;
    desc.tokens = prompt->ids + *kept;
    desc.token_count = prompt->count - *kept;
    return brink_generate_begin(cache->session, &desc, out);
}

void cli_cache_free(token_cache *cache)
{
    brink_session_destroy(cache->session);
    cli_token_list_free(&cache->held);
    *cache = (token_cache){0};
}
