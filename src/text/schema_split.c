/* schema_split.c — a conjunction with one item decided, a branch for each way to decide it.

   `not` is carried inwards by De Morgan's laws: a schema fails if one of its assertions does, and
   an assertion about one type fails only for instances of that type. What is left are failing
   assertions of leaves (ITEM_FAILS), for which languages have complements. `if` is two branches,
   one with it and `then`, one without it and with `else`; a dependency is the name missing, or
   there with what it asks for. Branches whose types exclude one another are not begun. */
#include "text/schema_internal.h"

#include <stdio.h>

typedef struct branches {
    schema_compiler *c;
    const item_list *list;
    item_list *one; /* under construction */
    uint32_t at, *nodes, count, capacity;
} branches;

static item_list *begin(branches *b)
{
    memcpy(b->one, b->list, sizeof *b->one);
    b->one->at[b->at].done = true;
    return b->one;
}

static brink_status end(branches *b)
{
    schema_compiler *c = b->c;
    uint32_t types, literals;
    TRY(dfa_spend(&c->b.work, 1 + b->one->count));
    if (b->one->never)
        return BRINK_OK;
    TRY(schema_leaf_types(c, b->one->at, b->one->count, &types, &literals));
    if (types == 0)
        return BRINK_OK;
    if (b->count == b->capacity) {
        uint32_t *more = ARENA_ARRAY(&c->b.work.scratch, uint32_t, 2ull * b->capacity + 8);
        if (more == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (b->count != 0)
            memcpy(more, b->nodes, b->count * sizeof *more);
        b->nodes = more;
        b->capacity = 2 * b->capacity + 8;
    }
    return schema_node(c, b->one, &b->nodes[b->count++]);
}

/* ── Types ── */

static uint32_t type_of(yyjson_val *v)
{
    return yyjson_is_null(v)   ? TYPE_NULL
           : yyjson_is_bool(v) ? TYPE_BOOLEAN
           : yyjson_is_obj(v)  ? TYPE_OBJECT
           : yyjson_is_arr(v)  ? TYPE_ARRAY
           : yyjson_is_str(v)  ? TYPE_STRING
                               : TYPE_NUMBER | TYPE_INTEGER;
}

static uint32_t literal_of(yyjson_val *v)
{
    return yyjson_is_null(v) ? 1 : yyjson_is_false(v) ? 2 : yyjson_is_true(v) ? 4 : 0;
}

brink_status schema_leaf_types(schema_compiler *c, const item *items, uint32_t count,
                               uint32_t *mask, uint32_t *literals)
{
    yyjson_val *value, *one;
    size_t k, n;
    *mask = TYPE_ALL;
    *literals = 7;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t own = TYPE_ALL;
        if (items[i].kind == ITEM_BASE)
            TRY(schema_types(c, items[i].json, &own));
        if (items[i].kind == ITEM_TEXTS)
            own = TYPE_STRING;
        if (items[i].kind == ITEM_IS)
            own = items[i].types;
        if (items[i].kind == ITEM_VALUE) {
            own = type_of(items[i].json);
            if (literal_of(items[i].json) != 0)
                *literals &= literal_of(items[i].json);
        }
        if ((value = item_failing(&items[i], "const")) != NULL)
            *literals &= ~literal_of(value);
        yyjson_arr_foreach(schema_each(item_failing(&items[i], "enum")), k, n, one) *literals &=
            ~literal_of(one);
        *mask &= own;
    }
    *literals &= (*mask & TYPE_NULL ? 1u : 0) | (*mask & TYPE_BOOLEAN ? 6u : 0);
    return BRINK_OK;
}

/* ── What a failing schema may fail by ── */

static brink_status fail_by_value(branches *b, yyjson_val *key, yyjson_val *value)
{
    yyjson_val *one;
    size_t i, n;
    bool list = yyjson_equals_str(key, "enum"), deep = !list && yyjson_is_ctn(value);
    yyjson_arr_foreach(schema_each(list ? value : NULL), i, n, one)
    {
        deep = deep || yyjson_is_ctn(one);
    }
    if (deep)
        return schema_refuse(b->c, "not", "of lists or objects as values");
    items_add(begin(b), ITEM_FAILS, key);
    return end(b);
}

static brink_status fail_by_one_of(branches *b, yyjson_val *list)
{
    yyjson_val *one, *other;
    size_t i, k, n, m;
    begin(b);
    yyjson_arr_foreach(schema_each(list), i, n, one) items_add(b->one, ITEM_NOT, one);
    TRY(end(b));
    yyjson_arr_foreach(schema_each(list), i, n, one)
        yyjson_arr_foreach(schema_each(list), k, m, other)
    {
        if (k <= i)
            continue;
        items_add(begin(b), ITEM_SCHEMA, one);
        items_add(b->one, ITEM_SCHEMA, other);
        TRY(end(b));
    }
    return BRINK_OK;
}

static brink_status fail_by_all_of(branches *b, yyjson_val *list)
{
    yyjson_val *one;
    size_t i, n;
    yyjson_arr_foreach(schema_each(list), i, n, one)
    {
        items_add(begin(b), ITEM_NOT, one);
        TRY(end(b));
    }
    return BRINK_OK;
}

static brink_status fail_by_any_of(branches *b, yyjson_val *list)
{
    yyjson_val *one;
    size_t i, n;
    begin(b);
    yyjson_arr_foreach(schema_each(list), i, n, one) items_add(b->one, ITEM_NOT, one);
    return end(b);
}

static brink_status fail_by_names(branches *b, yyjson_val *names)
{
    yyjson_val *one;
    size_t i, n;
    yyjson_arr_foreach(schema_each(names), i, n, one)
    {
        items_restrict(begin(b), TYPE_OBJECT);
        items_add(b->one, ITEM_WITHOUT, one);
        TRY(end(b));
    }
    return BRINK_OK;
}

static brink_status fail_by_properties(branches *b, yyjson_val *properties)
{
    yyjson_val *key, *value;
    size_t i, n;
    yyjson_obj_foreach(schema_each(properties), i, n, key, value)
    {
        items_restrict(begin(b), TYPE_OBJECT);
        items_add(b->one, yyjson_is_false(value) ? ITEM_WITH : ITEM_UNLIKE, key);
        b->one->never = b->one->never || yyjson_is_true(value);
        TRY(end(b));
    }
    return BRINK_OK;
}

static brink_status fail_by_condition(branches *b, yyjson_val *schema)
{
    yyjson_val *then = yyjson_obj_get(schema, "then"), *other = yyjson_obj_get(schema, "else");
    if (then != NULL) {
        items_add(begin(b), ITEM_SCHEMA, yyjson_obj_get(schema, "if"));
        items_add(b->one, ITEM_NOT, then);
        TRY(end(b));
    }
    if (other == NULL)
        return BRINK_OK;
    items_add(begin(b), ITEM_NOT, yyjson_obj_get(schema, "if"));
    items_add(b->one, ITEM_NOT, other);
    return end(b);
}

/* The types that a keyword speaks of which may stand in ITEM_FAILS; 0: no such keyword. */
static uint32_t types_of_keyword(const char *name)
{
    static const struct {
        const char *name;
        uint32_t types;
    } keywords[] = {
        {"minimum", TYPE_NUMBER | TYPE_INTEGER},
        {"maximum", TYPE_NUMBER | TYPE_INTEGER},
        {"exclusiveMinimum", TYPE_NUMBER | TYPE_INTEGER},
        {"exclusiveMaximum", TYPE_NUMBER | TYPE_INTEGER},
        {"multipleOf", TYPE_NUMBER | TYPE_INTEGER},
        {"pattern", TYPE_STRING},
        {"format", TYPE_STRING},
        {"minLength", TYPE_STRING},
        {"maxLength", TYPE_STRING},
        {"minItems", TYPE_ARRAY},
        {"maxItems", TYPE_ARRAY},
        {"minProperties", TYPE_OBJECT},
        {"maxProperties", TYPE_OBJECT},
    };
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keywords[i].name, name) == 0)
            return keywords[i].types;
    return 0;
}

/* Keywords that hold schemas or values themselves; *done: the name is one of them. */
static brink_status fail_by_parts(branches *b, yyjson_val *schema, yyjson_val *key, bool *done)
{
    static const struct {
        const char *name;
        brink_status (*by)(branches *b, yyjson_val *value);
    } keywords[] = {
        {"allOf", fail_by_all_of},   {"anyOf", fail_by_any_of},          {"oneOf", fail_by_one_of},
        {"required", fail_by_names}, {"properties", fail_by_properties},
    };
    const char *name = yyjson_get_str(key);
    yyjson_val *value = schema_member(key);
    *done = true;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keywords[i].name, name) == 0)
            return keywords[i].by(b, value);
    if (strcmp(name, "const") == 0 || strcmp(name, "enum") == 0)
        return fail_by_value(b, key, value);
    if (strcmp(name, "if") == 0)
        return fail_by_condition(b, schema);
    *done = strcmp(name, "then") == 0 || strcmp(name, "else") == 0;
    return BRINK_OK;
}

static brink_status fail_by(branches *b, yyjson_val *schema, yyjson_val *key)
{
    yyjson_val *value = schema_member(key), *target;
    const char *name = yyjson_get_str(key);
    char what[64];
    bool done;
    uint32_t types = types_of_keyword(name);
    if (types != 0) {
        items_restrict(begin(b), types);
        items_add(b->one, ITEM_FAILS, key);
        return end(b);
    }
    if (strcmp(name, "type") == 0) {
        TRY(schema_types(b->c, schema, &types));
        items_restrict(begin(b), TYPE_ALL & ~types);
        return end(b);
    }
    if (strcmp(name, "$ref") == 0) {
        TRY(schema_resolve(b->c, yyjson_get_str(value), &target));
        items_add(begin(b), ITEM_NOT, target);
        return end(b);
    }
    if (strcmp(name, "not") == 0) {
        items_add(begin(b), ITEM_SCHEMA, value);
        return end(b);
    }
    TRY(fail_by_parts(b, schema, key, &done));
    if (done || schema_is_note(name))
        return BRINK_OK;
    snprintf(what, sizeof what, "of \"%.40s\"", name);
    return schema_refuse(b->c, "not", what);
}

/* ── Splitting ── */

static brink_status split_values(branches *b, yyjson_val *schema)
{
    yyjson_val *one;
    size_t i, n;
    bool texts = false;
    yyjson_arr_foreach(schema_each(yyjson_obj_get(schema, "enum")), i, n, one)
    {
        bool text = yyjson_is_str(one);
        if (text && texts)
            continue; /* all strings are one branch */
        texts = texts || text;
        items_add(begin(b), text ? ITEM_TEXTS : ITEM_VALUE, text ? schema : one);
        TRY(end(b));
    }
    return BRINK_OK;
}

/* Branches of oneOf are proven disjoint later, or made so here. */
static brink_status split_schemas(branches *b, yyjson_val *schema, bool exclusive)
{
    schema_compiler *c = b->c;
    yyjson_val *list = yyjson_obj_get(schema, exclusive ? "oneOf" : "anyOf"), *one, *other;
    size_t i, k, n, m;
    bool overlaps = false;
    for (uint32_t s = 0; exclusive && s < c->overlap_count; s++)
        overlaps = overlaps || c->overlapping[s] == schema;
    yyjson_arr_foreach(schema_each(list), i, n, one)
    {
        items_add(begin(b), ITEM_SCHEMA, one);
        yyjson_arr_foreach(schema_each(overlaps ? list : NULL), k, m, other)
        {
            if (k != i)
                items_add(b->one, ITEM_NOT, other);
        }
        TRY(end(b));
    }
    if (!exclusive || overlaps)
        return BRINK_OK;
    TRY(array_grow(c->context, (void **)&c->splits, &c->split_capacity, c->split_count + 1ull,
                   sizeof *c->splits));
    c->splits[c->split_count++] = (one_of){schema, b->nodes, b->count};
    return BRINK_OK;
}

static brink_status split_condition(branches *b, yyjson_val *schema)
{
    yyjson_val *then = yyjson_obj_get(schema, "then"), *other = yyjson_obj_get(schema, "else");
    items_add(begin(b), ITEM_SCHEMA, yyjson_obj_get(schema, "if"));
    if (then != NULL)
        items_add(b->one, ITEM_SCHEMA, then);
    TRY(end(b));
    items_add(begin(b), ITEM_NOT, yyjson_obj_get(schema, "if"));
    if (other != NULL)
        items_add(b->one, ITEM_SCHEMA, other);
    return end(b);
}

static brink_status split_failing(branches *b, yyjson_val *schema)
{
    yyjson_val *key, *value;
    size_t i, n;
    TRY(schema_check(b->c, schema));
    yyjson_obj_foreach(schema_each(schema), i, n, key, value) TRY(fail_by(b, schema, key));
    return BRINK_OK;
}

static brink_status split_dependency(branches *b, yyjson_val *name)
{
    yyjson_val *asked = schema_member(name), *one;
    size_t i, n;
    items_add(begin(b), ITEM_WITHOUT, name);
    TRY(end(b));
    items_restrict(begin(b), TYPE_OBJECT);
    items_add(b->one, ITEM_WITH, name);
    if (!yyjson_is_arr(asked))
        items_add(b->one, ITEM_SCHEMA, asked);
    yyjson_arr_foreach(schema_each(yyjson_is_arr(asked) ? asked : NULL), i, n, one)
        items_add(b->one, ITEM_WITH, one);
    return end(b);
}

brink_status schema_split(schema_compiler *c, const item_list *list, uint32_t at, uint32_t **nodes,
                          uint32_t *count)
{
    branches b = {.c = c, .list = list, .at = at};
    yyjson_val *json = list->at[at].json;
    uint32_t kind = list->at[at].kind;
    b.one = arena_alloc(&c->b.work.scratch, sizeof *b.one);
    if (b.one == NULL)
        return BRINK_OUT_OF_MEMORY;
    brink_status status = kind == ITEM_ENUM      ? split_values(&b, json)
                          : kind == ITEM_IF      ? split_condition(&b, json)
                          : kind == ITEM_NOT     ? split_failing(&b, json)
                          : kind == ITEM_DEPENDS ? split_dependency(&b, json)
                                                 : split_schemas(&b, json, kind == ITEM_ONE_OF);
    *nodes = b.nodes;
    *count = b.count;
    return status;
}
