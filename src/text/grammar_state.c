/* grammar_state.c — a set of stacks moved by one byte.

   Nondeterminism is kept as a set (as in Thompson's simulation), recursion as frames below: a
   pushdown automaton. A child is entered on the byte that begins it, with its parent already
   standing behind it, so that ending a child is going to its parent. Invariant: every stack of the
   set can be completed, because a frame is only made where its needs (missing keys, items,
   characters, depth) can still be met. */
#include "text/grammar_internal.h"

/* ── Frames ── */

static uint64_t hash_frame(const frame *f)
{
    uint64_t words[4], h = 0x9E3779B97F4A7C15u;
    memcpy(words, f, sizeof words);
    for (uint32_t i = 0; i < 4; i++) {
        h = (h ^ words[i]) * 0xBF58476D1CE4E5B9u;
        h ^= h >> 29;
    }
    return h;
}
_Static_assert(sizeof(frame) == 32, "a frame has no padding, so that it can be hashed");

static bool rehash(grammar_state *s, uint32_t slots)
{
    uint32_t *table = core_calloc(s->g->context, slots, sizeof *table);
    if (table == NULL)
        return false;
    core_free(s->g->context, s->slots);
    s->slots = table;
    s->slot_count = slots;
    for (uint32_t i = 1; i < s->count; i++) {
        uint64_t h = hash_frame(&s->frames[i]);
        while (table[h & (slots - 1)] != 0)
            h++;
        table[h & (slots - 1)] = i;
    }
    return true;
}

uint32_t state_intern(grammar_state *s, const frame *f)
{
    if (s->status != BRINK_OK)
        return 0;
    if (s->count * 2 >= s->slot_count && !rehash(s, s->slot_count * 2)) {
        s->status = BRINK_OUT_OF_MEMORY;
        return 0;
    }
    uint64_t h = hash_frame(f);
    uint32_t at;
    for (; (at = s->slots[h & (s->slot_count - 1)]) != 0; h++)
        if (memcmp(&s->frames[at], f, sizeof *f) == 0)
            return at;
    s->status = array_grow(s->g->context, (void **)&s->frames, &s->capacity, s->count + 1ull,
                           sizeof *s->frames);
    if (s->status != BRINK_OK)
        return 0;
    s->frames[s->count] = *f;
    s->slots[h & (s->slot_count - 1)] = s->count;
    return s->count++;
}

/* The newest leave first, so that no chain of collisions is broken. */
void state_forget(grammar_state *s, uint32_t count)
{
    while (s->count > count) {
        uint64_t h = hash_frame(&s->frames[--s->count]);
        while (s->slots[h & (s->slot_count - 1)] != s->count)
            h++;
        s->slots[h & (s->slot_count - 1)] = 0;
    }
}

void stacks_add(stacks *set, uint32_t top)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->tops[i] == top)
            return;
    if (set->count < GRAMMAR_MAX_STACKS)
        set->tops[set->count++] = top;
}

static void push(grammar_state *s, const frame *f, stacks *out)
{
    uint32_t top = state_intern(s, f);
    if (top != 0)
        stacks_add(out, top);
}

/* ── Entering a node ── */

static bool fits(const grammar_state *s, uint32_t node, uint32_t parent)
{
    const rule *r = &s->g->rules[node];
    return r->least != GRAMMAR_ENDLESS && s->frames[parent].depth + r->depth <= GRAMMAR_MAX_DEPTH;
}

static void enter(grammar_state *s, uint32_t node, uint32_t parent, uint8_t byte, stacks *out);
static void enter_node(grammar_state *s, const rule *r, uint32_t node, uint32_t parent,
                       uint8_t byte, stacks *out);

static void enter_sequence(grammar_state *s, uint32_t node, uint32_t element, uint32_t parent,
                           uint8_t byte, stacks *out)
{
    const rule *r = &s->g->rules[node];
    if (element + 1 < r->count) { /* the last element returns to the parent itself */
        frame f = {.parent = parent,
                   .node = node,
                   .count = element + 1,
                   .depth = (uint16_t)(s->frames[parent].depth + 1)};
        parent = state_intern(s, &f);
        if (parent == 0)
            return;
    }
    enter(s, r->items[element], parent, byte, out);
}

static void enter(grammar_state *s, uint32_t node, uint32_t parent, uint8_t byte, stacks *out)
{
    const rule *r = &s->g->rules[node];
    s->crowded = s->crowded || s->nesting == GRAMMAR_MAX_NESTING;
    if (s->budget == 0 || s->nesting == GRAMMAR_MAX_NESTING || !fits(s, node, parent))
        return;
    s->budget--;
    s->nesting++;
    enter_node(s, r, node, parent, byte, out);
    s->nesting--;
}

static void enter_node(grammar_state *s, const rule *r, uint32_t node, uint32_t parent,
                       uint8_t byte, stacks *out)
{
    if ((r->first[byte >> 6] >> (byte & 63) & 1) == 0) {
        if (r->nullable)
            state_step(s, parent, byte, out);
        return;
    }
    frame f = {.parent = parent,
               .node = node,
               .depth = (uint16_t)(s->frames[parent].depth + 1),
               .phase = PHASE_FIRST};
    switch (r->kind) {
    case RULE_TERMINAL:
        f.phase = PHASE_OPEN;
        f.state = dfa_step(r->terminal, DFA_START, byte);
        if (f.state != DFA_DEAD && r->terminal->final[f.state])
            stacks_add(out, parent);
        else if (f.state != DFA_DEAD)
            push(s, &f, out);
        if (r->nullable)
            state_step(s, parent, byte, out);
        break;
    case RULE_STRING:
        f.phase = PHASE_OPEN;
        f.state = DFA_START;
        push(s, &f, out);
        break;
    case RULE_OBJECT:
    case RULE_ARRAY:
        push(s, &f, out);
        break;
    case RULE_CHOICE:
        for (uint32_t i = 0; i < r->count; i++)
            enter(s, r->items[i], parent, byte, out);
        break;
    case RULE_SEQUENCE:
        enter_sequence(s, node, 0, parent, byte, out);
        break;
    case RULE_DOCUMENT:
    case RULE_NEVER:
        break;
    }
}

/* ── Objects ── */

uint64_t object_allowed(const grammar_state *s, const frame *f, bool *other)
{
    const object_rule *o = s->g->rules[f->node].object;
    uint64_t missing = o->required & ~f->seen, left = o->usable & ~f->seen;
    uint32_t room = o->high == GRAMMAR_ENDLESS ? GRAMMAR_ENDLESS : o->high - f->count;
    *other = false;
    if (room == 0)
        return 0;
    if (room <= (uint32_t)__builtin_popcountll(missing))
        return missing;
    *other = o->other && f->depth + o->deepest <= GRAMMAR_MAX_DEPTH;
    if (f->depth + o->deepest > GRAMMAR_MAX_DEPTH) /* only values that still fit */
        for (uint32_t i = 0; i < o->declared; i++)
            if (f->depth + s->g->rules[o->values[i + 1]].depth > GRAMMAR_MAX_DEPTH)
                left &= ~(1ull << i);
    return left;
}

static bool object_may_close(const grammar_state *s, const frame *f)
{
    const object_rule *o = s->g->rules[f->node].object;
    /* undeclared keys may repeat: only the first counts as one more */
    uint32_t distinct = (uint32_t)__builtin_popcountll(f->seen) + f->others;
    return (o->required & ~f->seen) == 0 && distinct >= o->low;
}

static bool key_alive(const object_rule *o, uint32_t state, uint64_t allowed, bool other)
{
    return (o->reach[state] & allowed) != 0 || (other && o->reach_other[state]);
}

frame object_key_done(const frame *f, uint32_t label)
{
    frame done = *f;
    done.phase = PHASE_COLON;
    done.state = (uint16_t)label;
    done.space = 0;
    return done;
}

static void step_key(grammar_state *s, const frame *f, uint8_t byte, stacks *out)
{
    const object_rule *o = s->g->rules[f->node].object;
    bool other;
    uint64_t allowed = object_allowed(s, f, &other);
    uint32_t label = o->keys->label[f->state];
    frame next = *f;
    if (byte == '"' && label != 0) { /* label 0: it may be escaped */
        if (label <= o->declared ? !(allowed >> (label - 1) & 1) : !other)
            return;
        next = object_key_done(f, label);
        push(s, &next, out);
        return;
    }
    next.state = dfa_step(o->keys, f->state, byte);
    if (next.state != DFA_DEAD && key_alive(o, next.state, allowed, other))
        push(s, &next, out);
}

static void step_object(grammar_state *s, const frame *f, uint8_t byte, stacks *out)
{
    const object_rule *o = s->g->rules[f->node].object;
    frame next = *f;
    bool other;
    next.space = 0;
    switch ((phase)f->phase) {
    case PHASE_FIRST:
    case PHASE_NEXT:
        if (byte == '"') {
            uint64_t allowed = object_allowed(s, f, &other);
            next.phase = PHASE_KEY;
            next.state = DFA_START;
            if (!dfa_empty(o->keys) && key_alive(o, DFA_START, allowed, other))
                push(s, &next, out);
        } else if (byte == '}' && f->phase == PHASE_FIRST && object_may_close(s, f)) {
            stacks_add(out, f->parent);
        }
        break;
    case PHASE_KEY:
        step_key(s, f, byte, out);
        break;
    case PHASE_COLON:
        next.phase = PHASE_VALUE;
        if (byte == ':')
            push(s, &next, out);
        break;
    case PHASE_VALUE: {
        uint32_t label = f->state;
        next.phase = PHASE_AFTER;
        next.state = 0;
        if (label <= o->declared)
            next.seen |= 1ull << (label - 1);
        else
            next.others = true;
        if (o->high != GRAMMAR_ENDLESS)
            next.count++;
        uint32_t parent = state_intern(s, &next);
        if (parent != 0)
            enter(s, o->values[label], parent, byte, out);
        break;
    }
    case PHASE_AFTER:
        if (byte == '}' && object_may_close(s, f))
            stacks_add(out, f->parent);
        if (byte == ',') {
            uint64_t allowed = object_allowed(s, f, &other);
            next.phase = PHASE_NEXT;
            if (!dfa_empty(o->keys) && key_alive(o, DFA_START, allowed, other))
                push(s, &next, out);
        }
        break;
    case PHASE_OPEN:
        break;
    }
}

/* ── Arrays ── */

static void step_array(grammar_state *s, const frame *f, uint8_t byte, stacks *out)
{
    const rule *r = &s->g->rules[f->node];
    frame next = *f;
    next.space = 0;
    if (byte == ']' && f->phase != PHASE_NEXT && f->count >= r->low) {
        stacks_add(out, f->parent);
        return;
    }
    uint32_t item = f->count < r->count ? r->items[f->count] : r->rest;
    bool more = (r->high == GRAMMAR_ENDLESS || f->count < r->high) &&
                s->g->rules[item].least != GRAMMAR_ENDLESS &&
                f->depth + s->g->rules[item].depth <= GRAMMAR_MAX_DEPTH;
    if (!more)
        return;
    if (f->phase == PHASE_AFTER) {
        next.phase = PHASE_NEXT;
        if (byte == ',')
            push(s, &next, out);
        return;
    }
    /* counts that no limit tells apart are one */
    uint32_t most = r->high != GRAMMAR_ENDLESS ? r->high : r->low > r->count ? r->low : r->count;
    next.phase = PHASE_AFTER;
    next.count += next.count < most;
    uint32_t parent = state_intern(s, &next);
    if (parent != 0)
        enter(s, item, parent, byte, out);
}

/* ── One byte ── */

static void step_string(grammar_state *s, const frame *f, uint8_t byte, stacks *out)
{
    const rule *r = &s->g->rules[f->node];
    const dfa *any = s->g->any;
    frame next = *f;
    bool whole = any->label[f->state] != 0;
    if (whole && byte == '"') {
        if (f->count >= r->low)
            stacks_add(out, f->parent);
        return;
    }
    if (whole && f->count >= r->high)
        return;
    next.state = dfa_step(any, f->state, byte);
    if (next.state == DFA_DEAD)
        return;
    if (any->label[next.state] != 0)
        next.count += r->high != GRAMMAR_ENDLESS || next.count < r->low;
    push(s, &next, out);
}

static void step_terminal(grammar_state *s, const frame *f, uint8_t byte, stacks *out)
{
    const dfa *d = s->g->rules[f->node].terminal;
    frame next = *f;
    next.state = dfa_step(d, f->state, byte);
    if (next.state != DFA_DEAD && d->final[next.state])
        stacks_add(out, f->parent);
    else if (next.state != DFA_DEAD)
        push(s, &next, out);
    if (d->label[f->state] != 0)
        state_step(s, f->parent, byte, out);
}

void state_step(grammar_state *s, uint32_t top, uint8_t byte, stacks *out)
{
    if (top == 0 || s->budget == 0 || s->status != BRINK_OK)
        return;
    s->budget--;
    frame f = s->frames[top];
    const rule *r = &s->g->rules[f.node];
    bool spaced = (r->kind == RULE_OBJECT || r->kind == RULE_ARRAY || r->kind == RULE_DOCUMENT) &&
                  f.phase != PHASE_KEY;
    if (spaced && json_is_space(byte)) {
        f.space++;
        if (f.space <= s->g->max_space)
            push(s, &f, out);
        return;
    }
    switch (r->kind) {
    case RULE_TERMINAL:
        step_terminal(s, &f, byte, out);
        break;
    case RULE_STRING:
        step_string(s, &f, byte, out);
        break;
    case RULE_OBJECT:
        step_object(s, &f, byte, out);
        break;
    case RULE_ARRAY:
        step_array(s, &f, byte, out);
        break;
    case RULE_SEQUENCE:
        enter_sequence(s, f.node, f.count, f.parent, byte, out);
        break;
    case RULE_DOCUMENT:
        if (f.phase == PHASE_OPEN) {
            f.phase = PHASE_AFTER;
            f.space = 0;
            uint32_t parent = state_intern(s, &f);
            if (parent != 0)
                enter(s, r->items[0], parent, byte, out);
        }
        break;
    case RULE_CHOICE:
    case RULE_NEVER:
        break;
    }
}

void state_step_all(grammar_state *s, const stacks *set, uint8_t byte, stacks *out)
{
    out->count = 0;
    s->budget = GRAMMAR_BYTE_BUDGET;
    for (uint32_t i = 0; i < set->count; i++)
        state_step(s, set->tops[i], byte, out);
    s->crowded = s->crowded || out->count == GRAMMAR_MAX_STACKS || s->budget == 0;
}

bool state_can_end(const grammar_state *s, uint32_t top)
{
    while (top != 0) {
        const frame *f = &s->frames[top];
        const rule *r = &s->g->rules[f->node];
        if (r->kind == RULE_DOCUMENT)
            return f->phase == PHASE_AFTER;
        if (r->kind == RULE_SEQUENCE) {
            for (uint32_t i = f->count; i < r->count; i++)
                if (!s->g->rules[r->items[i]].nullable)
                    return false;
        } else if (r->kind != RULE_TERMINAL || r->terminal->label[f->state] == 0) {
            return false;
        }
        top = f->parent;
    }
    return true;
}
