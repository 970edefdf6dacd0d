/* generate_prompt.c — what is to be computed before the first token of a reply.

   The text is what the session holds, the token that is pending and the prompt; or, where the prompt is the
   whole text, that alone. Of its beginning the session keeps what it holds already; the rest is fed.

   A text that is too long for the context is an error, or is shifted: behind its first `keep` tokens it loses
   as many blocks of half the rest of the context as it takes. So it is cut at the same places whether it came
   as a prompt or grew as a reply, and the next turn's beginning is what the session holds. */
#include "pipelines/generate.h"
#include "text/buffer.h"

#include <string.h>

enum { DEFAULT_MAX_TOKENS = 256, EXPECTED_TOKENS = 512 };

static uint32_t block(const generate_task *t)
{
    return (t->session->context - t->keep) / 2;
}

brink_status generate_make_room(generate_task *t, uint32_t count, uint64_t deadline)
{
    brink_session *s = t->session;
    while (t->shift && (uint64_t)s->length + count > s->context && s->length > t->keep) {
        uint32_t behind = s->length - t->keep, drop = behind < block(t) ? behind : block(t);
        session_shift(s, t->keep, drop);
        t->shifts++;
        t->dropped += drop;
        TRY(session_restore(s, deadline));
    }
    return BRINK_OK;
}

static brink_status check(const generate_task *t, const brink_generate_desc *desc)
{
    const brink_session *s = t->session;
    const brink_model *m = s->model;
    if (s->busy)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                         "the session is in use by another task");
    if (desc->token_count == 0 && (desc->whole || !s->has_pending))
        return core_fail(m->context, BRINK_INVALID_ARGUMENT, "the prompt has no tokens");
    for (uint32_t i = 0; i < desc->token_count; i++)
        if (m->decoder.vocabulary != 0 && desc->tokens[i] >= m->decoder.vocabulary)
            return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                             "token %u is outside the vocabulary of %u", desc->tokens[i],
                             m->decoder.vocabulary);
    if (desc->grammar != NULL && desc->grammar->model != m)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT, "the grammar is another model's");
    if (desc->shift && (uint64_t)desc->keep + 2 > s->context)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                         "%s: a context of %u has no room to shift behind the first %u tokens",
                         m->onnx.file, s->context, desc->keep);
    return BRINK_OK;
}

/* The whole text, as far as the context holds it, to `feed`. */
static brink_status take_text(generate_task *t, const brink_generate_desc *desc)
{
    const brink_session *s = t->session;
    uint32_t held = desc->whole ? 0 : brink_session_length(s);
    uint32_t pending = !desc->whole && s->has_pending;
    uint64_t count = (uint64_t)held + pending + desc->token_count, drop = 0;
    if (count > s->context && !desc->shift)
        return core_fail(s->model->context, BRINK_INVALID_ARGUMENT,
                         "%s: a prompt of %u tokens after %u does not fit the context of %u",
                         s->model->onnx.file, desc->token_count, held, s->context);
    TRY(array_grow(s->model->context, (void **)&t->feed.ids, &t->feed.capacity, count,
                   sizeof *t->feed.ids));
    uint32_t *ids = t->feed.ids;
    if (held != 0)
        memcpy(ids, s->tokens, held * sizeof *ids);
    if (pending != 0)
        ids[held] = s->pending;
    if (desc->token_count != 0)
        memcpy(ids + held + pending, desc->tokens, desc->token_count * sizeof *ids);
    if (count > s->context) {
        drop = (count - s->context + block(t) - 1) / block(t) * block(t);
        memmove(ids + t->keep, ids + t->keep + drop, (count - t->keep - drop) * sizeof *ids);
        t->shifts = 1;
        t->dropped = (uint32_t)drop;
    }
    t->prompt_count = pending + desc->token_count;
    t->feed.count = (uint32_t)(count - drop);
    return BRINK_OK;
}

/* Cuts the session back to what it holds of the text, and the text to what it does not: a token at least,
   whose logits choose the reply's first. */
static void keep_common(generate_task *t, uint64_t key, bool whole)
{
    brink_session *s = t->session;
    token_run *text = &t->feed;
    uint32_t kept = session_match(s, key, text->ids, text->count - 1);
    session_cut(s, kept);
    s->key = key;
    text->count -= kept;
    memmove(text->ids, text->ids + kept, text->count * sizeof *text->ids);
    t->prefill = text->count;
    t->cached = whole ? kept : 0;
}

static brink_status copy_stops(generate_task *t, const brink_generate_desc *desc)
{
    brink_context *context = t->base.context;
    if (desc->stop_count == 0)
        return BRINK_OK;
    t->stop = core_calloc(context, desc->stop_count, sizeof *t->stop);
    if (t->stop == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (; t->stop_count < desc->stop_count; t->stop_count++) {
        const char *text = desc->stop[t->stop_count];
        char *copy = core_alloc(context, strlen(text) + 1);
        if (copy == NULL)
            return BRINK_OUT_OF_MEMORY;
        strcpy(copy, text);
        t->stop[t->stop_count] = copy;
    }
    return BRINK_OK;
}

/* How tokens are chosen, and what they are written to. */
static brink_status make_parts(generate_task *t, const brink_generate_desc *desc)
{
    brink_session *s = t->session;
    brink_context *context = s->model->context;
    TRY(copy_stops(t, desc));
    TRY(sampler_create(context, &desc->sampling, &t->sampler));
    if (desc->grammar != NULL)
        TRY(constraint_create(desc->grammar, t->capacity, &t->constraint));
    t->rule = desc->rule;
    t->rule_user = desc->rule_user;
    bool every_step = desc->keep_logits || desc->profile;
    t->keep_logits =
        every_step || !sampler_is_plain(t->sampler) || t->constraint != NULL || t->rule != NULL;
    if (!every_step && t->constraint == NULL)
        t->draft.most =
            desc->draft_tokens < SESSION_DRAFT_TOKENS ? desc->draft_tokens : SESSION_DRAFT_TOKENS;
    for (uint32_t i = 0; i < t->feed.count; i++)
        TRY(sampler_see(t->sampler, t->feed.ids[i], false));
    uint32_t room = t->capacity < EXPECTED_TOKENS ? t->capacity : EXPECTED_TOKENS;
    TRY(array_grow(context, (void **)&t->tokens, &t->token_room, room, sizeof *t->tokens));
    TRY(array_grow(context, (void **)&t->piece_ends, &t->end_room, room, sizeof *t->piece_ends));
    TRY(generate_begin_text(t));
    return s->model->tokenizer == NULL
               ? BRINK_OK
               : decode_stream_create(s->model->tokenizer, false, &t->stream);
}

brink_status generate_prime(generate_task *t, const brink_generate_desc *desc)
{
    brink_session *s = t->session;
    TRY(check(t, desc));
    TRY(session_use_adapter(s, desc->adapter));
    t->shift = desc->shift;
    t->keep = desc->keep;
    TRY(take_text(t, desc));
    t->max_tokens = desc->max_tokens ? desc->max_tokens : DEFAULT_MAX_TOKENS;
    uint32_t most = s->context - t->feed.count + 1; /* the last token needs no row */
    t->capacity = t->shift || t->max_tokens < most ? t->max_tokens : most;
    TRY(make_parts(t, desc));
    keep_common(t, session_key(desc->adapter), desc->whole);
    uint32_t ahead = t->max_tokens < EXPECTED_TOKENS ? t->max_tokens : EXPECTED_TOKENS;
    brink_status room = session_expect(s, t->prefill + ahead);
    if (room != BRINK_OK && !session_is_lost(s)) /* else it is made when the task advances */
        return room;
    s->busy = t->primed = true;
    s->profile = t->profile;
    return BRINK_OK;
}
