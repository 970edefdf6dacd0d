/* template_expression.c — expressions, loosest first: choice, or, and, not, comparison, sum, ~,
   product, power, sign, primary with its postfixes, filters and tests. */
#include "text/template_parser.h"

static brink_status parse_or(parser *p, ast **out);
static brink_status parse_unary(parser *p, bool filters, ast **out);

static brink_status make(parser *p, ast_kind kind, operator_kind op, ast *a, ast *b, ast **out)
{
    ast *node;
    TRY(new_ast(p, kind, &node));
    node->op = op;
    node->a = a;
    node->b = b;
    *out = node;
    return BRINK_OK;
}

static brink_status constant(parser *p, value v, ast **out)
{
    TRY(new_ast(p, AST_CONSTANT, out));
    (*out)->constant = v;
    return BRINK_OK;
}

brink_status parse_expression(parser *p, ast **out)
{
    TRY(deeper(p));
    TRY(parse_or(p, out));
    while (take_name(p, "if")) {
        ast *node;
        TRY(new_ast(p, AST_CHOICE, &node));
        node->a = *out;
        TRY(parse_or(p, &node->b));
        if (take_name(p, "else"))
            TRY(parse_expression(p, &node->c));
        *out = node;
    }
    p->depth--;
    return BRINK_OK;
}

static bool at_tuple_end(const parser *p)
{
    token_kind kind = p->tokens[p->at].kind;
    return kind == TOKEN_CLOSE || kind == TOKEN_CLOSE_PRINT || kind == TOKEN_END ||
           at_operator(p, ")") || at_name(p, "in");
}

brink_status parse_tuple(parser *p, bool choice, ast **out)
{
    ast *first, **tail, *node;
    TRY(choice ? parse_expression(p, &first) : parse_or(p, &first));
    *out = first;
    if (!at_operator(p, ","))
        return BRINK_OK;
    TRY(new_ast(p, AST_LIST, &node));
    node->negated = true; /* a tuple */
    node->child = first;
    tail = &first->next;
    while (take_operator(p, ",") && !at_tuple_end(p)) {
        TRY(choice ? parse_expression(p, tail) : parse_or(p, tail));
        tail = &(*tail)->next;
    }
    *out = node;
    return BRINK_OK;
}

static brink_status parse_not(parser *p, ast **out);

static brink_status parse_and(parser *p, ast **out)
{
    TRY(parse_not(p, out));
    while (take_name(p, "and")) {
        ast *right;
        TRY(parse_not(p, &right));
        TRY(make(p, AST_BINARY, OPERATOR_AND, *out, right, out));
    }
    return BRINK_OK;
}

static brink_status parse_or(parser *p, ast **out)
{
    TRY(deeper(p));
    TRY(parse_and(p, out));
    while (take_name(p, "or")) {
        ast *right;
        TRY(parse_and(p, &right));
        TRY(make(p, AST_BINARY, OPERATOR_OR, *out, right, out));
    }
    p->depth--;
    return BRINK_OK;
}

static brink_status parse_pow(parser *p, ast **out)
{
    TRY(parse_unary(p, true, out));
    while (take_operator(p, "**")) {
        ast *right;
        TRY(parse_unary(p, true, &right));
        TRY(make(p, AST_BINARY, OPERATOR_POWER, *out, right, out));
    }
    return BRINK_OK;
}

static const struct {
    const char *text;
    operator_kind op;
} products[] = {{"*", OPERATOR_MULTIPLY},
                {"/", OPERATOR_DIVIDE},
                {"//", OPERATOR_FLOOR_DIVIDE},
                {"%", OPERATOR_MODULO}},
  sums[] = {{"+", OPERATOR_ADD}, {"-", OPERATOR_SUBTRACT}},
  comparisons[] = {{"==", OPERATOR_EQUAL},      {"!=", OPERATOR_NOT_EQUAL},
                   {"<=", OPERATOR_LESS_EQUAL}, {">=", OPERATOR_GREATER_EQUAL},
                   {"<", OPERATOR_LESS},        {">", OPERATOR_GREATER}};

static brink_status parse_product(parser *p, ast **out)
{
    TRY(parse_pow(p, out));
    for (size_t i = 0; i < 4;) {
        if (!take_operator(p, products[i].text)) {
            i++;
            continue;
        }
        ast *right;
        TRY(parse_pow(p, &right));
        TRY(make(p, AST_BINARY, products[i].op, *out, right, out));
        i = 0;
    }
    return BRINK_OK;
}

static brink_status parse_concatenation(parser *p, ast **out)
{
    TRY(parse_product(p, out));
    while (take_operator(p, "~")) {
        ast *right;
        TRY(parse_product(p, &right));
        TRY(make(p, AST_BINARY, OPERATOR_CONCATENATE, *out, right, out));
    }
    return BRINK_OK;
}

static brink_status parse_sum(parser *p, ast **out)
{
    TRY(parse_concatenation(p, out));
    for (size_t i = 0; i < 2;) {
        if (!take_operator(p, sums[i].text)) {
            i++;
            continue;
        }
        ast *right;
        TRY(parse_concatenation(p, &right));
        TRY(make(p, AST_BINARY, sums[i].op, *out, right, out));
        i = 0;
    }
    return BRINK_OK;
}

static bool take_comparison(parser *p, operator_kind *op)
{
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++)
        if (take_operator(p, comparisons[i].text)) {
            *op = comparisons[i].op;
            return true;
        }
    if (take_name(p, "in")) {
        *op = OPERATOR_IN;
        return true;
    }
    if (at_name(p, "not")) {
        p->at++;
        if (take_name(p, "in")) {
            *op = OPERATOR_NOT_IN;
            return true;
        }
        p->at--;
    }
    return false;
}

/* a < b < c means a < b and b < c. */
static brink_status parse_comparison(parser *p, ast **out)
{
    ast *left, *all = NULL, *right, *one;
    operator_kind op;
    TRY(parse_sum(p, &left));
    while (take_comparison(p, &op)) {
        TRY(parse_sum(p, &right));
        TRY(make(p, AST_BINARY, op, left, right, &one));
        if (all != NULL)
            TRY(make(p, AST_BINARY, OPERATOR_AND, all, one, &all));
        else
            all = one;
        left = right;
    }
    *out = all != NULL ? all : left;
    return BRINK_OK;
}

static brink_status parse_not(parser *p, ast **out)
{
    if (!take_name(p, "not"))
        return parse_comparison(p, out);
    ast *inner;
    TRY(deeper(p));
    TRY(parse_not(p, &inner));
    p->depth--;
    return make(p, AST_UNARY, OPERATOR_NOT, inner, NULL, out);
}

/* Behind "(": arguments up to ")". */
static brink_status parse_arguments(parser *p, ast **tail)
{
    while (!take_operator(p, ")")) {
        const token *k = &p->tokens[p->at];
        if (at_operator(p, "*") || at_operator(p, "**"))
            return parse_fail(p, BRINK_UNSUPPORTED, "* in a call is not supported");
        bool keyword =
            k->kind == TOKEN_NAME && k[1].kind == TOKEN_OPERATOR && strcmp(k[1].text, "=") == 0;
        if (keyword) {
            TRY(new_ast(p, AST_KEYWORD, tail));
            (*tail)->text = (string){k->text, k->size};
            p->at += 2;
            TRY(parse_expression(p, &(*tail)->a));
        } else {
            TRY(parse_expression(p, tail));
        }
        tail = &(*tail)->next;
        if (!at_operator(p, ")"))
            TRY(expect_operator(p, ","));
    }
    return BRINK_OK;
}

/* Behind "[". */
static brink_status parse_subscript(parser *p, ast *of, ast **out)
{
    ast *parts[3] = {NULL, NULL, NULL}, *node;
    int colons = 0;
    while (!take_operator(p, "]")) {
        if (take_operator(p, ":")) {
            if (++colons > 2)
                return parse_fail(p, BRINK_BAD_INPUT, "a slice has at most three parts");
        } else if (parts[colons] != NULL) {
            return parse_fail(p, BRINK_BAD_INPUT, "] expected");
        } else {
            TRY(parse_expression(p, &parts[colons]));
        }
    }
    if (colons == 0 && parts[0] == NULL)
        return parse_fail(p, BRINK_BAD_INPUT, "an index expected");
    TRY(new_ast(p, colons ? AST_SLICE : AST_INDEX, &node));
    node->a = of;
    node->b = parts[0];
    node->c = parts[1];
    node->d = parts[2];
    *out = node;
    return BRINK_OK;
}

static brink_status parse_postfix(parser *p, ast **out)
{
    for (;;) {
        ast *node;
        if (take_operator(p, ".")) {
            const token *k = &p->tokens[p->at];
            if (k->kind == TOKEN_INTEGER) {
                ast *index;
                TRY(constant(p, value_integer(k->integer), &index));
                TRY(make(p, AST_INDEX, OPERATOR_ADD, *out, index, out));
                p->at++;
                continue;
            }
            TRY(new_ast(p, AST_ATTRIBUTE, &node));
            TRY(parse_identifier(p, &node->text));
            node->a = *out;
            *out = node;
        } else if (take_operator(p, "[")) {
            TRY(parse_subscript(p, *out, out));
        } else if (take_operator(p, "(")) {
            TRY(new_ast(p, AST_CALL, &node));
            node->a = *out;
            TRY(parse_arguments(p, &node->child));
            *out = node;
        } else {
            return BRINK_OK;
        }
    }
}

static brink_status parse_list(parser *p, ast **out)
{
    ast *node, **tail;
    TRY(new_ast(p, AST_LIST, &node));
    tail = &node->child;
    while (!take_operator(p, "]")) {
        TRY(parse_expression(p, tail));
        tail = &(*tail)->next;
        if (!at_operator(p, "]"))
            TRY(expect_operator(p, ","));
    }
    *out = node;
    return BRINK_OK;
}

static brink_status parse_dict(parser *p, ast **out)
{
    ast *node, **tail;
    TRY(new_ast(p, AST_DICT, &node));
    tail = &node->child;
    while (!take_operator(p, "}")) {
        TRY(parse_expression(p, tail));
        tail = &(*tail)->next;
        TRY(expect_operator(p, ":"));
        TRY(parse_expression(p, tail));
        tail = &(*tail)->next;
        if (!at_operator(p, "}"))
            TRY(expect_operator(p, ","));
    }
    *out = node;
    return BRINK_OK;
}

/* Strings side by side are one. */
static brink_status parse_strings(parser *p, ast **out)
{
    const token *k = &p->tokens[p->at];
    uint64_t size = 0;
    uint32_t n = 0;
    for (; k[n].kind == TOKEN_STRING; n++)
        size += k[n].size;
    char *text = arena_alloc(&p->t->memory, size + 1);
    if (text == NULL)
        return BRINK_OUT_OF_MEMORY;
    value v = {.kind = VALUE_STRING, .s = {text, (uint32_t)size}};
    for (uint32_t i = 0; i < n; i++) {
        memcpy(text, k[i].text, k[i].size);
        text += k[i].size;
    }
    p->at += n;
    return constant(p, v, out);
}

static brink_status parse_primary(parser *p, ast **out)
{
    const token *k = &p->tokens[p->at];
    switch (k->kind) {
    case TOKEN_STRING:
        return parse_strings(p, out);
    case TOKEN_INTEGER:
        p->at++;
        return constant(p, value_integer(k->integer), out);
    case TOKEN_FLOAT:
        p->at++;
        return constant(p, value_float(k->number), out);
    case TOKEN_NAME:
        if (take_name(p, "true") || take_name(p, "True"))
            return constant(p, value_bool(true), out);
        if (take_name(p, "false") || take_name(p, "False"))
            return constant(p, value_bool(false), out);
        if (take_name(p, "none") || take_name(p, "None"))
            return constant(p, value_none(), out);
        TRY(new_ast(p, AST_NAME, out));
        return parse_identifier(p, &(*out)->text);
    case TOKEN_OPERATOR:
        if (take_operator(p, "[")) {
            return parse_list(p, out);
        } else if (take_operator(p, "{")) {
            return parse_dict(p, out);
        } else if (take_operator(p, "(")) {
            if (take_operator(p, ")")) {
                TRY(new_ast(p, AST_LIST, out));
                (*out)->negated = true;
                return BRINK_OK;
            }
            TRY(parse_tuple(p, true, out));
            return expect_operator(p, ")");
        }
        break;
    default:
        break;
    }
    return parse_fail(p, BRINK_BAD_INPUT, "an expression expected");
}

/* Behind "is". */
static brink_status parse_test(parser *p, ast *of, ast **out)
{
    ast *node;
    bool negated = take_name(p, "not");
    TRY(new_ast(p, AST_TEST, &node));
    node->a = of;
    node->negated = negated;
    TRY(parse_identifier(p, &node->text));
    const token *k = &p->tokens[p->at];
    bool argument_ = k->kind == TOKEN_STRING || k->kind == TOKEN_INTEGER ||
                     k->kind == TOKEN_FLOAT || at_operator(p, "[") || at_operator(p, "{") ||
                     (k->kind == TOKEN_NAME && !at_name(p, "else") && !at_name(p, "or") &&
                      !at_name(p, "and") && !at_name(p, "if") && !at_name(p, "is") &&
                      !at_name(p, "not") && !at_name(p, "in") && !at_name(p, "recursive"));
    if (take_operator(p, "(")) {
        TRY(parse_arguments(p, &node->child));
    } else if (argument_) {
        TRY(parse_primary(p, &node->child));
        TRY(parse_postfix(p, &node->child));
    }
    *out = node;
    return BRINK_OK;
}

brink_status parse_filters(parser *p, ast *of, ast **out)
{
    ast *node = of;
    bool block = of == NULL;
    for (;;) {
        if (at_operator(p, "|") || (block && node == NULL)) {
            ast *filter;
            p->at++;
            TRY(new_ast(p, AST_FILTER, &filter));
            TRY(parse_identifier(p, &filter->text));
            if (take_operator(p, "("))
                TRY(parse_arguments(p, &filter->child));
            filter->a = node;
            node = filter;
        } else if (!block && take_name(p, "is")) {
            TRY(parse_test(p, node, &node));
        } else if (!block && take_operator(p, "(")) {
            ast *call;
            TRY(new_ast(p, AST_CALL, &call));
            call->a = node;
            TRY(parse_arguments(p, &call->child));
            node = call;
        } else {
            *out = node;
            return BRINK_OK;
        }
    }
}

static brink_status parse_unary(parser *p, bool filters, ast **out)
{
    bool minus = at_operator(p, "-");
    if (minus || at_operator(p, "+")) {
        ast *inner;
        TRY(deeper(p));
        p->at++;
        TRY(parse_unary(p, false, &inner));
        p->depth--;
        TRY(make(p, AST_UNARY, minus ? OPERATOR_NEGATE : OPERATOR_PLUS, inner, NULL, out));
        TRY(parse_postfix(p, out));
    } else {
        TRY(parse_primary(p, out));
        TRY(parse_postfix(p, out));
    }
    return filters ? parse_filters(p, *out, out) : BRINK_OK;
}
