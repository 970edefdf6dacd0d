/* regex_internal.h — a pattern as tree, as character sets and as program. */
#ifndef TEXT_REGEX_INTERNAL_H
#define TEXT_REGEX_INTERNAL_H

#include "text/buffer.h"
#include "text/regex.h"

typedef enum set_item_kind {
    ITEM_RANGE,
    ITEM_CATEGORY,
    ITEM_SPACE,
    ITEM_WORD,
    ITEM_SET
} set_item_kind;

typedef struct set_item {
    uint8_t kind;
    bool negated;
    uint32_t low, high; /* range; or mask of categories, or index of a set, in `low` */
} set_item;

enum { SET_RECENT = 128 };

typedef struct char_set {
    uint64_t ascii[2]; /* the answer for code points below 128                    */
    uint32_t
        recent[SET_RECENT]; /* by code point % SET_RECENT: twice the one that was asked for last,
                                    plus the answer; 0: none */
    set_item *items;
    uint32_t count, capacity;
    bool negated, fold;
} char_set;

typedef enum node_kind {
    NODE_SET,
    NODE_SEQUENCE, /* of no children: matches nothing, always */
    NODE_CHOICE,
    NODE_REPEAT,
    NODE_AHEAD, /* `negated`: must not follow */
    NODE_ATOMIC,
    NODE_ASSERT
} node_kind;

typedef enum repeat_mode { REPEAT_GREEDY, REPEAT_LAZY, REPEAT_POSSESSIVE } repeat_mode;

typedef enum assert_kind {
    ASSERT_LINE_START,
    ASSERT_LINE_END,
    ASSERT_TEXT_START,
    ASSERT_TEXT_END,
    ASSERT_LAST_LINE_END,
    ASSERT_WORD_EDGE,
    ASSERT_NO_WORD_EDGE
} assert_kind;

enum { REPEAT_ENDLESS = 0x7FFFFFFF, REGEX_MAX_PROGRAM = 1 << 16, REGEX_MAX_DEPTH = 64 };

typedef struct node node;
struct node {
    node_kind kind;
    node *child, *next; /* first child; next sibling */
    uint32_t set;
    uint32_t least, most;
    repeat_mode mode;
    assert_kind assertion;
    bool negated;
};

typedef enum op {
    OP_SET,    /* one character of set `a`                                                  */
    OP_LOOP,   /* `least` to `most` characters of set `a`                                   */
    OP_CHOICE, /* tries `a`, then `b`; `first` says which next bytes allow either           */
    OP_JUMP,   /* to `a`                                                                    */
    OP_AHEAD,  /* the program up to OP_DONE must (not) match here; goes on at `a`           */
    OP_ATOMIC, /* the same, and moves behind its match                                      */
    OP_ASSERT,
    OP_DONE
} op;

typedef struct instruction {
    uint8_t op, mode;
    bool negated;
    uint32_t a, b, least, most;
    uint32_t first; /* index of a pair in `firsts`, or UINT32_MAX */
} instruction;

typedef struct first_set {
    uint64_t ascii[2];
    bool always; /* may match without taking a character */
} first_set;

typedef struct backtrack {
    uint32_t pc, position;
    uint32_t bound; /* loops: the position not to go below, or repeats left */
    uint32_t kind;
} backtrack;

struct regex {
    brink_context *context;
    arena memory; /* items of the sets */
    char_set *sets;
    uint32_t set_count, set_capacity;
    instruction *program;
    uint32_t length, capacity;
    first_set *firsts;
    uint32_t first_count, first_capacity;
    backtrack *stack;
    uint32_t stack_size, stack_capacity;
    uint64_t steps; /* left */
    brink_status status;
    const char *where;
    char *pattern;
};

/* \w as Oniguruma has it. */
bool regex_is_word(uint32_t code);

bool char_set_holds(const regex *r, const char_set *set, uint32_t code);

/* The tree of r->pattern in `nodes`. */
brink_status regex_parse(regex *r, arena *nodes, uint32_t bytes, node **out);

#endif
