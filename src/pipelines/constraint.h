/* constraint.h — what a grammar leaves a generation to choose from, and where it stands.

   Invariant: the text so far can be completed by as many tokens as are left. A token that would break this is
   not taken; the shortest completion is written instead. */
#ifndef PIPELINES_CONSTRAINT_H
#define PIPELINES_CONSTRAINT_H

#include "pipelines/model.h"
#include "text/grammar.h"

struct brink_grammar {
    brink_model *model;
    grammar *grammar;
};

typedef struct constraint constraint;

/* Tokens that follow at once, without a step of the model. */
typedef struct token_run {
    uint32_t *ids;
    uint32_t count, capacity;
} token_run;

/* BRINK_INVALID_ARGUMENT where even the shortest text needs more than `most` tokens. */
brink_status constraint_create(const brink_grammar *g, uint32_t most, constraint **out);
void constraint_destroy(constraint *c);

/* The tokens that may come next: a bit each, for `vocabulary` of them. Lent until the next call, and may
   be narrowed. */
brink_status constraint_mask(constraint *c, uint32_t vocabulary, uint32_t **allowed);

/* Moves behind `token`, of which `left` may follow. To `run`: the token and what has to follow it or, where
   the token would leave too few, the shortest completion. *ended: the text is complete then;
   *cut: it was completed for want of tokens. */
brink_status constraint_take(constraint *c, uint32_t token, uint32_t left, token_run *run,
                             bool *ended, bool *cut);

#endif
