/* template_value.c — the values a template works on, compared as Python does. */
#include "text/template_internal.h"
#include "text/utf8.h"

void *render_alloc(renderer *r, uint64_t size)
{
    r->used += size + 16;
    if (r->used > TEMPLATE_MAX_MEMORY) {
        FAIL(r, "the template uses too much memory");
        return NULL;
    }
    return arena_alloc(&r->memory, size);
}

brink_status render_string(renderer *r, const char *text, uint64_t size, value *out)
{
    char *copy = size < UINT32_MAX ? render_alloc(r, size + 1) : NULL;
    if (copy == NULL)
        return size < UINT32_MAX ? render_failed(r) : FAIL(r, "a string is too long");
    if (size != 0)
        memcpy(copy, text, (size_t)size);
    *out = (value){.kind = VALUE_STRING, .s = {copy, (uint32_t)size}};
    return BRINK_OK;
}

brink_status buffer_to_string(renderer *r, buffer *b, value *out)
{
    brink_status status = render_string(r, b->data, b->size, out);
    buffer_free(b);
    return status;
}

value value_none(void)
{
    return (value){.kind = VALUE_NONE};
}
value value_bool(bool b)
{
    return (value){.kind = VALUE_BOOL, .boolean = b};
}
value value_integer(int64_t i)
{
    return (value){.kind = VALUE_INTEGER, .integer = i};
}
value value_float(double d)
{
    return (value){.kind = VALUE_FLOAT, .number = d};
}
value value_undefined(string name)
{
    return (value){.kind = VALUE_UNDEFINED, .s = name};
}

value value_text(const char *text)
{
    return (value){.kind = VALUE_STRING, .s = {text, (uint32_t)strlen(text)}};
}

static brink_status grow(renderer *r, value **at, uint32_t count, uint32_t capacity)
{
    value *bigger = render_alloc(r, (uint64_t)capacity * sizeof **at);
    if (bigger == NULL)
        return render_failed(r);
    if (count != 0)
        memcpy(bigger, *at, count * sizeof **at);
    *at = bigger;
    return BRINK_OK;
}

brink_status list_new(renderer *r, value_kind kind, value *out)
{
    list *l = render_alloc(r, sizeof *l);
    if (l == NULL)
        return render_failed(r);
    *out = (value){.kind = kind, .items = l};
    return BRINK_OK;
}

brink_status list_add(renderer *r, list *l, value one)
{
    if (l->count == l->capacity) {
        uint32_t capacity = l->capacity != 0 ? l->capacity * 2 : 4;
        TRY(grow(r, &l->at, l->count, capacity));
        l->capacity = capacity;
    }
    l->at[l->count++] = one;
    return BRINK_OK;
}

brink_status dict_new(renderer *r, value_kind kind, value *out)
{
    dict *d = render_alloc(r, sizeof *d);
    if (d == NULL)
        return render_failed(r);
    *out = (value){.kind = kind, .members = d};
    return BRINK_OK;
}

const value *dict_find(const dict *d, string key)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (d->keys[i].kind == VALUE_STRING && d->keys[i].s.size == key.size &&
            memcmp(d->keys[i].s.text, key.text, key.size) == 0)
            return &d->values[i];
    return NULL;
}

const value *dict_find_value(const dict *d, const value *key)
{
    if (key->kind == VALUE_STRING)
        return dict_find(d, key->s);
    for (uint32_t i = 0; i < d->count; i++)
        if (value_equal(&d->keys[i], key, 0))
            return &d->values[i];
    return NULL;
}

brink_status dict_set(renderer *r, dict *d, value key, value one)
{
    value *there = (value *)(uintptr_t)dict_find_value(d, &key);
    r->steps += d->count / 16;
    if (there != NULL) {
        *there = one;
        return BRINK_OK;
    }
    if (d->count == d->capacity) {
        uint32_t capacity = d->capacity != 0 ? d->capacity * 2 : 4;
        TRY(grow(r, &d->keys, d->count, capacity));
        TRY(grow(r, &d->values, d->count, capacity));
        d->capacity = capacity;
    }
    d->keys[d->count] = key;
    d->values[d->count++] = one;
    return BRINK_OK;
}

bool string_is(string s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.text, text, s.size) == 0;
}

bool value_truth(const value *v)
{
    switch (v->kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
        return v->boolean;
    case VALUE_INTEGER:
        return v->integer != 0;
    case VALUE_FLOAT:
        return v->number != 0;
    case VALUE_STRING:
        return v->s.size != 0;
    case VALUE_LIST:
    case VALUE_TUPLE:
        return v->items->count != 0;
    case VALUE_DICT:
        return v->members->count != 0;
    default:
        return true;
    }
}

bool value_number(const value *v, double *out)
{
    *out = v->kind == VALUE_BOOL      ? v->boolean
           : v->kind == VALUE_INTEGER ? (double)v->integer
           : v->kind == VALUE_FLOAT   ? v->number
                                      : 0;
    return v->kind == VALUE_BOOL || v->kind == VALUE_INTEGER || v->kind == VALUE_FLOAT;
}

bool value_equal(const value *a, const value *b, uint32_t depth)
{
    double x, y;
    if (value_number(a, &x) && value_number(b, &y))
        return a->kind == VALUE_INTEGER && b->kind == VALUE_INTEGER ? a->integer == b->integer
                                                                    : x == y;
    if (a->kind != b->kind || depth > TEMPLATE_MAX_DEPTH)
        return false;
    switch (a->kind) {
    case VALUE_UNDEFINED:
    case VALUE_NONE:
        return true;
    case VALUE_STRING:
        return a->s.size == b->s.size && memcmp(a->s.text, b->s.text, a->s.size) == 0;
    case VALUE_LIST:
    case VALUE_TUPLE:
        if (a->items->count != b->items->count)
            return false;
        for (uint32_t i = 0; i < a->items->count; i++)
            if (!value_equal(&a->items->at[i], &b->items->at[i], depth + 1))
                return false;
        return true;
    case VALUE_DICT:
        if (a->members->count != b->members->count)
            return false;
        for (uint32_t i = 0; i < a->members->count; i++) {
            const value *other = dict_find_value(b->members, &a->members->keys[i]);
            if (other == NULL || !value_equal(&a->members->values[i], other, depth + 1))
                return false;
        }
        return true;
    default:
        return a->members == b->members; /* the same object */
    }
}

const char *value_type(const value *v)
{
    static const char *const names[] = {
        "Undefined", "NoneType", "bool",      "int",   "float",       "str",      "list",
        "tuple",     "dict",     "Namespace", "Macro", "LoopContext", "function", "method"};
    return names[v->kind];
}

brink_status value_compare(renderer *r, const value *a, const value *b, int *out)
{
    double x, y;
    if (value_number(a, &x) && value_number(b, &y)) {
        if (a->kind == VALUE_INTEGER && b->kind == VALUE_INTEGER)
            *out = (a->integer > b->integer) - (a->integer < b->integer);
        else
            *out = (x > y) - (x < y);
        return BRINK_OK;
    }
    if (a->kind == VALUE_STRING && b->kind == VALUE_STRING) {
        uint32_t n = a->s.size < b->s.size ? a->s.size : b->s.size;
        int order = memcmp(a->s.text, b->s.text, n);
        if (order == 0)
            order = (a->s.size > b->s.size) - (a->s.size < b->s.size);
        *out = (order > 0) - (order < 0);
        return BRINK_OK;
    }
    if (a->kind == b->kind && (a->kind == VALUE_LIST || a->kind == VALUE_TUPLE)) {
        uint32_t n = a->items->count < b->items->count ? a->items->count : b->items->count;
        if (++r->depth > TEMPLATE_MAX_DEPTH)
            return FAIL(r, "nested too deeply");
        *out = 0;
        for (uint32_t i = 0; i < n && *out == 0; i++)
            TRY(value_compare(r, &a->items->at[i], &b->items->at[i], out));
        r->depth--;
        if (*out == 0)
            *out = (a->items->count > b->items->count) - (a->items->count < b->items->count);
        return BRINK_OK;
    }
    return FAIL(r, "'<' not supported between '%s' and '%s'", value_type(a), value_type(b));
}

brink_status value_from_json(renderer *r, const yyjson_val *json, value *out, uint32_t depth)
{
    yyjson_val *v = (yyjson_val *)(uintptr_t)json, *key, *one;
    size_t i, n;
    if (depth > JSON_MAX_DEPTH)
        return FAIL(r, "the variables are nested too deeply");
    if (yyjson_is_str(v)) {
        *out = (value){.kind = VALUE_STRING, .s = {yyjson_get_str(v), (uint32_t)yyjson_get_len(v)}};
    } else if (yyjson_is_bool(v)) {
        *out = value_bool(yyjson_get_bool(v));
    } else if (yyjson_is_real(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX)) {
        *out = value_float(yyjson_get_num(v));
    } else if (yyjson_is_int(v)) {
        *out = value_integer(yyjson_get_sint(v));
    } else if (yyjson_is_arr(v)) {
        TRY(list_new(r, VALUE_LIST, out));
        yyjson_arr_foreach(v, i, n, one)
        {
            value item;
            TRY(value_from_json(r, one, &item, depth + 1));
            TRY(list_add(r, out->items, item));
        }
    } else if (yyjson_is_obj(v)) {
        TRY(dict_new(r, VALUE_DICT, out));
        yyjson_obj_foreach(v, i, n, key, one)
        {
            value name, item;
            TRY(value_from_json(r, key, &name, depth + 1));
            TRY(value_from_json(r, one, &item, depth + 1));
            TRY(dict_set(r, out->members, name, item));
        }
    } else {
        *out = value_none();
    }
    return BRINK_OK;
}

brink_status value_items(renderer *r, const value *v, list **out)
{
    value made;
    switch (v->kind) {
    case VALUE_LIST:
    case VALUE_TUPLE:
        *out = v->items;
        return BRINK_OK;
    case VALUE_UNDEFINED:
        TRY(list_new(r, VALUE_LIST, &made));
        break;
    case VALUE_DICT:
        TRY(list_new(r, VALUE_LIST, &made));
        for (uint32_t i = 0; i < v->members->count; i++)
            TRY(list_add(r, made.items, v->members->keys[i]));
        break;
    case VALUE_STRING:
        TRY(list_new(r, VALUE_LIST, &made));
        for (uint32_t i = 0; i < v->s.size;) {
            uint32_t from = i;
            i += utf8_width(v->s.text[i]);
            TRY(list_add(r, made.items,
                         (value){.kind = VALUE_STRING, .s = {v->s.text + from, i - from}}));
        }
        break;
    default:
        return FAIL(r, "'%s' object is not iterable", value_type(v));
    }
    *out = made.items;
    return BRINK_OK;
}
