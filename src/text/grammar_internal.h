/* grammar_internal.h — a grammar as nodes, and a text's readings as stacks of frames.

   Invariant: frames are interned, so two stacks are equal exactly if their tops have one index,
   and a frame never changes. Frame 0 is below every stack. */
#ifndef TEXT_GRAMMAR_INTERNAL_H
#define TEXT_GRAMMAR_INTERNAL_H

#include "text/buffer.h"
#include "text/dfa.h"
#include "text/grammar.h"

#include <string.h>

enum {
    GRAMMAR_MAX_NODES = 1 << 15,
    GRAMMAR_MAX_STACKS = 128,
    GRAMMAR_MAX_DEPTH = 256,
    GRAMMAR_MAX_DECLARED = 64,   /* properties of one object whose order is free */
    GRAMMAR_MAX_SPACE = 256,     /* white space in a row                          */
    GRAMMAR_MAX_NESTING = 1000,  /* rules entered within one another on one byte */
    GRAMMAR_BYTE_BUDGET = 20000, /* steps that one byte may take                 */
    GRAMMAR_MAX_LEAST = 1 << 20  /* what takes more bytes to complete is not begun */
};

#define GRAMMAR_ENDLESS UINT32_MAX

typedef enum rule_kind {
    RULE_NEVER,
    RULE_TERMINAL,
    RULE_STRING, /* a JSON string of `low` to `high` characters */
    RULE_OBJECT,
    RULE_ARRAY,
    RULE_CHOICE,
    RULE_SEQUENCE,
    RULE_DOCUMENT /* white space, items[0], white space */
} rule_kind;

/* Labels of `keys` (what is between the quotes): 1 to `declared` are the declared properties in
   their order, each allowed once; above are classes of other keys. */
typedef struct object_rule {
    dfa *keys;
    uint32_t declared, labels;
    uint32_t *values;   /* [labels + 1] nodes                               */
    const char **texts; /* [labels + 1] one key of the label, as it is spelled */
    uint32_t *sizes;    /* [labels + 1]                                     */
    uint64_t required;  /* bit i: label i + 1                               */
    uint32_t low, high; /* how many properties                              */
    uint64_t *reach;    /* [states of keys] declared labels ahead           */
    bool *reach_other;  /* [states of keys]                                 */
    uint16_t *calm;     /* [states of keys] dfa_calm, stirred: no other key ahead */
    uint64_t usable;    /* declared labels whose values exist               */
    bool other;         /* other keys are possible                          */
    uint32_t deepest;   /* frames that any of the values needs              */
} object_rule;

typedef struct rule {
    rule_kind kind;
    bool nullable;
    uint32_t least; /* bytes of the shortest text; GRAMMAR_ENDLESS: there is none */
    uint32_t depth; /* frames that this text needs                               */
    uint32_t low, high;
    uint32_t count, *items; /* choice, sequence, array: the first items' nodes    */
    uint32_t rest;          /* array: node of the other items; choice: the shortest */
    dfa *terminal;
    uint16_t *calm; /* [states of terminal] dfa_calm, stirred: it may end */
    object_rule *object;
    uint64_t first[4]; /* bytes it may begin with */
} rule;

typedef struct mask_cache mask_cache;

struct grammar {
    brink_context *context;
    arena memory;
    rule *rules;
    uint32_t count, capacity, root;
    uint32_t max_space;
    uint32_t largest; /* states of the largest automaton */
    dfa *any;         /* characters between the quotes of a JSON string */
    uint16_t *any_calm;
    mask_cache *cache;
};

/* What compiling needs besides; error texts begin with work.where. */
typedef struct grammar_builder {
    grammar *g;
    dfa_work work;
    char where[128];
    void *user;
    brink_status (*check)(struct grammar_builder *b); /* called once shortest texts are known */
} grammar_builder;

/* An empty grammar. On failure of what follows the caller destroys it. */
brink_status grammar_begin(brink_context *context, const char *where, grammar_builder *b);
brink_status grammar_add(grammar_builder *b, rule_kind kind, uint32_t *node);
/* Shortest texts, first bytes; drops what can never be completed. BRINK_BAD_INPUT if nothing is
   left. Frees what the builder holds in between, in any case. */
brink_status grammar_end(grammar_builder *b, brink_status status, grammar **out);
brink_status grammar_measure(grammar_builder *b);

/* Sequence and choice of regular parts. */
brink_status grammar_terminal(grammar_builder *b, dfa *d, uint32_t *node);

/* ── Stacks ── */

typedef enum phase {
    PHASE_OPEN,  /* object, array, document: before the first byte; string: inside */
    PHASE_FIRST, /* behind the opening bracket                                     */
    PHASE_KEY,   /* in a key                                                       */
    PHASE_COLON, /* behind a key; `state` is its label                             */
    PHASE_VALUE, /* behind the colon                                               */
    PHASE_AFTER, /* behind a value                                                 */
    PHASE_NEXT   /* behind a comma                                                 */
} phase;

typedef struct frame {
    uint64_t seen; /* declared properties */
    uint32_t parent, node;
    uint32_t count; /* characters, items, properties; element of a sequence */
    uint16_t state, depth;
    uint16_t space; /* white space in a row */
    uint8_t phase;
    bool others; /* an undeclared property was seen */
    uint32_t zero;
} frame;

typedef struct stacks {
    uint32_t count;
    uint32_t tops[GRAMMAR_MAX_STACKS];
} stacks;

struct grammar_state {
    grammar *g;
    frame *frames; /* [count] */
    uint32_t *slots;
    uint32_t count, capacity, slot_count;
    uint32_t budget;  /* of the present byte */
    uint32_t nesting; /* rules entered without taking it */
    bool crowded;     /* a reading was given up since the beginning */
    brink_status status;
    stacks now;
};

/* The frame's number; 0 with s->status set when there is no room. */
uint32_t state_intern(grammar_state *s, const frame *f);
/* Forgets the frames from `count` on. */
void state_forget(grammar_state *s, uint32_t count);
void stacks_add(stacks *set, uint32_t top);

/* Adds to `out` what the stack becomes by one byte. */
void state_step(grammar_state *s, uint32_t top, uint8_t byte, stacks *out);
/* The same for all of a set; `out` is emptied before. */
void state_step_all(grammar_state *s, const stacks *set, uint8_t byte, stacks *out);
bool state_can_end(const grammar_state *s, uint32_t top);

/* Labels that a key may still have, as a mask of the declared ones; *other: undeclared keys too. */
uint64_t object_allowed(const grammar_state *s, const frame *f, bool *other);

/* The frame of the object once the key is complete. */
frame object_key_done(const frame *f, uint32_t label);

static inline bool json_is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* ── The trie ── */

/* Nodes in preorder; node 0 is the root. A node's children are node + 1, end[node + 1], … up to
   end[node]. */
struct token_trie {
    brink_context *context;
    uint32_t nodes, vocabulary, longest, end_count;
    uint8_t *byte;        /* [nodes]                          */
    uint8_t *depth;       /* [nodes]                          */
    uint32_t *end;        /* [nodes] behind its last descendant */
    uint8_t *below;       /* [nodes] bytes of the longest path down                  */
    bool *plain;          /* [nodes] its descendants are plain bytes, see dfa_is_plain */
    uint32_t *plain_bits; /* [words] tokens of plain bytes alone */
    uint32_t *tokens;     /* [nodes + 1] first in `ids`       */
    uint32_t *ids;
    uint32_t *ends;   /* [end_count] */
    uint64_t *offset; /* [vocabulary + 1] in `text` */
    char *text;
    uint64_t serial; /* tells tries apart that lie at one address in turn */
};

void mask_cache_free(brink_context *context, mask_cache *cache);

#endif
