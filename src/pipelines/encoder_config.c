/* encoder_config.c — how texts are embedded, as sentence-transformers' files and the caller say.

   Order of authority: the caller, the files, and where both are silent mean pooling, vectors of
   length 1, and as many tokens as config.json and the tokenizer allow, else 512. A file that asks
   for what is not implemented is refused by name, never passed over. */
#include "pipelines/encoder.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_TOKENS = 512, MOST_WIDTH = 1 << 20 };

/* The class of a module: "Pooling" of "sentence_transformers.models.Pooling". */
static const char *module_class(yyjson_val *module)
{
    const char *type = json_string(module, "type", ""), *dot = strrchr(type, '.');
    return dot != NULL ? dot + 1 : type;
}

/* A path that stays within the model's folder. */
static bool path_stays(const char *path)
{
    for (const char *at = path; *at; at += *at == '/') {
        size_t n = strcspn(at, "/");
        if ((n == 0) || (n == 2 && memcmp(at, "..", 2) == 0))
            return false;
        at += n;
    }
    return *path != 0 && strpbrk(path, "\\:") == NULL;
}

brink_status encoder_read_modules(brink_model *m)
{
    yyjson_val *list = m->modules.root, *module;
    size_t i, n;
    if (!yyjson_is_arr(list))
        return core_fail(m->context, BRINK_BAD_INPUT, "modules.json: is not a list of modules");
    m->pooling_file = NULL;
    yyjson_arr_foreach(list, i, n, module)
    {
        if (strcmp(module_class(module), "Pooling") != 0)
            continue;
        const char *path = json_string(module, "path", "");
        char file[256];
        if (!path_stays(path) || strlen(path) > 200)
            return core_fail(m->context, BRINK_BAD_INPUT,
                             "modules.json: module %zu: path \"%.60s\" is none within the folder",
                             i, path);
        snprintf(file, sizeof file, "%s/config.json", path);
        m->pooling_file = arena_string(&m->memory, file, strlen(file));
        if (m->pooling_file == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    return BRINK_OK;
}

/* Whether the modules normalise; those before must be what the graph and the pooling here do. */
static brink_status take_modules(brink_model *m, encoder_settings *s)
{
    yyjson_val *module;
    size_t i, n;
    s->normalize = m->modules.root == NULL;
    yyjson_arr_foreach(m->modules.root, i, n, module)
    {
        const char *name = module_class(module);
        if (strcmp(name, "Normalize") == 0)
            s->normalize = true;
        else if (!s->pooled && strcmp(name, "Transformer") != 0 && strcmp(name, "Pooling") != 0 &&
                 strcmp(name, "Dropout") != 0)
            return core_fail(m->context, BRINK_UNSUPPORTED,
                             "modules.json: module %.100s is not supported",
                             json_string(module, "type", "without a type"));
    }
    return BRINK_OK;
}

static brink_status take_pooling(brink_model *m, encoder_settings *s)
{
    static const struct {
        const char *key, *mode;
        brink_pooling pooling; /* BRINK_POOLING_MODEL: not supported */
    } modes[] = {
        {"pooling_mode_mean_tokens", "mean", BRINK_POOLING_MEAN},
        {"pooling_mode_cls_token", "cls", BRINK_POOLING_CLS},
        {"pooling_mode_lasttoken", "lasttoken", BRINK_POOLING_LAST},
        {"pooling_mode_max_tokens", "max", BRINK_POOLING_MODEL},
        {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", BRINK_POOLING_MODEL},
        {"pooling_mode_weightedmean_tokens", "weightedmean", BRINK_POOLING_MODEL},
    };
    yyjson_val *c = m->pooling.root;
    const char *mode = json_string(c, "pooling_mode", NULL);
    bool found = false;
    s->pooling = BRINK_POOLING_MEAN;
    s->skip_prefix = !json_bool(c, "include_prompt", true);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (mode != NULL ? strcmp(mode, modes[i].mode) != 0 : !json_bool(c, modes[i].key, false))
            continue;
        if (found || modes[i].pooling == BRINK_POOLING_MODEL)
            return core_fail(m->context, BRINK_UNSUPPORTED, "%s: %s is not supported%s",
                             m->pooling_file, modes[i].key, found ? " beside another" : "");
        found = true;
        s->pooling = modes[i].pooling;
    }
    if (mode != NULL && !found)
        return core_fail(m->context, BRINK_UNSUPPORTED,
                         "%s: pooling_mode \"%.60s\" is not supported", m->pooling_file, mode);
    return BRINK_OK;
}

static uint32_t least(uint32_t a, double b)
{
    return b >= 1 && b < a ? (uint32_t)b : a;
}

/* Embeddings of positions, less those that a RoBERTa leaves to its padding. */
static uint32_t positions(const brink_model *m)
{
    yyjson_val *c = m->config.root;
    int64_t count = json_int(c, "max_position_embeddings", 0);
    const char *type = json_string(c, "model_type", "");
    if (strstr(type, "roberta") != NULL || strcmp(type, "camembert") == 0 ||
        strcmp(type, "mpnet") == 0)
        count -= json_int(c, "pad_token_id", 1) + 1;
    return count > 0 && count < INT32_MAX ? (uint32_t)count : DEFAULT_TOKENS;
}

static void take_lengths(const brink_model *m, const brink_embed_desc *desc, encoder_settings *s)
{
    int64_t configured = json_int(m->sentence.root, "max_seq_length", 0);
    if (configured > 0 && configured < INT32_MAX)
        s->longest = (uint32_t)configured;
    else
        s->longest =
            least(positions(m), json_number(m->tokenizer_config.root, "model_max_length", 0));
    const onnx_value *ids = &m->onnx.values[m->onnx.graph->inputs[m->encoder.input_ids]];
    if (ids->rank == 2) {
        s->fixed_rows = ids->dims[0] > 0 && ids->dims[0] < 65536 ? (uint32_t)ids->dims[0] : 0;
        s->fixed_tokens = ids->dims[1] > 0 && ids->dims[1] < INT32_MAX ? (uint32_t)ids->dims[1] : 0;
    }
    if (s->fixed_tokens != 0)
        s->longest = least(s->longest, s->fixed_tokens);
    s->max_tokens = least(s->longest, desc->max_tokens);
    s->lower_case = json_bool(m->sentence.root, "do_lower_case", false);
    int64_t pad = json_int(m->config.root, "pad_token_id", 0);
    s->pad = pad > 0 && pad < INT32_MAX ? (uint32_t)pad : 0;
}

static brink_status no_prompt(brink_model *m, brink_status status, yyjson_val *prompts,
                              const char *name)
{
    char names[200] = "";
    size_t i, n;
    yyjson_val *key, *value;
    if (yyjson_is_obj(prompts)) {
        yyjson_obj_foreach(prompts, i, n, key, value)
        {
            size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", yyjson_get_str(key));
        }
    }
    return core_fail(m->context, status,
                     "config_sentence_transformers.json: there is no prompt \"%.60s\"%s%s", name,
                     *names ? ", but " : "", names);
}

static brink_status take_prefix(brink_model *m, const brink_embed_desc *desc, encoder_settings *s)
{
    yyjson_val *prompts = json_get(m->prompts.root, "prompts");
    const char *name = desc->prompt;
    if (desc->prefix != NULL && name != NULL)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                         "a prefix and a prompt's name exclude each other");
    s->prefix = desc->prefix != NULL ? desc->prefix : "";
    if (name == NULL)
        name = json_string(m->prompts.root, "default_prompt_name", NULL);
    if (desc->prefix != NULL || name == NULL)
        return BRINK_OK;
    s->prefix = json_string(prompts, name, NULL);
    if (s->prefix != NULL)
        return BRINK_OK;
    return no_prompt(m, desc->prompt != NULL ? BRINK_INVALID_ARGUMENT : BRINK_BAD_INPUT, prompts,
                     name);
}

static brink_status choose_output(brink_model *m, const brink_embed_desc *desc, encoder_settings *s)
{
    const encoder *e = &m->encoder;
    if (!e->found)
        return core_fail(
            m->context, BRINK_UNSUPPORTED,
            "%s: is no encoder of text: that has the inputs input_ids, attention_mask, "
            "token_type_ids, position_ids at most, and an output [batch, tokens, width]",
            m->onnx.file);
    s->pooled =
        e->pooled != ONNX_NONE && (e->tokens == ONNX_NONE || desc->pooling == BRINK_POOLING_MODEL);
    if (s->pooled && desc->pooling != BRINK_POOLING_MODEL)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                         "%s: gives pooled vectors, so the pooling cannot be chosen", m->onnx.file);
    s->output = s->pooled ? e->pooled : e->tokens;
    const onnx_value *v = &m->onnx.values[m->onnx.graph->outputs[s->output]];
    int64_t width = v->rank > 0 ? v->dims[v->rank - 1] : 0;
    if (width <= 0)
        width = json_int(m->pooling.root, "word_embedding_dimension", 0);
    s->width = width > 0 && width <= MOST_WIDTH ? (uint32_t)width : 0;
    return BRINK_OK;
}

brink_status encoder_configure(brink_model *m, const brink_embed_desc *desc, encoder_settings *out)
{
    *out = (encoder_settings){0};
    TRY(choose_output(m, desc, out));
    TRY(take_modules(m, out));
    if (desc->pooling == BRINK_POOLING_MODEL && !out->pooled)
        TRY(take_pooling(m, out));
    else
        out->pooling = desc->pooling;
    if (desc->normalize != BRINK_NORMALIZE_MODEL)
        out->normalize = desc->normalize == BRINK_NORMALIZE_ON;
    take_lengths(m, desc, out);
    return take_prefix(m, desc, out);
}
