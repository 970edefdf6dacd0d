/* generate_draft.c — drafts of what comes next, looked up in the text so far.

   Prompt lookup decoding (Saxena 2023): where the newest tokens stood before, what followed them there is
   guessed to follow again. The newest token and the guess go through the model as one chunk, and the logits
   behind each choose a token as they would step by step: while it is the guess, the next row holds. A reply is
   what it would be without drafts: the rows of such a chunk are those of steps bit for bit (plan_desc:
   rows_apart), and a draw depends on its place alone.

   At least three tokens have to have stood before, and one more for each draft that failed, so that a text that
   repeats nothing costs little; a draft that paid, or many steps without one, take that back. */
#include "pipelines/generate.h"

#include <string.h>

enum {
    LEAST_MATCH = 3,
    MOST_MATCH = 8,
    LEAST_RIGHT = 2,   /* tokens of a draft that pay for its chunk */
    FORGIVE_STEPS = 64 /* … without a draft, for each that failed */
};

/* Where the longest run of tokens that ends there is also the end of the text, the nearest of equals; the
   token itself is of the text, which ends in `newest`. 0: nowhere. */
static uint32_t look_up(const uint32_t *tokens, uint32_t count, uint32_t newest, uint32_t least)
{
    uint32_t best = 0, longest = least - 1;
    for (uint32_t end = count; end-- > 0 && longest < MOST_MATCH;) {
        if (tokens[end] != newest)
            continue;
        uint32_t n = 1;
        while (n < MOST_MATCH && n <= end && tokens[end - n] == tokens[count - n])
            n++;
        if (n > longest) {
            longest = n;
            best = end + 1;
        }
    }
    return best;
}

brink_status generate_draft_begin(generate_task *t)
{
    brink_session *s = t->session;
    draft *d = &t->draft;
    uint32_t left = t->capacity - t->count - 1, most = d->most < left ? d->most : left;
    if (most < LEAST_RIGHT || !s->has_pending)
        return BRINK_UNSUPPORTED;
    uint32_t least = LEAST_MATCH + d->misses;
    uint32_t from =
        look_up(s->tokens, s->length, s->pending, least < MOST_MATCH ? least : MOST_MATCH);
    if (from == 0) {
        d->quiet++;
        if (d->quiet % FORGIVE_STEPS == 0 && d->misses > 0)
            d->misses--;
        return BRINK_UNSUPPORTED;
    }
    d->ids[0] = s->pending;
    for (uint32_t i = 0; i < most;
         i++) { /* a run that reaches the end of the text goes on with itself */
        uint32_t at = from + i % (s->length + 1 - from);
        d->ids[1 + i] = at < s->length ? s->tokens[at] : s->pending;
    }
    TRY(session_draft_begin(s, d->ids, 1 + most));
    d->count = most;
    return BRINK_OK;
}

void generate_draft_learn(draft *d, uint32_t right)
{
    d->guessed += d->count;
    d->right += right;
    d->misses = right >= LEAST_RIGHT ? 0 : d->misses + 1;
    if (d->misses > MOST_MATCH - LEAST_MATCH)
        d->misses = MOST_MATCH - LEAST_MATCH;
    d->quiet = d->count = 0;
}
