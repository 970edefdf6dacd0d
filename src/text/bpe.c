/* bpe.c — byte-pair encoding of one word.

   Symbols form a linked list; of all neighbouring pairs that merge, the one of the lowest rank is
   taken, the leftmost among equals, until none is left. Short words search the list each time; long
   ones keep a heap of (rank, position), so the whole costs n log n. A heap entry is stale when the
   symbol at its position has another rank by now. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

enum { FEW_SYMBOLS = 48 };
#define RANK_NONE UINT32_MAX

static inline uint32_t merge_slot(const tokenizer *t, uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    uint32_t i = (uint32_t)(h >> 32) & t->merge_mask;
    while (t->merges[i].left != VOCAB_NONE &&
           (t->merges[i].left != left || t->merges[i].right != right))
        i = (i + 1) & t->merge_mask;
    return i;
}

/* ── Reading ── */

static brink_status bad_merge(tokenizer *t, size_t rank, const char *reason)
{
    return core_fail(t->context, BRINK_BAD_INPUT, "%s: merge %llu: %s", t->file,
                     (unsigned long long)rank, reason);
}

static brink_status read_merge(tokenizer *t, yyjson_val *json, size_t rank)
{
    const char *left, *right;
    uint32_t left_size, right_size;
    if (yyjson_is_str(json)) { /* "left right" */
        left = yyjson_get_str(json);
        size_t size = yyjson_get_len(json);
        const char *space = memchr(left, ' ', size);
        if (space == NULL)
            return bad_merge(t, rank, "is not two tokens");
        left_size = (uint32_t)(space - left);
        right = space + 1;
        right_size = (uint32_t)(size - left_size - 1);
    } else { /* ["left", "right"] */
        yyjson_val *a = yyjson_arr_get(json, 0), *b = yyjson_arr_get(json, 1);
        if (yyjson_arr_size(json) != 2 || !yyjson_is_str(a) || !yyjson_is_str(b))
            return bad_merge(t, rank, "is not two tokens");
        left = yyjson_get_str(a);
        right = yyjson_get_str(b);
        left_size = (uint32_t)yyjson_get_len(a);
        right_size = (uint32_t)yyjson_get_len(b);
    }
    if (right_size < t->prefix_size)
        return bad_merge(t, rank, "is shorter than continuing_subword_prefix");
    uint32_t left_id = vocab_find(&t->vocabulary, left, left_size);
    uint32_t right_id = vocab_find(&t->vocabulary, right, right_size);
    t->word.size = 0;
    TRY(buffer_append(&t->word, left, left_size));
    TRY(buffer_append(&t->word, right + t->prefix_size, right_size - t->prefix_size));
    uint32_t id = vocab_find(&t->vocabulary, t->word.data, (uint32_t)t->word.size);
    if (left_id == VOCAB_NONE || right_id == VOCAB_NONE || id == VOCAB_NONE)
        return bad_merge(t, rank, "is of tokens that are not in the vocabulary");
    t->merges[merge_slot(t, left_id, right_id)] = (merge){left_id, right_id, (uint32_t)rank, id};
    return BRINK_OK;
}

static brink_status read_merges(tokenizer *t, yyjson_val *list)
{
    size_t count = yyjson_arr_size(list), i, n, slots = 16;
    yyjson_val *one;
    if (count > 1u << 26)
        return tokenizer_malformed(t, "has too many merges");
    while (slots < count + count / 2)
        slots *= 2;
    t->merges = core_alloc(t->context, slots * sizeof *t->merges);
    if (t->merges == NULL)
        return BRINK_OUT_OF_MEMORY;
    memset(t->merges, 0xFF, slots * sizeof *t->merges);
    t->merge_mask = (uint32_t)(slots - 1);
    yyjson_arr_foreach(list, i, n, one)
    {
        bool header = yyjson_is_str(one) && strncmp(yyjson_get_str(one), "#version", 8) == 0;
        if (!header) /* of the text file that the list comes from */
            TRY(read_merge(t, one, i));
    }
    return BRINK_OK;
}

brink_status bpe_read(tokenizer *t, yyjson_val *json)
{
    t->model = MODEL_BPE;
    TRY(vocabulary_read(t, json_get(json, "vocab")));
    TRY(tokenizer_text(t, json, "continuing_subword_prefix", "", &t->prefix, &t->prefix_size));
    TRY(tokenizer_text(t, json, "end_of_word_suffix", "", &t->suffix, &t->suffix_size));
    t->byte_fallback = json_bool(json, "byte_fallback", false);
    t->ignore_merges = json_bool(json, "ignore_merges", false);
    t->fuse_unknown = json_bool(json, "fuse_unk", false);
    yyjson_val *unknown = json_get(json, "unk_token");
    if (yyjson_is_str(unknown)) {
        t->needs_unknown = true;
        t->unknown =
            vocab_find(&t->vocabulary, yyjson_get_str(unknown), (uint32_t)yyjson_get_len(unknown));
    }
    if (json_number(json, "dropout", 0) != 0)
        return tokenizer_unsupported(t, "model option", "dropout");
    TRY(read_merges(t, json_get(json, "merges")));
    for (uint32_t code = 0; code < CHAR_TABLE; code++) {
        char bytes[4];
        t->char_ids[code] = vocab_find(&t->vocabulary, bytes, utf8_write(code, bytes));
    }
    return BRINK_OK;
}

void bpe_free(tokenizer *t)
{
    core_free(t->context, t->merges);
    core_free(t->context, t->symbols);
    core_free(t->context, t->heap);
}

/* ── Symbols ── */

static uint32_t add_symbol(tokenizer *t, uint32_t n, uint32_t id, uint32_t size)
{
    t->symbols[n] = (symbol){.id = id, .size = size, .previous = n - 1, .next = n + 1};
    return n + 1;
}

/* The id of one character of the word, with the affixes that its place asks for. */
static brink_status character_id(tokenizer *t, const char *text, uint32_t from, uint32_t to,
                                 bool last, uint32_t *id)
{
    bool prefix = from != 0 && t->prefix_size != 0, suffix = last && t->suffix_size != 0;
    if (!prefix && !suffix) {
        uint32_t i = from, code = utf8_next(text, &i);
        *id = code < CHAR_TABLE ? t->char_ids[code]
                                : vocab_find(&t->vocabulary, text + from, to - from);
        return BRINK_OK;
    }
    t->word.size = 0;
    if (prefix)
        TRY(buffer_append(&t->word, t->prefix, t->prefix_size));
    TRY(buffer_append(&t->word, text + from, to - from));
    if (suffix)
        TRY(buffer_append(&t->word, t->suffix, t->suffix_size));
    *id = vocab_find(&t->vocabulary, t->word.data, (uint32_t)t->word.size);
    return BRINK_OK;
}

/* <0x..> tokens for the bytes of a character, if there are all of them. The library looks at the
   character with its affixes. */
static bool fall_back(tokenizer *t, const char *text, uint32_t from, uint32_t to, bool last,
                      uint32_t *n)
{
    const char *parts[3] = {t->prefix, text + from, t->suffix};
    uint32_t sizes[3] = {from != 0 ? t->prefix_size : 0, to - from, last ? t->suffix_size : 0};
    for (int pass = 0; pass < 2; pass++) {
        for (int part = 0; part < 3; part++) {
            for (uint32_t i = 0; i < sizes[part]; i++) {
                uint32_t id = t->byte_ids[(uint8_t)parts[part][i]];
                if (id == VOCAB_NONE)
                    return false;
                if (pass == 1)
                    *n = add_symbol(t, *n, id, 1);
            }
        }
    }
    return true;
}

/* The word as symbols. An unknown character becomes the unknown token only when the next known one
   or the end is reached, as in the library. */
static brink_status split_word(tokenizer *t, const char *text, uint32_t size, uint32_t *count)
{
    uint32_t n = 0, unknown = 0; /* bytes of the pending unknown token */
    bool pending = false;
    uint64_t most = (uint64_t)size + (uint64_t)size * t->prefix_size + t->suffix_size + 1;
    TRY(array_grow(t->context, (void **)&t->symbols, &t->symbol_capacity, most,
                   sizeof *t->symbols));
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, id;
        utf8_next(text, &i);
        TRY(character_id(t, text, from, i, i == size, &id));
        if (id != VOCAB_NONE) {
            if (pending)
                n = add_symbol(t, n, t->unknown, unknown);
            pending = false;
            n = add_symbol(t, n, id, i - from);
            continue;
        }
        if (t->byte_fallback && fall_back(t, text, from, i, i == size, &n))
            continue;
        if (t->unknown == VOCAB_NONE && t->needs_unknown)
            return core_fail(
                t->context, BRINK_BAD_INPUT,
                "the text holds a character outside of the vocabulary, and the model's "
                "unk_token is not in it either");
        if (t->unknown == VOCAB_NONE)
            continue;
        if (pending && !t->fuse_unknown)
            n = add_symbol(t, n, t->unknown, unknown);
        unknown = pending && t->fuse_unknown ? unknown + i - from : i - from;
        pending = true;
    }
    if (pending)
        n = add_symbol(t, n, t->unknown, unknown);
    *count = n;
    return BRINK_OK;
}

static inline void rank_pair(const tokenizer *t, uint32_t i, uint32_t count)
{
    symbol *s = &t->symbols[i];
    s->rank = RANK_NONE;
    if (s->next >= count)
        return;
    const merge *m = &t->merges[merge_slot(t, s->id, t->symbols[s->next].id)];
    if (m->left != VOCAB_NONE) {
        s->rank = m->rank;
        s->merged = m->id;
    }
}

/* Joins the symbol with its right neighbour. */
static void merge_at(tokenizer *t, uint32_t i, uint32_t count)
{
    symbol *s = &t->symbols[i], *right = &t->symbols[s->next];
    s->id = s->merged;
    s->size += right->size;
    s->next = right->next;
    right->id = VOCAB_NONE;
    right->rank = RANK_NONE;
    if (s->next < count)
        t->symbols[s->next].previous = i;
    rank_pair(t, i, count);
    if (i != 0)
        rank_pair(t, s->previous, count);
}

static void merge_few(tokenizer *t, uint32_t count)
{
    for (;;) {
        uint32_t best = 0, rank = RANK_NONE;
        for (uint32_t i = 0; i < count; i = t->symbols[i].next) {
            if (t->symbols[i].rank < rank) {
                rank = t->symbols[i].rank;
                best = i;
            }
        }
        if (rank == RANK_NONE)
            return;
        merge_at(t, best, count);
    }
}

static brink_status heap_push(tokenizer *t, uint32_t *size, uint32_t position)
{
    uint32_t rank = t->symbols[position].rank, i = (*size)++;
    if (rank == RANK_NONE) {
        --*size;
        return BRINK_OK;
    }
    TRY(array_grow(t->context, (void **)&t->heap, &t->heap_capacity, *size, sizeof *t->heap));
    uint64_t entry = (uint64_t)rank << 32 | position;
    while (i > 0 && t->heap[(i - 1) / 2] > entry) {
        t->heap[i] = t->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    t->heap[i] = entry;
    return BRINK_OK;
}

static uint64_t heap_pop(tokenizer *t, uint32_t *size)
{
    uint64_t top = t->heap[0], last = t->heap[--*size];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= *size)
            break;
        if (child + 1 < *size && t->heap[child + 1] < t->heap[child])
            child++;
        if (t->heap[child] >= last)
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = last;
    return top;
}

static brink_status merge_many(tokenizer *t, uint32_t count)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < count; i++)
        TRY(heap_push(t, &size, i));
    while (size != 0) {
        uint64_t top = heap_pop(t, &size);
        uint32_t i = (uint32_t)top;
        if (t->symbols[i].rank != (uint32_t)(top >> 32))
            continue;
        merge_at(t, i, count);
        TRY(heap_push(t, &size, i));
        if (i != 0)
            TRY(heap_push(t, &size, t->symbols[i].previous));
    }
    return BRINK_OK;
}

brink_status bpe_encode(tokenizer *t, const char *text, uint32_t size)
{
    if (t->ignore_merges) {
        uint32_t whole = vocab_find(&t->vocabulary, text, size);
        if (whole != VOCAB_NONE)
            return token_add(t, whole, 0, size);
    }
    uint32_t count, at = 0;
    TRY(split_word(t, text, size, &count));
    for (uint32_t i = 0; i < count; i++)
        rank_pair(t, i, count);
    if (count <= FEW_SYMBOLS)
        merge_few(t, count);
    else
        TRY(merge_many(t, count));
    for (uint32_t i = 0; i < count; i = t->symbols[i].next) {
        const symbol *s = &t->symbols[i];
        TRY(token_add(t, s->id, at, at + s->size));
        at += s->size;
    }
    return BRINK_OK;
}
