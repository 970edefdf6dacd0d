/* session_prefix.c — what a session holds of a text already, and a text that grew beyond its context.

   Rows of the cache depend on all tokens before them, on their positions and on the weights: a beginning that
   is the same can be kept, and nothing behind a token that was dropped. */
#include "pipelines/session.h"

#include <string.h>

uint32_t session_match(const brink_session *s, uint64_t key, const uint32_t *tokens, uint32_t count)
{
    uint32_t n = 0, held = s->length + s->owed;
    if (key != s->key)
        return 0;
    while (n < held && n < count && s->tokens[n] == tokens[n])
        n++;
    return n;
}

uint32_t brink_session_held(const brink_session *s, const brink_generate_desc *desc)
{
    return session_match(s, session_key(desc->adapter), desc->tokens, desc->token_count);
}

void session_shift(brink_session *s, uint32_t keep, uint32_t drop)
{
    uint32_t rest = s->length + s->owed - keep - drop;
    bool pending = s->has_pending;
    session_cut(s, keep);
    s->has_pending = pending;
    memmove(s->tokens + keep, s->tokens + keep + drop, rest * sizeof *s->tokens);
    s->owed += rest;
}
