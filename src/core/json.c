/* json.c — yyjson with counted memory; brackets are counted first, because yyjson itself accepts
   any depth. */
#include "core/json.h"

#include <string.h>

static void *json_malloc(void *user, size_t size)
{
    return core_alloc(user, size);
}

static void *json_realloc(void *user, void *data, size_t old_size, size_t size)
{
    (void)old_size;
    return core_realloc(user, data, size);
}

static void json_release(void *user, void *data)
{
    core_free(user, data);
}

/* Offset of the bracket that opens one level too many, or `size`. Outside of well-formed JSON the
   answer may be wrong in either direction, which the parser then finds. */
static uint64_t too_deep_at(const char *text, uint64_t size)
{
    uint32_t depth = 0;
    for (uint64_t i = 0; i < size; i++) {
        switch (text[i]) {
        case '"':
            for (i++; i < size && text[i] != '"'; i++)
                i += text[i] == '\\';
            break;
        case '[':
        case '{':
            if (++depth > JSON_MAX_DEPTH)
                return i;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        default:
            break;
        }
    }
    return size;
}

static brink_status fail_at(brink_context *context, const char *name, const char *data,
                            uint64_t size, uint64_t offset, const char *reason)
{
    size_t line = 1, column = 1, character = 0;
    yyjson_locate_pos(data, (size_t)size, (size_t)offset, &line, &column, &character);
    return core_fail(context, BRINK_BAD_INPUT, "%s: line %llu, column %llu: %s", name,
                     (unsigned long long)line, (unsigned long long)column, reason);
}

brink_status json_parse(brink_context *context, const char *name, const void *data, uint64_t size,
                        json_document *out)
{
    *out = (json_document){.context = context};
    if (size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0) {
        data = (const char *)data + 3;
        size -= 3;
    }
    if (size == 0)
        return core_fail(context, BRINK_BAD_INPUT, "%s: is empty", name);
    if (size > SIZE_MAX / 32)
        return core_fail(context, BRINK_OUT_OF_MEMORY, "%s: %llu bytes are too many", name,
                         (unsigned long long)size);
    uint64_t deep = too_deep_at(data, size);
    if (deep < size)
        return fail_at(context, name, data, size, deep, "nested too deeply");
    yyjson_alc memory = {json_malloc, json_realloc, json_release, context};
    yyjson_read_err error;
    yyjson_read_flag flags = YYJSON_READ_ALLOW_INF_AND_NAN;
    /* Without the in-situ flag yyjson does not write to its input, whatever its signature says. */
    out->doc = yyjson_read_opts((char *)(uintptr_t)data, (size_t)size, flags, &memory, &error);
    if (out->doc == NULL) {
        if (error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return BRINK_OUT_OF_MEMORY; /* core_alloc recorded it */
        return fail_at(context, name, data, size, error.pos, error.msg);
    }
    out->root = yyjson_doc_get_root(out->doc);
    return BRINK_OK;
}

void json_free(json_document *document)
{
    if (document->doc != NULL)
        yyjson_doc_free(document->doc);
    *document = (json_document){.context = document->context};
}

yyjson_val *json_get(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_null(value) ? NULL : value;
}

bool json_bool(yyjson_val *object, const char *key, bool otherwise)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_bool(value) ? yyjson_get_bool(value) : otherwise;
}

int64_t json_int(yyjson_val *object, const char *key, int64_t otherwise)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX)
        return otherwise;
    return yyjson_is_int(value) ? yyjson_get_sint(value) : otherwise;
}

double json_number(yyjson_val *object, const char *key, double otherwise)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_num(value) ? yyjson_get_num(value) : otherwise;
}

const char *json_string(yyjson_val *object, const char *key, const char *otherwise)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_str(value) ? yyjson_get_str(value) : otherwise;
}
