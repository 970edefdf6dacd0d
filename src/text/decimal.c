/* decimal.c — see decimal.h.

   Invariant of a bound's walk: `compare` says how the digits so far compare with as many digits of
   the bound's magnitude; how many digits the whole part has decides before that, and is known only
   at its end. */
#include "text/decimal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void decimal_read(yyjson_val *number, decimal *out)
{
    char text[64], digits[32];
    uint32_t count = 0;
    int exponent = 0, point = 0;
    bool behind = false;
    *out = (decimal){0};
    if (yyjson_is_uint(number)) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)yyjson_get_uint(number));
    } else if (yyjson_is_sint(number)) {
        snprintf(text, sizeof text, "%lld", (long long)yyjson_get_sint(number));
    } else {
        double value = yyjson_get_real(number);
        value = isfinite(value) ? value : 0;
        for (int precision = 1; precision <= 17; precision++) { /* the shortest that reads back */
            snprintf(text, sizeof text, "%.*e", precision - 1, value);
            if (strtod(text, NULL) == value)
                break;
        }
    }
    for (const char *c = text; *c != 0; c++) {
        if (*c == '-')
            out->negative = true;
        else if (*c == '.')
            behind = true;
        else if (*c == 'e') {
            exponent = (int)strtol(c + 1, NULL, 10);
            break;
        } else if (count < sizeof digits) {
            digits[count++] = *c;
            point += !behind;
        }
    }
    point += exponent; /* value = 0.digits * 10^point */
    for (int i = point < 0 ? point : 0; i < (int)count || i < point; i++) {
        char digit = i >= 0 && i < (int)count ? digits[i] : '0';
        if (i < point) {
            if (out->whole_size == 1 && out->whole[0] == '0')
                out->whole_size = 0;
            if (out->whole_size < DECIMAL_DIGITS)
                out->whole[out->whole_size++] = digit;
        } else if (out->fraction_size < DECIMAL_DIGITS) {
            out->fraction[out->fraction_size++] = digit;
        }
    }
    if (out->whole_size == 0)
        out->whole[out->whole_size++] = '0';
    while (out->fraction_size > 0 && out->fraction[out->fraction_size - 1] == '0')
        out->fraction_size--;
}

typedef enum number_phase {
    BEFORE,
    SIGNED,
    ZERO,
    WHOLE,
    POINT,
    FRACTION,
    E,
    E_SIGN,
    E_DIGITS
} number_phase;

typedef enum comparison { LESS, EQUAL, MORE } comparison;

typedef struct number_state {
    uint8_t phase, compare;
    bool negative, nonzero;
    uint32_t count; /* digits of the present part, as far as they matter */
    uint32_t remainder;
} number_state;

typedef struct number_rule {
    number_rule_kind kind;
    const decimal *value;
    uint32_t divisor, places; /* value * 10^places is a multiple of divisor */
} number_rule;

/* One digit of the whole part (or of the fraction) enters. */
static bool take_digit(const number_rule *r, number_state *s, uint32_t digit, bool whole)
{
    if (r->kind == NUMBER_INTEGER && !whole)
        return digit == 0;
    if (r->kind == NUMBER_MULTIPLE) {
        if (whole || s->count < r->places) {
            s->remainder = (s->remainder * 10 + digit) % r->divisor;
            s->count += !whole;
            return true;
        }
        return digit == 0;
    }
    if (r->kind < NUMBER_AT_LEAST)
        return true;
    const char *digits = whole ? r->value->whole : r->value->fraction;
    uint32_t size = whole ? r->value->whole_size : r->value->fraction_size;
    uint32_t theirs = s->count < size ? (uint32_t)(digits[s->count] - '0') : 0;
    s->nonzero = s->nonzero || digit != 0;
    if (s->compare == EQUAL && (!whole || s->count < size))
        s->compare = digit < theirs ? LESS : digit > theirs ? MORE : EQUAL;
    s->count += s->count < size + whole;
    return true;
}

/* The whole part is complete: its length decides first. */
static void end_whole(const number_rule *r, number_state *s)
{
    if (r->kind >= NUMBER_AT_LEAST && r->kind != NUMBER_MULTIPLE) {
        if (s->count < r->value->whole_size)
            s->compare = LESS;
        else if (s->count > r->value->whole_size)
            s->compare = MORE;
    }
    s->count = 0;
}

static bool number_step(const void *user, const void *state, uint8_t byte, void *next)
{
    const number_rule *r = user;
    number_state s;
    memcpy(&s, state, sizeof s);
    bool digit = byte >= '0' && byte <= '9', fine = false;
    switch ((number_phase)s.phase) {
    case BEFORE:
    case SIGNED:
        if (byte == '-' && s.phase == BEFORE) {
            s.phase = SIGNED;
            s.negative = r->kind >= NUMBER_AT_LEAST && r->kind != NUMBER_MULTIPLE;
            fine = true;
        } else if (digit) {
            s.phase = byte == '0' ? ZERO : WHOLE;
            fine = take_digit(r, &s, byte - '0', true);
        }
        break;
    case ZERO:
    case WHOLE:
        if (digit && s.phase == WHOLE) {
            fine = take_digit(r, &s, byte - '0', true);
        } else if (byte == '.' && r->kind != NUMBER_DIGITS) {
            end_whole(r, &s);
            s.phase = POINT;
            fine = true;
        } else if ((byte | 32) == 'e' && r->kind == NUMBER_ANY) {
            s.phase = E;
            fine = true;
        }
        break;
    case POINT:
    case FRACTION:
        if (digit) {
            s.phase = FRACTION;
            fine = take_digit(r, &s, byte - '0', false);
        } else if ((byte | 32) == 'e' && s.phase == FRACTION && r->kind == NUMBER_ANY) {
            s.phase = E;
            fine = true;
        }
        break;
    case E:
    case E_SIGN:
    case E_DIGITS:
        fine = digit || (s.phase == E && (byte == '+' || byte == '-'));
        s.phase = digit ? E_DIGITS : E_SIGN;
        break;
    }
    memcpy(next, &s, sizeof s);
    return fine;
}

/* The value against the bound, both with their signs. */
static comparison compare_value(const number_rule *r, number_state s)
{
    const decimal *b = r->value;
    bool bound_zero = b->whole_size == 1 && b->whole[0] == '0' && b->fraction_size == 0;
    if (s.phase == ZERO || s.phase == WHOLE)
        end_whole(r, &s);
    if (s.compare == EQUAL && s.count < b->fraction_size)
        s.compare = LESS;
    bool minus = s.negative && s.nonzero, bound_minus = b->negative && !bound_zero;
    if (minus != bound_minus)
        return minus ? LESS : MORE;
    return minus ? (comparison)(MORE - s.compare) : (comparison)s.compare;
}

static uint16_t number_label(const void *user, const void *state)
{
    const number_rule *r = user;
    number_state s;
    memcpy(&s, state, sizeof s);
    if (s.phase != ZERO && s.phase != WHOLE && s.phase != FRACTION && s.phase != E_DIGITS)
        return 0;
    if (r->kind == NUMBER_MULTIPLE) {
        uint64_t left = s.remainder;
        for (uint32_t i = s.phase == FRACTION ? s.count : 0; i < r->places; i++)
            left = left * 10 % r->divisor;
        return left == 0;
    }
    if (r->kind < NUMBER_AT_LEAST)
        return 1;
    comparison c = compare_value(r, s);
    switch (r->kind) {
    case NUMBER_AT_LEAST:
        return c != LESS;
    case NUMBER_ABOVE:
        return c == MORE;
    case NUMBER_AT_MOST:
        return c != MORE;
    default:
        return c == LESS;
    }
}

brink_status number_compile(dfa_work *work, number_rule_kind kind, const decimal *value,
                            arena *memory, dfa **out)
{
    static const char alphabet[] = "0123456789.-+eE";
    number_rule r = {.kind = kind, .value = value};
    number_state start;
    uint8_t class_of[256] = {0}; /* 0: what no number holds */
    for (uint32_t i = 0; i < sizeof alphabet - 1; i++)
        class_of[(uint8_t)alphabet[i]] = (uint8_t)(i + 1);
    if (kind == NUMBER_MULTIPLE) {
        uint64_t divisor = 0;
        for (uint32_t i = 0; i < value->whole_size + value->fraction_size; i++) {
            char c =
                i < value->whole_size ? value->whole[i] : value->fraction[i - value->whole_size];
            divisor = divisor * 10 + (uint64_t)(c - '0');
            if (divisor > DECIMAL_DIVISOR)
                return core_fail(work->context, BRINK_UNSUPPORTED,
                                 "%s: keyword \"multipleOf\" with more than 4 digits is not "
                                 "supported",
                                 work->where);
        }
        if (divisor == 0 || value->negative)
            return core_fail(work->context, BRINK_BAD_INPUT,
                             "%s: keyword \"multipleOf\" has to be above 0", work->where);
        r.divisor = (uint32_t)divisor;
        r.places = value->fraction_size;
    }
    memset(&start, 0, sizeof start);
    start.compare = EQUAL;
    dfa_source source = {&r, &start, sizeof start, class_of, number_step, number_label};
    return dfa_explore(work, &source, memory, out);
}
