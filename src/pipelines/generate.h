/* generate.h — a generation as its parts see it: the prompt (generate_prompt.c), the text of the reply
   (generate_text.c), drafts (generate_draft.c), and what brings them forward (generate.c). */
#ifndef PIPELINES_GENERATE_H
#define PIPELINES_GENERATE_H

#include "pipelines/constraint.h"
#include "pipelines/session.h"
#include "pipelines/task.h"
#include "text/sampler.h"

/* Tokens that may follow the newest one, guessed from what came before. */
typedef struct draft {
    uint32_t most;                          /* tokens of one; 0: none are made              */
    uint32_t count;                         /* of the one that is being verified, 0: none   */
    uint32_t ids[1 + SESSION_DRAFT_TOKENS]; /* the newest token, and the draft behind it    */
    uint32_t misses, quiet;                 /* failed in a row; steps since without a draft */
    uint32_t guessed, right;                /* tokens                                       */
} draft;

typedef struct generate_task {
    brink_task base;
    brink_session *session;
    uint32_t prompt_count;
    token_run feed; /* tokens for the model, in chunks: the prompt, later what a grammar added */
    uint32_t fed;
    uint32_t *tokens, count, token_room;
    uint32_t capacity;    /* most tokens of the reply */
    uint32_t taken;       /* by brink_generate_next */
    uint32_t step_tokens; /* of the step in progress; and whether its token was the pending one */
    bool step_pending;
    uint32_t losses; /* since the newest token */
    uint32_t max_tokens;
    uint32_t cached, prefill; /* of the prompt's tokens: in the session already; computed */
    bool shift;
    uint32_t keep, shifts, dropped; /* see generate_prompt.c */
    draft draft;
    bool ahead; /* the newest token's logits stayed on the GPU */
    bool ignore_end, keep_logits, profile, stepping, primed;
    sampler *sampler;
    constraint *constraint; /* NULL: none */
    brink_finish ending;    /* how it ends, once all but the last of `feed` is in the cache */
    brink_token_rule rule;
    void *rule_user;
    uint32_t *allowed; /* [vocabulary / 32 + 1], with a rule and no grammar */
    char **stop;
    uint32_t stop_count;
    decode_stream *stream;
    char *text; /* reply so far, where stop texts are looked for */
    uint64_t text_bytes, text_capacity;
    uint64_t *piece_ends; /* text_bytes after each token */
    uint32_t end_room;
    char *shown;                 /* piece lent to the caller */
    uint64_t begun, first, last; /* nanoseconds */
    uint64_t stop_at;            /* the text is cut here, UINT64_MAX: not */
    brink_finish finish;
} generate_task;

/* Copies what is asked for, and makes of the session and the prompt what is to be computed. */
brink_status generate_prime(generate_task *t, const brink_generate_desc *desc);

/* Room in the context for `count` tokens more: shifts, where that is asked for. BRINK_PENDING while what is
   left is computed anew: session_restore goes on with it. */
brink_status generate_make_room(generate_task *t, uint32_t count, uint64_t deadline);

/* An empty reply, which ends in NUL. */
brink_status generate_begin_text(generate_task *t);

/* The reply is over. */
brink_status generate_end(generate_task *t, brink_finish finish);

/* A token of the reply, and whether its text completes a stop text. */
brink_status generate_note(generate_task *t, uint32_t token, bool *stopped);

/* Begins to verify a draft behind the pending token; BRINK_UNSUPPORTED, with nothing done: there is none. */
brink_status generate_draft_begin(generate_task *t);

/* Of the draft so many tokens were right. */
void generate_draft_learn(draft *d, uint32_t right);

#endif
