/* post_processor.c — special tokens around the model's, and blanks taken off the ends of offsets.

   Post-processors follow one another. Tokens are in parts, at first one; a template makes a part of
   each of its items, and the next post-processor sees those as sequences of their own, as in the
   library. Invariant: t->tokens.ends holds the end of every part, the last one the number of ids. */
#include "text/tokenizer_internal.h"

/* ── Reading ── */

static brink_status add_special(tokenizer *t, yyjson_val *specials, const char *name,
                                template_item *item)
{
    yyjson_val *ids = json_get(json_get(specials, name), "ids"), *one;
    size_t i, n;
    if (!yyjson_is_arr(ids))
        return core_fail(t->context, BRINK_BAD_INPUT,
                         "%s: post_processor: special token \"%.60s\" has no ids", t->file, name);
    item->first = t->processor_ids.count;
    yyjson_arr_foreach(ids, i, n, one)
    {
        if (!yyjson_is_uint(one) || yyjson_get_uint(one) >= UINT32_MAX)
            return tokenizer_malformed(t, "post_processor has an id that is no number");
        TRY(ids_add(t, &t->processor_ids, (uint32_t)yyjson_get_uint(one)));
    }
    item->last = t->processor_ids.count;
    return BRINK_OK;
}

/* [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, …] for `sequences` sequences. */
static brink_status read_template(tokenizer *t, yyjson_val *json, uint32_t sequences, processor *p)
{
    static const char *const names[] = {"single", "pair"};
    yyjson_val *list = json_get(json, names[sequences - 1]), *one;
    size_t i, n;
    if (!yyjson_is_arr(list))
        return sequences == 2 ? BRINK_OK
                              : tokenizer_malformed(t, "post_processor TemplateProcessing has no "
                                                       "template \"single\"");
    template_item *items = ARENA_ARRAY(&t->memory, template_item, yyjson_arr_size(list) + 1);
    if (items == NULL)
        return BRINK_OUT_OF_MEMORY;
    p->items[sequences - 1] = items;
    yyjson_arr_foreach(list, i, n, one)
    {
        template_item *item = &items[p->counts[sequences - 1]++];
        const char *special = json_string(json_get(one, "SpecialToken"), "id", NULL);
        const char *sequence = json_string(json_get(one, "Sequence"), "id", NULL);
        if (special == NULL && sequence == NULL)
            return tokenizer_malformed(t, "post_processor template: an item is neither a "
                                          "SpecialToken nor a Sequence");
        item->is_sequence = sequence != NULL;
        item->sequence = sequence != NULL && strcmp(sequence, "A") != 0;
        if (item->is_sequence && item->sequence >= sequences)
            return tokenizer_malformed(t,
                                       "post_processor template \"single\" has a second sequence");
        if (!item->is_sequence)
            TRY(add_special(t, json_get(json, "special_tokens"), special, item));
    }
    return BRINK_OK;
}

/* ["[CLS]", 101] */
static brink_status read_pair(tokenizer *t, yyjson_val *pair, uint32_t *id)
{
    yyjson_val *value = yyjson_arr_get(pair, 1);
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) >= UINT32_MAX)
        return tokenizer_malformed(t, "post_processor has a token without an id");
    *id = (uint32_t)yyjson_get_uint(value);
    return BRINK_OK;
}

static brink_status add(tokenizer *t, processor p)
{
    if (t->processor_count == MAX_STAGES)
        return tokenizer_malformed(t, "has too many post-processors");
    t->processors[t->processor_count++] = p;
    t->trims |= p.kind == PROCESS_TRIM;
    return BRINK_OK;
}

brink_status post_processor_read(tokenizer *t, yyjson_val *json)
{
    const char *type = json_string(json, "type", "");
    bool roberta = strcmp(type, "RobertaProcessing") == 0;
    processor p = {0};
    if (json == NULL)
        return BRINK_OK;
    if (strcmp(type, "Sequence") == 0) {
        yyjson_val *list = json_get(json, "processors"), *one;
        size_t i, n;
        yyjson_arr_foreach(list, i, n, one) TRY(post_processor_read(t, one));
        return BRINK_OK;
    }
    if ((roberta || strcmp(type, "ByteLevel") == 0) && json_bool(json, "trim_offsets", true))
        TRY(add(t, (processor){.kind = PROCESS_TRIM,
                               .prefix_space = json_bool(json, "add_prefix_space", true)}));
    if (strcmp(type, "ByteLevel") == 0)
        return BRINK_OK;
    if (strcmp(type, "TemplateProcessing") == 0) {
        p.kind = PROCESS_TEMPLATE;
        TRY(read_template(t, json, 1, &p));
        TRY(read_template(t, json, 2, &p));
        return add(t, p);
    }
    if (!roberta && strcmp(type, "BertProcessing") != 0)
        return tokenizer_unsupported(t, "post_processor", type);
    p.kind = PROCESS_PAIR;
    p.twice = roberta;
    TRY(read_pair(t, json_get(json, "cls"), &p.before));
    TRY(read_pair(t, json_get(json, "sep"), &p.behind));
    return add(t, p);
}

uint64_t post_processor_adds(const tokenizer *t)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < t->processor_count; i++) {
        const processor *p = &t->processors[i];
        count += p->kind == PROCESS_PAIR ? 2 : 0;
        for (uint32_t k = 0; p->kind == PROCESS_TEMPLATE && k < p->counts[0]; k++)
            count += p->items[0][k].last - p->items[0][k].first;
    }
    return count;
}

/* ── Running ── */

/* A blank that the tokenizer itself put before the first token is not taken off. */
static void trim(const processor *p, token_span *span, bool first)
{
    uint32_t before = span->blanks_before, behind = span->blanks_behind;
    if (before == 1 && p->prefix_space && (first || span->start == 0))
        before = 0;
    if (before != 0) {
        uint64_t start = (uint64_t)span->start + before;
        span->start = start < span->end ? (uint32_t)start : span->end;
    }
    if (behind != 0 && span->end >= behind)
        span->end = span->end - behind > span->start ? span->end - behind : span->start;
}

static brink_status put_special(tokenizer *t, uint32_t id)
{
    TRY(spans_add(t, &t->other_tokens, (token_span){0}));
    return ids_add(t, &t->other_tokens.ids, id);
}

/* A part of what there was, into what there will be. */
static brink_status put_part(tokenizer *t, uint32_t part)
{
    const token_list *from = &t->tokens;
    for (uint32_t i = part == 0 ? 0 : from->ends.at[part - 1]; i < from->ends.at[part]; i++) {
        if (t->tracing)
            TRY(spans_add(t, &t->other_tokens, from->spans[i]));
        TRY(ids_add(t, &t->other_tokens.ids, from->ids.at[i]));
    }
    return BRINK_OK;
}

static brink_status end_part(tokenizer *t)
{
    return ids_add(t, &t->other_tokens.ends, t->other_tokens.ids.count);
}

static brink_status put_pair(tokenizer *t, const processor *p)
{
    for (uint32_t part = 0; part < t->tokens.ends.count; part++) {
        if (part == 0 || p->twice)
            TRY(put_special(t, part == 0 ? p->before : p->behind));
        TRY(put_part(t, part));
        TRY(put_special(t, p->behind));
        TRY(end_part(t));
    }
    return BRINK_OK;
}

static brink_status put_template(tokenizer *t, const processor *p, bool special)
{
    uint32_t sequences = t->tokens.ends.count;
    if (sequences < 1 || sequences > 2 || p->items[sequences - 1] == NULL)
        return core_fail(t->context, BRINK_BAD_INPUT,
                         "post_processor TemplateProcessing has no template for %u sequences",
                         sequences);
    for (uint32_t i = 0; i < p->counts[sequences - 1]; i++) {
        const template_item *item = &p->items[sequences - 1][i];
        if (!item->is_sequence && !special)
            continue;
        for (uint32_t k = item->first; !item->is_sequence && k < item->last; k++)
            TRY(put_special(t, t->processor_ids.at[k]));
        if (item->is_sequence)
            TRY(put_part(t, item->sequence));
        if (t->other_tokens.ids.count > UINT32_MAX / 4)
            return core_fail(t->context, BRINK_BAD_INPUT,
                             "the post-processors make too many tokens");
        TRY(end_part(t));
    }
    return BRINK_OK;
}

brink_status post_process(tokenizer *t, bool special)
{
    t->tokens.ends.count = 0;
    TRY(ids_add(t, &t->tokens.ends, t->tokens.ids.count));
    for (uint32_t i = 0; i < t->processor_count; i++) {
        const processor *p = &t->processors[i];
        if (p->kind == PROCESS_TRIM) {
            for (uint32_t k = 0, part = 0; t->tracing && k < t->tokens.ids.count; k++) {
                bool first = k == 0;
                while (k >= t->tokens.ends.at[part]) {
                    part++;
                    first = true;
                }
                trim(p, &t->tokens.spans[k], first);
            }
            continue;
        }
        if (p->kind == PROCESS_PAIR && !special)
            continue;
        t->other_tokens.ids.count = t->other_tokens.ends.count = 0;
        TRY(p->kind == PROCESS_PAIR ? put_pair(t, p) : put_template(t, p, special));
        token_list swapped = t->tokens;
        t->tokens = t->other_tokens;
        t->other_tokens = swapped;
    }
    return BRINK_OK;
}
