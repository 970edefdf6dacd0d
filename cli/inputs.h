/* inputs.h — a graph's inputs from files (--input NAME=FILE), shapes (--shape NAME=1x128) and, for
   the rest, random values. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "engine.h"
#include "tensors.h"

/* --shape, checked against the model. An input's name binds its whole shape, and with it the
   symbolic dimensions it declares; a symbolic dimension's name binds that. */
typedef struct bindings {
    brink_dim *dims; /* names lent from argv's copies below */
    char **names;
    uint32_t count;
} bindings;

/* EXIT_DONE, or the failure told. */
int cli_bindings_parse(const command *c, const engine *e, const text_list *arguments,
                       bindings *out);
void cli_bindings_free(bindings *b);

/* The shape of an input under the bindings. A free dimension is 1, one whose name begins with
   "past" 0; "a + b" is the sum, and "total_sequence_length" that of past_ and sequence_length.
   False where the graph does not give the rank. */
bool cli_bindings_shape(const bindings *b, const engine *e, const brink_value_info *input,
                        int64_t shape[BRINK_MAX_RANK], uint32_t *rank);

typedef struct input_set {
    held_tensor *held;
    brink_tensor *views; /* of `held`, named */
    bool *random;        /* made here, not read */
    uint32_t count;
} input_set;

/* `make_random`: what no file gives is made from `seed`. EXIT_DONE, or the failure told. */
int cli_inputs_collect(const command *c, const engine *e, const text_list *arguments,
                       const bindings *b, bool make_random, uint64_t seed, input_set *out);
void cli_inputs_free(const engine *e, input_set *set);

/* One run from begin to end; *out is the finished task (NULL on failure). */
brink_status cli_inputs_run(const engine *e, const input_set *set, bool profile, brink_task **out);

#endif
