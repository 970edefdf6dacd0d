/* notation.h — the plain notation of grammars as a tree. */
#ifndef TEXT_NOTATION_H
#define TEXT_NOTATION_H

#include "text/grammar_internal.h"
#include "text/spelling.h"

typedef enum term_kind {
    TERM_TEXT,
    TERM_CLASS,
    TERM_RULE,
    TERM_SEQUENCE,
    TERM_CHOICE,
    TERM_REPEAT
} term_kind;

typedef struct term term;
struct term {
    term_kind kind;
    bool regular; /* needs no stack            */
    bool nullable;
    uint32_t rule; /* TERM_RULE                 */
    uint32_t low, high;
    term *child, *next; /* first child; next sibling */
    const char *text;   /* TERM_TEXT, UTF-8          */
    uint32_t size;
    const char_range *ranges; /* [size] TERM_CLASS, sorted */
};

typedef struct named_rule {
    const char *name;
    uint32_t name_size;
    term *body;    /* NULL: only referred to so far */
    uint32_t node; /* in the grammar, where it needs a stack */
    bool regular, nullable;
    uint8_t visit; /* while looking for left recursion: 1 open, 2 done */
} named_rule;

enum {
    NOTATION_RULES = 1024,
    NOTATION_DEPTH = 64,
    NOTATION_REPEAT = 1000,
    NOTATION_BYTES = 1 << 20
};

typedef struct notation {
    grammar_builder *b;
    const char *text;
    uint32_t size, at, depth;
    named_rule rules[NOTATION_RULES];
    uint32_t count;
} notation;

/* Reads all rules; every rule that is referred to has a body. */
brink_status notation_parse(notation *n);

#endif
