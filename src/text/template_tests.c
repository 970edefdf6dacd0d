/* template_tests.c — what may stand behind "is". */
#include "text/template_internal.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <math.h>

static brink_status compare_test(renderer *r, string name, const value *v, const value *other,
                                 bool *known, bool *out)
{
    static const struct {
        const char *name;
        operator_kind op;
    } names[] = {
        {"==", OPERATOR_EQUAL},
        {"eq", OPERATOR_EQUAL},
        {"equalto", OPERATOR_EQUAL},
        {"!=", OPERATOR_NOT_EQUAL},
        {"ne", OPERATOR_NOT_EQUAL},
        {"<", OPERATOR_LESS},
        {"lt", OPERATOR_LESS},
        {"lessthan", OPERATOR_LESS},
        {"<=", OPERATOR_LESS_EQUAL},
        {"le", OPERATOR_LESS_EQUAL},
        {">", OPERATOR_GREATER},
        {"gt", OPERATOR_GREATER},
        {"greaterthan", OPERATOR_GREATER},
        {">=", OPERATOR_GREATER_EQUAL},
        {"ge", OPERATOR_GREATER_EQUAL},
        {"in", OPERATOR_IN},
    };
    value held;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (string_is(name, names[i].name)) {
            *known = true;
            if (other == NULL)
                return FAIL(r, "test \"%s\" needs an argument", names[i].name);
            TRY(binary_operator(r, names[i].op, v, other, &held));
            *out = held.boolean;
        }
    return BRINK_OK;
}

static bool is_case(const value *v, bool upper)
{
    bool cased = false;
    for (uint32_t i = 0; v->kind == VALUE_STRING && i < v->s.size;) {
        uint32_t category = unicode_category(utf8_next(v->s.text, &i));
        if ((category & (upper ? UNICODE_LL | UNICODE_LT : UNICODE_LU | UNICODE_LT)) != 0)
            return false;
        cased |= (category & (upper ? UNICODE_LU : UNICODE_LL)) != 0;
    }
    return cased;
}

brink_status apply_test(renderer *r, string name, const value *v, const arguments *args, bool *out)
{
    const value *other = argument(args, 0, "value");
    value_kind k = v->kind;
    bool known = false;
    double x;
    TRY(compare_test(r, name, v, other, &known, out));
    if (known)
        return BRINK_OK;
    bool number = k == VALUE_INTEGER || k == VALUE_FLOAT || k == VALUE_BOOL;
    bool sequence = k == VALUE_LIST || k == VALUE_TUPLE || k == VALUE_STRING || k == VALUE_DICT;
    if (string_is(name, "defined"))
        *out = k != VALUE_UNDEFINED;
    else if (string_is(name, "undefined"))
        *out = k == VALUE_UNDEFINED;
    else if (string_is(name, "none"))
        *out = k == VALUE_NONE;
    else if (string_is(name, "string"))
        *out = k == VALUE_STRING;
    else if (string_is(name, "mapping"))
        *out = k == VALUE_DICT;
    else if (string_is(name, "iterable"))
        *out = sequence || k == VALUE_UNDEFINED;
    else if (string_is(name, "sequence"))
        *out = sequence || k == VALUE_UNDEFINED;
    else if (string_is(name, "number"))
        *out = number;
    else if (string_is(name, "integer"))
        *out = k == VALUE_INTEGER;
    else if (string_is(name, "float"))
        *out = k == VALUE_FLOAT;
    else if (string_is(name, "boolean"))
        *out = k == VALUE_BOOL;
    else if (string_is(name, "true"))
        *out = k == VALUE_BOOL && v->boolean;
    else if (string_is(name, "false"))
        *out = k == VALUE_BOOL && !v->boolean;
    else if (string_is(name, "callable"))
        *out = k == VALUE_MACRO || k == VALUE_FUNCTION || k == VALUE_METHOD;
    else if (string_is(name, "lower"))
        *out = is_case(v, false);
    else if (string_is(name, "upper"))
        *out = is_case(v, true);
    else if (string_is(name, "sameas") && other != NULL)
        *out = other->kind == k && value_equal(v, other, 0);
    else if ((string_is(name, "odd") || string_is(name, "even")) && value_number(v, &x))
        *out = (fmod(x, 2) != 0) == string_is(name, "odd");
    else if (string_is(name, "divisibleby") && k == VALUE_INTEGER && other != NULL &&
             other->kind == VALUE_INTEGER && other->integer > 0)
        *out = v->integer % other->integer == 0;
    else
        return template_fail(r->context, r->source->name, r->line, BRINK_UNSUPPORTED,
                             "test \"%.*s\" is not supported here",
                             (int)(name.size < 60 ? name.size : 60), name.text);
    return BRINK_OK;
}
