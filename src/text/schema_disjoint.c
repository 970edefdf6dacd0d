/* schema_disjoint.c — oneOf is anyOf where no value satisfies two branches; this proves it.

   Two nodes exclude each other if their kinds do, if their automata have no common text (each
   language holds every spelling of its values, numbers at least the plain one), if arrays differ in
   an item that both have, or objects in a property that both require, or that one requires and the
   other cannot have. Where it cannot be proven, the branches are compiled to exclude one another. */
#include "text/schema_internal.h"

enum { PROOF_DEPTH = 12 };

static brink_status disjoint(grammar_builder *b, uint32_t x, uint32_t y, uint32_t depth, bool *out);

static brink_status disjoint_objects(grammar_builder *b, const object_rule *x, const object_rule *y,
                                     uint32_t depth, bool *out)
{
    for (uint32_t side = 0; side < 2 && !*out; side++) {
        for (uint32_t i = 1; i <= x->declared && !*out; i++) {
            if ((x->required >> (i - 1) & 1) == 0 || x->sizes[i] == GRAMMAR_ENDLESS)
                continue;
            uint32_t state = dfa_empty(y->keys) ? DFA_DEAD : DFA_START;
            for (uint32_t k = 0; k < x->sizes[i] && state != DFA_DEAD; k++)
                state = dfa_step(y->keys, state, (uint8_t)x->texts[i][k]);
            uint32_t label = state == DFA_DEAD ? 0 : y->keys->label[state];
            if (label == 0)
                *out = true;
            else
                TRY(disjoint(b, x->values[i], y->values[label], depth + 1, out));
        }
        const object_rule *swapped = x;
        x = y;
        y = swapped;
    }
    return BRINK_OK;
}

static brink_status disjoint_arrays(grammar_builder *b, const rule *x, const rule *y,
                                    uint32_t depth, bool *out)
{
    uint32_t common = x->low < y->low ? x->low : y->low;
    uint32_t listed = x->count > y->count ? x->count : y->count;
    *out = x->low > y->high || y->low > x->high;
    for (uint32_t i = 0; i < common && i <= listed && !*out; i++)
        TRY(disjoint(b, i < x->count ? x->items[i] : x->rest, i < y->count ? y->items[i] : y->rest,
                     depth + 1, out));
    return BRINK_OK;
}

static brink_status string_dfa(grammar_builder *b, const rule *r, dfa **out)
{
    dfa *body;
    if (r->kind == RULE_TERMINAL)
        return *out = r->terminal, BRINK_OK;
    const schema_compiler *c = b->user;
    if (r->low > DFA_MAX_STATES / 24 ||
        (r->high != GRAMMAR_ENDLESS && r->high > DFA_MAX_STATES / 24))
        return *out = NULL, BRINK_OK;
    TRY(spell_any(&b->work, c->how, r->low, r->high, &b->work.scratch, &body));
    return spell_quoted(&b->work, body, &b->work.scratch, out);
}

static brink_status disjoint(grammar_builder *b, uint32_t x, uint32_t y, uint32_t depth, bool *out)
{
    const rule *p = &b->g->rules[x], *q = &b->g->rules[y];
    *out = true;
    TRY(dfa_spend(&b->work, 64));
    if (p->least == GRAMMAR_ENDLESS || q->least == GRAMMAR_ENDLESS)
        return BRINK_OK;
    *out = false;
    if (depth > PROOF_DEPTH || x == y)
        return BRINK_OK;
    if (p->kind == RULE_CHOICE || q->kind == RULE_CHOICE) {
        bool left = p->kind == RULE_CHOICE;
        const rule *choice = left ? p : q;
        *out = true;
        for (uint32_t i = 0; i < choice->count && *out; i++)
            TRY(disjoint(b, left ? choice->items[i] : x, left ? y : choice->items[i], depth + 1,
                         out));
        return BRINK_OK;
    }
    bool scalar_p = p->kind == RULE_TERMINAL || p->kind == RULE_STRING;
    bool scalar_q = q->kind == RULE_TERMINAL || q->kind == RULE_STRING;
    if (scalar_p && scalar_q) {
        dfa *d, *e, *both;
        TRY(string_dfa(b, p, &d));
        TRY(string_dfa(b, q, &e));
        if (d == NULL || e == NULL)
            return BRINK_OK;
        TRY(dfa_intersect(&b->work, d, e, &b->work.scratch, &both));
        *out = dfa_empty(both);
        return BRINK_OK;
    }
    if (p->kind != q->kind) {
        *out = true;
        return BRINK_OK;
    }
    return p->kind == RULE_OBJECT ? disjoint_objects(b, p->object, q->object, depth, out)
                                  : disjoint_arrays(b, p, q, depth, out);
}

brink_status schema_check_splits(grammar_builder *b)
{
    schema_compiler *c = b->user;
    uint32_t before = c->overlap_count;
    for (uint32_t s = 0; s < c->split_count; s++) {
        const one_of *split = &c->splits[s];
        bool apart = true;
        for (uint32_t i = 0; i < split->count && apart; i++)
            for (uint32_t k = i + 1; k < split->count && apart; k++)
                TRY(disjoint(b, split->nodes[i], split->nodes[k], 0, &apart));
        if (apart)
            continue;
        TRY(array_grow(c->context, (void **)&c->overlapping, &c->overlap_capacity,
                       c->overlap_count + 1ull, sizeof(yyjson_val *)));
        c->overlapping[c->overlap_count++] = split->schema;
    }
    return c->overlap_count == before ? BRINK_OK
                                      : schema_refuse(c, "oneOf", "with branches that may overlap");
}
