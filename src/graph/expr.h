/* expr.h — integers known now or once a step's running lengths are: dimensions, slice ends, masks.

   An expression is an index into a table of nodes. Equal expressions have equal indices: sums are
   kept as one sorted linear combination of atoms plus a constant, everything else is hash-consed,
   so (past + 7) − past is the constant 7. Each node carries bounds that hold for all values of its
   symbols; they decide comparisons early and give buffers their capacity.

   Invariant: a node's operands have smaller indices, so one pass in order evaluates them all. */
#ifndef GRAPH_EXPR_H
#define GRAPH_EXPR_H

#include "core/arena.h"

typedef int32_t expr;

enum { EXPR_NONE = -1 };

typedef enum expr_kind {
    EXPR_CONST,
    EXPR_SYMBOL,
    EXPR_LINEAR, /* constant + sum of coefficient * atom */
    EXPR_MUL,
    EXPR_DIV, /* rounds toward zero, as ONNX Div does on integers */
    EXPR_MOD, /* sign of the divisor, as ONNX Mod with fmod = 0   */
    EXPR_MIN,
    EXPR_MAX,
    EXPR_EQUAL, /* 0 or 1 */
    EXPR_LESS,  /* 0 or 1 */
    EXPR_SELECT /* a != 0 ? b : c */
} expr_kind;

typedef struct expr_term {
    expr atom;
    int64_t coefficient;
} expr_term;

typedef struct expr_node {
    expr_kind kind;
    expr a, b, c;
    uint32_t term_count;
    const expr_term *terms;
    int64_t value; /* of a constant, or a linear form's constant; a symbol's index */
    int64_t low, high;
} expr_node;

typedef struct expr_table {
    arena *arena;
    expr_node *nodes;
    uint32_t count, capacity;
    expr *hash; /* open addressing, hash_size a power of two */
    uint32_t hash_size;
    uint32_t symbol_count;
    bool failed;  /* out of memory or overflow: every later expression is EXPR_NONE */
    bool no_room; /* it was memory */
} expr_table;

brink_status expr_table_init(expr_table *t, arena *a);

expr expr_const(expr_table *t, int64_t value);

/* A new running value between low and high; its index is the number of symbols before it. */
expr expr_symbol(expr_table *t, int64_t low, int64_t high);
expr expr_add(expr_table *t, expr a, expr b);
expr expr_sub(expr_table *t, expr a, expr b);
expr expr_mul(expr_table *t, expr a, expr b);
expr expr_div(expr_table *t, expr a, expr b);
expr expr_mod(expr_table *t, expr a, expr b);
expr expr_min(expr_table *t, expr a, expr b);
expr expr_max(expr_table *t, expr a, expr b);
expr expr_equal(expr_table *t, expr a, expr b);
expr expr_less(expr_table *t, expr a, expr b);
expr expr_select(expr_table *t, expr condition, expr yes, expr no);

/* True when the expression has one value for all symbols. */
bool expr_known(const expr_table *t, expr e, int64_t *value);
int64_t expr_low(const expr_table *t, expr e);
int64_t expr_high(const expr_table *t, expr e);

/* Computes every expression for these symbol values into values[count]. */
void expr_evaluate(const expr_table *t, const int64_t *symbols, int64_t *values);

#endif
