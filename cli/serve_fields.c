/* serve_fields.c — the fields of a request, and errors about them.

   Invariant: a field is honoured, or is refused by its name. */
#include "serve.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

bool api_fail(api_error *error, unsigned status, const char *code, const char *param,
              const char *format, ...)
{
    if (error->status)
        return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    error->status = status;
    error->code = code;
    snprintf(error->param, sizeof error->param, "%s", param ? param : "");
    return false;
}

bool api_engine_fail(api_error *error, const brink_context *context, brink_status status,
                     const char *param)
{
    const char *text = brink_error(context);
    bool asked = status == BRINK_INVALID_ARGUMENT || status == BRINK_BAD_INPUT ||
                 status == BRINK_UNSUPPORTED;
    unsigned http = asked ? 400 : status == BRINK_OUT_OF_MEMORY ? 503 : 500;
    const char *code = status == BRINK_OUT_OF_MEMORY ? "out_of_memory" : NULL;
    return api_fail(error, http, code, param, "%s", *text ? text : brink_status_name(status));
}

char *api_error_text(const api_error *error, size_t *bytes)
{
    output out;
    cli_output_begin(&out, true);
    yyjson_mut_val *object = cli_put_object(&out, out.root, "error");
    cli_put_text(&out, object, "message", error->message);
    cli_put_text(&out, object, "type",
                 error->status < 500 ? "invalid_request_error" : "server_error");
    if (*error->param)
        cli_put_text(&out, object, "param", error->param);
    else
        cli_put_null(&out, object, "param");
    if (error->code)
        cli_put_text(&out, object, "code", error->code);
    else
        cli_put_null(&out, object, "code");
    return cli_output_take(&out, bytes);
}

uint64_t api_random(void)
{
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != sizeof value)
        value = (uint64_t)(cli_now_ms() * 1e6);
    return value;
}

char *api_new_id(const char *prefix)
{
    return cli_format("%s%016llx%08llx", prefix, (unsigned long long)api_random(),
                      (unsigned long long)(api_random() >> 32));
}

yyjson_doc *api_parse(const char *body, size_t bytes, api_error *error)
{
    yyjson_read_err why;
    /* the reader wants a pointer that it may write to only with a flag that is not set */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)body, bytes, 0, NULL, &why);
    if (!doc) {
        api_fail(error, 400, NULL, NULL, "the body is not JSON: %s at byte %zu", why.msg, why.pos);
    } else if (!yyjson_is_obj(yyjson_doc_get_root(doc))) {
        api_fail(error, 400, NULL, NULL, "the body is not a JSON object");
        yyjson_doc_free(doc);
        doc = NULL;
    }
    return doc;
}

const char *api_text(yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    return text && strlen(text) == yyjson_get_len(value) ? text : NULL;
}

static bool unused(yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    if (text)
        return !*text || !strcmp(text, "none") || !strcmp(text, "auto") || !strcmp(text, "default");
    return yyjson_is_false(value) || (yyjson_is_num(value) && yyjson_get_num(value) == 0) ||
           (yyjson_is_ctn(value) && unsafe_yyjson_get_len(value) == 0);
}

/* Exact for integers below 2^63 only, which is what is wanted. */
static bool integer(yyjson_val *value, int64_t *out)
{
    double number = yyjson_get_num(value);
    if (yyjson_is_sint(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX))
        *out = yyjson_get_sint(value);
    else if (yyjson_is_real(value) && number == floor(number) && fabs(number) < 9e15)
        *out = (int64_t)number;
    else
        return false;
    return true;
}

static bool set_field(yyjson_val *value, const char *name, const field *f, char *into,
                      api_error *error)
{
    switch (f->kind) {
    case FIELD_NUMBER: {
        double number = yyjson_get_num(value);
        if (!yyjson_is_num(value) || !(number >= f->low && number <= f->high))
            return api_fail(error, 400, NULL, name, "%s takes a number from %g to %g", name, f->low,
                            f->high);
        *(double *)(void *)into = number;
        return true;
    }
    case FIELD_INTEGER: {
        int64_t number;
        if (!integer(value, &number) || (double)number < f->low || (double)number > f->high)
            return api_fail(error, 400, NULL, name, "%s takes an integer from %.0f to %.0f", name,
                            f->low, f->high);
        *(int64_t *)(void *)into = number;
        return true;
    }
    case FIELD_BOOL:
        if (!yyjson_is_bool(value))
            return api_fail(error, 400, NULL, name, "%s takes true or false", name);
        *(bool *)into = yyjson_get_bool(value);
        return true;
    case FIELD_TEXT:
        *(const char **)(void *)into = api_text(value);
        if (!api_text(value))
            return api_fail(error, 400, NULL, name, "%s takes a string without NUL", name);
        return true;
    case FIELD_VALUE:
        *(yyjson_val **)(void *)into = value;
        return true;
    case FIELD_ANYTHING:
        return true;
    case FIELD_UNUSED:
        break;
    }
    return unused(value) || api_fail(error, 400, "unsupported_parameter", name,
                                     "%s is not supported by this server", name);
}

bool api_fields(yyjson_val *object, const char *where, const field *table, void *into,
                api_error *error)
{
    yyjson_obj_iter each = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&each));) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        const field *f = table;
        char name[96];
        snprintf(name, sizeof name, "%s%s", where, yyjson_get_str(key));
        if (yyjson_is_null(value))
            continue;
        while (f->name && !yyjson_equals_str(key, f->name))
            f++;
        if (!f->name)
            return api_fail(error, 400, "unknown_parameter", name,
                            "%s is not a field that this server knows", name);
        if (!set_field(value, name, f, (char *)into + f->at, error))
            return false;
    }
    return true;
}

bool api_tokens(yyjson_val *array, const char *param, token_list *out, api_error *error)
{
    size_t i, count;
    yyjson_val *value;
    yyjson_arr_foreach(array, i, count, value)
    {
        int64_t id;
        if (!integer(value, &id) || id < 0 || id > UINT32_MAX)
            return api_fail(error, 400, NULL, param, "%s: token %zu is not a token id", param, i);
        cli_token_list_add(out, (uint32_t)id);
    }
    return true;
}

served *api_model(server *s, const char *id)
{
    for (uint32_t i = 0; i < s->model_count; i++) {
        if (strcmp(s->models[i].id, id) == 0)
            return &s->models[i];
    }
    return NULL;
}

served *api_need_model(server *s, const char *id, api_error *error)
{
    served *model = id ? api_model(s, id) : NULL;
    if (!id)
        api_fail(error, 400, NULL, "model", "give a model; GET /v1/models lists them");
    else if (!model)
        api_fail(error, 404, "model_not_found", "model",
                 "there is no model \"%.200s\"; GET /v1/models lists them", id);
    return model;
}
