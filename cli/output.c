/* output.c — see output.h. */
#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *pointer)
{
    if (!pointer)
        exit(cli_fail(EXIT_MEMORY, "brink: out of memory"));
    return pointer;
}

void cli_output_begin(output *out, bool json)
{
    *out = (output){0};
    out->text = checked(open_memstream(&out->buffer, &out->size));
    if (json) {
        out->json = checked(yyjson_mut_doc_new(NULL));
        out->root = checked(yyjson_mut_obj(out->json));
        yyjson_mut_doc_set_root(out->json, out->root);
    }
}

int cli_output_drop(output *out, int status)
{
    if (out->text)
        fclose(out->text);
    free(out->buffer);
    yyjson_mut_doc_free(out->json);
    *out = (output){0};
    return status;
}

char *cli_output_take(output *out, size_t *bytes)
{
    char *text = checked(yyjson_mut_write(out->json, YYJSON_WRITE_INF_AND_NAN_AS_NULL, bytes));
    cli_output_drop(out, EXIT_DONE);
    return text;
}

int cli_output_print(output *out, int status)
{
    fclose(checked(out->text));
    out->text = NULL;
    if (out->json) {
        size_t length = 0;
        char *text =
            checked(yyjson_mut_write(out->json, YYJSON_WRITE_INF_AND_NAN_AS_NULL, &length));
        fwrite(text, 1, length, stdout);
        putchar('\n');
        free(text);
    } else {
        fwrite(out->buffer, 1, out->size, stdout);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        status = cli_fail(EXIT_INPUT, "standard output: %s", strerror(errno));
    return cli_output_drop(out, status);
}

/* Bytes of the well-formed UTF-8 sequence at `at` (RFC 3629), 0 if there is none. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char low, high, second_low, second_high, length;
    } forms[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (at[0] < forms[i].low || at[0] > forms[i].high)
            continue;
        size_t length = forms[i].length;
        if (length == 1)
            return 1;
        if (left < length || at[1] < forms[i].second_low || at[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < length; k++) {
            if ((at[k] & 0xC0) != 0x80)
                return 0;
        }
        return length;
    }
    return 0;
}

static yyjson_mut_val *text_value(output *out, const char *text, size_t bytes)
{
    char *clean = cli_alloc(bytes, 3);
    size_t length = 0;
    for (size_t i = 0; i < bytes;) {
        size_t step = utf8_length((const unsigned char *)text + i, bytes - i);
        memcpy(clean + length, step ? text + i : "\xEF\xBF\xBD", step ? step : 3);
        length += step ? step : 3;
        i += step ? step : 1;
    }
    yyjson_mut_val *value = checked(yyjson_mut_strncpy(out->json, clean, length));
    free(clean);
    return value;
}

static void put(output *out, yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *value)
{
    (void)out;
    yyjson_mut_obj_add(object, checked(key), checked(value));
}

static yyjson_mut_val *literal(output *out, const char *key)
{
    return yyjson_mut_str(out->json, key);
}

void cli_put_text(output *out, yyjson_mut_val *object, const char *key, const char *text)
{
    if (out->json)
        put(out, object, literal(out, key), text_value(out, text, strlen(text)));
}

void cli_put_number(output *out, yyjson_mut_val *object, const char *key, double value)
{
    if (!out->json)
        return;
    bool finite = isfinite(value);
    put(out, object, literal(out, key),
        finite ? yyjson_mut_real(out->json, value) : yyjson_mut_null(out->json));
}

void cli_put_count(output *out, yyjson_mut_val *object, const char *key, uint64_t value)
{
    if (out->json)
        put(out, object, literal(out, key), yyjson_mut_uint(out->json, value));
}

void cli_put_bool(output *out, yyjson_mut_val *object, const char *key, bool value)
{
    if (out->json)
        put(out, object, literal(out, key), yyjson_mut_bool(out->json, value));
}

void cli_put_null(output *out, yyjson_mut_val *object, const char *key)
{
    if (out->json)
        put(out, object, literal(out, key), yyjson_mut_null(out->json));
}

yyjson_mut_val *cli_put_array(output *out, yyjson_mut_val *object, const char *key)
{
    if (!out->json)
        return NULL;
    yyjson_mut_val *array = checked(yyjson_mut_arr(out->json));
    put(out, object, literal(out, key), array);
    return array;
}

yyjson_mut_val *cli_put_object(output *out, yyjson_mut_val *object, const char *key)
{
    if (!out->json)
        return NULL;
    yyjson_mut_val *value = checked(yyjson_mut_obj(out->json));
    put(out, object, literal(out, key), value);
    return value;
}

yyjson_mut_val *cli_add_object(output *out, yyjson_mut_val *array)
{
    return out->json ? checked(yyjson_mut_arr_add_obj(out->json, array)) : NULL;
}

yyjson_mut_val *cli_add_array(output *out, yyjson_mut_val *array)
{
    return out->json ? checked(yyjson_mut_arr_add_arr(out->json, array)) : NULL;
}

void cli_add_text(output *out, yyjson_mut_val *array, const char *text, size_t bytes)
{
    if (out->json)
        yyjson_mut_arr_append(array, text_value(out, text, bytes));
}

void cli_add_integer(output *out, yyjson_mut_val *array, int64_t value)
{
    if (out->json && !yyjson_mut_arr_add_int(out->json, array, value))
        checked(NULL);
}

void cli_add_float(output *out, yyjson_mut_val *array, float value)
{
    if (out->json && !yyjson_mut_arr_add_float(out->json, array, value))
        checked(NULL);
}

void cli_put_shape(output *out, yyjson_mut_val *object, const char *key, const int64_t *shape,
                   uint32_t rank)
{
    yyjson_mut_val *array = cli_put_array(out, object, key);
    for (uint32_t i = 0; i < rank; i++)
        cli_add_integer(out, array, shape[i]);
}

void cli_put_named_count(output *out, yyjson_mut_val *object, const char *key, uint64_t value)
{
    if (out->json)
        put(out, object, text_value(out, key, strlen(key)), yyjson_mut_uint(out->json, value));
}

void cli_put_named_number(output *out, yyjson_mut_val *object, const char *key, double value)
{
    if (out->json)
        put(out, object, text_value(out, key, strlen(key)), yyjson_mut_real(out->json, value));
}

yyjson_mut_val *cli_put_named_object(output *out, yyjson_mut_val *object, const char *key)
{
    if (!out->json)
        return NULL;
    yyjson_mut_val *value = checked(yyjson_mut_obj(out->json));
    put(out, object, text_value(out, key, strlen(key)), value);
    return value;
}

const char *cli_shape_text(const int64_t *shape, uint32_t rank, char text[192])
{
    size_t length = 0;
    text[length++] = '[';
    for (uint32_t i = 0; i < rank && i < BRINK_MAX_RANK; i++)
        length += (size_t)snprintf(text + length, 192 - length, "%s%lld", i ? ", " : "",
                                   (long long)shape[i]);
    snprintf(text + length, 192 - length, "]");
    return text;
}
