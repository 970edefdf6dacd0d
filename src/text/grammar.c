/* grammar.c — nodes, and what is known of them once all are there.

   The shortest text of every node is a least fixed point (Knuth 1977, "A generalization of
   Dijkstra's algorithm"), found by repeated rounds; a node without one can never be completed and
   is cut out, so that no state leads into it. First bytes and nullability are found the same way. */
#include "text/grammar_internal.h"

#include "text/spelling.h"

#include <stdio.h>

brink_status grammar_begin(brink_context *context, const char *where, grammar_builder *b)
{
    uint32_t never;
    *b = (grammar_builder){0};
    snprintf(b->where, sizeof b->where, "%s", where);
    b->work = (dfa_work){.context = context};
    arena_init(&b->work.scratch, context);
    b->g = core_calloc(context, 1, sizeof *b->g);
    if (b->g == NULL)
        return BRINK_OUT_OF_MEMORY;
    b->g->context = context;
    arena_init(&b->g->memory, context);
    return grammar_add(b, RULE_NEVER, &never);
}

brink_status grammar_add(grammar_builder *b, rule_kind kind, uint32_t *node)
{
    grammar *g = b->g;
    b->work.where = b->where;
    if (g->count == GRAMMAR_MAX_NODES)
        return core_fail(g->context, BRINK_UNSUPPORTED, "%s: asks for more than %d rules", b->where,
                         GRAMMAR_MAX_NODES);
    TRY(dfa_spend(&b->work, 16));
    TRY(array_grow(g->context, (void **)&g->rules, &g->capacity, g->count + 1ull,
                   sizeof *g->rules));
    g->rules[g->count] = (rule){.kind = kind, .least = GRAMMAR_ENDLESS};
    *node = g->count++;
    return BRINK_OK;
}

brink_status grammar_terminal(grammar_builder *b, dfa *d, uint32_t *node)
{
    TRY(grammar_add(b, RULE_TERMINAL, node));
    b->g->rules[*node].terminal = d;
    return BRINK_OK;
}

void grammar_destroy(grammar *g)
{
    if (g == NULL)
        return;
    mask_cache_free(g->context, g->cache);
    arena_free(&g->memory);
    core_free(g->context, g->rules);
    core_free(g->context, g);
}

/* ── Shortest texts ── */

typedef struct cost {
    uint64_t bytes;
    uint32_t depth;
} cost;

static void join(const grammar *g, cost *c, uint32_t node, uint64_t times)
{
    const rule *r = &g->rules[node];
    if (times == 0)
        return;
    if (r->least == GRAMMAR_ENDLESS || c->bytes > GRAMMAR_MAX_LEAST) {
        c->bytes = GRAMMAR_ENDLESS;
        return;
    }
    c->bytes += r->least * times;
    c->depth = r->depth > c->depth ? r->depth : c->depth;
}

static cost object_cost(const grammar *g, const rule *r)
{
    const object_rule *o = r->object;
    cost c = {2, 0};
    uint32_t count = (uint32_t)__builtin_popcountll(o->required), more = 0;
    for (uint32_t l = 1; l <= o->declared; l++)
        if (o->required >> (l - 1) & 1) {
            join(g, &c, o->values[l], 1);
            c.bytes = o->sizes[l] == GRAMMAR_ENDLESS ? GRAMMAR_ENDLESS : c.bytes + o->sizes[l] + 4;
        }
    if (count > o->high || o->low > o->high)
        c.bytes = GRAMMAR_ENDLESS;
    for (uint32_t l = 1; l <= o->labels && count + more < o->low; l++) /* any others will do */
        if ((l > o->declared || !(o->required >> (l - 1) & 1)) &&
            g->rules[o->values[l]].least != GRAMMAR_ENDLESS && o->sizes[l] != GRAMMAR_ENDLESS) {
            join(g, &c, o->values[l], 1);
            c.bytes += o->sizes[l] + 4;
            more++;
        }
    if (count + more < o->low)
        c.bytes = GRAMMAR_ENDLESS;
    c.bytes -= c.bytes != GRAMMAR_ENDLESS && count + more > 0; /* one comma fewer than keys */
    return c;
}

static cost cost_of(const grammar *g, rule *r)
{
    cost c = {0, 0};
    switch (r->kind) {
    case RULE_NEVER:
        c.bytes = GRAMMAR_ENDLESS;
        break;
    case RULE_TERMINAL:
        c.bytes = dfa_empty(r->terminal) ? GRAMMAR_ENDLESS : r->terminal->near[DFA_START];
        break;
    case RULE_STRING:
        c.bytes = r->low > r->high ? GRAMMAR_ENDLESS : 2ull + r->low;
        break;
    case RULE_ARRAY:
        c.bytes = r->low > r->high ? GRAMMAR_ENDLESS : 2ull + (r->low > 0 ? r->low - 1 : 0);
        for (uint32_t i = 0; i < r->count && i < r->low; i++)
            join(g, &c, r->items[i], 1);
        if (r->low > r->count)
            join(g, &c, r->rest, r->low - r->count);
        break;
    case RULE_OBJECT:
        c = object_cost(g, r);
        break;
    case RULE_CHOICE:
        c.bytes = GRAMMAR_ENDLESS;
        for (uint32_t i = 0; i < r->count; i++) {
            const rule *item = &g->rules[r->items[i]];
            if (item->least < c.bytes && item->least < r->least) {
                c = (cost){item->least, item->depth - 1};
                r->rest = r->items[i];
            }
        }
        break;
    case RULE_SEQUENCE:
    case RULE_DOCUMENT:
        for (uint32_t i = 0; i < r->count; i++)
            join(g, &c, r->items[i], 1);
        break;
    }
    c.depth++;
    return c;
}

static brink_status shortest(grammar_builder *b)
{
    grammar *g = b->g;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = g->count; i-- > 0;) { /* what is used was mostly made later */
            rule *r = &g->rules[i];
            cost c = cost_of(g, r);
            uint32_t size = r->kind == RULE_OBJECT ? r->object->labels : r->count;
            TRY(dfa_spend(&b->work, 1 + size / 4));
            if (c.bytes <= GRAMMAR_MAX_LEAST && c.bytes < r->least && c.depth < GRAMMAR_MAX_DEPTH) {
                r->least = (uint32_t)c.bytes;
                r->depth = c.depth;
                changed = true;
            }
        }
    }
    return BRINK_OK;
}

/* ── Choices of choices, first bytes ── */

/* The members of a choice that are no choices themselves, each once. */
static brink_status flatten(grammar_builder *b, uint32_t node, uint32_t *stamp, uint32_t *list)
{
    grammar *g = b->g;
    uint32_t count = 1, kept = 0;
    list[0] = node;
    stamp[node] = node;
    for (uint32_t i = 0; i < count; i++) {
        const rule *r = &g->rules[list[i]];
        for (uint32_t k = 0; r->kind == RULE_CHOICE && k < r->count; k++)
            if (stamp[r->items[k]] != node) {
                stamp[r->items[k]] = node;
                list[count++] = r->items[k];
            }
    }
    TRY(dfa_spend(&b->work, count));
    for (uint32_t i = 1; i < count; i++)
        if (g->rules[list[i]].kind != RULE_CHOICE && g->rules[list[i]].least != GRAMMAR_ENDLESS)
            list[kept++] = list[i];
    uint32_t *items = ARENA_ARRAY(&g->memory, uint32_t, kept);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(items, list, kept * sizeof *items);
    /* set aside: other choices still read the old list */
    g->rules[node].low = kept;
    g->rules[node].terminal = (dfa *)(void *)items;
    return BRINK_OK;
}

static brink_status flatten_all(grammar_builder *b)
{
    grammar *g = b->g;
    uint32_t *stamp = ARENA_ARRAY(&b->work.scratch, uint32_t, g->count);
    uint32_t *list = ARENA_ARRAY(&b->work.scratch, uint32_t, g->count);
    if (stamp == NULL || list == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 1; i < g->count; i++)
        if (g->rules[i].kind == RULE_CHOICE)
            TRY(flatten(b, i, stamp, list));
    for (uint32_t i = 1; i < g->count; i++)
        if (g->rules[i].kind == RULE_CHOICE) {
            rule *r = &g->rules[i];
            r->items = (uint32_t *)(void *)r->terminal;
            r->count = r->low;
            r->terminal = NULL;
            r->low = 0;
        }
    return BRINK_OK;
}

/* A choice's terminals become one automaton, so that a choice among them is no choice of stacks. */
static brink_status merge_terminals(grammar_builder *b, uint32_t node)
{
    grammar *g = b->g;
    uint32_t terminals = 0, kept = 0, start, end, merged;
    const rule *r = &g->rules[node];
    for (uint32_t i = 0; r->kind == RULE_CHOICE && i < r->count; i++)
        terminals += g->rules[r->items[i]].kind == RULE_TERMINAL;
    if (terminals < 2)
        return BRINK_OK;
    nfa n;
    dfa *d = NULL;
    nfa_init(&n, &b->work);
    brink_status status = nfa_state(&n, &start);
    if (status == BRINK_OK)
        status = nfa_state(&n, &end);
    for (uint32_t i = 0; status == BRINK_OK && i < r->count; i++) {
        const rule *item = &g->rules[r->items[i]];
        if (item->kind == RULE_TERMINAL)
            status = nfa_import(&n, item->terminal, start, end, 1);
    }
    if (status == BRINK_OK)
        status = nfa_compile(&n, start, &g->memory, &d);
    nfa_free(&n);
    TRY(status);
    TRY(grammar_terminal(b, d, &merged));
    g->rules[merged].least = d->near[DFA_START];
    g->rules[merged].depth = 1;
    rule *choice = &g->rules[node];
    for (uint32_t i = 0; i < choice->count; i++)
        if (g->rules[choice->items[i]].kind != RULE_TERMINAL)
            choice->items[kept++] = choice->items[i];
    choice->items[kept++] = merged;
    choice->count = kept;
    return BRINK_OK;
}

static bool unite(rule *r, const rule *other)
{
    bool changed = false;
    for (uint32_t w = 0; w < 4; w++) {
        changed = changed || (other->first[w] & ~r->first[w]) != 0;
        r->first[w] |= other->first[w];
    }
    return changed;
}

static bool first_round(grammar *g, rule *r)
{
    bool changed = false, nullable = true;
    rule own = {0};
    switch (r->kind) {
    case RULE_TERMINAL:
        for (uint32_t c = 0; c < 256 && !dfa_empty(r->terminal); c++)
            if (dfa_step(r->terminal, DFA_START, (uint8_t)c) != DFA_DEAD)
                own.first[c >> 6] |= 1ull << (c & 63);
        nullable = !dfa_empty(r->terminal) && r->terminal->label[DFA_START] != 0;
        break;
    case RULE_STRING:
    case RULE_OBJECT:
    case RULE_ARRAY: {
        uint8_t c = r->kind == RULE_STRING ? '"' : r->kind == RULE_OBJECT ? '{' : '[';
        own.first[c >> 6] |= 1ull << (c & 63);
        nullable = false;
        break;
    }
    case RULE_CHOICE:
        nullable = false;
        for (uint32_t i = 0; i < r->count; i++) {
            changed = unite(r, &g->rules[r->items[i]]) || changed;
            nullable = nullable || g->rules[r->items[i]].nullable;
        }
        break;
    case RULE_SEQUENCE:
        for (uint32_t i = 0; i < r->count && nullable; i++) {
            changed = unite(r, &g->rules[r->items[i]]) || changed;
            nullable = g->rules[r->items[i]].nullable;
        }
        break;
    case RULE_DOCUMENT:
    case RULE_NEVER:
        nullable = false;
        break;
    }
    changed = unite(r, &own) || changed || nullable != r->nullable;
    r->nullable = nullable;
    return changed;
}

static brink_status first_bytes(grammar_builder *b)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = b->g->count; i-- > 0;) {
            TRY(dfa_spend(&b->work, 8 + b->g->rules[i].count));
            changed = first_round(b->g, &b->g->rules[i]) || changed;
        }
    }
    return BRINK_OK;
}

/* ── Objects ── */

/* Takes the keys out whose values cannot be completed, and finds which labels lie ahead of each
   state of a key. */
static brink_status close_object(grammar_builder *b, object_rule *o)
{
    grammar *g = b->g;
    uint16_t *map = ARENA_ARRAY(&b->work.scratch, uint16_t, o->labels + 1ull);
    dfa *keys;
    if (map == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t l = 1; l <= o->labels; l++) {
        const rule *value = &g->rules[o->values[l]];
        if (value->least == GRAMMAR_ENDLESS || o->sizes[l] == GRAMMAR_ENDLESS)
            continue;
        map[l] = (uint16_t)l;
        o->deepest = value->depth > o->deepest ? value->depth : o->deepest;
        if (l <= o->declared)
            o->usable |= 1ull << (l - 1);
        else
            o->other = true;
    }
    TRY(dfa_relabel(&b->work, o->keys, map, &g->memory, &keys));
    o->keys = keys;
    o->reach = ARENA_ARRAY(&g->memory, uint64_t, keys->states);
    o->reach_other = ARENA_ARRAY(&g->memory, bool, keys->states);
    if (o->reach == NULL || o->reach_other == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (bool changed = true; changed;) {
        changed = false;
        TRY(dfa_spend(&b->work, (uint64_t)keys->states * keys->classes / 8));
        for (uint32_t s = keys->states; s-- > 1;) {
            uint32_t label = keys->label[s];
            uint64_t reach = label >= 1 && label <= o->declared ? 1ull << (label - 1) : 0;
            bool other = label > o->declared;
            for (uint32_t c = 0; c < keys->classes; c++) {
                uint32_t to = keys->next[s * keys->classes + c];
                reach |= o->reach[to];
                other = other || o->reach_other[to];
            }
            changed = changed || reach != o->reach[s] || other != o->reach_other[s];
            o->reach[s] = reach;
            o->reach_other[s] = other;
        }
    }
    return BRINK_OK;
}

/* What lets a mask take many tokens at once, of each automaton that a stack may stand in. */
static brink_status find_calm(grammar_builder *b, dfa *d, const bool *certain, uint16_t **out)
{
    bool *stirred = ARENA_ARRAY(&b->work.scratch, bool, d->states);
    if (stirred == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t s = 0; s < d->states; s++)
        stirred[s] = certain != NULL ? !certain[s] : d->label[s] != 0;
    return dfa_calm(&b->work, d, stirred, &b->g->memory, out);
}

static brink_status calm_all(grammar_builder *b)
{
    grammar *g = b->g;
    for (uint32_t i = 1; i < g->count; i++) {
        rule *r = &g->rules[i];
        if (r->kind == RULE_TERMINAL)
            TRY(find_calm(b, r->terminal, NULL, &r->calm));
        if (r->kind == RULE_OBJECT)
            TRY(find_calm(b, r->object->keys, r->object->reach_other, &r->object->calm));
    }
    if (g->any == NULL)
        return BRINK_OK;
    bool *certain = ARENA_ARRAY(&b->work.scratch, bool, g->any->states);
    if (certain == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(certain, 1, g->any->states);
    return find_calm(b, g->any, certain, &g->any_calm);
}

/* How each label is spelled at its shortest. */
static brink_status spell_labels(grammar_builder *b, object_rule *o)
{
    uint8_t text[1024];
    uint32_t states = o->keys->states;
    dfa_search search = {.from = ARENA_ARRAY(&b->work.scratch, uint16_t, states),
                         .byte = ARENA_ARRAY(&b->work.scratch, uint8_t, states),
                         .queue = ARENA_ARRAY(&b->work.scratch, uint16_t, states)};
    o->texts = (const char **)arena_array(&b->g->memory, o->labels + 1ull, sizeof *o->texts);
    o->sizes = ARENA_ARRAY(&b->g->memory, uint32_t, o->labels + 1ull);
    if (!search.from || !search.byte || !search.queue || !o->texts || !o->sizes)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t l = 1; l <= o->labels; l++) {
        uint32_t size;
        o->sizes[l] = GRAMMAR_ENDLESS;
        TRY(dfa_spend(&b->work, states));
        if (dfa_empty(o->keys) ||
            !dfa_path(o->keys, &search, DFA_START, (uint16_t)l, text, sizeof text, &size))
            continue;
        o->texts[l] = arena_string(&b->g->memory, (const char *)text, size);
        o->sizes[l] = size;
        if (o->texts[l] == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    return BRINK_OK;
}

brink_status grammar_measure(grammar_builder *b)
{
    for (uint32_t i = 1; i < b->g->count; i++)
        if (b->g->rules[i].kind == RULE_OBJECT)
            TRY(spell_labels(b, b->g->rules[i].object));
    TRY(shortest(b));
    if (b->check != NULL)
        TRY(b->check(b));
    TRY(flatten_all(b));
    for (uint32_t i = 1, count = b->g->count; i < count; i++)
        TRY(merge_terminals(b, i));
    for (uint32_t i = 1; i < b->g->count; i++)
        if (b->g->rules[i].kind == RULE_OBJECT)
            TRY(close_object(b, b->g->rules[i].object));
    TRY(first_bytes(b));
    TRY(calm_all(b));
    b->g->largest = b->g->any != NULL ? b->g->any->states : 0;
    for (uint32_t i = 1; i < b->g->count; i++) {
        const rule *r = &b->g->rules[i];
        const dfa *d = r->kind == RULE_OBJECT     ? r->object->keys
                       : r->kind == RULE_TERMINAL ? r->terminal
                                                  : NULL;
        b->g->largest = d != NULL && d->states > b->g->largest ? d->states : b->g->largest;
    }
    if (b->g->rules[b->g->root].least == GRAMMAR_ENDLESS)
        return core_fail(b->g->context, BRINK_BAD_INPUT, "%s: nothing can satisfy it", b->where);
    return BRINK_OK;
}

brink_status grammar_end(grammar_builder *b, brink_status status, grammar **out)
{
    if (status == BRINK_OK)
        status = grammar_measure(b);
    arena_free(&b->work.scratch);
    if (status != BRINK_OK) {
        grammar_destroy(b->g);
        b->g = NULL;
    }
    *out = b->g;
    return status;
}
