/* generate.c — decoding as a task: prefill in chunks, then a token a step, or, where a grammar says what
   has to follow, several at once.

   A finished reply's last token is not in the cache yet; it opens the next prompt of the session. */
#include "pipelines/generate.h"

#include <string.h>

/* How often the GPU may be lost, or be full, before there is another token. */
enum { MOST_LOSSES = 3, MOST_FULL = 1 };

static bool is_end(const brink_model *m, uint32_t token)
{
    for (uint32_t i = 0; i < m->decoder.end_count; i++)
        if (m->decoder.ends[i] == token)
            return true;
    return false;
}

static brink_status take_token(generate_task *t, uint32_t token)
{
    brink_session *s = t->session;
    bool stopped;
    s->pending = token;
    s->has_pending = true;
    if (is_end(s->model, token) && (!t->ignore_end || t->constraint != NULL)) {
        t->last = core_now();
        t->first = t->first == 0 ? t->last : t->first;
        t->finish = t->constraint != NULL ? BRINK_FINISH_SCHEMA : BRINK_FINISH_STOP;
        return BRINK_OK;
    }
    TRY(generate_note(t, token, &stopped));
    return stopped                   ? generate_end(t, BRINK_FINISH_STOP)
           : t->count == t->capacity ? generate_end(t, BRINK_FINISH_LENGTH)
                                     : BRINK_OK;
}

/* The token and what has to follow it, or what completes the text instead of it. */
static brink_status take_constrained(generate_task *t, uint32_t token)
{
    brink_session *s = t->session;
    bool ended, cut, stopped = false;
    uint32_t taken = 0;
    TRY(constraint_take(t->constraint, token, t->capacity - t->count - 1, &t->feed, &ended, &cut));
    while (taken < t->feed.count && !stopped)
        TRY(generate_note(t, t->feed.ids[taken++], &stopped));
    t->feed.count = taken;
    t->fed = 0;
    t->ending = stopped                   ? BRINK_FINISH_STOP
                : cut                     ? BRINK_FINISH_LENGTH
                : ended                   ? BRINK_FINISH_SCHEMA
                : t->count == t->capacity ? BRINK_FINISH_LENGTH
                                          : BRINK_FINISH_NONE;
    if (taken == 1) { /* as without a grammar */
        s->pending = t->feed.ids[0];
        s->has_pending = true;
        t->fed = 1;
    }
    return t->fed == taken && t->ending != BRINK_FINISH_NONE ? generate_end(t, t->ending)
                                                             : BRINK_OK;
}

/* Tokens that were computed ahead; BRINK_UNSUPPORTED: it goes step by step. */
static brink_status take_ahead(generate_task *t, uint64_t deadline)
{
    brink_session *s = t->session;
    uint32_t tokens[PLAN_REPEATS], count;
    if (t->keep_logits || s->length + 1 >= s->context)
        return BRINK_UNSUPPORTED;
    const plan_repeat how = {.most = t->capacity - t->count,
                             .sampling = *sampler_settings(t->sampler),
                             .place = t->count};
    TRY(session_repeat(s, s->pending, &how, deadline, tokens, &count));
    t->ahead = true;
    for (uint32_t i = 0; i < count && t->finish == BRINK_FINISH_NONE; i++) {
        session_extend(s, s->pending);
        TRY(take_token(t, tokens[i]));
    }
    if (t->finish != BRINK_FINISH_NONE)
        session_repeat_end(s);
    return BRINK_OK;
}

static brink_status find_allowed(generate_task *t, uint32_t **allowed)
{
    uint32_t vocabulary = t->session->vocabulary, words = vocabulary / 32 + 1;
    *allowed = NULL;
    if (t->constraint != NULL)
        TRY(constraint_mask(t->constraint, vocabulary, allowed));
    if (t->rule == NULL)
        return BRINK_OK;
    if (*allowed == NULL) {
        if (t->allowed == NULL)
            t->allowed = core_alloc(t->base.context, words * sizeof *t->allowed);
        if (t->allowed == NULL)
            return BRINK_OUT_OF_MEMORY;
        memset(t->allowed, 0xff, words * sizeof *t->allowed);
        *allowed = t->allowed;
    }
    t->rule(t->rule_user, t->tokens, t->count, *allowed, vocabulary);
    return BRINK_OK;
}

static brink_status choose_token(generate_task *t)
{
    brink_session *s = t->session;
    uint32_t token, *allowed;
    TRY(find_allowed(t, &allowed));
    TRY(sampler_pick(t->sampler, s->logits, s->vocabulary, allowed, t->count, &token));
    return t->constraint != NULL && !is_end(s->model, token) ? take_constrained(t, token)
                                                             : take_token(t, token);
}

/* Each token of the draft that proved right is in the cache already. */
static brink_status take_draft(generate_task *t)
{
    brink_session *s = t->session;
    draft *d = &t->draft;
    uint32_t right = 0;
    session_cut(s, s->length - d->count);
    for (;;) {
        memcpy(s->logits, session_row(s, right), s->vocabulary * sizeof *s->logits);
        TRY(choose_token(t));
        if (t->finish != BRINK_FINISH_NONE || right == d->count || s->pending != d->ids[1 + right])
            break;
        session_extend(s, s->pending);
        s->has_pending = false;
        right++;
    }
    generate_draft_learn(d, right);
    return BRINK_OK;
}

/* Begins a step over a draft, over what is to be fed, or over the newest token. */
static brink_status begin_step(generate_task *t, uint64_t deadline)
{
    brink_session *s = t->session;
    const uint32_t *tokens = &s->pending;
    uint32_t count = 1, taken = 1;
    if (t->fed < t->feed.count) {
        tokens = t->feed.ids + t->fed;
        count = t->feed.count - t->fed - (t->ending != BRINK_FINISH_NONE);
    }
    if (t->draft.count == 0) {
        session_repeat_end(s);
        TRY(generate_make_room(t, count, deadline));
        TRY(session_step_begin(s, tokens, count, &taken));
    }
    t->fed += taken;
    t->step_tokens = taken;
    t->step_pending = s->has_pending;
    t->stepping = true;
    s->has_pending = false;
    return BRINK_OK;
}

/* Begins a step, or does without: *done. */
static brink_status go_on(generate_task *t, uint64_t deadline, bool *done)
{
    brink_session *s = t->session;
    brink_status status = BRINK_OK;
    *done = false;
    if (t->fed >= t->feed.count) {
        status = generate_draft_begin(t);
        if (status == BRINK_UNSUPPORTED) {
            status = take_ahead(t, deadline);
            *done = status == BRINK_OK;
        }
        if (*done || (status != BRINK_OK && status != BRINK_UNSUPPORTED))
            return status;
    } else if (t->ending != BRINK_FINISH_NONE && t->fed + 1 == t->feed.count) {
        s->pending = t->feed.ids[t->fed++];
        s->has_pending = *done = true;
        return generate_end(t, t->ending);
    }
    return begin_step(t, deadline);
}

static brink_status advance(generate_task *t, uint64_t deadline)
{
    brink_session *s = t->session;
    TRY(session_restore(s, deadline));
    while (t->finish == BRINK_FINISH_NONE) {
        bool done = false;
        if (!t->stepping)
            TRY(go_on(t, deadline, &done));
        if (!done) {
            TRY(session_step_advance(s, deadline));
            t->stepping = t->ahead = false;
            if (t->draft.count != 0)
                TRY(take_draft(t));
            else if (t->fed >= t->feed.count)
                TRY(choose_token(t));
        }
        if (t->finish == BRINK_FINISH_NONE && core_now() >= deadline)
            return BRINK_PENDING;
    }
    return BRINK_OK;
}

/* As before the step that is in progress. */
static void undo_step(generate_task *t)
{
    if (t->stepping) {
        t->fed -= t->step_tokens;
        t->session->has_pending = t->step_pending;
    }
    t->stepping = false;
    t->draft.count = 0;
    t->ahead = true; /* the session's logits may be those of another token */
}

static brink_status generate_advance(brink_task *base, uint64_t deadline)
{
    generate_task *t = (generate_task *)base;
    for (;;) {
        if (session_is_lost(t->session)) /* as another task saw */
            undo_step(t);
        brink_status status = advance(t, deadline);
        if (status == BRINK_OK || status == BRINK_PENDING || !session_is_lost(t->session))
            return status;
        undo_step(t);
        const executor *e = t->session->executor;
        status = e->failure(e, status);
        if (t->losses++ == (status == BRINK_OUT_OF_MEMORY ? MOST_FULL : MOST_LOSSES))
            return status;
    }
}

execution *generate_step(brink_task *base)
{
    generate_task *t = (generate_task *)base;
    bool done;
    if (base->kind != TASK_GENERATE || base->cancelled || base->model->executor != NULL ||
        t->profile || t->finish != BRINK_FINISH_NONE || t->session->owed != 0)
        return NULL;
    if (!t->stepping && (t->draft.most != 0 || go_on(t, 0, &done) != BRINK_OK))
        return NULL;
    return t->stepping && t->draft.count == 0 ? &t->session->execution : NULL;
}

static void generate_destroy(brink_task *base)
{
    generate_task *t = (generate_task *)base;
    brink_context *context = base->context;
    if (t->primed) {
        session_repeat_end(t->session);
        t->session->busy = false;
    }
    decode_stream_destroy(t->stream);
    sampler_destroy(t->sampler);
    constraint_destroy(t->constraint);
    core_free(context, t->allowed);
    for (uint32_t i = 0; i < t->stop_count; i++)
        core_free(context, t->stop[i]);
    core_free(context, t->stop);
    core_free(context, t->feed.ids);
    core_free(context, t->tokens);
    core_free(context, t->piece_ends);
    core_free(context, t->text);
    core_free(context, t->shown);
}

brink_status brink_generate_begin(brink_session *session, const brink_generate_desc *desc,
                                  brink_task **out)
{
    *out = NULL;
    brink_context *context = session->model->context;
    generate_task *t =
        task_create(context, sizeof *t, TASK_GENERATE, generate_advance, generate_destroy);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    t->session = session;
    t->base.model = session->model;
    t->ignore_end = desc->ignore_end;
    t->profile = desc->profile;
    t->stop_at = UINT64_MAX;
    t->begun = core_now();
    brink_status status = generate_prime(t, desc);
    if (status != BRINK_OK) {
        brink_task_destroy(&t->base);
        return status;
    }
    *out = &t->base;
    return BRINK_OK;
}

bool brink_generate_next(brink_task *base, uint32_t *id, const char **text)
{
    generate_task *t = (generate_task *)base;
    if (base->kind != TASK_GENERATE || t->taken == t->count)
        return false;
    uint64_t from = t->taken ? t->piece_ends[t->taken - 1] : 0, to = t->piece_ends[t->taken];
    uint64_t bytes = to > from ? to - from : 0;
    core_free(base->context, t->shown);
    t->shown = core_alloc(base->context, bytes + 1);
    *id = t->tokens[t->taken++];
    *text = "";
    if (t->shown == NULL)
        return true;
    memcpy(t->shown, t->text + from, (size_t)bytes);
    t->shown[bytes] = 0;
    *text = t->shown;
    return true;
}

const float *brink_generate_logits(const brink_task *base, uint32_t *vocabulary)
{
    const generate_task *t = (const generate_task *)base;
    *vocabulary = 0;
    if (base->kind != TASK_GENERATE || t->first == 0 || t->ahead)
        return NULL;
    *vocabulary = t->session->vocabulary;
    return t->session->logits;
}

void brink_generate_get_stats(const brink_task *base, brink_generate_stats *out)
{
    const generate_task *t = (const generate_task *)base;
    *out = (brink_generate_stats){0};
    if (base->kind != TASK_GENERATE)
        return;
    out->finish = t->finish;
    out->prompt_tokens = t->prompt_count;
    out->cached_tokens = t->cached;
    out->prefill_tokens = t->prefill;
    out->tokens = t->count;
    out->shifts = t->shifts;
    out->dropped_tokens = t->dropped;
    out->draft_tokens = t->draft.guessed;
    out->accepted_tokens = t->draft.right;
    if (t->first != 0) {
        out->prefill_us = (t->first - t->begun) / 1000;
        out->decode_us = (t->last - t->first) / 1000;
    }
}

uint32_t generate_node_count(const brink_task *base)
{
    const brink_session *s = ((const generate_task *)base)->session;
    return s->usage != NULL && s->used_steps != 0 ? s->plans[0].plan.step_count : 0;
}

void generate_node(const brink_task *base, uint32_t index, brink_node_time *out)
{
    const brink_session *s = ((const generate_task *)base)->session;
    const onnx_node *n = s->plans[0].plan.steps[index].args.node;
    const step_usage *u = &s->usage[index];
    *out = (brink_node_time){n->name, n->type, u->ns / s->used_steps, u->bytes / s->used_steps,
                             u->dispatches / s->used_steps};
}
