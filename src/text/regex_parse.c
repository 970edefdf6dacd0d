/* regex_parse.c — a pattern's text to its tree, by recursive descent of bounded depth. */
#include "text/regex_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

typedef struct parser {
    regex *r;
    arena *nodes;
    const char *text;
    uint32_t size, at, depth;
    bool fold, any_newline;
} parser;

static brink_status parse_choice(parser *p, node **out);
static brink_status parse_class(parser *p, uint32_t *out);

static brink_status unsupported(parser *p, const char *what)
{
    return core_fail(p->r->context, BRINK_UNSUPPORTED,
                     "%s: pattern \"%.120s\": %s is not supported", p->r->where, p->text, what);
}

static brink_status malformed(parser *p, const char *what)
{
    return core_fail(p->r->context, BRINK_BAD_INPUT, "%s: pattern \"%.120s\", offset %u: %s",
                     p->r->where, p->text, p->at, what);
}

static bool next_is(parser *p, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);
    if (p->size - p->at < n || memcmp(p->text + p->at, text, n) != 0)
        return false;
    p->at += n;
    return true;
}

static brink_status new_node(parser *p, node_kind kind, node **out)
{
    *out = ARENA_NEW(p->nodes, node);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    (*out)->kind = kind;
    return BRINK_OK;
}

static brink_status new_set(parser *p, uint32_t *out)
{
    regex *r = p->r;
    TRY(array_grow(r->context, (void **)&r->sets, &r->set_capacity, r->set_count + 1ull,
                   sizeof *r->sets));
    r->sets[r->set_count] = (char_set){.fold = p->fold};
    *out = r->set_count++;
    return BRINK_OK;
}

static brink_status add_item(parser *p, uint32_t set, set_item item)
{
    char_set *s = &p->r->sets[set];
    return array_grow(p->r->context, (void **)&s->items, &s->capacity, s->count + 1ull,
                      sizeof item) == BRINK_OK
               ? (s->items[s->count++] = item, BRINK_OK)
               : BRINK_OUT_OF_MEMORY;
}

/* Fills the table for ASCII once the items are known. */
static void close_set(parser *p, uint32_t set)
{
    char_set *s = &p->r->sets[set];
    uint64_t ascii[2] = {0, 0};
    s->ascii[0] = s->ascii[1] = 0;
    for (uint32_t c = 0; c < 128; c++)
        if (char_set_holds(p->r, s, c))
            ascii[c >> 6] |= 1ull << (c & 63);
    memcpy(s->ascii, ascii, sizeof ascii);
}

static const struct {
    const char *name;
    uint32_t mask;
} categories[] = {
    {"l", UNICODE_L},
    {"letter", UNICODE_L},
    {"lu", UNICODE_LU},
    {"ll", UNICODE_LL},
    {"lt", UNICODE_LT},
    {"lm", UNICODE_LM},
    {"lo", UNICODE_LO},
    {"m", UNICODE_M},
    {"mark", UNICODE_M},
    {"mn", UNICODE_MN},
    {"mc", UNICODE_MC},
    {"me", UNICODE_ME},
    {"n", UNICODE_N},
    {"number", UNICODE_N},
    {"nd", UNICODE_ND},
    {"nl", UNICODE_NL},
    {"no", UNICODE_NO},
    {"p", UNICODE_P},
    {"punct", UNICODE_P},
    {"punctuation", UNICODE_P},
    {"pc", UNICODE_PC},
    {"pd", 1 << 13},
    {"ps", 1 << 14},
    {"pe", 1 << 15},
    {"pi", 1 << 16},
    {"pf", 1 << 17},
    {"po", 1 << 18},
    {"s", UNICODE_S},
    {"symbol", UNICODE_S},
    {"sm", 1 << 19},
    {"sc", 1 << 20},
    {"sk", 1 << 21},
    {"so", 1 << 22},
    {"z", UNICODE_Z},
    {"separator", UNICODE_Z},
    {"zs", 1 << 23},
    {"zl", 1 << 24},
    {"zp", 1 << 25},
    {"c", UNICODE_C},
    {"other", UNICODE_C},
    {"cc", 1 << 26},
    {"cf", 1 << 27},
    {"cs", 1 << 28},
    {"co", 1 << 29},
    {"cn", 1},
};

/* Script=Han, Unicode 15 (Scripts.txt). */
static const uint32_t han[][2] = {
    {0x2E80, 0x2E99},   {0x2E9B, 0x2EF3},   {0x2F00, 0x2FD5},   {0x3005, 0x3005},
    {0x3007, 0x3007},   {0x3021, 0x3029},   {0x3038, 0x303B},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xF900, 0xFA6D},   {0xFA70, 0xFAD9},   {0x16FE2, 0x16FE3},
    {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D},
    {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2F800, 0x2FA1D}, {0x30000, 0x3134A},
    {0x31350, 0x323AF},
};

/* Behind \p or \P: {Name}, {^Name}. */
static brink_status parse_property(parser *p, bool negated, uint32_t set)
{
    char name[24];
    uint32_t n = 0;
    if (!next_is(p, "{"))
        return malformed(p, "\\p without {");
    if (next_is(p, "^"))
        negated = !negated;
    while (p->at < p->size && p->text[p->at] != '}') {
        char c = p->text[p->at++];
        if (c == ' ' || c == '_' || c == '-')
            continue;
        if (n + 1 >= sizeof name)
            return unsupported(p, "a property's long name");
        name[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    name[n] = 0;
    if (!next_is(p, "}"))
        return malformed(p, "} is missing");
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (strcmp(name, categories[i].name) == 0)
            return add_item(p, set, (set_item){ITEM_CATEGORY, negated, categories[i].mask, 0});
    if (strcmp(name, "han") == 0) {
        uint32_t inner;
        TRY(new_set(p, &inner));
        for (size_t i = 0; i < sizeof han / sizeof *han; i++)
            TRY(add_item(p, inner, (set_item){ITEM_RANGE, false, han[i][0], han[i][1]}));
        close_set(p, inner);
        return add_item(p, set, (set_item){ITEM_SET, negated, inner, 0});
    }
    char what[48] = "property \\p{";
    strcat(strcat(what, name), "}");
    return unsupported(p, what);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static uint32_t parse_hex(parser *p, uint32_t most)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < most && p->at < p->size && hex_value(p->text[p->at]) >= 0; i++)
        value = value << 4 | (uint32_t)hex_value(p->text[p->at++]);
    return value;
}

/* Behind a backslash: either one code point (*is_class false) or items added to `set`. */
static brink_status parse_escape(parser *p, uint32_t set, bool *is_class, uint32_t *code)
{
    if (p->at >= p->size)
        return malformed(p, "ends in a backslash");
    char c = p->text[p->at];
    *is_class = false;
    if ((unsigned char)c >= 0x80) {
        *code = utf8_next(p->text, &p->at);
        return BRINK_OK;
    }
    p->at++;
    set_item item = {0};
    switch (c) {
    case 'n':
        *code = '\n';
        return BRINK_OK;
    case 'r':
        *code = '\r';
        return BRINK_OK;
    case 't':
        *code = '\t';
        return BRINK_OK;
    case 'f':
        *code = '\f';
        return BRINK_OK;
    case 'v':
        *code = '\v';
        return BRINK_OK;
    case 'a':
        *code = 7;
        return BRINK_OK;
    case 'e':
        *code = 27;
        return BRINK_OK;
    case 'x':
        if (next_is(p, "{")) {
            *code = parse_hex(p, 8);
            if (!next_is(p, "}"))
                return malformed(p, "} is missing");
        } else {
            *code = parse_hex(p, 2);
        }
        return *code <= 0x10FFFF ? BRINK_OK : malformed(p, "code point out of range");
    case 'u':
        *code = parse_hex(p, 4);
        return BRINK_OK;
    case 's':
    case 'S':
        item = (set_item){ITEM_SPACE, c == 'S', 0, 0};
        break;
    case 'w':
    case 'W':
        item = (set_item){ITEM_WORD, c == 'W', 0, 0};
        break;
    case 'd':
    case 'D':
        item = (set_item){ITEM_CATEGORY, c == 'D', UNICODE_ND, 0};
        break;
    case 'p':
    case 'P':
        *is_class = true;
        return parse_property(p, c == 'P', set);
    default:
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            char what[] = "escape \\?";
            what[sizeof what - 2] = c;
            return unsupported(p, what);
        }
        *code = (unsigned char)c;
        return BRINK_OK;
    }
    *is_class = true;
    return add_item(p, set, item);
}

/* Behind "[". */
static brink_status parse_class(parser *p, uint32_t *out)
{
    uint32_t set;
    if (++p->depth > REGEX_MAX_DEPTH)
        return unsupported(p, "nesting this deep");
    TRY(new_set(p, &set));
    bool negated = next_is(p, "^");
    for (bool first = true;; first = false) { /* a bracket that is first stands for itself */
        if (p->at >= p->size)
            return malformed(p, "] is missing");
        if (!first && next_is(p, "]"))
            break;
        if (next_is(p, "&&"))
            return unsupported(p, "&& in a class");
        if (next_is(p, "[:"))
            return unsupported(p, "a POSIX bracket");
        uint32_t low, high;
        bool is_class = false;
        if (next_is(p, "[")) {
            uint32_t inner;
            TRY(parse_class(p, &inner));
            TRY(add_item(p, set, (set_item){ITEM_SET, false, inner, 0}));
            continue;
        }
        if (next_is(p, "\\"))
            TRY(parse_escape(p, set, &is_class, &low));
        else
            low = utf8_next(p->text, &p->at);
        if (is_class)
            continue;
        high = low;
        if (p->at + 1 < p->size && p->text[p->at] == '-' && p->text[p->at + 1] != ']') {
            p->at++;
            if (next_is(p, "["))
                return unsupported(p, "a class as the end of a range");
            if (next_is(p, "\\"))
                TRY(parse_escape(p, set, &is_class, &high));
            else
                high = utf8_next(p->text, &p->at);
            if (is_class || high < low)
                return malformed(p, "range without order");
        }
        TRY(add_item(p, set, (set_item){ITEM_RANGE, false, low, high}));
    }
    p->r->sets[set].negated = negated;
    close_set(p, set);
    p->depth--;
    *out = set;
    return BRINK_OK;
}

/* Behind "(". */
static brink_status parse_group(parser *p, node **out)
{
    bool fold = p->fold, any_newline = p->any_newline;
    node *around = NULL, *inner;
    if (next_is(p, "?")) {
        if (next_is(p, "=") || next_is(p, "!")) {
            TRY(new_node(p, NODE_AHEAD, &around));
            around->negated = p->text[p->at - 1] == '!';
        } else if (next_is(p, ">")) {
            TRY(new_node(p, NODE_ATOMIC, &around));
        } else if (next_is(p, "#")) {
            while (p->at < p->size && !next_is(p, ")"))
                p->at++;
            return new_node(p, NODE_SEQUENCE, out);
        } else if (next_is(p, "<") || next_is(p, "P<") || next_is(p, "'")) {
            if (next_is(p, "=") || next_is(p, "!"))
                return unsupported(p, "lookbehind");
            while (p->at < p->size && p->text[p->at] != '>' && p->text[p->at] != '\'')
                p->at++;
            p->at += p->at < p->size;
        } else {
            bool value = true;
            for (; p->at < p->size && p->text[p->at] != ':' && p->text[p->at] != ')'; p->at++) {
                switch (p->text[p->at]) {
                case '-':
                    value = false;
                    break;
                case 'i':
                    p->fold = value;
                    break;
                case 'm':
                    p->any_newline = value;
                    break; /* Ruby's m: the dot takes newlines */
                default:
                    return unsupported(p, "a group option");
                }
            }
            if (next_is(p, ")")) { /* (?i) holds up to the end of the group around it */
                TRY(parse_choice(p, out));
                p->fold = fold;
                p->any_newline = any_newline;
                return BRINK_OK;
            }
            if (!next_is(p, ":"))
                return malformed(p, ") is missing");
        }
    }
    TRY(parse_choice(p, &inner));
    p->fold = fold;
    p->any_newline = any_newline;
    if (!next_is(p, ")"))
        return malformed(p, ") is missing");
    if (around != NULL)
        around->child = inner;
    *out = around != NULL ? around : inner;
    return BRINK_OK;
}

static brink_status assertion(parser *p, assert_kind kind, node **out)
{
    TRY(new_node(p, NODE_ASSERT, out));
    (*out)->assertion = kind;
    return BRINK_OK;
}

static brink_status parse_atom(parser *p, node **out)
{
    uint32_t set, code;
    if (next_is(p, "("))
        return parse_group(p, out);
    if (next_is(p, "^"))
        return assertion(p, ASSERT_LINE_START, out);
    if (next_is(p, "$"))
        return assertion(p, ASSERT_LINE_END, out);
    static const char *const edges[] = {"\\A", "\\z", "\\Z", "\\b", "\\B"};
    static const assert_kind kinds[] = {ASSERT_TEXT_START, ASSERT_TEXT_END, ASSERT_LAST_LINE_END,
                                        ASSERT_WORD_EDGE, ASSERT_NO_WORD_EDGE};
    for (int i = 0; i < 5; i++)
        if (next_is(p, edges[i]))
            return assertion(p, kinds[i], out);
    if (strchr("*+?", p->text[p->at]) != NULL && p->text[p->at] != 0)
        return malformed(p, "nothing to repeat");
    if (next_is(p, "[")) {
        TRY(parse_class(p, &set));
    } else {
        bool is_class = false;
        TRY(new_set(p, &set));
        if (next_is(p, "\\")) {
            TRY(parse_escape(p, set, &is_class, &code));
        } else if (next_is(p, ".")) {
            p->r->sets[set].negated = true;
            p->r->sets[set].fold = false;
            is_class = true;
            if (!p->any_newline)
                TRY(add_item(p, set, (set_item){ITEM_RANGE, false, '\n', '\n'}));
        } else {
            code = utf8_next(p->text, &p->at);
        }
        if (!is_class)
            TRY(add_item(p, set, (set_item){ITEM_RANGE, false, code, code}));
        close_set(p, set);
    }
    TRY(new_node(p, NODE_SET, out));
    (*out)->set = set;
    return BRINK_OK;
}

static bool parse_number(parser *p, uint32_t *out)
{
    uint32_t from = p->at;
    *out = 0;
    for (; p->at < p->size && p->text[p->at] >= '0' && p->text[p->at] <= '9'; p->at++)
        *out = *out > 100000 ? 1000000 : *out * 10 + (uint32_t)(p->text[p->at] - '0');
    return p->at > from;
}

/* {n}, {n,}, {,m}, {n,m}; a brace that opens none of these stands for itself. */
static bool parse_interval(parser *p, uint32_t *least, uint32_t *most, bool *exact)
{
    uint32_t from = p->at;
    bool low, high = false;
    if (!next_is(p, "{"))
        return false;
    low = parse_number(p, least);
    *exact = !next_is(p, ",");
    if (!*exact)
        high = parse_number(p, most);
    if (!next_is(p, "}") || (!low && !high)) {
        p->at = from;
        return false;
    }
    if (!high)
        *most = *exact ? *least : REPEAT_ENDLESS;
    return true;
}

static brink_status parse_repeats(parser *p, node **out)
{
    for (uint32_t nested = 0;; nested++) {
        uint32_t least = 0, most = REPEAT_ENDLESS;
        bool exact = false, interval = false;
        if (next_is(p, "*")) {
        } else if (next_is(p, "+")) {
            least = 1;
        } else if (next_is(p, "?")) {
            most = 1;
        } else if (parse_interval(p, &least, &most, &exact)) {
            interval = true;
        } else {
            return BRINK_OK;
        }
        if (nested > REGEX_MAX_DEPTH)
            return unsupported(p, "nesting this deep");
        if (least > 1000 || (most > 1000 && most != REPEAT_ENDLESS))
            return unsupported(p, "a repeat of more than 1000");
        if (most < least)
            return malformed(p, "repeat without order");
        node *repeat;
        TRY(new_node(p, NODE_REPEAT, &repeat));
        repeat->child = *out;
        repeat->least = least;
        repeat->most = most;
        /* In Ruby's dialect {n,m}+ repeats the interval, and {n}? makes it optional. */
        if (!exact && next_is(p, "?"))
            repeat->mode = REPEAT_LAZY;
        else if (!interval && next_is(p, "+"))
            repeat->mode = REPEAT_POSSESSIVE;
        *out = repeat;
    }
}

static brink_status parse_choice(parser *p, node **out)
{
    node *choice = NULL, **next_choice = NULL;
    if (++p->depth > REGEX_MAX_DEPTH)
        return unsupported(p, "nesting this deep");
    for (;;) {
        node *sequence, **tail;
        TRY(new_node(p, NODE_SEQUENCE, &sequence));
        tail = &sequence->child;
        while (p->at < p->size && p->text[p->at] != '|' && p->text[p->at] != ')') {
            TRY(parse_atom(p, tail));
            TRY(parse_repeats(p, tail));
            tail = &(*tail)->next;
        }
        bool more = next_is(p, "|");
        if (!more && choice == NULL) {
            *out = sequence;
            break;
        }
        if (choice == NULL) {
            TRY(new_node(p, NODE_CHOICE, &choice));
            next_choice = &choice->child;
            *out = choice;
        }
        *next_choice = sequence;
        next_choice = &sequence->next;
        if (!more)
            break;
    }
    p->depth--;
    return BRINK_OK;
}

brink_status regex_parse(regex *r, arena *nodes, uint32_t bytes, node **out)
{
    parser p = {.r = r, .nodes = nodes, .text = r->pattern, .size = bytes};
    TRY(parse_choice(&p, out));
    return p.at == p.size ? BRINK_OK : malformed(&p, "unbalanced )");
}
