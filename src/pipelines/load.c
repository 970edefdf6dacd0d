/* load.c — the load task: asks for files in turn and puts a model together from them.

   Order: what names the graph, the graph, configuration (of an encoder more than of others) and
   tokenizer (small, optional), then the graph's external data. So the large files are known early, and a host that looks ahead
   (brink_task_want_later) brings them while the tokenizer is read. What a file says of another's
   name or size is checked before that file is asked for. */
#include "pipelines/encoder.h"
#include "pipelines/parts.h"
#include "pipelines/task.h"
#include "text/grammar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum load_stage {
    LOAD_GENAI,
    LOAD_GRAPH,
    LOAD_CONFIG,
    LOAD_GENERATION,
    LOAD_TOKENIZER_CONFIG,
    LOAD_TEMPLATE,
    LOAD_MODULES,
    LOAD_POOLING,
    LOAD_SENTENCE,
    LOAD_PROMPTS,
    LOAD_TOKENIZER,
    LOAD_EXTERNAL,
    LOAD_DONE
} load_stage;

typedef struct load_task {
    brink_task base;
    brink_model *model;
    load_stage stage;
    uint32_t external; /* the one asked for */
    bool waiting;
    brink_want want;
    char name[512]; /* of the wanted file */
    const char *graph;
    bool graph_chosen; /* named by the caller or the configuration */
    uint32_t graph_try;
    bool rehearsed; /* what the GPU compiles has been begun */
    char *folder;   /* native: where files are served from */
} load_task;

static const char *const stage_files[] = {
    [LOAD_GENAI] = "genai_config.json",
    [LOAD_CONFIG] = "config.json",
    [LOAD_GENERATION] = "generation_config.json",
    [LOAD_TOKENIZER_CONFIG] = "tokenizer_config.json",
    [LOAD_TEMPLATE] = "chat_template.jinja",
    [LOAD_MODULES] = "modules.json",
    [LOAD_SENTENCE] = "sentence_bert_config.json",
    [LOAD_PROMPTS] = "config_sentence_transformers.json",
    [LOAD_TOKENIZER] = "tokenizer.json",
};

/* Names a graph has when nobody says. */
static const char *const graph_names[] = {"model.onnx", "onnx/model.onnx"};
enum { GRAPH_NAMES = sizeof graph_names / sizeof *graph_names };

/* The small file of a stage, NULL where that is not asked for, or not known yet. */
static const char *stage_file(const load_task *t, load_stage stage)
{
    const brink_model *m = t->model;
    bool of_encoder = stage >= LOAD_MODULES && stage <= LOAD_PROMPTS;
    if (m->desc.graph_only || (of_encoder && (!m->encoder.found || m->desc.no_weights)))
        return NULL;
    if (stage == LOAD_POOLING)
        return t->stage > LOAD_MODULES ? m->pooling_file : NULL;
    return stage_files[stage];
}

static void ask(load_task *t, const char *file, bool optional, uint64_t least)
{
    snprintf(t->name, sizeof t->name, "%s", file);
    t->want = (brink_want){.file = t->name, .optional = optional, .least_bytes = least};
    t->waiting = true;
}

/* External data is named relative to the graph's own folder. */
static char *beside_graph(brink_model *m, const char *graph, const char *file)
{
    const char *slash = strrchr(graph, '/');
    uint64_t folder = slash ? (uint64_t)(slash - graph) + 1 : 0, n = strlen(file);
    char *path = arena_alloc(&m->memory, folder + n + 1);
    if (path != NULL) {
        memcpy(path, graph, (size_t)folder);
        memcpy(path + folder, file, (size_t)n);
    }
    return path;
}

/* Lists the files that tensors lie in. */
static brink_status find_externals(load_task *t)
{
    brink_model *m = t->model;
    m->file_of = ARENA_ARRAY(&m->memory, uint32_t, (uint64_t)m->onnx.tensor_count + 1);
    if (m->file_of == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++) {
        const onnx_tensor *w = m->onnx.tensors[i];
        m->file_of[i] = ONNX_NONE;
        if (w->external == NULL)
            continue;
        char *path = beside_graph(m, t->graph, w->external);
        if (path == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (strlen(path) >= sizeof t->name)
            return core_fail(m->context, BRINK_BAD_INPUT,
                             "%s: tensor %s: external file name is too long", m->onnx.file,
                             w->name);
        uint32_t k = 0;
        while (k < m->external_count && strcmp(m->externals[k].name, path) != 0)
            k++;
        if (k == m->external_count) {
            external_file *files = ARENA_ARRAY(&m->memory, external_file, (uint64_t)k + 1);
            if (files == NULL)
                return BRINK_OUT_OF_MEMORY;
            if (k != 0)
                memcpy(files, m->externals, k * sizeof *files);
            m->externals = files;
            m->externals[m->external_count++] = (external_file){.name = path};
        }
        uint64_t end = w->offset + w->bytes; /* checked when the tensor was read */
        if (end > m->externals[k].least_bytes)
            m->externals[k].least_bytes = end;
        m->file_of[i] = k;
    }
    return BRINK_OK;
}

/* Points tensors into their files; unaligned elements are copied. */
static brink_status place_externals(load_task *t)
{
    brink_model *m = t->model;
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++) {
        onnx_tensor *w = m->onnx.tensors[i];
        if (m->file_of[i] == ONNX_NONE || w->data != NULL)
            continue;
        w->data = m->externals[m->file_of[i]].data.data + w->offset;
        uint32_t align = brink_type_bits(w->type) / 8;
        if (align > 1 && (uintptr_t)w->data % align != 0) {
            void *copy = arena_alloc(&m->memory, w->bytes + 1);
            if (copy == NULL)
                return BRINK_OUT_OF_MEMORY;
            memcpy(copy, w->data, (size_t)w->bytes);
            w->data = copy;
        }
    }
    return BRINK_OK;
}

static brink_status take_genai(load_task *t)
{
    yyjson_val *genai = json_get(json_get(t->model->genai.root, "model"), "decoder");
    const char *name = json_string(genai, "filename", NULL);
    if (name != NULL && !t->graph_chosen) {
        t->graph = arena_string(&t->model->memory, name, strlen(name));
        t->graph_chosen = true;
        if (t->graph == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    return BRINK_OK;
}

/* What this build cannot do is said when it is asked for: a graph runs without a tokenizer. */
static brink_status keep_going(brink_model *m, brink_status status, const char **missing)
{
    if (status != BRINK_UNSUPPORTED)
        return status;
    *missing = arena_string(&m->memory, m->context->error, strlen(m->context->error));
    return *missing != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

static brink_status take_template(brink_model *m, const char *file, const char *text,
                                  uint64_t bytes)
{
    if (m->template != NULL)
        return BRINK_OK;
    brink_status status = chat_template_create(m->context, file, text, bytes, &m->template);
    return keep_going(m, status, &m->template_missing);
}

/* The template inside tokenizer_config.json: a string, or a list of named ones. */
static brink_status take_tokenizer_config(brink_model *m)
{
    yyjson_val *chat = json_get(m->tokenizer_config.root, "chat_template");
    if (yyjson_is_arr(chat)) {
        yyjson_val *entry;
        yyjson_arr_iter it = yyjson_arr_iter_with(chat);
        while ((entry = yyjson_arr_iter_next(&it)) != NULL)
            if (strcmp(json_string(entry, "name", ""), "default") == 0)
                chat = json_get(entry, "template");
    }
    if (!yyjson_is_str(chat))
        return BRINK_OK;
    return take_template(m, "tokenizer_config.json", yyjson_get_str(chat), yyjson_get_len(chat));
}

static brink_status take_file(load_task *t, const void *data, uint64_t size)
{
    brink_model *m = t->model;
    const char *file = t->name;
    switch (t->stage) {
    case LOAD_GENAI:
        TRY(json_parse(m->context, file, data, size, &m->genai));
        return take_genai(t);
    case LOAD_CONFIG:
        return json_parse(m->context, file, data, size, &m->config);
    case LOAD_GENERATION:
        return json_parse(m->context, file, data, size, &m->generation);
    case LOAD_TOKENIZER_CONFIG:
        TRY(json_parse(m->context, file, data, size, &m->tokenizer_config));
        return BRINK_OK;
    case LOAD_TEMPLATE:
        return take_template(m, file, data, size);
    case LOAD_MODULES:
        TRY(json_parse(m->context, file, data, size, &m->modules));
        return encoder_read_modules(m);
    case LOAD_POOLING:
        return json_parse(m->context, file, data, size, &m->pooling);
    case LOAD_SENTENCE:
        return json_parse(m->context, file, data, size, &m->sentence);
    case LOAD_PROMPTS:
        return json_parse(m->context, file, data, size, &m->prompts);
    case LOAD_TOKENIZER:
        return keep_going(m, tokenizer_create(m->context, file, data, size, &m->tokenizer),
                          &m->tokenizer_missing);
    default:
        return BRINK_OK;
    }
}

/* Before the first part comes, the GPU is open, and has begun to compile what a first run needs. */
static brink_status prepare_parts(load_task *t, uint64_t deadline)
{
    brink_model *m = t->model;
    TRY(m->executor->open(m->executor, deadline));
    if (!t->rehearsed) {
        t->rehearsed = true;
        TRY(decoder_find(m));
        model_rehearse(m);
        TRY(m->executor->open(m->executor, deadline)); /* that it was lost shows where it is used */
    }
    parts_begin(m);
    return BRINK_OK;
}

/* Asks for the next file, or finishes. */
static brink_status next_want(load_task *t, uint64_t deadline)
{
    brink_model *m = t->model;
    for (;; t->stage++) {
        if (t->stage == LOAD_GRAPH) {
            if (!t->graph_chosen)
                t->graph = graph_names[t->graph_try];
            if (strlen(t->graph) >= sizeof t->name)
                return core_fail(m->context, BRINK_BAD_INPUT, "the graph's file name is too long");
            ask(t, t->graph, !t->graph_chosen && t->graph_try + 1 < GRAPH_NAMES, 0);
            return BRINK_PENDING;
        }
        if (t->stage <= LOAD_TOKENIZER) {
            const char *file = stage_file(t, t->stage);
            if (file == NULL)
                continue;
            ask(t, file, true, 0);
            return BRINK_PENDING;
        }
        if (t->stage == LOAD_EXTERNAL && !m->desc.no_weights && t->external < m->external_count) {
            external_file *f = &m->externals[t->external];
            if (f->in_parts && !m->remote)
                TRY(prepare_parts(t, deadline));
            ask(t, f->name, false, f->least_bytes);
            t->want.in_parts = f->in_parts;
            return BRINK_PENDING;
        }
        if (t->stage == LOAD_EXTERNAL && !m->desc.no_weights)
            TRY(place_externals(t));
        if (t->stage == LOAD_DONE) {
            TRY(take_tokenizer_config(m));
            TRY(model_count_ops(m));
            return decoder_find(m);
        }
    }
}

static brink_status load_advance(brink_task *base, uint64_t deadline)
{
    load_task *t = (load_task *)base;
    return t->waiting ? BRINK_PENDING : next_want(t, deadline);
}

bool brink_task_want(const brink_task *base, brink_want *want)
{
    const load_task *t = (const load_task *)base;
    if (base->kind != TASK_LOAD && !base->ended && base->model != NULL)
        return parts_want(base->model, want);
    if (base->kind != TASK_LOAD || base->ended || !t->waiting)
        return false;
    *want = t->want;
    return true;
}

bool brink_task_want_later(const brink_task *base, uint32_t index, brink_want *want)
{
    const load_task *t = (const load_task *)base;
    if (base->kind != TASK_LOAD || base->ended || !t->waiting)
        return false;
    const brink_model *m = t->model;
    for (load_stage stage = t->stage + 1; stage <= LOAD_TOKENIZER; stage++) {
        const char *file = stage != LOAD_GRAPH ? stage_file(t, stage)
                           : t->graph_chosen   ? t->graph
                                               : NULL;
        if (file == NULL || index-- != 0)
            continue;
        *want = (brink_want){.file = file, .optional = stage != LOAD_GRAPH};
        return true;
    }
    uint64_t k = (uint64_t)index + t->external + (t->stage == LOAD_EXTERNAL ? 1 : 0);
    if (m->desc.no_weights || k >= m->external_count)
        return false;
    *want = parts_file(&m->externals[k]);
    return true;
}

static brink_status end(brink_task *base, brink_status status)
{
    base->ended = true;
    base->result = status;
    return status;
}

static brink_status accept(load_task *t, blob *b)
{
    brink_model *m = t->model;
    if (t->stage == LOAD_GRAPH) {
        m->graph_file = *b;
        *b = (blob){0};
        TRY(onnx_read(m->context, t->name, m->graph_file.data, m->graph_file.size, &m->onnx));
        m->onnx.packing = m->packing;
        if (m->desc.all_values)
            TRY(onnx_expose_values(&m->onnx));
        encoder_find(m);
        TRY(find_externals(t));
        TRY(parts_find(m));
        t->stage++;
        return BRINK_OK;
    }
    if (t->stage == LOAD_EXTERNAL) {
        external_file *f = &m->externals[t->external];
        if (f->taken != 0)
            return core_fail(m->context, BRINK_INVALID_ARGUMENT, "%s: comes in parts", t->name);
        TRY(parts_check_size(m, t->external, b->size));
        parts_keep(m, t->external);
        f->data = *b;
        *b = (blob){0};
        t->external++;
        return BRINK_OK;
    }
    TRY(take_file(t, b->data, b->size));
    t->stage++;
    return BRINK_OK;
}

static brink_status not_waiting(brink_task *base)
{
    return core_fail(base->context, BRINK_INVALID_ARGUMENT, "the task waits for no file");
}

brink_status brink_task_supply(brink_task *base, void *data, uint64_t size,
                               void (*release)(void *user, void *data, uint64_t size), void *user)
{
    load_task *t = (load_task *)base;
    blob b = {data, size, release, user, release == NULL};
    if (base->kind != TASK_LOAD || base->ended || !t->waiting) {
        blob_release(base->context, &b);
        return not_waiting(base);
    }
    t->waiting = false;
    brink_status status = accept(t, &b);
    blob_release(base->context, &b);
    return status == BRINK_OK ? status : end(base, status);
}

brink_status brink_task_supply_part(brink_task *base, uint64_t at, const void *data, uint64_t size)
{
    if (base->ended)
        return not_waiting(base);
    if (base->kind != TASK_LOAD)
        return base->model != NULL && parts_missing(base->model)
                   ? parts_again(base->model, at, data, size)
                   : not_waiting(base);
    load_task *t = (load_task *)base;
    if (!t->waiting || !t->want.in_parts)
        return not_waiting(base);
    brink_status status = parts_take(t->model, t->external, at, data, size);
    if (status == BRINK_OK && size == 0) {
        t->waiting = false;
        t->external++;
    }
    return status == BRINK_OK ? status : end(base, status);
}

brink_status brink_task_supply_missing(brink_task *base)
{
    load_task *t = (load_task *)base;
    if (base->kind != TASK_LOAD || base->ended || !t->waiting)
        return not_waiting(base);
    t->waiting = false;
    if (!t->want.optional)
        return end(base, core_fail(base->context, BRINK_BAD_INPUT, "%s: no such file", t->name));
    if (t->stage == LOAD_GRAPH)
        t->graph_try++;
    else
        t->stage++;
    return BRINK_OK;
}

static void load_destroy(brink_task *base)
{
    load_task *t = (load_task *)base;
    brink_model_destroy(t->model);
    core_free(base->context, t->folder);
}

brink_status brink_model_load_begin(brink_context *context, const brink_model_desc *desc,
                                    brink_task **out)
{
    *out = NULL;
    load_task *t = task_create(context, sizeof *t, TASK_LOAD, load_advance, load_destroy);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    brink_model *m = t->model = core_calloc(context, 1, sizeof *m);
    if (m == NULL) {
        core_free(context, t);
        return BRINK_OUT_OF_MEMORY;
    }
    m->context = context;
    arena_init(&m->memory, context);
    if (packing_create(context, &m->packing) != BRINK_OK) {
        brink_task_destroy(&t->base);
        return BRINK_OUT_OF_MEMORY;
    }
    if (desc != NULL)
        m->desc = *desc;
    if (m->desc.graph != NULL) {
        t->graph = m->desc.graph = arena_string(&m->memory, desc->graph, strlen(desc->graph));
        t->graph_chosen = true;
        if (t->graph == NULL) {
            brink_task_destroy(&t->base);
            return BRINK_OUT_OF_MEMORY;
        }
    }
    *out = &t->base;
    return BRINK_OK;
}

brink_status brink_model_take(brink_task *base, brink_model **out)
{
    load_task *t = (load_task *)base;
    *out = NULL;
    if (base->kind != TASK_LOAD || !base->ended || base->result != BRINK_OK || t->model == NULL)
        return core_fail(base->context, BRINK_INVALID_ARGUMENT, "there is no loaded model to take");
    *out = t->model;
    t->model = NULL;
    return BRINK_OK;
}

void brink_model_destroy(brink_model *m)
{
    if (m == NULL)
        return;
    for (segment *next, *s = m->segments; s != NULL; s = next) {
        next = s->next;
        segment_free(s);
    }
    model_executor_close(m);
    workspace_free(m->context, &m->workspace);
    workspace_free(m->context, &m->together);
    packing_free(m->packing);
    token_trie_destroy(m->trie);
    tokenizer_destroy(m->tokenizer);
    chat_template_destroy(m->template);
    json_free(&m->config);
    json_free(&m->genai);
    json_free(&m->generation);
    json_free(&m->tokenizer_config);
    json_free(&m->modules);
    json_free(&m->pooling);
    json_free(&m->sentence);
    json_free(&m->prompts);
    onnx_free(&m->onnx);
    for (uint32_t i = 0; i < m->external_count; i++)
        blob_release(m->context, &m->externals[i].data);
    blob_release(m->context, &m->graph_file);
    arena_free(&m->memory);
    core_free(m->context, m);
}

/* ── Native files ── */

#ifndef __wasm__
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void unmap(void *user, void *data, uint64_t size)
{
    (void)user;
    munmap(data, (size_t)size);
}

/* Lets go of the pages of a mapped file that lie wholly in the range; they can be read again. */
static void give_up(void *user, const void *data, uint64_t bytes)
{
    const brink_model *m = user;
    const blob *file = &m->graph_file;
    for (uint32_t i = 0; file != NULL;
         file = i < m->external_count ? &m->externals[i++].data : NULL) {
        uintptr_t start = (uintptr_t)file->data, at = (uintptr_t)data;
        if (file->release != unmap || at < start || at + bytes > start + file->size)
            continue;
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t first = (at + page - 1) / page * page, last = (at + bytes) / page * page;
        if (first < last)
            madvise((void *)first, last - first, MADV_DONTNEED);
    }
}

/* The one .onnx file in a folder that has none of the usual names. */
static bool only_graph(const char *folder, char *name, size_t capacity)
{
    DIR *dir = opendir(folder);
    uint32_t found = 0;
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n > 5 && strcmp(e->d_name + n - 5, ".onnx") == 0 && n < capacity) {
            found++;
            memcpy(name, e->d_name, n + 1);
        }
    }
    if (dir != NULL)
        closedir(dir);
    return found == 1;
}

static bool exists(const char *folder, const char *file)
{
    char path[4096];
    struct stat s;
    int n = snprintf(path, sizeof path, "%s/%s", folder, file);
    return n > 0 && (size_t)n < sizeof path && stat(path, &s) == 0;
}

brink_status brink_model_open_begin(brink_context *context, const char *path,
                                    const brink_model_desc *desc, brink_task **out)
{
    *out = NULL;
    struct stat s;
    if (stat(path, &s) != 0)
        return core_fail(context, BRINK_BAD_INPUT, "%s: %s", path, strerror(errno));
    brink_model_desc d = desc != NULL ? *desc : (brink_model_desc){0};
    const char *slash = strrchr(path, '/');
    uint64_t n = strlen(path);
    char name[256];
    if (!S_ISDIR(s.st_mode)) {
        d.graph = slash ? slash + 1 : path;
        n = slash ? (uint64_t)(slash - path) : 0;
        if (slash == path)
            n = 1;
    }
    char *folder = core_alloc(context, n + 2);
    if (folder == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(folder, path, (size_t)n);
    folder[n] = 0;
    if (n == 0)
        memcpy(folder, ".", 2);
    bool usual = exists(folder, "genai_config.json");
    for (uint32_t i = 0; i < GRAPH_NAMES; i++)
        usual |= exists(folder, graph_names[i]);
    if (d.graph == NULL && !usual) {
        if (!only_graph(folder, name, sizeof name)) {
            core_free(context, folder);
            return core_fail(context, BRINK_BAD_INPUT,
                             "%s: there is no model.onnx, no genai_config.json and not exactly one "
                             ".onnx file",
                             path);
        }
        d.graph = name;
    }
    brink_status status = brink_model_load_begin(context, &d, out);
    if (status != BRINK_OK) {
        core_free(context, folder);
        return status;
    }
    load_task *t = (load_task *)*out;
    t->folder = folder;
    t->model->folder = arena_string(&t->model->memory, folder, strlen(folder));
    if (t->model->folder == NULL) {
        brink_task_destroy(*out);
        *out = NULL;
        return BRINK_OUT_OF_MEMORY;
    }
    packing_set_give_up(t->model->packing, give_up, t->model);
    return BRINK_OK;
}

brink_status brink_task_serve_files(brink_task *base)
{
    load_task *t = (load_task *)base;
    brink_context *context = base->context;
    brink_want want;
    if (!brink_task_want(base, &want) || t->folder == NULL)
        return not_waiting(base);
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", t->folder, want.file);
    if (n < 0 || (size_t)n >= sizeof path)
        return end(base,
                   core_fail(context, BRINK_BAD_INPUT, "%s: the path is too long", want.file));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT && want.optional)
        return brink_task_supply_missing(base);
    struct stat s;
    if (file < 0 || fstat(file, &s) != 0 || !S_ISREG(s.st_mode)) {
        int why = errno;
        if (file >= 0)
            close(file);
        return end(base, core_fail(context, BRINK_BAD_INPUT, "%s: %s", path,
                                   file < 0 ? strerror(why) : "not a file"));
    }
    uint64_t size = (uint64_t)s.st_size;
    void *data = NULL;
    if (size != 0) {
        data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, file, 0);
        if (data == MAP_FAILED) {
            int why = errno;
            close(file);
            return end(base, core_fail(context, BRINK_OUT_OF_MEMORY, "%s: cannot be mapped: %s",
                                       path, strerror(why)));
        }
    }
    close(file);
    brink_status status = size != 0 ? brink_task_supply(base, data, size, unmap, NULL)
                                    : brink_task_supply(base, NULL, 0, NULL, NULL);
    /* Errors name the file as the user knows it. */
    if (status == BRINK_BAD_INPUT || status == BRINK_UNSUPPORTED) {
        size_t folder = strlen(t->folder);
        if (strncmp(context->error, t->folder, folder) != 0 && strcmp(t->folder, ".") != 0) {
            char text[sizeof context->error];
            snprintf(text, sizeof text, "%s", context->error);
            core_fail(context, status, "%s/%s", t->folder, text);
        }
    }
    return status;
}

brink_status brink_task_wait(brink_task *task)
{
    brink_status status;
    while ((status = brink_task_advance(task, 100000)) == BRINK_PENDING) {}
    return status;
}

brink_status brink_model_open(brink_context *context, const char *path,
                              const brink_model_desc *desc, brink_model **out)
{
    *out = NULL;
    brink_task *task;
    TRY(brink_model_open_begin(context, path, desc, &task));
    brink_status status;
    brink_want want;
    while ((status = brink_task_advance(task, 100000)) == BRINK_PENDING)
        if (brink_task_want(task, &want))
            brink_task_serve_files(task);
    if (status == BRINK_OK)
        status = brink_model_take(task, out);
    brink_task_destroy(task);
    return status;
}
#endif
