/* spelling.c — ranges of characters split into ranges of bytes.

   A number written in digits (6 bits each in UTF-8, 4 in \uXXXX) from low to high falls into at
   most two runs a digit with equal leading digits; in each, one digit ranges and those behind it
   are free. */
#include "text/spelling.h"

#include "text/utf8.h"

#include <string.h>

typedef brink_status (*digit_edge)(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high,
                                   uint32_t place);

static brink_status digits(nfa *n, digit_edge edge, uint32_t bits, uint32_t from, uint32_t to,
                           uint32_t low, uint32_t high, uint32_t places)
{
    if (places == 1)
        return edge(n, from, to, low, high, 0);
    uint32_t unit = 1u << bits * (places - 1), a = low / unit, b = high / unit, middle;
    if (a == b || low % unit != 0) {
        TRY(nfa_state(n, &middle));
        TRY(edge(n, from, middle, a, a, places - 1));
        TRY(digits(n, edge, bits, middle, to, low % unit, a == b ? high % unit : unit - 1,
                   places - 1));
        if (a == b)
            return BRINK_OK;
        a++;
    }
    if (high % unit != unit - 1) {
        TRY(nfa_state(n, &middle));
        TRY(edge(n, from, middle, b, b, places - 1));
        TRY(digits(n, edge, bits, middle, to, 0, high % unit, places - 1));
        b--; /* b > 0: a <= b held, and a < b where a was not raised */
    }
    if (a > b)
        return BRINK_OK;
    TRY(nfa_state(n, &middle));
    TRY(edge(n, from, middle, a, b, places - 1));
    return digits(n, edge, bits, middle, to, 0, unit - 1, places - 1);
}

static brink_status hex_edge(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high,
                             uint32_t place)
{
    (void)place;
    if (low < 10)
        TRY(nfa_bytes(n, from, to, (uint8_t)('0' + low), (uint8_t)('0' + (high < 9 ? high : 9))));
    if (high >= 10) {
        uint32_t first = low < 10 ? 0 : low - 10;
        TRY(nfa_bytes(n, from, to, (uint8_t)('a' + first), (uint8_t)('a' + high - 10)));
        TRY(nfa_bytes(n, from, to, (uint8_t)('A' + first), (uint8_t)('A' + high - 10)));
    }
    return BRINK_OK;
}

/* The lead byte's mark depends on the number of bytes, so a function for each. */
static brink_status utf8_edge(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high,
                              uint32_t lead)
{
    return nfa_bytes(n, from, to, (uint8_t)(lead | low), (uint8_t)(lead | high));
}
static brink_status edge2(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high,
                          uint32_t place)
{
    return utf8_edge(n, from, to, low, high, place == 1 ? 0xC0 : 0x80);
}
static brink_status edge3(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high,
                          uint32_t place)
{
    return utf8_edge(n, from, to, low, high, place == 2 ? 0xE0 : 0x80);
}
static brink_status edge4(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high,
                          uint32_t place)
{
    return utf8_edge(n, from, to, low, high, place == 3 ? 0xF0 : 0x80);
}

static brink_status utf8_range(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high)
{
    static const struct {
        uint32_t low, high, places;
        digit_edge edge;
    } parts[] = {
        {0, 0x7F, 1, NULL},         {0x80, 0x7FF, 2, edge2},       {0x800, 0xD7FF, 3, edge3},
        {0xE000, 0xFFFF, 3, edge3}, {0x10000, 0x10FFFF, 4, edge4},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        uint32_t a = low > parts[i].low ? low : parts[i].low;
        uint32_t b = high < parts[i].high ? high : parts[i].high;
        if (a > b)
            continue;
        if (parts[i].places == 1)
            TRY(nfa_bytes(n, from, to, (uint8_t)a, (uint8_t)b));
        else
            TRY(digits(n, parts[i].edge, 6, from, to, a, b, parts[i].places));
    }
    return BRINK_OK;
}

/* Behind a backslash: uXXXX. */
static brink_status hex_four(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high)
{
    uint32_t u;
    TRY(nfa_state(n, &u));
    TRY(nfa_bytes(n, from, u, 'u', 'u'));
    return digits(n, hex_edge, 4, u, to, low, high, 4);
}

static brink_status surrogates(nfa *n, uint32_t from, uint32_t to, uint32_t low, uint32_t high)
{
    uint32_t a = (low - 0x10000) >> 10, b = (high - 0x10000) >> 10;
    uint32_t first = (low - 0x10000) & 0x3FF, last = (high - 0x10000) & 0x3FF;
    for (uint32_t x = a; x <= b;) { /* runs of high surrogates with the same low ones */
        uint32_t l = x == a ? first : 0, h = x == b ? last : 0x3FF, end = x, after, back;
        if (l == 0 && h == 0x3FF) {
            end = last == 0x3FF ? b : b - 1;
            end = end < x ? x : end;
        }
        TRY(nfa_state(n, &after));
        TRY(nfa_state(n, &back));
        TRY(hex_four(n, from, after, 0xD800 + x, 0xD800 + end));
        TRY(nfa_bytes(n, after, back, '\\', '\\'));
        TRY(hex_four(n, back, to, 0xDC00 + l, 0xDC00 + h));
        x = end + 1;
    }
    return BRINK_OK;
}

static brink_status escapes(nfa *n, spelling how, uint32_t from, uint32_t to, uint32_t low,
                            uint32_t high)
{
    static const char codes[] = "\"\\/\b\f\n\r\t", letters[] = "\"\\/bfnrt";
    uint32_t back;
    if (how == SPELL_JSON_PLAIN && low >= 0x20 && !(low <= '"' && high >= '"') &&
        !(low <= '\\' && high >= '\\'))
        return BRINK_OK;
    TRY(nfa_state(n, &back));
    TRY(nfa_bytes(n, from, back, '\\', '\\'));
    for (uint32_t i = 0; i < sizeof codes - 1; i++)
        if ((uint8_t)codes[i] >= low && (uint8_t)codes[i] <= high &&
            (how == SPELL_JSON || codes[i] != '/'))
            TRY(nfa_bytes(n, back, to, (uint8_t)letters[i], (uint8_t)letters[i]));
    if (how == SPELL_JSON_PLAIN) {
        for (uint32_t c = low; c <= high && c < 0x20; c++)
            if (c == 0 || strchr("\b\f\n\r\t", (int)c) == NULL)
                TRY(hex_four(n, back, to, c, c));
        return BRINK_OK;
    }
    if (low < 0xD800)
        TRY(hex_four(n, back, to, low, high < 0xD7FF ? high : 0xD7FF));
    if (low < 0x10000 && high >= 0xE000)
        TRY(hex_four(n, back, to, low > 0xE000 ? low : 0xE000, high < 0xFFFF ? high : 0xFFFF));
    if (high >= 0x10000)
        TRY(surrogates(n, back, to, low > 0x10000 ? low : 0x10000, high));
    return BRINK_OK;
}

brink_status spell_range(nfa *n, spelling how, uint32_t from, uint32_t to, uint32_t low,
                         uint32_t high)
{
    static const char_range raw[] = {{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0x10FFFF}};
    if (how == SPELL_UTF8)
        return utf8_range(n, from, to, low, high);
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        uint32_t a = low > raw[i].low ? low : raw[i].low;
        uint32_t b = high < raw[i].high ? high : raw[i].high;
        if (a <= b)
            TRY(utf8_range(n, from, to, a, b));
    }
    return escapes(n, how, from, to, low, high);
}

brink_status spell_text(nfa *n, spelling how, uint32_t from, const char *text, uint32_t bytes,
                        uint32_t *to)
{
    for (uint32_t i = 0; i < bytes;) {
        uint32_t code = utf8_next(text, &i), next;
        TRY(nfa_state(n, &next));
        TRY(spell_range(n, how, from, next, code, code));
        from = next;
    }
    *to = from;
    return BRINK_OK;
}

/* ── Any text of a length ── */

typedef struct counted {
    const dfa *any;
    uint32_t least, most;
} counted;

typedef struct counted_state {
    uint32_t at, count;
} counted_state;

static bool counted_step(const void *user, const void *state, uint8_t byte, void *next)
{
    const counted *c = user;
    counted_state s;
    memcpy(&s, state, sizeof s);
    s.at = dfa_step(c->any, s.at, byte);
    if (s.at == DFA_DEAD)
        return false;
    if (c->any->label[s.at] != 0) { /* a character is complete */
        if (s.count < (c->most == UINT32_MAX ? c->least : c->most))
            s.count++;
        else if (c->most != UINT32_MAX)
            return false;
    }
    memcpy(next, &s, sizeof s);
    return true;
}

static uint16_t counted_label(const void *user, const void *state)
{
    const counted *c = user;
    counted_state s;
    memcpy(&s, state, sizeof s);
    return c->any->label[s.at] != 0 && s.count >= c->least && s.count <= c->most;
}

brink_status spell_any(dfa_work *work, spelling how, uint32_t least, uint32_t most, arena *memory,
                       dfa **out)
{
    nfa n;
    uint32_t loop;
    dfa *any = NULL;
    bool counts = least != 0 || most != UINT32_MAX;
    nfa_init(&n, work);
    brink_status status = nfa_state(&n, &loop);
    if (status == BRINK_OK)
        status = spell_range(&n, how, loop, loop, 0, 0x10FFFF);
    if (status == BRINK_OK) {
        n.label[loop] = 1;
        status = nfa_compile(&n, loop, counts ? &work->scratch : memory, &any);
    }
    nfa_free(&n);
    *out = any;
    if (status != BRINK_OK || !counts)
        return status;
    counted c = {any, least, most};
    counted_state start = {DFA_START, 0};
    dfa_source source = {&c, &start, sizeof start, any->class_of, counted_step, counted_label};
    return dfa_explore(work, &source, memory, out);
}

brink_status spell_quoted(dfa_work *work, const dfa *body, arena *memory, dfa **out)
{
    nfa n;
    uint32_t start, inside, closing, end;
    nfa_init(&n, work);
    brink_status status = nfa_state(&n, &start);
    if (status == BRINK_OK && (status = nfa_state(&n, &inside)) == BRINK_OK &&
        (status = nfa_state(&n, &closing)) == BRINK_OK &&
        (status = nfa_state(&n, &end)) == BRINK_OK &&
        (status = nfa_bytes(&n, start, inside, '"', '"')) == BRINK_OK &&
        (status = nfa_bytes(&n, closing, end, '"', '"')) == BRINK_OK &&
        (status = nfa_import(&n, body, inside, closing, 0)) == BRINK_OK) {
        n.label[end] = 1;
        status = nfa_compile(&n, start, memory, out);
    }
    nfa_free(&n);
    return status;
}
