/* schema_leaf.c — assertions on numbers and strings: each becomes an automaton, and all that hold
   at one place are intersected; those that must fail are taken away. Values of numbers are taken
   away from numbers without an exponent only, as the automata of values are of no others; integers
   and multiples only from numbers of so few digits that a reader's doubles tell them apart, to which
   multipleOf keeps too. */
#include "text/schema_internal.h"

#include <math.h>

brink_status leaf_literal(schema_compiler *c, uint32_t which, uint32_t *node)
{
    static const char *const texts[] = {"null", "false", "true"};
    nfa n;
    uint32_t start, end;
    dfa *d = NULL;
    if (c->literals[which] != 0) {
        *node = c->literals[which];
        return BRINK_OK;
    }
    nfa_init(&n, &c->b.work);
    brink_status status = nfa_state(&n, &start);
    if (status == BRINK_OK)
        status =
            spell_text(&n, SPELL_UTF8, start, texts[which], (uint32_t)strlen(texts[which]), &end);
    if (status == BRINK_OK) {
        n.label[end] = 1;
        status = nfa_compile(&n, start, &c->b.g->memory, &d);
    }
    nfa_free(&n);
    if (status == BRINK_OK)
        status = grammar_terminal(&c->b, d, node);
    c->literals[which] = *node;
    return status;
}

/* *all becomes its intersection with `one`; NULL stands for everything. */
static brink_status narrow(schema_compiler *c, dfa **all, dfa *one)
{
    if (*all == NULL)
        return *all = one, BRINK_OK;
    return dfa_intersect(&c->b.work, *all, one, &c->b.work.scratch, all);
}

static brink_status narrow_number(schema_compiler *c, dfa **all, number_rule_kind kind,
                                  yyjson_val *value)
{
    decimal number;
    dfa *one;
    if (yyjson_is_real(value) && fabs(yyjson_get_real(value)) >= 0x1p63)
        return core_fail(c->context, BRINK_UNSUPPORTED,
                         "%s: a number of more than 64 bits is not supported", c->b.where);
    if (value != NULL)
        decimal_read(value, &number);
    TRY(number_compile(&c->b.work, kind, &number, &c->b.work.scratch, &one));
    return narrow(c, all, one);
}

static brink_status number_of(schema_compiler *c, number_rule_kind kind, yyjson_val *value,
                              dfa **out)
{
    *out = NULL;
    return narrow_number(c, out, kind, value);
}

/* All numbers but `value`, without exponents. */
static brink_status narrow_unequal(schema_compiler *c, dfa **all, yyjson_val *value)
{
    dfa *low, *high, *both;
    TRY(number_of(c, NUMBER_BELOW, value, &low));
    TRY(number_of(c, NUMBER_ABOVE, value, &high));
    TRY(dfa_unite(&c->b.work, low, high, &c->b.work.scratch, &both));
    return narrow(c, all, both);
}

/* Numbers of so few digits that doubles hold them well enough to be divided. */
static brink_status narrow_digits(schema_compiler *c, dfa **all)
{
    static const char few[] = "-?(?:0|[1-9][0-9]{0,14}|(?:0|[1-9][0-9]{0,8})\\.[0-9]{1,6})";
    dfa *one;
    TRY(pattern_compile(&c->b.work, SPELL_UTF8, true, few, sizeof few - 1, &c->b.work.scratch,
                        &one));
    return narrow(c, all, one);
}

/* *all without what `kind` describes. */
static brink_status without(schema_compiler *c, dfa **all, number_rule_kind kind, yyjson_val *value)
{
    dfa *one;
    TRY(number_of(c, kind, value, &one));
    TRY(narrow_digits(c, all));
    return dfa_subtract(&c->b.work, *all, one, &c->b.work.scratch, all);
}

/* A keyword about numbers that must not be satisfied. */
static brink_status narrow_failing(schema_compiler *c, dfa **all, const item *failing)
{
    static const struct {
        const char *keyword;
        number_rule_kind kind;
    } rules[] = {
        {"minimum", NUMBER_BELOW},
        {"maximum", NUMBER_ABOVE},
        {"exclusiveMinimum", NUMBER_AT_MOST},
        {"exclusiveMaximum", NUMBER_AT_LEAST},
    };
    yyjson_val *value, *one;
    size_t i, n;
    for (size_t k = 0; k < sizeof rules / sizeof *rules; k++)
        if ((value = item_failing(failing, rules[k].keyword)) != NULL)
            TRY(narrow_number(c, all, rules[k].kind, value));
    if ((value = item_failing(failing, "const")) != NULL && yyjson_is_num(value))
        TRY(narrow_unequal(c, all, value));
    yyjson_arr_foreach(schema_each(item_failing(failing, "enum")), i, n, one)
    {
        if (yyjson_is_num(one))
            TRY(narrow_unequal(c, all, one));
    }
    if ((value = item_failing(failing, "multipleOf")) != NULL)
        TRY(without(c, all, NUMBER_MULTIPLE, value));
    return BRINK_OK;
}

/* Moves what was made in between to where the grammar's automata are. */
static brink_status keep(schema_compiler *c, dfa *d, uint32_t *node)
{
    static const uint16_t map[] = {0, 1};
    dfa *kept;
    TRY(dfa_relabel(&c->b.work, d, map, &c->b.g->memory, &kept));
    return grammar_terminal(&c->b, kept, node);
}

brink_status leaf_number(schema_compiler *c, const conjunction *leaf, uint32_t types,
                         uint32_t *node)
{
    static const struct {
        const char *keyword;
        number_rule_kind kind;
    } rules[] = {
        {"minimum", NUMBER_AT_LEAST},       {"maximum", NUMBER_AT_MOST},
        {"exclusiveMinimum", NUMBER_ABOVE}, {"exclusiveMaximum", NUMBER_BELOW},
        {"multipleOf", NUMBER_MULTIPLE},
    };
    dfa *all = NULL;
    TRY(narrow_number(c, &all,
                      types != TYPE_INTEGER ? NUMBER_ANY
                      : c->options.plain    ? NUMBER_DIGITS
                                            : NUMBER_INTEGER,
                      NULL));
    if (types == TYPE_NUMBER)
        TRY(without(c, &all, NUMBER_INTEGER, NULL));
    for (uint32_t i = 0; i < leaf->count; i++) {
        yyjson_val *json = leaf->items[i].json, *value;
        if (leaf->items[i].kind == ITEM_VALUE) {
            TRY(narrow_number(c, &all, NUMBER_AT_LEAST, json));
            TRY(narrow_number(c, &all, NUMBER_AT_MOST, json));
        }
        for (size_t k = 0; leaf->items[i].kind == ITEM_BASE && k < sizeof rules / sizeof *rules;
             k++)
            if ((value = yyjson_obj_get(json, rules[k].keyword)) != NULL)
                TRY(narrow_number(c, &all, rules[k].kind, value));
        if (leaf->items[i].kind == ITEM_BASE && yyjson_obj_get(json, "multipleOf") != NULL)
            TRY(narrow_digits(c, &all));
        TRY(narrow_failing(c, &all, &leaf->items[i]));
    }
    return keep(c, all, node);
}

/* ── Strings ── */

/* *all becomes what is in `one` too or, with `fails`, what is not. */
static brink_status narrow_or_not(schema_compiler *c, dfa **all, dfa *one, bool fails)
{
    if (!fails)
        return narrow(c, all, one);
    return dfa_subtract(&c->b.work, *all != NULL ? *all : c->any, one, &c->b.work.scratch, all);
}

/* One of the strings of a list, or the string itself; `fails`: none of them. */
static brink_status narrow_texts(schema_compiler *c, dfa **all, yyjson_val *texts, bool fails)
{
    nfa n;
    uint32_t start, end, first;
    dfa *one = NULL;
    bool list = yyjson_is_arr(texts);
    size_t count = list ? yyjson_arr_size(texts) : 1;
    yyjson_val *text = list ? yyjson_arr_get_first(texts) : texts;
    nfa_init(&n, &c->b.work);
    brink_status status = nfa_state(&n, &start);
    for (size_t i = 0; i < count && status == BRINK_OK; i++, text = unsafe_yyjson_get_next(text)) {
        if (!yyjson_is_str(text))
            continue;
        status = nfa_state(&n, &first); /* an empty text must not end where all begin */
        if (status == BRINK_OK)
            status = nfa_empty(&n, start, first);
        if (status == BRINK_OK)
            status = spell_text(&n, c->how, first, yyjson_get_str(text),
                                (uint32_t)yyjson_get_len(text), &end);
        if (status == BRINK_OK)
            n.label[end] = 1;
    }
    if (status == BRINK_OK)
        status = nfa_compile(&n, start, &c->b.work.scratch, &one);
    nfa_free(&n);
    return status == BRINK_OK ? narrow_or_not(c, all, one, fails) : status;
}

brink_status schema_pattern(schema_compiler *c, const char *pattern, uint32_t bytes, dfa **out)
{
    TRY(dfa_spend(&c->b.work, c->pattern_count));
    for (uint32_t i = 0; i < c->pattern_count; i++)
        if (c->patterns[i].bytes == bytes && memcmp(c->patterns[i].text, pattern, bytes) == 0) {
            *out = c->patterns[i].d;
            return BRINK_OK;
        }
    TRY(pattern_compile(&c->b.work, c->how, false, pattern, bytes, &c->b.work.scratch, out));
    TRY(array_grow(c->context, (void **)&c->patterns, &c->pattern_capacity, c->pattern_count + 1ull,
                   sizeof *c->patterns));
    c->patterns[c->pattern_count++] = (known_pattern){pattern, bytes, *out};
    return BRINK_OK;
}

static brink_status narrow_pattern(schema_compiler *c, dfa **all, const char *pattern,
                                   uint32_t bytes, bool fails)
{
    dfa *one;
    TRY(schema_pattern(c, pattern, bytes, &one));
    return narrow_or_not(c, all, one, fails);
}

/* What `pattern` and `format` (either may be NULL) say of a string, to be satisfied or not. */
static brink_status narrow_content(schema_compiler *c, dfa **all, yyjson_val *pattern,
                                   yyjson_val *format, bool fails)
{
    if (pattern != NULL)
        TRY(narrow_pattern(c, all, yyjson_get_str(pattern), (uint32_t)yyjson_get_len(pattern),
                           fails));
    if (format == NULL)
        return BRINK_OK;
    const char *text = schema_format(yyjson_get_str(format));
    if (text == NULL)
        return core_fail(c->context, BRINK_UNSUPPORTED,
                         "%s: keyword \"format\" \"%.60s\" is not supported", c->b.where,
                         yyjson_get_str(format));
    return narrow_pattern(c, all, text, (uint32_t)strlen(text), fails);
}

/* The tightest lengths of the leaf. */
static brink_status lengths_of(schema_compiler *c, const conjunction *leaf, uint32_t *low,
                               uint32_t *high)
{
    *low = 0;
    *high = GRAMMAR_ENDLESS;
    for (uint32_t i = 0; i < leaf->count; i++) {
        uint32_t least, most;
        TRY(item_bounds(c, &leaf->items[i], "minLength", "maxLength", &least, &most));
        *low = least > *low ? least : *low;
        *high = most < *high ? most : *high;
    }
    return BRINK_OK;
}

brink_status leaf_string_body(schema_compiler *c, const conjunction *leaf, bool lengths, dfa **out)
{
    dfa *all = NULL, *one;
    uint32_t low, high;
    for (uint32_t i = 0; i < leaf->count; i++) {
        yyjson_val *json = leaf->items[i].json, *text;
        if (leaf->items[i].kind == ITEM_VALUE)
            TRY(narrow_texts(c, &all, json, false));
        if (leaf->items[i].kind == ITEM_TEXTS)
            TRY(narrow_texts(c, &all, yyjson_obj_get(json, "enum"), false));
        if ((text = item_failing(&leaf->items[i], "enum")) != NULL ||
            (text = item_failing(&leaf->items[i], "const")) != NULL)
            TRY(narrow_texts(c, &all, text, true));
        TRY(narrow_content(c, &all, item_failing(&leaf->items[i], "pattern"),
                           item_failing(&leaf->items[i], "format"), true));
        if (leaf->items[i].kind != ITEM_BASE)
            continue;
        TRY(narrow_content(c, &all, yyjson_obj_get(json, "pattern"), yyjson_obj_get(json, "format"),
                           false));
    }
    TRY(lengths_of(c, leaf, &low, &high));
    if ((low != 0 || high != GRAMMAR_ENDLESS) && (lengths || all != NULL)) {
        uint32_t longest = high == GRAMMAR_ENDLESS ? low : high;
        if (longest > DFA_MAX_STATES / 24)
            return schema_refuse(c, high == GRAMMAR_ENDLESS ? "minLength" : "maxLength",
                                 "this large, beside \"pattern\" or of names,");
        TRY(spell_any(&c->b.work, c->how, low, high, &c->b.work.scratch, &one));
        TRY(narrow(c, &all, one));
    }
    *out = all;
    return BRINK_OK;
}

brink_status leaf_string(schema_compiler *c, const conjunction *leaf, uint32_t *node)
{
    dfa *body, *quoted;
    uint32_t low, high;
    TRY(leaf_string_body(c, leaf, false, &body));
    if (body != NULL) {
        TRY(spell_quoted(&c->b.work, body, &c->b.g->memory, &quoted));
        return grammar_terminal(&c->b, quoted, node);
    }
    TRY(lengths_of(c, leaf, &low, &high));
    if (low != 0 || high != GRAMMAR_ENDLESS) {
        TRY(grammar_add(&c->b, RULE_STRING, node));
        c->b.g->rules[*node].low = low;
        c->b.g->rules[*node].high = high;
        return BRINK_OK;
    }
    if (c->any_string == 0) {
        TRY(spell_quoted(&c->b.work, c->any, &c->b.g->memory, &quoted));
        TRY(grammar_terminal(&c->b, quoted, &c->any_string));
    }
    *node = c->any_string;
    return BRINK_OK;
}

bool schema_text_matches(const dfa *d, const char *text, uint32_t size)
{
    static const char controls[] = "\b\f\n\r\t", letters[] = "bfnrt", hex[] = "0123456789abcdef";
    uint32_t state = dfa_empty(d) ? DFA_DEAD : DFA_START;
    for (uint32_t i = 0; i < size && state != DFA_DEAD; i++) {
        uint8_t byte = (uint8_t)text[i];
        char spelled[8] = {(char)byte};
        const char *known = byte != 0 ? strchr(controls, byte) : NULL;
        if (byte == '"' || byte == '\\')
            memcpy(spelled, (char[]){'\\', (char)byte, 0}, 3);
        else if (known != NULL)
            memcpy(spelled, (char[]){'\\', letters[known - controls], 0}, 3);
        else if (byte < 0x20)
            memcpy(spelled, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15], 0}, 7);
        for (const char *s = spelled; *s != 0 && state != DFA_DEAD; s++)
            state = dfa_step(d, state, (uint8_t)*s);
    }
    return state != DFA_DEAD && d->label[state] != 0;
}

/* ── Arrays ── */

/* What item `index` (UINT32_MAX: any behind the listed ones) must satisfy. */
static brink_status item_node(schema_compiler *c, const conjunction *leaf, uint32_t index,
                              uint32_t *node)
{
    item_list list = {.count = 0};
    for (uint32_t i = 0; i < leaf->count; i++) {
        yyjson_val *json = leaf->items[i].json;
        if (leaf->items[i].kind == ITEM_VALUE) {
            yyjson_val *value = yyjson_arr_get(json, index);
            if (value != NULL)
                items_add(&list, ITEM_VALUE, value);
            else
                list.never = true;
        }
        if (leaf->items[i].kind != ITEM_BASE)
            continue;
        yyjson_val *prefix = yyjson_obj_get(json, "prefixItems");
        yyjson_val *items = yyjson_obj_get(json, "items");
        if (index < yyjson_arr_size(prefix))
            items_add(&list, ITEM_SCHEMA, yyjson_arr_get(prefix, index));
        else if (items != NULL)
            items_add(&list, ITEM_SCHEMA, items);
    }
    return schema_node(c, &list, node);
}

brink_status leaf_array(schema_compiler *c, const conjunction *leaf, uint32_t *node)
{
    uint32_t low = 0, high = GRAMMAR_ENDLESS, listed = 0, rest;
    bool unique = false;
    for (uint32_t i = 0; i < leaf->count; i++) {
        yyjson_val *json = leaf->items[i].json;
        uint64_t size;
        uint32_t least, most;
        TRY(item_bounds(c, &leaf->items[i], "minItems", "maxItems", &least, &most));
        low = least > low ? least : low;
        high = most < high ? most : high;
        if (leaf->items[i].kind == ITEM_VALUE) {
            size = yyjson_arr_size(json);
            low = size > low ? (uint32_t)size : low;
            high = size < high ? (uint32_t)size : high;
        } else if (leaf->items[i].kind == ITEM_BASE) {
            size = yyjson_arr_size(yyjson_obj_get(json, "prefixItems"));
            unique = unique || yyjson_is_true(yyjson_obj_get(json, "uniqueItems"));
        } else {
            continue;
        }
        listed = size > listed ? (uint32_t)size : listed;
    }
    if (unique && high > 1)
        return schema_refuse(c, "uniqueItems", "");
    listed = listed < high ? listed : high;
    uint32_t *items = ARENA_ARRAY(&c->b.g->memory, uint32_t, listed + 1ull);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < listed; i++)
        TRY(item_node(c, leaf, i, &items[i]));
    TRY(item_node(c, leaf, UINT32_MAX, &rest));
    TRY(grammar_add(&c->b, RULE_ARRAY, node));
    rule *r = &c->b.g->rules[*node];
    r->items = items;
    r->count = listed;
    r->rest = rest;
    r->low = low;
    r->high = high;
    return BRINK_OK;
}
