/* tokenize.c — brink tokenize: text to token ids, and back with --decode. Reads no weights. */
#include "files.h"
#include "output.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

typedef struct tokenize_options {
    common_options common;
    text_list positional;
    const char *file, *decode;
    bool no_special, offsets;
} tokenize_options;

static void add_ids(output *out, yyjson_mut_val *array, const token_list *tokens)
{
    for (uint32_t i = 0; i < tokens->count; i++) {
        cli_add_integer(out, array, tokens->ids[i]);
        fprintf(out->text, "%s%u", i ? " " : "", tokens->ids[i]);
        if (tokens->offsets)
            fprintf(out->text, ":%u-%u", tokens->offsets[2 * i], tokens->offsets[2 * i + 1]);
    }
    fputc('\n', out->text);
}

/* [[start, end], …] */
static void add_offsets(output *out, yyjson_mut_val *array, const token_list *tokens)
{
    for (uint32_t i = 0; i < tokens->count; i++) {
        yyjson_mut_val *pair = cli_add_array(out, array);
        cli_add_integer(out, pair, tokens->offsets[2 * i]);
        cli_add_integer(out, pair, tokens->offsets[2 * i + 1]);
    }
}

static int tokens_of(const engine *e, const tokenize_options *o, const char *text, uint64_t bytes,
                     token_list *tokens)
{
    return o->offsets ? cli_text_tokenize_offsets(e, text, bytes, !o->no_special, tokens)
                      : cli_text_tokenize(e, text, bytes, !o->no_special, tokens);
}

static void add_spellings(output *out, const engine *e, yyjson_mut_val *array,
                          const token_list *tokens)
{
    for (uint32_t i = 0; i < tokens->count; i++) {
        const char *spelling = brink_token_spelling(e->model, tokens->ids[i]);
        cli_add_text(out, array, spelling ? spelling : "", spelling ? strlen(spelling) : 0);
    }
}

static void put_text_bytes(output *out, const char *key, const char *text, uint64_t bytes)
{
    if (!out->json)
        return;
    yyjson_mut_val *holder = yyjson_mut_arr(out->json);
    cli_add_text(out, holder, text, (size_t)bytes);
    yyjson_mut_obj_add_val(out->json, out->root, key, yyjson_mut_arr_remove_first(holder));
}

static int tokenize_text(const engine *e, const tokenize_options *o, const char *text, output *out)
{
    token_list tokens = {0};
    int status = tokens_of(e, o, text, strlen(text), &tokens);
    if (status == EXIT_DONE) {
        add_ids(out, cli_put_array(out, out->root, "ids"), &tokens);
        add_spellings(out, e, cli_put_array(out, out->root, "tokens"), &tokens);
        if (o->offsets)
            add_offsets(out, cli_put_array(out, out->root, "offsets"), &tokens);
        cli_put_text(out, out->root, "text", text);
    }
    cli_token_list_free(&tokens);
    return status;
}

/* Lines end at \n only; what follows the last one is a line unless it is empty. */
static int tokenize_lines(const engine *e, const tokenize_options *o, const char *data,
                          uint64_t size, output *out)
{
    yyjson_mut_val *ids = cli_put_array(out, out->root, "ids");
    yyjson_mut_val *spellings = cli_put_array(out, out->root, "tokens");
    yyjson_mut_val *offsets = o->offsets ? cli_put_array(out, out->root, "offsets") : NULL;
    yyjson_mut_val *texts = cli_put_array(out, out->root, "text");
    token_list tokens = {0};
    int status = EXIT_DONE;
    for (uint64_t at = 0; at < size && status == EXIT_DONE;) {
        const char *line = data + at, *end = memchr(line, '\n', (size_t)(size - at));
        uint64_t bytes = end ? (uint64_t)(end - line) : size - at;
        at += bytes + 1;
        status = tokens_of(e, o, line, bytes, &tokens);
        if (status != EXIT_DONE)
            break;
        add_ids(out, cli_add_array(out, ids), &tokens);
        add_spellings(out, e, cli_add_array(out, spellings), &tokens);
        if (o->offsets)
            add_offsets(out, cli_add_array(out, offsets), &tokens);
        cli_add_text(out, texts, line, (size_t)bytes);
    }
    cli_token_list_free(&tokens);
    return status;
}

static int decode(const engine *e, const tokenize_options *o, output *out)
{
    token_list tokens = {0};
    char *text;
    uint64_t bytes;
    if (*o->decode)
        cli_parse_ids(o->decode, &tokens.ids, &tokens.count);
    int status = cli_text_detokenize(e, &tokens, !o->no_special, &text, &bytes);
    if (status == EXIT_DONE) {
        yyjson_mut_val *ids = cli_put_array(out, out->root, "ids");
        for (uint32_t i = 0; i < tokens.count; i++)
            cli_add_integer(out, ids, tokens.ids[i]);
        add_spellings(out, e, cli_put_array(out, out->root, "tokens"), &tokens);
        put_text_bytes(out, "text", text, bytes);
        fwrite(text, 1, (size_t)bytes, out->text);
        fputc('\n', out->text);
        free(text);
    }
    cli_token_list_free(&tokens);
    return status;
}

static int tokenize(const tokenize_options *o)
{
    engine e;
    output out;
    char error[ERROR_TEXT], *data = NULL;
    uint64_t size = 0;
    int status = EXIT_DONE;
    if (o->file && !(data = cli_file_read(o->file, &size, &status, error)))
        return cli_fail(status, "%s", error);
    brink_model_desc desc = {.no_weights = true};
    cli_output_begin(&out, o->common.json);
    status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE)
        status = cli_engine_load(&e, o->positional.items[0], &desc);
    if (status == EXIT_DONE)
        status = o->file     ? tokenize_lines(&e, o, data, size, &out)
                 : o->decode ? decode(&e, o, &out)
                             : tokenize_text(&e, o, o->positional.items[1], &out);
    cli_engine_close(&e);
    free(data);
    return status == EXIT_DONE ? cli_output_print(&out, status) : cli_output_drop(&out, status);
}

static int usage(const command *c, const tokenize_options *o)
{
    uint32_t *ids, count, given = o->positional.count;
    if (given == 0)
        return cli_usage_error(c, "give a model");
    if (given > 2 || (given == 2) + (o->file != NULL) + (o->decode != NULL) != 1)
        return cli_usage_error(c, "give one of TEXT, --file and --decode");
    if (o->offsets && o->decode)
        return cli_usage_error(c, "--offsets goes with a text, not with --decode");
    if (!o->decode || !*o->decode)
        return EXIT_DONE;
    if (!cli_parse_ids(o->decode, &ids, &count))
        return cli_usage_error(c, "--decode takes ids like 1,2,3, not \"%s\"", o->decode);
    free(ids);
    return EXIT_DONE;
}

int cli_tokenize_main(const command *c, int argc, char **argv)
{
    tokenize_options o = {0};
    int status;
    const option table[] = {
        {"--no-special", OPTION_FLAG, &o.no_special, NULL,
         "without the special tokens that the post-processor adds"},
        {"--offsets", OPTION_FLAG, &o.offsets, NULL,
         "where each token begins and ends in the text, in characters"},
        {"--file", OPTION_TEXT, &o.file, "FILE", "one text a line, - for input"},
        {"--decode", OPTION_TEXT, &o.decode, "1,2,3", "the text of these ids"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &o.common, &o.positional, &status)) {
        status = usage(c, &o);
        if (status == EXIT_DONE)
            status = tokenize(&o);
    }
    cli_text_list_free(&o.positional);
    return status;
}
