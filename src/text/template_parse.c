/* template_parse.c — statements of a template, by recursive descent of bounded depth. Expressions are
   in template_expression.c. */
#include "text/template_parser.h"

bool at_operator(const parser *p, const char *text)
{
    const token *k = &p->tokens[p->at];
    return k->kind == TOKEN_OPERATOR && strcmp(k->text, text) == 0;
}

bool at_name(const parser *p, const char *text)
{
    const token *k = &p->tokens[p->at];
    return k->kind == TOKEN_NAME && string_is((string){k->text, k->size}, text);
}

bool take_operator(parser *p, const char *text)
{
    bool there = at_operator(p, text);
    p->at += there;
    return there;
}

bool take_name(parser *p, const char *text)
{
    bool there = at_name(p, text);
    p->at += there;
    return there;
}

brink_status parse_fail(parser *p, brink_status status, const char *what)
{
    return template_fail(p->t->context, p->t->name, p->tokens[p->at].line, status, "%s", what);
}

brink_status expect_operator(parser *p, const char *text)
{
    if (take_operator(p, text))
        return BRINK_OK;
    return template_fail(p->t->context, p->t->name, p->tokens[p->at].line, BRINK_BAD_INPUT,
                         "\"%s\" expected", text);
}

brink_status parse_identifier(parser *p, string *out)
{
    const token *k = &p->tokens[p->at];
    if (k->kind != TOKEN_NAME)
        return parse_fail(p, BRINK_BAD_INPUT, "a name expected");
    *out = (string){k->text, k->size};
    p->at++;
    return BRINK_OK;
}

brink_status new_ast(parser *p, ast_kind kind, ast **out)
{
    *out = ARENA_NEW(&p->t->memory, ast);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    (*out)->kind = kind;
    (*out)->line = p->tokens[p->at].line;
    return BRINK_OK;
}

brink_status deeper(parser *p)
{
    return ++p->depth > TEMPLATE_MAX_DEPTH ? parse_fail(p, BRINK_UNSUPPORTED, "nested too deeply")
                                           : BRINK_OK;
}

static brink_status close_tag(parser *p)
{
    if (p->tokens[p->at].kind != TOKEN_CLOSE)
        return parse_fail(p, BRINK_BAD_INPUT, "the tag should end here");
    p->at++;
    return BRINK_OK;
}

static brink_status parse_statement(parser *p, ast **out);

/* Whether a tag with one of the names (separated by blanks) comes. */
static bool at_end_tag(const parser *p, const char *names)
{
    if (p->tokens[p->at].kind != TOKEN_OPEN || p->tokens[p->at + 1].kind != TOKEN_NAME)
        return false;
    const token *k = &p->tokens[p->at + 1];
    for (const char *n = names; *n != 0;) {
        size_t size = strcspn(n, " ");
        if (size == k->size && memcmp(n, k->text, size) == 0)
            return true;
        n += size + (n[size] == ' ');
    }
    return false;
}

/* Statements up to a tag of `ends`, whose "{%" is taken; the whole source where `ends` is "". */
static brink_status parse_body(parser *p, const char *ends, ast **first)
{
    ast **tail = first;
    TRY(deeper(p));
    while (!at_end_tag(p, ends)) {
        if (p->tokens[p->at].kind == TOKEN_END) {
            if (*ends == 0)
                break;
            return template_fail(p->t->context, p->t->name, p->tokens[p->at].line, BRINK_BAD_INPUT,
                                 "a tag %s is missing", ends);
        }
        TRY(parse_statement(p, tail));
        if (*tail != NULL)
            tail = &(*tail)->next;
    }
    p->at += *ends != 0;
    p->depth--;
    return BRINK_OK;
}

/* Behind "if" or "elif". */
static brink_status parse_if(parser *p, ast **out)
{
    ast *node;
    TRY(deeper(p));
    TRY(new_ast(p, AST_IF, &node));
    TRY(parse_tuple(p, false, &node->a));
    TRY(close_tag(p));
    TRY(parse_body(p, "elif else endif", &node->child));
    if (take_name(p, "elif")) {
        TRY(parse_if(p, &node->b));
    } else if (take_name(p, "else")) {
        TRY(new_ast(p, AST_BLOCK, &node->b));
        TRY(close_tag(p));
        TRY(parse_body(p, "endif", &node->b->child));
        p->at++;
        TRY(close_tag(p));
    } else {
        p->at++;
        TRY(close_tag(p));
    }
    *out = node;
    p->depth--;
    return BRINK_OK;
}

/* "a", "a, b" or "(a, b)". */
static brink_status parse_targets(parser *p, ast *node)
{
    string names[TEMPLATE_MAX_ARGUMENTS];
    bool around = take_operator(p, "(");
    do {
        if (node->name_count == TEMPLATE_MAX_ARGUMENTS)
            return parse_fail(p, BRINK_UNSUPPORTED, "this many targets are not supported");
        TRY(parse_identifier(p, &names[node->name_count++]));
    } while (take_operator(p, ",") && p->tokens[p->at].kind == TOKEN_NAME && !at_name(p, "in"));
    if (around)
        TRY(expect_operator(p, ")"));
    node->names = ARENA_ARRAY(&p->t->memory, string, node->name_count);
    if (node->names == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(node->names, names, node->name_count * sizeof *names);
    return BRINK_OK;
}

static brink_status parse_for(parser *p, ast **out)
{
    ast *node;
    TRY(new_ast(p, AST_FOR, &node));
    TRY(parse_targets(p, node));
    if (!take_name(p, "in"))
        return parse_fail(p, BRINK_BAD_INPUT, "\"in\" expected");
    TRY(parse_tuple(p, false, &node->b));
    if (take_name(p, "if"))
        TRY(parse_expression(p, &node->c));
    node->recursive = take_name(p, "recursive");
    TRY(close_tag(p));
    p->loops++;
    TRY(parse_body(p, "else endfor", &node->child));
    p->loops--;
    if (take_name(p, "else")) {
        TRY(new_ast(p, AST_BLOCK, &node->d));
        TRY(close_tag(p));
        TRY(parse_body(p, "endfor", &node->d->child));
    }
    p->at++;
    *out = node;
    return close_tag(p);
}

static brink_status parse_set(parser *p, ast **out)
{
    ast *node;
    TRY(new_ast(p, AST_SET, &node));
    TRY(parse_targets(p, node));
    if (node->name_count == 1 && take_operator(p, "."))
        TRY(parse_identifier(p, &node->attribute));
    if (take_operator(p, "=")) {
        TRY(parse_tuple(p, true, &node->a));
        *out = node;
        return close_tag(p);
    }
    if (at_operator(p, "|"))
        TRY(parse_filters(p, NULL, &node->b));
    TRY(close_tag(p));
    TRY(parse_body(p, "endset", &node->child));
    p->at++;
    *out = node;
    return close_tag(p);
}

static brink_status parse_macro(parser *p, ast **out)
{
    ast *node, **tail;
    string names[TEMPLATE_MAX_ARGUMENTS];
    TRY(new_ast(p, AST_MACRO, &node));
    TRY(parse_identifier(p, &node->text));
    TRY(expect_operator(p, "("));
    TRY(new_ast(p, AST_LIST, &node->b)); /* defaults, AST_KEYWORD with a NULL where there is none */
    tail = &node->b->child;
    while (!take_operator(p, ")")) {
        if (node->name_count == TEMPLATE_MAX_ARGUMENTS)
            return parse_fail(p, BRINK_UNSUPPORTED, "this many parameters are not supported");
        TRY(parse_identifier(p, &names[node->name_count++]));
        TRY(new_ast(p, AST_KEYWORD, tail));
        if (take_operator(p, "="))
            TRY(parse_expression(p, &(*tail)->a));
        tail = &(*tail)->next;
        if (!at_operator(p, ")"))
            TRY(expect_operator(p, ","));
    }
    node->names = ARENA_ARRAY(&p->t->memory, string, node->name_count + 1u);
    if (node->names == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(node->names, names, node->name_count * sizeof *names);
    TRY(close_tag(p));
    TRY(parse_body(p, "endmacro", &node->child));
    p->at++;
    *out = node;
    return close_tag(p);
}

static brink_status parse_tag(parser *p, ast **out)
{
    const token *name = &p->tokens[p->at];
    if (take_name(p, "if"))
        return parse_if(p, out);
    if (take_name(p, "for"))
        return parse_for(p, out);
    if (take_name(p, "set"))
        return parse_set(p, out);
    if (take_name(p, "macro"))
        return parse_macro(p, out);
    if (take_name(p, "generation")) { /* marks the assistant's text for training */
        TRY(new_ast(p, AST_BLOCK, out));
        TRY(close_tag(p));
        TRY(parse_body(p, "endgeneration", &(*out)->child));
        p->at++;
        return close_tag(p);
    }
    if (take_name(p, "filter")) {
        TRY(new_ast(p, AST_FILTER_BLOCK, out));
        p->at--; /* parse_filters expects what stands before a name */
        TRY(parse_filters(p, NULL, &(*out)->b));
        TRY(close_tag(p));
        TRY(parse_body(p, "endfilter", &(*out)->child));
        p->at++;
        return close_tag(p);
    }
    if (at_name(p, "break") || at_name(p, "continue")) {
        if (p->loops == 0)
            return parse_fail(p, BRINK_BAD_INPUT, "a loop control outside of a loop");
        TRY(new_ast(p, at_name(p, "break") ? AST_BREAK : AST_CONTINUE, out));
        p->at++;
        return close_tag(p);
    }
    if (take_name(p, "do")) {
        TRY(new_ast(p, AST_BLOCK, out));
        TRY(parse_expression(p, &(*out)->a));
        return close_tag(p);
    }
    static const char *const others[] = {"block", "extends", "include",    "import", "from",
                                         "call",  "with",    "autoescape", "trans"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (at_name(p, others[i]))
            return template_fail(p->t->context, p->t->name, name->line, BRINK_UNSUPPORTED,
                                 "tag \"%s\" is not supported", others[i]);
    return template_fail(p->t->context, p->t->name, name->line, BRINK_BAD_INPUT,
                         "unknown tag \"%.*s\"", (int)(name->size < 40 ? name->size : 40),
                         name->kind == TOKEN_NAME ? name->text : "");
}

static brink_status parse_statement(parser *p, ast **out)
{
    const token *k = &p->tokens[p->at];
    *out = NULL;
    if (k->kind == TOKEN_DATA) {
        TRY(new_ast(p, AST_DATA, out));
        (*out)->text = (string){k->text, k->size};
        p->at++;
        return BRINK_OK;
    }
    if (k->kind == TOKEN_OPEN_PRINT) {
        TRY(new_ast(p, AST_PRINT, out));
        p->at++;
        TRY(parse_tuple(p, true, &(*out)->a));
        if (p->tokens[p->at].kind != TOKEN_CLOSE_PRINT)
            return parse_fail(p, BRINK_BAD_INPUT, "}} expected");
        p->at++;
        return BRINK_OK;
    }
    p->at++; /* TOKEN_OPEN: the lexer gives nothing else here */
    return parse_tag(p, out);
}

brink_status template_parse(chat_template *t, const token_list *tokens, ast **out)
{
    parser p = {.t = t, .tokens = tokens->at};
    return parse_body(&p, "", out);
}
