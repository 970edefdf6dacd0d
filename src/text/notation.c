/* notation.c — the text of a grammar to rules and terms, by recursive descent of bounded depth.

   grammar ::= (name "::=" choice)*      choice ::= sequence ("|" sequence)*
   sequence ::= (atom repeat?)*          repeat ::= "*" | "+" | "?" | "{" m ("," n?)? "}"
   atom ::= text | class | name | "(" choice ")"

   A name followed by ::= begins the next rule; # begins a comment. */
#include "text/notation.h"

#include "text/utf8.h"

#include <stdlib.h>

static brink_status malformed(notation *n, const char *what)
{
    uint32_t line = 1;
    for (uint32_t i = 0; i < n->at && i < n->size; i++)
        line += n->text[i] == '\n';
    return core_fail(n->b->g->context, BRINK_BAD_INPUT, "%s: line %u: %s", n->b->where, line, what);
}

static void skip_space(notation *n)
{
    for (; n->at < n->size; n->at++) {
        if (n->text[n->at] == '#')
            while (n->at + 1 < n->size && n->text[n->at + 1] != '\n')
                n->at++;
        else if (!json_is_space((uint8_t)n->text[n->at]))
            return;
    }
}

static bool next_is(notation *n, const char *text)
{
    uint32_t size = (uint32_t)strlen(text);
    if (n->size - n->at < size || memcmp(n->text + n->at, text, size) != 0)
        return false;
    n->at += size;
    return true;
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static uint32_t name_size(const notation *n)
{
    uint32_t size = 0;
    while (n->at + size < n->size && is_name(n->text[n->at + size]))
        size++;
    return size;
}

/* Whether a rule's head stands here. */
static bool at_head(notation *n)
{
    uint32_t at = n->at, size = name_size(n);
    n->at += size;
    skip_space(n);
    bool head = size != 0 && next_is(n, "::=");
    n->at = at;
    return head;
}

static brink_status find_rule(notation *n, const char *name, uint32_t size, uint32_t *out)
{
    for (*out = 0; *out < n->count; ++*out)
        if (n->rules[*out].name_size == size && memcmp(n->rules[*out].name, name, size) == 0)
            return BRINK_OK;
    if (n->count == NOTATION_RULES)
        return core_fail(n->b->g->context, BRINK_UNSUPPORTED, "%s: more than %d rules", n->b->where,
                         NOTATION_RULES);
    n->rules[n->count++] = (named_rule){.name = name, .name_size = size};
    return dfa_spend(&n->b->work, n->count);
}

static brink_status new_term(notation *n, term_kind kind, term **out)
{
    *out = ARENA_NEW(&n->b->work.scratch, term);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    (*out)->kind = kind;
    return dfa_spend(&n->b->work, 4);
}

/* One character of a text or a class. */
static brink_status read_char(notation *n, uint32_t *code)
{
    static const char letters[] = "nrt", codes[] = "\n\r\t", lengths[] = "xuU";
    if (!next_is(n, "\\")) {
        *code = utf8_next(n->text, &n->at);
        return BRINK_OK;
    }
    char c = n->at < n->size ? n->text[n->at++] : 0;
    const char *known = c != 0 ? strchr(letters, c) : NULL;
    if (known != NULL)
        return *code = (uint8_t)codes[known - letters], BRINK_OK;
    known = c != 0 ? strchr(lengths, c) : NULL;
    if (known == NULL) {
        *code = (uint8_t)c;
        return c != 0 && strchr("\\\"[]^-", c) != NULL ? BRINK_OK : malformed(n, "unknown escape");
    }
    char digits[9] = {0}, *end;
    uint32_t size = 2u << (known - lengths);
    for (uint32_t i = 0; i < size && n->at < n->size; i++)
        digits[i] = n->text[n->at++];
    *code = (uint32_t)strtoul(digits, &end, 16);
    return end == digits + size && *code <= 0x10FFFF && (*code < 0xD800 || *code > 0xDFFF)
               ? BRINK_OK
               : malformed(n, "bad escape");
}

/* Behind the opening quote. */
static brink_status read_text(notation *n, term *t)
{
    buffer text = {.context = n->b->g->context};
    brink_status status = BRINK_OK;
    while (status == BRINK_OK && !next_is(n, "\"")) {
        uint32_t code = 0;
        status = n->at < n->size ? read_char(n, &code) : malformed(n, "\" is missing");
        if (status == BRINK_OK)
            status = buffer_put(&text, code);
    }
    if (status == BRINK_OK) {
        t->text = arena_string(&n->b->work.scratch, text.data, text.size);
        t->size = (uint32_t)text.size;
        status = t->text != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    }
    buffer_free(&text);
    return status;
}

static int by_low(const void *a, const void *b)
{
    char_range x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x.low > y.low) - (x.low < y.low);
}

/* Behind the opening bracket. */
static brink_status read_class(notation *n, term *t)
{
    enum { MOST = 256 };
    char_range ranges[MOST + 1], others[MOST + 1];
    uint32_t count = 0, kept = 0, at = 0;
    bool negated = next_is(n, "^");
    while (!next_is(n, "]")) {
        char_range r;
        if (n->at >= n->size)
            return malformed(n, "] is missing");
        TRY(read_char(n, &r.low));
        r.high = r.low;
        if (n->at + 1 < n->size && n->text[n->at] == '-' && n->text[n->at + 1] != ']') {
            n->at++;
            TRY(read_char(n, &r.high));
        }
        if (r.high < r.low || count == MOST)
            return malformed(n, "a class out of order or too large");
        ranges[count++] = r;
    }
    qsort(ranges, count, sizeof *ranges, by_low);
    for (uint32_t i = 0; i < count && negated; i++) {
        if (ranges[i].low > at)
            others[kept++] = (char_range){at, ranges[i].low - 1};
        at = ranges[i].high + 1 > at ? ranges[i].high + 1 : at;
    }
    if (negated && at <= 0x10FFFF)
        others[kept++] = (char_range){at, 0x10FFFF};
    t->size = negated ? kept : count;
    char_range *copy = ARENA_ARRAY(&n->b->work.scratch, char_range, t->size + 1ull);
    if (copy == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(copy, negated ? others : ranges, t->size * sizeof *copy);
    t->ranges = copy;
    return BRINK_OK;
}

static brink_status read_choice(notation *n, term **out);

static brink_status read_atom(notation *n, term **out)
{
    uint32_t size = name_size(n);
    if (next_is(n, "(")) {
        TRY(read_choice(n, out));
        skip_space(n);
        return next_is(n, ")") ? BRINK_OK : malformed(n, ") is missing");
    }
    if (next_is(n, "\"")) {
        TRY(new_term(n, TERM_TEXT, out));
        return read_text(n, *out);
    }
    if (next_is(n, "[")) {
        TRY(new_term(n, TERM_CLASS, out));
        return read_class(n, *out);
    }
    if (size == 0)
        return malformed(n, "a text, a class, a name or a group is missing");
    TRY(new_term(n, TERM_RULE, out));
    TRY(find_rule(n, n->text + n->at, size, &(*out)->rule));
    n->at += size;
    return BRINK_OK;
}

static bool read_number(notation *n, uint32_t *out)
{
    uint32_t from = n->at;
    for (*out = 0; n->at < n->size && n->text[n->at] >= '0' && n->text[n->at] <= '9'; n->at++)
        *out = *out > NOTATION_REPEAT ? *out : *out * 10 + (uint32_t)(n->text[n->at] - '0');
    return n->at > from;
}

static brink_status read_repeats(notation *n, term **atom)
{
    for (uint32_t i = 0;; i++) {
        uint32_t low = 0, high = UINT32_MAX;
        skip_space(n);
        if (next_is(n, "+")) {
            low = 1;
        } else if (next_is(n, "?")) {
            high = 1;
        } else if (next_is(n, "{")) {
            if (!read_number(n, &low))
                return malformed(n, "a number is missing behind {");
            high = low;
            if (next_is(n, ",") && !read_number(n, &high))
                high = UINT32_MAX;
            if (!next_is(n, "}") || high < low || low > NOTATION_REPEAT ||
                (high != UINT32_MAX && high > NOTATION_REPEAT))
                return malformed(n, "a repeat out of order or above 1000");
        } else if (!next_is(n, "*")) {
            return BRINK_OK;
        }
        term *repeat;
        if (i == NOTATION_DEPTH)
            return malformed(n, "nested too deeply");
        TRY(new_term(n, TERM_REPEAT, &repeat));
        repeat->child = *atom;
        repeat->low = low;
        repeat->high = high;
        *atom = repeat;
    }
}

static brink_status read_choice(notation *n, term **out)
{
    term **last;
    if (++n->depth > NOTATION_DEPTH)
        return malformed(n, "nested too deeply");
    TRY(new_term(n, TERM_CHOICE, out));
    last = &(*out)->child;
    do {
        TRY(new_term(n, TERM_SEQUENCE, last));
        term **item = &(*last)->child;
        for (skip_space(n);
             n->at < n->size && n->text[n->at] != '|' && n->text[n->at] != ')' && !at_head(n);
             skip_space(n)) {
            term *atom;
            TRY(read_atom(n, &atom));
            TRY(read_repeats(n, &atom));
            *item = atom;
            item = &atom->next;
        }
        last = &(*last)->next;
    } while (next_is(n, "|"));
    n->depth--;
    return BRINK_OK;
}

brink_status notation_parse(notation *n)
{
    if (n->size > NOTATION_BYTES || !utf8_valid(n->text, n->size))
        return malformed(n, "the text is no UTF-8 or above a million bytes");
    for (skip_space(n); n->at < n->size; skip_space(n)) {
        uint32_t rule;
        if (!at_head(n))
            return malformed(n, "a rule (name ::= …) is missing");
        TRY(find_rule(n, n->text + n->at, name_size(n), &rule));
        if (n->rules[rule].body != NULL)
            return malformed(n, "this rule was there before");
        n->at += n->rules[rule].name_size;
        skip_space(n);
        next_is(n, "::=");
        TRY(read_choice(n, &n->rules[rule].body));
    }
    for (uint32_t i = 0; i < n->count; i++)
        if (n->rules[i].body == NULL)
            return core_fail(n->b->g->context, BRINK_BAD_INPUT, "%s: there is no rule %.*s",
                             n->b->where, (int)n->rules[i].name_size, n->rules[i].name);
    return BRINK_OK;
}
