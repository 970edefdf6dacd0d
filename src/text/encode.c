/* encode.c — text to tokens: the stages one after the other, and where the tokens come from.

   Offsets are found in three steps: the model says which bytes of a word a token is of, the word's
   origins say which bytes of the input those are (trace.c), and a table of characters by byte gives
   characters. They are the library's, also where it miscounts: a token that claims more bytes than
   its word has keeps the claim as it is. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

enum { LONGEST_TEXT = 1 << 28 };

/* The text as pieces in t->front: tokens that were added, and normalised text between them. */
static brink_status find_added(tokenizer *t, const char *text, uint32_t size)
{
    pieces_clear(&t->front);
    TRY(added_tokens_split(t, &t->raw, text, size, t->input_origin.at));
    pieces raw = t->front;
    t->front = t->back;
    t->back = raw;
    pieces_clear(&t->front);
    for (uint32_t i = 0; i < t->back.count; i++) {
        piece one = t->back.at[i];
        const uint32_t *origin = t->tracing ? t->back.origin + one.start : NULL;
        const char *part = t->back.text.data + one.start;
        if (one.id != VOCAB_NONE) {
            TRY(pieces_copy(t, &t->front, part, 0, one.size, origin, one));
            continue;
        }
        TRY(normalize(t, part, one.size, origin, &t->normal));
        uint32_t from = t->front.count;
        TRY(added_tokens_split(t, &t->normalized, t->normal.data, (uint32_t)t->normal.size,
                               t->normal_origin.at));
        for (uint32_t k = from; k < t->front.count && !t->tracing; k++)
            t->front.at[k].first = one.first && k == from;
    }
    return BRINK_OK;
}

static brink_status run_model(tokenizer *t, const char *word, uint32_t size)
{
    switch (t->model) {
    case MODEL_BPE:
        return bpe_encode(t, word, size);
    case MODEL_UNIGRAM:
        return unigram_encode(t, word, size);
    default:
        return wordpiece_encode(t, word, size);
    }
}

/* The tokens from `from` on are what the model made of the word. */
static void keep_word(const tokenizer *t, const char *word, uint32_t size, uint32_t from,
                      cache_entry *entry)
{
    uint32_t count = t->tokens.ids.count - from;
    if (count == 0 || count > CACHE_IDS)
        return;
    entry->placed = t->tracing;
    for (uint32_t i = 0; t->tracing && i < count; i++) {
        const token_span *span = &t->tokens.spans[from + i];
        if (span->start > UINT8_MAX || span->end > UINT8_MAX) /* BPE's miscounted ones */
            return;
        entry->spans[i][0] = (uint8_t)span->start;
        entry->spans[i][1] = (uint8_t)span->end;
    }
    entry->size = (uint8_t)size;
    entry->count = (uint8_t)count;
    memcpy(entry->text, word, size);
    memcpy(entry->ids, t->tokens.ids.at + from, count * sizeof *entry->ids);
}

/* What the model makes of a word depends on the word alone, and most words come again. */
static brink_status encode_word(tokenizer *t, const char *word, uint32_t size)
{
    if (size > CACHE_TEXT)
        return run_model(t, word, size);
    cache_entry *entry = &t->cache[text_hash(word, size) % CACHE_ENTRIES];
    if (entry->size == size && memcmp(entry->text, word, size) == 0 &&
        (entry->placed || !t->tracing)) {
        for (uint32_t i = 0; i < entry->count; i++)
            TRY(token_add(t, entry->ids[i], entry->spans[i][0], entry->spans[i][1]));
        return BRINK_OK;
    }
    uint32_t from = t->tokens.ids.count;
    entry->size = 0;
    TRY(run_model(t, word, size));
    keep_word(t, word, size, from, entry);
    return BRINK_OK;
}

/* ── Offsets ── */

static bool is_blank(uint32_t code)
{
    return code == byte_level_char(' ') || unicode_is_space(code);
}

static void count_blanks(const char *text, uint32_t size, token_span *span)
{
    span->blanks_before = span->blanks_behind = 0;
    for (uint32_t i = 0; i < size && is_blank(utf8_next(text, &i));)
        span->blanks_before++;
    for (uint32_t end = size; end > 0; span->blanks_behind++) {
        uint32_t before = utf8_before(text, end), i = before;
        if (!is_blank(utf8_next(text, &i)))
            break;
        end = before;
    }
}

/* What the library takes for the spelling of a token of the model. */
static void count_blanks_of(const tokenizer *t, uint32_t id, const char *word, uint32_t size,
                            token_span *span)
{
    if (t->model == MODEL_UNIGRAM && id == t->unknown && span->end <= size)
        count_blanks(word + span->start, span->end - span->start, span);
    else if (id < t->vocabulary.size && t->vocabulary.start[id] != VOCAB_NONE)
        count_blanks(vocab_spelling(&t->vocabulary, id), t->vocabulary.length[id], span);
}

/* From bytes of the piece to bytes of the input. */
static void locate(const char *input, const uint32_t *origin, uint32_t size, token_span *span)
{
    uint32_t start = span->start, end = span->end;
    if (start == end && size != 0) {
        span->start += origin[0] >> 1;
        span->end += origin[0] >> 1;
    }
    if (start >= end || end > size)
        return;
    uint32_t last = origin[end - 1];
    span->start = origin[start] >> 1;
    span->end = last >> 1;
    if (last & 1)
        span->end += utf8_width(input[last >> 1]);
}

/* From bytes to characters; places that are none stay, as in the library. */
static void to_characters(const uint32_t *character, uint32_t size, token_span *span)
{
    if (span->start >= size)
        return;
    uint32_t start = character[span->start];
    if (span->end < size)
        span->end = character[span->end];
    else
        span->end = (span->end - 1 < size ? character[span->end - 1] : start + 1) + 1;
    span->start = start;
}

/* t->input_origin, no longer needed, becomes the number of the character by byte. */
static void number_characters(tokenizer *t, const char *text, uint32_t size)
{
    uint32_t characters = 0;
    for (uint32_t i = 0; i < size; i++) {
        characters += ((unsigned char)text[i] & 0xC0) != 0x80;
        t->input_origin.at[i] = characters - 1;
    }
}

/* ── All of it ── */

static brink_status encode_pieces(tokenizer *t, const char *text)
{
    token_list *tokens = &t->tokens;
    for (uint32_t i = 0; i < t->front.count; i++) {
        const piece *one = &t->front.at[i];
        const char *word = t->front.text.data + one->start;
        uint32_t from = tokens->ids.count;
        if (one->id != VOCAB_NONE)
            TRY(token_add(t, one->id, 0, one->size));
        else if (one->size != 0)
            TRY(encode_word(t, word, one->size));
        if (tokens->ids.count > UINT32_MAX / 4)
            return core_fail(t->context, BRINK_INVALID_ARGUMENT, "the text has too many tokens");
        for (uint32_t k = from; t->tracing && k < tokens->ids.count; k++) {
            token_span *span = &tokens->spans[k];
            if (t->trims && one->id != VOCAB_NONE)
                count_blanks(word, one->size, span);
            else if (t->trims)
                count_blanks_of(t, tokens->ids.at[k], word, one->size, span);
            locate(text, t->front.origin + one->start, one->size, span);
        }
    }
    return BRINK_OK;
}

static brink_status encode(tokenizer *t, const char *text, uint64_t bytes,
                           const encode_options *options, bool offsets)
{
    t->tokens.ids.count = 0;
    if (bytes > LONGEST_TEXT)
        return core_fail(t->context, BRINK_INVALID_ARGUMENT, "a text of %llu bytes is too long",
                         (unsigned long long)bytes);
    if (!utf8_valid(text, bytes)) {
        t->input.size = 0;
        TRY(utf8_clean(&t->input, text, bytes));
        text = t->input.data;
        bytes = t->input.size;
    }
    uint32_t size = (uint32_t)bytes;
    t->tracing = offsets || t->follows;
    if (t->tracing)
        TRY(trace_input(t, text, size));
    TRY(find_added(t, text, size));
    TRY(pretokenize(t));
    TRY(encode_pieces(t, text));
    if (offsets) {
        number_characters(t, text, size);
        for (uint32_t i = 0; i < t->tokens.ids.count; i++)
            to_characters(t->input_origin.at, size, &t->tokens.spans[i]);
    }
    if (options->truncate)
        TRY(truncate_tokens(t, options->special));
    TRY(post_process(t, options->special));
    return options->pad ? pad_tokens(t) : BRINK_OK;
}

static brink_status encode_and_give(tokenizer *t, const char *text, uint64_t bytes,
                                    const encode_options *options, uint32_t *ids,
                                    uint32_t *offsets, /* [capacity][2] or NULL */
                                    uint32_t capacity, uint32_t *count)
{
    *count = 0;
    brink_status status = encode(t, text, bytes, options, offsets != NULL);
    t->tracing = false;
    TRY(status);
    *count = t->tokens.ids.count;
    uint32_t fits = *count < capacity ? *count : capacity;
    if (fits != 0)
        memcpy(ids, t->tokens.ids.at, fits * sizeof *ids);
    for (uint32_t i = 0; offsets != NULL && i < fits; i++) {
        offsets[2 * i] = t->tokens.spans[i].start;
        offsets[2 * i + 1] = t->tokens.spans[i].end;
    }
    return BRINK_OK;
}

brink_status tokenizer_encode(tokenizer *t, const char *text, uint64_t bytes, bool add_special,
                              uint32_t *ids, uint32_t capacity, uint32_t *count)
{
    encode_options options = {.special = add_special};
    return encode_and_give(t, text, bytes, &options, ids, NULL, capacity, count);
}

brink_status tokenizer_encode_offsets(tokenizer *t, const char *text, uint64_t bytes,
                                      const encode_options *options, uint32_t *ids,
                                      uint32_t *offsets, uint32_t capacity, uint32_t *count)
{
    return encode_and_give(t, text, bytes, options, ids, offsets, capacity, count);
}
