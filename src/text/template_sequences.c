/* template_sequences.c — filters that choose, map, sort or fold the items of a list. */
#include "text/template_internal.h"

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

brink_status filter_select(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, false, true, out);
}

brink_status filter_reject(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, false, false, out);
}

brink_status filter_selectattr(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, true, true, out);
}

brink_status filter_rejectattr(renderer *r, const value *v, const arguments *args, value *out)
{
    return choose(r, v, args, true, false, out);
}

brink_status filter_map(renderer *r, const value *v, const arguments *args, value *out)
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
    return fold && v->kind == VALUE_STRING ? filter_lower(r, &text, &(arguments){0}, v) : BRINK_OK;
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

brink_status filter_sort(renderer *r, const value *v, const arguments *args, value *out)
{
    const value *reverse = argument(args, 0, "reverse"),
                *exact = argument(args, 1, "case_sensitive");
    const value *name = argument(args, 2, "attribute");
    value keys;
    TRY(filter_list(r, v, args, out));
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

brink_status filter_dictsort(renderer *r, const value *v, const arguments *args, value *out)
{
    value keys;
    TRY(filter_items(r, v, &(arguments){0}, out));
    TRY(list_new(r, VALUE_LIST, &keys));
    const value *exact = argument(args, 0, "case_sensitive"),
                *reverse = argument(args, 2, "reverse");
    for (uint32_t i = 0; i < out->items->count; i++) {
        value key = out->items->at[i].items->at[0];
        TRY(lower_if(r, exact == NULL || !value_truth(exact), &key));
        TRY(list_add(r, keys.items, key));
    }
    return sort_pairs(r, keys.items->at, out->items->at, out->items->count,
                      reverse != NULL && value_truth(reverse));
}

brink_status filter_unique(renderer *r, const value *v, const arguments *args, value *out)
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

brink_status filter_min(renderer *r, const value *v, const arguments *args, value *out)
{
    (void)args;
    return extreme(r, v, -1, out);
}

brink_status filter_max(renderer *r, const value *v, const arguments *args, value *out)
{
    (void)args;
    return extreme(r, v, 1, out);
}

brink_status filter_sum(renderer *r, const value *v, const arguments *args, value *out)
{
    list *items;
    (void)args;
    TRY(value_items(r, v, &items));
    *out = value_integer(0);
    for (uint32_t i = 0; i < items->count; i++) {
        value before = *out;
        TRY(binary_operator(r, OPERATOR_ADD, &before, &items->at[i], out));
    }
    return BRINK_OK;
}
