/* template_internal.h — a template as tokens, as tree, and as values while it runs. */
#ifndef TEXT_TEMPLATE_INTERNAL_H
#define TEXT_TEMPLATE_INTERNAL_H

#include "core/arena.h"
#include "text/buffer.h"
#include "text/template.h"

enum {
    TEMPLATE_MAX_SOURCE = 1 << 20,
    TEMPLATE_MAX_DEPTH = 100,        /* nesting of expressions and of statements */
    TEMPLATE_MAX_CALLS = 64,         /* nesting of macros                        */
    TEMPLATE_MAX_EVALUATIONS = 600,  /* nesting of both while it runs            */
    TEMPLATE_MAX_STEPS = 5000000,    /* statements and operations run            */
    TEMPLATE_MAX_OUTPUT = 16 << 20,  /* bytes                                    */
    TEMPLATE_MAX_MEMORY = 128 << 20, /* bytes of values in one rendering         */
    TEMPLATE_MAX_ARGUMENTS = 16
};

/* ── Tokens ── */

typedef enum token_kind {
    TOKEN_END,
    TOKEN_DATA, /* text outside of tags */
    TOKEN_OPEN, /* {%                   */
    TOKEN_CLOSE,
    TOKEN_OPEN_PRINT, /* {{ */
    TOKEN_CLOSE_PRINT,
    TOKEN_NAME,
    TOKEN_STRING, /* escapes resolved */
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_OPERATOR
} token_kind;

typedef struct token {
    token_kind kind;
    uint32_t line;
    const char *text;
    uint32_t size;
    int64_t integer;
    double number;
} token;

typedef struct token_list {
    token *at;
    uint32_t count, capacity;
} token_list;

/* ── Tree ── */

typedef enum ast_kind {
    /* expressions */
    AST_CONSTANT,
    AST_NAME,
    AST_LIST,      /* children                                        */
    AST_DICT,      /* children: key, value, key, value …              */
    AST_ATTRIBUTE, /* a.text                                          */
    AST_INDEX,     /* a[b]                                            */
    AST_SLICE,     /* a[b:c:d], each may be NULL                      */
    AST_CALL,      /* a(children), keywords carry `text`              */
    AST_FILTER,    /* a | text(children); a NULL in a filter block    */
    AST_TEST,      /* a is text(children)                             */
    AST_UNARY,     /* operator a                                      */
    AST_BINARY,    /* a operator b                                    */
    AST_CHOICE,    /* a if b else c                                   */
    AST_KEYWORD,   /* text=a, in calls                                */
    /* statements */
    AST_DATA,
    AST_PRINT,
    AST_IF,  /* a: condition; children; b: else branch (AST_BLOCK or AST_IF)         */
    AST_FOR, /* names in b if c; children; d: else branch                            */
    AST_SET, /* names = a; or a NULL and children (a filter in b); target: text.name */
    AST_MACRO,
    AST_FILTER_BLOCK,
    AST_BLOCK,
    AST_BREAK,
    AST_CONTINUE
} ast_kind;

typedef enum operator_kind {
    OPERATOR_ADD,
    OPERATOR_SUBTRACT,
    OPERATOR_MULTIPLY,
    OPERATOR_DIVIDE,
    OPERATOR_FLOOR_DIVIDE,
    OPERATOR_MODULO,
    OPERATOR_POWER,
    OPERATOR_CONCATENATE,
    OPERATOR_EQUAL,
    OPERATOR_NOT_EQUAL,
    OPERATOR_LESS,
    OPERATOR_LESS_EQUAL,
    OPERATOR_GREATER,
    OPERATOR_GREATER_EQUAL,
    OPERATOR_IN,
    OPERATOR_NOT_IN,
    OPERATOR_AND,
    OPERATOR_OR,
    OPERATOR_NOT,
    OPERATOR_NEGATE,
    OPERATOR_PLUS
} operator_kind;

typedef struct value value;
typedef struct ast ast;

/* ── Values: like Python's, immutable but for namespaces ── */

typedef enum value_kind {
    VALUE_UNDEFINED,
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INTEGER,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_TUPLE,
    VALUE_DICT,
    VALUE_NAMESPACE,
    VALUE_MACRO,
    VALUE_LOOP,
    VALUE_FUNCTION, /* raise_exception, range, namespace, dict, strftime_now */
    VALUE_METHOD    /* a string's or dict's, bound to it                     */
} value_kind;

typedef struct string {
    const char *text;
    uint32_t size;
} string;

typedef struct list {
    value *at;
    uint32_t count, capacity;
} list;

typedef struct dict {
    value *keys, *values;
    uint32_t count, capacity;
} dict;

struct value {
    value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        string s;    /* a string; an undefined value's name; a function's */
        list *items; /* list and tuple */
        dict *members;
        struct macro *macro;
        struct loop *loop;
        struct method *method;
    };
};

typedef struct method {
    value self;
    string name;
} method;

typedef struct loop {
    list *items;
    uint32_t index, depth;
    value last_changed; /* arguments of the last loop.changed() */
    const ast *body;    /* of a recursive loop; NULL otherwise   */
} loop;

struct ast {
    ast_kind kind;
    uint32_t line;
    ast *a, *b, *c, *d;
    ast *child, *next;
    operator_kind op;
    string text, attribute; /* attribute: of `set ns.x` */
    value constant;
    string *names; /* targets of for and set, parameters of a macro (defaults: children of b) */
    uint32_t name_count;
    bool negated, recursive;
};

typedef struct scope scope;
struct scope {
    scope *parent;
    dict variables;
};

typedef struct macro {
    const ast *definition;
    scope *closure;
} macro;

struct chat_template {
    brink_context *context;
    arena memory;
    char *name;
    ast *body;
};

typedef enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE } flow;

/* One rendering. */
typedef struct renderer {
    brink_context *context;
    const chat_template *source;
    arena memory;
    uint64_t used, steps;
    uint32_t depth, calls, line;
    buffer *out;
    scope *scope;
} renderer;

/* "name: line 3: …" with the status given. */
brink_status template_fail(brink_context *context, const char *name, uint32_t line,
                           brink_status status, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

brink_status template_lex(chat_template *t, const char *source, uint32_t size, token_list *out);
brink_status template_parse(chat_template *t, const token_list *tokens, ast **out);

/* ── template_value.c ── */

#define FAIL(r, ...)                                                                               \
    template_fail((r)->context, (r)->source->name, (r)->line, BRINK_BAD_INPUT, __VA_ARGS__)

void *render_alloc(renderer *r, uint64_t size); /* NULL: fails with the memory limit or no room */
static inline brink_status render_failed(const renderer *r)
{
    return r->used > TEMPLATE_MAX_MEMORY ? BRINK_BAD_INPUT : BRINK_OUT_OF_MEMORY;
}
brink_status render_string(renderer *r, const char *text, uint64_t size, value *out);
brink_status buffer_to_string(renderer *r, buffer *b, value *out); /* frees the buffer */

value value_none(void);
value value_bool(bool b);
value value_integer(int64_t i);
value value_float(double d);
value value_text(const char *text); /* not copied */
value value_undefined(string name);

brink_status list_new(renderer *r, value_kind kind, value *out);
brink_status list_add(renderer *r, list *l, value one);
brink_status dict_new(renderer *r, value_kind kind, value *out);
brink_status dict_set(renderer *r, dict *d, value key, value one);
const value *dict_find(const dict *d, string key);
const value *dict_find_value(const dict *d, const value *key);

bool string_is(string s, const char *text);
bool value_truth(const value *v);
bool value_equal(const value *a, const value *b, uint32_t depth);
/* −1, 0, 1; fails where Python has no order. */
brink_status value_compare(renderer *r, const value *a, const value *b, int *out);
const char *value_type(const value *v);
bool value_number(const value *v, double *out);

/* What {{ v }} prints, Python's repr() of it, and JSON; the last two nest. */
brink_status value_print(renderer *r, const value *v, buffer *out);
brink_status value_repr(renderer *r, const value *v, buffer *out, uint32_t depth);
brink_status value_json(renderer *r, const value *v, buffer *out, int indent, uint32_t depth,
                        bool sort_keys, string item_separator, string key_separator);
brink_status value_from_json(renderer *r, const yyjson_val *json, value *out, uint32_t depth);
void format_float(double d, char *out, size_t size);

/* The items of an iterable, as a list. */
brink_status value_items(renderer *r, const value *v, list **out);

/* ── template_eval.c ── */

typedef struct arguments {
    value at[TEMPLATE_MAX_ARGUMENTS];
    string names[TEMPLATE_MAX_ARGUMENTS]; /* of keywords; text NULL: by position */
    uint32_t count;
} arguments;

/* Argument `position`, or the keyword `name`; NULL if it was not given. */
const value *argument(const arguments *args, uint32_t position, const char *name);

brink_status eval(renderer *r, const ast *node, value *out);
brink_status call_value(renderer *r, const value *callee, const arguments *args, value *out);
brink_status render_block(renderer *r, const ast *first, flow *out);
brink_status get_attribute(renderer *r, const value *object, string name, value *out);
brink_status get_item(renderer *r, const value *object, const value *key, value *out);
brink_status binary_operator(renderer *r, operator_kind op, const value *a, const value *b,
                             value *out);
brink_status unary_operator(renderer *r, operator_kind op, const value *a, value *out);
brink_status undefined_use(renderer *r, const value *v); /* fails */
brink_status contains(renderer *r, const value *container, const value *item, bool *out);
brink_status call_macro(renderer *r, const macro *m, const arguments *args, value *out);
brink_status loop_again(renderer *r, const loop *l, const value *items, value *out);

brink_status apply_filter(renderer *r, string name, const value *v, const arguments *args,
                          value *out);
brink_status apply_test(renderer *r, string name, const value *v, const arguments *args, bool *out);
brink_status call_method(renderer *r, const method *m, const arguments *args, value *out);
typedef brink_status filter_fn(renderer *r, const value *v, const arguments *args, value *out);
filter_fn filter_list, filter_items, filter_lower, filter_select, filter_reject, filter_selectattr,
    filter_rejectattr, filter_map, filter_sort, filter_dictsort, filter_unique, filter_min,
    filter_max, filter_sum;

bool has_method(const value *v, string name);

#endif
