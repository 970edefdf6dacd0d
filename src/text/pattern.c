/* pattern.c — patterns of ECMA-262 (with the u flag) as automata: alternation, groups, classes,
   escapes, \p of general categories, repeats, ^ and $.

   Recursive descent that lays edges as it reads (Thompson 1968). An atom under a repeat is read
   once without laying anything, to find its quantifier, and then once for each copy. What is no
   regular language, or looks around, is refused by name. */
#include "text/spelling.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <string.h>

enum { PATTERN_DEPTH = 48, PATTERN_REPEAT = 2000 };

typedef struct reader {
    nfa n;
    dfa_work *work;
    spelling how;
    const char *text;
    uint32_t size, at, depth;
    bool dry; /* reads without laying edges */
    char_range *ranges;
    uint32_t range_count, range_capacity;
} reader;

static brink_status unsupported(reader *r, const char *what)
{
    return core_fail(r->work->context, BRINK_UNSUPPORTED,
                     "%s: pattern \"%.120s\": %s is not supported", r->work->where, r->text, what);
}

static brink_status malformed(reader *r, const char *what)
{
    return core_fail(r->work->context, BRINK_BAD_INPUT, "%s: pattern \"%.120s\", offset %u: %s",
                     r->work->where, r->text, r->at, what);
}

static bool next_is(reader *r, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);
    if (r->size - r->at < n || memcmp(r->text + r->at, text, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* ── Sets of characters ── */

static brink_status add_range(reader *r, uint32_t low, uint32_t high)
{
    TRY(array_grow(r->work->context, (void **)&r->ranges, &r->range_capacity, r->range_count + 1ull,
                   sizeof *r->ranges));
    r->ranges[r->range_count++] = (char_range){low, high};
    return BRINK_OK;
}

/* Replaces the ranges from `first` on by all other characters. */
static brink_status negate(reader *r, uint32_t first)
{
    uint32_t count = r->range_count, at = 0;
    for (uint32_t i = first + 1; i < count; i++) { /* insertion sort: nearly sorted as a rule */
        char_range x = r->ranges[i];
        uint32_t j = i;
        for (; j > first && r->ranges[j - 1].low > x.low; j--)
            r->ranges[j] = r->ranges[j - 1];
        r->ranges[j] = x;
        TRY(dfa_spend(r->work, i - j));
    }
    for (uint32_t i = first; i < count; i++) {
        char_range x = r->ranges[i];
        if (x.low > at)
            TRY(add_range(r, at, x.low - 1));
        at = x.high + 1 > at ? x.high + 1 : at;
    }
    if (at <= 0x10FFFF)
        TRY(add_range(r, at, 0x10FFFF));
    memmove(r->ranges + first, r->ranges + count, (r->range_count - count) * sizeof *r->ranges);
    r->range_count -= count - first;
    return BRINK_OK;
}

static brink_status add_property(reader *r)
{
    static const struct {
        const char *name;
        uint32_t mask;
    } names[] = {
        {"L", UNICODE_L},
        {"Letter", UNICODE_L},
        {"Lu", UNICODE_LU},
        {"Ll", UNICODE_LL},
        {"Uppercase_Letter", UNICODE_LU},
        {"Lowercase_Letter", UNICODE_LL},
        {"Lt", UNICODE_LT},
        {"Lm", UNICODE_LM},
        {"Lo", UNICODE_LO},
        {"M", UNICODE_M},
        {"Mark", UNICODE_M},
        {"N", UNICODE_N},
        {"Number", UNICODE_N},
        {"Nd", UNICODE_ND},
        {"P", UNICODE_P},
        {"Punctuation", UNICODE_P},
        {"S", UNICODE_S},
        {"Symbol", UNICODE_S},
        {"Z", UNICODE_Z},
        {"Separator", UNICODE_Z},
        {"C", UNICODE_C},
    };
    const char *end = memchr(r->text + r->at, '}', r->size - r->at);
    if (!next_is(r, "{") || end == NULL)
        return malformed(r, "\\p without {…}");
    uint32_t length = (uint32_t)(end - (r->text + r->at)), mask = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == length && memcmp(names[i].name, r->text + r->at, length) == 0)
            mask = names[i].mask;
    if (mask == 0)
        return unsupported(r, "this \\p{…}");
    r->at += length + 1;
    if (r->dry)
        return BRINK_OK;
    TRY(dfa_spend(r->work, 0x110000 / 8));
    for (uint32_t c = 0, from = UINT32_MAX; c <= 0x110000; c++) {
        bool in = c < 0x110000 && (unicode_category(c) & mask) != 0;
        if (in && from == UINT32_MAX)
            from = c;
        if (!in && from != UINT32_MAX) {
            TRY(add_range(r, from, c - 1));
            from = UINT32_MAX;
        }
    }
    return BRINK_OK;
}

/* \d and the like: true if `letter` names a set, whose ranges are added. */
static brink_status add_named(reader *r, char letter, bool *is_set)
{
    static const char_range digit[] = {{'0', '9'}};
    static const char_range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const char_range space[] = {
        {9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    const char_range *set = digit;
    uint32_t count = 1, first = r->range_count;
    *is_set = true;
    switch (letter) {
    case 'd':
    case 'D':
        break;
    case 'w':
    case 'W':
        set = word;
        count = 4;
        break;
    case 's':
    case 'S':
        set = space;
        count = sizeof space / sizeof *space;
        break;
    case 'p':
    case 'P':
        TRY(add_property(r));
        return letter == 'P' ? negate(r, first) : BRINK_OK;
    default:
        *is_set = false;
        return BRINK_OK;
    }
    for (uint32_t i = 0; i < count; i++)
        TRY(add_range(r, set[i].low, set[i].high));
    return letter < 'a' ? negate(r, first) : BRINK_OK;
}

static brink_status read_hex(reader *r, uint32_t least, uint32_t most, uint32_t *out)
{
    uint32_t n = 0;
    for (*out = 0; n < most && r->at < r->size; n++, r->at++) {
        char c = r->text[r->at];
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (v < 0)
            break;
        *out = *out << 4 | (uint32_t)v;
    }
    return n >= least && *out <= 0x10FFFF ? BRINK_OK : malformed(r, "bad hexadecimal escape");
}

/* Behind a backslash. */
static brink_status read_escape(reader *r, bool in_class, bool *is_set, uint32_t *code)
{
    static const char letters[] = "nrtfv", codes[] = "\n\r\t\f\v";
    if (r->at >= r->size)
        return malformed(r, "ends in a backslash");
    char c = r->text[r->at];
    *is_set = false;
    if ((unsigned char)c >= 0x80) {
        *code = utf8_next(r->text, &r->at);
        return BRINK_OK;
    }
    r->at++;
    TRY(add_named(r, c, is_set));
    if (*is_set)
        return BRINK_OK;
    const char *known = c != 0 ? strchr(letters, c) : NULL;
    if (known != NULL)
        return *code = (uint8_t)codes[known - letters], BRINK_OK;
    if (c == '0' && (r->at >= r->size || r->text[r->at] < '0' || r->text[r->at] > '9'))
        return *code = 0, BRINK_OK;
    if (c == 'b' && in_class)
        return *code = 8, BRINK_OK;
    if (c == 'x')
        return read_hex(r, 2, 2, code);
    if (c == 'c' && r->at < r->size) {
        char letter = r->text[r->at++];
        *code = (uint32_t)letter & 31;
        return (letter | 32) >= 'a' && (letter | 32) <= 'z' ? BRINK_OK : malformed(r, "bad \\c");
    }
    if (c == 'u' && next_is(r, "{")) {
        TRY(read_hex(r, 1, 6, code));
        return next_is(r, "}") ? BRINK_OK : malformed(r, "} is missing");
    }
    if (c == 'u') {
        uint32_t low;
        TRY(read_hex(r, 4, 4, code));
        if (*code >= 0xD800 && *code < 0xDC00 && next_is(r, "\\u")) {
            TRY(read_hex(r, 4, 4, &low));
            if (low < 0xDC00 || low > 0xDFFF)
                return malformed(r, "half a surrogate pair");
            *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
        }
        return BRINK_OK;
    }
    if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')) {
        char what[] = "escape \\?";
        what[sizeof what - 2] = c;
        return unsupported(r, what);
    }
    *code = (uint8_t)c;
    return BRINK_OK;
}

/* Behind "[", up to and with "]". */
static brink_status read_class(reader *r)
{
    bool negated = next_is(r, "^"), low_set, high_set;
    while (!next_is(r, "]")) {
        uint32_t low = 0, high;
        if (r->at >= r->size)
            return malformed(r, "] is missing");
        low_set = false;
        if (next_is(r, "\\"))
            TRY(read_escape(r, true, &low_set, &low));
        else
            low = utf8_next(r->text, &r->at);
        high = low;
        if (r->at + 1 < r->size && r->text[r->at] == '-' && r->text[r->at + 1] != ']') {
            r->at++;
            high_set = false;
            if (next_is(r, "\\"))
                TRY(read_escape(r, true, &high_set, &high));
            else
                high = utf8_next(r->text, &r->at);
            if (low_set || high_set || high < low)
                return malformed(r, "range without order");
        }
        if (!low_set)
            TRY(add_range(r, low, high));
    }
    return negated ? negate(r, 0) : BRINK_OK;
}

/* ── Structure ── */

static brink_status lay_set(reader *r, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; !r->dry && i < r->range_count; i++)
        TRY(spell_range(&r->n, r->how, from, to, r->ranges[i].low, r->ranges[i].high));
    return BRINK_OK;
}

static brink_status read_choice(reader *r, uint32_t from, uint32_t to);

static brink_status read_group(reader *r, uint32_t from, uint32_t to)
{
    if (next_is(r, "?")) {
        if (next_is(r, "=") || next_is(r, "!"))
            return unsupported(r, "lookahead");
        if (next_is(r, "<=") || next_is(r, "<!"))
            return unsupported(r, "lookbehind");
        if (next_is(r, "<")) {
            while (r->at < r->size && r->text[r->at] != '>')
                r->at++;
            if (!next_is(r, ">"))
                return malformed(r, "> is missing");
        } else if (!next_is(r, ":")) {
            return unsupported(r, "a group option");
        }
    }
    TRY(read_choice(r, from, to));
    return next_is(r, ")") ? BRINK_OK : malformed(r, ") is missing");
}

/* One atom from `from` to `to`. */
static brink_status read_atom(reader *r, uint32_t from, uint32_t to)
{
    uint32_t code;
    bool is_set = false;
    r->range_count = 0;
    if (next_is(r, "("))
        return read_group(r, from, to);
    if (next_is(r, "^"))
        return r->dry ? BRINK_OK : nfa_edge_add(&r->n, from, to, EDGE_AT_START, 0, 0);
    if (next_is(r, "$"))
        return r->dry ? BRINK_OK : nfa_edge_add(&r->n, from, to, EDGE_AT_END, 0, 0);
    if (next_is(r, "[")) {
        TRY(read_class(r));
    } else if (next_is(r, ".")) {
        static const char_range newlines[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
        for (uint32_t i = 0; i < 3; i++)
            TRY(add_range(r, newlines[i].low, newlines[i].high));
        TRY(negate(r, 0));
    } else {
        if (next_is(r, "\\"))
            TRY(read_escape(r, false, &is_set, &code));
        else if (r->text[r->at] != 0 && strchr("*+?", r->text[r->at]) != NULL)
            return malformed(r, "nothing to repeat");
        else
            code = utf8_next(r->text, &r->at);
        if (!is_set)
            TRY(add_range(r, code, code));
    }
    return lay_set(r, from, to);
}

static bool read_number(reader *r, uint32_t *out)
{
    uint32_t from = r->at;
    for (*out = 0; r->at < r->size && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++)
        if (*out <= PATTERN_REPEAT)
            *out = *out * 10 + (uint32_t)(r->text[r->at] - '0');
    return r->at > from;
}

/* least and most copies; most UINT32_MAX: endless. A brace that is no quantifier is itself. */
static brink_status read_quantifier(reader *r, uint32_t *least, uint32_t *most)
{
    uint32_t at = r->at;
    *least = *most = 1;
    if (next_is(r, "*")) {
        *least = 0;
        *most = UINT32_MAX;
    } else if (next_is(r, "+")) {
        *most = UINT32_MAX;
    } else if (next_is(r, "?")) {
        *least = 0;
    } else if (next_is(r, "{")) {
        bool fine = read_number(r, least);
        *most = *least;
        if (fine && next_is(r, ",") && !read_number(r, most))
            *most = UINT32_MAX;
        if (!fine || !next_is(r, "}")) {
            *least = *most = 1;
            r->at = at;
            return BRINK_OK;
        }
        if (*most < *least)
            return malformed(r, "repeat without order");
        if (*least > PATTERN_REPEAT || (*most != UINT32_MAX && *most > PATTERN_REPEAT))
            return unsupported(r, "a repeat of more than 2000");
    } else {
        return BRINK_OK;
    }
    next_is(r, "?"); /* lazy or not, the language is the same */
    return BRINK_OK;
}

static brink_status read_repeat(reader *r, uint32_t from, uint32_t to)
{
    uint32_t start = r->at, least, most, end, next;
    bool dry = r->dry;
    r->dry = true;
    brink_status status = read_atom(r, 0, 0);
    if (status == BRINK_OK)
        status = read_quantifier(r, &least, &most);
    r->dry = dry;
    if (status != BRINK_OK || dry)
        return status;
    end = r->at;
    uint32_t copies = most == UINT32_MAX ? least + 1 : most;
    for (uint32_t i = 0; i < copies; i++) {
        TRY(dfa_spend(r->work, 1 + (end - start) / 8));
        bool loop = most == UINT32_MAX && i == least;
        TRY(nfa_state(&r->n, &next));
        if (loop || i >= least)
            TRY(nfa_empty(&r->n, from, to)); /* enough copies */
        if (loop)
            TRY(nfa_empty(&r->n, from, next));
        r->at = start;
        TRY(read_atom(r, loop ? next : from, next));
        from = next;
    }
    r->at = end;
    return nfa_empty(&r->n, from, to);
}

static brink_status read_choice(reader *r, uint32_t from, uint32_t to)
{
    if (++r->depth > PATTERN_DEPTH)
        return unsupported(r, "nesting this deep");
    for (;;) {
        uint32_t at = from, next = 0;
        while (r->at < r->size && r->text[r->at] != '|' && r->text[r->at] != ')') {
            if (!r->dry)
                TRY(nfa_state(&r->n, &next));
            TRY(read_repeat(r, at, next));
            at = next;
        }
        if (!r->dry)
            TRY(nfa_empty(&r->n, at, to));
        if (!next_is(r, "|"))
            break;
    }
    r->depth--;
    return BRINK_OK;
}

static brink_status compile(reader *r, bool whole, arena *memory, dfa **out)
{
    uint32_t start, end;
    TRY(nfa_state(&r->n, &start));
    TRY(nfa_state(&r->n, &end));
    TRY(read_choice(r, start, end));
    if (r->at < r->size)
        return malformed(r, "unmatched )");
    r->n.label[end] = 1;
    if (!whole) { /* a match anywhere */
        uint32_t before, behind;
        TRY(nfa_state(&r->n, &before));
        TRY(nfa_state(&r->n, &behind));
        TRY(spell_range(&r->n, r->how, before, before, 0, 0x10FFFF));
        TRY(spell_range(&r->n, r->how, behind, behind, 0, 0x10FFFF));
        TRY(nfa_empty(&r->n, before, start));
        TRY(nfa_empty(&r->n, end, behind));
        r->n.label[behind] = 1;
        start = before;
    }
    return nfa_compile(&r->n, start, memory, out);
}

static brink_status compile_text(dfa_work *work, spelling how, bool whole, const char *text,
                                 uint32_t bytes, arena *memory, dfa **out)
{
    reader r = {.work = work, .how = how, .text = text, .size = bytes};
    nfa_init(&r.n, work);
    brink_status status = compile(&r, whole, memory, out);
    nfa_free(&r.n);
    core_free(work->context, r.ranges);
    return status;
}

/* Behind the group that opens at `at`; 0 if it does not end. */
static uint32_t group_end(const char *text, uint32_t size, uint32_t at)
{
    uint32_t depth = 0;
    bool set = false;
    for (; at < size; at++) {
        if (text[at] == '\\')
            at++;
        else if (text[at] == '[' || text[at] == ']')
            set = text[at] == '[';
        else if (!set && text[at] == '(')
            depth++;
        else if (!set && text[at] == ')' && --depth == 0)
            return at + 1;
    }
    return 0;
}

/* Whether a choice of the whole pattern begins with something else than what text[0] opens. */
static bool is_choice(const char *text, uint32_t size)
{
    for (uint32_t at = 0; at < size; at++) {
        if (text[at] == '\\') {
            at++;
        } else if (text[at] == '|') {
            return true;
        } else if (text[at] == '[') {
            while (at < size && text[at] != ']')
                at += text[at] == '\\' ? 2 : 1;
        } else if (text[at] == '(') {
            uint32_t end = group_end(text, size, at);
            at = end != 0 ? end - 1 : size;
        }
    }
    return false;
}

/* ^(?=A)B is what ^A and ^B both find, ^(?!A)B what ^B finds and ^A does not. Lookahead elsewhere is
   left to the reader, which refuses it. */
brink_status pattern_compile(dfa_work *work, spelling how, bool whole, const char *pattern,
                             uint32_t bytes, arena *memory, dfa **out)
{
    char *text = arena_string(&work->scratch, pattern, bytes);
    dfa *all = NULL, *one;
    uint32_t end;
    if (text == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (whole || is_choice(text, bytes))
        return compile_text(work, how, whole, text, bytes, memory, out);
    while (bytes > 3 && (memcmp(text, "^(?=", 4) == 0 || memcmp(text, "^(?!", 4) == 0) &&
           (end = group_end(text, bytes, 1)) != 0) {
        bool denied = text[3] == '!';
        char *ahead = arena_string(&work->scratch, text, end);
        if (ahead == NULL)
            return BRINK_OUT_OF_MEMORY;
        ahead[3] = ':'; /* a group that does not look ahead */
        TRY(compile_text(work, how, false, ahead, end, &work->scratch, &one));
        if (denied && all == NULL)
            TRY(spell_any(work, how, 0, UINT32_MAX, &work->scratch, &all));
        if (denied)
            TRY(dfa_subtract(work, all, one, &work->scratch, &all));
        else if (all != NULL)
            TRY(dfa_intersect(work, all, one, &work->scratch, &all));
        else
            all = one;
        text += end - 1;
        bytes -= end - 1;
        text[0] = '^';
    }
    if (all == NULL)
        return compile_text(work, how, whole, text, bytes, memory, out);
    TRY(compile_text(work, how, false, text, bytes, &work->scratch, &one));
    return dfa_intersect(work, all, one, memory, out);
}
