/* rewrite.h — what passes look at a resolved graph with, and change it with.

   A pass finds a few nodes that compute what one node can, and puts that node in the place of the
   last of them. Values keep their names, types and shapes, so nothing is inferred again.

   Invariant: the use index holds every read of a live node while the graph runs, and nothing else;
   a node is live as long as one of its outputs is read or is an output of the graph. Nodes are in
   an order in which each follows what it reads: new ones by rewrite_settle, which passes.c calls
   after each pass.

   Values that are followed element by element (symbolic) have no producer here: they are written
   before the run. What later segments and subgraphs read is among the graph's outputs. */
#ifndef GRAPH_REWRITE_H
#define GRAPH_REWRITE_H

#include "graph/ir.h"

typedef struct rewrite_use {
    uint32_t node, slot; /* input `slot` of the node */
    uint32_t next;       /* index + 1 of the value's next use, 0 at the end */
} rewrite_use;

typedef struct rewrite {
    ir_graph *g;
    arena work; /* until rewrite_end */
    uint32_t use_count, use_capacity;
    rewrite_use *uses;
    uint32_t value_capacity;
    uint32_t *first;   /* by value: its first use + 1, 0 if none */
    uint32_t *readers; /* by value                               */
    bool *output;      /* by value: the graph's                  */
    uint32_t settled;  /* nodes in order; those from here on are new, to stand … */
    uint32_t place_capacity;
    uint32_t *place; /* … before this node */
} rewrite;

/* Indexes the graph. Dead nodes (pass_dead_code has been run) read nothing. */
brink_status rewrite_begin(rewrite *w, ir_graph *g);

/* Puts new nodes where they belong; node indices change. */
brink_status rewrite_settle(rewrite *w);
void rewrite_end(rewrite *w);

/* ── Looking ── */

/* The node that computes a value while running; NULL for inputs, constants and what is followed.
   The pointer is good until a node is added. */
ir_node *rewrite_producer(const rewrite *w, uint32_t value);

/* The same if it is that operator. */
ir_node *rewrite_made_by(const rewrite *w, uint32_t value, op_id op);

/* Index of a node that rewrite_producer gave. */
static inline uint32_t rewrite_index(const rewrite *w, const ir_node *n)
{
    return (uint32_t)(n - w->g->nodes);
}

/* Whether exactly one input of one node reads it, and it is no output of the graph. */
bool rewrite_sole(const rewrite *w, uint32_t value);

/* The node with the only read, NULL if there is not just one. */
ir_node *rewrite_reader(const rewrite *w, uint32_t value);

/* Whether a node that stands at `at` can read the value. */
bool rewrite_available(const rewrite *w, uint32_t value, uint32_t at);

static inline const ir_value *rewrite_value(const rewrite *w, uint32_t value)
{
    return &w->g->values[value];
}

static inline bool rewrite_is_const(const rewrite *w, uint32_t value)
{
    return value != IR_NONE && w->g->values[value].kind == IR_CONST;
}

/* Input i, IR_NONE where there is none. */
static inline uint32_t rewrite_input(const ir_node *n, uint32_t i)
{
    return i < n->input_count ? n->inputs[i] : IR_NONE;
}

/* The number that a constant of one element holds, whatever its rank. */
bool rewrite_number(const rewrite *w, uint32_t value, double *out);

/* Whether a constant's elements are all the same number (an exported eps of shape [1, 1], a vector
   of twos). Looks at no more than 4,096. */
bool rewrite_uniform(const rewrite *w, uint32_t value, double *out);

/* Dimension `axis` (from the end if negative) where it is known, −1 where not. */
int64_t rewrite_dim(const rewrite *w, uint32_t value, int32_t axis);

/* Whether two values have the same shape for all running lengths. */
bool rewrite_same_shape(const rewrite *w, uint32_t x, uint32_t y);

/* Whether the value is a vector of n, but for leading dimensions of one. */
bool rewrite_is_vector(const rewrite *w, uint32_t value, int64_t n);

/* Integers from attribute `name` or else constant input `i`; false if neither is there. */
bool rewrite_ints(const rewrite *w, const ir_node *n, attr_name name, uint32_t i,
                  const int64_t **out, uint32_t *count);

/* Whether a reduction is over the last axis only, which it keeps. */
bool rewrite_reduces_last(const rewrite *w, const ir_node *n);

/* ── Changing ── */

typedef struct rewrite_node {
    op_id op;
    const uint32_t *inputs, *outputs; /* IR_NONE where left out */
    uint32_t input_count, output_count;
    const onnx_attr *attrs; /* copied; lists of numbers too */
    uint32_t attr_count;
} rewrite_node;

/* Makes node `at` this one, under the name it has. It takes its outputs over from whoever computed
   them; of what then has no reader the nodes die. All inputs must be available at `at`. */
brink_status rewrite_replace(rewrite *w, uint32_t at, const rewrite_node *n);

/* Adds a node before node `at`, named like it. Node pointers move. */
brink_status rewrite_insert(rewrite *w, uint32_t at, const rewrite_node *n);

/* Input `slot` of a node reads `value` instead. */
void rewrite_set_input(rewrite *w, uint32_t node, uint32_t slot, uint32_t value);

/* All readers of `from` read `to` instead; `from` is no output of the graph. */
void rewrite_redirect(rewrite *w, uint32_t from, uint32_t to);

/* A value to be computed, with the type of `like`. IR_NONE when out of memory. */
uint32_t rewrite_temp(rewrite *w, uint32_t like, uint32_t rank, const expr *dims);

/* A constant whose elements are to be written; *data has room for them. */
uint32_t rewrite_constant(rewrite *w, brink_type type, uint32_t rank, const int64_t *dims,
                          void **data);

/* ── Matching ──

   A pattern is text, as one would write the formula:

       Mul(Mul(x,Add(Erf(Div(x,1.41421)),1)),0.5)

   NAME(…) is what that operator of ONNX makes; the first inputs are compared, Add and Mul (and Max,
   Min, And, Or) in either order. A small letter is any value, the same one wherever it stands;
   x=NAME(…) names a value that is made; a capital is a constant; $e is a constant of one number, and
   a number is that number, to half precision. ~ lets casts between floating types lie before what
   follows; [a|b] is either.

   Invariant: a match holds only if nothing outside of it reads what is made inside, the root
   excepted, and casts, which are computed for others all the same. */
enum { MATCH_NODES = 40 };

typedef struct rewrite_match {
    double number[32];           /* of $letter */
    uint32_t value[64];          /* by letter, IR_NONE where not bound */
    uint32_t nodes[MATCH_NODES]; /* the root first */
    uint32_t node_count;
    signed char trail[MATCH_NODES]; /* letters in the order in which they were bound, $ negative */
    uint32_t trail_count;
} rewrite_match;

static inline uint32_t rewrite_bound(const rewrite_match *m, char letter)
{
    return m->value[letter - 'A'];
}

static inline double rewrite_bound_number(const rewrite_match *m, char letter)
{
    return m->number[letter - 'a'];
}

/* Whether `value` is what the pattern says. */
bool rewrite_matches(const rewrite *w, uint32_t value, const char *pattern, rewrite_match *m);

/* The first of the patterns (NULL ends them) that the output of node `at` is, −1 if none. */
int rewrite_match_any(const rewrite *w, uint32_t at, const char *const *patterns, rewrite_match *m);

#endif
