/* template_filters.c — the filters and tests of Jinja that chat templates use. */
#include "text/template_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <math.h>
#include <stdlib.h>

typedef brink_status filter_fn(renderer *r, const value *v, const arguments *args, value *out);

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

static brink_status do_lower(renderer *r, const value *v, const arguments *args, value *out)
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
    const value *otherwise = argument(args, 0, "default_value"), *falsy = argument(args, 1, "boolean");
    (void)r;
    bool use = v->kind == VALUE_UNDEFINED || (falsy != NULL && value_truth(falsy) && !value_truth(v));
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

static brink_status do_list(renderer *r, const value *v, const arguments *args, value *out)
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

static brink_status do_items(renderer *r, const value *v, const arguments *args, value *out)
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
    double x, scale = pow(10, digits != NULL && digits->kind == VALUE_INTEGER ? (double)digits->integer : 0);
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
                        indent->integer < 64 ? (int)indent->integer : -1;
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
    brink_status status = value_json(r, v, &made, width, 0, sort != NULL && value_truth(sort), items, keys);
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
                            (c != '\n' || (blank != NULL && value_truth(blank))); k++)
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

/* a.b.c of an item. */
static brink_status path(renderer *r, const value *v, string name, value *out)
{
    *out = *v;
    for (uint32_t from = 0; from <= name.size;) {
        uint32_t to = from;
        while (to < name.size && name.text[to] != '.')
            to++;
        value key = {.kind = VALUE_STRING, .s = {name.text + from, to - from}}, next;
        TRY(get_item(r, out, &key, &next));
        *out = next;
        from = to + 1;
    }
    return BRINK_OK;
}

static arguments behind(const arguments *args, uint32_t skip)
{
    arguments rest = {0};
    for (uint32_t i = skip; i < args->count; i++) {
        rest.at[rest.count] = args->at[i];
        rest.names[rest.count++] = args->names[i];
    }
    return rest;
}

/* select, reject, selectattr, rejectattr: items whose test holds, or does not. */
static brink_status choose(renderer *r, const value *v, const arguments *args, bool attribute,
                           bool want, value *out)
{
    list *items;
    uint32_t skip = attribute ? 1 : 0;
    TRY(value_items(r, v, &items));
    TRY(list_new(r, VALUE_LIST, out));
    for (uint32_t i = 0; i < args->count; i++)
        if (i <= skip && args->at[i].kind != VALUE_STRING)
            return FAIL(r, "a name expected");
    if (args->count < skip)
        return FAIL(r, "the name of an attribute expected");
    for (uint32_t i = 0; i < items->count; i++) {
        value one = items->at[i];
        bool held;
        if (attribute)
            TRY(path(r, &items->at[i], args->at[0].s, &one));
        if (args->count > skip) {
            arguments rest = behind(args, skip + 1);
            TRY(apply_test(r, args->at[skip].s, &one, &rest, &held));
        } else {
            held = value_truth(&one);
        }
        if (held == want)
            TRY(list_add(r, out->items, items->at[i]));
    }
    return BRINK_OK;
}

static brink_status do_select(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, false, true, out);
}

static brink_status do_reject(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, false, false, out);
}

static brink_status do_selectattr(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, true, true, out);
}

static brink_status do_rejectattr(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, true, false, out);
}

static brink_status do_map(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *name = NULL, *otherwise = argument(args, 99, "default");
    list *items;
    for (uint32_t i = 0; i < args->count; i++)
        if (args->names[i].text != NULL && string_is(args->names[i], "attribute"))
            name = &args->at[i];
    if (name == NULL && (args->count == 0 || args->at[0].kind != VALUE_STRING))
        return FAIL(r, "map: a filter or an attribute expected");
    TRY(value_items(r, v, &items));
    TRY(list_new(r, VALUE_LIST, out));
    for (uint32_t i = 0; i < items->count; i++) {
        value one;
        arguments rest = behind(args, 1);
        if (name == NULL)
            TRY(apply_filter(r, args->at[0].s, &items->at[i], &rest, &one));
        else if (name->kind == VALUE_STRING)
            TRY(path(r, &items->at[i], name->s, &one));
        else
            TRY(get_item(r, &items->at[i], name, &one));
        if (one.kind == VALUE_UNDEFINED && otherwise != NULL)
            one = *otherwise;
        TRY(list_add(r, out->items, one));
    }
    return BRINK_OK;
}

static brink_status lower_if(renderer *r, bool fold, value *v)
{
    value text = *v;
    return fold && v->kind == VALUE_STRING ? do_lower(r, &text, &(arguments){0}, v) : BRINK_OK;
}

/* sort and dictsort: a stable merge sort on a key. */
static brink_status sort_pairs(renderer *r, value *keys, value *items, uint32_t n, bool reverse)
{
    value *spare_keys = render_alloc(r, (n + 1ull) * sizeof *keys);
    value *spare_items = render_alloc(r, (n + 1ull) * sizeof *keys);
    if (spare_keys == NULL || spare_items == NULL)
        return render_failed(r);
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t from = 0; from < n; from += 2 * width) {
            uint32_t middle = from + width < n ? from + width : n;
            uint32_t end = middle + width < n ? middle + width : n, a = from, b = middle;
            for (uint32_t i = from; i < end; i++) {
                int order = 0;
                if (a < middle && b < end)
                    TRY(value_compare(r, &keys[b], &keys[a], &order));
                bool left = b >= end || (a < middle && (reverse ? order <= 0 : order >= 0));
                uint32_t taken = left ? a++ : b++;
                spare_keys[i] = keys[taken];
                spare_items[i] = items[taken];
            }
        }
        memcpy(keys, spare_keys, n * sizeof *keys);
        memcpy(items, spare_items, n * sizeof *items);
    }
    r->steps += n;
    return BRINK_OK;
}

static brink_status do_sort(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *reverse = argument(args, 0, "reverse"), *exact = argument(args, 1, "case_sensitive");
    const value *name = argument(args, 2, "attribute");
    value keys;
    TRY(do_list(r, v, args, out));
    TRY(list_new(r, VALUE_LIST, &keys));
    for (uint32_t i = 0; i < out->items->count; i++) {
        value key = out->items->at[i];
        if (name != NULL && name->kind == VALUE_STRING)
            TRY(path(r, &out->items->at[i], name->s, &key));
        TRY(lower_if(r, exact == NULL || !value_truth(exact), &key));
        TRY(list_add(r, keys.items, key));
    }
    return sort_pairs(r, keys.items->at, out->items->at, out->items->count,
                      reverse != NULL && value_truth(reverse));
}

static brink_status do_dictsort(renderer *r, const value *v, const arguments *args, value *out)
{
    value keys;
    TRY(do_items(r, v, &(arguments){0}, out));
    TRY(list_new(r, VALUE_LIST, &keys));
    const value *exact = argument(args, 0, "case_sensitive"), *reverse = argument(args, 2, "reverse");
    for (uint32_t i = 0; i < out->items->count; i++) {
        value key = out->items->at[i].items->at[0];
        TRY(lower_if(r, exact == NULL || !value_truth(exact), &key));
        TRY(list_add(r, keys.items, key));
    }
    return sort_pairs(r, keys.items->at, out->items->at, out->items->count,
                      reverse != NULL && value_truth(reverse));
}

static brink_status do_unique(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    value seen;
    (void)args;
    TRY(value_items(r, v, &items));
    TRY(list_new(r, VALUE_LIST, out));
    TRY(list_new(r, VALUE_LIST, &seen));
    for (uint32_t i = 0; i < items->count; i++) {
        value key = items->at[i];
        bool there;
        TRY(lower_if(r, true, &key));
        TRY(contains(r, &seen, &key, &there));
        r->steps += i / 8;
        if (there)
            continue;
        TRY(list_add(r, seen.items, key));
        TRY(list_add(r, out->items, items->at[i]));
    }
    return BRINK_OK;
}

static brink_status extreme(renderer *r, const value *v, int sign, value *out)
{
    list *items;
    TRY(value_items(r, v, &items));
    *out = value_undefined((string){"the smallest or largest item", 28});
    for (uint32_t i = 0; i < items->count; i++) {
        int order = sign;
        if (i != 0)
            TRY(value_compare(r, &items->at[i], out, &order));
        if (order == sign)
            *out = items->at[i];
    }
    return BRINK_OK;
}

static brink_status do_min(renderer *r, const value *v, const arguments *args, value *out)
{
    (void)args;
    return extreme(r, v, -1, out);
}

static brink_status do_max(renderer *r, const value *v, const arguments *args, value *out)
{
    (void)args;
    return extreme(r, v, 1, out);
}

static brink_status do_sum(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    (void)args;
    TRY(value_items(r, v, &items));
    *out = value_integer(0);
    for (uint32_t i = 0; i < items->count; i++) {
        value before = *out;
        TRY(binary(r, OPERATOR_ADD, &before, &items->at[i], out));
    }
    return BRINK_OK;
}

static const struct {
    const char *name;
    filter_fn *run;
} filters[] = {
    {"abs", do_abs}, {"capitalize", do_capitalize}, {"count", do_length}, {"d", do_default},
    {"default", do_default}, {"dictsort", do_dictsort}, {"first", do_first}, {"float", do_float},
    {"indent", do_indent}, {"int", do_int}, {"items", do_items}, {"join", do_join},
    {"last", do_last}, {"length", do_length}, {"list", do_list}, {"lower", do_lower},
    {"map", do_map}, {"max", do_max}, {"min", do_min}, {"reject", do_reject},
    {"rejectattr", do_rejectattr}, {"replace", do_replace}, {"reverse", do_reverse},
    {"round", do_round}, {"safe", do_same}, {"select", do_select}, {"selectattr", do_selectattr},
    {"sort", do_sort}, {"string", do_string}, {"sum", do_sum}, {"title", do_title},
    {"tojson", do_tojson}, {"trim", do_trim}, {"unique", do_unique}, {"upper", do_upper},
};

brink_status apply_filter(renderer *r, string name, const value *v, const arguments *args, value *out)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (string_is(name, filters[i].name))
            return filters[i].run(r, v, args, out);
    return template_fail(r->context, r->source->name, r->line, BRINK_UNSUPPORTED,
                         "filter \"%.*s\" is not supported", (int)(name.size < 60 ? name.size : 60), name.text);
}

/* ── Tests ── */

static brink_status compare_test(renderer *r, string name, const value *v, const value *other, bool *known,
                                 bool *out)
{
    static const struct {
        const char *name;
        operator_kind op;
    } names[] = {
        {"==", OPERATOR_EQUAL}, {"eq", OPERATOR_EQUAL}, {"equalto", OPERATOR_EQUAL},
        {"!=", OPERATOR_NOT_EQUAL}, {"ne", OPERATOR_NOT_EQUAL}, {"<", OPERATOR_LESS},
        {"lt", OPERATOR_LESS}, {"lessthan", OPERATOR_LESS}, {"<=", OPERATOR_LESS_EQUAL},
        {"le", OPERATOR_LESS_EQUAL}, {">", OPERATOR_GREATER}, {"gt", OPERATOR_GREATER},
        {"greaterthan", OPERATOR_GREATER}, {">=", OPERATOR_GREATER_EQUAL},
        {"ge", OPERATOR_GREATER_EQUAL}, {"in", OPERATOR_IN},
    };
    value held;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (string_is(name, names[i].name)) {
            *known = true;
            if (other == NULL)
                return FAIL(r, "test \"%s\" needs an argument", names[i].name);
            TRY(binary(r, names[i].op, v, other, &held));
            *out = held.boolean;
        }
    return BRINK_OK;
}

static bool is_case(const value *v, bool upper)
{
    bool cased = false;
    for (uint32_t i = 0; v->kind == VALUE_STRING && i < v->s.size;) {
        uint32_t category = unicode_category(utf8_next(v->s.text, &i));
        if ((category & (upper ? UNICODE_LL | UNICODE_LT : UNICODE_LU | UNICODE_LT)) != 0)
            return false;
        cased |= (category & (upper ? UNICODE_LU : UNICODE_LL)) != 0;
    }
    return cased;
}

brink_status apply_test(renderer *r, string name, const value *v, const arguments *args, bool *out)
{
    const value *other = argument(args, 0, "value");
    value_kind k = v->kind;
    bool known = false;
    double x;
    TRY(compare_test(r, name, v, other, &known, out));
    if (known)
        return BRINK_OK;
    bool number = k == VALUE_INTEGER || k == VALUE_FLOAT || k == VALUE_BOOL;
    bool sequence = k == VALUE_LIST || k == VALUE_TUPLE || k == VALUE_STRING || k == VALUE_DICT;
    if (string_is(name, "defined")) *out = k != VALUE_UNDEFINED;
    else if (string_is(name, "undefined")) *out = k == VALUE_UNDEFINED;
    else if (string_is(name, "none")) *out = k == VALUE_NONE;
    else if (string_is(name, "string")) *out = k == VALUE_STRING;
    else if (string_is(name, "mapping")) *out = k == VALUE_DICT;
    else if (string_is(name, "iterable")) *out = sequence || k == VALUE_UNDEFINED;
    else if (string_is(name, "sequence")) *out = sequence || k == VALUE_UNDEFINED;
    else if (string_is(name, "number")) *out = number;
    else if (string_is(name, "integer")) *out = k == VALUE_INTEGER;
    else if (string_is(name, "float")) *out = k == VALUE_FLOAT;
    else if (string_is(name, "boolean")) *out = k == VALUE_BOOL;
    else if (string_is(name, "true")) *out = k == VALUE_BOOL && v->boolean;
    else if (string_is(name, "false")) *out = k == VALUE_BOOL && !v->boolean;
    else if (string_is(name, "callable"))
        *out = k == VALUE_MACRO || k == VALUE_FUNCTION || k == VALUE_METHOD;
    else if (string_is(name, "lower")) *out = is_case(v, false);
    else if (string_is(name, "upper")) *out = is_case(v, true);
    else if (string_is(name, "sameas") && other != NULL)
        *out = other->kind == k && value_equal(v, other, 0);
    else if ((string_is(name, "odd") || string_is(name, "even")) && value_number(v, &x))
        *out = (fmod(x, 2) != 0) == string_is(name, "odd");
    else if (string_is(name, "divisibleby") && k == VALUE_INTEGER && other != NULL &&
             other->kind == VALUE_INTEGER && other->integer > 0)
        *out = v->integer % other->integer == 0;
    else
        return template_fail(r->context, r->source->name, r->line, BRINK_UNSUPPORTED,
                             "test \"%.*s\" is not supported here", (int)(name.size < 60 ? name.size : 60),
                             name.text);
    return BRINK_OK;
}
