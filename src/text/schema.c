/* schema.c — conjunctions expanded, split and turned into nodes; see schema_internal.h.

   oneOf is read as anyOf at first; where its branches are then not provably disjoint, the schema is
   compiled once more with each of them excluding the others (`not`). */
#include "text/schema_internal.h"

#include <stdio.h>
#include <stdlib.h>

brink_status schema_refuse(schema_compiler *c, const char *keyword, const char *what)
{
    return core_fail(c->context, BRINK_UNSUPPORTED, "%s: keyword \"%.80s\"%s%s is not supported",
                     c->b.where, keyword, what[0] != 0 ? " " : "", what);
}

brink_status schema_malformed(schema_compiler *c, const char *keyword, const char *expected)
{
    return core_fail(c->context, BRINK_BAD_INPUT, "%s: keyword \"%.80s\" is not %s", c->b.where,
                     keyword, expected);
}

/* ── Conjunctions ── */

static void add(item_list *list, item one)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].json == one.json && list->at[i].kind == one.kind &&
            list->at[i].types == one.types)
            return;
    list->full = list->full || list->count == MAX_ITEMS;
    if (!list->full)
        list->at[list->count++] = one;
}

void items_add(item_list *list, item_kind kind, yyjson_val *json)
{
    if ((kind == ITEM_SCHEMA || kind == ITEM_NOT) && yyjson_is_bool(json)) {
        list->never = list->never || yyjson_is_true(json) == (kind == ITEM_NOT);
        return;
    }
    add(list, (item){.json = json, .kind = (uint16_t)kind});
}

void items_restrict(item_list *list, uint32_t types)
{
    add(list, (item){.kind = ITEM_IS, .types = (uint16_t)types});
}

static int by_address(const void *a, const void *b)
{
    item x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    if (x.json != y.json)
        return (uintptr_t)x.json < (uintptr_t)y.json ? -1 : 1;
    if (x.kind != y.kind)
        return x.kind < y.kind ? -1 : 1;
    return (x.types > y.types) - (x.types < y.types);
}

static bool same(const conjunction *a, const item *items, uint32_t count)
{
    if (a->count != count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (a->items[i].json != items[i].json || a->items[i].kind != items[i].kind ||
            a->items[i].types != items[i].types || a->items[i].done != items[i].done)
            return false;
    return true;
}

static uint64_t hash_items(const item *items, uint32_t count)
{
    uint64_t h = count;
    for (uint32_t i = 0; i < count; i++) {
        h = (h ^ (uint64_t)(uintptr_t)items[i].json) * 0x9E3779B97F4A7C15u;
        h = (h ^ h >> 29 ^ items[i].kind ^ (uint64_t)items[i].types << 16 ^
             (uint64_t)items[i].done << 8) *
            0xBF58476D1CE4E5B9u;
    }
    return h ^ h >> 31;
}

static brink_status rehash(schema_compiler *c)
{
    uint32_t slots = c->slot_count == 0 ? 256 : c->slot_count * 2;
    uint32_t *table = ARENA_ARRAY(&c->b.work.scratch, uint32_t, slots);
    if (table == NULL)
        return BRINK_OUT_OF_MEMORY;
    c->slots = table;
    c->slot_count = slots;
    for (uint32_t i = 0; i < c->count; i++) {
        uint64_t h = hash_items(c->known[i].items, c->known[i].count);
        while (table[h & (slots - 1)] != 0)
            h++;
        table[h & (slots - 1)] = i + 1;
    }
    return BRINK_OK;
}

brink_status schema_node(schema_compiler *c, item_list *list, uint32_t *node)
{
    *node = 0; /* rule 0 derives nothing */
    if (list->full)
        return core_fail(c->context, BRINK_UNSUPPORTED,
                         "%s: more than %d schemas at one place are not supported", c->b.where,
                         MAX_ITEMS);
    if (list->never)
        return BRINK_OK;
    qsort(list->at, list->count, sizeof *list->at, by_address);
    TRY(dfa_spend(&c->b.work, 16 + list->count));
    if (c->count * 2 >= c->slot_count)
        TRY(rehash(c));
    uint64_t h = hash_items(list->at, list->count);
    for (uint32_t at; (at = c->slots[h & (c->slot_count - 1)]) != 0; h++)
        if (same(&c->known[at - 1], list->at, list->count)) {
            *node = c->known[at - 1].node;
            return BRINK_OK;
        }
    if (c->count == MAX_CONJUNCTIONS)
        return core_fail(c->context, BRINK_UNSUPPORTED, "%s: is too large to compile", c->b.where);
    TRY(grammar_add(&c->b, RULE_CHOICE, node));
    TRY(array_grow(c->context, (void **)&c->known, &c->capacity, c->count + 1ull,
                   sizeof *c->known));
    item *items = ARENA_ARRAY(&c->b.work.scratch, item, list->count + 1ull);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(items, list->at, list->count * sizeof *items);
    c->known[c->count] = (conjunction){items, list->count, *node, false};
    c->slots[h & (c->slot_count - 1)] = ++c->count;
    return BRINK_OK;
}

/* ── Expanding ── */

static void add_dependencies(item_list *list, yyjson_val *dependencies)
{
    yyjson_val *name, *asked;
    size_t i, n;
    yyjson_obj_foreach(schema_each(dependencies), i, n, name, asked)
        items_add(list, ITEM_DEPENDS, name);
}

static brink_status expand(schema_compiler *c, item_list *list)
{
    for (uint32_t i = 0; i < list->count && !list->never && !list->full; i++) {
        yyjson_val *schema = list->at[i].json, *part;
        size_t k, n;
        if (list->at[i].kind != ITEM_SCHEMA)
            continue;
        TRY(schema_check(c, schema));
        list->at[i] = list->at[--list->count]; /* its parts take its place */
        i--;
        items_add(list, ITEM_BASE, schema);
        if ((part = yyjson_obj_get(schema, "$ref")) != NULL) {
            TRY(schema_resolve(c, yyjson_get_str(part), &part));
            items_add(list, ITEM_SCHEMA, part);
        }
        yyjson_arr_foreach(schema_each(yyjson_obj_get(schema, "allOf")), k, n, part)
            items_add(list, ITEM_SCHEMA, part);
        if ((part = yyjson_obj_get(schema, "const")) != NULL)
            items_add(list, ITEM_VALUE, part);
        if (yyjson_obj_get(schema, "enum") != NULL)
            items_add(list, ITEM_ENUM, schema);
        if (yyjson_obj_get(schema, "anyOf") != NULL)
            items_add(list, ITEM_ANY_OF, schema);
        if (yyjson_obj_get(schema, "oneOf") != NULL)
            items_add(list, ITEM_ONE_OF, schema);
        if (yyjson_obj_get(schema, "if") != NULL)
            items_add(list, ITEM_IF, schema);
        if ((part = yyjson_obj_get(schema, "not")) != NULL)
            items_add(list, ITEM_NOT, part);
        add_dependencies(list, yyjson_obj_get(schema, "dependentRequired"));
        add_dependencies(list, yyjson_obj_get(schema, "dependentSchemas"));
    }
    return BRINK_OK;
}

static brink_status set_choice(schema_compiler *c, uint32_t node, const uint32_t *items,
                               uint32_t count)
{
    uint32_t *copy = ARENA_ARRAY(&c->b.g->memory, uint32_t, count + 1ull);
    if (copy == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (count != 0)
        memcpy(copy, items, count * sizeof *copy);
    c->b.g->rules[node].items = copy;
    c->b.g->rules[node].count = count;
    return BRINK_OK;
}

static brink_status fill_leaf(schema_compiler *c, const conjunction *leaf)
{
    uint32_t mask, nodes[8] = {0}, count = 0, kept = 0, literals;
    TRY(schema_leaf_types(c, leaf->items, leaf->count, &mask, &literals));
    for (uint32_t i = 0; i < 3; i++)
        if (literals >> i & 1)
            TRY(leaf_literal(c, i, &nodes[count++]));
    if (mask & (TYPE_INTEGER | TYPE_NUMBER))
        TRY(leaf_number(c, leaf, mask & (TYPE_INTEGER | TYPE_NUMBER), &nodes[count++]));
    if (mask & TYPE_STRING)
        TRY(leaf_string(c, leaf, &nodes[count++]));
    if (mask & TYPE_ARRAY)
        TRY(leaf_array(c, leaf, &nodes[count++]));
    if (mask & TYPE_OBJECT)
        TRY(leaf_object(c, leaf, &nodes[count++]));
    for (uint32_t i = 0; i < count; i++)
        if (nodes[i] != 0)
            nodes[kept++] = nodes[i];
    return set_choice(c, leaf->node, nodes, kept);
}

static brink_status fill(schema_compiler *c, uint32_t index, item_list *list)
{
    conjunction one = c->known[index];
    list->count = one.count;
    list->never = list->full = false;
    memcpy(list->at, one.items, one.count * sizeof *one.items);
    TRY(expand(c, list));
    if (list->full)
        return schema_node(c, list, &one.node); /* which says so */
    if (list->never)
        return BRINK_OK;
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].kind >= ITEM_ENUM && !list->at[i].done) {
            uint32_t *nodes, count;
            TRY(schema_split(c, list, i, &nodes, &count));
            return set_choice(c, one.node, nodes, count);
        }
    conjunction leaf = {list->at, list->count, one.node, false};
    return fill_leaf(c, &leaf);
}

/* ── The whole ── */

static brink_status compile(schema_compiler *c)
{
    grammar *g = c->b.g;
    uint32_t start, document;
    item_list *list = arena_alloc(&c->b.work.scratch, sizeof *list);
    uint32_t *items = ARENA_NEW(&g->memory, uint32_t);
    if (list == NULL || items == NULL)
        return BRINK_OUT_OF_MEMORY;
    TRY(spell_any(&c->b.work, c->how, 0, UINT32_MAX, &g->memory, &c->any));
    g->any = c->any;
    items_add(list, ITEM_SCHEMA, c->root);
    TRY(schema_node(c, list, &start));
    for (c->filled = 0; c->filled < c->count; c->filled++)
        TRY(fill(c, c->filled, list));
    TRY(grammar_add(&c->b, RULE_DOCUMENT, &document));
    *items = start;
    g->rules[document].items = items;
    g->rules[document].count = 1;
    g->root = document;
    return BRINK_OK;
}

/* Once, with what is known of overlapping branches. */
static brink_status attempt(schema_compiler *c, const char *where, grammar **out)
{
    brink_status status = grammar_begin(c->context, where, &c->b);
    if (status == BRINK_OK) {
        uint32_t space = c->options.max_space == 0 ? 128 : c->options.max_space;
        c->b.g->max_space = c->options.no_space         ? 0
                            : space < GRAMMAR_MAX_SPACE ? space
                                                        : GRAMMAR_MAX_SPACE;
        c->b.user = c;
        c->b.check = schema_check_splits;
        status = compile(c);
    }
    status = grammar_end(&c->b, status, out);
    core_free(c->context, c->known);
    core_free(c->context, c->splits);
    core_free(c->context, c->patterns);
    return status;
}

brink_status schema_compile(brink_context *context, const char *file_name, const void *json,
                            uint64_t size, const schema_options *options, grammar **out)
{
    schema_compiler c = {.context = context};
    json_document document;
    char where[128];
    *out = NULL;
    c.options = options != NULL ? *options : (schema_options){0};
    snprintf(where, sizeof where, "%.110s%sschema", file_name != NULL ? file_name : "",
             file_name != NULL ? ": " : "");
    TRY(json_parse(context, file_name != NULL ? file_name : "schema", json, size, &document));
    c.root = document.root;
    c.how = c.options.plain ? SPELL_JSON_PLAIN : SPELL_JSON;
    c.inner_id = schema_inner_id(c.root);
    brink_status status;
    uint32_t before;
    do {
        schema_compiler fresh = c; /* what is overlapping stays known */
        before = c.overlap_count;
        status = attempt(&fresh, where, out);
        c.overlapping = fresh.overlapping;
        c.overlap_count = fresh.overlap_count;
        c.overlap_capacity = fresh.overlap_capacity;
    } while (status == BRINK_UNSUPPORTED && c.overlap_count > before);
    core_free(context, c.overlapping);
    json_free(&document);
    return status;
}
