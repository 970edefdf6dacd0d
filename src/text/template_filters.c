/* template_filters.c — the filters of Jinja that chat templates use; those that go over items are in
   template_sequences.c. */
#include "text/template_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <math.h>
#include <stdlib.h>

static brink_status as_text(renderer *r, const value *v, value *out)
{
    if (v->kind == VALUE_STRING) {
        *out = *v;
        return BRINK_OK;
    }
    buffer text = {.context = r->context};
    brink_status status = value_print(r, v, &text);
    if (status == BRINK_OK)
        return buffer_to_string(r, &text, out);
    buffer_free(&text);
    return status;
}

/* Filters that are the string method of the same name on the value as text. */
static brink_status by_method(renderer *r, const char *name, const value *v, const arguments *args,
                              value *out)
{
    method m = {.name = {name, (uint32_t)strlen(name)}};
    TRY(as_text(r, v, &m.self));
    return call_method(r, &m, args, out);
}

static brink_status do_trim(renderer *r, const value *v, const arguments *args, value *out)
{
    return by_method(r, "strip", v, args, out);
}

static brink_status do_upper(renderer *r, const value *v, const arguments *args, value *out)
{
    return by_method(r, "upper", v, args, out);
}

brink_status filter_lower(renderer *r, const value *v, const arguments *args, value *out)
{
    return by_method(r, "lower", v, args, out);
}

static brink_status do_capitalize(renderer *r, const value *v, const arguments *args, value *out)
{
    return by_method(r, "capitalize", v, args, out);
}

static brink_status do_replace(renderer *r, const value *v, const arguments *args, value *out)
{
    return by_method(r, "replace", v, args, out);
}

/* Jinja's title splits at blanks, -, (, {, [ and < and keeps them, unlike str.title(). */
static brink_status do_title(renderer *r, const value *v, const arguments *args, value *out)
{
    value text;
    buffer made = {.context = r->context};
    bool start = true;
    brink_status status = BRINK_OK;
    (void)args;
    TRY(as_text(r, v, &text));
    for (uint32_t i = 0; i < text.s.size && status == BRINK_OK;) {
        uint32_t code = utf8_next(text.s.text, &i);
        status = start ? unicode_put_upper(&made, code) : unicode_put_lower(&made, code);
        start = unicode_is_space(code) || (code < 0x80 && code != 0 && strchr("-({[<", (int)code));
    }
    if (status == BRINK_OK)
        return buffer_to_string(r, &made, out);
    buffer_free(&made);
    return status;
}

static brink_status do_string(renderer *r, const value *v, const arguments *args, value *out)
{
    (void)args;
    return as_text(r, v, out);
}

static brink_status do_same(renderer *r, const value *v, const arguments *args, value *out)
{
    (void)r;
    (void)args;
    *out = *v;
    return BRINK_OK;
}

static brink_status do_length(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    (void)args;
    if (v->kind == VALUE_NAMESPACE || v->kind == VALUE_DICT) {
        *out = value_integer(v->members->count);
        return BRINK_OK;
    }
    TRY(value_items(r, v, &items));
    *out = value_integer(items->count);
    return BRINK_OK;
}

static brink_status do_default(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *otherwise = argument(args, 0, "default_value"),
                *falsy = argument(args, 1, "boolean");
    (void)r;
    bool use =
        v->kind == VALUE_UNDEFINED || (falsy != NULL && value_truth(falsy) && !value_truth(v));
    *out = !use ? *v : otherwise != NULL ? *otherwise : value_text("");
    return BRINK_OK;
}

static brink_status do_join(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *between = argument(args, 0, "d"), *name = argument(args, 1, "attribute");
    list *items;
    buffer made = {.context = r->context};
    brink_status status = BRINK_OK;
    TRY(value_items(r, v, &items));
    for (uint32_t i = 0; i < items->count && status == BRINK_OK; i++) {
        value one = items->at[i];
        if (name != NULL && name->kind == VALUE_STRING)
            status = get_item(r, &items->at[i], name, &one);
        if (status == BRINK_OK && i != 0 && between != NULL)
            status = value_print(r, between, &made);
        if (status == BRINK_OK)
            status = value_print(r, &one, &made);
    }
    if (status == BRINK_OK)
        return buffer_to_string(r, &made, out);
    buffer_free(&made);
    return status;
}

static brink_status do_first(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    (void)args;
    TRY(value_items(r, v, &items));
    *out = items->count ? items->at[0] : value_undefined((string){"first", 5});
    return BRINK_OK;
}

static brink_status do_last(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    (void)args;
    TRY(value_items(r, v, &items));
    *out = items->count ? items->at[items->count - 1] : value_undefined((string){"last", 4});
    return BRINK_OK;
}

brink_status filter_list(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    (void)args;
    TRY(value_items(r, v, &items));
    TRY(list_new(r, VALUE_LIST, out));
    for (uint32_t i = 0; i < items->count; i++)
        TRY(list_add(r, out->items, items->at[i]));
    return BRINK_OK;
}

static brink_status do_reverse(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    (void)args;
    TRY(value_items(r, v, &items));
    if (v->kind == VALUE_STRING) {
        buffer made = {.context = r->context};
        for (uint32_t i = items->count; i-- > 0;)
            if (buffer_append(&made, items->at[i].s.text, items->at[i].s.size) != BRINK_OK) {
                buffer_free(&made);
                return BRINK_OUT_OF_MEMORY;
            }
        return buffer_to_string(r, &made, out);
    }
    TRY(list_new(r, VALUE_LIST, out));
    for (uint32_t i = items->count; i-- > 0;)
        TRY(list_add(r, out->items, items->at[i]));
    return BRINK_OK;
}

brink_status filter_items(renderer *r, const value *v, const arguments *args, value *out)
{
    if (v->kind == VALUE_UNDEFINED)
        return list_new(r, VALUE_LIST, out);
    if (v->kind != VALUE_DICT)
        return FAIL(r, "items: a mapping expected, not %s", value_type(v));
    return call_method(r, &(method){*v, {"items", 5}}, args, out);
}

static brink_status do_int(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *otherwise = argument(args, 0, "default");
    double x;
    *out = otherwise != NULL ? *otherwise : value_integer(0);
    if (v->kind == VALUE_STRING) {
        char *text, *end;
        TRY(by_method(r, "strip", v, &(arguments){0}, out));
        text = (char *)(uintptr_t)out->s.text;
        buffer copy = {.context = r->context};
        TRY(buffer_append(&copy, text, out->s.size));
        TRY(buffer_append(&copy, "", 1));
        *out = otherwise != NULL ? *otherwise : value_integer(0);
        long long whole = strtoll(copy.data, &end, 10);
        if (end != copy.data && *end == 0)
            *out = value_integer(whole);
        else if ((x = strtod(copy.data, &end), end != copy.data && *end == 0 && fabs(x) < 9e18))
            *out = value_integer((int64_t)x);
        buffer_free(&copy);
    } else if (value_number(v, &x) && fabs(x) < 9e18) {
        *out = v->kind == VALUE_INTEGER ? *v : value_integer((int64_t)x);
    }
    return BRINK_OK;
}

static brink_status do_float(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *otherwise = argument(args, 0, "default");
    double x;
    char text[64], *end;
    (void)r;
    *out = otherwise != NULL ? *otherwise : value_float(0);
    if (v->kind == VALUE_STRING && v->s.size > 0 && v->s.size < sizeof text) {
        memcpy(text, v->s.text, v->s.size);
        text[v->s.size] = 0;
        x = strtod(text, &end);
        if (end != text && *end == 0)
            *out = value_float(x);
    } else if (value_number(v, &x)) {
        *out = value_float(x);
    }
    return BRINK_OK;
}

static brink_status do_abs(renderer *r, const value *v, const arguments *args, value *out)
{
    (void)args;
    if (v->kind == VALUE_FLOAT)
        *out = value_float(fabs(v->number));
    else if (v->kind == VALUE_INTEGER && v->integer > INT64_MIN)
        *out = value_integer(v->integer < 0 ? -v->integer : v->integer);
    else
        return FAIL(r, "abs: a number expected, not %s", value_type(v));
    return BRINK_OK;
}

static brink_status do_round(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *digits = argument(args, 0, "precision");
    double x,
        scale =
            pow(10, digits != NULL && digits->kind == VALUE_INTEGER ? (double)digits->integer : 0);
    if (!value_number(v, &x))
        return FAIL(r, "round: a number expected, not %s", value_type(v));
    *out = value_float(nearbyint(x * scale) / scale);
    return BRINK_OK;
}

static brink_status do_tojson(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *indent = argument(args, 1, "indent"), *sort = argument(args, 3, "sort_keys");
    const value *separators = argument(args, 2, "separators");
    int width = indent != NULL && indent->kind == VALUE_INTEGER && indent->integer >= 0 &&
                        indent->integer < 64
                    ? (int)indent->integer
                    : -1;
    string items = {width < 0 ? ", " : ",", width < 0 ? 2 : 1}, keys = {": ", 2};
    if (separators != NULL && (separators->kind == VALUE_TUPLE || separators->kind == VALUE_LIST) &&
        separators->items->count == 2 && separators->items->at[0].kind == VALUE_STRING &&
        separators->items->at[1].kind == VALUE_STRING) {
        items = separators->items->at[0].s;
        keys = separators->items->at[1].s;
    }
    const value *ascii = argument(args, 0, "ensure_ascii");
    if (ascii != NULL && value_truth(ascii))
        return FAIL(r, "tojson: ensure_ascii is not supported");
    buffer made = {.context = r->context};
    brink_status status =
        value_json(r, v, &made, width, 0, sort != NULL && value_truth(sort), items, keys);
    if (status == BRINK_OK)
        return buffer_to_string(r, &made, out);
    buffer_free(&made);
    return status;
}

static brink_status do_indent(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *width = argument(args, 0, "width"), *first = argument(args, 1, "first");
    const value *blank = argument(args, 2, "blank");
    int64_t n = width != NULL && width->kind == VALUE_INTEGER ? width->integer : 4;
    value text;
    buffer made = {.context = r->context};
    brink_status status = BRINK_OK;
    TRY(as_text(r, v, &text));
    if (n < 0 || n > 100)
        return FAIL(r, "indent: a width from 0 to 100 expected");
    bool at_start = first != NULL && value_truth(first);
    for (uint32_t i = 0; i < text.s.size && status == BRINK_OK; i++) {
        char c = text.s.text[i];
        for (int64_t k = 0; at_start && k < n && status == BRINK_OK &&
                            (c != '\n' || (blank != NULL && value_truth(blank)));
             k++)
            status = buffer_append(&made, " ", 1);
        at_start = c == '\n';
        if (status == BRINK_OK)
            status = buffer_append(&made, &c, 1);
    }
    if (status == BRINK_OK)
        return buffer_to_string(r, &made, out);
    buffer_free(&made);
    return status;
}

static const struct {
    const char *name;
    filter_fn *run;
} filters[] = {
    {"abs", do_abs},           {"capitalize", do_capitalize}, {"count", do_length},
    {"d", do_default},         {"default", do_default},       {"dictsort", filter_dictsort},
    {"first", do_first},       {"float", do_float},           {"indent", do_indent},
    {"int", do_int},           {"items", filter_items},       {"join", do_join},
    {"last", do_last},         {"length", do_length},         {"list", filter_list},
    {"lower", filter_lower},   {"map", filter_map},           {"max", filter_max},
    {"min", filter_min},       {"reject", filter_reject},     {"rejectattr", filter_rejectattr},
    {"replace", do_replace},   {"reverse", do_reverse},       {"round", do_round},
    {"safe", do_same},         {"select", filter_select},     {"selectattr", filter_selectattr},
    {"sort", filter_sort},     {"string", do_string},         {"sum", filter_sum},
    {"title", do_title},       {"tojson", do_tojson},         {"trim", do_trim},
    {"unique", filter_unique}, {"upper", do_upper},
};

brink_status apply_filter(renderer *r, string name, const value *v, const arguments *args,
                          value *out)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (string_is(name, filters[i].name))
            return filters[i].run(r, v, args, out);
    return template_fail(r->context, r->source->name, r->line, BRINK_UNSUPPORTED,
                         "filter \"%.*s\" is not supported", (int)(name.size < 60 ? name.size : 60),
                         name.text);
}
