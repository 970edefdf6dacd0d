/* generate_text.c — the reply's text: where it stops, and how much of it may be shown.

   Invariant: piece_ends[i] is how much of the text is shown once token i was taken; it never falls, and no
   part of a stop text is below it. */
#include "pipelines/generate.h"
#include "text/buffer.h"

#include <string.h>

static brink_status append_text(generate_task *t, const char *piece, uint64_t bytes)
{
    if (t->text_bytes + bytes + 1 > t->text_capacity) {
        uint64_t capacity = (t->text_bytes + bytes + 1) * 2;
        char *text = core_realloc(t->base.context, t->text, capacity);
        if (text == NULL)
            return BRINK_OUT_OF_MEMORY;
        t->text = text;
        t->text_capacity = capacity;
    }
    memcpy(t->text + t->text_bytes, piece, (size_t)bytes);
    t->text_bytes += bytes;
    t->text[t->text_bytes] = 0;
    return BRINK_OK;
}

brink_status generate_begin_text(generate_task *t)
{
    return append_text(t, "", 0);
}

/* Looks for a stop text that ends in what was appended from `from` on. */
static bool find_stop(generate_task *t, uint64_t from)
{
    for (uint32_t i = 0; i < t->stop_count; i++) {
        uint64_t n = strlen(t->stop[i]);
        if (n == 0 || n > t->text_bytes)
            continue;
        uint64_t start = from >= n ? from - n + 1 : 0;
        for (uint64_t at = start; at + n <= t->text_bytes; at++)
            if (memcmp(t->text + at, t->stop[i], (size_t)n) == 0 && at < t->stop_at)
                t->stop_at = at;
    }
    return t->stop_at != UINT64_MAX;
}

/* How much of the text may be shown: a beginning of a stop text is held back. */
static uint64_t showable(const generate_task *t)
{
    if (t->stop_at != UINT64_MAX)
        return t->stop_at;
    uint64_t hold = 0;
    for (uint32_t i = 0; i < t->stop_count && t->finish == BRINK_FINISH_NONE; i++) {
        uint64_t n = strlen(t->stop[i]);
        for (uint64_t k = n < t->text_bytes ? n : t->text_bytes; k > hold; k--)
            if (memcmp(t->text + t->text_bytes - k, t->stop[i], (size_t)k) == 0)
                hold = k;
    }
    return t->text_bytes - hold;
}

brink_status generate_end(generate_task *t, brink_finish finish)
{
    t->finish = finish;
    if (t->stream != NULL) {
        const char *piece;
        uint64_t bytes;
        TRY(decode_stream_finish(t->stream, &piece, &bytes));
        TRY(append_text(t, piece, bytes));
    }
    if (t->count != 0)
        t->piece_ends[t->count - 1] = showable(t);
    return BRINK_OK;
}

brink_status generate_note(generate_task *t, uint32_t token, bool *stopped)
{
    uint64_t before = t->text_bytes;
    t->losses = 0;
    t->last = core_now();
    if (t->first == 0)
        t->first = t->last;
    if (t->stream != NULL) {
        const char *piece;
        uint64_t bytes;
        TRY(decode_stream_push(t->stream, token, &piece, &bytes));
        TRY(append_text(t, piece, bytes));
    }
    TRY(array_grow(t->base.context, (void **)&t->tokens, &t->token_room, t->count + 1ull,
                   sizeof *t->tokens));
    TRY(array_grow(t->base.context, (void **)&t->piece_ends, &t->end_room, t->count + 1ull,
                   sizeof *t->piece_ends));
    t->tokens[t->count++] = token;
    TRY(sampler_see(t->sampler, token, true));
    *stopped = find_stop(t, before);
    t->piece_ends[t->count - 1] = showable(t);
    return BRINK_OK;
}
