/* template_operators.c — operators on a template's values, as Python has them. */
#include "text/template_internal.h"

#include <math.h>

brink_status contains(renderer *r, const value *container, const value *item, bool *out)
{
    *out = false;
    switch (container->kind) {
    case VALUE_STRING:
        if (item->kind != VALUE_STRING)
            return FAIL(r, "'in <string>' requires a string, not %s", value_type(item));
        for (uint32_t i = 0; i + item->s.size <= container->s.size && !*out; i++)
            *out = memcmp(container->s.text + i, item->s.text, item->s.size) == 0;
        return BRINK_OK;
    case VALUE_LIST:
    case VALUE_TUPLE:
        for (uint32_t i = 0; i < container->items->count && !*out; i++)
            *out = value_equal(&container->items->at[i], item, 0);
        return BRINK_OK;
    case VALUE_DICT:
        *out = dict_find_value(container->members, item) != NULL;
        return BRINK_OK;
    case VALUE_UNDEFINED:
        return BRINK_OK;
    default:
        return FAIL(r, "'%s' object is not a container", value_type(container));
    }
}

static brink_status join_lists(renderer *r, const value *a, const value *b, value *out)
{
    TRY(list_new(r, a->kind, out));
    for (uint32_t i = 0; i < a->items->count; i++)
        TRY(list_add(r, out->items, a->items->at[i]));
    for (uint32_t i = 0; i < b->items->count; i++)
        TRY(list_add(r, out->items, b->items->at[i]));
    return BRINK_OK;
}

static brink_status join_strings(renderer *r, string a, string b, value *out)
{
    char *text = render_alloc(r, (uint64_t)a.size + b.size + 1);
    if (text == NULL)
        return render_failed(r);
    if (a.size + (uint64_t)b.size > UINT32_MAX)
        return FAIL(r, "a string is too long");
    memcpy(text, a.text, a.size);
    memcpy(text + a.size, b.text, b.size);
    *out = (value){.kind = VALUE_STRING, .s = {text, a.size + b.size}};
    return BRINK_OK;
}

static brink_status repeat(renderer *r, const value *v, int64_t times, value *out)
{
    if (v->kind != VALUE_STRING) {
        TRY(list_new(r, v->kind, out));
        for (; times > 0; times--)
            for (uint32_t i = 0; i < v->items->count; i++)
                TRY(list_add(r, out->items, v->items->at[i]));
        return BRINK_OK;
    }
    if (times > 0 && v->s.size > TEMPLATE_MAX_OUTPUT / (uint64_t)times)
        return FAIL(r, "a string is too long");
    uint64_t size = times > 0 ? v->s.size * (uint64_t)times : 0;
    char *text = render_alloc(r, size + 1);
    if (text == NULL)
        return render_failed(r);
    for (uint64_t i = 0; i < size; i += v->s.size)
        memcpy(text + i, v->s.text, v->s.size);
    *out = (value){.kind = VALUE_STRING, .s = {text, (uint32_t)size}};
    return BRINK_OK;
}

static brink_status integers(renderer *r, operator_kind op, int64_t a, int64_t b, value *out)
{
    int64_t result = 0;
    bool overflow = false;
    switch (op) {
    case OPERATOR_ADD:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case OPERATOR_SUBTRACT:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case OPERATOR_MULTIPLY:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    case OPERATOR_FLOOR_DIVIDE:
    case OPERATOR_MODULO: {
        if (b == 0)
            return FAIL(r, "division by zero");
        if (b == -1) {
            overflow = op == OPERATOR_FLOOR_DIVIDE && __builtin_sub_overflow(0, a, &result);
            break;
        }
        int64_t quotient = a / b, rest = a % b;
        if (rest != 0 && (rest < 0) != (b < 0)) {
            quotient--;
            rest += b;
        }
        result = op == OPERATOR_MODULO ? rest : quotient;
        break;
    }
    default: /* power, b >= 0 */
        result = 1;
        for (; b > 0 && !overflow && result != 0 && (a != 1); b--) {
            if (a == -1) {
                result = b % 2 ? -1 : 1;
                break;
            }
            overflow = __builtin_mul_overflow(result, a, &result);
        }
        break;
    }
    *out = value_integer(result);
    return overflow ? FAIL(r, "an integer is too large") : BRINK_OK;
}

static brink_status arithmetic(renderer *r, operator_kind op, const value *a, const value *b,
                               value *out)
{
    double x, y;
    bool numbers = value_number(a, &x) && value_number(b, &y);
    bool sequence_a = a->kind == VALUE_STRING || a->kind == VALUE_LIST || a->kind == VALUE_TUPLE;
    bool sequence_b = b->kind == VALUE_STRING || b->kind == VALUE_LIST || b->kind == VALUE_TUPLE;
    if (op == OPERATOR_ADD && sequence_a && a->kind == b->kind)
        return a->kind == VALUE_STRING ? join_strings(r, a->s, b->s, out)
                                       : join_lists(r, a, b, out);
    if (op == OPERATOR_MULTIPLY && sequence_a && b->kind == VALUE_INTEGER)
        return repeat(r, a, b->integer, out);
    if (op == OPERATOR_MULTIPLY && sequence_b && a->kind == VALUE_INTEGER)
        return repeat(r, b, a->integer, out);
    if (a->kind == VALUE_UNDEFINED || b->kind == VALUE_UNDEFINED)
        return undefined_use(r, a->kind == VALUE_UNDEFINED ? a : b);
    if (!numbers)
        return FAIL(r, "unsupported operand types: '%s' and '%s'", value_type(a), value_type(b));
    bool whole = a->kind != VALUE_FLOAT && b->kind != VALUE_FLOAT;
    if (whole && op != OPERATOR_DIVIDE && !(op == OPERATOR_POWER && y < 0))
        return integers(r, op, a->kind == VALUE_BOOL ? a->boolean : a->integer,
                        b->kind == VALUE_BOOL ? b->boolean : b->integer, out);
    if (y == 0 && (op == OPERATOR_DIVIDE || op == OPERATOR_FLOOR_DIVIDE || op == OPERATOR_MODULO))
        return FAIL(r, "division by zero");
    double result = op == OPERATOR_ADD            ? x + y
                    : op == OPERATOR_SUBTRACT     ? x - y
                    : op == OPERATOR_MULTIPLY     ? x * y
                    : op == OPERATOR_DIVIDE       ? x / y
                    : op == OPERATOR_POWER        ? pow(x, y)
                    : op == OPERATOR_FLOOR_DIVIDE ? floor(x / y)
                                                  : x - y * floor(x / y);
    *out = value_float(result);
    return BRINK_OK;
}

static brink_status concatenate(renderer *r, const value *a, const value *b, value *out)
{
    buffer joined = {.context = r->context};
    brink_status status = value_print(r, a, &joined);
    if (status == BRINK_OK)
        status = value_print(r, b, &joined);
    if (status == BRINK_OK)
        return buffer_to_string(r, &joined, out);
    buffer_free(&joined);
    return status;
}

brink_status binary_operator(renderer *r, operator_kind op, const value *a, const value *b,
                             value *out)
{
    bool held;
    int order;
    switch (op) {
    case OPERATOR_EQUAL:
        *out = value_bool(value_equal(a, b, 0));
        return BRINK_OK;
    case OPERATOR_NOT_EQUAL:
        *out = value_bool(!value_equal(a, b, 0));
        return BRINK_OK;
    case OPERATOR_IN:
    case OPERATOR_NOT_IN:
        TRY(contains(r, b, a, &held));
        *out = value_bool(held == (op == OPERATOR_IN));
        return BRINK_OK;
    case OPERATOR_LESS:
    case OPERATOR_LESS_EQUAL:
    case OPERATOR_GREATER:
    case OPERATOR_GREATER_EQUAL:
        if (a->kind == VALUE_UNDEFINED || b->kind == VALUE_UNDEFINED)
            return undefined_use(r, a->kind == VALUE_UNDEFINED ? a : b);
        TRY(value_compare(r, a, b, &order));
        *out = value_bool(op == OPERATOR_LESS         ? order < 0
                          : op == OPERATOR_LESS_EQUAL ? order <= 0
                          : op == OPERATOR_GREATER    ? order > 0
                                                      : order >= 0);
        return BRINK_OK;
    case OPERATOR_CONCATENATE:
        return concatenate(r, a, b, out);
    default:
        return arithmetic(r, op, a, b, out);
    }
}

brink_status unary_operator(renderer *r, operator_kind op, const value *a, value *out)
{
    double x;
    if (op == OPERATOR_NOT) {
        *out = value_bool(!value_truth(a));
        return BRINK_OK;
    }
    if (!value_number(a, &x))
        return FAIL(r, "bad operand type for unary sign: '%s'", value_type(a));
    if (a->kind == VALUE_FLOAT)
        *out = value_float(op == OPERATOR_NEGATE ? -x : x);
    else
        return integers(r, op == OPERATOR_NEGATE ? OPERATOR_SUBTRACT : OPERATOR_ADD, 0,
                        a->kind == VALUE_BOOL ? a->boolean : a->integer, out);
    return BRINK_OK;
}
