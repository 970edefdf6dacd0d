/* wordpiece.c — the longest known prefix of a word, again and again (BERT); and whole words. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

brink_status wordpiece_read(tokenizer *t, yyjson_val *json)
{
    const char *unknown;
    uint32_t size;
    TRY(vocabulary_read(t, json_get(json, "vocab")));
    TRY(tokenizer_text(t, json, "continuing_subword_prefix", "##", &t->prefix, &t->prefix_size));
    TRY(tokenizer_text(t, json, "unk_token", t->model == MODEL_WORDPIECE ? "[UNK]" : "<unk>",
                       &unknown, &size));
    int64_t longest = json_int(json, "max_input_chars_per_word", 100);
    t->longest_word = longest < 0 ? 0 : longest > 10000 ? 10000 : (uint32_t)longest;
    t->unknown = vocab_find(&t->vocabulary, unknown, size);
    return BRINK_OK;
}

static brink_status add_unknown(tokenizer *t, uint32_t size)
{
    if (t->unknown == VOCAB_NONE)
        return core_fail(t->context, BRINK_BAD_INPUT,
                         "the text holds a word outside of the vocabulary, which has no token for "
                         "unknown words");
    return token_add(t, t->unknown, 0, size);
}

brink_status wordpiece_encode(tokenizer *t, const char *text, uint32_t size)
{
    uint32_t before = t->tokens.ids.count, characters = 0;
    if (t->model == MODEL_WORDLEVEL) {
        uint32_t id = vocab_find(&t->vocabulary, text, size);
        return id != VOCAB_NONE ? token_add(t, id, 0, size) : add_unknown(t, size);
    }
    for (uint32_t i = 0; i < size && characters <= t->longest_word; characters++)
        i += utf8_width(text[i]);
    if (characters > t->longest_word)
        return add_unknown(t, size);
    for (uint32_t start = 0; start < size;) {
        uint32_t end = size, id = VOCAB_NONE;
        t->word.size = 0;
        if (start != 0)
            TRY(buffer_append(&t->word, t->prefix, t->prefix_size));
        uint32_t prefix = (uint32_t)t->word.size;
        TRY(buffer_append(&t->word, text + start, size - start));
        for (; end > start; end = utf8_before(text, end)) {
            id = vocab_find(&t->vocabulary, t->word.data, prefix + end - start);
            if (id != VOCAB_NONE)
                break;
        }
        if (id == VOCAB_NONE) {
            t->tokens.ids.count = before;
            return add_unknown(t, size);
        }
        TRY(token_add(t, id, start, end));
        start = end;
    }
    return BRINK_OK;
}
