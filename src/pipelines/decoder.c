/* decoder.c — recognises a graph that is driven as a language model, and what its inputs mean.

   Published exports agree on the names: input_ids, attention_mask, position_ids, past_key_values.N.…
   continued by present.N.…, logits; some add num_logits_to_keep, cache_position or, merged of two
   branches, use_cache_branch. Dimensions that the graph leaves open (the head's width in
   onnxruntime-genai's) come from the configuration. */
#include "pipelines/model.h"

#include <string.h>

static bool named(const brink_model *m, uint32_t value, const char *name)
{
    return strcmp(m->onnx.values[value].name, name) == 0;
}

/* present.N.key for past_key_values.N.key; older exports write past_key_N or past_N. */
static uint32_t continued_by(const brink_model *m, const char *past)
{
    static const char *const prefixes[][2] = {{"past_key_values", "present"},
                                              {"past_key_values", "present_key_values"},
                                              {"past", "present"}};
    const onnx_graph *g = m->onnx.graph;
    for (uint32_t p = 0; p < 3; p++) {
        size_t n = strlen(prefixes[p][0]), w = strlen(prefixes[p][1]);
        if (strncmp(past, prefixes[p][0], n) != 0)
            continue;
        for (uint32_t i = 0; i < g->output_count; i++) {
            const char *name = m->onnx.values[g->outputs[i]].name;
            if (strncmp(name, prefixes[p][1], w) == 0 && strcmp(name + w, past + n) == 0)
                return i;
        }
    }
    return ONNX_NONE;
}

static int64_t first_positive(const int64_t *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] > 0)
            return list[i];
    return 0;
}

static int64_t head_width(const brink_model *m)
{
    yyjson_val *genai = json_get(json_get(m->genai.root, "model"), "decoder");
    yyjson_val *c = m->config.root;
    int64_t heads = json_int(c, "num_attention_heads", 0);
    int64_t hidden = json_int(c, "hidden_size", 0);
    const int64_t list[] = {json_int(genai, "head_size", 0), json_int(c, "head_dim", 0),
                            heads > 0 ? hidden / heads : 0};
    return first_positive(list, 3);
}

static int64_t cache_heads(const brink_model *m)
{
    yyjson_val *genai = json_get(json_get(m->genai.root, "model"), "decoder");
    yyjson_val *c = m->config.root;
    const int64_t list[] = {json_int(genai, "num_key_value_heads", 0),
                            json_int(c, "num_key_value_heads", 0),
                            json_int(c, "num_attention_heads", 0)};
    return first_positive(list, 3);
}

static void add_ends(decoder *d, yyjson_val *v)
{
    yyjson_arr_iter it;
    if (yyjson_is_arr(v)) {
        yyjson_val *one;
        yyjson_arr_iter_init(v, &it);
        while ((one = yyjson_arr_iter_next(&it)) != NULL)
            add_ends(d, yyjson_is_arr(one) ? NULL : one);
        return;
    }
    if (!yyjson_is_int(v) || yyjson_get_sint(v) < 0 || d->end_count == 16)
        return;
    for (uint32_t i = 0; i < d->end_count; i++)
        if (d->ends[i] == (uint32_t)yyjson_get_sint(v))
            return;
    d->ends[d->end_count++] = (uint32_t)yyjson_get_sint(v);
}

static bool is_logits_to_keep(const onnx_value *v)
{
    return v->type == BRINK_I64 && v->rank <= 1 &&
           (strcmp(v->name, "num_logits_to_keep") == 0 || strcmp(v->name, "logits_to_keep") == 0);
}

/* The exports of these families for transformers.js count positions from 1; onnxruntime-genai's from 0. */
static bool counts_from_one(const brink_model *m)
{
    static const char *const families[] = {"gemma3", "gemma3_text", "paligemma"};
    const char *type = yyjson_get_str(json_get(m->config.root, "model_type"));
    bool found = false;
    for (size_t i = 0; type != NULL && i < sizeof families / sizeof *families; i++)
        found = found || strcmp(families[i], type) == 0;
    return found && m->genai.root == NULL;
}

brink_status decoder_find(brink_model *m)
{
    const onnx_graph *g = m->onnx.graph;
    decoder *d = &m->decoder;
    *d = (decoder){.input_ids = ONNX_NONE,
                   .attention_mask = ONNX_NONE,
                   .position_ids = ONNX_NONE,
                   .cache_position = ONNX_NONE,
                   .logits_to_keep = ONNX_NONE,
                   .cache_branch = ONNX_NONE,
                   .logits = ONNX_NONE};
    d->slots = ARENA_ARRAY(&m->memory, cache_slot, (uint64_t)g->input_count + 1);
    if (d->slots == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool other = false;
    for (uint32_t i = 0; i < g->input_count; i++) {
        const onnx_value *v = &m->onnx.values[g->inputs[i]];
        uint32_t output = continued_by(m, v->name);
        if (named(m, g->inputs[i], "input_ids")) {
            d->input_ids = i;
        } else if (named(m, g->inputs[i], "attention_mask")) {
            d->attention_mask = i;
        } else if (named(m, g->inputs[i], "position_ids")) {
            d->position_ids = i;
        } else if (named(m, g->inputs[i], "cache_position") && v->rank == 1) {
            d->cache_position = i;
        } else if (is_logits_to_keep(v)) {
            d->logits_to_keep = i;
        } else if (named(m, g->inputs[i], "use_cache_branch") && v->type == BRINK_BOOL) {
            d->cache_branch = i;
        } else if (output != ONNX_NONE && v->rank == 4) {
            cache_slot *s = &d->slots[d->slot_count++];
            *s = (cache_slot){
                .input = i, .output = output, .heads = v->dims[1], .width = v->dims[3]};
            if (s->heads <= 0)
                s->heads = cache_heads(m);
            if (s->width <= 0)
                s->width = head_width(m);
            other |= s->heads <= 0 || s->width <= 0 || s->heads > 65536 || s->width > 65536;
        } else {
            other = true;
        }
    }
    for (uint32_t i = 0; i < g->output_count; i++)
        if (named(m, g->outputs[i], "logits"))
            d->logits = i;
    if (other || d->input_ids == ONNX_NONE || d->logits == ONNX_NONE || d->slot_count == 0) {
        d->slot_count = 0;
        return BRINK_OK;
    }
    const onnx_value *logits = &m->onnx.values[g->outputs[d->logits]];
    yyjson_val *model = json_get(m->genai.root, "model");
    const int64_t sizes[] = {logits->rank == 3 ? logits->dims[2] : 0,
                             json_int(m->config.root, "vocab_size", 0),
                             json_int(model, "vocab_size", 0)};
    d->vocabulary = (uint32_t)first_positive(sizes, 3);
    const int64_t contexts[] = {json_int(model, "context_length", 0),
                                json_int(m->config.root, "max_position_embeddings", 0)};
    int64_t context = first_positive(contexts, 2);
    d->context = context > INT32_MAX ? 0 : (uint32_t)context;
    d->first_position = counts_from_one(m);
    add_ends(d, json_get(m->generation.root, "eos_token_id"));
    add_ends(d, json_get(model, "eos_token_id"));
    add_ends(d, json_get(m->config.root, "eos_token_id"));
    return BRINK_OK;
}

const void *decoder_settled(const decoder *d, uint32_t input)
{
    static const int64_t all = 0;
    static const bool yes = true;
    return input == d->logits_to_keep ? (const void *)&all
           : input == d->cache_branch ? (const void *)&yes
                                      : NULL;
}

brink_status decoder_bindings(brink_model *m, expr_table *t, expr past, uint32_t chunk,
                              ir_binding *out, arena *memory)
{
    const onnx_graph *g = m->onnx.graph;
    const decoder *d = &m->decoder;
    expr one = expr_const(t, 1), rows = expr_const(t, chunk), total = expr_add(t, past, rows);
    for (uint32_t i = 0; i < g->input_count; i++) {
        expr *dims = ARENA_ARRAY(memory, expr, 4);
        if (dims == NULL)
            return BRINK_OUT_OF_MEMORY;
        dims[0] = one;
        dims[1] = i == d->attention_mask ? total : rows;
        out[i] = (ir_binding){.rank = 2, .dims = dims, .type = m->onnx.values[g->inputs[i]].type};
        const void *data = decoder_settled(d, i);
        if (i == d->cache_position)
            dims[0] = rows;
        if (data != NULL)
            dims[0] = one;
        if (i == d->cache_position || data != NULL)
            out[i].rank = (uint32_t)m->onnx.values[g->inputs[i]].rank;
        out[i].data = data;
    }
    for (uint32_t k = 0; k < d->slot_count; k++) {
        ir_binding *b = &out[d->slots[k].input];
        expr *dims = (expr *)(uintptr_t)b->dims;
        b->rank = 4;
        dims[1] = expr_const(t, d->slots[k].heads);
        dims[2] = past;
        dims[3] = expr_const(t, d->slots[k].width);
    }
    return BRINK_OK;
}
