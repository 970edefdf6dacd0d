/* session_repeat.c — steps that an executor runs ahead of their tokens: see session.h.

   Invariant: what runs ahead wrote rows behind s->length, which count only once session_extend told their
   tokens; until session_repeat_end no other step of the session begins. */
#include "pipelines/session.h"

void session_extend(brink_session *s, uint32_t token)
{
    s->tokens[s->length] = token;
    s->length++;
}

brink_status session_repeat(brink_session *s, uint32_t token, const plan_repeat *how,
                            uint64_t deadline, uint32_t *tokens, uint32_t *count)
{
    const decoder *d = &s->model->decoder;
    *count = 0;
    if (s->executor == NULL || s->single || s->fixed || !s->in_place)
        return BRINK_UNSUPPORTED;
    if (!s->repeating) {
        uint32_t taken;
        TRY(session_step_begin(s, &token, 1, &taken));
        if (s->executor == NULL || s->fixed)
            return BRINK_UNSUPPORTED; /* the caller begins the step anew */
        s->repeats = *how;
        s->repeats.ids = s->running->plan.inputs[d->input_ids];
        s->repeats.logits = s->running->plan.outputs[d->logits];
        if (s->repeats.most > s->capacity - s->length)
            s->repeats.most = s->capacity - s->length;
        s->repeating = true;
        s->repeated = 0;
    }
    brink_status status = s->executor->repeat(&s->execution, &s->repeats, deadline, tokens, count);
    s->repeated += *count;
    s->single = status == BRINK_UNSUPPORTED;
    if (status == BRINK_OK && s->repeated == s->repeats.most)
        session_repeat_end(s); /* room is made, or the end reached */
    else if (status != BRINK_OK && status != BRINK_PENDING)
        session_repeat_end(s);
    return status;
}

void session_repeat_end(brink_session *s)
{
    if (s->repeating)
        s->executor->repeat_end(&s->running->plan);
    s->repeating = false;
}
