/* grammar_close.c — the shortest text that ends a document, spelled out.

   A stack is closed from its top down: what the frame lacks, then its parent's. Invariant: what is
   written for a node takes rule.least bytes, whose derivation grammar.c found to be finite. */
#include "text/grammar_internal.h"

typedef struct closing {
    grammar_state *s;
    const grammar *g;
    dfa_search search;
    buffer out;
    bool counts;   /* nothing is written, only `size` grows */
    uint64_t size; /* bytes of the present stack            */
} closing;

static brink_status put_text(closing *c, const char *text, uint64_t size)
{
    c->size += size;
    return c->counts ? BRINK_OK : buffer_append(&c->out, text, size);
}

static brink_status put(closing *c, char byte)
{
    return put_text(c, &byte, 1);
}

static brink_status put_path(closing *c, const dfa *d, uint32_t state, uint16_t label)
{
    uint32_t length = 0;
    if (c->counts && label == 0) {
        c->size += d->near[state];
        return BRINK_OK;
    }
    TRY(buffer_reserve(&c->out, d->states));
    if (dfa_path(d, &c->search, state, label, (uint8_t *)c->out.data + c->out.size, d->states,
                 &length)) {
        c->size += length;
        c->out.size += c->counts ? 0 : length;
    }
    return BRINK_OK;
}

static brink_status put_node(closing *c, uint32_t node);

/* Keys and values until the object may close, then the brace. `count` properties are there. */
static brink_status put_members(closing *c, const frame *f, bool first)
{
    const rule *r = &c->g->rules[f->node];
    const object_rule *o = r->object;
    uint32_t count = (uint32_t)__builtin_popcountll(f->seen) + f->others;
    uint64_t missing = o->required & ~f->seen;
    uint32_t more = (uint32_t)__builtin_popcountll(missing);
    more = count + more < o->low ? o->low - count - more : 0;
    for (uint32_t l = 1; l <= o->labels; l++) {
        bool needed = l <= o->declared && (missing >> (l - 1) & 1);
        if (!needed &&
            (more == 0 || (l <= o->declared && (f->seen >> (l - 1) & 1)) ||
             o->sizes[l] == GRAMMAR_ENDLESS || c->g->rules[o->values[l]].least == GRAMMAR_ENDLESS))
            continue;
        more -= !needed;
        if (!first)
            TRY(put(c, ','));
        first = false;
        TRY(put(c, '"'));
        TRY(put_text(c, o->texts[l], o->sizes[l]));
        TRY(put_text(c, "\":", 2));
        TRY(put_node(c, o->values[l]));
    }
    return put(c, '}');
}

static brink_status put_items(closing *c, const rule *r, uint32_t count)
{
    for (uint32_t i = count; i < r->low; i++) {
        if (i != 0)
            TRY(put(c, ','));
        TRY(put_node(c, i < r->count ? r->items[i] : r->rest));
    }
    return put(c, ']');
}

static brink_status put_characters(closing *c, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        TRY(put(c, 'x'));
    return put(c, '"');
}

static brink_status put_node(closing *c, uint32_t node)
{
    const rule *r = &c->g->rules[node];
    frame f = {.node = node};
    if (c->counts) {
        c->size += r->least;
        return BRINK_OK;
    }
    switch (r->kind) {
    case RULE_TERMINAL:
        return put_path(c, r->terminal, DFA_START, 0);
    case RULE_STRING:
        TRY(put(c, '"'));
        return put_characters(c, r->low);
    case RULE_OBJECT:
        TRY(put(c, '{'));
        return put_members(c, &f, true);
    case RULE_ARRAY:
        TRY(put(c, '['));
        return put_items(c, r, 0);
    case RULE_CHOICE:
        return put_node(c, r->rest);
    case RULE_SEQUENCE:
    case RULE_DOCUMENT:
        for (uint32_t i = 0; i < r->count; i++)
            TRY(put_node(c, r->items[i]));
        break;
    case RULE_NEVER:
        break;
    }
    return BRINK_OK;
}

/* From inside a key: the label that costs least, counting that a missing one had to come anyway. */
static brink_status put_key(closing *c, frame *f)
{
    const object_rule *o = c->g->rules[f->node].object;
    bool other;
    uint64_t allowed = object_allowed(c->s, f, &other), best = UINT64_MAX;
    uint32_t label = 0, room = o->keys->states;
    TRY(buffer_reserve(&c->out, room));
    for (uint32_t l = 1; l <= o->labels; l++) {
        uint32_t length;
        if (o->sizes[l] == GRAMMAR_ENDLESS ||
            (l <= o->declared ? !(allowed >> (l - 1) & 1) : !other) ||
            !dfa_path(o->keys, &c->search, f->state, (uint16_t)l,
                      (uint8_t *)c->out.data + c->out.size, room, &length))
            continue;
        uint64_t value = c->g->rules[o->values[l]].least, saved = 0;
        if (l <= o->declared && (o->required >> (l - 1) & 1))
            saved = value + o->sizes[l] + 4;
        uint64_t price = (1ull << 32) + length + value - saved;
        if (price < best) {
            best = price;
            label = l;
        }
    }
    TRY(put_path(c, o->keys, f->state, (uint16_t)label));
    *f = object_key_done(f, label);
    return put(c, '"');
}

static brink_status put_object(closing *c, frame f)
{
    const object_rule *o = c->g->rules[f.node].object;
    if (f.phase == PHASE_FIRST)
        return put_members(c, &f, true);
    if (f.phase == PHASE_NEXT) { /* a key has to follow the comma */
        f.state = DFA_START;
        TRY(put(c, '"'));
        f.phase = PHASE_KEY;
    }
    if (f.phase == PHASE_KEY)
        TRY(put_key(c, &f));
    if (f.phase == PHASE_COLON) {
        TRY(put(c, ':'));
        f.phase = PHASE_VALUE;
    }
    if (f.phase == PHASE_VALUE) {
        TRY(put_node(c, o->values[f.state]));
        if (f.state <= o->declared)
            f.seen |= 1ull << (f.state - 1);
        else
            f.others = true;
    }
    return put_members(c, &f, false);
}

static brink_status put_frame(closing *c, const frame *f)
{
    const rule *r = &c->g->rules[f->node];
    switch (r->kind) {
    case RULE_TERMINAL:
        return put_path(c, r->terminal, f->state, 0);
    case RULE_STRING: {
        const dfa *any = c->g->any;
        uint32_t count = f->count + (any->label[f->state] == 0);
        TRY(put_path(c, any, f->state, 0));
        return put_characters(c, r->low > count ? r->low - count : 0);
    }
    case RULE_OBJECT:
        return put_object(c, *f);
    case RULE_ARRAY:
        if (f->phase == PHASE_NEXT) {
            TRY(put_node(c, f->count < r->count ? r->items[f->count] : r->rest));
            return put_items(c, r, f->count + 1);
        }
        return put_items(c, r, f->count);
    case RULE_SEQUENCE:
        for (uint32_t i = f->count; i < r->count; i++)
            TRY(put_node(c, r->items[i]));
        break;
    case RULE_DOCUMENT:
        return f->phase == PHASE_OPEN ? put_node(c, r->items[0]) : BRINK_OK;
    case RULE_CHOICE:
    case RULE_NEVER:
        break;
    }
    return BRINK_OK;
}

/* The shortest over all readings, in c->out from 0 unless it is only counted; *size its length. */
static brink_status close_all(closing *c, uint64_t *size)
{
    const grammar_state *s = c->s;
    *size = 0;
    for (uint32_t i = 0; i < s->now.count; i++) {
        uint64_t start = c->out.size;
        c->size = 0;
        for (uint32_t top = s->now.tops[i]; top != 0; top = s->frames[top].parent)
            TRY(put_frame(c, &s->frames[top]));
        if (i == 0 || c->size < *size) {
            *size = c->size;
            if (c->size != 0 && !c->counts)
                memmove(c->out.data, c->out.data + start, c->size);
        }
        c->out.size = c->counts ? 0 : *size;
    }
    return BRINK_OK;
}

static brink_status close_state(grammar_state *s, bool counts, buffer *out, uint64_t *size)
{
    brink_context *context = s->g->context;
    closing c = {.s = s, .g = s->g, .out = {.context = context}, .counts = counts};
    uint64_t states = s->g->largest;
    uint16_t *memory = core_alloc(context, 5 * states + 16);
    *out = c.out;
    *size = 0;
    if (memory == NULL)
        return BRINK_OUT_OF_MEMORY;
    c.search = (dfa_search){
        .from = memory, .byte = (uint8_t *)(memory + 2 * states), .queue = memory + states};
    brink_status status = close_all(&c, size);
    core_free(context, memory);
    *out = c.out;
    return status;
}

brink_status grammar_close(grammar_state *s, char *text, uint64_t capacity, uint64_t *bytes)
{
    buffer out;
    brink_status status = close_state(s, false, &out, bytes);
    if (status == BRINK_OK && capacity != 0 && *bytes != 0)
        memcpy(text, out.data, *bytes < capacity ? *bytes : capacity);
    buffer_free(&out);
    return status;
}

brink_status grammar_distance(grammar_state *s, uint64_t *bytes)
{
    buffer out;
    brink_status status = close_state(s, true, &out, bytes);
    buffer_free(&out);
    return status;
}
