/* tokenizer.c — reading tokenizer.json, and what can be asked about its tokens. */
#include "text/tokenizer_internal.h"

#include <stdio.h>

brink_status tokenizer_unsupported(tokenizer *t, const char *part, const char *what)
{
    return core_fail(t->context, BRINK_UNSUPPORTED, "%s: %s type \"%.60s\" is not supported",
                     t->file, part, what);
}

brink_status tokenizer_malformed(tokenizer *t, const char *what)
{
    return core_fail(t->context, BRINK_BAD_INPUT, "%s: %s", t->file, what);
}

brink_status tokenizer_text(tokenizer *t, yyjson_val *object, const char *key,
                            const char *otherwise, const char **out, uint32_t *size)
{
    yyjson_val *value = json_get(object, key);
    const char *text = value != NULL ? yyjson_get_str(value) : otherwise;
    if (text == NULL)
        return core_fail(t->context, BRINK_BAD_INPUT, "%s: \"%s\" is not a string", t->file, key);
    *size = (uint32_t)(value != NULL ? yyjson_get_len(value) : strlen(text));
    *out = arena_string(&t->memory, text, *size);
    return *out != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

/* {"token": id, …} */
brink_status vocabulary_read(tokenizer *t, yyjson_val *json)
{
    yyjson_val *key, *id;
    size_t i, n, count = yyjson_obj_size(json);
    uint64_t bytes = 0, highest = 0;
    if (!yyjson_is_obj(json))
        return tokenizer_malformed(t, "model has no vocabulary");
    yyjson_obj_foreach(json, i, n, key, id)
    {
        if (!yyjson_is_uint(id) || yyjson_get_uint(id) > 16 * ((uint64_t)count + 4096))
            return core_fail(t->context, BRINK_BAD_INPUT,
                             "%s: vocabulary: the id of \"%.60s\" is not a number in range",
                             t->file, yyjson_get_str(key));
        bytes += yyjson_get_len(key);
        if (yyjson_get_uint(id) > highest)
            highest = yyjson_get_uint(id);
    }
    if (count > 1u << 27)
        return tokenizer_malformed(t, "the vocabulary is too large");
    TRY(vocab_create(&t->vocabulary, t->context, (uint32_t)count,
                     count == 0 ? 0 : (uint32_t)highest + 1, bytes));
    yyjson_obj_foreach(json, i, n, key, id)
        TRY(vocab_add(&t->vocabulary, yyjson_get_str(key), (uint32_t)yyjson_get_len(key),
                      (uint32_t)yyjson_get_uint(id)));
    t->model_size = t->vocabulary.count;
    return BRINK_OK;
}

/* The tokens that stand for single bytes. */
static void find_byte_tokens(tokenizer *t)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char name[8];
        int n = snprintf(name, sizeof name, "<0x%02X>", byte);
        t->byte_ids[byte] = vocab_find(&t->vocabulary, name, (uint32_t)n);
    }
}

static brink_status read_model(tokenizer *t, yyjson_val *json)
{
    /* Old files leave the type out; only BPE has merges. */
    const char *type = json_string(json, "type", json_get(json, "merges") != NULL ? "BPE" : "");
    yyjson_val *vocabulary = json_get(json, "vocab");
    if (json_get(json, "type") == NULL && yyjson_is_arr(vocabulary))
        type = "Unigram";
    if (strcmp(type, "BPE") == 0)
        return bpe_read(t, json);
    if (strcmp(type, "Unigram") == 0)
        return unigram_read(t, json);
    if (strcmp(type, "WordPiece") == 0 || strcmp(type, "WordLevel") == 0) {
        t->model = strcmp(type, "WordPiece") == 0 ? MODEL_WORDPIECE : MODEL_WORDLEVEL;
        return wordpiece_read(t, json);
    }
    return tokenizer_unsupported(t, "model", type);
}

static brink_status read_all(tokenizer *t, yyjson_val *root)
{
    if (!yyjson_is_obj(root))
        return tokenizer_malformed(t, "is not a JSON object");
    TRY(read_model(t, json_get(root, "model")));
    find_byte_tokens(t);
    t->cache = core_calloc(t->context, CACHE_ENTRIES, sizeof *t->cache);
    if (t->cache == NULL)
        return BRINK_OUT_OF_MEMORY;
    TRY(normalizers_read(t, json_get(root, "normalizer")));
    TRY(pretokenizers_read(t, json_get(root, "pre_tokenizer")));
    TRY(post_processor_read(t, json_get(root, "post_processor")));
    TRY(truncation_read(t, json_get(root, "truncation")));
    TRY(padding_read(t, json_get(root, "padding")));
    TRY(decoders_read(t, json_get(root, "decoder")));
    TRY(added_tokens_read(t, json_get(root, "added_tokens")));
    t->follows &= t->normalizer_count != 0 || t->pretokenizer_count > 1;
    return BRINK_OK;
}

brink_status tokenizer_create(brink_context *context, const char *file_name, const void *json,
                              uint64_t size, tokenizer **out)
{
    json_document document;
    *out = NULL;
    TRY(json_parse(context, file_name, json, size, &document));
    tokenizer *t = core_calloc(context, 1, sizeof *t);
    if (t == NULL) {
        json_free(&document);
        return BRINK_OUT_OF_MEMORY;
    }
    t->context = context;
    t->file = file_name;
    t->unknown = VOCAB_NONE;
    t->input.context = t->spare.context = t->normal.context = t->word.context = context;
    t->front.text.context = t->back.text.context = context;
    t->texts.text.context = t->other_texts.text.context = context;
    arena_init(&t->memory, context);
    brink_status status = read_all(t, document.root);
    json_free(&document);
    t->file = "tokenizer";
    if (status != BRINK_OK) {
        tokenizer_destroy(t);
        return status;
    }
    *out = t;
    return BRINK_OK;
}

void tokenizer_destroy(tokenizer *t)
{
    if (t == NULL)
        return;
    brink_context *context = t->context;
    for (uint32_t i = 0; i < t->normalizer_count; i++)
        regex_destroy(t->normalizers[i].what.compiled);
    for (uint32_t i = 0; i < t->pretokenizer_count; i++)
        regex_destroy(t->pretokenizers[i].what.compiled);
    for (uint32_t i = 0; i < t->decoder_count; i++)
        regex_destroy(t->decoders[i].what.compiled);
    bpe_free(t);
    unigram_free(t);
    trie_free(&t->trie);
    core_free(context, t->cache);
    vocab_free(&t->vocabulary);
    vocab_free(&t->added_vocabulary);
    pieces_free(&t->front);
    pieces_free(&t->back);
    buffer_free(&t->input);
    buffer_free(&t->spare);
    buffer_free(&t->normal);
    buffer_free(&t->word);
    buffer_free(&t->texts.text);
    buffer_free(&t->other_texts.text);
    core_free(context, t->texts.ends);
    core_free(context, t->other_texts.ends);
    core_free(context, t->added_by_id);
    core_free(context, t->found.at);
    for (int i = 0; i < 2; i++) {
        token_list *list = i == 0 ? &t->tokens : &t->other_tokens;
        core_free(context, list->ids.at);
        core_free(context, list->ends.at);
        core_free(context, list->spans);
    }
    core_free(context, t->trace.at);
    core_free(context, t->input_origin.at);
    core_free(context, t->normal_origin.at);
    core_free(context, t->spare_origin.at);
    core_free(context, t->changes.at);
    core_free(context, t->cuts.at);
    core_free(context, t->processor_ids.at);
    arena_free(&t->memory);
    core_free(context, t);
}

brink_status tokenizer_decode(tokenizer *t, const uint32_t *ids, uint32_t count, bool keep_special,
                              char *text, uint64_t capacity, uint64_t *bytes)
{
    *bytes = 0;
    TRY(decode(t, ids, count, keep_special));
    buffer_give(&t->texts.text, text, capacity, bytes);
    return BRINK_OK;
}

const char *tokenizer_spelling(const tokenizer *t, uint32_t id)
{
    if (id >= t->size)
        return NULL;
    uint32_t added = t->added_by_id[id];
    return added != VOCAB_NONE ? t->added[added].match : vocab_spelling(&t->vocabulary, id);
}

bool tokenizer_find(const tokenizer *t, const char *spelling, uint32_t *id)
{
    uint32_t size = (uint32_t)strlen(spelling);
    uint32_t added = vocab_find(&t->added_vocabulary, spelling, size);
    *id = added != VOCAB_NONE ? t->added[added].id : vocab_find(&t->vocabulary, spelling, size);
    return *id != VOCAB_NONE;
}

uint32_t tokenizer_size(const tokenizer *t)
{
    return t->size;
}

/* The library goes by the spelling: Unigram may have one twice, and a token that normalization changed
   is spelled as changed. */
bool tokenizer_is_special(const tokenizer *t, uint32_t id)
{
    const char *spelling = tokenizer_spelling(t, id);
    if (spelling == NULL)
        return false;
    uint32_t added = t->added_by_id[id];
    const added_token *token = added != VOCAB_NONE ? &t->added[added] : NULL;
    if (token != NULL ? token->match == token->content : t->model != MODEL_UNIGRAM)
        return token != NULL && token->special;
    uint32_t size = token != NULL ? token->match_size : t->vocabulary.length[id];
    added = vocab_find(&t->added_vocabulary, spelling, size);
    return added != VOCAB_NONE && t->added[added].special;
}
