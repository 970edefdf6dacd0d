/* session.c — sessions: the tokens of a conversation, saved, loaded and forked, for script. */
#include "module.h"

EXPORT(web_session_create)
brink_status web_session_create(brink_model *model, uint32_t context, brink_session **out)
{
    const brink_session_desc desc = {.context = context};
    return brink_session_create(model, &desc, out);
}

EXPORT(web_session_destroy)
void web_session_destroy(brink_session *session)
{
    brink_session_destroy(session);
}

EXPORT(web_session_length)
uint32_t web_session_length(const brink_session *session)
{
    return brink_session_length(session);
}

EXPORT(web_session_truncate)
brink_status web_session_truncate(brink_session *session, uint32_t length)
{
    return brink_session_truncate(session, length);
}

/* Of a prompt that is the whole text. */
EXPORT(web_session_held)
uint32_t web_session_held(const brink_session *session, const uint32_t *tokens, uint32_t count)
{
    const brink_generate_desc desc = {.tokens = tokens, .token_count = count, .whole = true};
    return brink_session_held(session, &desc);
}

EXPORT(web_session_fork)
brink_status web_session_fork(const brink_session *session, brink_session **out)
{
    return brink_session_fork(session, out);
}

EXPORT(web_session_save_begin)
brink_status web_session_save_begin(brink_session *session, brink_task **out)
{
    return brink_session_save_begin(session, out);
}

EXPORT(web_session_saved)
brink_status web_session_saved(const brink_task *task, const void **data, uint64_t *bytes)
{
    return brink_session_saved(task, data, bytes);
}

EXPORT(web_session_load)
brink_status web_session_load(brink_model *model, uint32_t context, const void *data, double bytes,
                              brink_session **out)
{
    const brink_session_desc desc = {.context = context};
    return brink_session_load(model, &desc, data, web_size(bytes), out);
}
