/* text.c — the tokenizer and chat template of an opened model. */
#include "pipelines/model.h"

#include <string.h>

brink_status model_need_tokenizer(brink_model *m)
{
    if (m->tokenizer != NULL)
        return BRINK_OK;
    return core_fail(m->context, BRINK_UNSUPPORTED, "%s",
                     m->tokenizer_missing != NULL ? m->tokenizer_missing
                                                  : "tokenizer.json: the model has none");
}

brink_status brink_tokenize(brink_model *m, const char *text, uint64_t bytes, bool special,
                            uint32_t *ids, uint32_t capacity, uint32_t *count)
{
    *count = 0;
    TRY(model_need_tokenizer(m));
    return tokenizer_encode(m->tokenizer, text, bytes, special, ids, capacity, count);
}

brink_status brink_tokenize_offsets(brink_model *m, const char *text, uint64_t bytes, bool special,
                                    uint32_t *ids, uint32_t *offsets, uint32_t capacity,
                                    uint32_t *count)
{
    encode_options options = {.special = special};
    *count = 0;
    TRY(model_need_tokenizer(m));
    return tokenizer_encode_offsets(m->tokenizer, text, bytes, &options, ids, offsets, capacity,
                                    count);
}

brink_status brink_detokenize(brink_model *m, const uint32_t *ids, uint32_t count, bool special,
                              char *text, uint64_t capacity, uint64_t *bytes)
{
    *bytes = 0;
    TRY(model_need_tokenizer(m));
    return tokenizer_decode(m->tokenizer, ids, count, special, text, capacity, bytes);
}

const char *brink_token_spelling(brink_model *m, uint32_t id)
{
    return m->tokenizer != NULL ? tokenizer_spelling(m->tokenizer, id) : NULL;
}

/* A special token of tokenizer_config.json: a string, or an object with its content. */
static const char *special_token(const brink_model *m, const char *name)
{
    yyjson_val *v = json_get(m->tokenizer_config.root, name);
    return yyjson_is_str(v) ? yyjson_get_str(v) : json_string(v, "content", "");
}

brink_status brink_chat_format(brink_model *m, const brink_message *messages, uint32_t count,
                               char *text, uint64_t capacity, uint64_t *bytes)
{
    *bytes = 0;
    if (m->template == NULL)
        return core_fail(m->context, BRINK_UNSUPPORTED, "%s",
                         m->template_missing != NULL
                             ? m->template_missing
                             : "tokenizer_config.json: the model has no chat template");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_arr(doc);
    bool good = doc != NULL && root != NULL && list != NULL;
    for (uint32_t i = 0; i < count && good; i++) {
        yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, list);
        good = yyjson_mut_obj_add_strcpy(doc, one, "role", messages[i].role) &&
               yyjson_mut_obj_add_strcpy(doc, one, "content", messages[i].content);
    }
    good = good && yyjson_mut_obj_add_val(doc, root, "messages", list) &&
           yyjson_mut_obj_add_bool(doc, root, "add_generation_prompt", true) &&
           yyjson_mut_obj_add_strcpy(doc, root, "bos_token", special_token(m, "bos_token")) &&
           yyjson_mut_obj_add_strcpy(doc, root, "eos_token", special_token(m, "eos_token"));
    yyjson_mut_doc_set_root(doc, root);
    yyjson_doc *fixed = good ? yyjson_mut_doc_imut_copy(doc, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    if (fixed == NULL)
        return core_fail(m->context, BRINK_OUT_OF_MEMORY, "out of memory for the messages");
    brink_status status =
        chat_template_render(m->template, yyjson_doc_get_root(fixed), text, capacity, bytes);
    yyjson_doc_free(fixed);
    return status;
}
