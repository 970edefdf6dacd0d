/* post_processor.c — the tokens put around one text. A template for one sequence comes down to a list
   of ids before it and one behind it. */
#include "text/tokenizer_internal.h"

static brink_status add_special(tokenizer *t, yyjson_val *specials, const char *name, id_list *list)
{
    yyjson_val *ids = json_get(json_get(specials, name), "ids"), *one;
    size_t i, n;
    if (!yyjson_is_arr(ids))
        return core_fail(t->context, BRINK_BAD_INPUT,
                         "%s: post_processor: special token \"%.60s\" has no ids", t->file, name);
    yyjson_arr_foreach(ids, i, n, one)
    {
        if (!yyjson_is_uint(one) || yyjson_get_uint(one) >= UINT32_MAX)
            return tokenizer_malformed(t, "post_processor has an id that is no number");
        TRY(ids_add(t, list, (uint32_t)yyjson_get_uint(one)));
    }
    return BRINK_OK;
}

/* Puts the ids of `outer` before those of `list`. */
static brink_status put_before(tokenizer *t, id_list *list, const id_list *outer)
{
    for (uint32_t i = 0; i < outer->count; i++)
        TRY(ids_add(t, list, 0));
    if (outer->count == 0)
        return BRINK_OK;
    memmove(list->at + outer->count, list->at, (list->count - outer->count) * sizeof *list->at);
    memcpy(list->at, outer->at, outer->count * sizeof *list->at);
    return BRINK_OK;
}

static brink_status read_template(tokenizer *t, yyjson_val *json, id_list *before, id_list *behind)
{
    yyjson_val *single = json_get(json, "single"), *one;
    size_t i, n;
    uint32_t sequences = 0;
    if (!yyjson_is_arr(single))
        return tokenizer_malformed(t,
                                   "post_processor TemplateProcessing has no template \"single\"");
    yyjson_arr_foreach(single, i, n, one)
    {
        const char *special = json_string(json_get(one, "SpecialToken"), "id", NULL);
        if (json_get(one, "Sequence") != NULL)
            sequences++;
        else if (special != NULL)
            TRY(add_special(t, json_get(json, "special_tokens"), special,
                            sequences == 0 ? before : behind));
    }
    if (sequences != 1)
        return tokenizer_unsupported(t, "post_processor template", "not of one sequence");
    return BRINK_OK;
}

/* ["[CLS]", 101] */
static brink_status read_pair(tokenizer *t, yyjson_val *pair, id_list *list)
{
    yyjson_val *id = yyjson_arr_get(pair, 1);
    if (!yyjson_is_uint(id) || yyjson_get_uint(id) >= UINT32_MAX)
        return tokenizer_malformed(t, "post_processor has a token without an id");
    return ids_add(t, list, (uint32_t)yyjson_get_uint(id));
}

brink_status post_processor_read(tokenizer *t, yyjson_val *json)
{
    const char *type = json_string(json, "type", "");
    if (json == NULL || strcmp(type, "ByteLevel") == 0) /* concerns offsets only */
        return BRINK_OK;
    if (strcmp(type, "Sequence") == 0) {
        yyjson_val *list = json_get(json, "processors"), *one;
        size_t i, n;
        yyjson_arr_foreach(list, i, n, one) TRY(post_processor_read(t, one));
        return BRINK_OK;
    }
    bool is_template = strcmp(type, "TemplateProcessing") == 0;
    if (!is_template && strcmp(type, "BertProcessing") != 0 &&
        strcmp(type, "RobertaProcessing") != 0)
        return tokenizer_unsupported(t, "post_processor", type);
    id_list before = {0}, behind = {0};
    brink_status status = BRINK_OK;
    if (is_template) {
        status = read_template(t, json, &before, &behind);
    } else {
        status = read_pair(t, json_get(json, "cls"), &before);
        if (status == BRINK_OK)
            status = read_pair(t, json_get(json, "sep"), &behind);
    }
    if (status == BRINK_OK)
        status = put_before(t, &t->before, &before);
    for (uint32_t i = 0; i < behind.count && status == BRINK_OK; i++)
        status = ids_add(t, &t->behind, behind.at[i]);
    core_free(t->context, before.at);
    core_free(t->context, behind.at);
    return status;
}
