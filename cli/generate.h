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

/* Tokens in a second, NAN where no time was measured. */
double cli_tokens_per_second(uint32_t tokens, uint64_t microseconds);

#endif
