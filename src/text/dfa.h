/* dfa.h — deterministic automata over bytes: what a grammar's terminals are made of.

   A language is described as an NFA (Thompson 1968) or as a step function over small structs, and
   becomes a table by the subset construction or by exploring. Tables are combined by products
   (Rabin, Scott 1959).

   Invariant: state 0 is dead, 1 is the start, and from every other state an accepting one can be
   reached, so a walk that is not dead can be finished. An empty language has no live state. */
#ifndef TEXT_DFA_H
#define TEXT_DFA_H

#include "core/arena.h"

enum { DFA_DEAD = 0, DFA_START = 1, DFA_MAX_STATES = 40000, DFA_MAX_STEPS = 100000000 };

typedef struct dfa {
    uint8_t class_of[256];
    uint32_t classes, states;
    uint16_t *next;  /* [states, classes]                                       */
    uint16_t *label; /* [states] 0: does not accept                             */
    uint16_t *near;  /* [states] bytes to the nearest accepting state           */
    bool *final;     /* [states] accepts, and nothing follows                   */
} dfa;

static inline uint16_t dfa_step(const dfa *d, uint32_t state, uint8_t byte)
{
    return d->next[state * d->classes + d->class_of[byte]];
}
/* ASCII that JSON strings hold as it is: most of most vocabularies. */
static inline bool dfa_is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}
static inline bool dfa_empty(const dfa *d)
{
    return d->states < 2;
}

/* What compiling shares: the error's first words, a budget of steps, memory for what is in between. */
typedef struct dfa_work {
    brink_context *context;
    const char *where;
    uint64_t steps; /* taken so far */
    arena scratch;
} dfa_work;

/* Counts steps; BRINK_UNSUPPORTED when there were too many. */
brink_status dfa_spend(dfa_work *work, uint64_t steps);

/* ── From a step function ── */

enum { DFA_SOURCE_BYTES = 64 };

typedef struct dfa_source {
    const void *user;
    const void *start; /* `size` bytes, padding zeroed; at most DFA_SOURCE_BYTES */
    uint32_t size;
    const uint8_t *class_of; /* [256] bytes of one class step alike; NULL: each is its own */
    bool (*step)(const void *user, const void *state, uint8_t byte, void *next); /* zeroed `next` */
    uint16_t (*label)(const void *user, const void *state);
} dfa_source;

brink_status dfa_explore(dfa_work *work, const dfa_source *source, arena *memory, dfa **out);

/* ── Products ── */

enum { DFA_MAX_PARTS = 14 };

typedef uint16_t (*dfa_join)(void *user, const uint16_t *labels); /* [parts] → label */

/* Walks all parts side by side. A state is given up once a part in `needed` is dead. */
brink_status dfa_product(dfa_work *work, const dfa *const *parts, uint32_t count, uint32_t needed,
                         dfa_join join, void *user, arena *memory, dfa **out);
brink_status dfa_intersect(dfa_work *work, const dfa *a, const dfa *b, arena *memory, dfa **out);
/* What is in a and not in b; what is in either. */
brink_status dfa_subtract(dfa_work *work, const dfa *a, const dfa *b, arena *memory, dfa **out);
brink_status dfa_unite(dfa_work *work, const dfa *a, const dfa *b, arena *memory, dfa **out);

/* The same automaton with other labels: `map` [labels]. */
brink_status dfa_relabel(dfa_work *work, const dfa *d, const uint16_t *map, arena *memory,
                         dfa **out);

/* Appends to text the shortest bytes from `state` to a state of that label (0: any); false if there
   are none or more than `room`. The memory has room for d->states; the rest is zero at first. */
typedef struct dfa_search {
    uint16_t *from;  /* [states] */
    uint8_t *byte;   /* [states] */
    uint16_t *queue; /* [states] */
    const dfa *d;    /* the walk so far: */
    uint32_t state, head, tail;
} dfa_search;
bool dfa_path(const dfa *d, dfa_search *search, uint32_t state, uint16_t label, uint8_t *text,
              uint32_t room, uint32_t *length);

/* For each state how many plain bytes lead, at the least, to a dead or a stirred one; 0 for those,
   UINT16_MAX where none do. `stirred` and *out are [states]. */
brink_status dfa_calm(dfa_work *work, const dfa *d, const bool *stirred, arena *memory,
                      uint16_t **out);

/* ── From an NFA ── */

typedef enum edge_kind { EDGE_BYTES, EDGE_EMPTY, EDGE_AT_START, EDGE_AT_END } edge_kind;

typedef struct nfa_edge {
    uint32_t to, next; /* next edge of the same state, UINT32_MAX: none */
    uint8_t kind, low, high;
} nfa_edge;

typedef struct nfa {
    dfa_work *work;
    nfa_edge *edges;
    uint32_t *first; /* [states] */
    uint16_t *label; /* [states] */
    uint32_t states, edge_count, edge_capacity, state_capacity, label_capacity;
} nfa;

enum { NFA_MAX_STATES = 1 << 20 };

void nfa_init(nfa *n, dfa_work *work);
void nfa_free(nfa *n);
brink_status nfa_state(nfa *n, uint32_t *out);
brink_status nfa_edge_add(nfa *n, uint32_t from, uint32_t to, edge_kind kind, uint8_t low,
                          uint8_t high);
brink_status nfa_bytes(nfa *n, uint32_t from, uint32_t to, uint8_t low, uint8_t high);
brink_status nfa_empty(nfa *n, uint32_t from, uint32_t to);

/* Copies an automaton in: its start joined to `from`, its accepting states to `to`, or labelled
   `label` where that is not 0. */
brink_status nfa_import(nfa *n, const dfa *d, uint32_t from, uint32_t to, uint16_t label);

/* The lowest label wins where several accept. */
brink_status nfa_compile(nfa *n, uint32_t start, arena *memory, dfa **out);

#endif
