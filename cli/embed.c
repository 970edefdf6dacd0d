/* embed.c — brink embed: texts to vectors, as JSON, as text, or as a .npy file. */
#include "files.h"
#include "engine.h"
#include "npy.h"
#include "output.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>

typedef struct embed_options {
    common_options common;
    text_list positional, texts;
    const char *file, *output, *prefix, *prompt, *pooling, *precision;
    uint32_t dimensions, max_tokens, batch_tokens;
    bool no_normalize;
    brink_embed_desc desc;
} embed_options;

typedef struct lines {
    const char **texts;
    uint64_t *bytes;
    uint32_t count;
} lines;

/* Lines end at \n only; what follows the last one is a line unless it is empty. */
static bool split_lines(const char *data, uint64_t size, lines *out)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < size; i++)
        count += data[i] == '\n' || i + 1 == size;
    if (count > UINT32_MAX)
        return false;
    out->texts = cli_alloc((size_t)count, sizeof *out->texts);
    out->bytes = cli_alloc((size_t)count, sizeof *out->bytes);
    for (uint64_t at = 0; at < size; out->count++) {
        const char *line = data + at, *end = memchr(line, '\n', (size_t)(size - at));
        out->texts[out->count] = line;
        out->bytes[out->count] = end ? (uint64_t)(end - line) : size - at;
        at += out->bytes[out->count] + 1;
    }
    return true;
}

/* The index of `value` in a list of `count` words. */
static bool choose(const char *value, const char *const *words, uint32_t count, uint32_t *out)
{
    for (*out = 0; *out < count; ++*out)
        if (strcmp(value, words[*out]) == 0)
            return true;
    return false;
}

static double number(const brink_tensor *t, uint64_t i)
{
    return t->type == BRINK_F32  ? (double)((const float *)t->data)[i]
           : t->type == BRINK_I8 ? ((const int8_t *)t->data)[i]
                                 : ((const uint8_t *)t->data)[i];
}

static void put_vectors(output *out, const brink_tensor *t, bool as_text)
{
    yyjson_mut_val *vectors = cli_put_array(out, out->root, "vectors");
    for (int64_t r = 0; r < t->shape[0]; r++) {
        yyjson_mut_val *vector = cli_add_array(out, vectors);
        for (int64_t i = 0; i < t->shape[1]; i++) {
            double value = number(t, (uint64_t)(r * t->shape[1] + i));
            if (t->type == BRINK_F32)
                cli_add_float(out, vector, (float)value);
            else
                cli_add_integer(out, vector, (int64_t)value);
            if (as_text)
                fprintf(out->text, "%s%.9g", i ? " " : "", value);
        }
        if (as_text)
            fputc('\n', out->text);
    }
}

static int put_results(const engine *e, const embed_options *o, const brink_task *task, double ms,
                       output *out)
{
    char error[ERROR_TEXT];
    brink_tensor vectors;
    brink_embed_stats stats;
    brink_status got = brink_embed_vectors(task, &vectors);
    if (got != BRINK_OK)
        return cli_engine_fail(e, got);
    brink_embed_get_stats(task, &stats);
    if (o->output && !cli_npy_write(o->output, &vectors, error))
        return cli_fail(EXIT_INPUT, "%s", error);
    if (o->output)
        fprintf(out->text, "%s: %u vectors of %u dimensions, %s\n", o->output, stats.texts,
                stats.dimensions, brink_type_name(vectors.type));
    cli_put_count(out, out->root, "dimensions", stats.dimensions);
    put_vectors(out, &vectors, o->output == NULL && !o->common.json);
    cli_put_number(out, out->root, "ms_per_text", stats.texts ? ms / stats.texts : 0);
    cli_put_count(out, out->root, "texts", stats.texts);
    cli_put_count(out, out->root, "tokens", stats.tokens);
    cli_put_count(out, out->root, "truncated", stats.truncated);
    cli_put_number(out, out->root, "load_ms", e->load_ms);
    return EXIT_DONE;
}

static brink_status wait(const engine *e, brink_task *task, uint32_t count)
{
    brink_status status;
    while ((status = brink_task_advance(task, 200000)) == BRINK_PENDING) {
        brink_embed_stats stats;
        brink_embed_get_stats(task, &stats);
        if (!e->quiet)
            cli_progress_line("embedding %u of %u", stats.texts, count);
    }
    cli_progress_clear();
    return status;
}

static int embed_loaded(const engine *e, const embed_options *o, output *out)
{
    brink_task *task;
    double start = cli_now_ms();
    brink_status got = brink_embed_begin(e->model, &o->desc, &task);
    if (got == BRINK_OK)
        got = wait(e, task, o->desc.count);
    double ms = cli_now_ms() - start;
    int status = got == BRINK_OK ? put_results(e, o, task, ms, out) : cli_engine_fail(e, got);
    brink_task_destroy(task);
    return status;
}

static int embed(embed_options *o)
{
    engine e;
    output out;
    lines read = {0};
    char error[ERROR_TEXT], *data = NULL;
    uint64_t size = 0;
    int status = EXIT_DONE;
    if (o->file && !(data = cli_file_read(o->file, &size, &status, error)))
        return cli_fail(status, "%s", error);
    if (o->file && !split_lines(data, size, &read)) {
        free(data);
        return cli_fail(EXIT_INPUT, "%s: has more than 2^32 - 1 lines", o->file);
    }
    o->desc.texts = o->file ? read.texts : o->texts.items;
    o->desc.bytes = read.bytes;
    o->desc.count = o->file ? read.count : o->texts.count;
    cli_output_begin(&out, o->common.json);
    status = cli_engine_open(&e, &o->common);
    if (status == EXIT_DONE)
        status = cli_engine_load(&e, o->positional.items[0],
                                 &(brink_model_desc){.exact = o->common.exact});
    if (status == EXIT_DONE)
        status = embed_loaded(&e, o, &out);
    cli_engine_close(&e);
    free(read.texts);
    free(read.bytes);
    free(data);
    return status == EXIT_DONE ? cli_output_print(&out, status) : cli_output_drop(&out, status);
}

static int usage(const command *c, embed_options *o)
{
    static const char *const poolings[] = {"model", "mean", "cls", "last"};
    static const char *const precisions[] = {"float32", "int8", "ubinary"};
    uint32_t pooling, precision;
    if (o->positional.count == 0)
        return cli_usage_error(c, "give a model");
    if ((o->texts.count != 0) == (o->file != NULL) || (o->file && o->positional.count > 1))
        return cli_usage_error(c, "give either --text or --file");
    if (o->positional.count > 1 && o->texts.count > 1)
        return cli_usage_error(c, "give texts as --text A B or as --text A --text B, not both");
    for (uint32_t i = 1; i < o->positional.count; i++)
        cli_text_list_add(&o->texts, o->positional.items[i]);
    if (!choose(o->pooling, poolings, 4, &pooling))
        return cli_usage_error(c, "--pooling takes model, mean, cls or last, not \"%s\"",
                               o->pooling);
    if (!choose(o->precision, precisions, 3, &precision))
        return cli_usage_error(c, "--precision takes float32, int8 or ubinary, not \"%s\"",
                               o->precision);
    if (o->prefix && o->prompt)
        return cli_usage_error(c, "--prefix and --prompt exclude each other");
    o->desc = (brink_embed_desc){.prefix = o->prefix,
                                 .prompt = o->prompt,
                                 .dimensions = o->dimensions,
                                 .max_tokens = o->max_tokens,
                                 .pooling = (brink_pooling)pooling,
                                 .normalize =
                                     o->no_normalize ? BRINK_NORMALIZE_OFF : BRINK_NORMALIZE_MODEL,
                                 .precision = (brink_embed_precision)precision,
                                 .batch_tokens = o->batch_tokens};
    return EXIT_DONE;
}

int cli_embed_main(const command *c, int argc, char **argv)
{
    embed_options o = {.pooling = "model", .precision = "float32"};
    int status;
    const option table[] = {
        {"--text", OPTION_LIST, &o.texts, "TEXT...", "what to embed; repeatable"},
        {"--file", OPTION_TEXT, &o.file, "FILE", "one text a line, - for input"},
        {"--output", OPTION_TEXT, &o.output, "FILE.npy", "where the vectors go"},
        {"--prefix", OPTION_TEXT, &o.prefix, "TEXT", "put before each text, as \"query: \""},
        {"--prompt", OPTION_TEXT, &o.prompt, "NAME", "the model's own prefix of that name"},
        {"--dimensions", OPTION_COUNT, &o.dimensions, "N", "only the first so many (Matryoshka)"},
        {"--pooling", OPTION_TEXT, &o.pooling, "KIND", "model (as configured), mean, cls, last"},
        {"--no-normalize", OPTION_FLAG, &o.no_normalize, NULL, "leave lengths as they are"},
        {"--precision", OPTION_TEXT, &o.precision, "P", "float32, int8 or ubinary"},
        {"--max-tokens", OPTION_COUNT, &o.max_tokens, "N", "of a text, no more than the model's"},
        {"--batch-tokens", OPTION_COUNT, &o.batch_tokens, "N", "computed together (512; GPU 4096)"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &o.common, &o.positional, &status)) {
        status = usage(c, &o);
        if (status == EXIT_DONE)
            status = embed(&o);
    }
    cli_text_list_free(&o.positional);
    cli_text_list_free(&o.texts);
    return status;
}
