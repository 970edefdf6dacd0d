/* embed_text.h — the tokens of many texts, each cut to a maximum, one behind the other.

   Invariant: the tokens of text i are ids[starts[i], starts[i + 1]), for i below `texts`. */
#ifndef PIPELINES_EMBED_TEXT_H
#define PIPELINES_EMBED_TEXT_H

#include "pipelines/encoder.h"
#include "text/buffer.h"

typedef struct text_tokens {
    brink_model *model;
    const encoder_settings *settings;
    uint32_t before_count, behind_count; /* special tokens around each text */
    uint32_t before[16], behind[16];
    uint32_t skip; /* tokens at the front that are not pooled */
    uint32_t texts, truncated;
    uint64_t *starts; /* [room for all + 1] */
    uint32_t *ids;
    uint64_t capacity; /* of ids */
    buffer work, clean;
} text_tokens;

/* Room for `texts`. `settings` must stay. To be freed whatever it answers. */
brink_status text_tokens_begin(text_tokens *t, brink_model *m, const encoder_settings *settings,
                               uint32_t texts);
brink_status text_tokens_add(text_tokens *t, const char *text, uint64_t bytes);
void text_tokens_free(text_tokens *t);

static inline uint32_t text_tokens_count(const text_tokens *t, uint32_t text)
{
    return (uint32_t)(t->starts[text + 1] - t->starts[text]);
}

#endif
