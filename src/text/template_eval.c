/* template_eval.c — expressions of a template but for the operators. As in Jinja, an
   undefined value prints as nothing, is false, and has no attributes. */
#include "text/template_internal.h"
#include "text/utf8.h"

const value *argument(const arguments *args, uint32_t position, const char *name)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < args->count; i++) {
        if (args->names[i].text == NULL) {
            if (seen++ == position)
                return &args->at[i];
        } else if (string_is(args->names[i], name)) {
            return &args->at[i];
        }
    }
    return NULL;
}

static brink_status look_up(renderer *r, string name, value *out)
{
    static const char *const functions[] = {"raise_exception", "range", "namespace", "dict",
                                            "strftime_now"};
    for (const scope *s = r->scope; s != NULL; s = s->parent) {
        const value *found = dict_find(&s->variables, name);
        if (found != NULL) {
            *out = *found;
            if (!string_is(name, "strftime_now") || found->kind != VALUE_STRING)
                return BRINK_OK;
        }
    }
    *out = value_undefined(name);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (string_is(name, functions[i]))
            *out = (value){.kind = VALUE_FUNCTION, .s = name};
    return BRINK_OK;
}

brink_status undefined_use(renderer *r, const value *v)
{
    int n = v->s.size < 80 ? (int)v->s.size : 80;
    return FAIL(r, "'%.*s' is undefined", n, v->s.text != NULL ? v->s.text : "");
}

static value loop_attribute(const loop *l, string name)
{
    uint32_t i = l->index, n = l->items->count;
    if (string_is(name, "index"))
        return value_integer(i + 1);
    if (string_is(name, "index0"))
        return value_integer(i);
    if (string_is(name, "first"))
        return value_bool(i == 0);
    if (string_is(name, "last"))
        return value_bool(i + 1 == n);
    if (string_is(name, "length"))
        return value_integer(n);
    if (string_is(name, "revindex"))
        return value_integer(n - i);
    if (string_is(name, "revindex0"))
        return value_integer(n - i - 1);
    if (string_is(name, "depth"))
        return value_integer(l->depth);
    if (string_is(name, "depth0"))
        return value_integer(l->depth - 1);
    if (string_is(name, "previtem") && i > 0)
        return l->items->at[i - 1];
    if (string_is(name, "nextitem") && i + 1 < n)
        return l->items->at[i + 1];
    return value_undefined(name);
}

static brink_status bind(renderer *r, const value *self, string name, value *out)
{
    method *m = render_alloc(r, sizeof *m);
    if (m == NULL)
        return render_failed(r);
    *m = (method){*self, name};
    *out = (value){.kind = VALUE_METHOD, .method = m};
    return BRINK_OK;
}

/* a.name: a method before a member, as Python finds attributes before Jinja tries items. */
brink_status get_attribute(renderer *r, const value *object, string name, value *out)
{
    if (object->kind == VALUE_UNDEFINED)
        return undefined_use(r, object);
    if (has_method(object, name))
        return bind(r, object, name, out);
    *out = value_undefined(name);
    if (object->kind == VALUE_LOOP) {
        *out = loop_attribute(object->loop, name);
    } else if (object->kind == VALUE_DICT || object->kind == VALUE_NAMESPACE) {
        const value *found = dict_find(object->members, name);
        if (found != NULL)
            *out = *found;
    }
    return BRINK_OK;
}

static uint32_t length_of(const value *v)
{
    if (v->kind == VALUE_STRING) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < v->s.size; i += utf8_width(v->s.text[i]))
            n++;
        return n;
    }
    return v->items->count;
}

static uint32_t offset_of(string s, uint32_t character)
{
    uint32_t i = 0;
    while (character-- > 0 && i < s.size)
        i += utf8_width(s.text[i]);
    return i;
}

/* a[key]: a member before a method. */
brink_status get_item(renderer *r, const value *object, const value *key, value *out)
{
    *out = value_undefined(key->kind == VALUE_STRING ? key->s : (string){"item", 4});
    switch (object->kind) {
    case VALUE_UNDEFINED:
        return undefined_use(r, object);
    case VALUE_DICT: {
        const value *found = dict_find_value(object->members, key);
        if (found != NULL)
            *out = *found;
        else if (key->kind == VALUE_STRING)
            return get_attribute(r, object, key->s, out);
        return BRINK_OK;
    }
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_STRING: {
        if (key->kind != VALUE_INTEGER && key->kind != VALUE_BOOL)
            return key->kind == VALUE_STRING ? get_attribute(r, object, key->s, out) : BRINK_OK;
        int64_t n = length_of(object);
        int64_t i = key->kind == VALUE_BOOL ? key->boolean : key->integer;
        if (i < 0)
            i += n;
        if (i < 0 || i >= n)
            return BRINK_OK;
        if (object->kind != VALUE_STRING) {
            *out = object->items->at[i];
        } else {
            uint32_t at = offset_of(object->s, (uint32_t)i);
            *out = (value){.kind = VALUE_STRING,
                           .s = {object->s.text + at, utf8_width(object->s.text[at])}};
        }
        return BRINK_OK;
    }
    default:
        return key->kind == VALUE_STRING ? get_attribute(r, object, key->s, out) : BRINK_OK;
    }
}

static brink_status slice_part(renderer *r, const ast *node, int64_t *out, bool *given)
{
    value v;
    *given = false;
    if (node == NULL)
        return BRINK_OK;
    TRY(eval(r, node, &v));
    if (v.kind == VALUE_NONE)
        return BRINK_OK;
    if (v.kind != VALUE_INTEGER && v.kind != VALUE_BOOL)
        return FAIL(r, "slice indices must be integers");
    *out = v.kind == VALUE_BOOL ? v.boolean : v.integer;
    *given = true;
    return BRINK_OK;
}

static int64_t clamp(int64_t i, int64_t n, int64_t low, int64_t high)
{
    if (i < 0)
        i += n;
    return i < low ? low : i > high ? high : i;
}

static brink_status eval_slice(renderer *r, const ast *node, value *out)
{
    value of;
    int64_t start = 0, stop = 0, step = 1;
    bool has_start, has_stop, has_step;
    list *items;
    TRY(eval(r, node->a, &of));
    TRY(slice_part(r, node->b, &start, &has_start));
    TRY(slice_part(r, node->c, &stop, &has_stop));
    TRY(slice_part(r, node->d, &step, &has_step));
    if (of.kind == VALUE_UNDEFINED)
        return undefined_use(r, &of);
    if (of.kind != VALUE_LIST && of.kind != VALUE_TUPLE && of.kind != VALUE_STRING)
        return FAIL(r, "'%s' object cannot be sliced", value_type(&of));
    if (step == 0 || step < -(1 << 30) || step > 1 << 30)
        return FAIL(r, "slice step out of range");
    int64_t n = length_of(&of);
    start = has_start  ? clamp(start, n, step < 0 ? -1 : 0, step < 0 ? n - 1 : n)
            : step < 0 ? n - 1
                       : 0;
    stop = has_stop ? clamp(stop, n, step < 0 ? -1 : 0, step < 0 ? n - 1 : n) : step < 0 ? -1 : n;
    if (of.kind == VALUE_STRING && step == 1) {
        uint32_t from = offset_of(of.s, (uint32_t)start);
        uint32_t to = stop > start ? offset_of(of.s, (uint32_t)stop) : from;
        *out = (value){.kind = VALUE_STRING, .s = {of.s.text + from, to - from}};
        return BRINK_OK;
    }
    TRY(value_items(r, &of, &items));
    buffer joined = {.context = r->context};
    brink_status status = list_new(r, of.kind == VALUE_TUPLE ? VALUE_TUPLE : VALUE_LIST, out);
    for (int64_t i = start; status == BRINK_OK && (step > 0 ? i < stop : i > stop); i += step)
        status = of.kind == VALUE_STRING
                     ? buffer_append(&joined, items->at[i].s.text, items->at[i].s.size)
                     : list_add(r, out->items, items->at[i]);
    if (status == BRINK_OK && of.kind == VALUE_STRING)
        return buffer_to_string(r, &joined, out);
    buffer_free(&joined);
    return status;
}

/* ── Calls ── */

static brink_status eval_arguments(renderer *r, const ast *first, arguments *out)
{
    *out = (arguments){0};
    for (const ast *one = first; one != NULL; one = one->next) {
        if (out->count == TEMPLATE_MAX_ARGUMENTS)
            return FAIL(r, "too many arguments");
        if (one->kind == AST_KEYWORD)
            out->names[out->count] = one->text;
        TRY(eval(r, one->kind == AST_KEYWORD ? one->a : one, &out->at[out->count]));
        out->count++;
    }
    return BRINK_OK;
}

static brink_status make_range(renderer *r, const arguments *args, value *out)
{
    int64_t v[3] = {0, 0, 1};
    if (args->count == 0 || args->count > 3)
        return FAIL(r, "range takes one to three arguments");
    for (uint32_t i = 0; i < args->count; i++) {
        if (args->at[i].kind != VALUE_INTEGER)
            return FAIL(r, "range takes integers");
        v[args->count == 1 ? 1 : i] = args->at[i].integer;
    }
    if (v[2] == 0)
        return FAIL(r, "range: the step is zero");
    TRY(list_new(r, VALUE_LIST, out));
    for (int64_t i = v[0]; v[2] > 0 ? i < v[1] : i > v[1];) {
        if (out->items->count >= 100000)
            return FAIL(r, "range is too large");
        TRY(list_add(r, out->items, value_integer(i)));
        if (__builtin_add_overflow(i, v[2], &i))
            break;
    }
    return BRINK_OK;
}

static brink_status call_function(renderer *r, string name, const arguments *args, value *out)
{
    if (string_is(name, "raise_exception")) {
        const value *text = argument(args, 0, "message");
        bool is_text = text != NULL && text->kind == VALUE_STRING;
        int n = is_text ? (text->s.size < 300 ? (int)text->s.size : 300) : 0;
        return FAIL(r, "%.*s", n, is_text ? text->s.text : "");
    }
    if (string_is(name, "range"))
        return make_range(r, args, out);
    if (string_is(name, "strftime_now")) { /* the caller's clock: a variable of that name */
        for (const scope *s = r->scope; s != NULL; s = s->parent) {
            const value *given = dict_find(&s->variables, name);
            if (given != NULL) {
                *out = *given;
                return BRINK_OK;
            }
        }
        return FAIL(r, "strftime_now: no date is given");
    }
    TRY(dict_new(r, string_is(name, "dict") ? VALUE_DICT : VALUE_NAMESPACE, out));
    for (uint32_t i = 0; i < args->count; i++) {
        const value *v = &args->at[i];
        if (args->names[i].text != NULL) {
            TRY(dict_set(r, out->members, (value){.kind = VALUE_STRING, .s = args->names[i]}, *v));
            continue;
        }
        if (v->kind != VALUE_DICT)
            return FAIL(r, "a mapping expected");
        for (uint32_t k = 0; k < v->members->count; k++)
            TRY(dict_set(r, out->members, v->members->keys[k], v->members->values[k]));
    }
    return BRINK_OK;
}

brink_status call_value(renderer *r, const value *callee, const arguments *args, value *out)
{
    switch (callee->kind) {
    case VALUE_FUNCTION:
        return call_function(r, callee->s, args, out);
    case VALUE_MACRO:
        return call_macro(r, callee->macro, args, out);
    case VALUE_METHOD:
        return call_method(r, callee->method, args, out);
    case VALUE_LOOP:
        if (callee->loop->body != NULL && args->count == 1)
            return loop_again(r, callee->loop, &args->at[0], out);
        break;
    case VALUE_UNDEFINED:
        return undefined_use(r, callee);
    default:
        break;
    }
    return FAIL(r, "'%s' object is not callable", value_type(callee));
}

/* Calls, filters and tests; apart from the rest because the arguments take much of the stack. */
static __attribute__((noinline)) brink_status eval_call(renderer *r, const ast *node, value *out)
{
    value a;
    arguments args;
    bool held;
    TRY(eval(r, node->a, &a));
    TRY(eval_arguments(r, node->child, &args));
    if (node->kind == AST_CALL)
        return call_value(r, &a, &args, out);
    if (node->kind == AST_FILTER)
        return apply_filter(r, node->text, &a, &args, out);
    TRY(apply_test(r, node->text, &a, &args, &held));
    *out = value_bool(held != node->negated);
    return BRINK_OK;
}

static brink_status eval_node(renderer *r, const ast *node, value *out)
{
    value a, b;
    switch (node->kind) {
    case AST_CONSTANT:
        *out = node->constant;
        return BRINK_OK;
    case AST_NAME:
        return look_up(r, node->text, out);
    case AST_LIST:
        TRY(list_new(r, node->negated ? VALUE_TUPLE : VALUE_LIST, out));
        for (const ast *one = node->child; one != NULL; one = one->next) {
            TRY(eval(r, one, &a));
            TRY(list_add(r, out->items, a));
        }
        return BRINK_OK;
    case AST_DICT:
        TRY(dict_new(r, VALUE_DICT, out));
        for (const ast *one = node->child; one != NULL; one = one->next->next) {
            TRY(eval(r, one, &a));
            TRY(eval(r, one->next, &b));
            TRY(dict_set(r, out->members, a, b));
        }
        return BRINK_OK;
    case AST_ATTRIBUTE:
        TRY(eval(r, node->a, &a));
        return get_attribute(r, &a, node->text, out);
    case AST_INDEX:
        TRY(eval(r, node->a, &a));
        TRY(eval(r, node->b, &b));
        return get_item(r, &a, &b, out);
    case AST_SLICE:
        return eval_slice(r, node, out);
    case AST_CALL:
    case AST_FILTER:
    case AST_TEST:
        return eval_call(r, node, out);
    case AST_UNARY:
        TRY(eval(r, node->a, &a));
        return unary_operator(r, node->op, &a, out);
    case AST_BINARY:
        TRY(eval(r, node->a, &a));
        if (node->op == OPERATOR_AND || node->op == OPERATOR_OR) {
            *out = a;
            return value_truth(&a) == (node->op == OPERATOR_OR) ? BRINK_OK : eval(r, node->b, out);
        }
        TRY(eval(r, node->b, &b));
        return binary_operator(r, node->op, &a, &b, out);
    case AST_CHOICE:
        TRY(eval(r, node->b, &b));
        if (value_truth(&b))
            return eval(r, node->a, out);
        *out = value_undefined((string){"the inline if", 13});
        return node->c != NULL ? eval(r, node->c, out) : BRINK_OK;
    default:
        return FAIL(r, "not an expression");
    }
}

brink_status eval(renderer *r, const ast *node, value *out)
{
    *out = value_none();
    r->line = node->line;
    if (++r->steps > TEMPLATE_MAX_STEPS)
        return FAIL(r, "the template runs too long");
    if (++r->depth > TEMPLATE_MAX_EVALUATIONS)
        return FAIL(r, "nested too deeply");
    brink_status status = eval_node(r, node, out);
    r->depth--;
    return status;
}
