/* generate.c — decoding as a task: prefill in chunks, then a token a step, or, where a grammar says what
   has to follow, several at once.

   A finished reply's last token is not in the cache yet; it opens the next prompt of the session. */
#include "pipelines/constraint.h"
#include "pipelines/session.h"
#include "pipelines/task.h"
#include "text/sampler.h"

#include <string.h>

enum { DEFAULT_MAX_TOKENS = 256, EXPECTED_TOKENS = 512 };

/* How often the GPU may be lost, or be full, before there is another token. */
enum { MOST_LOSSES = 3, MOST_FULL = 1 };

typedef struct generate_task {
    brink_task base;
    brink_session *session;
    uint32_t prompt_count;
    token_run feed; /* tokens for the model, in chunks: the prompt, later what a grammar added */
    uint32_t fed;
    uint32_t *tokens, count, capacity;
    uint32_t taken;       /* by brink_generate_next */
    uint32_t step_tokens; /* of the step in progress; and whether its token was the pending one */
    bool step_pending;
    uint32_t losses; /* since the newest token */
    uint32_t max_tokens;
    bool ahead; /* the newest token's logits stayed on the GPU */
    bool ignore_end, keep_logits, profile, stepping, primed;
    sampler *sampler;
    constraint *constraint; /* NULL: none */
    brink_finish ending;    /* how it ends, once all but the last of `feed` is in the cache */
    brink_token_rule rule;
    void *rule_user;
    uint32_t *allowed; /* [vocabulary / 32 + 1], with a rule and no grammar */
    char **stop;
    uint32_t stop_count;
    decode_stream *stream;
    char *text; /* reply so far, where stop texts are looked for */
    uint64_t text_bytes, text_capacity;
    uint64_t *piece_ends;        /* text_bytes after each token */
    char *shown;                 /* piece lent to the caller */
    uint64_t begun, first, last; /* nanoseconds */
    uint64_t stop_at;            /* the text is cut here, UINT64_MAX: not */
    brink_finish finish;
} generate_task;

static bool is_end(const brink_model *m, uint32_t token)
{
    for (uint32_t i = 0; i < m->decoder.end_count; i++)
        if (m->decoder.ends[i] == token)
            return true;
    return false;
}

static brink_status append_text(generate_task *t, const char *piece, uint64_t bytes)
{
    if (t->text_bytes + bytes + 1 > t->text_capacity) {
        uint64_t capacity = (t->text_bytes + bytes + 1) * 2;
        char *text = core_realloc(t->base.context, t->text, capacity);
        if (text == NULL)
            return BRINK_OUT_OF_MEMORY;
        t->text = text;
        t->text_capacity = capacity;
    }
    memcpy(t->text + t->text_bytes, piece, (size_t)bytes);
    t->text_bytes += bytes;
    t->text[t->text_bytes] = 0;
    return BRINK_OK;
}

/* Looks for a stop text that ends in what was appended from `from` on. */
static bool find_stop(generate_task *t, uint64_t from)
{
    for (uint32_t i = 0; i < t->stop_count; i++) {
        uint64_t n = strlen(t->stop[i]);
        if (n == 0 || n > t->text_bytes)
            continue;
        uint64_t start = from >= n ? from - n + 1 : 0;
        for (uint64_t at = start; at + n <= t->text_bytes; at++)
            if (memcmp(t->text + at, t->stop[i], (size_t)n) == 0 && at < t->stop_at)
                t->stop_at = at;
    }
    return t->stop_at != UINT64_MAX;
}

/* How much of the text may be shown: a beginning of a stop text is held back. */
static uint64_t showable(const generate_task *t)
{
    if (t->stop_at != UINT64_MAX)
        return t->stop_at;
    uint64_t hold = 0;
    for (uint32_t i = 0; i < t->stop_count && t->finish == BRINK_FINISH_NONE; i++) {
        uint64_t n = strlen(t->stop[i]);
        for (uint64_t k = n < t->text_bytes ? n : t->text_bytes; k > hold; k--)
            if (memcmp(t->text + t->text_bytes - k, t->stop[i], (size_t)k) == 0)
                hold = k;
    }
    return t->text_bytes - hold;
}

static brink_status end_reply(generate_task *t, brink_finish finish)
{
    t->finish = finish;
    if (t->stream != NULL) {
        const char *piece;
        uint64_t bytes;
        TRY(decode_stream_finish(t->stream, &piece, &bytes));
        TRY(append_text(t, piece, bytes));
    }
    if (t->count != 0)
        t->piece_ends[t->count - 1] = showable(t);
    return BRINK_OK;
}

/* A token of the reply, and whether its text completes a stop text. */
static brink_status note_token(generate_task *t, uint32_t token, bool *stopped)
{
    uint64_t before = t->text_bytes;
    t->losses = 0;
    t->last = core_now();
    if (t->first == 0)
        t->first = t->last;
    if (t->stream != NULL) {
        const char *piece;
        uint64_t bytes;
        TRY(decode_stream_push(t->stream, token, &piece, &bytes));
        TRY(append_text(t, piece, bytes));
    }
    t->tokens[t->count++] = token;
    TRY(sampler_see(t->sampler, token, true));
    *stopped = find_stop(t, before);
    t->piece_ends[t->count - 1] = showable(t);
    return BRINK_OK;
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
    TRY(note_token(t, token, &stopped));
    return stopped                   ? end_reply(t, BRINK_FINISH_STOP)
           : t->count == t->capacity ? end_reply(t, BRINK_FINISH_LENGTH)
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
        TRY(note_token(t, t->feed.ids[taken++], &stopped));
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
    return t->fed == taken && t->ending != BRINK_FINISH_NONE ? end_reply(t, t->ending) : BRINK_OK;
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

static brink_status advance(generate_task *t, uint64_t deadline)
{
    brink_session *s = t->session;
    TRY(session_restore(s, deadline));
    while (t->finish == BRINK_FINISH_NONE) {
        if (!t->stepping && t->fed >= t->feed.count) {
            brink_status status = take_ahead(t, deadline);
            if (status == BRINK_OK && t->finish == BRINK_FINISH_NONE && core_now() >= deadline)
                return BRINK_PENDING;
            if (status == BRINK_OK)
                continue;
            if (status != BRINK_UNSUPPORTED)
                return status;
        }
        bool ending = t->ending != BRINK_FINISH_NONE;
        if (!t->stepping && ending && t->fed + 1 == t->feed.count) {
            s->pending = t->feed.ids[t->fed++];
            s->has_pending = true;
            return end_reply(t, t->ending);
        }
        if (!t->stepping) {
            const uint32_t *tokens = &s->pending;
            uint32_t count = 1, taken;
            if (t->fed < t->feed.count) {
                tokens = t->feed.ids + t->fed;
                count = t->feed.count - t->fed - ending;
            }
            TRY(session_step_begin(s, tokens, count, &taken));
            t->fed += taken;
            t->step_tokens = taken;
            t->step_pending = s->has_pending;
            t->stepping = true;
            s->has_pending = false;
        }
        TRY(session_step_advance(s, deadline));
        t->stepping = t->ahead = false;
        if (t->fed >= t->feed.count)
            TRY(choose_token(t));
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

static brink_status prime(generate_task *t, const brink_generate_desc *desc)
{
    brink_session *s = t->session;
    brink_context *context = s->model->context;
    if (s->busy)
        return core_fail(context, BRINK_INVALID_ARGUMENT, "the session is in use by another task");
    TRY(session_use_adapter(s, desc->adapter));
    uint32_t pending = s->has_pending ? 1 : 0;
    if (desc->token_count == 0 && pending == 0)
        return core_fail(context, BRINK_INVALID_ARGUMENT, "the prompt has no tokens");
    uint32_t held = brink_session_length(s);
    uint64_t whole = (uint64_t)held + pending + desc->token_count;
    if (whole > s->context)
        return core_fail(context, BRINK_INVALID_ARGUMENT,
                         "%s: a prompt of %u tokens after %u does not fit the context of %u",
                         s->model->onnx.file, desc->token_count, held, s->context);
    for (uint32_t i = 0; i < desc->token_count; i++)
        if (s->model->decoder.vocabulary != 0 && desc->tokens[i] >= s->model->decoder.vocabulary)
            return core_fail(context, BRINK_INVALID_ARGUMENT,
                             "token %u is outside the vocabulary of %u", desc->tokens[i],
                             s->model->decoder.vocabulary);
    t->max_tokens = desc->max_tokens ? desc->max_tokens : DEFAULT_MAX_TOKENS;
    uint64_t most = s->context - whole + 1; /* the last token needs no row */
    t->capacity = t->max_tokens < most ? t->max_tokens : (uint32_t)most;
    t->prompt_count = pending + desc->token_count;
    t->feed.ids = core_alloc(context, (uint64_t)t->prompt_count * sizeof *t->feed.ids);
    t->feed.count = t->feed.capacity = t->prompt_count;
    t->tokens = core_alloc(context, (uint64_t)t->capacity * sizeof *t->tokens);
    t->piece_ends = core_alloc(context, (uint64_t)t->capacity * sizeof *t->piece_ends);
    if (!t->feed.ids || !t->tokens || !t->piece_ends)
        return BRINK_OUT_OF_MEMORY;
    if (pending)
        t->feed.ids[0] = s->pending;
    if (desc->token_count != 0)
        memcpy(t->feed.ids + pending, desc->tokens, desc->token_count * sizeof *t->feed.ids);
    if (desc->stop_count != 0) {
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
    }
    TRY(sampler_create(context, &desc->sampling, &t->sampler));
    if (desc->grammar != NULL && desc->grammar->model != s->model)
        return core_fail(context, BRINK_INVALID_ARGUMENT, "the grammar is another model's");
    if (desc->grammar != NULL)
        TRY(constraint_create(desc->grammar, t->capacity, &t->constraint));
    t->rule = desc->rule;
    t->rule_user = desc->rule_user;
    t->keep_logits = desc->keep_logits || desc->profile || !sampler_is_plain(t->sampler) ||
                     t->constraint != NULL || t->rule != NULL;
    for (uint32_t i = 0; i < held; i++)
        TRY(sampler_see(t->sampler, s->tokens[i], false));
    for (uint32_t i = 0; i < t->prompt_count; i++)
        TRY(sampler_see(t->sampler, t->feed.ids[i], false));
    uint32_t ahead = t->max_tokens < EXPECTED_TOKENS ? t->max_tokens : EXPECTED_TOKENS;
    brink_status room = session_expect(s, t->prompt_count + ahead);
    if (room != BRINK_OK && !session_is_lost(s)) /* else it is made when the task advances */
        return room;
    TRY(append_text(t, "", 0));
    if (s->model->tokenizer != NULL)
        TRY(decode_stream_create(s->model->tokenizer, false, &t->stream));
    s->busy = t->primed = true;
    s->profile = t->profile;
    return BRINK_OK;
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
    brink_status status = prime(t, desc);
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
    out->tokens = t->count;
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
