/* grammar_walk.c — a state from outside: moving, copying, what is forced, how it closes. */
#include "text/grammar_internal.h"

enum { FIRST_FRAMES = 64, SPARE_FRAMES = 1024 };

static brink_status begin(grammar_state *s)
{
    const grammar *g = s->g;
    s->now.count = 0;
    s->crowded = false;
    state_forget(s, 1);
    frame f = {.node = g->root, .depth = 1};
    if (g->rules[g->root].kind == RULE_DOCUMENT) {
        stacks_add(&s->now, state_intern(s, &f));
    } else { /* a sequence that has yet to enter its only element */
        f.phase = PHASE_AFTER;
        stacks_add(&s->now, state_intern(s, &f));
    }
    return s->status;
}

brink_status grammar_state_create(grammar *g, grammar_state **out)
{
    grammar_state *s = core_calloc(g->context, 1, sizeof *s);
    *out = s;
    if (s == NULL)
        return BRINK_OUT_OF_MEMORY;
    s->g = g;
    s->slots = core_calloc(g->context, FIRST_FRAMES, sizeof *s->slots);
    s->slot_count = FIRST_FRAMES;
    brink_status status = s->slots == NULL ? BRINK_OUT_OF_MEMORY
                                           : array_grow(g->context, (void **)&s->frames,
                                                        &s->capacity, 1, sizeof *s->frames);
    if (status == BRINK_OK) {
        s->frames[0] = (frame){0};
        s->count = 1;
        status = begin(s);
    }
    if (status != BRINK_OK) {
        grammar_state_destroy(s);
        *out = NULL;
    }
    return status;
}

void grammar_state_destroy(grammar_state *s)
{
    if (s == NULL)
        return;
    brink_context *context = s->g->context;
    core_free(context, s->frames);
    core_free(context, s->slots);
    core_free(context, s);
}

void grammar_state_reset(grammar_state *s)
{
    s->status = BRINK_OK;
    begin(s); /* one frame: there is room for it since the first time */
}

/* A stack of `from` in `to`, without recursion: from its lowest frame up. */
static uint32_t copy_stack(grammar_state *to, const grammar_state *from, uint32_t top)
{
    uint32_t order[GRAMMAR_MAX_DEPTH + 2], count = 0, parent = 0;
    for (; top != 0 && count < GRAMMAR_MAX_DEPTH + 2; top = from->frames[top].parent)
        order[count++] = top;
    while (count > 0) {
        frame f = from->frames[order[--count]];
        f.parent = parent;
        parent = state_intern(to, &f);
    }
    return parent;
}

brink_status grammar_state_copy(grammar_state *to, const grammar_state *from)
{
    to->status = BRINK_OK;
    to->now.count = 0;
    to->crowded = from->crowded;
    state_forget(to, 1);
    for (uint32_t i = 0; i < from->now.count; i++)
        stacks_add(&to->now, copy_stack(to, from, from->now.tops[i]));
    return to->status;
}

/* Lets go of frames that no stack of the set has, once there are many. */
static brink_status compact(grammar_state *s)
{
    if (s->count < SPARE_FRAMES)
        return BRINK_OK;
    grammar_state *fresh;
    TRY(grammar_state_create(s->g, &fresh));
    brink_status status = grammar_state_copy(fresh, s);
    if (status == BRINK_OK) {
        grammar_state old = *s;
        *s = *fresh;
        *fresh = old;
    }
    grammar_state_destroy(fresh);
    return status;
}

brink_status grammar_advance(grammar_state *s, const void *bytes, uint64_t size, bool *allowed)
{
    const uint8_t *data = bytes;
    uint32_t mark = s->count;
    stacks now = s->now, next;
    *allowed = false;
    s->status = BRINK_OK;
    for (uint64_t i = 0; i < size && now.count != 0; i++) {
        state_step_all(s, &now, data[i], &next);
        now = next;
    }
    if (s->status == BRINK_OK && now.count != 0) {
        s->now = now;
        *allowed = true;
        return compact(s);
    }
    state_forget(s, mark);
    return s->status;
}

bool grammar_can_end(const grammar_state *s)
{
    for (uint32_t i = 0; i < s->now.count; i++)
        if (state_can_end(s, s->now.tops[i]))
            return true;
    return false;
}

static bool sets_can_end(const grammar_state *s, const stacks *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (state_can_end(s, set->tops[i]))
            return true;
    return false;
}

/* Whether white space is no more than layout here. */
static bool between_tokens(const grammar_state *s, const stacks *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const frame *f = &s->frames[set->tops[i]];
        rule_kind kind = s->g->rules[f->node].kind;
        if (set->tops[i] == 0 || f->phase == PHASE_KEY ||
            (kind != RULE_OBJECT && kind != RULE_ARRAY && kind != RULE_DOCUMENT))
            return false;
    }
    return true;
}

brink_status grammar_forced(grammar_state *s, char *text, uint64_t capacity, uint64_t *bytes)
{
    uint32_t mark = s->count;
    stacks now = s->now, next, only = {0};
    s->status = BRINK_OK;
    for (*bytes = 0; *bytes < capacity && !sets_can_end(s, &now); ++*bytes) {
        bool layout = between_tokens(s, &now);
        int found = -1;
        for (uint32_t b = 0; b < 256 && found != 256; b++) {
            if (layout && json_is_space((uint8_t)b))
                continue;
            state_step_all(s, &now, (uint8_t)b, &next);
            if (next.count == 0)
                continue;
            found = found < 0 ? (int)b : 256;
            only = next;
        }
        if (found < 0 || found == 256)
            break;
        text[*bytes] = (char)found;
        now = only;
    }
    state_forget(s, mark);
    return s->status;
}
