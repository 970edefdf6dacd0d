/* generate.c — brink generate: continuation of a prompt. */
#include "generate.h"

#include "files.h"
#include "output.h"
#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cli_reply_free(reply *r)
{
    cli_token_list_free(&r->tokens);
    free(r->text);
    *r = (reply){0};
}

double cli_tokens_per_second(uint32_t tokens, uint64_t microseconds)
{
    return tokens && microseconds ? tokens * 1e6 / (double)microseconds : NAN;
}

static void take_tokens(brink_task *task, FILE *stream, reply *r)
{
    uint32_t id;
    const char *text;
    while (brink_generate_next(task, &id, &text)) {
        size_t bytes = text ? strlen(text) : 0;
        cli_token_list_add(&r->tokens, id);
        if (bytes == 0)
            continue;
        r->text = cli_grow(r->text, r->bytes + bytes + 1, 1);
        memcpy(r->text + r->bytes, text, bytes + 1);
        r->bytes += bytes;
        if (stream) {
            fwrite(text, 1, bytes, stream);
            fflush(stream);
        }
    }
}

brink_status cli_reply_run(brink_task *task, FILE *stream, reply *r)
{
    brink_status status;
    do {
        if (cli_interrupt_pending())
            brink_task_cancel(task);
        status = brink_task_advance(task, 10000);
        take_tokens(task, stream, r);
    } while (status == BRINK_PENDING);
    brink_generate_get_stats(task, &r->stats);
    brink_task_destroy(task);
    return status;
}

brink_status cli_generate_reply(brink_session *session, const brink_generate_desc *desc,
                                FILE *stream, reply *r)
{
    *r = (reply){.text = cli_copy("")};
    brink_task *task;
    brink_status status = brink_generate_begin(session, desc, &task);
    return status == BRINK_OK ? cli_reply_run(task, stream, r) : status;
}

bool cli_sampling(const command *c, const sampling_options *o, brink_sampling *out, int *status)
{
    *status = o->top_p > 1           ? cli_usage_error(c, "--top-p takes a number from 0 to 1")
              : o->min_p > 1         ? cli_usage_error(c, "--min-p takes a number from 0 to 1")
              : o->temperature > 1e6 ? cli_usage_error(c, "--temperature is at most 1000000")
                                     : EXIT_DONE;
    *out = (brink_sampling){.temperature = (float)o->temperature,
                            .top_k = o->top_k < UINT32_MAX ? (uint32_t)o->top_k : UINT32_MAX,
                            .top_p = (float)o->top_p,
                            .min_p = (float)o->min_p,
                            .repetition_penalty = (float)o->repeat,
                            .presence_penalty = (float)o->presence,
                            .frequency_penalty = (float)o->frequency,
                            .seed = o->seed};
    return *status == EXIT_DONE;
}

bool cli_context(const command *c, const context_options *o, brink_generate_desc *out, int *status)
{
    *status = o->keep && !o->shift ? cli_usage_error(c, "--keep goes with --shift") : EXIT_DONE;
    out->shift = o->shift;
    out->keep = o->keep;
    out->draft_tokens = o->draft_tokens;
    return *status == EXIT_DONE;
}

void cli_say_shifts(const engine *e, const brink_generate_stats *stats)
{
    if (stats->shifts && !e->quiet)
        fprintf(stderr, "The context was full: the model no longer sees %u earlier tokens.\n",
                stats->dropped_tokens);
}

typedef struct generate_options {
    common_options common;
    text_list models, stop, adapters;
    const char *prompt, *prompt_file, *system, *tokens, *schema, *grammar, *load, *save;
    bool chat;
    uint32_t max_tokens;
    context_options context;
    sampling_options sampling;
    brink_generate_desc how;
} generate_options;

static int chat_prompt(const engine *e, const generate_options *o, const char *prompt,
                       token_list *out)
{
    brink_message messages[2];
    uint32_t count = 0;
    char *text;
    uint64_t bytes;
    if (o->system)
        messages[count++] = (brink_message){"system", o->system};
    messages[count++] = (brink_message){"user", prompt};
    int status = cli_text_chat(e, messages, count, &text, &bytes);
    if (status != EXIT_DONE)
        return status;
    status = cli_text_tokenize(e, text, bytes, false, out);
    free(text);
    return status;
}

static int prompt_tokens(const engine *e, const generate_options *o, const char *prompt,
                         uint64_t bytes, token_list *out)
{
    int status = EXIT_DONE;
    if (!prompt && !o->tokens)
        return EXIT_DONE; /* the saved reply goes on */
    if (o->tokens) {
        cli_parse_ids(o->tokens, &out->ids, &out->count);
        out->capacity = out->count;
    } else if (o->chat) {
        status = chat_prompt(e, o, prompt, out);
    } else {
        status = cli_text_tokenize(e, prompt, bytes, true, out);
    }
    if (status == EXIT_DONE && out->count == 0)
        status = cli_fail(EXIT_INPUT, "prompt: has no tokens");
    return status;
}

static void put_reply(output *out, const engine *e, const reply *r)
{
    static const char *const finish[] = {"cancelled", "stop", "length", "schema"};
    uint32_t kind = (uint32_t)r->stats.finish;
    yyjson_mut_val *tokens = NULL;
    cli_put_text(out, out->root, "text", r->text);
    tokens = cli_put_array(out, out->root, "tokens");
    for (uint32_t i = 0; i < r->tokens.count; i++)
        cli_add_integer(out, tokens, r->tokens.ids[i]);
    cli_put_count(out, out->root, "prompt_tokens", r->stats.prompt_tokens);
    cli_put_count(out, out->root, "cached_tokens", r->stats.cached_tokens);
    cli_put_count(out, out->root, "shifts", r->stats.shifts);
    cli_put_count(out, out->root, "dropped_tokens", r->stats.dropped_tokens);
    cli_put_count(out, out->root, "draft_tokens", r->stats.draft_tokens);
    cli_put_count(out, out->root, "accepted_tokens", r->stats.accepted_tokens);
    cli_put_text(out, out->root, "finish_reason", finish[kind < 4 ? kind : 0]);
    cli_put_number(out, out->root, "load_ms", e->load_ms);
    cli_put_number(out, out->root, "prefill_tokens_per_s",
                   cli_tokens_per_second(r->stats.prefill_tokens, r->stats.prefill_us));
    cli_put_number(
        out, out->root, "decode_tokens_per_s",
        cli_tokens_per_second(r->stats.tokens ? r->stats.tokens - 1 : 0, r->stats.decode_us));
    cli_put_number(out, out->root, "first_token_ms", (double)r->stats.prefill_us / 1000);
    cli_put_count(out, out->root, "peak_bytes", brink_context_memory(e->context).peak);
}

int cli_load_grammar(engine *e, const char *path, bool schema, brink_grammar **out)
{
    char error[ERROR_TEXT];
    uint64_t bytes;
    int status = EXIT_DONE;
    char *text = cli_file_read(path, &bytes, &status, error);
    *out = NULL;
    if (text == NULL)
        return cli_fail(status, "%s", error);
    brink_status made = schema ? brink_grammar_from_schema(e->model, path, text, bytes, out)
                               : brink_grammar_from_rules(e->model, path, text, bytes, out);
    free(text);
    return made == BRINK_OK ? EXIT_DONE : cli_engine_fail(e, made);
}

/* Streams text, or prints the JSON at the end. */
static int reply_to(engine *e, const generate_options *o, const token_list *prompt,
                    const brink_adapter *adapter, brink_grammar *grammar)
{
    brink_session *session;
    reply r = {0};
    brink_generate_desc desc = o->how;
    desc.tokens = prompt->ids;
    desc.token_count = prompt->count;
    desc.whole = prompt->count != 0;
    desc.max_tokens = o->max_tokens;
    desc.stop = o->stop.items;
    desc.stop_count = o->stop.count;
    desc.adapter = adapter;
    desc.grammar = grammar;
    const brink_session_desc room = {.context = o->context.context};
    int exit_status = cli_session_open(e, &room, o->load, &session);
    if (exit_status == EXIT_DONE && o->save)
        exit_status = cli_session_can_save(o->save);
    if (exit_status != EXIT_DONE) {
        brink_session_destroy(session);
        return exit_status;
    }
    cli_interrupt_watch();
    brink_status status = cli_generate_reply(session, &desc, o->common.json ? NULL : stdout, &r);
    exit_status = cli_exit_status(status);
    if (status == BRINK_OK || status == BRINK_CANCELLED) {
        output out;
        cli_output_begin(&out, o->common.json);
        put_reply(&out, e, &r);
        fputc('\n', out.text);
        cli_say_shifts(e, &r.stats);
        exit_status = cli_output_print(&out, exit_status);
    } else {
        exit_status = cli_engine_fail(e, status);
    }
    cli_reply_free(&r);
    if (o->save && (status == BRINK_OK || status == BRINK_CANCELLED)) {
        int saved = cli_session_save(e, session, o->save);
        exit_status = exit_status == EXIT_DONE ? saved : exit_status;
    }
    brink_session_destroy(session);
    return exit_status;
}

static int generate(const generate_options *o)
{
    engine e;
    char error[ERROR_TEXT], *file = NULL;
    uint64_t bytes = o->prompt ? strlen(o->prompt) : 0;
    int status = EXIT_DONE;
    token_list prompt = {0};
    brink_adapter *adapter = NULL;
    brink_grammar *grammar = NULL;
    if (o->prompt_file && !(file = cli_file_read(o->prompt_file, &bytes, &status, error)))
        return cli_fail(status, "%s", error);
    brink_model_desc desc = {.exact = o->common.exact};
    status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE)
        status = cli_engine_load(&e, o->models.items[0], &desc);
    if (status == EXIT_DONE)
        status = prompt_tokens(&e, o, file ? file : o->prompt, bytes, &prompt);
    if (status == EXIT_DONE && (o->schema || o->grammar))
        status =
            cli_load_grammar(&e, o->schema ? o->schema : o->grammar, o->schema != NULL, &grammar);
    if (status == EXIT_DONE)
        status = cli_adapters_load(&e, &o->adapters, &adapter);
    if (status == EXIT_DONE)
        status = reply_to(&e, o, &prompt, adapter, grammar);
    brink_adapter_destroy(adapter);
    brink_grammar_destroy(grammar);
    cli_token_list_free(&prompt);
    cli_engine_close(&e);
    free(file);
    return status;
}

static int usage(const command *c, const generate_options *o)
{
    int prompts = (o->prompt != NULL) + (o->prompt_file != NULL) + (o->tokens != NULL);
    if (o->models.count != 1)
        return cli_usage_error(c, "give one model");
    if (prompts > 1 || (prompts == 0 && !o->load))
        return cli_usage_error(c, "give one of --prompt, --prompt-file and --tokens");
    if (o->chat && o->tokens)
        return cli_usage_error(c, "--chat goes with a text, not with --tokens");
    if (o->schema && o->grammar)
        return cli_usage_error(c, "give one of --schema and --grammar");
    if (o->system && !o->chat)
        return cli_usage_error(c, "--system goes with --chat");
    uint32_t *ids, count;
    if (o->tokens && !cli_parse_ids(o->tokens, &ids, &count))
        return cli_usage_error(c, "--tokens takes ids like 1,2,3, not \"%s\"", o->tokens);
    if (o->tokens)
        free(ids);
    for (uint32_t i = 0; i < o->stop.count; i++) {
        if (!*o->stop.items[i])
            return cli_usage_error(c, "--stop takes a text that is not empty");
    }
    return EXIT_DONE;
}

int cli_generate_main(const command *c, int argc, char **argv)
{
    generate_options o = {.max_tokens = 256};
    int status;
    const option table[] = {
        {"--prompt", OPTION_TEXT, &o.prompt, "TEXT", "what to continue, or to answer"},
        {"--prompt-file", OPTION_TEXT, &o.prompt_file, "FILE", "the same from a file, - for input"},
        {"--tokens", OPTION_TEXT, &o.tokens, "1,2,3", "the prompt as ids; needs no tokenizer"},
        {"--chat", OPTION_FLAG, &o.chat, NULL, "the model's chat template around the prompt"},
        {"--system", OPTION_TEXT, &o.system, "TEXT", "a system message before it"},
        {"--max-tokens", OPTION_COUNT, &o.max_tokens, "N", "most tokens to make (256)"},
        CONTEXT_OPTIONS(&o.context),
        {"--load", OPTION_TEXT, &o.load, "FILE", "a saved session; without a prompt it goes on"},
        {"--save", OPTION_TEXT, &o.save, "FILE", "save the session after the reply"},
        {"--stop", OPTION_LIST, &o.stop, "TEXT", "ends the reply before it; repeatable"},
        SAMPLING_OPTIONS(&o.sampling),
        {"--schema", OPTION_TEXT, &o.schema, "FILE", "a JSON Schema that the reply satisfies"},
        {"--grammar", OPTION_TEXT, &o.grammar, "FILE", "rules that derive the reply"},
        {"--adapter", OPTION_LIST, &o.adapters, "DIR", "a LoRA adapter; several add up"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &o.common, &o.models, &status)) {
        status = usage(c, &o);
        if (status == EXIT_DONE && cli_sampling(c, &o.sampling, &o.how.sampling, &status) &&
            cli_context(c, &o.context, &o.how, &status))
            status = generate(&o);
    }
    cli_text_list_free(&o.models);
    cli_text_list_free(&o.stop);
    cli_text_list_free(&o.adapters);
    return status;
}
