/* added_tokens.c — tokens that are found in the text before the model sees it.

   Those with normalized=false are searched in the raw text, the others, themselves normalised, in
   the normalised text between. The leftmost match wins, and the longest of those; it is found in a
   sorted list by narrowing a range byte by byte. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

#include <stdlib.h>

static int by_match(const void *a, const void *b)
{
    const added_token *x = *(const added_token *const *)a, *y = *(const added_token *const *)b;
    uint32_t n = x->match_size < y->match_size ? x->match_size : y->match_size;
    int order = memcmp(x->match, y->match, n);
    if (order != 0)
        return order;
    if (x->match_size != y->match_size)
        return x->match_size < y->match_size ? -1 : 1;
    return x < y ? -1 : x > y; /* of equals the first in the file, which the library takes */
}

static brink_status make_set(tokenizer *t, bool normalized, added_set *set)
{
    set->at = ARENA_ARRAY(&t->memory, const added_token *, t->added_count + 1ull);
    if (set->at == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < t->added_count; i++)
        if (t->added[i].normalized == normalized && t->added[i].match_size != 0)
            set->at[set->count++] = &t->added[i];
    qsort(set->at, set->count, sizeof *set->at, by_match);
    for (uint32_t c = 0, i = 0; c <= 256; c++) {
        while (c < 256 && i < set->count && (unsigned char)set->at[i]->match[0] < c)
            i++;
        set->from[c] = c < 256 ? i : set->count;
    }
    return BRINK_OK;
}

/* An id for a content: the model's, the one it was added with, or the next free one. */
static uint32_t id_for(const tokenizer *t, const added_token *token, uint32_t highest)
{
    uint32_t known = vocab_find(&t->added_vocabulary, token->content, token->size);
    if (known != VOCAB_NONE)
        return t->added[known].id;
    known = vocab_find(&t->vocabulary, token->content, token->size);
    if (known != VOCAB_NONE)
        return known;
    uint32_t count = t->model_size;
    return highest != VOCAB_NONE && (highest >= count || count == 0) ? highest + 1 : count;
}

static brink_status read_one(tokenizer *t, yyjson_val *json, added_token *token)
{
    TRY(tokenizer_text(t, json, "content", NULL, &token->content, &token->size));
    token->single_word = json_bool(json, "single_word", false);
    token->lstrip = json_bool(json, "lstrip", false);
    token->rstrip = json_bool(json, "rstrip", false);
    token->special = json_bool(json, "special", false);
    token->normalized = json_bool(json, "normalized", !token->special);
    token->match = token->content;
    token->match_size = token->size;
    if (token->normalized && t->normalizer_count != 0) {
        TRY(normalize(t, token->content, token->size, NULL, &t->normal));
        token->match_size = (uint32_t)t->normal.size;
        token->match = arena_string(&t->memory, t->normal.data, t->normal.size);
        if (token->match == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    return BRINK_OK;
}

brink_status added_tokens_read(tokenizer *t, yyjson_val *json)
{
    yyjson_val *one;
    size_t i, n, bytes = 0;
    uint32_t highest = VOCAB_NONE;
    size_t most = yyjson_arr_size(json);
    t->size = t->vocabulary.size;
    if (most > 1u << 24)
        return tokenizer_malformed(t, "has too many added_tokens");
    yyjson_arr_foreach(json, i, n, one) bytes += yyjson_get_len(json_get(one, "content"));
    t->added = ARENA_ARRAY(&t->memory, added_token, most + 1);
    if (t->added == NULL)
        return BRINK_OUT_OF_MEMORY;
    TRY(vocab_create(&t->added_vocabulary, t->context, (uint32_t)most, (uint32_t)most, bytes));
    yyjson_arr_foreach(json, i, n, one)
    {
        added_token *token = &t->added[t->added_count];
        *token = (added_token){0};
        TRY(read_one(t, one, token));
        if (token->size == 0)
            continue;
        token->id = id_for(t, token, highest);
        if (highest == VOCAB_NONE || token->id > highest)
            highest = token->id;
        if (token->id >= t->size)
            t->size = token->id + 1;
        TRY(vocab_add(&t->added_vocabulary, token->content, token->size, t->added_count));
        t->added_count++;
    }
    t->added_by_id = core_alloc(t->context, (uint64_t)t->size * sizeof *t->added_by_id);
    if (t->added_by_id == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(t->added_by_id, 0xFF, t->size * sizeof *t->added_by_id);
    for (uint32_t k = 0; k < t->added_count; k++)
        t->added_by_id[t->added[k].id] = k;
    TRY(make_set(t, false, &t->raw));
    return make_set(t, true, &t->normalized);
}

/* The longest token that text[0, size) begins with. */
static const added_token *longest_at(const added_set *set, const char *text, uint32_t size)
{
    uint32_t low = set->from[(unsigned char)text[0]], high = set->from[(unsigned char)text[0] + 1];
    const added_token *best = NULL;
    for (uint32_t depth = 1; low < high; depth++) {
        if (set->at[low]->match_size == depth) { /* the shortest of a range comes first */
            best = set->at[low];
            while (low < high && set->at[low]->match_size == depth)
                low++;
        }
        if (depth >= size)
            break;
        unsigned char c = (unsigned char)text[depth];
        uint32_t a = low, b = high; /* the first that has at least c at `depth` */
        while (a < b) {
            uint32_t middle = a + (b - a) / 2;
            if ((unsigned char)set->at[middle]->match[depth] < c)
                a = middle + 1;
            else
                b = middle;
        }
        low = a;
        b = high; /* the first that has more */
        while (a < b) {
            uint32_t middle = a + (b - a) / 2;
            if ((unsigned char)set->at[middle]->match[depth] <= c)
                a = middle + 1;
            else
                b = middle;
        }
        high = a;
    }
    return best;
}

/* \w as Rust's regex crate has it, which lets joiners in. */
bool tokenizer_is_word(uint32_t code)
{
    return unicode_is_word(code) || code == 0x200C || code == 0x200D;
}

static bool stands_alone(const char *text, uint32_t size, uint32_t start, uint32_t end)
{
    uint32_t before = start > 0 ? utf8_before(text, start) : 0, behind = end;
    return !(start > 0 && tokenizer_is_word(utf8_next(text, &before))) &&
           !(end < size && tokenizer_is_word(utf8_next(text, &behind)));
}

/* Appends text[start, end) to the pieces, as text or as a token. */
static brink_status put(tokenizer *t, const char *text, uint32_t start, uint32_t end,
                        const uint32_t *origin, uint32_t id)
{
    return pieces_copy(t, &t->front, text, start, end, origin,
                       (piece){.id = id, .first = start == 0});
}

/* Cuts a text into tokens of the set and what lies between, behind the pieces of t->front. */
brink_status added_tokens_split(tokenizer *t, const added_set *set, const char *text, uint32_t size,
                                const uint32_t *origin)
{
    uint32_t done = 0, at = 0;
    while (at < size && set->count != 0) {
        unsigned char c = (unsigned char)text[at];
        const added_token *token =
            set->from[c] < set->from[c + 1] ? longest_at(set, text + at, size - at) : NULL;
        if (token == NULL) {
            at++;
            continue;
        }
        uint32_t start = at, end = at + token->match_size;
        at = end;
        token = &t->added[t->added_by_id[token->id]]; /* the newest definition of the id decides */
        if (token->single_word && !stands_alone(text, size, start, end))
            continue;
        while (token->lstrip && start > done) {
            uint32_t before = utf8_before(text, start), i = before;
            if (!unicode_is_space(utf8_next(text, &i)))
                break;
            start = before;
        }
        while (token->rstrip && end < size) {
            uint32_t i = end;
            if (!unicode_is_space(utf8_next(text, &i)))
                break;
            end = i;
        }
        if (done < start)
            TRY(put(t, text, done, start, origin, VOCAB_NONE));
        TRY(put(t, text, start, end, origin, token->id));
        done = end;
    }
    return done < size ? put(t, text, done, size, origin, VOCAB_NONE) : BRINK_OK;
}
