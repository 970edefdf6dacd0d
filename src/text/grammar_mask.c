/* grammar_mask.c — which tokens may come next: the trie walked with the automaton.

   Three of the rules are automata whose moves depend on nothing below them: terminals, strings and
   keys. Those are walked in one linear pass over the preorder arrays, a state a depth, and the
   places where they end are kept as exits; behind an exit the stacks decide (so do Dong et al.
   2024, "XGrammar"). A pass from the root is the same wherever the automaton stands alike, so it
   is remembered: the mask of the tokens that stay inside, and the exits that have descendants.
   Invariant: an entry depends on its key and the trie alone. */
#include "text/grammar_internal.h"

enum { CACHE_SLOTS = 4096, CACHE_BYTES = 24 << 20 };

/* An automaton on top of a stack, with all that its moves depend on. */
typedef struct linear {
    const dfa *d;
    const uint16_t *calm;      /* of d */
    const object_rule *object; /* keys only */
    uint64_t allowed;
    uint32_t kind; /* RULE_TERMINAL, RULE_STRING or RULE_OBJECT */
    uint32_t state;
    uint32_t low, high; /* strings: characters still needed and still possible */
    uint32_t other;
    uint32_t zero;
} linear;

/* Behind the token bytes up to `node` the automaton may have ended, with that label. */
typedef struct exit_point {
    uint32_t node, label;
} exit_point;

typedef struct cache_entry {
    linear key;
    uint32_t *bits; /* [words] NULL: a free slot */
    exit_point *exits;
    uint32_t exit_count;
} cache_entry;

struct mask_cache {
    uint64_t serial; /* of the trie */
    uint64_t bytes;
    uint32_t count;
    cache_entry slots[CACHE_SLOTS];
};

static void cache_clear(brink_context *context, mask_cache *cache)
{
    for (uint32_t i = 0; i < CACHE_SLOTS; i++) {
        core_free(context, cache->slots[i].bits);
        core_free(context, cache->slots[i].exits);
    }
    memset(cache, 0, sizeof *cache);
}

void mask_cache_free(brink_context *context, mask_cache *cache)
{
    if (cache != NULL)
        cache_clear(context, cache);
    core_free(context, cache);
}

/* ── Linear automata ── */

static bool linear_of(const grammar_state *s, uint32_t top, const token_trie *t, linear *out)
{
    const frame *f = &s->frames[top];
    const rule *r = &s->g->rules[f->node];
    *out = (linear){.kind = r->kind, .state = f->state};
    if (top == 0)
        return false;
    if (r->kind == RULE_TERMINAL) {
        out->d = r->terminal;
        out->calm = r->calm;
        return true;
    }
    if (r->kind == RULE_STRING) { /* limits that no token reaches are all alike */
        uint32_t most = t->longest;
        out->d = s->g->any;
        out->calm = s->g->any_calm;
        out->low = f->count < r->low ? r->low - f->count : 0;
        out->high = r->high == GRAMMAR_ENDLESS ? most : r->high - f->count;
        out->low = out->low < most ? out->low : most;
        out->high = out->high < most ? out->high : most;
        return true;
    }
    if (r->kind == RULE_OBJECT && f->phase == PHASE_KEY) {
        bool other;
        out->d = r->object->keys;
        out->calm = r->object->calm;
        out->object = r->object;
        out->allowed = object_allowed(s, f, &other) & r->object->reach[f->state];
        out->other = other && r->object->reach_other[f->state];
        return true;
    }
    return false;
}

typedef enum move { MOVE_DEAD, MOVE_INSIDE, MOVE_ENDED } move;

/* One byte; `used` counts the characters of a string. */
static inline move linear_step(const linear *l, uint32_t state, uint32_t used, uint8_t byte,
                               uint32_t *next, uint32_t *next_used)
{
    const dfa *d = l->d;
    uint32_t label = d->label[state];
    *next_used = used;
    if (l->kind != RULE_TERMINAL && byte == '"' && label != 0) { /* label 0: it may be escaped */
        *next = label;
        if (l->kind == RULE_STRING)
            return used >= l->low ? MOVE_ENDED : MOVE_DEAD;
        bool fine = label <= l->object->declared ? (l->allowed >> (label - 1) & 1) : l->other != 0;
        return fine ? MOVE_ENDED : MOVE_DEAD;
    }
    if (l->kind == RULE_STRING && label != 0 && used >= l->high)
        return MOVE_DEAD;
    *next = dfa_step(d, state, byte);
    if (*next == DFA_DEAD)
        return MOVE_DEAD;
    if (l->kind == RULE_STRING)
        *next_used = used + (d->label[*next] != 0);
    else if (l->kind == RULE_OBJECT && (l->object->reach[*next] & l->allowed) == 0 &&
             !(l->other && l->object->reach_other[*next]))
        return MOVE_DEAD;
    return MOVE_INSIDE;
}

typedef struct walk {
    grammar_state *s;
    const token_trie *t;
    uint32_t *bits;
} walk;

/* The tokens that end at nodes [from, to). */
static inline void mark(const token_trie *t, uint32_t from, uint32_t to, uint32_t *bits)
{
    for (uint32_t i = t->tokens[from]; i < t->tokens[to]; i++)
        bits[t->ids[i] >> 5] |= 1u << (t->ids[i] & 31);
}

/* Whether up to `bytes` plain bytes from here all stay inside, whatever they are. */
static inline bool stays(const linear *l, uint32_t state, uint32_t used, uint32_t bytes)
{
    return bytes < l->calm[state] &&
           (l->kind == RULE_OBJECT ? l->other != 0
                                   : l->kind == RULE_TERMINAL || used + bytes <= l->high);
}

/* Called at exits that have descendants. */
typedef brink_status (*at_exit)(void *user, exit_point e);

static brink_status linear_walk(const linear *l, const token_trie *t, uint32_t from, uint32_t *bits,
                                at_exit leave, void *user)
{
    uint32_t states[256], used[256], base = t->depth[from];
    bool taken[256]; /* the bytes so far are plain, and all tokens of such bytes are marked */
    states[0] = l->state;
    used[0] = 0;
    taken[0] = from == 0 && stays(l, l->state, 0, t->longest);
    for (uint32_t i = 0; taken[0] && i < (t->vocabulary + 31ull) / 32; i++)
        bits[i] |= t->plain_bits[i];
    if (l->kind == RULE_TERMINAL && l->d->label[l->state] != 0)
        TRY(leave(user, (exit_point){from, 0}));
    for (uint32_t i = from + 1; i < t->end[from];) {
        uint32_t depth = (uint32_t)t->depth[i] - base, next;
        taken[depth] = taken[depth - 1] && dfa_is_plain(t->byte[i]);
        if (taken[depth] && t->plain[i]) {
            i = t->end[i];
            continue;
        }
        move m =
            linear_step(l, states[depth - 1], used[depth - 1], t->byte[i], &next, &used[depth]);
        if (m == MOVE_DEAD) {
            i = t->end[i];
            continue;
        }
        bool inner = t->end[i] > i + 1;
        if (inner && m == MOVE_INSIDE && t->plain[i] && stays(l, next, used[depth], t->below[i])) {
            mark(t, i, t->end[i], bits); /* nothing below can leave */
            i = t->end[i];
            continue;
        }
        if (!taken[depth])
            mark(t, i, i + 1, bits);
        if (m == MOVE_ENDED) {
            if (inner)
                TRY(leave(user, (exit_point){i, next}));
            i = t->end[i];
            continue;
        }
        states[depth] = next;
        if (inner && l->kind == RULE_TERMINAL && l->d->label[next] != 0)
            TRY(leave(user, (exit_point){i, 0}));
        i++;
    }
    return BRINK_OK;
}

/* ── Stacks ── */

static brink_status walk_set(walk *w, uint32_t node, const stacks *set);

/* What an automaton leaves behind when it ends: its parent, or its object behind the key. */
static uint32_t stack_behind(grammar_state *s, uint32_t top, uint32_t label)
{
    frame f = s->frames[top];
    if (s->g->rules[f.node].kind != RULE_OBJECT)
        return f.parent;
    f = object_key_done(&f, label);
    return state_intern(s, &f);
}

typedef struct leaving {
    walk *w;
    uint32_t top;
} leaving;

static brink_status leave_stack(void *user, exit_point e)
{
    leaving *l = user;
    grammar_state *s = l->w->s;
    uint32_t behind = stack_behind(s, l->top, e.label);
    stacks one = {1, {behind}};
    if (s->status != BRINK_OK || behind == 0)
        return s->status;
    return walk_set(l->w, e.node, &one);
}

/* Marks what may follow `node` in the trie, from any of the stacks. */
static brink_status walk_set(walk *w, uint32_t node, const stacks *set)
{
    const token_trie *t = w->t;
    grammar_state *s = w->s;
    linear l;
    if (set->count == 1 && linear_of(s, set->tops[0], t, &l)) {
        leaving user = {w, set->tops[0]};
        return linear_walk(&l, t, node, w->bits, leave_stack, &user);
    }
    for (uint32_t child = node + 1; child < t->end[node]; child = t->end[child]) {
        stacks next;
        state_step_all(s, set, t->byte[child], &next);
        if (s->status != BRINK_OK)
            return s->status;
        if (next.count == 0)
            continue;
        mark(t, child, child + 1, w->bits);
        if (t->end[child] > child + 1)
            TRY(walk_set(w, child, &next));
    }
    return BRINK_OK;
}

/* ── Remembered passes ── */

typedef struct exit_list {
    brink_context *context;
    exit_point *at;
    uint32_t count, capacity;
} exit_list;

static brink_status keep_exit(void *user, exit_point e)
{
    exit_list *list = user;
    TRY(array_grow(list->context, (void **)&list->at, &list->capacity, list->count + 1ull,
                   sizeof *list->at));
    list->at[list->count++] = e;
    return BRINK_OK;
}

static uint64_t hash_key(const linear *l)
{
    uint64_t words[sizeof *l / 8], h = 0x9E3779B97F4A7C15u;
    memcpy(words, l, sizeof *l);
    for (uint32_t i = 0; i < sizeof *l / 8; i++)
        h = (h ^ words[i]) * 0xBF58476D1CE4E5B9u, h ^= h >> 31;
    return h;
}

static brink_status cached(grammar_state *s, const token_trie *t, const linear *l,
                           const cache_entry **out)
{
    grammar *g = s->g;
    uint64_t words = (t->vocabulary + 31ull) / 32, h = hash_key(l);
    if (g->cache == NULL) {
        g->cache = core_calloc(g->context, 1, sizeof *g->cache);
        if (g->cache == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    mask_cache *c = g->cache;
    if (c->serial != t->serial || c->bytes > CACHE_BYTES || c->count > CACHE_SLOTS / 2)
        cache_clear(g->context, c);
    c->serial = t->serial;
    cache_entry *e;
    for (; (e = &c->slots[h & (CACHE_SLOTS - 1)])->bits != NULL; h++)
        if (memcmp(&e->key, l, sizeof *l) == 0) {
            *out = e;
            return BRINK_OK;
        }
    exit_list exits = {.context = g->context};
    uint32_t *bits = core_calloc(g->context, words + 1, sizeof *bits);
    brink_status status =
        bits == NULL ? BRINK_OUT_OF_MEMORY : linear_walk(l, t, 0, bits, keep_exit, &exits);
    if (status != BRINK_OK) {
        core_free(g->context, bits);
        core_free(g->context, exits.at);
        return status;
    }
    *e = (cache_entry){*l, bits, exits.at, exits.count};
    c->bytes += words * sizeof *bits + exits.capacity * sizeof *exits.at;
    c->count++;
    *out = e;
    return BRINK_OK;
}

static brink_status mask_stack(walk *w, uint32_t top, uint64_t words)
{
    grammar_state *s = w->s;
    stacks one = {1, {top}};
    const cache_entry *e;
    linear l;
    if (!linear_of(s, top, w->t, &l))
        return walk_set(w, 0, &one);
    TRY(cached(s, w->t, &l, &e));
    for (uint64_t i = 0; i < words; i++)
        w->bits[i] |= e->bits[i];
    leaving user = {w, top};
    for (uint32_t i = 0; i < e->exit_count; i++)
        TRY(leave_stack(&user, e->exits[i]));
    return BRINK_OK;
}

brink_status grammar_mask(grammar_state *s, const token_trie *t, uint32_t *bits)
{
    uint64_t words = (t->vocabulary + 31ull) / 32;
    uint32_t mark_ = s->count;
    walk w = {s, t, bits};
    stacks rest = {0};
    brink_status status = BRINK_OK;
    memset(bits, 0, words * sizeof *bits);
    s->status = BRINK_OK;
    for (uint32_t i = 0; i < s->now.count && status == BRINK_OK; i++) {
        linear l;
        if (linear_of(s, s->now.tops[i], t, &l))
            status = mask_stack(&w, s->now.tops[i], words);
        else
            stacks_add(&rest, s->now.tops[i]);
    }
    if (status == BRINK_OK && rest.count != 0)
        status = walk_set(&w, 0, &rest);
    state_forget(s, mark_);
    if (grammar_can_end(s))
        for (uint32_t i = 0; i < t->end_count; i++)
            bits[t->ends[i] >> 5] |= 1u << (t->ends[i] & 31);
    return status;
}
