/* generate.h — advancing a generation and taking its tokens; used by generate, chat and bench. */
#ifndef CLI_GENERATE_H
#define CLI_GENERATE_H

#include "text.h"

typedef struct reply {
    token_list tokens;
    char *text; /* ends in NUL */
    size_t bytes;
    brink_generate_stats stats;
} reply;

void cli_reply_free(reply *r);

/* Runs a generation to its end and fills `r`, which the caller frees in any case. Text goes to
   `stream` as it comes, if that is not NULL. Ctrl-C cancels: BRINK_CANCELLED, with the tokens
   made so far. */
brink_status cli_generate_reply(brink_session *session, const brink_generate_desc *desc,
                                FILE *stream, reply *r);

/* The same for a generation that has begun, into a reply that is empty; destroys the task. */
brink_status cli_reply_run(brink_task *task, FILE *stream, reply *r);

/* A JSON Schema, or else rules, of a file. EXIT_DONE, or the failure told. */
int cli_load_grammar(engine *e, const char *path, bool schema, brink_grammar **out);

/* ── How tokens are chosen ── */

typedef struct sampling_options {
    double temperature, top_p, min_p, repeat, presence, frequency;
    uint64_t top_k, seed;
} sampling_options;

/* Rows of an option table. */
#define SAMPLING_OPTIONS(o)                                                                        \
    {"--temperature", OPTION_NUMBER, &(o)->temperature, "T", "spread of the choice (0: greedy)"},  \
        {"--top-k", OPTION_INTEGER, &(o)->top_k, "N", "among the N likeliest (0: all)"},           \
        {"--top-p", OPTION_NUMBER, &(o)->top_p, "P", "among the likeliest that make up P (1)"},    \
        {"--min-p", OPTION_NUMBER, &(o)->min_p, "P", "at least P times the likeliest (0)"},        \
        {"--repeat-penalty", OPTION_NUMBER, &(o)->repeat, "X",                                     \
         "against what was there (1: none)"},                                                      \
        {"--presence-penalty", OPTION_NUMBER, &(o)->presence, "X",                                 \
         "off what the reply holds (0)"},                                                          \
        {"--frequency-penalty", OPTION_NUMBER, &(o)->frequency, "X", "… for each time (0)"},       \
        {"--seed", OPTION_INTEGER, &(o)->seed, "N", "of the choice: same seed, same reply (0)"}

/* False with *status where a value is out of range. */
bool cli_sampling(const command *c, const sampling_options *o, brink_sampling *out, int *status);

/* ── What a session may hold ── */

typedef struct context_options {
    uint32_t context, keep, draft_tokens;
    bool shift;
} context_options;

/* Rows of an option table. */
#define CONTEXT_OPTIONS(o)                                                                         \
    {"--context", OPTION_COUNT, &(o)->context, "N", "most tokens in all (what the model allows)"}, \
        {"--shift", OPTION_FLAG, &(o)->shift, NULL,                                                \
         "drop tokens from the middle when it is full"},                                           \
        {"--keep", OPTION_COUNT, &(o)->keep, "N", "… but never the first N (none)"},               \
        {"--draft-tokens", OPTION_COUNT, &(o)->draft_tokens, "N",                                  \
         "guess up to N (7) tokens from what the text repeats (none)"}

/* To a generation; false with *status where they contradict. */
bool cli_context(const command *c, const context_options *o, brink_generate_desc *out, int *status);

/* Says on standard error that the context was shifted, if it was. */
void cli_say_shifts(const engine *e, const brink_generate_stats *stats);

/* Tokens in a second, NAN where no time was measured. */
double cli_tokens_per_second(uint32_t tokens, uint64_t microseconds);

#endif
