/* serve_generate.h — a chat or text completion: what was asked, and how far it is.

   A job makes prompt_count * n choices, one after the other in one slot, so that the choices of a prompt
   share its computed tokens. */
#ifndef CLI_SERVE_GENERATE_H
#define CLI_SERVE_GENERATE_H

#include "serve.h"

enum { MOST_TOP_LOGPROBS = 20, MOST_STOPS = 16, MOST_CHOICES = 128 };

/* The fields of a request as they are; −1 and NULL: not given. */
typedef struct generation_fields {
    const char *model;
    yyjson_val *messages, *prompt, *stream_options, *logit_bias, *stop, *response_format;
    bool stream, logprobs, include_usage;
    int64_t max_tokens, max_completion_tokens, top_k, seed, n, best_of, top_logprobs, text_logprobs;
    double temperature, top_p, min_p, repetition_penalty, frequency_penalty, presence_penalty;
} generation_fields;

typedef struct generation {
    job base;
    bool chat; /* else a text completion */
    yyjson_doc *doc;
    generation_fields fields;
    char *id;
    int64_t created;
    token_list *prompts; /* [prompt_count] */
    uint32_t prompt_count, choices;
    bool logprobs;         /* wanted, … */
    uint32_t top_logprobs; /* … and of so many likeliest */
    const char *stop[MOST_STOPS];
    brink_generate_desc how; /* but for the tokens */
    brink_logit_bias *bias;
    brink_grammar *grammar;

    uint32_t choice; /* the one that is being made */
    bool again;      /* it is begun for the second time, as there was no room */
    token_cache *cache;
    uint32_t kept; /* tokens of its prompt that were there */
    brink_task *task;
    uint64_t prompt_tokens, reply_tokens, cached_tokens;

    output reply;                 /* not streamed: the object, … */
    yyjson_mut_val *made;         /* … its choices, … */
    yyjson_mut_val *logprob_list; /* … and this one's */
    uint64_t text_offset;         /* of this choice, in code points */
    char *text;                   /* of this choice */
    size_t bytes;
} generation;

/* ── serve_prompt.c: what goes in. All return false with the job's error ── */

bool prompt_of_chat(generation *g);
bool prompt_of_completion(generation *g);
bool prompt_stops(generation *g);
bool prompt_bias(generation *g);
bool prompt_grammar(generation *g);

/* ── serve_reply.c: what goes out ── */

void reply_begin(generation *g);
void reply_choice_begin(generation *g);

/* A token of the choice; the task's logits are those that decided it. */
void reply_token(generation *g, uint32_t id, const char *text);
void reply_choice_end(generation *g, brink_finish finish);
void reply_end(generation *g);

#endif
