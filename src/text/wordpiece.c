/* wordpiece.c — the longest known prefix of a word, again and again (BERT); and whole words. The trie has
   both the pieces that begin a word and those that go on, below the node of their prefix. */
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
    if (t->model == MODEL_WORDLEVEL)
        return BRINK_OK;
    TRY(trie_create(&t->trie, &t->vocabulary));
    t->inner = 0;
    for (uint32_t i = 0; i < t->prefix_size; i++) {
        t->inner = trie_child(&t->trie, t->inner, (unsigned char)t->prefix[i]);
        if (t->inner == 0)
            break;
    }
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

/* The longest piece, below `node`, that text[start, size) begins with, and its end. */
static uint32_t longest_at(const tokenizer *t, uint32_t node, const char *text, uint32_t start,
                           uint32_t size, uint32_t *end)
{
    uint32_t id = VOCAB_NONE;
    *end = start;
    if (start != 0 && node == 0 && t->prefix_size != 0) /* no piece has the prefix */
        return VOCAB_NONE;
    for (uint32_t i = start; i < size;) {
        node = trie_child(&t->trie, node, (unsigned char)text[i++]);
        if (node == 0)
            break;
        if (t->trie.units[node].token == VOCAB_NONE)
            continue;
        id = t->trie.units[node].token;
        *end = i;
    }
    return id;
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
    for (uint32_t start = 0, end; start < size; start = end) {
        uint32_t id = longest_at(t, start != 0 ? t->inner : 0, text, start, size, &end);
        if (id == VOCAB_NONE) {
            t->tokens.ids.count = before;
            return add_unknown(t, size);
        }
        TRY(token_add(t, id, start, end));
    }
    return BRINK_OK;
}
