/* chat.c — brink chat: a conversation in the terminal.

   Each turn formats the whole conversation; cache.h computes only what the session does not hold. */
#include "cache.h"
#include "generate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct conversation {
    brink_message *messages; /* content is ours, roles are literals */
    uint32_t count;
    token_cache cache;
} conversation;

static void say(conversation *talk, const char *role, const char *content)
{
    talk->messages = cli_grow(talk->messages, talk->count + 1u, sizeof *talk->messages);
    talk->messages[talk->count++] = (brink_message){role, cli_copy(content)};
}

static void unsay(conversation *talk)
{
    free((void *)(uintptr_t)talk->messages[--talk->count].content);
}

static brink_status answer(conversation *talk, const token_list *prompt,
                           const brink_generate_desc *how, reply *r)
{
    uint32_t kept;
    brink_task *task;
    brink_generate_desc desc = *how;
    desc.sampling.seed += talk->count; /* each reply its own */
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

static int turn(engine *e, conversation *talk, const brink_generate_desc *how)
{
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
        brink_status result = answer(talk, &prompt, how, &r);
        if (result == BRINK_OK || result == BRINK_CANCELLED)
            say(talk, "assistant", r.text ? r.text : "");
        else
            status = cli_engine_fail(e, result);
    }
    cli_reply_free(&r);
    cli_token_list_free(&prompt);
    free(text);
    return status;
}

/* A line without its end; NULL at the end of input or on Ctrl-C. */
static char *read_line(bool terminal)
{
    char *line = NULL;
    size_t room = 0;
    if (terminal)
        fputs("> ", stderr);
    ssize_t length = getline(&line, &room, stdin);
    if (length < 0) {
        if (terminal)
            fputc('\n', stderr);
        free(line);
        return NULL;
    }
    while (length && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        line[--length] = 0;
    return line;
}

static int converse(engine *e, const char *system, const brink_generate_desc *how)
{
    conversation talk = {0};
    brink_status made = brink_session_create(e->model, NULL, &talk.cache.session);
    if (made != BRINK_OK)
        return cli_engine_fail(e, made);
    if (system)
        say(&talk, "system", system);
    bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    if (terminal && !e->quiet)
        fputs("Ctrl-C stops a reply, Ctrl-D ends the conversation.\n", stderr);
    int status = EXIT_DONE;
    for (char *line; status == EXIT_DONE && (line = read_line(terminal)); free(line)) {
        if (!*line)
            continue;
        say(&talk, "user", line);
        cli_interrupt_watch();
        status = turn(e, &talk, how);
        cli_interrupt_forget();
    }
    while (talk.count)
        unsay(&talk);
    free(talk.messages);
    cli_cache_free(&talk.cache);
    return status;
}

int cli_chat_main(const command *c, int argc, char **argv)
{
    common_options common;
    text_list models = {0};
    const char *system = NULL;
    sampling_options sampling = {0};
    brink_generate_desc how = {.max_tokens = 1024};
    int status;
    const option table[] = {
        {"--system", OPTION_TEXT, &system, "TEXT", "a system message before the conversation"},
        {"--max-tokens", OPTION_COUNT, &how.max_tokens, "N", "most tokens of a reply (1024)"},
        SAMPLING_OPTIONS(&sampling),
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &common, &models, &status)) {
        engine e = {0};
        brink_model_desc desc = {.exact = common.exact};
        if (models.count != 1)
            status = cli_usage_error(c, "give one model");
        else if (common.json)
            status = cli_usage_error(c, "--json does not go with a conversation");
        else if (cli_sampling(c, &sampling, &how.sampling, &status))
            status = cli_engine_open(&e, &common);
        if (e.context)
            status = cli_engine_load(&e, models.items[0], &desc);
        if (e.model)
            status = converse(&e, system, &how);
        cli_engine_close(&e);
    }
    cli_text_list_free(&models);
    return status;
}
