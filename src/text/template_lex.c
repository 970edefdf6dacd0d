/* template_lex.c — a template's text to tokens, with Jinja's treatment of white space:
   trim_blocks (the newline behind a block goes), lstrip_blocks (blanks before a block that begins a
   line go), "-" (all white space goes), "+" (none does), and one newline at the end of the source. */
#include "text/template_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct lexer {
    chat_template *t;
    token_list *out;
    const char *text; /* newlines are \n */
    uint32_t size, at, line;
} lexer;

brink_status template_fail(brink_context *context, const char *name, uint32_t line,
                           brink_status status, const char *format, ...)
{
    char reason[400];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return core_fail(context, status, "%s: line %u: %s", name, line, reason);
}

static brink_status malformed(lexer *x, const char *what)
{
    return template_fail(x->t->context, x->t->name, x->line, BRINK_BAD_INPUT, "%s", what);
}

static brink_status add(lexer *x, token one)
{
    TRY(array_grow(x->t->context, (void **)&x->out->at, &x->out->capacity, x->out->count + 1ull,
                   sizeof one));
    one.line = x->line;
    x->out->at[x->out->count++] = one;
    return BRINK_OK;
}

static bool starts(const lexer *x, uint32_t at, const char *text)
{
    size_t n = strlen(text);
    return x->size - at >= n && memcmp(x->text + at, text, n) == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

static void skip_blanks(lexer *x)
{
    for (; x->at < x->size && is_blank(x->text[x->at]); x->at++)
        x->line += x->text[x->at] == '\n';
}

/* Adds text[from, to) as data, without what the tag that follows takes away. `line_start`: a newline
   or the beginning of the source stands before `from`. */
static brink_status add_data(lexer *x, uint32_t from, uint32_t to, char sign, bool is_block,
                             bool line_start)
{
    uint32_t end = to;
    if (sign == '-') {
        while (end > from) {
            uint32_t last = utf8_before(x->text, end), i = last;
            if (!unicode_is_space(utf8_next(x->text, &i)))
                break;
            end = last;
        }
    } else if (is_block && sign != '+') {
        while (end > from && x->text[end - 1] != '\n' && is_blank(x->text[end - 1]))
            end--;
        if (end > from ? x->text[end - 1] != '\n' : !line_start)
            end = to;
    }
    if (end > from)
        TRY(add(x, (token){.kind = TOKEN_DATA, .text = x->text + from, .size = end - from}));
    for (uint32_t i = from; i < to; i++)
        x->line += x->text[i] == '\n';
    return BRINK_OK;
}

static brink_status lex_string(lexer *x)
{
    char quote = x->text[x->at++];
    char *copy = NULL;
    uint32_t from = x->at, size = 0;
    while (x->at < x->size && x->text[x->at] != quote)
        x->at += x->text[x->at] == '\\' ? 2 : 1;
    if (x->at >= x->size)
        return malformed(x, "a string does not end");
    copy = arena_string(&x->t->memory, x->text + from, x->at - from);
    if (copy == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = from; i < x->at; i++) {
        char c = x->text[i];
        x->line += c == '\n';
        if (c != '\\') {
            copy[size++] = c;
            continue;
        }
        c = x->text[++i];
        static const char from_[] = "nrtfvab0", to_[] = "\n\r\t\f\v\a\b";
        const char *known = c != 0 ? strchr(from_, c) : NULL;
        uint32_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (known != NULL) {
            copy[size++] = to_[known - from_];
        } else if (c == '\\' || c == '\'' || c == '"') {
            copy[size++] = c;
        } else if (c == '\n') { /* a line goes on */
        } else if (digits != 0 && i + digits < x->at) {
            char hex[9] = {0}, *end;
            memcpy(hex, x->text + i + 1, digits);
            unsigned long code = strtoul(hex, &end, 16);
            if (end != hex + digits || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
                return malformed(x, "a string has a bad escape");
            size += utf8_write((uint32_t)code, copy + size); /* never longer than its escape */
            i += digits;
        } else {
            copy[size++] = '\\';
            copy[size++] = c;
        }
    }
    x->at++;
    return add(x, (token){.kind = TOKEN_STRING, .text = copy, .size = size});
}

static brink_status lex_number(lexer *x)
{
    char digits[64];
    uint32_t n = 0;
    bool is_float = false;
    for (; x->at < x->size; x->at++) {
        char c = x->text[x->at];
        bool sign =
            (c == '+' || c == '-') && n > 0 && (digits[n - 1] == 'e' || digits[n - 1] == 'E');
        bool point = c == '.' && !is_float && x->at + 1 < x->size && x->text[x->at + 1] >= '0' &&
                     x->text[x->at + 1] <= '9';
        bool exponent = (c == 'e' || c == 'E') && x->at + 1 < x->size && x->text[x->at + 1] <= '9';
        if (c == '_')
            continue;
        if (!(c >= '0' && c <= '9') && !sign && !point && !exponent)
            break;
        is_float |= point || exponent;
        if (n + 1 >= sizeof digits)
            return malformed(x, "a number is too long");
        digits[n++] = c;
    }
    digits[n] = 0;
    if (is_float)
        return add(x, (token){.kind = TOKEN_FLOAT, .number = strtod(digits, NULL)});
    if (n > 18)
        return malformed(x, "an integer is too large");
    return add(x, (token){.kind = TOKEN_INTEGER, .integer = strtoll(digits, NULL, 10)});
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

/* The inside of a tag up to `close`; *sign is what stands before it. */
static brink_status lex_tag(lexer *x, const char *close, char *sign)
{
    static const char *const operators[] = {"==", "!=", "<=", ">=", "//", "**", "+", "-", "*",
                                            "/",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
                                            "]",  "{",  "}",  ",",  ":",  ".",  "|"};
    uint32_t depth = 0;
    *sign = 0;
    for (;;) {
        skip_blanks(x);
        if (x->at >= x->size)
            return malformed(x, "a tag does not end");
        char c = x->text[x->at];
        if (depth == 0 && (c == '-' || c == '+') && starts(x, x->at + 1, close)) {
            *sign = c;
            x->at += 3;
            return BRINK_OK;
        }
        if (depth == 0 && starts(x, x->at, close)) {
            x->at += 2;
            return BRINK_OK;
        }
        if (c == '\'' || c == '"') {
            TRY(lex_string(x));
        } else if (c >= '0' && c <= '9') {
            TRY(lex_number(x));
        } else if (is_name(c)) {
            uint32_t from = x->at;
            while (x->at < x->size && is_name(x->text[x->at]))
                x->at++;
            TRY(add(x, (token){.kind = TOKEN_NAME, .text = x->text + from, .size = x->at - from}));
        } else {
            size_t i = 0, n = sizeof operators / sizeof *operators;
            while (i < n && !starts(x, x->at, operators[i]))
                i++;
            if (i == n)
                return malformed(x, "a character that means nothing in a tag");
            depth += c == '{' || c == '(' || c == '[';
            if (depth > 0)
                depth -= c == '}' || c == ')' || c == ']';
            uint32_t size = (uint32_t)strlen(operators[i]);
            x->at += size;
            TRY(add(x, (token){.kind = TOKEN_OPERATOR, .text = operators[i], .size = size}));
        }
    }
}

/* Where the next "{%", "{{" or "{#" begins. */
static uint32_t next_tag(const lexer *x, uint32_t at)
{
    for (; at + 1 < x->size; at++)
        if (x->text[at] == '{' &&
            (x->text[at + 1] == '%' || x->text[at + 1] == '{' || x->text[at + 1] == '#'))
            return at;
    return x->size;
}

/* {% raw %}: the text up to {% endraw %} is data. `at` is behind the opening tag. */
static brink_status lex_raw(lexer *x, bool *line_start)
{
    uint32_t from = x->at;
    for (uint32_t at = from; at + 1 < x->size; at++) {
        if (!starts(x, at, "{%"))
            continue;
        uint32_t i = at + 2;
        char sign = i < x->size && (x->text[i] == '-' || x->text[i] == '+') ? x->text[i++] : 0;
        while (i < x->size && is_blank(x->text[i]))
            i++;
        if (!starts(x, i, "endraw"))
            continue;
        x->at = i + 6;
        TRY(add_data(x, from, at, sign, true, *line_start));
        return BRINK_OK;
    }
    return malformed(x, "raw does not end");
}

/* Behind a tag: what its sign and trim_blocks take. */
static void after_tag(lexer *x, char sign, bool is_block, bool *line_start)
{
    *line_start = false;
    if (sign == '-') {
        uint32_t from = x->at;
        for (uint32_t i = x->at; i < x->size; x->at = i) {
            if (!unicode_is_space(utf8_next(x->text, &i)))
                break;
            x->line += x->text[x->at] == '\n';
        }
        *line_start = x->at > from && x->text[x->at - 1] == '\n';
    } else if (is_block && sign != '+' && x->at < x->size && x->text[x->at] == '\n') {
        x->at++;
        x->line++;
        *line_start = true;
    }
}

static brink_status lex_all(lexer *x)
{
    bool line_start = true;
    while (x->at < x->size) {
        uint32_t tag = next_tag(x, x->at), from = x->at;
        if (tag >= x->size)
            return add_data(x, from, x->size, '+', false, line_start);
        char kind = x->text[tag + 1];
        x->at = tag + 2;
        char sign = x->at < x->size && (x->text[x->at] == '-' || x->text[x->at] == '+')
                        ? x->text[x->at]
                        : 0;
        if (sign == '+' && kind == '{') /* {{+1}} is a positive number */
            sign = 0;
        x->at += sign != 0;
        TRY(add_data(x, from, tag, sign, kind != '{', line_start));
        if (kind == '#') {
            while (x->at < x->size && !starts(x, x->at, "#}"))
                x->line += x->text[x->at++] == '\n';
            if (x->at >= x->size)
                return malformed(x, "a comment does not end");
            sign = x->text[x->at - 1];
            x->at += 2;
            after_tag(x, sign == '-' || sign == '+' ? sign : 0, true, &line_start);
            continue;
        }
        bool is_block = kind == '%';
        TRY(add(x, (token){.kind = is_block ? TOKEN_OPEN : TOKEN_OPEN_PRINT}));
        uint32_t first = x->out->count;
        TRY(lex_tag(x, is_block ? "%}" : "}}", &sign));
        bool raw = is_block && x->out->count == first + 1 && x->out->at[first].kind == TOKEN_NAME &&
                   x->out->at[first].size == 3 && memcmp(x->out->at[first].text, "raw", 3) == 0;
        after_tag(x, sign, is_block, &line_start);
        if (raw) {
            x->out->count = first - 1;
            TRY(lex_raw(x, &line_start));
            TRY(lex_tag(x, "%}", &sign));
            after_tag(x, sign, true, &line_start);
        } else {
            TRY(add(x, (token){.kind = is_block ? TOKEN_CLOSE : TOKEN_CLOSE_PRINT}));
        }
    }
    return BRINK_OK;
}

brink_status template_lex(chat_template *t, const char *source, uint32_t size, token_list *out)
{
    char *text = arena_string(&t->memory, source, size);
    lexer x = {.t = t, .out = out, .text = text, .line = 1};
    if (text == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < size; i++) { /* \r\n and \r become \n */
        if (source[i] == '\r')
            i += i + 1 < size && source[i + 1] == '\n';
        text[x.size++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (x.size > 0 && text[x.size - 1] == '\n')
        x.size--;
    TRY(lex_all(&x));
    return add(&x, (token){.kind = TOKEN_END});
}
