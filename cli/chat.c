/* chat.c — brink chat: a conversation in the terminal, or of lines that are piped in.

   Each turn formats the whole conversation; cache.h computes only what the session does not hold.
   Standard output has the replies and nothing else. */
#include "chat.h"

#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ── Messages ── */

void cli_chat_say(conversation *talk, const char *role, const char *content)
{
    talk->messages = cli_grow(talk->messages, talk->count + 1u, sizeof *talk->messages);
    talk->messages[talk->count++] = (brink_message){role, cli_copy(content)};
}

void cli_chat_unsay(conversation *talk)
{
    free((void *)(uintptr_t)talk->messages[--talk->count].content);
}

static bool is_role(const conversation *talk, uint32_t index, const char *role)
{
    return index < talk->count && strcmp(talk->messages[index].role, role) == 0;
}

bool cli_chat_undo(conversation *talk)
{
    bool any = false;
    while (talk->count && !is_role(talk, talk->count - 1, "system") && !any) {
        any = is_role(talk, talk->count - 1, "user");
        cli_chat_unsay(talk);
    }
    return any;
}

void cli_chat_clear(conversation *talk, bool system)
{
    while (talk->count > (!system && is_role(talk, 0, "system") ? 1 : 0))
        cli_chat_unsay(talk);
}

void cli_chat_set_system(conversation *talk, const char *content)
{
    bool had = is_role(talk, 0, "system");
    char *copy = cli_copy(content);
    if (had)
        free((void *)(uintptr_t)talk->messages[0].content);
    if (had != (*copy != 0)) { /* room for it, or its room away */
        talk->messages = cli_grow(talk->messages, talk->count + 1u, sizeof *talk->messages);
        memmove(talk->messages + !had, talk->messages + had,
                (talk->count - had) * sizeof *talk->messages);
        talk->count = talk->count + !had - had;
    }
    if (*copy)
        talk->messages[0] = (brink_message){"system", copy};
    else
        free(copy);
}

/* ── Replies ── */

/* A quiet line on what it took. */
static void show_speed(const conversation *talk, const brink_generate_stats *stats)
{
    brink_model_facts facts;
    if (!talk->terminal || talk->engine->quiet)
        return;
    brink_model_get_facts(talk->engine->model, &facts);
    double speed = cli_tokens_per_second(stats->tokens ? stats->tokens - 1 : 0, stats->decode_us);
    fprintf(stderr, "\033[2m%u tokens", stats->tokens);
    if (!isnan(speed))
        fprintf(stderr, ", %.0f a second", speed);
    fprintf(stderr, "; context %u", brink_session_length(talk->cache.session));
    if (facts.context)
        fprintf(stderr, " of %u", facts.context);
    fputs("\033[0m\n", stderr);
}

static brink_status answer(conversation *talk, const token_list *prompt, reply *r)
{
    uint32_t kept;
    int unused;
    brink_task *task;
    brink_generate_desc desc = {.max_tokens = talk->max_tokens, .grammar = talk->grammar};
    cli_sampling(talk->command, &talk->sampling, &desc.sampling,
                 &unused); /* was checked when set */
    desc.sampling.seed += talk->replies++;
    brink_status status = cli_cache_begin(&talk->cache, prompt, &desc, &kept, &task);
    if (status != BRINK_OK)
        return status;
    status = cli_reply_run(task, stdout, r);
    putchar('\n');
    fflush(stdout);
    for (uint32_t i = 0; i < r->tokens.count; i++)
        cli_token_list_add(&talk->cache.held, r->tokens.ids[i]);
    return status;
}

static int turn(conversation *talk)
{
    engine *e = talk->engine;
    char *text;
    uint64_t bytes;
    token_list prompt = {0};
    reply r = {0};
    int status = cli_text_chat(e, talk->messages, talk->count, &text, &bytes);
    if (status != EXIT_DONE)
        return status;
    status = cli_text_tokenize(e, text, bytes, false, &prompt);
    if (status == EXIT_DONE && prompt.count == 0)
        status = cli_fail(EXIT_INPUT, "%s: its chat template gives no tokens", e->path);
    if (status == EXIT_DONE) {
        brink_status result = answer(talk, &prompt, &r);
        if (result == BRINK_OK || result == BRINK_CANCELLED) {
            cli_chat_say(talk, "assistant", r.text ? r.text : "");
            show_speed(talk, &r.stats);
        } else {
            status = cli_engine_fail(e, result);
        }
    }
    cli_reply_free(&r);
    cli_token_list_free(&prompt);
    free(text);
    return status;
}

/* In a terminal an error is told, its message taken back, and the conversation goes on. */
static int reply_to_last(conversation *talk)
{
    cli_interrupt_watch();
    int status = turn(talk);
    cli_interrupt_forget();
    if (status == EXIT_DONE)
        return status;
    cli_chat_undo(talk);
    return talk->terminal ? EXIT_DONE : status;
}

/* ── Lines ── */

/* A line without its end; NULL at the end of input. */
static char *read_line(const conversation *talk, const char *prompt)
{
    char *line = NULL;
    size_t room = 0;
    if (talk->terminal)
        fputs(prompt, stderr);
    ssize_t length = getline(&line, &room, stdin);
    if (length < 0) {
        if (talk->terminal)
            fputc('\n', stderr);
        free(line);
        return NULL;
    }
    while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        line[--length] = 0;
    return line;
}

/* From """ to """, or to the end of input; `line` is ours. */
static char *read_lines(const conversation *talk, char *line)
{
    char *text = cli_copy(line + 3), *end;
    while (!(end = strstr(text, "\"\"\""))) {
        char *next = read_line(talk, ". ");
        if (!next)
            break;
        char *joined = cli_format("%s%s%s", text, *text ? "\n" : "", next);
        free(text);
        free(next);
        text = joined;
    }
    if (end)
        *end = 0;
    size_t length = strlen(text);
    if (length && text[length - 1] == '\n')
        text[length - 1] = 0;
    free(line);
    return text;
}

static chat_next take_line(conversation *talk, char *line)
{
    if (line[0] == '/' && line[1] != '/')
        return cli_chat_command(talk, line);
    if (!*line)
        return CHAT_GO_ON;
    cli_chat_say(talk, "user", line[0] == '/' ? line + 1 : line);
    return CHAT_REPLY;
}

static int converse(conversation *talk)
{
    int status = EXIT_DONE;
    chat_next next = CHAT_GO_ON;
    if (talk->terminal && !talk->engine->quiet)
        fputs("/help lists commands, Ctrl-C stops a reply, Ctrl-D ends the conversation.\n",
              stderr);
    while (status == EXIT_DONE && next != CHAT_END) {
        char *line = read_line(talk, "> ");
        if (!line)
            break;
        bool several = strncmp(line, "\"\"\"", 3) == 0;
        if (several)
            line = read_lines(talk, line);
        if (several && *line)
            cli_chat_say(talk, "user", line);
        next = !several ? take_line(talk, line) : *line ? CHAT_REPLY : CHAT_GO_ON;
        if (next == CHAT_REPLY)
            status = reply_to_last(talk);
        free(line);
    }
    return status;
}

static int chat(conversation *talk, const char *system, const char *schema)
{
    int status = EXIT_DONE;
    if (schema)
        status = cli_load_grammar(talk->engine, schema, true, &talk->grammar);
    if (status == EXIT_DONE) {
        brink_status made = brink_session_create(talk->engine->model, NULL, &talk->cache.session);
        status = made == BRINK_OK ? EXIT_DONE : cli_engine_fail(talk->engine, made);
    }
    if (status == EXIT_DONE) {
        cli_chat_set_system(talk, system);
        status = converse(talk);
    }
    cli_chat_clear(talk, true);
    free(talk->messages);
    brink_grammar_destroy(talk->grammar);
    cli_cache_free(&talk->cache);
    return status;
}

int cli_chat_main(const command *c, int argc, char **argv)
{
    common_options common;
    text_list models = {0};
    const char *system = "", *schema = NULL;
    engine e = {0};
    conversation talk = {.command = c,
                         .engine = &e,
                         .max_tokens = 1024,
                         .sampling = {.top_p = 1, .repeat = 1},
                         .terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO)};
    brink_sampling checked;
    int status;
    const option table[] = {
        {"--system", OPTION_TEXT, &system, "TEXT", "a system message before the conversation"},
        {"--max-tokens", OPTION_COUNT, &talk.max_tokens, "N", "most tokens of a reply (1024)"},
        {"--schema", OPTION_TEXT, &schema, "FILE", "a JSON Schema that replies satisfy"},
        SAMPLING_OPTIONS(&talk.sampling),
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &common, &models, &status)) {
        brink_model_desc desc = {.exact = common.exact};
        if (models.count != 1)
            status = cli_usage_error(c, "give one model");
        else if (common.json)
            status = cli_usage_error(c, "--json does not go with a conversation");
        else if (cli_sampling(c, &talk.sampling, &checked, &status))
            status = cli_engine_open(&e, &common);
        if (e.context)
            status = cli_engine_load(&e, models.items[0], &desc);
        if (e.model)
            status = chat(&talk, system, schema);
        cli_engine_close(&e);
    }
    cli_text_list_free(&models);
    return status;
}
