/* grammar_text.c — the terms of a grammar's notation to nodes.

   A term that refers to no rule which contains itself is regular: it becomes one automaton,
   together with its regular neighbours. The rest becomes sequences and choices. Invariant: no node
   can reach itself without a byte, because rules that begin with themselves are refused. */
#include "text/notation.h"

#include <stdio.h>

/* ── What terms are ── */

/* One round; true if something changed. Terms are at most NOTATION_DEPTH groups deep. */
static bool classify(notation *n, term *t)
{
    bool regular = true, nullable = t->kind != TERM_CHOICE, changed = false;
    for (term *c = t->child; c != NULL; c = c->next) {
        changed = classify(n, c) || changed;
        regular = regular && c->regular;
        nullable = t->kind == TERM_CHOICE ? nullable || c->nullable : nullable && c->nullable;
    }
    if (t->kind == TERM_RULE) {
        regular = n->rules[t->rule].regular;
        nullable = n->rules[t->rule].nullable;
    } else if (t->kind == TERM_REPEAT) {
        nullable = nullable || t->low == 0;
    } else if (t->kind == TERM_TEXT || t->kind == TERM_CLASS) {
        nullable = t->kind == TERM_TEXT && t->size == 0;
    }
    changed = changed || regular != t->regular || nullable != t->nullable;
    t->regular = regular;
    t->nullable = nullable;
    return changed;
}

static brink_status classify_all(notation *n)
{
    for (bool changed = true; changed;) {
        changed = false;
        TRY(dfa_spend(&n->b->work, n->size / 4 + n->count));
        for (uint32_t i = n->count; i-- > 0;) {
            named_rule *r = &n->rules[i];
            changed = classify(n, r->body) || changed;
            r->regular = r->body->regular;
            r->nullable = r->body->nullable;
        }
    }
    return BRINK_OK;
}

static brink_status visit(notation *n, uint32_t rule, uint32_t depth);

/* Follows what a term may begin with. */
static brink_status visit_left(notation *n, const term *t, uint32_t depth)
{
    if (t->kind == TERM_RULE)
        return n->rules[t->rule].regular ? BRINK_OK : visit(n, t->rule, depth + 1);
    for (const term *c = t->child; c != NULL; c = c->next) {
        TRY(visit_left(n, c, depth));
        if (t->kind == TERM_SEQUENCE && !c->nullable)
            break;
    }
    return BRINK_OK;
}

static brink_status visit(notation *n, uint32_t rule, uint32_t depth)
{
    named_rule *r = &n->rules[rule];
    if (r->visit == 2)
        return BRINK_OK;
    if (r->visit == 1)
        return core_fail(n->b->g->context, BRINK_UNSUPPORTED,
                         "%s: rule %.*s begins with itself, which is not supported", n->b->where,
                         (int)r->name_size, r->name);
    r->visit = 1;
    TRY(visit_left(n, r->body, depth));
    r->visit = 2;
    return BRINK_OK;
}

/* An endless repeat of what may be empty would turn without taking a byte. */
static brink_status check_repeats(notation *n, const term *t)
{
    if (t->kind == TERM_REPEAT && t->high == UINT32_MAX && !t->regular && t->child->nullable)
        return core_fail(n->b->g->context, BRINK_UNSUPPORTED,
                         "%s: repeats a recursive rule that may be empty", n->b->where);
    for (const term *c = t->child; c != NULL; c = c->next)
        TRY(check_repeats(n, c));
    return BRINK_OK;
}

/* ── Regular terms ── */

static brink_status lay(notation *n, nfa *a, const term *t, uint32_t from, uint32_t to,
                        uint32_t depth)
{
    uint32_t next;
    if (depth > 8 * NOTATION_DEPTH)
        return core_fail(n->b->g->context, BRINK_UNSUPPORTED, "%s: rules are nested too deeply",
                         n->b->where);
    TRY(dfa_spend(&n->b->work, 1));
    switch (t->kind) {
    case TERM_TEXT:
        TRY(spell_text(a, SPELL_UTF8, from, t->text, t->size, &next));
        return nfa_empty(a, next, to);
    case TERM_CLASS:
        for (uint32_t i = 0; i < t->size; i++)
            TRY(spell_range(a, SPELL_UTF8, from, to, t->ranges[i].low, t->ranges[i].high));
        return BRINK_OK;
    case TERM_RULE:
        return lay(n, a, n->rules[t->rule].body, from, to, depth + 1);
    case TERM_CHOICE:
        for (const term *c = t->child; c != NULL; c = c->next)
            TRY(lay(n, a, c, from, to, depth + 1));
        return BRINK_OK;
    case TERM_SEQUENCE:
        for (const term *c = t->child; c != NULL; c = c->next) {
            TRY(nfa_state(a, &next));
            TRY(lay(n, a, c, from, next, depth + 1));
            from = next;
        }
        return nfa_empty(a, from, to);
    case TERM_REPEAT:
        for (uint32_t i = 0; i < (t->high == UINT32_MAX ? t->low : t->high); i++) {
            if (i >= t->low)
                TRY(nfa_empty(a, from, to));
            TRY(nfa_state(a, &next));
            TRY(lay(n, a, t->child, from, next, depth + 1));
            from = next;
        }
        if (t->high == UINT32_MAX) {
            TRY(nfa_state(a, &next));
            TRY(nfa_empty(a, from, next));
            TRY(lay(n, a, t->child, next, next, depth + 1));
            from = next;
        }
        return nfa_empty(a, from, to);
    }
    return BRINK_OK;
}

/* One automaton for the siblings from `first` up to `end`, one after the other, or any of the
   regular ones. */
static brink_status regular_node(notation *n, const term *first, const term *end, bool any,
                                 uint32_t *node)
{
    nfa a;
    uint32_t start, at, next;
    dfa *d = NULL;
    nfa_init(&a, &n->b->work);
    brink_status status = nfa_state(&a, &start);
    if (status == BRINK_OK)
        status = any ? nfa_state(&a, &at) : BRINK_OK;
    if (!any)
        at = start;
    for (const term *t = first; t != end && status == BRINK_OK; t = t->next) {
        if (any) {
            status = t->regular ? lay(n, &a, t, start, at, 0) : BRINK_OK;
            continue;
        }
        status = nfa_state(&a, &next);
        if (status == BRINK_OK)
            status = lay(n, &a, t, at, next, 0);
        at = next;
    }
    if (status == BRINK_OK) {
        a.label[at] = 1;
        status = nfa_compile(&a, start, &n->b->g->memory, &d);
    }
    nfa_free(&a);
    return status == BRINK_OK ? grammar_terminal(n->b, d, node) : status;
}

/* ── Terms that need a stack ── */

static brink_status term_node(notation *n, const term *t, uint32_t *node);

static brink_status list_node(notation *n, rule_kind kind, const uint32_t *items, uint32_t count,
                              uint32_t *node)
{
    uint32_t *copy = ARENA_ARRAY(&n->b->g->memory, uint32_t, count + 1ull);
    if (copy == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(copy, items, count * sizeof *copy);
    TRY(grammar_add(n->b, kind, node));
    n->b->g->rules[*node].items = copy;
    n->b->g->rules[*node].count = count;
    return BRINK_OK;
}

static brink_status group_node(notation *n, const term *t, uint32_t *node)
{
    uint32_t count = 0;
    for (const term *c = t->child; c != NULL; c = c->next)
        count++;
    uint32_t *items = ARENA_ARRAY(&n->b->work.scratch, uint32_t, count + 1ull), kept = 0;
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool any = t->kind == TERM_CHOICE, regular = false;
    for (const term *c = t->child; c != NULL;) {
        const term *end = c;
        if (any) {
            regular = regular || c->regular;
            if (!c->regular)
                TRY(term_node(n, c, &items[kept++]));
            c = c->next;
            continue;
        }
        while (end != NULL && end->regular)
            end = end->next;
        if (end != c) {
            TRY(regular_node(n, c, end, false, &items[kept++]));
            c = end;
        } else {
            TRY(term_node(n, c, &items[kept++]));
            c = c->next;
        }
    }
    if (regular)
        TRY(regular_node(n, t->child, NULL, true, &items[kept++]));
    return list_node(n, any ? RULE_CHOICE : RULE_SEQUENCE, items, kept, node);
}

/* low copies, then nested optional ones, or a loop: tail = "" | child tail. */
static brink_status repeat_node(notation *n, const term *t, uint32_t *node)
{
    uint32_t child, empty, tail, pair[2];
    bool endless = t->high == UINT32_MAX;
    TRY(term_node(n, t->child, &child));
    TRY(regular_node(n, NULL, NULL, false, &empty));
    tail = empty;
    for (uint32_t i = 0; i < (endless ? 1 : t->high - t->low); i++) {
        uint32_t choice, more;
        TRY(list_node(n, RULE_CHOICE, (uint32_t[]){empty, empty}, 2, &choice));
        pair[0] = child;
        pair[1] = endless ? choice : tail;
        TRY(list_node(n, RULE_SEQUENCE, pair, 2, &more));
        n->b->g->rules[choice].items[1] = more;
        tail = choice;
    }
    if (t->low != 0) {
        uint32_t *items = ARENA_ARRAY(&n->b->work.scratch, uint32_t, t->low + 1ull);
        if (items == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint32_t i = 0; i < t->low; i++)
            items[i] = child;
        items[t->low] = tail;
        TRY(list_node(n, RULE_SEQUENCE, items, t->low + 1, &tail));
    }
    *node = tail;
    return BRINK_OK;
}

static brink_status term_node(notation *n, const term *t, uint32_t *node)
{
    if (t->regular) {
        term alone = *t;
        alone.next = NULL;
        return regular_node(n, &alone, NULL, false, node);
    }
    switch (t->kind) {
    case TERM_RULE:
        *node = n->rules[t->rule].node;
        return BRINK_OK;
    case TERM_REPEAT:
        return repeat_node(n, t, node);
    default:
        return group_node(n, t, node);
    }
}

static brink_status compile(notation *n)
{
    uint32_t root = 0, node;
    TRY(notation_parse(n));
    while (root < n->count &&
           (n->rules[root].name_size != 4 || memcmp(n->rules[root].name, "root", 4) != 0))
        root++;
    if (root == n->count)
        return core_fail(n->b->g->context, BRINK_BAD_INPUT, "%s: there is no rule root",
                         n->b->where);
    TRY(classify_all(n));
    for (uint32_t i = 0; i < n->count; i++)
        if (!n->rules[i].regular) {
            TRY(check_repeats(n, n->rules[i].body));
            TRY(visit(n, i, 0));
            TRY(list_node(n, RULE_CHOICE, (uint32_t[]){0}, 1, &n->rules[i].node));
        }
    for (uint32_t i = 0; i < n->count; i++)
        if (!n->rules[i].regular) {
            TRY(term_node(n, n->rules[i].body, &node));
            n->b->g->rules[n->rules[i].node].items[0] = node;
        }
    if (n->rules[root].regular)
        TRY(term_node(n, n->rules[root].body, &node));
    else
        node = n->rules[root].node;
    return list_node(n, RULE_SEQUENCE, &node, 1, &n->b->g->root);
}

brink_status grammar_create(brink_context *context, const char *name, const void *text,
                            uint64_t size, grammar **out)
{
    grammar_builder b;
    *out = NULL;
    brink_status status = grammar_begin(context, name != NULL ? name : "grammar", &b);
    notation *n = core_calloc(context, 1, sizeof *n);
    if (status == BRINK_OK && n == NULL)
        status = BRINK_OUT_OF_MEMORY;
    if (status == BRINK_OK) {
        n->b = &b;
        n->text = text;
        n->size = size <= NOTATION_BYTES ? (uint32_t)size : NOTATION_BYTES + 1;
        status = n->size > NOTATION_BYTES ? core_fail(context, BRINK_UNSUPPORTED,
                                                      "%s: is above a million bytes", b.where)
                                          : compile(n);
    }
    core_free(context, n);
    return grammar_end(&b, status, out);
}
