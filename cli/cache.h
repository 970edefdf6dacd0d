/* cache.h — a session with the tokens it was given: a prompt that begins like them is computed from
   where it differs.

   Invariant: the session's cache is of the first brink_session_length() of `held`. */
#ifndef CLI_CACHE_H
#define CLI_CACHE_H

#include "text.h"

typedef struct token_cache {
    brink_session *session;
    token_list held; /* given to the session or made by it */
} token_cache;

/* How many tokens of the prompt need not be computed: a multiple of 8, and less than all, as a generation
   needs one. */
uint32_t cli_cache_common(const token_cache *cache, const token_list *prompt);

/* Begins a generation after the whole of `prompt`, which is not empty; `how` says all but the tokens.
   *kept is how many of them were there. Tokens that come are added to `held` by the caller. */
brink_status cli_cache_begin(token_cache *cache, const token_list *prompt,
                             const brink_generate_desc *how, uint32_t *kept, brink_task **out);

void cli_cache_free(token_cache *cache);

#endif
