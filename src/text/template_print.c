/* template_print.c — a template's values as text: what {{ }} prints, Python's repr() and JSON. */
#include "text/template_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Python's repr(): the shortest digits that read back as the same number. */
void format_float(double d, char *out, size_t size)
{
    char digits[40];
    if (isnan(d) || isinf(d)) {
        snprintf(out, size, "%s", isnan(d) ? "nan" : d < 0 ? "-inf" : "inf");
        return;
    }
    int precision = 0;
    do
        snprintf(digits, sizeof digits, "%.*e", precision, d);
    while (strtod(digits, NULL) != d && ++precision < 17);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        *strchr(digits, 'e') = 0;
        snprintf(out, size, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
    } else {
        int behind = precision - exponent > 1 ? precision - exponent : 1;
        snprintf(out, size, "%.*f", behind, d);
    }
}

static brink_status put_string(buffer *out, const char *text)
{
    return buffer_append(out, text, strlen(text));
}

static brink_status put_scalar(const value *v, buffer *out)
{
    char text[48];
    switch (v->kind) {
    case VALUE_NONE:
        return put_string(out, "None");
    case VALUE_BOOL:
        return put_string(out, v->boolean ? "True" : "False");
    case VALUE_INTEGER:
        snprintf(text, sizeof text, "%lld", (long long)v->integer);
        break;
    case VALUE_FLOAT:
        format_float(v->number, text, sizeof text);
        break;
    case VALUE_UNDEFINED:
        return put_string(out, "Undefined");
    default:
        snprintf(text, sizeof text, "<%s>", value_type(v));
        break;
    }
    return put_string(out, text);
}

static brink_status repr_string(string s, buffer *out)
{
    char quote =
        memchr(s.text, '\'', s.size) != NULL && memchr(s.text, '"', s.size) == NULL ? '"' : '\'';
    TRY(buffer_append(out, &quote, 1));
    for (uint32_t i = 0; i < s.size;) {
        uint32_t from = i, code = utf8_next(s.text, &i);
        char text[16];
        if (code == (unsigned char)quote || code == '\\')
            snprintf(text, sizeof text, "\\%c", (int)code);
        else if (code == '\n' || code == '\r' || code == '\t')
            snprintf(text, sizeof text, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
        else if (code < 32 || code == 127 || (code >= 0x80 && code < 0xA1) || code == 0xAD)
            snprintf(text, sizeof text, "\\x%02x", code);
        else if (code != ' ' && (unicode_category(code) & (UNICODE_C | UNICODE_Z)) != 0)
            snprintf(text, sizeof text, code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
        else {
            TRY(buffer_append(out, s.text + from, i - from));
            continue;
        }
        TRY(put_string(out, text));
    }
    return buffer_append(out, &quote, 1);
}

static brink_status room(renderer *r, const buffer *out)
{
    return out->size > TEMPLATE_MAX_OUTPUT ? FAIL(r, "the text is too long") : BRINK_OK;
}

brink_status value_repr(renderer *r, const value *v, buffer *out, uint32_t depth)
{
    if (depth > TEMPLATE_MAX_DEPTH)
        return FAIL(r, "nested too deeply");
    TRY(room(r, out));
    if (v->kind == VALUE_STRING)
        return repr_string(v->s, out);
    if (v->kind == VALUE_LIST || v->kind == VALUE_TUPLE) {
        bool tuple = v->kind == VALUE_TUPLE;
        TRY(put_string(out, tuple ? "(" : "["));
        for (uint32_t i = 0; i < v->items->count; i++) {
            TRY(put_string(out, i ? ", " : ""));
            TRY(value_repr(r, &v->items->at[i], out, depth + 1));
        }
        return put_string(out, tuple ? (v->items->count == 1 ? ",)" : ")") : "]");
    }
    if (v->kind == VALUE_DICT) {
        TRY(put_string(out, "{"));
        for (uint32_t i = 0; i < v->members->count; i++) {
            TRY(put_string(out, i ? ", " : ""));
            TRY(value_repr(r, &v->members->keys[i], out, depth + 1));
            TRY(put_string(out, ": "));
            TRY(value_repr(r, &v->members->values[i], out, depth + 1));
        }
        return put_string(out, "}");
    }
    return put_scalar(v, out);
}

brink_status value_print(renderer *r, const value *v, buffer *out)
{
    TRY(room(r, out));
    if (v->kind == VALUE_STRING)
        return buffer_append(out, v->s.text, v->s.size);
    if (v->kind == VALUE_UNDEFINED)
        return BRINK_OK;
    return value_repr(r, v, out, 0);
}

static brink_status json_text(string s, buffer *out)
{
    TRY(put_string(out, "\""));
    for (uint32_t i = 0; i < s.size; i++) {
        unsigned char c = (unsigned char)s.text[i];
        static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
        const char *known = c != 0 ? strchr(from, c) : NULL;
        char text[8] = {(char)c, 0};
        uint32_t size = 1;
        if (known != NULL)
            size = (uint32_t)snprintf(text, sizeof text, "\\%c", to[known - from]);
        else if (c < 32)
            size = (uint32_t)snprintf(text, sizeof text, "\\u%04x", c);
        TRY(buffer_append(out, text, size));
    }
    return put_string(out, "\"");
}

static brink_status new_line(buffer *out, int indent, uint32_t depth)
{
    if (indent < 0)
        return BRINK_OK;
    TRY(put_string(out, "\n"));
    for (uint32_t i = 0; i < (uint32_t)indent * depth; i++)
        TRY(put_string(out, " "));
    return BRINK_OK;
}

static int by_key(const void *a, const void *b)
{
    const value *x = *(const value *const *)a, *y = *(const value *const *)b;
    uint32_t n = x->s.size < y->s.size ? x->s.size : y->s.size;
    int order = memcmp(x->s.text, y->s.text, n);
    return order != 0 ? order : (x->s.size > y->s.size) - (x->s.size < y->s.size);
}

static brink_status json_members(renderer *r, const dict *d, buffer *out, int indent,
                                 uint32_t depth, bool sort_keys, string items, string keys)
{
    const value **order = render_alloc(r, (d->count + 1ull) * sizeof *order);
    if (order == NULL)
        return render_failed(r);
    for (uint32_t i = 0; i < d->count; i++) {
        order[i] = &d->keys[i];
        if (d->keys[i].kind != VALUE_STRING)
            return FAIL(r, "tojson: keys must be strings");
    }
    if (sort_keys)
        qsort(order, d->count, sizeof *order, by_key);
    for (uint32_t i = 0; i < d->count; i++) {
        if (i != 0)
            TRY(buffer_append(out, items.text, items.size));
        TRY(new_line(out, indent, depth + 1));
        TRY(json_text(order[i]->s, out));
        TRY(buffer_append(out, keys.text, keys.size));
        TRY(value_json(r, &d->values[order[i] - d->keys], out, indent, depth + 1, sort_keys, items,
                       keys));
    }
    return d->count != 0 ? new_line(out, indent, depth) : BRINK_OK;
}

brink_status value_json(renderer *r, const value *v, buffer *out, int indent, uint32_t depth,
                        bool sort_keys, string items, string keys)
{
    if (depth > TEMPLATE_MAX_DEPTH)
        return FAIL(r, "nested too deeply");
    TRY(room(r, out));
    switch (v->kind) {
    case VALUE_NONE:
        return put_string(out, "null");
    case VALUE_BOOL:
        return put_string(out, v->boolean ? "true" : "false");
    case VALUE_INTEGER:
        return put_scalar(v, out);
    case VALUE_FLOAT:
        if (isnan(v->number) || isinf(v->number))
            return put_string(out, isnan(v->number) ? "NaN"
                                   : v->number < 0  ? "-Infinity"
                                                    : "Infinity");
        return put_scalar(v, out);
    case VALUE_STRING:
        return json_text(v->s, out);
    case VALUE_LIST:
    case VALUE_TUPLE:
        TRY(put_string(out, "["));
        for (uint32_t i = 0; i < v->items->count; i++) {
            if (i != 0)
                TRY(buffer_append(out, items.text, items.size));
            TRY(new_line(out, indent, depth + 1));
            TRY(value_json(r, &v->items->at[i], out, indent, depth + 1, sort_keys, items, keys));
        }
        if (v->items->count != 0)
            TRY(new_line(out, indent, depth));
        return put_string(out, "]");
    case VALUE_DICT:
        TRY(put_string(out, "{"));
        TRY(json_members(r, v->members, out, indent, depth, sort_keys, items, keys));
        return put_string(out, "}");
    default:
        return FAIL(r, "tojson: a value of type %s has no JSON", value_type(v));
    }
}
