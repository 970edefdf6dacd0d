/* adapter.c — reads a LoRA adapter as PEFT saves it (https://huggingface.co/docs/peft): what its settings
   ask for, its pairs of matrices, and the node that each pair changes.

   A module's change is scale * B A, the scale lora_alpha / r, or with rslora lora_alpha / sqrt(r)
   (Kalajdzievski, arXiv:2312.03732). Both matrices are kept in f16, and share out the scale by a power of
   two each, so that their largest numbers are about alike and far from f16's ends.

   Only this kind of change is made, so whatever else a file or its settings hold is refused by name. */
#include "pipelines/adapter.h"

#include "core/half.h"
#include "core/json.h"
#include "core/safetensors.h"
#include "text/regex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERNS = 64, NAME = 512 };

/* A pattern of module names and the number that those it matches have. */
typedef struct pattern {
    regex *name;
    double number;
} pattern;

typedef struct pattern_list {
    pattern list[PATTERNS];
    uint32_t count;
} pattern_list;

typedef struct pair {
    const char *module; /* "model.layers.0.self_attn.q_proj" */
    const safetensor *down, *up;
} pair;

typedef struct reader {
    brink_context *context;
    brink_adapter *adapter;
    const char *name, *file; /* of the adapter, and of its tensors, for messages */
    json_document config, modules;
    safetensors tensors;
    pattern_list ranks, alphas;
    pair *pairs;
    uint32_t pair_count;
    float *wide; /* of the matrix at hand */
    uint64_t wide_count;
} reader;

/* ── Settings ── */

static bool is_set(yyjson_val *value)
{
    return value != NULL && !yyjson_is_null(value) && !yyjson_is_false(value) &&
           !((yyjson_is_arr(value) || yyjson_is_obj(value)) && yyjson_get_len(value) == 0);
}

static brink_status refuse(const reader *r, const char *key, const char *why)
{
    return core_fail(r->context, BRINK_UNSUPPORTED, "%s: adapter_config.json: %s %s", r->name, key,
                     why);
}

static brink_status check_settings(const reader *r)
{
    yyjson_val *root = r->config.root;
    static const char *const others[] = {"use_dora",          "use_qalora",
                                         "use_bdlora",        "lora_bias",
                                         "modules_to_save",   "fan_in_fan_out",
                                         "layer_replication", "trainable_token_indices",
                                         "target_parameters", "alora_invocation_tokens",
                                         "arrow_config"};
    if (!yyjson_is_obj(root))
        return core_fail(r->context, BRINK_BAD_INPUT, "%s: adapter_config.json: not an object",
                         r->name);
    if (strcmp(json_string(root, "peft_type", "LORA"), "LORA") != 0)
        return refuse(r, "peft_type", "is not LORA");
    for (uint32_t i = 0; i < sizeof others / sizeof *others; i++)
        if (is_set(json_get(root, others[i])))
            return refuse(r, others[i], "is not supported");
    yyjson_val *bias = json_get(root, "bias");
    if (is_set(bias) && strcmp(json_string(root, "bias", ""), "none") != 0)
        return refuse(r, "bias", "is not \"none\"");
    /* These put other weights in the base's place while they train. */
    const char *begun = json_string(root, "init_lora_weights", "");
    if (strncmp(begun, "pissa", 5) == 0 || strcmp(begun, "olora") == 0 ||
        strcmp(begun, "corda") == 0)
        return refuse(r, "init_lora_weights", "changes the base's weights too");
    return BRINK_OK;
}

/* PEFT matches (.*\.)?(KEY)$ from a name's beginning. */
static brink_status read_patterns(const reader *r, const char *key, pattern_list *out)
{
    yyjson_val *object = json_get(r->config.root, key);
    if (!is_set(object))
        return BRINK_OK;
    if (!yyjson_is_obj(object) || yyjson_obj_size(object) > PATTERNS)
        return refuse(r, key, "is no object of at most 64 patterns");
    yyjson_obj_iter it = yyjson_obj_iter_with(object);
    for (yyjson_val *k; (k = yyjson_obj_iter_next(&it)) != NULL;) {
        char text[NAME], where[NAME];
        yyjson_val *number = yyjson_obj_iter_get_val(k);
        int bytes = snprintf(text, sizeof text, "\\A(?:.*\\.)?(?:%s)\\z", yyjson_get_str(k));
        if (bytes < 0 || (size_t)bytes >= sizeof text || !yyjson_is_num(number))
            return refuse(r, key, "has an entry that is no pattern and number");
        snprintf(where, sizeof where, "%s: adapter_config.json: %s", r->name, key);
        pattern *p = &out->list[out->count];
        TRY(regex_create(r->context, where, text, (uint32_t)bytes, &p->name));
        p->number = yyjson_get_num(number);
        out->count++;
    }
    return BRINK_OK;
}

static void free_patterns(pattern_list *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        regex_destroy(l->list[i].name);
}

/* The number of the first pattern that the module matches, else the setting `key`; NaN: neither. */
static brink_status setting(const reader *r, pattern_list *l, const char *key, const char *module,
                            double *out)
{
    uint32_t bytes = (uint32_t)strlen(module), start, end;
    *out = json_number(r->config.root, key, NAN);
    for (uint32_t i = 0; i < l->count; i++) {
        bool found;
        regex_begin(l->list[i].name, bytes);
        TRY(regex_find(l->list[i].name, module, bytes, 0, &found, &start, &end));
        if (found) {
            *out = l->list[i].number;
            break;
        }
    }
    return BRINK_OK;
}

/* ── Matrices ── */

/* The module's name within a tensor's, and whether it is B; false where it is no such matrix. */
static bool split_name(const char *name, const char **module, size_t *bytes, bool *up)
{
    static const char *const ends[4] = {".lora_A.weight", ".lora_A.default.weight",
                                        ".lora_B.weight", ".lora_B.default.weight"};
    static const char before[] = "base_model.model.";
    if (strncmp(name, before, sizeof before - 1) == 0)
        name += sizeof before - 1;
    size_t all = strlen(name);
    for (uint32_t i = 0; i < 4; i++) {
        size_t n = strlen(ends[i]);
        if (all <= n || strcmp(name + all - n, ends[i]) != 0)
            continue;
        *module = name;
        *bytes = all - n;
        *up = i >= 2;
        return true;
    }
    return false;
}

static int by_module(const void *a, const void *b)
{
    return strcmp(((const pair *)a)->module, ((const pair *)b)->module);
}

/* Sorts the tensors, so that a module's two come together. */
static brink_status find_pairs(reader *r)
{
    arena *a = &r->adapter->memory;
    pair *all = ARENA_ARRAY(a, pair, (uint64_t)r->tensors.count + 1);
    if (all == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < r->tensors.count; i++) {
        const safetensor *t = &r->tensors.list[i];
        const char *module;
        size_t bytes;
        bool up;
        if (!split_name(t->name, &module, &bytes, &up))
            return core_fail(r->context, BRINK_UNSUPPORTED,
                             "%s: %s is not a LoRA matrix of a linear layer", r->file, t->name);
        if (t->rank != 2 || (t->type != BRINK_F32 && t->type != BRINK_F16 && t->type != BRINK_BF16))
            return core_fail(r->context, BRINK_UNSUPPORTED,
                             "%s: %s is not a matrix of float32, float16 or bfloat16", r->file,
                             t->name);
        char *name = arena_string(a, module, bytes);
        if (name == NULL)
            return BRINK_OUT_OF_MEMORY;
        all[i] = (pair){name, up ? NULL : t, up ? t : NULL};
    }
    qsort(all, r->tensors.count, sizeof *all, by_module);
    for (uint32_t i = 0; i < r->tensors.count; i++) {
        pair *last = r->pair_count != 0 ? &all[r->pair_count - 1] : NULL;
        if (last == NULL || strcmp(last->module, all[i].module) != 0) {
            all[r->pair_count++] = all[i];
            continue;
        }
        if (all[i].down != NULL ? last->down != NULL : last->up != NULL)
            return core_fail(r->context, BRINK_BAD_INPUT, "%s: module %s has two of one matrix",
                             r->file, last->module);
        last->down = all[i].down != NULL ? all[i].down : last->down;
        last->up = all[i].up != NULL ? all[i].up : last->up;
    }
    r->pairs = all;
    for (uint32_t i = 0; i < r->pair_count; i++)
        if (all[i].down == NULL || all[i].up == NULL)
            return core_fail(r->context, BRINK_BAD_INPUT, "%s: module %s has lora_%s alone",
                             r->file, all[i].module, all[i].down != NULL ? "A" : "B");
    if (r->pair_count == 0)
        return core_fail(r->context, BRINK_BAD_INPUT, "%s: there are no LoRA matrices", r->file);
    return BRINK_OK;
}

/* A matrix as f32 in r->wide; its largest magnitude. */
static brink_status widen(reader *r, const safetensor *t, float *largest)
{
    if (t->count > r->wide_count) {
        core_free(r->context, r->wide);
        r->wide_count = 0;
        r->wide = core_alloc(r->context, t->count * sizeof *r->wide);
        if (r->wide == NULL)
            return BRINK_OUT_OF_MEMORY;
        r->wide_count = t->count;
    }
    const char *from = t->data;
    *largest = 0;
    for (uint64_t i = 0; i < t->count; i++) {
        uint16_t half;
        if (t->type == BRINK_F32) {
            memcpy(&r->wide[i], from + 4 * i, 4);
        } else {
            memcpy(&half, from + 2 * i, 2);
            r->wide[i] = t->type == BRINK_F16 ? half_to_float(half) : bfloat_to_float(half);
        }
        if (!isfinite(r->wide[i]))
            return core_fail(r->context, BRINK_BAD_INPUT,
                             "%s: %s holds a number that is not finite", r->file, t->name);
        *largest = fmaxf(*largest, fabsf(r->wide[i]));
    }
    return BRINK_OK;
}

/* The exponent of the power of two next to x; 0 for 0. */
static int exponent(float x)
{
    return x > 0 ? ilogbf(x) : 0;
}

static brink_status read_pair(reader *r, const pair *p, lora_entry *e)
{
    arena *a = &r->adapter->memory;
    int64_t rank = p->down->shape[0], k = p->down->shape[1], n = p->up->shape[0];
    double alpha, expected;
    TRY(setting(r, &r->alphas, "lora_alpha", p->module, &alpha));
    TRY(setting(r, &r->ranks, "r", p->module, &expected));
    if (rank < 1 || rank > 4096 || k < 1 || n < 1 || p->up->shape[1] != rank)
        return core_fail(r->context, BRINK_BAD_INPUT,
                         "%s: module %s has matrices [%lld, %lld] and [%lld, %lld]", r->file,
                         p->module, (long long)rank, (long long)k, (long long)n,
                         (long long)p->up->shape[1]);
    if (!isfinite(alpha) || (isfinite(expected) && expected != (double)rank))
        return core_fail(r->context, BRINK_BAD_INPUT,
                         "%s: adapter_config.json: module %s has rank %lld, but %s", r->name,
                         p->module, (long long)rank,
                         isfinite(alpha) ? "another r" : "lora_alpha is no number");
    bool rooted = json_bool(r->config.root, "use_rslora", false);
    double scale = alpha / (rooted ? sqrt((double)rank) : (double)rank);
    uint16_t *down = arena_array(a, (uint64_t)(rank * k), sizeof *down);
    uint16_t *up = arena_array(a, (uint64_t)(rank * n), sizeof *up);
    if (down == NULL || up == NULL)
        return BRINK_OUT_OF_MEMORY;
    float most_up, most_down;
    TRY(widen(r, p->up, &most_up));
    int up_exponent = exponent(most_up * (float)fabs(scale));
    TRY(widen(r, p->down, &most_down));
    int shift = (up_exponent - exponent(most_down)) / 2;
    for (int64_t i = 0; i < rank * k; i++)
        down[i] = float_to_half(ldexpf(r->wide[i], shift));
    TRY(widen(r, p->up, &most_up));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < rank; j++)
            up[j * n + i] = float_to_half(ldexpf((float)(r->wide[i * rank + j] * scale), -shift));
    if (!isfinite(ldexpf(most_down, shift)) || ldexpf(most_down, shift) > 65504 ||
        ldexpf(most_up * (float)fabs(scale), -shift) > 65504)
        return core_fail(r->context, BRINK_UNSUPPORTED,
                         "%s: module %s has numbers too large for float16", r->file, p->module);
    e->rank = (uint32_t)rank;
    e->k = k;
    e->n = n;
    e->down = down;
    e->up = up;
    r->adapter->bytes += (uint64_t)(rank * (k + n)) * sizeof *up;
    return BRINK_OK;
}

/* ── Nodes ── */

static const onnx_node *find_node(const onnx_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->node_count; i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return &g->nodes[i];
    return NULL;
}

/* What a product takes and gives, as far as the node itself says; −1: it does not. */
static void sizes_of(const onnx_model *m, const onnx_node *n, int64_t *k, int64_t *out)
{
    *k = onnx_int(n, ATTR_K, -1);
    *out = onnx_int(n, ATTR_N, -1);
    const onnx_tensor *w =
        n->input_count > 1 && n->inputs[1] != ONNX_NONE ? m->values[n->inputs[1]].initial : NULL;
    if (*k >= 0 || w == NULL || w->rank != 2)
        return;
    bool turned = onnx_int(n, ATTR_transB, 0) != 0;
    *k = w->dims[turned];
    *out = w->dims[!turned];
}

static brink_status find_place(reader *r, const pair *p, lora_entry *e)
{
    const brink_model *m = r->adapter->model;
    yyjson_val *module = json_get(json_get(r->modules.root, "modules"), p->module);
    const char *name = json_string(module, "node", NULL);
    const onnx_node *n = name != NULL ? find_node(m->onnx.graph, name) : NULL;
    if (name == NULL)
        return core_fail(r->context, BRINK_BAD_INPUT,
                         "%s: %s is not a module of this model (%s, brink_modules.json)", r->file,
                         p->module, m->onnx.file);
    if (n == NULL)
        return core_fail(r->context, BRINK_BAD_INPUT,
                         "brink_modules.json: module %s: %s has no node %s", p->module,
                         m->onnx.file, name);
    bool product = n->op != NULL && (n->op->id == OP_ms_MatMulNBits_1 ||
                                     n->op->id == OP_onnx_MatMul_1 || n->op->id == OP_onnx_Gemm_1);
    if (!product)
        return core_fail(r->context, BRINK_UNSUPPORTED,
                         "%s: module %s is computed by node %s (%s), which no adapter can change",
                         r->file, p->module, name, n->type);
    int64_t k, out;
    sizes_of(&m->onnx, n, &k, &out);
    if (k >= 0 && (k != p->down->shape[1] || out != p->up->shape[0]))
        return core_fail(
            r->context, BRINK_BAD_INPUT,
            "%s: module %s has matrices [%lld, %lld] and [%lld, %lld], but the model's "
            "weight is [%lld, %lld]",
            r->file, p->module, (long long)p->down->shape[0], (long long)p->down->shape[1],
            (long long)p->up->shape[0], (long long)p->up->shape[1], (long long)out, (long long)k);
    e->node = n->name;
    e->module = p->module;
    return BRINK_OK;
}

static int by_node(const void *a, const void *b)
{
    return strcmp(((const lora_entry *)a)->node, ((const lora_entry *)b)->node);
}

static brink_status read_changes(reader *r)
{
    lora *l = &r->adapter->changes;
    l->entries = ARENA_ARRAY(&r->adapter->memory, lora_entry, (uint64_t)r->pair_count + 1);
    if (l->entries == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < r->pair_count; i++) {
        TRY(find_place(r, &r->pairs[i], &l->entries[i]));
        TRY(read_pair(r, &r->pairs[i], &l->entries[i]));
    }
    l->count = r->pair_count;
    qsort(l->entries, l->count, sizeof *l->entries, by_node);
    for (uint32_t i = 1; i < l->count; i++)
        if (by_node(&l->entries[i - 1], &l->entries[i]) == 0)
            return core_fail(r->context, BRINK_BAD_INPUT,
                             "brink_modules.json: modules %s and %s have one node",
                             l->entries[i - 1].module, l->entries[i].module);
    return BRINK_OK;
}

/* ── The adapter ── */

/* Tells contents apart; not against intent. */
static uint64_t digest(uint64_t h, const void *data, uint64_t bytes)
{
    const uint8_t *p = data;
    uint64_t word;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; bytes != 0; bytes--, p++)
        h = (h ^ *p) * 0x100000001B3u;
    return h;
}

static brink_status read_adapter(reader *r, const brink_adapter_desc *desc)
{
    brink_adapter *adapter = r->adapter;
    char config[NAME];
    snprintf(config, sizeof config, "%s: adapter_config.json", r->name);
    if (desc->modules == NULL)
        return core_fail(r->context, BRINK_UNSUPPORTED,
                         "%s has no brink_modules.json beside it, which says where an adapter's "
                         "modules are: convert the model with brinktools",
                         adapter->model->onnx.file);
    TRY(json_parse(r->context, config, desc->config, desc->config_bytes, &r->config));
    TRY(json_parse(r->context, "brink_modules.json", desc->modules, desc->modules_bytes,
                   &r->modules));
    TRY(check_settings(r));
    TRY(read_patterns(r, "rank_pattern", &r->ranks));
    TRY(read_patterns(r, "alpha_pattern", &r->alphas));
    TRY(safetensors_read(&adapter->memory, r->file, desc->weights, desc->weights_bytes,
                         &r->tensors));
    TRY(find_pairs(r));
    TRY(read_changes(r));
    adapter->key =
        digest(digest(1, desc->config, desc->config_bytes), desc->weights, desc->weights_bytes) | 1;
    return BRINK_OK;
}

static brink_status make(brink_model *m, const char *name, brink_adapter **out)
{
    brink_adapter *adapter = core_calloc(m->context, 1, sizeof *adapter);
    *out = NULL;
    if (adapter == NULL)
        return BRINK_OUT_OF_MEMORY;
    arena_init(&adapter->memory, m->context);
    adapter->model = m;
    adapter->id = ++m->adapters;
    adapter->changes.name = arena_string(&adapter->memory, name, strlen(name));
    if (adapter->changes.name == NULL) {
        brink_adapter_destroy(adapter);
        return BRINK_OUT_OF_MEMORY;
    }
    *out = adapter;
    return BRINK_OK;
}

brink_status brink_adapter_create(brink_model *m, const brink_adapter_desc *desc,
                                  brink_adapter **out)
{
    brink_adapter *adapter;
    char file[NAME];
    const char *name = desc->name != NULL ? desc->name : "adapter";
    *out = NULL;
    TRY(make(m, name, &adapter));
    snprintf(file, sizeof file, "%s: adapter_model.safetensors", name);
    reader r = {.context = m->context, .adapter = adapter, .name = name, .file = file};
    brink_status status = read_adapter(&r, desc);
    json_free(&r.config);
    json_free(&r.modules);
    free_patterns(&r.ranks);
    free_patterns(&r.alphas);
    core_free(m->context, r.wide);
    if (status != BRINK_OK) {
        brink_adapter_destroy(adapter);
        return status;
    }
    *out = adapter;
    return BRINK_OK;
}

void brink_adapter_destroy(brink_adapter *adapter)
{
    if (adapter == NULL)
        return;
    brink_model *m = adapter->model;
    for (uint32_t i = 0; i < adapter->changes.count; i++) {
        const lora_entry *e = &adapter->changes.entries[i];
        packing_forget(m->packing, e->down);
        packing_forget(m->packing, e->up);
        if (m->executor != NULL) {
            m->executor->forget(m->executor, e->down);
            m->executor->forget(m->executor, e->up);
        }
    }
    arena_free(&adapter->memory);
    core_free(m->context, adapter);
}

uint64_t brink_adapter_bytes(const brink_adapter *adapter)
{
    return adapter->bytes;
}

bool adapter_same_structure(const lora *a, const lora *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = a->entries[i].node == b->entries[i].node && a->entries[i].rank == b->entries[i].rank;
    return same;
}

/* ── Several as one ── */

static uint16_t *copy_rows(uint16_t *to, const uint16_t *from, int64_t count, float weight)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = float_to_half(half_to_float(from[i]) * weight);
    return to + count;
}

/* The next node in order among the entries at `at`; NULL past the last. */
static const char *next_node(const brink_adapter *const *list, uint32_t count, const uint32_t *at)
{
    const char *first = NULL;
    for (uint32_t i = 0; i < count; i++)
        if (at[i] < list[i]->changes.count) {
            const char *node = list[i]->changes.entries[at[i]].node;
            if (first == NULL || strcmp(node, first) < 0)
                first = node;
        }
    return first;
}

/* The node's entries one behind another: ranks add up. */
static brink_status join_entry(brink_adapter *joined, const brink_adapter *const *list,
                               const float *weights, uint32_t count, uint32_t *at, const char *node)
{
    lora_entry *e = &joined->changes.entries[joined->changes.count++];
    for (uint32_t i = 0; i < count; i++) {
        const lora_entry *own = &list[i]->changes.entries[at[i]];
        if (at[i] == list[i]->changes.count || own->node != node)
            continue;
        uint32_t rank = e->rank + own->rank;
        *e = *own;
        e->rank = rank;
    }
    uint16_t *down = arena_array(&joined->memory, (uint64_t)e->rank * (uint64_t)e->k, 2);
    uint16_t *up = arena_array(&joined->memory, (uint64_t)e->rank * (uint64_t)e->n, 2);
    if (down == NULL || up == NULL)
        return BRINK_OUT_OF_MEMORY;
    e->module = arena_string(&joined->memory, e->module, strlen(e->module));
    if (e->module == NULL)
        return BRINK_OUT_OF_MEMORY;
    e->down = down;
    e->up = up;
    for (uint32_t i = 0; i < count; i++) {
        const lora_entry *own = &list[i]->changes.entries[at[i]];
        if (at[i] == list[i]->changes.count || own->node != node)
            continue;
        down = copy_rows(down, own->down, own->rank * own->k, 1);
        up = copy_rows(up, own->up, own->rank * own->n, weights != NULL ? weights[i] : 1);
        at[i]++;
    }
    joined->bytes += (uint64_t)e->rank * (uint64_t)(e->k + e->n) * 2;
    return BRINK_OK;
}

brink_status brink_adapter_join(const brink_adapter *const *list, const float *weights,
                                uint32_t count, brink_adapter **out)
{
    brink_adapter *joined;
    uint32_t at[BRINK_MAX_ADAPTERS] = {0};
    uint64_t most = 0;
    *out = NULL;
    brink_model *m = list[0]->model;
    if (count > BRINK_MAX_ADAPTERS)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%u adapters, %u can be joined", count,
                         BRINK_MAX_ADAPTERS);
    TRY(make(m, list[0]->changes.name, &joined));
    joined->key = 2;
    for (uint32_t i = 0; i < count; i++) {
        float weight = weights != NULL ? weights[i] : 1;
        joined->key = digest(digest(joined->key, &list[i]->key, 8), &weight, sizeof weight);
        most += list[i]->changes.count;
        if (list[i]->model != m) {
            brink_adapter_destroy(joined);
            return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%s: an adapter of another model",
                             list[i]->changes.name);
        }
    }
    brink_status status = BRINK_OUT_OF_MEMORY;
    joined->changes.entries = ARENA_ARRAY(&joined->memory, lora_entry, most + 1);
    if (joined->changes.entries != NULL)
        status = BRINK_OK;
    for (const char *node; status == BRINK_OK && (node = next_node(list, count, at)) != NULL;)
        status = join_entry(joined, list, weights, count, at, node);
    if (status != BRINK_OK) {
        brink_adapter_destroy(joined);
        return status;
    }
    *out = joined;
    return BRINK_OK;
}

/* ── Native files ── */

#ifndef __wasm__
#include <errno.h>

static brink_status read_file(brink_model *m, const char *folder, const char *file, bool optional,
                              void **data, uint64_t *bytes)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "rb") : NULL;
    *data = NULL;
    if (f == NULL && optional && errno == ENOENT)
        return BRINK_OK;
    if (f == NULL)
        return core_fail(m->context, BRINK_BAD_INPUT, "%s/%s: %s", folder, file, strerror(errno));
    long size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    *bytes = size > 0 ? (uint64_t)size : 0;
    if (size >= 0 && fseek(f, 0, SEEK_SET) == 0)
        *data = core_alloc(m->context, *bytes);
    bool read = *data != NULL && fread(*data, 1, (size_t)*bytes, f) == *bytes;
    fclose(f);
    if (*data == NULL && size >= 0)
        return BRINK_OUT_OF_MEMORY;
    return read ? BRINK_OK
                : core_fail(m->context, BRINK_BAD_INPUT, "%s/%s: cannot be read", folder, file);
}

brink_status brink_adapter_open(brink_model *m, const char *folder, brink_adapter **out)
{
    void *config = NULL, *weights = NULL, *modules = NULL;
    brink_adapter_desc desc = {.name = folder};
    *out = NULL;
    brink_status status =
        read_file(m, folder, "adapter_config.json", false, &config, &desc.config_bytes);
    if (status == BRINK_OK)
        status =
            read_file(m, folder, "adapter_model.safetensors", false, &weights, &desc.weights_bytes);
    if (status == BRINK_OK && m->folder != NULL)
        status = read_file(m, m->folder, "brink_modules.json", true, &modules, &desc.modules_bytes);
    desc.config = config;
    desc.weights = weights;
    desc.modules = modules;
    if (status == BRINK_OK)
        status = brink_adapter_create(m, &desc, out);
    core_free(m->context, config);
    core_free(m->context, weights);
    core_free(m->context, modules);
    return status;
}
#endif
