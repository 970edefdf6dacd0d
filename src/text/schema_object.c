/* schema_object.c — an object's keys as one automaton, its label telling what the value must be.

   Names declared by any of the schemas that hold together are labels of their own, in the order of
   their first mention; all other keys fall into classes by the patterns (patternProperties) that
   they match. Invariant: a key has exactly one label whatever its spelling, because the automaton
   is over all spellings. */
#include "text/schema_internal.h"

typedef struct member_pattern {
    uint32_t owner; /* index of the leaf's item */
    yyjson_val *schema;
    const dfa *d;
} member_pattern;

typedef struct members {
    const conjunction *leaf;
    const char *names[GRAMMAR_MAX_DECLARED];
    uint32_t sizes[GRAMMAR_MAX_DECLARED];
    uint32_t count;
    uint64_t required;
    member_pattern patterns[MAX_PATTERNS];
    uint32_t pattern_count;
    uint32_t low, high;
    uint32_t classes[64], class_count; /* masks of the patterns that a class of keys matches */
    bool overflow, closed;             /* closed: no key outside of the names and patterns */
    uint32_t skip;                     /* parts before the patterns in the product */
} members;

static brink_status add_name(schema_compiler *c, members *m, yyjson_val *name, bool required)
{
    const char *text = yyjson_get_str(name);
    uint32_t size = (uint32_t)yyjson_get_len(name), i = 0;
    while (i < m->count && (m->sizes[i] != size || memcmp(m->names[i], text, size) != 0))
        i++;
    if (i == GRAMMAR_MAX_DECLARED)
        return schema_refuse(c, "properties", "with more than 64 names");
    if (i == m->count) {
        m->names[i] = text;
        m->sizes[m->count++] = size;
    }
    m->required |= (uint64_t)required << i;
    return dfa_spend(&c->b.work, m->count);
}

static brink_status add_pattern(schema_compiler *c, members *m, uint32_t owner, yyjson_val *key,
                                yyjson_val *schema)
{
    dfa *d;
    if (m->pattern_count == MAX_PATTERNS)
        return schema_refuse(c, "patternProperties", "with more than 10 patterns");
    TRY(schema_pattern(c, yyjson_get_str(key), (uint32_t)yyjson_get_len(key), &d));
    m->patterns[m->pattern_count++] = (member_pattern){owner, schema, d};
    return BRINK_OK;
}

static brink_status gather(schema_compiler *c, members *m)
{
    yyjson_val *key, *value;
    size_t k, n;
    for (uint32_t i = 0; i < m->leaf->count; i++) {
        yyjson_val *json = m->leaf->items[i].json;
        uint32_t least, most, kind = m->leaf->items[i].kind;
        if (kind == ITEM_WITH || kind == ITEM_WITHOUT || kind == ITEM_UNLIKE)
            TRY(add_name(c, m, json, kind != ITEM_WITHOUT));
        TRY(item_bounds(c, &m->leaf->items[i], "minProperties", "maxProperties", &least, &most));
        m->low = least > m->low ? least : m->low;
        m->high = most < m->high ? most : m->high;
        if (kind == ITEM_VALUE) {
            yyjson_obj_foreach(schema_each(json), k, n, key, value) TRY(add_name(c, m, key, true));
            m->closed = true;
        }
        if (m->leaf->items[i].kind != ITEM_BASE)
            continue;
        yyjson_val *properties = yyjson_obj_get(json, "properties");
        yyjson_val *others = yyjson_obj_get(json, "additionalProperties");
        yyjson_val *patterns = yyjson_obj_get(json, "patternProperties");
        yyjson_obj_foreach(schema_each(properties), k, n, key, value)
            TRY(add_name(c, m, key, false));
        yyjson_arr_foreach(schema_each(yyjson_obj_get(json, "required")), k, n, key)
            TRY(add_name(c, m, key, true));
        yyjson_obj_foreach(schema_each(patterns), k, n, key, value)
            TRY(add_pattern(c, m, i, key, value));
        if (yyjson_obj_size(patterns) == 0 &&
            (yyjson_is_false(others) || (c->options.closed && properties != NULL && !others)))
            m->closed = true;
    }
    return BRINK_OK;
}

/* What the value of a key must satisfy: of a declared name, or (`name` NULL) of a class. */
static brink_status member_node(schema_compiler *c, const members *m, const char *name,
                                uint32_t size, uint32_t matched, uint32_t *node)
{
    item_list list = {.count = 0};
    for (uint32_t i = 0; i < m->leaf->count; i++) {
        yyjson_val *json = m->leaf->items[i].json, *one;
        bool covered = false;
        uint32_t kind = m->leaf->items[i].kind;
        if (name != NULL && kind == ITEM_WITHOUT && yyjson_equals_strn(json, name, size))
            list.never = true;
        if (name != NULL && kind == ITEM_UNLIKE && yyjson_equals_strn(json, name, size))
            items_add(&list, ITEM_NOT, schema_member(json));
        if (m->leaf->items[i].kind == ITEM_VALUE) {
            one = name != NULL ? yyjson_obj_getn(json, name, size) : NULL;
            if (one != NULL)
                items_add(&list, ITEM_VALUE, one);
            else
                list.never = true;
        }
        if (m->leaf->items[i].kind != ITEM_BASE)
            continue;
        yyjson_val *properties = yyjson_obj_get(json, "properties");
        yyjson_val *others = yyjson_obj_get(json, "additionalProperties");
        one = name != NULL ? yyjson_obj_getn(properties, name, size) : NULL;
        if (one != NULL) {
            items_add(&list, ITEM_SCHEMA, one);
            covered = true;
        }
        for (uint32_t p = 0; p < m->pattern_count; p++)
            if (m->patterns[p].owner == i && (matched >> p & 1)) {
                items_add(&list, ITEM_SCHEMA, m->patterns[p].schema);
                covered = true;
            }
        if (!covered && others != NULL)
            items_add(&list, ITEM_SCHEMA, others);
        else if (!covered && c->options.closed && properties != NULL && name == NULL &&
                 matched == 0)
            list.never = true; /* none of the schemas here speaks of such keys */
    }
    return schema_node(c, &list, node);
}

/* ── Keys ── */

static brink_status names_dfa(schema_compiler *c, const members *m, dfa **out)
{
    nfa n;
    uint32_t start, end;
    nfa_init(&n, &c->b.work);
    brink_status status = nfa_state(&n, &start);
    for (uint32_t i = 0; i < m->count && status == BRINK_OK; i++) {
        status = spell_text(&n, c->how, start, m->names[i], m->sizes[i], &end);
        if (status == BRINK_OK && m->sizes[i] == 0) { /* the empty name ends where all begin */
            uint32_t own;
            status = nfa_state(&n, &own);
            if (status == BRINK_OK)
                status = nfa_empty(&n, start, own);
            end = own;
        }
        if (status == BRINK_OK)
            n.label[end] = (uint16_t)(i + 1);
    }
    if (status == BRINK_OK)
        status = nfa_compile(&n, start, &c->b.work.scratch, out);
    nfa_free(&n);
    return status;
}

/* labels: the names', any text's or that of propertyNames, then the patterns'. */
static uint16_t key_label(void *user, const uint16_t *labels)
{
    members *m = user;
    uint32_t mask = 0, i = 0;
    if (labels[0] != 0)
        return labels[0];
    for (uint32_t p = 0; p < m->pattern_count; p++)
        mask |= (uint32_t)(labels[m->skip + p] != 0) << p;
    if (m->closed && mask == 0)
        return 0;
    while (i < m->class_count && m->classes[i] != mask)
        i++;
    if (i == sizeof m->classes / sizeof *m->classes) {
        m->overflow = true;
        return 0;
    }
    m->classes[i] = mask;
    m->class_count += i == m->class_count;
    return (uint16_t)(m->count + i + 1);
}

/* The strings that propertyNames of all schemas allow; NULL: all. */
static brink_status allowed_names(schema_compiler *c, const members *m, dfa **out)
{
    item_list list = {.count = 0};
    yyjson_val *names;
    *out = NULL;
    for (uint32_t i = 0; i < m->leaf->count; i++) {
        if (m->leaf->items[i].kind != ITEM_BASE ||
            (names = yyjson_obj_get(m->leaf->items[i].json, "propertyNames")) == NULL)
            continue;
        if (yyjson_is_true(names))
            continue;
        if (yyjson_is_false(names)) {
            list.never = true;
            continue;
        }
        TRY(schema_check(c, names));
        static const char *const splitting[] = {"$ref", "allOf", "anyOf", "oneOf", "not", "if"};
        for (size_t k = 0; k < sizeof splitting / sizeof *splitting; k++)
            if (yyjson_obj_get(names, splitting[k]) != NULL)
                return schema_refuse(c, "propertyNames", "with more than simple keywords");
        uint32_t mask;
        TRY(schema_types(c, names, &mask));
        if ((mask & TYPE_STRING) == 0)
            list.never = true;
        items_add(&list, ITEM_BASE, names);
        if (yyjson_obj_get(names, "enum") != NULL)
            items_add(&list, ITEM_TEXTS, names);
        if ((names = yyjson_obj_get(names, "const")) != NULL) {
            if (yyjson_is_str(names))
                items_add(&list, ITEM_VALUE, names);
            else
                list.never = true;
        }
    }
    if (list.never)
        return spell_any(&c->b.work, c->how, 1, 0, &c->b.work.scratch, out);
    conjunction leaf = {list.at, list.count, 0, false};
    return leaf_string_body(c, &leaf, true, out);
}

static brink_status keys_dfa(schema_compiler *c, members *m, dfa **out)
{
    const dfa *parts[MAX_PATTERNS + 2];
    dfa *names, *allowed;
    uint32_t count = 0, needed = 0;
    TRY(names_dfa(c, m, &names));
    TRY(allowed_names(c, m, &allowed));
    parts[count++] = names;
    if (allowed != NULL) {
        parts[count++] = allowed;
        needed = 2;
    } else if (!m->closed || m->pattern_count != 0) {
        parts[count++] = c->any;
        needed = 2;
    }
    m->skip = count;
    for (uint32_t p = 0; p < m->pattern_count; p++)
        parts[count++] = m->patterns[p].d;
    TRY(dfa_product(&c->b.work, parts, count, needed, key_label, m, &c->b.g->memory, out));
    if (m->overflow)
        return schema_refuse(c, "patternProperties", "that overlap in this many ways");
    return BRINK_OK;
}

brink_status leaf_object(schema_compiler *c, const conjunction *leaf, uint32_t *node)
{
    grammar *g = c->b.g;
    members *m = ARENA_NEW(&c->b.work.scratch, members);
    object_rule *o = ARENA_NEW(&g->memory, object_rule);
    if (m == NULL || o == NULL)
        return BRINK_OUT_OF_MEMORY;
    m->leaf = leaf;
    m->high = GRAMMAR_ENDLESS;
    TRY(gather(c, m));
    TRY(keys_dfa(c, m, &o->keys));
    o->declared = m->count;
    o->labels = m->count + m->class_count;
    o->required = m->required;
    o->low = m->low;
    o->high = m->high;
    o->values = ARENA_ARRAY(&g->memory, uint32_t, o->labels + 1ull);
    if (o->values == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool others = false;
    for (uint32_t l = 1; l <= o->labels; l++) {
        bool declared = l <= m->count;
        const char *name = declared ? m->names[l - 1] : NULL;
        uint32_t size = declared ? m->sizes[l - 1] : 0, matched = 0;
        if (!declared)
            matched = m->classes[l - m->count - 1];
        for (uint32_t p = 0; declared && p < m->pattern_count; p++)
            matched |= (uint32_t)schema_text_matches(m->patterns[p].d, name, size) << p;
        TRY(member_node(c, m, name, size, matched, &o->values[l]));
        others = others || (!declared && o->values[l] != 0);
    }
    if (others && o->low > 1 && (uint32_t)__builtin_popcountll(o->required) < o->low)
        return schema_refuse(c, "minProperties", "above 1 beside undeclared properties");
    TRY(grammar_add(&c->b, RULE_OBJECT, node));
    g->rules[*node].object = o;
    return BRINK_OK;
}
