/* regex.c — tree to program, and the backtracking machine that runs it.

   The machine keeps its choices on a stack of its own, so depth of recursion is bounded by the
   pattern (lookahead), never by the text. A repeat of one character set is a single instruction and
   a single stack entry however long it runs. */
#include "text/regex_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

/* ── Character sets ── */

/* \w as Oniguruma has it, with what Latin-1 holds of superscripts and fractions. */
static bool is_word(uint32_t code)
{
    return unicode_is_word(code) || code == 0xB2 || code == 0xB3 || code == 0xB9 ||
           (code >= 0xBC && code <= 0xBE);
}

static bool item_holds(const regex *r, const set_item *item, uint32_t code)
{
    bool holds = false;
    switch ((set_item_kind)item->kind) {
    case ITEM_RANGE: holds = code >= item->low && code <= item->high; break;
    case ITEM_CATEGORY: holds = (unicode_category(code) & item->low) != 0; break;
    case ITEM_SPACE: holds = unicode_is_space(code); break;
    case ITEM_WORD: holds = is_word(code); break;
    case ITEM_SET: holds = char_set_holds(r, &r->sets[item->low], code); break;
    }
    return holds != item->negated;
}

bool char_set_holds(const regex *r, const char_set *set, uint32_t code)
{
    bool holds = false;
    for (uint32_t i = 0; i < set->count && !holds; i++)
        holds = item_holds(r, &set->items[i], code);
    if (!holds && set->fold) {
        uint32_t folded = unicode_fold(code), upper = unicode_title(folded);
        for (uint32_t i = 0; i < set->count && !holds; i++) {
            const set_item *item = &set->items[i];
            holds = item_holds(r, item, folded) || item_holds(r, item, upper) ||
                    (item->kind == ITEM_RANGE && item->low == item->high &&
                     unicode_fold(item->low) == folded);
        }
    }
    return holds != set->negated;
}

/* The width of the character at `position` if `set` holds it, else 0. */
static inline uint32_t take(const regex *r, const char_set *set, const char *text, uint32_t size,
                            uint32_t position)
{
    if (position >= size)
        return 0;
    unsigned char c = (unsigned char)text[position];
    if (c < 0x80)
        return set->ascii[c >> 6] >> (c & 63) & 1;
    uint32_t end = position;
    uint32_t code = utf8_next(text, &end);
    return char_set_holds(r, set, code) ? end - position : 0;
}

/* ── Tree to program ── */

static void first_of(const regex *r, const node *n, first_set *out);

static void first_of_sequence(const regex *r, const node *child, first_set *out)
{
    *out = (first_set){.always = true};
    for (; child != NULL && out->always; child = child->next) {
        first_set one;
        first_of(r, child, &one);
        out->ascii[0] |= one.ascii[0];
        out->ascii[1] |= one.ascii[1];
        out->always = one.always;
    }
}

/* Which ASCII bytes can begin a match of the node. */
static void first_of(const regex *r, const node *n, first_set *out)
{
    switch (n->kind) {
    case NODE_SET:
        *out = (first_set){{r->sets[n->set].ascii[0], r->sets[n->set].ascii[1]}, false};
        return;
    case NODE_SEQUENCE: first_of_sequence(r, n->child, out); return;
    case NODE_ATOMIC: first_of(r, n->child, out); return;
    case NODE_REPEAT:
        first_of(r, n->child, out);
        out->always |= n->least == 0;
        return;
    case NODE_CHOICE:
        *out = (first_set){0};
        for (const node *c = n->child; c != NULL; c = c->next) {
            first_set one;
            first_of(r, c, &one);
            out->ascii[0] |= one.ascii[0];
            out->ascii[1] |= one.ascii[1];
            out->always |= one.always;
        }
        return;
    case NODE_AHEAD:
    case NODE_ASSERT: *out = (first_set){.always = true}; return;
    }
}

static bool may_be_empty(const node *n)
{
    switch (n->kind) {
    case NODE_SET: return false;
    case NODE_ATOMIC: return may_be_empty(n->child);
    case NODE_REPEAT: return n->least == 0 || may_be_empty(n->child);
    case NODE_SEQUENCE:
        for (const node *c = n->child; c != NULL; c = c->next)
            if (!may_be_empty(c))
                return false;
        return true;
    case NODE_CHOICE:
        for (const node *c = n->child; c != NULL; c = c->next)
            if (may_be_empty(c))
                return true;
        return false;
    case NODE_AHEAD:
    case NODE_ASSERT: break;
    }
    return true;
}

static brink_status emit(regex *r, instruction one, uint32_t *at)
{
    if (r->length >= REGEX_MAX_PROGRAM)
        return core_fail(r->context, BRINK_UNSUPPORTED, "%s: pattern \"%.120s\" is too large",
                         r->where, r->pattern);
    TRY(array_grow(r->context, (void **)&r->program, &r->capacity, r->length + 1ull, sizeof one));
    if (at != NULL)
        *at = r->length;
    one.first = UINT32_MAX;
    r->program[r->length++] = one;
    return BRINK_OK;
}

static brink_status compile(regex *r, const node *n);

static brink_status compile_choice(regex *r, const node *n)
{
    /* Each choice jumps over the rest; the jumps are threaded through `a` until the end is known. */
    uint32_t jumps = UINT32_MAX;
    for (const node *c = n->child; c != NULL; c = c->next) {
        uint32_t choice = UINT32_MAX, jump;
        if (c->next != NULL) {
            node rest = {.kind = NODE_CHOICE, .child = c->next};
            TRY(emit(r, (instruction){.op = OP_CHOICE}, &choice));
            TRY(array_grow(r->context, (void **)&r->firsts, &r->first_capacity,
                           r->first_count + 2ull, sizeof *r->firsts));
            first_of(r, c, &r->firsts[r->first_count]);
            first_of(r, &rest, &r->firsts[r->first_count + 1]);
            r->program[choice].first = r->first_count;
            r->program[choice].a = choice + 1;
            r->first_count += 2;
        }
        TRY(compile(r, c));
        if (c->next != NULL) {
            TRY(emit(r, (instruction){.op = OP_JUMP, .a = jumps}, &jump));
            jumps = jump;
            r->program[choice].b = r->length;
        }
    }
    while (jumps != UINT32_MAX) {
        uint32_t next = r->program[jumps].a;
        r->program[jumps].a = r->length;
        jumps = next;
    }
    return BRINK_OK;
}

static brink_status compile_repeat(regex *r, const node *n)
{
    uint32_t at;
    const node *child = n->child;
    if (child->kind == NODE_SET)
        return emit(r, (instruction){.op = OP_LOOP, .mode = (uint8_t)n->mode, .a = child->set,
                                     .least = n->least, .most = n->most}, NULL);
    if (n->mode == REPEAT_POSSESSIVE) {
        node greedy = *n;
        greedy.mode = REPEAT_GREEDY;
        TRY(emit(r, (instruction){.op = OP_ATOMIC}, &at));
        TRY(compile_repeat(r, &greedy));
        TRY(emit(r, (instruction){.op = OP_DONE}, NULL));
        r->program[at].a = r->length;
        return BRINK_OK;
    }
    if (n->most == REPEAT_ENDLESS && may_be_empty(child))
        return core_fail(r->context, BRINK_UNSUPPORTED,
                         "%s: pattern \"%.120s\": an endless repeat of what may be empty is not "
                         "supported", r->where, r->pattern);
    bool lazy = n->mode == REPEAT_LAZY;
    for (uint32_t i = 0; i < n->least; i++)
        TRY(compile(r, child));
    if (n->most == REPEAT_ENDLESS) { /* L: choice body, out; body; jump L */
        uint32_t top;
        TRY(emit(r, (instruction){.op = OP_CHOICE}, &top));
        TRY(compile(r, child));
        TRY(emit(r, (instruction){.op = OP_JUMP, .a = top}, NULL));
        r->program[top].a = lazy ? r->length : top + 1;
        r->program[top].b = lazy ? top + 1 : r->length;
        return BRINK_OK;
    }
    for (uint32_t i = n->least; i < n->most; i++) { /* each optional one may jump to the next */
        TRY(emit(r, (instruction){.op = OP_CHOICE}, &at));
        TRY(compile(r, child));
        r->program[at].a = lazy ? r->length : at + 1;
        r->program[at].b = lazy ? at + 1 : r->length;
    }
    return BRINK_OK;
}

static brink_status compile(regex *r, const node *n)
{
    uint32_t at;
    switch (n->kind) {
    case NODE_SET: return emit(r, (instruction){.op = OP_SET, .a = n->set}, NULL);
    case NODE_CHOICE: return compile_choice(r, n);
    case NODE_REPEAT: return compile_repeat(r, n);
    case NODE_ASSERT: return emit(r, (instruction){.op = OP_ASSERT, .a = n->assertion}, NULL);
    case NODE_SEQUENCE:
        for (const node *c = n->child; c != NULL; c = c->next)
            TRY(compile(r, c));
        return BRINK_OK;
    case NODE_AHEAD:
    case NODE_ATOMIC: break;
    }
    TRY(emit(r, (instruction){.op = n->kind == NODE_AHEAD ? OP_AHEAD : OP_ATOMIC,
                              .negated = n->negated}, &at));
    TRY(compile(r, n->child));
    TRY(emit(r, (instruction){.op = OP_DONE}, NULL));
    r->program[at].a = r->length;
    return BRINK_OK;
}

brink_status regex_create(brink_context *context, const char *where, const char *pattern,
                          uint32_t bytes, regex **out)
{
    *out = NULL;
    regex *r = core_calloc(context, 1, sizeof *r);
    if (r == NULL)
        return BRINK_OUT_OF_MEMORY;
    arena nodes;
    node *tree = NULL;
    arena_init(&nodes, context);
    arena_init(&r->memory, context);
    r->context = context;
    r->where = where;
    r->pattern = arena_string(&r->memory, pattern, bytes);
    brink_status status = r->pattern == NULL ? BRINK_OUT_OF_MEMORY
                          : utf8_valid(pattern, bytes)
                              ? regex_parse(r, &nodes, bytes, &tree)
                              : core_fail(context, BRINK_BAD_INPUT, "%s: pattern is not UTF-8", where);
    if (status == BRINK_OK)
        status = compile(r, tree);
    if (status == BRINK_OK)
        status = emit(r, (instruction){.op = OP_DONE}, NULL);
    arena_free(&nodes);
    r->where = "pattern";
    if (status != BRINK_OK) {
        regex_destroy(r);
        return status;
    }
    *out = r;
    return BRINK_OK;
}

void regex_destroy(regex *r)
{
    if (r == NULL)
        return;
    brink_context *context = r->context;
    for (uint32_t i = 0; i < r->set_count; i++)
        core_free(context, r->sets[i].items);
    core_free(context, r->sets);
    core_free(context, r->program);
    core_free(context, r->firsts);
    core_free(context, r->stack);
    arena_free(&r->memory);
    core_free(context, r);
}

/* ── The machine ── */

enum { KIND_PLAIN, KIND_GREEDY, KIND_LAZY };

static bool push(regex *r, uint32_t pc, uint32_t position, uint32_t bound, uint32_t kind)
{
    if (r->stack_size == r->stack_capacity) {
        r->status = array_grow(r->context, (void **)&r->stack, &r->stack_capacity,
                               r->stack_size + 1ull, sizeof *r->stack);
        if (r->status != BRINK_OK)
            return false;
    }
    r->stack[r->stack_size++] = (backtrack){pc, position, bound, kind};
    return true;
}

static bool spend(regex *r, uint64_t steps)
{
    if (r->steps < steps) {
        r->status = core_fail(r->context, BRINK_BAD_INPUT,
                              "pattern \"%.120s\" takes too many steps on this text", r->pattern);
        return false;
    }
    r->steps -= steps;
    return true;
}

static bool word_at(const char *text, uint32_t size, uint32_t position)
{
    return position < size && is_word(utf8_next(text, &position));
}

static bool assertion_holds(uint32_t kind, const char *text, uint32_t size, uint32_t at)
{
    switch ((assert_kind)kind) {
    case ASSERT_LINE_START: return at == 0 || (text[at - 1] == '\n' && at < size);
    case ASSERT_LINE_END: return at == size || text[at] == '\n';
    case ASSERT_TEXT_START: return at == 0;
    case ASSERT_TEXT_END: return at == size;
    case ASSERT_LAST_LINE_END: return at == size || (at + 1 == size && text[at] == '\n');
    case ASSERT_WORD_EDGE:
    case ASSERT_NO_WORD_EDGE: break;
    }
    bool before = at > 0 && word_at(text, size, utf8_before(text, at));
    return (before != word_at(text, size, at)) == (kind == ASSERT_WORD_EDGE);
}

static bool may_begin(const first_set *f, const char *text, uint32_t size, uint32_t position)
{
    if (f->always)
        return true;
    if (position >= size)
        return false;
    unsigned char c = (unsigned char)text[position];
    return c >= 0x80 || (f->ascii[c >> 6] >> (c & 63) & 1) != 0;
}

/* Takes the newest choice above `base` back: the pc and position to go on from. */
static bool resume(regex *r, uint32_t base, const char *text, uint32_t size, uint32_t *pc,
                   uint32_t *position)
{
    while (r->stack_size > base) {
        backtrack *b = &r->stack[r->stack_size - 1];
        *pc = b->pc;
        if (b->kind == KIND_PLAIN) {
            *position = b->position;
            r->stack_size--;
            return true;
        }
        if (b->kind == KIND_GREEDY) { /* gives one character back */
            *position = b->position = utf8_before(text, b->position);
            if (b->position <= b->bound)
                r->stack_size--;
            return true;
        }
        uint32_t width = 0;
        if (b->bound > 0) /* lazy: takes one more; b->pc is behind the loop */
            width = take(r, &r->sets[r->program[b->pc - 1].a], text, size, b->position);
        if (width != 0) {
            *position = b->position += width;
            b->bound--;
            return true;
        }
        r->stack_size--;
    }
    return false;
}

static bool loop(regex *r, const instruction *in, uint32_t pc, const char *text, uint32_t size,
                 uint32_t *position)
{
    const char_set *set = &r->sets[in->a];
    uint32_t at = *position, floor = at, taken = 0;
    uint32_t wanted = in->mode == REPEAT_LAZY ? in->least : in->most;
    while (taken < wanted) {
        uint32_t width = take(r, set, text, size, at);
        if (width == 0)
            break;
        at += width;
        if (++taken == in->least)
            floor = at;
    }
    *position = at;
    if (!spend(r, taken) || taken < in->least)
        return false;
    if (in->mode == REPEAT_LAZY)
        return push(r, pc + 1, at, in->most - taken, KIND_LAZY);
    return in->mode == REPEAT_POSSESSIVE || at == floor ||
           push(r, pc + 1, at, floor, KIND_GREEDY);
}

static bool match(regex *r, uint32_t pc, const char *text, uint32_t size, uint32_t position,
                  uint32_t *end)
{
    uint32_t base = r->stack_size;
    for (;;) {
        const instruction *in = &r->program[pc];
        bool ok = true;
        if (!spend(r, 1))
            return false;
        switch ((op)in->op) {
        case OP_SET: {
            uint32_t width = take(r, &r->sets[in->a], text, size, position);
            position += width;
            ok = width != 0;
            pc++;
            break;
        }
        case OP_LOOP:
            ok = loop(r, in, pc, text, size, &position);
            pc++;
            break;
        case OP_CHOICE: {
            bool a = true, b = true;
            if (in->first != UINT32_MAX) {
                a = may_begin(&r->firsts[in->first], text, size, position);
                b = may_begin(&r->firsts[in->first + 1], text, size, position);
            }
            ok = a || b;
            if (a && b)
                ok = push(r, in->b, position, 0, KIND_PLAIN);
            pc = a ? in->a : in->b;
            break;
        }
        case OP_JUMP: pc = in->a; break;
        case OP_AHEAD:
        case OP_ATOMIC: {
            uint32_t stop = position, kept = r->stack_size;
            bool negated = in->negated, ahead = in->op == OP_AHEAD;
            uint32_t after = in->a;
            ok = match(r, pc + 1, text, size, position, &stop) != negated;
            r->stack_size = kept;
            if (!ahead)
                position = stop;
            pc = after;
            break;
        }
        case OP_ASSERT:
            ok = assertion_holds(in->a, text, size, position);
            pc++;
            break;
        case OP_DONE:
            *end = position;
            r->stack_size = base;
            return true;
        }
        if (r->status != BRINK_OK)
            return false;
        if (!ok && !resume(r, base, text, size, &pc, &position))
            return false;
    }
}

void regex_begin(regex *r, uint32_t size)
{
    r->steps = (1u << 20) + 512ull * size;
    r->status = BRINK_OK;
}

brink_status regex_find(regex *r, const char *text, uint32_t size, uint32_t from, bool *found,
                        uint32_t *start, uint32_t *end)
{
    *found = false;
    for (uint32_t at = from; at <= size; at += at < size ? utf8_width(text[at]) : 1) {
        r->stack_size = 0;
        if (match(r, 0, text, size, at, end)) {
            *found = true;
            *start = at;
            return BRINK_OK;
        }
        if (r->status != BRINK_OK)
            return r->status;
    }
    return BRINK_OK;
}
