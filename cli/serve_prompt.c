/* serve_prompt.c — messages, prompts, stop texts, biases and formats of a request. */
#include "serve_generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ── Messages ── */

typedef struct message_fields {
    const char *role;
    yyjson_val *content;
} message_fields;

static const field message_table[] = {
    {"role", FIELD_TEXT, offsetof(message_fields, role), 0, 0},
    {"content", FIELD_VALUE, offsetof(message_fields, content), 0, 0},
    {"annotations", FIELD_UNUSED, 0, 0, 0},
    {"tool_calls", FIELD_UNUSED, 0, 0, 0},
    {0},
};

/* The parts' texts, one after the other; the caller frees. NULL with the error. */
static char *text_of_parts(yyjson_val *parts, const char *where, api_error *error)
{
    char *text = cli_copy("");
    size_t i, count, bytes = 0;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, count, part)
    {
        const char *type = api_text(yyjson_obj_get(part, "type"));
        const char *piece = api_text(yyjson_obj_get(part, "text"));
        if (!type || strcmp(type, "text") != 0)
            api_fail(error, 400, "unsupported_parameter", where,
                     "%s: parts of type \"%.64s\" are not supported, only \"text\"", where,
                     type ? type : "");
        else if (!piece)
            api_fail(error, 400, NULL, where, "%s: part %zu has no text, or one with NUL", where,
                     i);
        if (error->status) {
            free(text);
            return NULL;
        }
        size_t more = strlen(piece);
        text = cli_grow(text, bytes + more + 1, 1);
        memcpy(text + bytes, piece, more + 1);
        bytes += more;
    }
    return text;
}

static char *content_text(yyjson_val *content, const char *where, api_error *error)
{
    if (yyjson_is_arr(content) && yyjson_arr_size(content))
        return text_of_parts(content, where, error);
    if (api_text(content))
        return cli_copy(api_text(content));
    api_fail(error, 400, NULL, where, "%s takes a string without NUL, or text parts", where);
    return NULL;
}

/* "developer" is what newer clients call "system". */
static const char *known_role(const char *role)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    if (strcmp(role, "developer") == 0)
        return roles[0];
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(role, roles[i]) == 0)
            return roles[i];
    }
    return NULL;
}

static bool read_message(yyjson_val *value, size_t index, brink_message *out, api_error *error)
{
    char where[64];
    message_fields m = {0};
    snprintf(where, sizeof where, "messages[%zu]", index);
    if (!yyjson_is_obj(value))
        return api_fail(error, 400, NULL, where, "%s is not an object", where);
    snprintf(where, sizeof where, "messages[%zu].", index);
    if (!api_fields(value, where, message_table, &m, error))
        return false;
    snprintf(where, sizeof where, "messages[%zu].role", index);
    if (!m.role || !(out->role = known_role(m.role)))
        return api_fail(error, 400, NULL, where,
                        "%s is \"%.64s\", not system, developer, user or assistant", where,
                        m.role ? m.role : "");
    snprintf(where, sizeof where, "messages[%zu].content", index);
    out->content = content_text(m.content, where, error);
    return out->content != NULL;
}

static bool tokens_of_chat(generation *g, const brink_message *messages, uint32_t count)
{
    job *j = &g->base;
    char *text = NULL;
    uint64_t bytes;
    brink_status status = cli_chat_format(j->model->model, messages, count, &text, &bytes);
    if (status == BRINK_OK)
        status = cli_tokenize(j->model->model, text, bytes, false, &g->prompts[0]);
    free(text);
    return status == BRINK_OK ||
           api_engine_fail(&j->error, j->server->engine.context, status, "messages");
}

bool prompt_of_chat(generation *g)
{
    api_error *error = &g->base.error;
    yyjson_val *list = g->fields.messages, *value;
    size_t i, count = yyjson_arr_size(list);
    if (!count)
        return api_fail(error, 400, NULL, "messages", "messages takes a list of at least one");
    brink_message *messages = cli_alloc(count, sizeof *messages);
    yyjson_arr_foreach(list, i, count, value)
    {
        if (!read_message(value, i, &messages[i], error))
            break;
    }
    g->prompts = cli_alloc(1, sizeof *g->prompts);
    g->prompt_count = 1;
    if (!error->status)
        tokens_of_chat(g, messages, (uint32_t)count);
    for (i = 0; i < count; i++)
        free((void *)(uintptr_t)messages[i].content);
    free(messages);
    return error->status == 0;
}

/* ── Prompts of text completions ── */

static bool add_prompt(generation *g, yyjson_val *value)
{
    job *j = &g->base;
    g->prompts = cli_grow(g->prompts, g->prompt_count + 1u, sizeof *g->prompts);
    token_list *out = &g->prompts[g->prompt_count++];
    *out = (token_list){0};
    if (yyjson_is_arr(value))
        return api_tokens(value, "prompt", out, &j->error);
    if (!yyjson_is_str(value))
        return api_fail(&j->error, 400, NULL, "prompt",
                        "prompt takes a string, tokens, or a list of either");
    brink_status status =
        cli_tokenize(j->model->model, yyjson_get_str(value), yyjson_get_len(value), true, out);
    return status == BRINK_OK ||
           api_engine_fail(&j->error, j->server->engine.context, status, "prompt");
}

bool prompt_of_completion(generation *g)
{
    yyjson_val *prompt = g->fields.prompt, *value;
    if (!yyjson_is_arr(prompt) || yyjson_is_num(yyjson_arr_get_first(prompt)))
        return add_prompt(g, prompt);
    size_t i, count = yyjson_arr_size(prompt);
    if (count == 0 || count > MOST_CHOICES)
        return api_fail(&g->base.error, 400, NULL, "prompt", "prompt takes a list of 1 to %d",
                        MOST_CHOICES);
    yyjson_arr_foreach(prompt, i, count, value)
    {
        if (!add_prompt(g, value))
            return false;
    }
    return true;
}

/* ── What bounds a reply ── */

static bool add_stop(generation *g, yyjson_val *value)
{
    const char *text = api_text(value);
    if (!text || !*text || g->how.stop_count == MOST_STOPS)
        return api_fail(&g->base.error, 400, NULL, "stop",
                        "stop takes a text, or up to %d, without NUL and not empty", MOST_STOPS);
    g->stop[g->how.stop_count++] = text;
    return true;
}

bool prompt_stops(generation *g)
{
    yyjson_val *stop = g->fields.stop, *value;
    size_t i, count;
    g->how.stop = g->stop;
    if (stop && !yyjson_is_arr(stop))
        return add_stop(g, stop);
    yyjson_arr_foreach(stop, i, count, value)
    {
        if (!add_stop(g, value))
            return false;
    }
    return true;
}

bool prompt_bias(generation *g)
{
    yyjson_val *map = g->fields.logit_bias;
    if (map && !yyjson_is_obj(map))
        return api_fail(&g->base.error, 400, NULL, "logit_bias",
                        "logit_bias takes an object of token ids");
    g->bias = cli_alloc(yyjson_obj_size(map), sizeof *g->bias);
    yyjson_obj_iter each = yyjson_obj_iter_with(map);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&each));) {
        double bias = yyjson_get_num(yyjson_obj_iter_get_val(key));
        uint32_t *ids = NULL, count = 0;
        bool known = cli_parse_ids(yyjson_get_str(key), &ids, &count) && count == 1;
        uint32_t id = known ? ids[0] : 0;
        free(ids);
        if (!known || id >= g->base.model->facts.vocabulary ||
            !yyjson_is_num(yyjson_obj_iter_get_val(key)) || fabs(bias) > 100)
            return api_fail(&g->base.error, 400, NULL, "logit_bias",
                            "logit_bias: \"%.32s\" is not a token id with a number from -100 to "
                            "100",
                            yyjson_get_str(key));
        g->bias[g->how.sampling.bias_count++] = (brink_logit_bias){id, (float)bias};
    }
    g->how.sampling.bias = g->bias;
    return true;
}

static bool grammar_of_schema(generation *g, const char *json, size_t bytes)
{
    job *j = &g->base;
    brink_status status =
        brink_grammar_from_schema(j->model->model, "response_format", json, bytes, &g->grammar);
    g->how.grammar = g->grammar;
    return status == BRINK_OK ||
           api_engine_fail(&j->error, j->server->engine.context, status, "response_format");
}

typedef struct format_fields {
    const char *type, *name;
    yyjson_val *json_schema, *schema;
} format_fields;

static const field format_table[] = {
    {"type", FIELD_TEXT, offsetof(format_fields, type), 0, 0},
    {"json_schema", FIELD_VALUE, offsetof(format_fields, json_schema), 0, 0},
    {0},
};

static const field schema_table[] = {
    {"name", FIELD_TEXT, offsetof(format_fields, name), 0, 0},
    {"description", FIELD_ANYTHING, 0, 0, 0},
    {"schema", FIELD_VALUE, offsetof(format_fields, schema), 0, 0},
    {"strict", FIELD_ANYTHING, 0, 0, 0}, /* it always is */
    {0},
};

static bool format_of_schema(generation *g, format_fields *f)
{
    api_error *error = &g->base.error;
    if (!yyjson_is_obj(f->json_schema))
        return api_fail(error, 400, NULL, "response_format.json_schema",
                        "response_format.json_schema is missing");
    if (!api_fields(f->json_schema, "response_format.json_schema.", schema_table, f, error))
        return false;
    if (!f->schema)
        return api_fail(error, 400, NULL, "response_format.json_schema.schema",
                        "response_format.json_schema.schema is missing");
    size_t bytes;
    char *text = yyjson_val_write(f->schema, 0, &bytes);
    bool made = text ? grammar_of_schema(g, text, bytes)
                     : api_fail(error, 400, NULL, "response_format", "the schema is not JSON");
    free(text);
    return made;
}

bool prompt_grammar(generation *g)
{
    static const char any[] = "{\"type\":\"object\"}";
    api_error *error = &g->base.error;
    format_fields f = {0};
    if (!g->fields.response_format)
        return true;
    if (!yyjson_is_obj(g->fields.response_format))
        return api_fail(error, 400, NULL, "response_format", "response_format takes an object");
    if (!api_fields(g->fields.response_format, "response_format.", format_table, &f, error))
        return false;
    if (f.type && strcmp(f.type, "text") == 0)
        return true;
    if (g->logprobs)
        return api_fail(error, 400, "unsupported_parameter", "logprobs",
                        "logprobs do not go with a response_format of JSON: tokens that the "
                        "format forces have none");
    if (f.type && strcmp(f.type, "json_object") == 0)
        return grammar_of_schema(g, any, sizeof any - 1);
    if (f.type && strcmp(f.type, "json_schema") == 0)
        return format_of_schema(g, &f);
    return api_fail(error, 400, NULL, "response_format.type",
                    "response_format.type is \"%.64s\", not text, json_object or json_schema",
                    f.type ? f.type : "");
}
