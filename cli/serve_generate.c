/* serve_generate.c — chat and text completions as jobs. */
#include "serve_generate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ── What may be asked ── */

#define AT(member) offsetof(generation_fields, member)
#define COMMON_FIELDS                                                                              \
    {"model", FIELD_TEXT, AT(model), 0, 0}, {"stream", FIELD_BOOL, AT(stream), 0, 0},              \
        {"stream_options", FIELD_VALUE, AT(stream_options), 0, 0},                                 \
        {"max_tokens", FIELD_INTEGER, AT(max_tokens), 1, INT32_MAX},                               \
        {"temperature", FIELD_NUMBER, AT(temperature), 0, 2},                                      \
        {"top_p", FIELD_NUMBER, AT(top_p), 0, 1},                                                  \
        {"top_k", FIELD_INTEGER, AT(top_k), -1, INT32_MAX},                                        \
        {"min_p", FIELD_NUMBER, AT(min_p), 0, 1},                                                  \
        {"repetition_penalty", FIELD_NUMBER, AT(repetition_penalty), 0, 100},                      \
        {"frequency_penalty", FIELD_NUMBER, AT(frequency_penalty), -2, 2},                         \
        {"presence_penalty", FIELD_NUMBER, AT(presence_penalty), -2, 2},                           \
        {"logit_bias", FIELD_VALUE, AT(logit_bias), 0, 0}, {"stop", FIELD_VALUE, AT(stop), 0, 0},  \
        {"seed", FIELD_INTEGER, AT(seed), -9.3e18, 9.3e18},                                        \
        {"n", FIELD_INTEGER, AT(n), 1, MOST_CHOICES},                                              \
        {"response_format", FIELD_VALUE, AT(response_format), 0, 0},                               \
        {"user", FIELD_ANYTHING, 0, 0, 0}, /* what follows changes no reply */                     \
        {"safety_identifier", FIELD_ANYTHING, 0, 0, 0},                                            \
        {"prompt_cache_key", FIELD_ANYTHING, 0, 0, 0}, {"metadata", FIELD_ANYTHING, 0, 0, 0},      \
        {"store", FIELD_UNUSED, 0, 0, 0}, {"service_tier", FIELD_UNUSED, 0, 0, 0},                 \
        {"tools", FIELD_UNUSED, 0, 0, 0}

static const field chat_table[] = {
    COMMON_FIELDS,
    {"messages", FIELD_VALUE, AT(messages), 0, 0},
    {"max_completion_tokens", FIELD_INTEGER, AT(max_completion_tokens), 1, INT32_MAX},
    {"logprobs", FIELD_BOOL, AT(logprobs), 0, 0},
    {"top_logprobs", FIELD_INTEGER, AT(top_logprobs), 0, MOST_TOP_LOGPROBS},
    {"tool_choice", FIELD_UNUSED, 0, 0, 0},
    {"parallel_tool_calls", FIELD_UNUSED, 0, 0, 0},
    {"functions", FIELD_UNUSED, 0, 0, 0},
    {"function_call", FIELD_UNUSED, 0, 0, 0},
    {"audio", FIELD_UNUSED, 0, 0, 0},
    {"modalities", FIELD_UNUSED, 0, 0, 0},
    {"prediction", FIELD_UNUSED, 0, 0, 0},
    {"reasoning_effort", FIELD_UNUSED, 0, 0, 0},
    {"verbosity", FIELD_UNUSED, 0, 0, 0},
    {"web_search_options", FIELD_UNUSED, 0, 0, 0},
    {0},
};

static const field completion_table[] = {
    COMMON_FIELDS,
    {"prompt", FIELD_VALUE, AT(prompt), 0, 0},
    {"logprobs", FIELD_INTEGER, AT(text_logprobs), 0, MOST_TOP_LOGPROBS},
    {"best_of", FIELD_INTEGER, AT(best_of), 1, MOST_CHOICES},
    {"echo", FIELD_UNUSED, 0, 0, 0},
    {"suffix", FIELD_UNUSED, 0, 0, 0},
    {0},
};

static bool read_stream_options(generation *g)
{
    static const field table[] = {{"include_usage", FIELD_BOOL, AT(include_usage), 0, 0},
                                  {"include_obfuscation", FIELD_UNUSED, 0, 0, 0},
                                  {0}};
    yyjson_val *options = g->fields.stream_options;
    if (!options)
        return true;
    if (!yyjson_is_obj(options) || !g->fields.stream)
        return api_fail(&g->base.error, 400, NULL, "stream_options",
                        "stream_options takes an object, together with stream");
    return api_fields(options, "stream_options.", table, &g->fields, &g->base.error);
}

/* OpenAI's defaults: temperature 1; a chat goes on to the end of the context, a text for 16 tokens. */
static void set_sampling(generation *g)
{
    const generation_fields *f = &g->fields;
    int64_t most = f->max_completion_tokens > 0 ? f->max_completion_tokens : f->max_tokens;
    g->how.max_tokens = most > 0 ? (uint32_t)most : g->chat ? UINT32_MAX : 16;
    g->how.sampling.temperature = (float)f->temperature;
    /* to the engine 0 is all; asked for, it is the likeliest alone */
    g->how.sampling.top_p = f->top_p > 1e-6 ? (float)f->top_p : 1e-6f;
    g->how.sampling.top_k = f->top_k > 0 ? (uint32_t)f->top_k : 0;
    g->how.sampling.min_p = (float)f->min_p;
    g->how.sampling.repetition_penalty = (float)f->repetition_penalty;
    g->how.sampling.frequency_penalty = (float)f->frequency_penalty;
    g->how.sampling.presence_penalty = (float)f->presence_penalty;
    g->logprobs = f->logprobs || f->text_logprobs >= 0;
    g->how.keep_logits = g->logprobs;
    g->top_logprobs = (uint32_t)(f->top_logprobs > 0    ? f->top_logprobs
                                 : f->text_logprobs > 0 ? f->text_logprobs
                                                        : 0);
}

static bool check(generation *g)
{
    const generation_fields *f = &g->fields;
    api_error *error = &g->base.error;
    if (!g->base.model->facts.language_model)
        return api_fail(error, 400, NULL, "model", "%s is not a language model", g->base.model->id);
    if (f->max_tokens > 0 && f->max_completion_tokens > 0 &&
        f->max_tokens != f->max_completion_tokens)
        return api_fail(error, 400, NULL, "max_tokens",
                        "give one of max_tokens and max_completion_tokens");
    if (f->top_logprobs > 0 && !f->logprobs)
        return api_fail(error, 400, NULL, "top_logprobs", "top_logprobs goes with logprobs");
    if (f->best_of > 0 && f->best_of != f->n)
        return api_fail(error, 400, "unsupported_parameter", "best_of",
                        "best_of is not supported by this server, unless it equals n");
    set_sampling(g);
    return true;
}

/* Said before it waits, so that a stream need not begin with an error. */
static bool check_lengths(generation *g)
{
    uint32_t context = g->base.model->context;
    const char *param = g->chat ? "messages" : "prompt";
    for (uint32_t i = 0; i < g->prompt_count; i++) {
        uint32_t count = g->prompts[i].count;
        if (count == 0)
            return api_fail(&g->base.error, 400, NULL, param, "%s: has no tokens", param);
        if (context && count > context)
            return api_fail(&g->base.error, 400, "context_length_exceeded", param,
                            "%s: has %u tokens, and the context is %u", param, count, context);
    }
    if ((uint64_t)g->prompt_count * (uint64_t)g->fields.n > MOST_CHOICES)
        return api_fail(&g->base.error, 400, NULL, "n", "at most %d choices", MOST_CHOICES);
    g->choices = g->prompt_count * (uint32_t)g->fields.n;
    return true;
}

/* ── Running ── */

static const token_list *prompt_of(const generation *g)
{
    return &g->prompts[g->choice / (uint32_t)g->fields.n];
}

static brink_status begin_task(generation *g)
{
    brink_generate_desc how = g->how;
    how.sampling.seed += g->choice % (uint32_t)g->fields.n;
    brink_status status = BRINK_OK;
    if (!g->cache)
        status = job_session(&g->base, prompt_of(g), &g->cache);
    if (status == BRINK_OK)
        status = cli_cache_begin(g->cache, prompt_of(g), &how, &g->kept, &g->task);
    return status;
}

/* Without the sessions that nobody uses, this choice's own among them. */
static brink_status begin_again(generation *g)
{
    g->again = true;
    g->cache = NULL;
    brink_task_destroy(g->task);
    g->task = NULL;
    job_leave_slot(&g->base);
    jobs_free_sessions(g->base.server);
    return begin_task(g);
}

static void fail(generation *g, brink_status status)
{
    api_engine_fail(&g->base.error, g->base.server->engine.context, status, NULL);
    brink_task_destroy(g->task);
    g->task = NULL;
    job_fail(&g->base);
}

static void begin_choice(generation *g)
{
    g->again = false;
    if (g->choice % (uint32_t)g->fields.n == 0)
        g->cache = NULL;
    brink_status status = begin_task(g);
    if (status == BRINK_OUT_OF_MEMORY)
        status = begin_again(g);
    if (status != BRINK_OK) {
        fail(g, status);
        return;
    }
    if (g->choice == 0)
        reply_begin(g);
    reply_choice_begin(g);
}

static void end_choice(generation *g)
{
    brink_generate_stats stats;
    brink_generate_get_stats(g->task, &stats);
    brink_task_destroy(g->task);
    g->task = NULL;
    if (g->choice % (uint32_t)g->fields.n == 0) {
        g->prompt_tokens += prompt_of(g)->count;
        g->cached_tokens += g->kept;
    }
    g->reply_tokens += stats.tokens;
    reply_choice_end(g, stats.finish);
    if (++g->choice < g->choices) {
        begin_choice(g);
        return;
    }
    reply_end(g);
    job_leave_slot(&g->base);
    g->base.done = true;
}

static void start(job *j)
{
    begin_choice((generation *)j);
}

static void take_tokens(generation *g)
{
    uint32_t id;
    const char *text;
    while (brink_generate_next(g->task, &id, &text)) {
        cli_token_list_add(&g->cache->held, id);
        reply_token(g, id, text);
    }
}

/* With log probabilities no further than a token at a time, as its logits are lent until the next
   step. */
static brink_status run_slice(generation *g)
{
    double end = cli_now_ms() + SLICE_US / 1e3;
    brink_status status;
    do {
        status = brink_task_advance(g->task, g->logprobs ? 0 : SLICE_US);
        take_tokens(g);
    } while (status == BRINK_PENDING && cli_now_ms() < end);
    return status;
}

static void advance(job *j)
{
    generation *g = (generation *)j;
    brink_generate_stats stats;
    brink_status status = run_slice(g);
    brink_generate_get_stats(g->task, &stats);
    if (status == BRINK_OUT_OF_MEMORY && stats.tokens == 0 && !g->again)
        status = begin_again(g) == BRINK_OK ? BRINK_PENDING : BRINK_OUT_OF_MEMORY;
    if (status == BRINK_OK)
        end_choice(g);
    else if (status != BRINK_PENDING)
        fail(g, status);
}

static void destroy(job *j)
{
    generation *g = (generation *)j;
    brink_task_destroy(g->task);
    brink_grammar_destroy(g->grammar);
    for (uint32_t i = 0; i < g->prompt_count; i++)
        cli_token_list_free(&g->prompts[i]);
    free(g->prompts);
    free(g->bias);
    free(g->id);
    free(g->text);
    cli_output_drop(&g->reply, 0);
    yyjson_doc_free(g->doc);
    free(g);
}

static const job_kind generation_kind = {start, advance, destroy};

/* ── Making one ── */

static job *make(server *s, bool chat, const char *body, size_t bytes, api_error *error)
{
    yyjson_doc *doc = api_parse(body, bytes, error);
    if (!doc)
        return NULL;
    generation *g = cli_alloc(1, sizeof *g);
    *g = (generation){.base = {.kind = &generation_kind, .server = s},
                      .chat = chat,
                      .doc = doc,
                      .id = api_new_id(chat ? "chatcmpl-" : "cmpl-"),
                      .created = (int64_t)time(NULL),
                      .fields = {.temperature = 1,
                                 .top_p = 1,
                                 .repetition_penalty = 1,
                                 .n = 1,
                                 .text_logprobs = -1,
                                 .seed = (int64_t)(api_random() >> 1)}};
    job *j = &g->base;
    generation_fields *f = &g->fields;
    bool good = api_fields(yyjson_doc_get_root(doc), "", chat ? chat_table : completion_table, f,
                           &j->error) &&
                (j->model = api_need_model(s, f->model, &j->error)) && check(g) &&
                read_stream_options(g) && prompt_stops(g) && prompt_bias(g) && prompt_grammar(g) &&
                (chat ? prompt_of_chat(g) : prompt_of_completion(g)) && check_lengths(g);
    j->stream = f->stream;
    g->how.sampling.seed = (uint64_t)f->seed;
    if (good && job_enqueue(j))
        return j;
    *error = j->error;
    job_destroy(j);
    return NULL;
}

job *api_chat(server *s, const char *body, size_t bytes, api_error *error)
{
    return make(s, true, body, bytes, error);
}

job *api_completion(server *s, const char *body, size_t bytes, api_error *error)
{
    return make(s, false, body, bytes, error);
}
