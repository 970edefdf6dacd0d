/* json.c — arbitrary bytes as a JSON document, or, if a NUL is among them, as a model's configuration
   files: a NUL ends one and opens the next. The graph is that of a language model, so that the
   configuration is looked into. */
#include "core/json.h"
#include "fuzz.h"

static uint8_t graph[4096];
static size_t graph_size;

static brink_status supply(brink_context *context, brink_task *task, const char *data, size_t size)
{
    void *copy = brink_alloc(context, size);
    if (copy == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (size != 0)
        memcpy(copy, data, size);
    return brink_task_supply(task, copy, size, NULL, NULL);
}

static uint64_t walk(yyjson_val *v)
{
    yyjson_val *key, *one;
    uint64_t sum = yyjson_get_len(v) + (uint64_t)yyjson_get_type(v);
    if (yyjson_is_arr(v)) {
        yyjson_arr_iter it = yyjson_arr_iter_with(v);
        while ((one = yyjson_arr_iter_next(&it)) != NULL)
            sum += walk(one);
    } else if (yyjson_is_obj(v)) {
        yyjson_obj_iter it = yyjson_obj_iter_with(v);
        while ((key = yyjson_obj_iter_next(&it)) != NULL) {
            json_get(v, yyjson_get_str(key));
            sum += walk(yyjson_obj_iter_get_val(key));
        }
    } else if (yyjson_is_str(v)) {
        sum += strlen(yyjson_get_str(v));
    }
    return sum;
}

static void document(const uint8_t *data, size_t size)
{
    brink_context *context = fuzz_context(64u << 20);
    json_document d;
    brink_status status = json_parse(context, "fuzz.json", data, size, &d);
    if (status == BRINK_OK && walk(d.root) == UINT64_MAX)
        abort();
    json_free(&d);
    fuzz_text(context, status);
    fuzz_end(context);
}

static void configuration(const uint8_t *data, size_t size)
{
    if (graph_size == 0) {
        FILE *file = fopen(BRINK_SOURCE_DIR "/tests/fuzz/decoder.onnx", "rb");
        if (file == NULL || (graph_size = fread(graph, 1, sizeof graph, file)) == 0)
            abort();
        fclose(file);
    }
    brink_context *context = fuzz_context(64u << 20);
    brink_model_desc desc = {.no_weights = true};
    brink_task *task;
    brink_want want;
    brink_model *model = NULL;
    if (brink_model_load_begin(context, &desc, &task) != BRINK_OK)
        abort();
    const char *at = (const char *)data;
    brink_status status;
    while ((status = brink_task_advance(task, 0)) == BRINK_PENDING) {
        if (!brink_task_want(task, &want))
            abort();
        size_t length = strlen(want.file);
        if (length > 5 && strcmp(want.file + length - 5, ".onnx") == 0) {
            if ((status = supply(context, task, (const char *)graph, graph_size)) != BRINK_OK)
                break;
            continue;
        }
        const char *rest;
        size_t left, first = fuzz_split((const uint8_t *)at, size, &rest, &left);
        if (first == 0) {
            status = brink_task_supply_missing(task);
        } else {
            status = supply(context, task, at, first);
        }
        at = rest;
        size = left;
        if (status != BRINK_OK)
            break;
    }
    brink_model_facts facts;
    brink_plan_memory memory;
    brink_session *session = NULL;
    if (status == BRINK_OK && brink_model_take(task, &model) == BRINK_OK) {
        brink_model_get_facts(model, &facts);
        brink_model_plan(model, NULL, 0, 16, &memory);
        if (brink_session_create(model, &(brink_session_desc){.context = 16}, &session) == BRINK_OK)
            brink_session_destroy(session);
    }
    brink_task_destroy(task);
    brink_model_destroy(model);
    fuzz_text(context, status);
    fuzz_end(context);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size != 0 && memchr(data, 0, size) != NULL)
        configuration(data, size);
    else
        document(data, size);
    return 0;
}
