/* template_methods.c — methods of Python's str, dict and list that chat templates call. */
#include "text/template_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

static const char *const string_methods[] = {
    "strip",    "lstrip",  "rstrip",  "split",        "rsplit",       "splitlines", "startswith",
    "endswith", "upper",   "lower",   "title",        "capitalize",   "replace",    "join",
    "find",     "count",   "format",  "removeprefix", "removesuffix", "isdigit",    "isalpha",
    "isspace",  "isupper", "islower", "rfind",        "index"};
static const char *const dict_methods[] = {"get", "items", "keys", "values", "copy"};
static const char *const list_methods[] = {"index", "count", "append", "copy"};

static bool among(string name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (string_is(name, names[i]))
            return true;
    return false;
}

bool has_method(const value *v, string name)
{
    switch (v->kind) {
    case VALUE_STRING:
        return among(name, string_methods, sizeof string_methods / sizeof *string_methods);
    case VALUE_DICT:
        return among(name, dict_methods, sizeof dict_methods / sizeof *dict_methods);
    case VALUE_LIST:
        return among(name, list_methods, sizeof list_methods / sizeof *list_methods);
    case VALUE_LOOP:
        return string_is(name, "cycle") || string_is(name, "changed");
    default:
        return false;
    }
}

static value part(string s, uint32_t from, uint32_t to)
{
    return (value){.kind = VALUE_STRING, .s = {s.text + from, to - from}};
}

/* Whether a character is to be stripped: one of `set`, or white space where there is no set. */
static bool stripped(const value *set, const char *text, uint32_t from, uint32_t to)
{
    if (set == NULL || set->kind != VALUE_STRING) {
        uint32_t code = utf8_next(text, &from);
        return unicode_is_space(code) || (code >= 0x1C && code <= 0x1F);
    }
    for (uint32_t i = 0; i < set->s.size;) {
        uint32_t start = i;
        i += utf8_width(set->s.text[i]);
        if (i - start == to - from && memcmp(set->s.text + start, text + from, to - from) == 0)
            return true;
    }
    return false;
}

static value strip(string s, const value *set, bool left, bool right)
{
    uint32_t from = 0, to = s.size;
    while (left && from < to && stripped(set, s.text, from, from + utf8_width(s.text[from])))
        from += utf8_width(s.text[from]);
    while (right && to > from && stripped(set, s.text, utf8_before(s.text, to), to))
        to = utf8_before(s.text, to);
    return part(s, from, to);
}

/* Offset of `what` at `from` or behind, or the size + 1. */
static uint32_t find(string s, string what, uint32_t from)
{
    for (uint32_t i = from; i + (uint64_t)what.size <= s.size; i++)
        if (memcmp(s.text + i, what.text, what.size) == 0)
            return i;
    return s.size + 1;
}

static brink_status split_blanks(renderer *r, string s, int64_t most, list *out)
{
    uint32_t i = 0;
    for (;;) {
        while (i < s.size && stripped(NULL, s.text, i, 0))
            i += utf8_width(s.text[i]);
        if (i >= s.size)
            return BRINK_OK;
        uint32_t from = i;
        if (most >= 0 && out->count >= (uint64_t)most) {
            value rest = strip(part(s, from, s.size).s, NULL, false, true);
            return list_add(r, out, rest);
        }
        while (i < s.size && !stripped(NULL, s.text, i, 0))
            i += utf8_width(s.text[i]);
        TRY(list_add(r, out, part(s, from, i)));
    }
}

static brink_status split(renderer *r, string s, const arguments *args, bool from_right, value *out)
{
    const value *by = argument(args, 0, "sep"), *limit = argument(args, 1, "maxsplit");
    int64_t most = limit != NULL && limit->kind == VALUE_INTEGER ? limit->integer : -1;
    TRY(list_new(r, VALUE_LIST, out));
    if (by == NULL || by->kind == VALUE_NONE)
        return from_right && most >= 0 ? FAIL(r, "rsplit without a separator is not supported")
                                       : split_blanks(r, s, most, out->items);
    if (by->kind != VALUE_STRING || by->s.size == 0)
        return FAIL(r, "split: a separator expected");
    uint32_t from = 0, pieces = 0, skip = 0;
    if (from_right && most >= 0) { /* the first separators stay in the first piece */
        for (uint32_t i = 0; (i = find(s, by->s, i)) <= s.size; i += by->s.size)
            pieces++;
        skip = pieces > most ? pieces - (uint32_t)most : 0;
        most = -1;
    }
    for (uint32_t at = 0; most < 0 || out->items->count < (uint64_t)most;) {
        at = find(s, by->s, at);
        if (at > s.size)
            break;
        if (skip > 0) {
            skip--;
        } else {
            TRY(list_add(r, out->items, part(s, from, at)));
            from = at + by->s.size;
        }
        at += by->s.size;
    }
    return list_add(r, out->items, part(s, from, s.size));
}

static brink_status split_lines(renderer *r, string s, value *out)
{
    TRY(list_new(r, VALUE_LIST, out));
    for (uint32_t i = 0; i < s.size;) {
        uint32_t from = i;
        while (i < s.size && s.text[i] != '\n' && s.text[i] != '\r')
            i++;
        TRY(list_add(r, out->items, part(s, from, i)));
        i += i + 1 < s.size && s.text[i] == '\r' && s.text[i + 1] == '\n' ? 2 : 1;
    }
    return BRINK_OK;
}

static bool has_affix(string s, string affix, bool end)
{
    return affix.size <= s.size &&
           memcmp(s.text + (end ? s.size - affix.size : 0), affix.text, affix.size) == 0;
}

/* startswith and endswith take a text or a tuple of them. */
static brink_status affix(renderer *r, string s, const value *what, bool end, value *out)
{
    *out = value_bool(false);
    if (what != NULL && what->kind == VALUE_STRING) {
        *out = value_bool(has_affix(s, what->s, end));
        return BRINK_OK;
    }
    if (what == NULL || what->kind != VALUE_TUPLE)
        return FAIL(r, "a string or a tuple of strings expected");
    for (uint32_t i = 0; i < what->items->count; i++)
        if (what->items->at[i].kind == VALUE_STRING && has_affix(s, what->items->at[i].s, end))
            *out = value_bool(true);
    return BRINK_OK;
}

typedef enum letter_case { CASE_LOWER, CASE_UPPER, CASE_TITLE, CASE_CAPITAL } letter_case;

static brink_status change_case(renderer *r, string s, letter_case to, value *out)
{
    buffer made = {.context = r->context};
    brink_status status = BRINK_OK;
    bool start = true;
    for (uint32_t i = 0; i < s.size && status == BRINK_OK;) {
        uint32_t code = utf8_next(s.text, &i);
        bool high = to == CASE_UPPER || (to != CASE_LOWER && start);
        if (high && to != CASE_UPPER)
            status = buffer_put(&made, unicode_title(code));
        else
            status = high ? unicode_put_upper(&made, code) : unicode_put_lower(&made, code);
        start = to == CASE_TITLE &&
                (unicode_category(code) & (UNICODE_LU | UNICODE_LL | UNICODE_LT)) == 0;
    }
    if (status == BRINK_OK)
        return buffer_to_string(r, &made, out);
    buffer_free(&made);
    return status;
}

static brink_status replace(renderer *r, string s, const arguments *args, value *out)
{
    const value *old = argument(args, 0, "old"), *new_ = argument(args, 1, "new");
    const value *limit = argument(args, 2, "count");
    if (old == NULL || new_ == NULL || old->kind != VALUE_STRING || new_->kind != VALUE_STRING)
        return FAIL(r, "replace takes two strings");
    int64_t left = limit != NULL && limit->kind == VALUE_INTEGER ? limit->integer : -1;
    buffer made = {.context = r->context};
    brink_status status = BRINK_OK;
    uint32_t from = 0;
    if (old->s.size == 0)
        return FAIL(r, "replace of an empty string is not supported");
    for (uint32_t at; left != 0 && status == BRINK_OK && (at = find(s, old->s, from)) <= s.size;
         left--) {
        status = buffer_append(&made, s.text + from, at - from);
        if (status == BRINK_OK)
            status = buffer_append(&made, new_->s.text, new_->s.size);
        if (status == BRINK_OK && made.size > TEMPLATE_MAX_OUTPUT)
            status = FAIL(r, "a string is too long");
        from = at + old->s.size;
    }
    if (status == BRINK_OK)
        status = buffer_append(&made, s.text + from, s.size - from);
    if (status == BRINK_OK)
        return buffer_to_string(r, &made, out);
    buffer_free(&made);
    return status;
}

static brink_status join(renderer *r, string s, const value *what, value *out)
{
    list *items;
    buffer made = {.context = r->context};
    brink_status status = BRINK_OK;
    if (what == NULL)
        return FAIL(r, "join takes a list");
    TRY(value_items(r, what, &items));
    for (uint32_t i = 0; i < items->count && status == BRINK_OK; i++) {
        if (i != 0)
            status = buffer_append(&made, s.text, s.size);
        if (status == BRINK_OK)
            status = items->at[i].kind == VALUE_STRING
                         ? value_print(r, &items->at[i], &made)
                         : FAIL(r, "join: a string expected, not %s", value_type(&items->at[i]));
    }
    if (status == BRINK_OK)
        return buffer_to_string(r, &made, out);
    buffer_free(&made);
    return status;
}

static value of_class(string s, uint32_t categories, bool space)
{
    for (uint32_t i = 0; i < s.size;) {
        uint32_t code = utf8_next(s.text, &i);
        if (space ? !unicode_is_space(code) : (unicode_category(code) & categories) == 0)
            return value_bool(false);
    }
    return value_bool(s.size != 0);
}

static int64_t characters(string s, uint32_t bytes)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < bytes; i += utf8_width(s.text[i]))
        n++;
    return n;
}

static brink_status string_method(renderer *r, string s, string name, const arguments *args,
                                  value *out)
{
    const value *first = argument(args, 0, "");
    bool both = string_is(name, "strip"), end = string_is(name, "endswith");
    if (both || string_is(name, "lstrip") || string_is(name, "rstrip")) {
        *out = strip(s, first != NULL ? first : argument(args, 0, "chars"),
                     both || string_is(name, "lstrip"), both || string_is(name, "rstrip"));
        return BRINK_OK;
    }
    if (string_is(name, "split") || string_is(name, "rsplit"))
        return split(r, s, args, string_is(name, "rsplit"), out);
    if (string_is(name, "splitlines"))
        return split_lines(r, s, out);
    if (end || string_is(name, "startswith"))
        return affix(r, s, first, end, out);
    if (string_is(name, "upper"))
        return change_case(r, s, CASE_UPPER, out);
    if (string_is(name, "lower"))
        return change_case(r, s, CASE_LOWER, out);
    if (string_is(name, "title"))
        return change_case(r, s, CASE_TITLE, out);
    if (string_is(name, "capitalize"))
        return change_case(r, s, CASE_CAPITAL, out);
    if (string_is(name, "replace"))
        return replace(r, s, args, out);
    if (string_is(name, "join"))
        return join(r, s, first, out);
    if (string_is(name, "isdigit") || string_is(name, "isalpha") || string_is(name, "isspace")) {
        *out = of_class(s, string_is(name, "isdigit") ? UNICODE_ND : UNICODE_L,
                        string_is(name, "isspace"));
        return BRINK_OK;
    }
    if (string_is(name, "isupper") || string_is(name, "islower")) {
        bool held;
        TRY(apply_test(r, (string){name.text + 2, 5}, &(value){.kind = VALUE_STRING, .s = s}, args,
                       &held));
        *out = value_bool(held);
        return BRINK_OK;
    }
    if (first == NULL || first->kind != VALUE_STRING)
        return FAIL(r, "%.*s: a string expected", (int)name.size, name.text);
    if (string_is(name, "removeprefix")) {
        *out = part(s, has_affix(s, first->s, false) ? first->s.size : 0, s.size);
        return BRINK_OK;
    }
    if (string_is(name, "removesuffix")) {
        *out = part(s, 0, s.size - (has_affix(s, first->s, true) ? first->s.size : 0));
        return BRINK_OK;
    }
    if (string_is(name, "count") && first->s.size != 0) {
        int64_t n = 0;
        for (uint32_t i = 0; (i = find(s, first->s, i)) <= s.size; i += first->s.size)
            n++;
        *out = value_integer(n);
        return BRINK_OK;
    }
    if (string_is(name, "find") || string_is(name, "index")) {
        uint32_t at = find(s, first->s, 0);
        if (at > s.size && string_is(name, "index"))
            return FAIL(r, "index: not found");
        *out = value_integer(at > s.size ? -1 : characters(s, at));
        return BRINK_OK;
    }
    if (string_is(name, "rfind")) {
        int64_t last = -1;
        for (uint32_t i = 0; (i = find(s, first->s, i)) <= s.size; i++)
            last = characters(s, i);
        *out = value_integer(last);
        return BRINK_OK;
    }
    return template_fail(r->context, r->source->name, r->line, BRINK_UNSUPPORTED,
                         "string method \"%.*s\" is not supported here", (int)name.size, name.text);
}

static brink_status dict_method(renderer *r, const value *self, string name, const arguments *args,
                                value *out)
{
    const dict *d = self->members;
    if (string_is(name, "get")) {
        const value *key = argument(args, 0, "key"), *otherwise = argument(args, 1, "default");
        const value *found = key != NULL ? dict_find_value(d, key) : NULL;
        *out = found != NULL ? *found : otherwise != NULL ? *otherwise : value_none();
        return BRINK_OK;
    }
    if (string_is(name, "copy")) {
        TRY(dict_new(r, VALUE_DICT, out));
        for (uint32_t i = 0; i < d->count; i++)
            TRY(dict_set(r, out->members, d->keys[i], d->values[i]));
        return BRINK_OK;
    }
    TRY(list_new(r, VALUE_LIST, out));
    for (uint32_t i = 0; i < d->count; i++) {
        value one = string_is(name, "keys") ? d->keys[i] : d->values[i];
        if (string_is(name, "items")) {
            TRY(list_new(r, VALUE_TUPLE, &one));
            TRY(list_add(r, one.items, d->keys[i]));
            TRY(list_add(r, one.items, d->values[i]));
        }
        TRY(list_add(r, out->items, one));
    }
    return BRINK_OK;
}

static brink_status list_method(renderer *r, const value *self, string name, const arguments *args,
                                value *out)
{
    const value *first = argument(args, 0, "");
    int64_t n = 0;
    if (string_is(name, "copy"))
        return apply_filter(r, (string){"list", 4}, self, args, out);
    if (string_is(name, "append")) /* Transformers' sandbox keeps lists as they are */
        return FAIL(r, "a list cannot be changed");
    if (first == NULL)
        return FAIL(r, "an argument is missing");
    for (uint32_t i = 0; i < self->items->count; i++) {
        if (!value_equal(&self->items->at[i], first, 0))
            continue;
        n++;
        if (string_is(name, "index")) {
            *out = value_integer(i);
            return BRINK_OK;
        }
    }
    *out = value_integer(n);
    return string_is(name, "count") ? BRINK_OK : FAIL(r, "index: not found");
}

static brink_status loop_method(renderer *r, loop *l, string name, const arguments *args,
                                value *out)
{
    if (string_is(name, "cycle")) {
        if (args->count == 0)
            return FAIL(r, "cycle: nothing to choose from");
        *out = args->at[l->index % args->count];
        return BRINK_OK;
    }
    value now;
    TRY(list_new(r, VALUE_TUPLE, &now));
    for (uint32_t i = 0; i < args->count; i++)
        TRY(list_add(r, now.items, args->at[i]));
    *out = value_bool(!value_equal(&now, &l->last_changed, 0));
    l->last_changed = now;
    return BRINK_OK;
}

brink_status call_method(renderer *r, const method *m, const arguments *args, value *out)
{
    switch (m->self.kind) {
    case VALUE_STRING:
        return string_method(r, m->self.s, m->name, args, out);
    case VALUE_DICT:
        return dict_method(r, &m->self, m->name, args, out);
    case VALUE_LIST:
        return list_method(r, &m->self, m->name, args, out);
    case VALUE_LOOP:
        return loop_method(r, m->self.loop, m->name, args, out);
    default:
        return FAIL(r, "no such method");
    }
}
