/* nfa.c — nondeterministic automata over bytes, made deterministic by the subset construction.

   Edges that hold at one end of the text only (^ and $ of patterns) are followed when the set of
   the start is closed, and when a set is asked whether it accepts. Invariant: the sets are sorted
   and closed under empty edges, so equal sets are equal arrays. */
#include "text/buffer.h"
#include "text/dfa.h"

#include <stdlib.h>
#include <string.h>

void nfa_init(nfa *n, dfa_work *work)
{
    *n = (nfa){.work = work};
}

void nfa_free(nfa *n)
{
    brink_context *context = n->work->context;
    core_free(context, n->edges);
    core_free(context, n->first);
    core_free(context, n->label);
    *n = (nfa){.work = n->work};
}

brink_status nfa_state(nfa *n, uint32_t *out)
{
    if (n->states == NFA_MAX_STATES)
        return core_fail(n->work->context, BRINK_UNSUPPORTED, "%s: is too large to compile",
                         n->work->where);
    TRY(array_grow(n->work->context, (void **)&n->first, &n->state_capacity, n->states + 1ull,
                   sizeof *n->first));
    TRY(array_grow(n->work->context, (void **)&n->label, &n->label_capacity, n->states + 1ull,
                   sizeof *n->label));
    n->first[n->states] = UINT32_MAX;
    n->label[n->states] = 0;
    *out = n->states++;
    return BRINK_OK;
}

brink_status nfa_edge_add(nfa *n, uint32_t from, uint32_t to, edge_kind kind, uint8_t low,
                          uint8_t high)
{
    TRY(dfa_spend(n->work, 1));
    TRY(array_grow(n->work->context, (void **)&n->edges, &n->edge_capacity, n->edge_count + 1ull,
                   sizeof *n->edges));
    n->edges[n->edge_count] = (nfa_edge){to, n->first[from], (uint8_t)kind, low, high};
    n->first[from] = n->edge_count++;
    return BRINK_OK;
}

brink_status nfa_bytes(nfa *n, uint32_t from, uint32_t to, uint8_t low, uint8_t high)
{
    return nfa_edge_add(n, from, to, EDGE_BYTES, low, high);
}

brink_status nfa_empty(nfa *n, uint32_t from, uint32_t to)
{
    return nfa_edge_add(n, from, to, EDGE_EMPTY, 0, 0);
}

brink_status nfa_import(nfa *n, const dfa *d, uint32_t from, uint32_t to, uint16_t label)
{
    uint32_t base = n->states, state;
    if (dfa_empty(d))
        return BRINK_OK;
    for (uint32_t s = 1; s < d->states; s++)
        TRY(nfa_state(n, &state));
    for (uint32_t s = 1; s < d->states; s++) {
        for (uint32_t b = 0; b < 256;) {
            uint16_t next = dfa_step(d, s, (uint8_t)b);
            uint32_t end = b + 1;
            while (end < 256 && dfa_step(d, s, (uint8_t)end) == next)
                end++;
            if (next != DFA_DEAD)
                TRY(nfa_bytes(n, base + s - 1, base + next - 1, (uint8_t)b, (uint8_t)(end - 1)));
            b = end;
        }
        TRY(dfa_spend(n->work, 64));
        if (d->label[s] != 0 && label != 0)
            n->label[base + s - 1] = label;
        else if (d->label[s] != 0)
            TRY(nfa_empty(n, base + s - 1, to));
    }
    return nfa_empty(n, from, base);
}

typedef struct subset {
    uint64_t start; /* in `members` */
    uint32_t count;
} subset;

typedef struct construction {
    nfa *n;
    uint32_t *members, *set, *stamp; /* all sets; the set being made; [states] */
    subset *sets;
    uint32_t member_capacity, set_capacity, set_count, count, round;
    uint64_t member_count;
    uint32_t *slots, slot_count;
    bool at_start; /* the start differs from the same set met later */
    uint16_t *next, *label;
    uint32_t next_capacity, label_capacity;
} construction;

static void add(construction *c, uint32_t state)
{
    if (c->stamp[state] == c->round)
        return;
    c->stamp[state] = c->round;
    c->set[c->count++] = state;
}

/* Follows the edges that take nothing; `kinds` is a mask of edge_kind. */
static uint32_t close_set(construction *c, uint32_t kinds)
{
    const nfa *n = c->n;
    uint32_t spent = 0;
    for (uint32_t i = 0; i < c->count; i++)
        for (uint32_t e = n->first[c->set[i]]; e != UINT32_MAX; e = n->edges[e].next, spent++)
            if (kinds >> n->edges[e].kind & 1)
                add(c, n->edges[e].to);
    return spent;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static uint64_t hash_set(const uint32_t *set, uint32_t count)
{
    uint64_t h = count;
    for (uint32_t i = 0; i < count; i++)
        h = (h ^ set[i]) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 31;
}

static brink_status rehash(construction *c)
{
    uint32_t slots = c->slot_count == 0 ? 64 : c->slot_count * 2;
    core_free(c->n->work->context, c->slots);
    c->slots = core_calloc(c->n->work->context, slots, sizeof *c->slots);
    if (c->slots == NULL)
        return BRINK_OUT_OF_MEMORY;
    c->slot_count = slots;
    for (uint32_t i = c->at_start; i < c->set_count; i++) {
        uint64_t h = hash_set(c->members + c->sets[i].start, c->sets[i].count);
        while (c->slots[h & (slots - 1)] != 0)
            h++;
        c->slots[h & (slots - 1)] = i + 1;
    }
    return BRINK_OK;
}

/* The number + 1 of the set in c->set, new or known; 0 if it is empty. */
static brink_status intern(construction *c, uint16_t *out)
{
    dfa_work *work = c->n->work;
    *out = 0;
    if (c->count == 0)
        return BRINK_OK;
    qsort(c->set, c->count, sizeof *c->set, by_number);
    if (c->set_count * 2 >= c->slot_count)
        TRY(rehash(c));
    uint64_t h = hash_set(c->set, c->count);
    for (;; h++) {
        uint32_t at = c->slots[h & (c->slot_count - 1)];
        if (at == 0)
            break;
        const subset *s = &c->sets[at - 1];
        if (s->count == c->count &&
            memcmp(c->members + s->start, c->set, c->count * sizeof *c->set) == 0) {
            *out = (uint16_t)at;
            return BRINK_OK;
        }
    }
    if (c->set_count == DFA_MAX_STATES)
        return core_fail(work->context, BRINK_UNSUPPORTED,
                         "%s: asks for an automaton of more than %d states", work->where,
                         DFA_MAX_STATES);
    TRY(dfa_spend(work, c->count));
    TRY(array_grow(work->context, (void **)&c->members, &c->member_capacity,
                   c->member_count + c->count, sizeof *c->members));
    TRY(array_grow(work->context, (void **)&c->sets, &c->set_capacity, c->set_count + 1ull,
                   sizeof *c->sets));
    memcpy(c->members + c->member_count, c->set, c->count * sizeof *c->set);
    c->sets[c->set_count] = (subset){c->member_count, c->count};
    c->member_count += c->count;
    if (c->set_count++ != 0 || !c->at_start)
        c->slots[h & (c->slot_count - 1)] = c->set_count;
    *out = (uint16_t)c->set_count;
    return BRINK_OK;
}

static uint16_t label_of(construction *c, uint32_t index)
{
    const subset *s = &c->sets[index];
    uint32_t label = UINT32_MAX;
    c->round++;
    c->count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        add(c, c->members[s->start + i]);
    close_set(c, 1u << EDGE_EMPTY | 1u << EDGE_AT_END | (index == 0 ? 1u << EDGE_AT_START : 0));
    for (uint32_t i = 0; i < c->count; i++)
        if (c->n->label[c->set[i]] != 0 && c->n->label[c->set[i]] < label)
            label = c->n->label[c->set[i]];
    return label == UINT32_MAX ? 0 : (uint16_t)label;
}

/* Bytes that no edge tells apart. */
static uint32_t classes_of(const nfa *n, uint8_t class_of[256], uint8_t sample[256])
{
    bool begins[257] = {true};
    uint32_t classes = 0;
    for (uint32_t e = 0; e < n->edge_count; e++)
        if (n->edges[e].kind == EDGE_BYTES)
            begins[n->edges[e].low] = begins[n->edges[e].high + 1] = true;
    for (uint32_t b = 0; b < 256; b++) {
        if (begins[b])
            sample[classes++] = (uint8_t)b;
        class_of[b] = (uint8_t)(classes - 1);
    }
    return classes;
}

typedef struct numbered {
    const uint16_t *next, *label;
    const uint8_t *class_of;
    uint32_t columns;
} numbered;

static bool numbered_step(const void *user, const void *state, uint8_t byte, void *next)
{
    const numbered *t = user;
    uint16_t at, to;
    memcpy(&at, state, sizeof at);
    to = t->next[(size_t)(at - 1) * t->columns + t->class_of[byte]];
    memcpy(next, &to, sizeof to);
    return to != 0;
}

static uint16_t numbered_label(const void *user, const void *state)
{
    const numbered *t = user;
    uint16_t at;
    memcpy(&at, state, sizeof at);
    return t->label[at - 1];
}

static brink_status build(construction *c, uint32_t start, arena *memory, dfa **out)
{
    nfa *n = c->n;
    dfa_work *work = n->work;
    uint8_t class_of[256], sample[256];
    uint32_t columns = classes_of(n, class_of, sample);
    uint16_t id;
    c->set = core_alloc(work->context, (n->states + 1ull) * sizeof *c->set);
    c->stamp = core_calloc(work->context, n->states + 1ull, sizeof *c->stamp);
    if (c->set == NULL || c->stamp == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t e = 0; e < n->edge_count; e++)
        c->at_start = c->at_start || n->edges[e].kind == EDGE_AT_START;
    c->round = 1;
    add(c, start);
    close_set(c, 1u << EDGE_EMPTY | 1u << EDGE_AT_START);
    TRY(intern(c, &id));
    for (uint32_t s = 0; s < c->set_count; s++) {
        TRY(array_grow(work->context, (void **)&c->next, &c->next_capacity, (s + 1ull) * columns,
                       sizeof *c->next));
        TRY(array_grow(work->context, (void **)&c->label, &c->label_capacity, s + 1ull,
                       sizeof *c->label));
        c->label[s] = label_of(c, s);
        for (uint32_t k = 0; k < columns; k++) {
            uint32_t spent = 4;
            c->round++;
            c->count = 0;
            for (uint32_t i = 0; i < c->sets[s].count; i++) {
                uint32_t from = c->members[c->sets[s].start + i];
                for (uint32_t e = n->first[from]; e != UINT32_MAX; e = n->edges[e].next, spent++)
                    if (n->edges[e].kind == EDGE_BYTES && n->edges[e].low <= sample[k] &&
                        n->edges[e].high >= sample[k])
                        add(c, n->edges[e].to);
            }
            spent += close_set(c, 1u << EDGE_EMPTY);
            TRY(dfa_spend(work, spent / 4));
            TRY(intern(c, &id));
            c->next[(size_t)s * columns + k] = id;
        }
    }
    numbered t = {c->next, c->label, class_of, columns};
    uint16_t first = 1;
    dfa_source source = {&t, &first, sizeof first, class_of, numbered_step, numbered_label};
    return dfa_explore(work, &source, memory, out);
}

brink_status nfa_compile(nfa *n, uint32_t start, arena *memory, dfa **out)
{
    construction c = {.n = n};
    brink_context *context = n->work->context;
    brink_status status = build(&c, start, memory, out);
    core_free(context, c.members);
    core_free(context, c.set);
    core_free(context, c.stamp);
    core_free(context, c.sets);
    core_free(context, c.slots);
    core_free(context, c.next);
    core_free(context, c.label);
    return status;
}
