/* fit.c — truncation and padding as the file asks for them; only callers that want them get them.

   Truncation comes before the post-processors and leaves room for what they add to one sequence, so
   that with special tokens the result has at most max_length ids. Padding is the last step. */
#include "text/tokenizer_internal.h"

static brink_status bad_member(tokenizer *t, const char *part, const char *member)
{
    return core_fail(t->context, BRINK_BAD_INPUT, "%s: %s: \"%s\" is not what it may be", t->file,
                     part, member);
}

/* "Left" or "Right". */
static brink_status read_direction(tokenizer *t, yyjson_val *json, const char *part, bool *left)
{
    const char *direction = json_string(json, "direction", "Right");
    *left = strcmp(direction, "Left") == 0;
    return *left || strcmp(direction, "Right") == 0 ? BRINK_OK : bad_member(t, part, "direction");
}

static brink_status read_size(tokenizer *t, yyjson_val *object, const char *part,
                              const char *member, uint64_t most, uint64_t *out)
{
    yyjson_val *value = json_get(object, member);
    *out = 0;
    if (value == NULL)
        return BRINK_OK;
    *out = yyjson_get_uint(value);
    return yyjson_is_uint(value) && *out <= most ? BRINK_OK : bad_member(t, part, member);
}

brink_status truncation_read(tokenizer *t, yyjson_val *json)
{
    static const char part[] = "truncation";
    truncation *f = &t->truncation;
    const char *strategy = json_string(json, "strategy", "LongestFirst");
    if (json == NULL)
        return BRINK_OK;
    if (json_get(json, "max_length") == NULL)
        return bad_member(t, part, "max_length");
    f->second_only = strcmp(strategy, "OnlySecond") == 0;
    f->first_only = strcmp(strategy, "OnlyFirst") == 0;
    if (!f->second_only && !f->first_only && strcmp(strategy, "LongestFirst") != 0)
        return bad_member(t, part, "strategy");
    TRY(read_size(t, json, part, "max_length", UINT64_MAX, &f->length));
    TRY(read_size(t, json, part, "stride", UINT64_MAX, &f->stride));
    TRY(read_direction(t, json, part, &f->left));
    f->given = true;
    return BRINK_OK;
}

brink_status padding_read(tokenizer *t, yyjson_val *json)
{
    static const char part[] = "padding";
    padding *p = &t->padding;
    yyjson_val *strategy = json_get(json, "strategy");
    uint64_t id;
    if (json == NULL)
        return BRINK_OK;
    /* {"Fixed": n}, or a batch's longest, which for one text is the text itself */
    if (yyjson_is_obj(strategy) && json_get(strategy, "Fixed") == NULL)
        return bad_member(t, part, "strategy");
    TRY(read_size(t, strategy, part, "Fixed", UINT64_MAX, &p->length));
    TRY(read_size(t, json, part, "pad_to_multiple_of", UINT64_MAX, &p->multiple));
    TRY(read_size(t, json, part, "pad_id", UINT32_MAX - 1, &id));
    TRY(read_direction(t, json, part, &p->left));
    p->fixed = yyjson_is_obj(strategy);
    p->id = (uint32_t)id;
    p->given = true;
    return BRINK_OK;
}

/* Keeps `count` tokens of the beginning or, from the left, of the end. */
static void keep(tokenizer *t, uint32_t count, bool left)
{
    token_list *list = &t->tokens;
    uint32_t cut = list->ids.count - count;
    if (left && cut != 0) {
        memmove(list->ids.at, list->ids.at + cut, count * sizeof *list->ids.at);
        if (t->tracing)
            memmove(list->spans, list->spans + cut, count * sizeof *list->spans);
    }
    list->ids.count = count;
}

brink_status truncate_tokens(tokenizer *t, bool special)
{
    const truncation *f = &t->truncation;
    uint64_t adds = special ? post_processor_adds(t) : 0;
    uint64_t length = f->length, count = t->tokens.ids.count;
    if (!f->given)
        return BRINK_OK;
    if (length < adds)
        return core_fail(t->context, BRINK_INVALID_ARGUMENT,
                         "truncation: max_length %llu has no room for %llu special tokens",
                         (unsigned long long)length, (unsigned long long)adds);
    length -= adds;
    if (count <= length)
        return BRINK_OK;
    if (length != 0 && (f->second_only || f->stride >= length))
        return core_fail(t->context, BRINK_INVALID_ARGUMENT,
                         f->second_only
                             ? "truncation: only a second text may be cut, and there is none"
                             : "truncation: the stride is not below the length");
    keep(t, (uint32_t)length, f->left);
    return BRINK_OK;
}

brink_status pad_tokens(tokenizer *t)
{
    const padding *p = &t->padding;
    token_list *list = &t->tokens;
    uint64_t length = p->fixed ? p->length : list->ids.count;
    uint64_t round = p->multiple != 0 ? p->multiple : 1;
    if (!p->given)
        return BRINK_OK;
    if (length % round != 0 && !core_add(length, round - length % round, &length))
        length = UINT64_MAX;
    if (length > UINT32_MAX / 4)
        return core_fail(t->context, BRINK_INVALID_ARGUMENT, "padding: %llu tokens are too many",
                         (unsigned long long)length);
    uint32_t count = list->ids.count;
    TRY(array_grow(t->context, (void **)&list->ids.at, &list->ids.capacity, length,
                   sizeof *list->ids.at)); /* too much fails before anything is written */
    while (list->ids.count < length) {
        TRY(spans_add(t, list, (token_span){0}));
        TRY(ids_add(t, &list->ids, p->id));
    }
    uint32_t added = list->ids.count - count;
    if (!p->left || added == 0)
        return BRINK_OK;
    memmove(list->ids.at + added, list->ids.at, count * sizeof *list->ids.at);
    for (uint32_t i = 0; i < added; i++)
        list->ids.at[i] = p->id;
    if (t->tracing) {
        memmove(list->spans + added, list->spans, count * sizeof *list->spans);
        memset(list->spans, 0, added * sizeof *list->spans);
    }
    return BRINK_OK;
}
