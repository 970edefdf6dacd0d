/* template_parser.h — what the two halves of the parser share. */
#ifndef TEXT_TEMPLATE_PARSER_H
#define TEXT_TEMPLATE_PARSER_H

#include "text/template_internal.h"

typedef struct parser {
    chat_template *t;
    const token *tokens; /* the last is TOKEN_END */
    uint32_t at, depth, loops;
} parser;

bool at_operator(const parser *p, const char *text);
bool at_name(const parser *p, const char *text);
bool take_operator(parser *p, const char *text);
bool take_name(parser *p, const char *text);
brink_status expect_operator(parser *p, const char *text);
brink_status parse_identifier(parser *p, string *out);
brink_status parse_fail(parser *p, brink_status status, const char *what);
brink_status new_ast(parser *p, ast_kind kind, ast **out);
brink_status deeper(parser *p); /* the caller takes p->depth back */

brink_status parse_expression(parser *p, ast **out);

/* Expressions with commas between make a tuple; `choice`: "x if y else z" may stand there. */
brink_status parse_tuple(parser *p, bool choice, ast **out);

/* Filters and tests behind `of`, which is NULL in a block. */
brink_status parse_filters(parser *p, ast *of, ast **out);

#endif
