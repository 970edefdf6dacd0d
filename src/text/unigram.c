/* unigram.c — the most probable cutting of a text into known pieces (Kudo 2018, "Subword
   Regularization", section 3.1; Viterbi's algorithm).

   best[i] is the best way to cut text[0, i): its score, its last piece and where that starts. A
   trie walked from every character gives the pieces there, so that the time is the text's length
   times the longest piece's. A character that is no piece itself may be unknown, at the lowest score
   less a penalty; unknown neighbours become one token. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define UNKNOWN_PENALTY 10.0

/* ── Reading ── */

static double power_of_ten(int exponent)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char text[16];
    if (exponent < (int)(sizeof exact / sizeof *exact))
        return exact[exponent];
    snprintf(text, sizeof text, "1e%d", exponent);
    return strtod(text, NULL);
}

/* A score as the library reads it: all digits as one integer, rounded, over a power of ten, rounded.
   That is off by a bit where the nearest double is not, and a bit decides between two cuttings whose
   pieces are the same in another order. The digits are the shortest that give the double, as every
   writer of such files has them. */
static double read_score(yyjson_val *json)
{
    char room[512];
    yyjson_alc pool;
    size_t size;
    if (!yyjson_is_real(json) || !yyjson_alc_pool_init(&pool, room, sizeof room))
        return yyjson_get_num(json);
    const char *text = yyjson_val_write_opts(json, YYJSON_WRITE_NOFLAG, &pool, &size, NULL);
    if (text == NULL) /* infinite, or no number */
        return yyjson_get_num(json);
    uint64_t digits = 0;
    int exponent = 0;
    bool fraction = false;
    const char *c = text + (text[0] == '-');
    for (; (*c >= '0' && *c <= '9') || *c == '.'; c++) {
        fraction |= *c == '.';
        if (*c == '.')
            continue;
        digits = digits * 10 + (uint64_t)(*c - '0');
        exponent -= fraction;
    }
    if (*c == 'e' || *c == 'E')
        exponent += (int)strtol(c + 1, NULL, 10);
    double score = (double)digits;
    if (exponent < -308) {
        score /= 1e308;
        exponent += 308;
    }
    score = exponent < 0 ? score / power_of_ten(-exponent) : score * power_of_ten(exponent);
    return text[0] == '-' ? -score : score;
}

static brink_status bad_piece(tokenizer *t, size_t id, const char *reason)
{
    return core_fail(t->context, BRINK_BAD_INPUT, "%s: vocabulary: piece %llu %s", t->file,
                     (unsigned long long)id, reason);
}

/* [["piece", score], …]: the place in the list is the id; of equal pieces the last one counts. */
static brink_status read_pieces(tokenizer *t, yyjson_val *list)
{
    yyjson_val *one;
    size_t i, n;
    yyjson_arr_foreach(list, i, n, one)
    {
        yyjson_val *text = yyjson_arr_get(one, 0), *score = yyjson_arr_get(one, 1);
        if (yyjson_arr_size(one) != 2 || !yyjson_is_str(text) || !yyjson_is_num(score))
            return bad_piece(t, i, "is not a pair of text and score");
        t->scores[i] = read_score(score);
        if (!isfinite(t->scores[i]))
            return bad_piece(t, i, "has a score that is not finite");
        if (t->scores[i] < t->unknown_score || i == 0)
            t->unknown_score = t->scores[i];
        TRY(vocab_add(&t->vocabulary, yyjson_get_str(text), (uint32_t)yyjson_get_len(text),
                      (uint32_t)i));
    }
    t->unknown_score -= UNKNOWN_PENALTY;
    return trie_create(&t->trie, &t->vocabulary);
}

brink_status unigram_read(tokenizer *t, yyjson_val *json)
{
    yyjson_val *list = json_get(json, "vocab"), *unknown = json_get(json, "unk_id"), *one;
    size_t count = yyjson_arr_size(list), i, n;
    uint64_t bytes = 0;
    t->model = MODEL_UNIGRAM;
    t->byte_fallback = json_bool(json, "byte_fallback", false);
    if (!yyjson_is_arr(list))
        return tokenizer_malformed(t, "model has no vocabulary");
    if (count > 1u << 27)
        return tokenizer_malformed(t, "the vocabulary is too large");
    if (unknown != NULL && (!yyjson_is_uint(unknown) || yyjson_get_uint(unknown) >= count))
        return tokenizer_malformed(t, "model: unk_id is not an id of the vocabulary");
    t->unknown = unknown != NULL ? (uint32_t)yyjson_get_uint(unknown) : VOCAB_NONE;
    yyjson_arr_foreach(list, i, n, one) bytes += yyjson_get_len(yyjson_arr_get(one, 0));
    TRY(vocab_create(&t->vocabulary, t->context, (uint32_t)count, (uint32_t)count, bytes));
    t->scores = ARENA_ARRAY(&t->memory, double, count + 1);
    t->model_size = (uint32_t)count;
    return t->scores != NULL ? read_pieces(t, list) : BRINK_OUT_OF_MEMORY;
}

void unigram_free(tokenizer *t)
{
    core_free(t->context, t->best);
}

/* ── Encoding ── */

static inline void reach(best_path *best, uint32_t end, uint32_t start, double score, uint32_t id)
{
    if (best[end].start == VOCAB_NONE || score > best[end].score)
        best[end] = (best_path){score, start, id};
}

static brink_status no_unknown(tokenizer *t)
{
    return core_fail(t->context, BRINK_BAD_INPUT,
                     "the text holds a character outside of the vocabulary, which has no token for "
                     "unknown ones");
}

static brink_status find_best(tokenizer *t, const char *text, uint32_t size)
{
    best_path *best = t->best;
    for (uint32_t i = 0; i <= size; i++)
        best[i].start = VOCAB_NONE;
    best[0].score = 0;
    for (uint32_t at = 0; at < size;) {
        uint32_t width = utf8_width(text[at]), node = 0;
        bool known = false;
        for (uint32_t end = at; end < size;) {
            node = trie_child(&t->trie, node, (unsigned char)text[end++]);
            if (node == 0)
                break;
            uint32_t id = t->trie.units[node].token;
            if (id == VOCAB_NONE)
                continue;
            reach(best, end, at, best[at].score + t->scores[id], id);
            known |= end == at + width;
        }
        if (!known) {
            if (t->unknown == VOCAB_NONE)
                return no_unknown(t);
            reach(best, at + width, at, best[at].score + t->unknown_score, t->unknown);
        }
        at += width;
    }
    return BRINK_OK;
}

/* The token or tokens of text[start, end), one piece or a run of unknown ones. */
static brink_status add_piece(tokenizer *t, const char *text, uint32_t start, uint32_t end)
{
    if (t->best[end].id != t->unknown)
        return token_add(t, t->best[end].id, start, end);
    uint32_t id = vocab_find(&t->vocabulary, text + start, end - start);
    bool bytes = id == VOCAB_NONE && t->byte_fallback;
    for (uint32_t i = start; bytes && i < end; i++)
        bytes = t->byte_ids[(uint8_t)text[i]] != VOCAB_NONE;
    for (uint32_t i = start; bytes && i < end; i++)
        TRY(token_add(t, t->byte_ids[(uint8_t)text[i]], start, end));
    if (bytes)
        return BRINK_OK;
    if (id == VOCAB_NONE && t->unknown == VOCAB_NONE)
        return no_unknown(t);
    return token_add(t, id != VOCAB_NONE ? id : t->unknown, start, end);
}

/* The ends of the best path's pieces, last first; a run of unknown ones has one end. */
static brink_status find_cuts(tokenizer *t, uint32_t size)
{
    uint32_t later = VOCAB_NONE;
    t->cuts.count = 0;
    for (uint32_t end = size; end > 0; end = t->best[end].start) {
        uint32_t id = t->best[end].id;
        if (id != t->unknown || later != t->unknown)
            TRY(ids_add(t, &t->cuts, end));
        later = id;
    }
    return BRINK_OK;
}

brink_status unigram_encode(tokenizer *t, const char *text, uint32_t size)
{
    TRY(array_grow(t->context, (void **)&t->best, &t->best_capacity, size + 1ull, sizeof *t->best));
    TRY(find_best(t, text, size));
    TRY(find_cuts(t, size));
    for (uint32_t i = t->cuts.count, start = 0; i-- > 0; start = t->cuts.at[i])
        TRY(add_piece(t, text, start, t->cuts.at[i]));
    return BRINK_OK;
}
