/* regex_match.c — the backtracking machine that runs a pattern's program.

   It keeps its choices on a stack of its own, so depth of recursion is bounded by the pattern
   (lookahead), never by the text. A repeat of one character set is a single instruction and a single
   stack entry however long it runs. */
#include "text/regex_internal.h"
#include "text/utf8.h"

/* The width of the character at `position` if `set` holds it, else 0. */
static inline uint32_t take(const regex *r, char_set *set, const char *text, uint32_t size,
                            uint32_t position)
{
    if (position >= size)
        return 0;
    unsigned char c = (unsigned char)text[position];
    if (c < 0x80)
        return set->ascii[c >> 6] >> (c & 63) & 1;
    uint32_t end = position;
    uint32_t code = utf8_next(text, &end), *recent = &set->recent[code % SET_RECENT];
    if (*recent >> 1 != code)
        *recent = code << 1 | char_set_holds(r, set, code);
    return *recent & 1 ? end - position : 0;
}

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
    return position < size && regex_is_word(utf8_next(text, &position));
}

static bool assertion_holds(uint32_t kind, const char *text, uint32_t size, uint32_t at)
{
    switch ((assert_kind)kind) {
    case ASSERT_LINE_START:
        return at == 0 || (text[at - 1] == '\n' && at < size);
    case ASSERT_LINE_END:
        return at == size || text[at] == '\n';
    case ASSERT_TEXT_START:
        return at == 0;
    case ASSERT_TEXT_END:
        return at == size;
    case ASSERT_LAST_LINE_END:
        return at == size || (at + 1 == size && text[at] == '\n');
    case ASSERT_WORD_EDGE:
    case ASSERT_NO_WORD_EDGE:
        break;
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
    char_set *set = &r->sets[in->a];
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
    return in->mode == REPEAT_POSSESSIVE || at == floor || push(r, pc + 1, at, floor, KIND_GREEDY);
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
        case OP_JUMP:
            pc = in->a;
            break;
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
