/* serve_embed.c — embeddings as jobs.

   A list of tokens stands for the text that they spell; it is refused where that text has other
   tokens, so that a vector is always of what was given. A text beyond the model's maximum is an error
   unless the request says "truncate": true. */
#include "serve.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 2048 }; /* as OpenAI's */

typedef struct embedding_fields {
    const char *model, *encoding;
    yyjson_val *input;
    int64_t dimensions;
    bool truncate;
} embedding_fields;

typedef struct embedding {
    job base;
    yyjson_doc *doc;
    embedding_fields fields;
    bool base64;
    const char **texts; /* [count], of the document or of `spelled` */
    uint64_t *bytes;
    char **spelled; /* [count], NULL where the document has the text */
    uint32_t count;
    bool again; /* it is begun for the second time, as there was no room */
    brink_task *task;
} embedding;

static const field table[] = {
    {"model", FIELD_TEXT, offsetof(embedding_fields, model), 0, 0},
    {"input", FIELD_VALUE, offsetof(embedding_fields, input), 0, 0},
    {"dimensions", FIELD_INTEGER, offsetof(embedding_fields, dimensions), 1, INT32_MAX},
    {"encoding_format", FIELD_TEXT, offsetof(embedding_fields, encoding), 0, 0},
    {"truncate", FIELD_BOOL, offsetof(embedding_fields, truncate), 0, 0},
    {"user", FIELD_ANYTHING, 0, 0, 0},
    {0},
};

/* ── Input ── */

static bool same(const token_list *a, const token_list *b)
{
    return a->count == b->count && memcmp(a->ids, b->ids, a->count * sizeof *a->ids) == 0;
}

/* The text of tokens that are with or without the special ones of a text. */
static bool spell(embedding *e, yyjson_val *array, char **text, uint64_t *bytes)
{
    brink_model *model = e->base.model->model;
    api_error *error = &e->base.error;
    token_list given = {0}, with = {0}, without = {0};
    *text = NULL;
    if (yyjson_arr_size(array) && api_tokens(array, "input", &given, error)) {
        brink_status status = cli_detokenize(model, given.ids, given.count, false, text, bytes);
        if (status == BRINK_OK)
            status = cli_tokenize(model, *text, *bytes, true, &with);
        if (status == BRINK_OK)
            status = cli_tokenize(model, *text, *bytes, false, &without);
        if (status != BRINK_OK)
            api_engine_fail(error, e->base.server->engine.context, status, "input");
        else if (!same(&given, &with) && !same(&given, &without))
            api_fail(error, 400, NULL, "input",
                     "input: these tokens are not those of a text in this model; give the text");
    }
    cli_token_list_free(&given);
    cli_token_list_free(&with);
    cli_token_list_free(&without);
    return *text && !error->status;
}

static bool add_input(embedding *e, yyjson_val *value)
{
    uint32_t i = e->count++;
    if (yyjson_is_str(value)) {
        e->texts[i] = yyjson_get_str(value);
        e->bytes[i] = yyjson_get_len(value);
        return true;
    }
    bool spelled = yyjson_is_arr(value) && spell(e, value, &e->spelled[i], &e->bytes[i]);
    e->texts[i] = e->spelled[i];
    return spelled || api_fail(&e->base.error, 400, NULL, "input",
                               "input takes a string, tokens, or a list of either");
}

static bool read_input(embedding *e)
{
    yyjson_val *input = e->fields.input, *value;
    bool many = yyjson_is_arr(input) && !yyjson_is_num(yyjson_arr_get_first(input));
    size_t i, count = many ? yyjson_arr_size(input) : 1;
    if (count == 0 || count > MOST_TEXTS)
        return api_fail(&e->base.error, 400, NULL, "input", "input takes a list of 1 to %d",
                        MOST_TEXTS);
    e->texts = cli_alloc(count, sizeof *e->texts);
    e->bytes = cli_alloc(count, sizeof *e->bytes);
    e->spelled = cli_alloc(count, sizeof *e->spelled);
    if (!many)
        return add_input(e, input);
    yyjson_arr_foreach(input, i, count, value)
    {
        if (!add_input(e, value))
            return false;
    }
    return true;
}

/* ── Output ── */

/* RFC 4648, of little-endian float32; the caller frees. */
static char *base64(const void *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = data;
    char *text = cli_alloc((bytes + 2) / 3 * 4 + 1, 1), *to = text;
    for (size_t i = 0; i < bytes; i += 3) {
        uint32_t three = (uint32_t)at[i] << 16;
        three |= i + 1 < bytes ? (uint32_t)at[i + 1] << 8 : 0;
        three |= i + 2 < bytes ? at[i + 2] : 0;
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = i + 1 < bytes ? digits[three >> 6 & 63] : '=';
        *to++ = i + 2 < bytes ? digits[three & 63] : '=';
    }
    return text;
}

static void put_vector(const embedding *e, output *out, yyjson_mut_val *entry, const float *vector,
                       size_t dimensions)
{
    if (e->base64) {
        char *text = base64(vector, dimensions * sizeof *vector);
        cli_put_text(out, entry, "embedding", text);
        free(text);
        return;
    }
    yyjson_mut_val *numbers = cli_put_array(out, entry, "embedding");
    for (size_t i = 0; i < dimensions; i++)
        cli_add_float(out, numbers, vector[i]);
}

static void write_reply(embedding *e, const brink_tensor *vectors, uint64_t tokens)
{
    output out;
    size_t bytes, dimensions = (size_t)vectors->shape[1];
    cli_output_begin(&out, true);
    cli_put_text(&out, out.root, "object", "list");
    yyjson_mut_val *data = cli_put_array(&out, out.root, "data");
    for (uint32_t i = 0; i < e->count; i++) {
        yyjson_mut_val *entry = cli_add_object(&out, data);
        cli_put_text(&out, entry, "object", "embedding");
        cli_put_count(&out, entry, "index", i);
        put_vector(e, &out, entry, (const float *)vectors->data + i * dimensions, dimensions);
    }
    cli_put_text(&out, out.root, "model", e->base.model->id);
    yyjson_mut_val *usage = cli_put_object(&out, out.root, "usage");
    cli_put_count(&out, usage, "prompt_tokens", tokens);
    cli_put_count(&out, usage, "total_tokens", tokens);
    char *text = cli_output_take(&out, &bytes);
    job_write(&e->base, text, bytes);
    free(text);
}

/* ── Running ── */

static brink_status begin(embedding *e)
{
    brink_embed_desc desc = {.texts = e->texts,
                             .bytes = e->bytes,
                             .count = e->count,
                             .dimensions = (uint32_t)e->fields.dimensions};
    brink_task_destroy(e->task);
    e->task = NULL;
    return brink_embed_begin(e->base.model->model, &desc, &e->task);
}

static void fail(embedding *e, brink_status status)
{
    if (status == BRINK_OUT_OF_MEMORY && !e->again && jobs_free_sessions(e->base.server)) {
        e->again = true;
        status = begin(e);
        if (status == BRINK_OK)
            return;
    }
    api_engine_fail(&e->base.error, e->base.server->engine.context, status,
                    status == BRINK_INVALID_ARGUMENT && e->fields.dimensions ? "dimensions" : NULL);
    job_fail(&e->base);
}

static void start(job *j)
{
    brink_status status = begin((embedding *)j);
    if (status != BRINK_OK)
        fail((embedding *)j, status);
}

static void advance(job *j)
{
    embedding *e = (embedding *)j;
    brink_embed_stats stats;
    brink_tensor vectors;
    brink_status status = brink_task_advance(e->task, SLICE_US);
    if (status == BRINK_PENDING)
        return;
    if (status == BRINK_OK)
        status = brink_embed_vectors(e->task, &vectors);
    if (status != BRINK_OK) {
        fail(e, status);
        return;
    }
    brink_embed_get_stats(e->task, &stats);
    if (stats.truncated && !e->fields.truncate) {
        api_fail(&j->error, 400, "context_length_exceeded", "input",
                 "input: %u of %u texts are longer than the model takes; \"truncate\": true cuts "
                 "them",
                 stats.truncated, stats.texts);
        job_fail(j);
        return;
    }
    write_reply(e, &vectors, stats.tokens);
    job_leave_slot(j);
    j->done = true;
}

static void destroy(job *j)
{
    embedding *e = (embedding *)j;
    brink_task_destroy(e->task);
    for (uint32_t i = 0; i < e->count; i++)
        free(e->spelled[i]);
    free(e->spelled);
    free(e->texts);
    free(e->bytes);
    yyjson_doc_free(e->doc);
    free(e);
}

static const job_kind embedding_kind = {start, advance, destroy};

static bool check(embedding *e)
{
    const char *encoding = e->fields.encoding;
    if (!e->base.model->facts.embedder)
        return api_fail(&e->base.error, 400, NULL, "model", "%s gives no embeddings",
                        e->base.model->id);
    e->base64 = encoding && strcmp(encoding, "base64") == 0;
    return !encoding || e->base64 || strcmp(encoding, "float") == 0 ||
           api_fail(&e->base.error, 400, NULL, "encoding_format",
                    "encoding_format is \"%.64s\", not float or base64", encoding);
}

job *api_embedding(server *s, const char *body, size_t bytes, api_error *error)
{
    yyjson_doc *doc = api_parse(body, bytes, error);
    if (!doc)
        return NULL;
    embedding *e = cli_alloc(1, sizeof *e);
    job *j = &e->base;
    *e = (embedding){.base = {.kind = &embedding_kind, .server = s}, .doc = doc};
    if (api_fields(yyjson_doc_get_root(doc), "", table, &e->fields, &j->error) &&
        (j->model = api_need_model(s, e->fields.model, &j->error)) && check(e) && read_input(e) &&
        job_enqueue(j))
        return j;
    *error = j->error;
    job_destroy(j);
    return NULL;
}
