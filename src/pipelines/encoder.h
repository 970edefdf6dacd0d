/* encoder.h — a graph that turns tokens into vectors, and what the files beside it say of that.

   The files are those of sentence-transformers: modules.json lists the steps, 1_Pooling/config.json
   (or what modules.json names) the pooling, sentence_bert_config.json the maximum length,
   config_sentence_transformers.json the prompts. Any of them may be missing. */
#ifndef PIPELINES_ENCODER_H
#define PIPELINES_ENCODER_H

#include "pipelines/model.h"

/* Fills m->encoder from the graph alone: token inputs and no others, so no key-value cache. */
void encoder_find(brink_model *m);

/* Takes the name of the pooling's file from modules.json; BRINK_BAD_INPUT where it has no such form. */
brink_status encoder_read_modules(brink_model *m);

/* How one call embeds. */
typedef struct encoder_settings {
    uint32_t output; /* of the graph */
    bool pooled;     /* which holds a vector a text already */
    brink_pooling pooling;
    bool normalize;
    bool skip_prefix; /* the prefix's tokens, and special ones before them, are not pooled */
    bool lower_case;  /* before the tokenizer */
    const char *prefix;
    uint32_t longest;                  /* tokens of a text that the model takes */
    uint32_t max_tokens;               /* of a text in this call                */
    uint32_t pad;                      /* id */
    uint32_t width;                    /* of a vector as declared, 0: not said  */
    uint32_t fixed_rows, fixed_tokens; /* where the graph fixes its shape, else 0 */
} encoder_settings;

/* From the files and the caller's choices. Prefix and files are lent. */
brink_status encoder_configure(brink_model *m, const brink_embed_desc *desc, encoder_settings *out);

#endif
