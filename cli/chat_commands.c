/* chat_commands.c — lines of a conversation that begin with a slash. */
#include "chat.h"

#include "files.h"
#include "output.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct chat_command {
    const char *name, *value, *help;
    chat_next (*run)(conversation *talk, char *value); /* "" where none is given */
} chat_command;

/* ── The conversation ── */

static chat_next clear(conversation *talk, char *value)
{
    (void)value;
    cli_chat_clear(talk, false);
    return CHAT_GO_ON;
}

static chat_next set_system(conversation *talk, char *value)
{
    cli_chat_set_system(talk, value);
    return CHAT_GO_ON;
}

static chat_next undo(conversation *talk, char *value)
{
    (void)value;
    if (!cli_chat_undo(talk))
        fputs("nothing to take back\n", stderr);
    return CHAT_GO_ON;
}

static chat_next retry(conversation *talk, char *value)
{
    (void)value;
    if (talk->count == 0 || strcmp(talk->messages[talk->count - 1].role, "assistant") != 0) {
        fputs("no reply to make again\n", stderr);
        return CHAT_GO_ON;
    }
    cli_chat_unsay(talk);
    return CHAT_REPLY;
}

static chat_next edit(conversation *talk, char *value)
{
    if (!*value) {
        fputs("/edit takes the text that replaces your last message\n", stderr);
        return CHAT_GO_ON;
    }
    cli_chat_undo(talk);
    cli_chat_say(talk, "user", value);
    return CHAT_REPLY;
}

/* ── Files: {"messages": [{"role", "content"}]}, as brink serve takes them ── */

static chat_next save(conversation *talk, char *path)
{
    output out;
    size_t bytes;
    cli_output_begin(&out, true);
    yyjson_mut_val *messages = cli_put_array(&out, out.root, "messages");
    for (uint32_t i = 0; i < talk->count; i++) {
        yyjson_mut_val *message = cli_add_object(&out, messages);
        cli_put_text(&out, message, "role", talk->messages[i].role);
        cli_put_text(&out, message, "content", talk->messages[i].content);
    }
    char *text = cli_output_take(&out, &bytes);
    FILE *file = *path ? fopen(path, "w") : NULL;
    bool good = file && fwrite(text, 1, bytes, file) == bytes && fputc('\n', file) != EOF;
    if (file && fclose(file) != 0)
        good = false;
    free(text);
    if (good)
        fprintf(stderr, "%s: %u messages\n", path, talk->count);
    else
        cli_fail(0, "%s: %s", *path ? path : "/save FILE", *path ? strerror(errno) : "no file");
    return CHAT_GO_ON;
}

static const char *role_of(yyjson_val *message)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < 3; i++) {
        if (yyjson_equals_str(yyjson_obj_get(message, "role"), roles[i]))
            return roles[i];
    }
    return NULL;
}

/* All of it or nothing. */
static bool take_messages(conversation *talk, const char *path, yyjson_val *list)
{
    size_t i, count;
    yyjson_val *message;
    if (!yyjson_is_arr(list))
        return cli_fail(false, "%s: has no list of messages", path);
    yyjson_arr_foreach(list, i, count, message)
    {
        yyjson_val *content = yyjson_obj_get(message, "content");
        if (!role_of(message) || !yyjson_is_str(content) ||
            strlen(yyjson_get_str(content)) != yyjson_get_len(content))
            return cli_fail(false, "%s: message %zu has no role and content that are known", path,
                            i);
    }
    cli_chat_clear(talk, true);
    yyjson_arr_foreach(list, i, count, message)
        cli_chat_say(talk, role_of(message), yyjson_get_str(yyjson_obj_get(message, "content")));
    return true;
}

static chat_next load(conversation *talk, char *path)
{
    char error[ERROR_TEXT];
    uint64_t bytes;
    int status;
    char *text = *path ? cli_file_read(path, &bytes, &status, error) : NULL;
    if (!text) {
        cli_fail(0, "%s", *path ? error : "/load FILE: no file");
        return CHAT_GO_ON;
    }
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts(text, (size_t)bytes, 0, NULL, &why);
    if (!doc)
        cli_fail(0, "%s: %s at byte %zu", path, why.msg, why.pos);
    else if (take_messages(talk, path, yyjson_obj_get(yyjson_doc_get_root(doc), "messages")))
        fprintf(stderr, "%s: %u messages\n", path, talk->count);
    yyjson_doc_free(doc);
    free(text);
    return CHAT_GO_ON;
}

/* ── How replies are made ── */

static chat_next set(conversation *talk, char *value)
{
    const option table[] = {
        {"--max-tokens", OPTION_COUNT, &talk->max_tokens, NULL, NULL},
        SAMPLING_OPTIONS(&talk->sampling),
        {0},
    };
    sampling_options before = talk->sampling;
    brink_sampling out;
    int status;
    char *name = strtok(value, " ="), *to = strtok(NULL, " =");
    if (!name || !to || strtok(NULL, " "))
        fputs("/set NAME VALUE, where NAME is temperature, top-k, top-p, min-p, repeat-penalty,\n"
              "presence-penalty, frequency-penalty, seed or max-tokens\n",
              stderr);
    else if (!cli_option_set(talk->command, table, name, to) ||
             !cli_sampling(talk->command, &talk->sampling, &out, &status))
        talk->sampling = before;
    return CHAT_GO_ON;
}

static chat_next schema(conversation *talk, char *path)
{
    brink_grammar *grammar = NULL;
    if (*path && cli_load_grammar(talk->engine, path, true, &grammar) != EXIT_DONE)
        return CHAT_GO_ON; /* which has said why */
    brink_grammar_destroy(talk->grammar);
    talk->grammar = grammar;
    return CHAT_GO_ON;
}

static chat_next show(conversation *talk, char *value)
{
    brink_model_facts facts;
    const sampling_options *o = &talk->sampling;
    (void)value;
    brink_model_get_facts(talk->engine->model, &facts);
    fprintf(stderr, "%u messages, %u tokens of %u\n", talk->count,
            brink_session_length(talk->cache.session), facts.context);
    fprintf(stderr,
            "temperature %g, top-k %llu, top-p %g, min-p %g, repeat-penalty %g,\n"
            "presence-penalty %g, frequency-penalty %g, seed %llu, max-tokens %u%s\n",
            o->temperature, (unsigned long long)o->top_k, o->top_p, o->min_p, o->repeat,
            o->presence, o->frequency, (unsigned long long)o->seed, talk->max_tokens,
            talk->grammar ? ", with a schema" : "");
    if (talk->count && strcmp(talk->messages[0].role, "system") == 0)
        fprintf(stderr, "system: %s\n", talk->messages[0].content);
    return CHAT_GO_ON;
}

static chat_next quit(conversation *talk, char *value)
{
    (void)talk, (void)value;
    return CHAT_END;
}

static chat_next help(conversation *talk, char *value);

static const chat_command commands[] = {
    {"help", "", "this list", help},
    {"clear", "", "begin again; a system message stays", clear},
    {"system", "TEXT", "the system message from now on; without TEXT none", set_system},
    {"undo", "", "take back the last message and its reply", undo},
    {"back", NULL, NULL, undo},
    {"retry", "", "make the last reply again", retry},
    {"edit", "TEXT", "put TEXT in place of your last message", edit},
    {"save", "FILE", "write the conversation as JSON", save},
    {"load", "FILE", "go on with one", load},
    {"set", "NAME VALUE", "temperature, top-p … as the options are named", set},
    {"schema", "FILE", "replies satisfy a JSON Schema; without FILE any text", schema},
    {"show", "", "tokens, context and settings", show},
    {"quit", "", "the end; so does Ctrl-D", quit},
    {"exit", NULL, NULL, quit},
};

static chat_next help(conversation *talk, char *value)
{
    (void)talk, (void)value;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char left[32];
        snprintf(left, sizeof left, "/%s %s", commands[i].name,
                 commands[i].value ? commands[i].value : "");
        if (commands[i].help)
            fprintf(stderr, "  %-18s %s\n", left, commands[i].help);
    }
    fputs("  \"\"\"                begins and ends a message of several lines\n"
          "  //                 begins a message that begins with one slash\n",
          stderr);
    return CHAT_GO_ON;
}

chat_next cli_chat_command(conversation *talk, char *line)
{
    size_t length = strcspn(line + 1, " \t");
    char *value = line + 1 + length;
    while (isspace((unsigned char)*value))
        *value++ = 0;
    for (size_t end = strlen(value); end && isspace((unsigned char)value[end - 1]);)
        value[--end] = 0;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strlen(commands[i].name) == length && !strncmp(line + 1, commands[i].name, length))
            return commands[i].run(talk, value);
    }
    cli_fail(0, "%.40s is not a command; /help lists them", line);
    return CHAT_GO_ON;
}
