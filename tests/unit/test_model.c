/* Reading models: what a load asks for, and that damaged files end in a clear error. */
#include "core/context.h"
#include "onnx/model.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void load_asks_for_files_in_turn(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_task *task;
    brink_want want;
    char asked[512] = "";
    support_ok(context, brink_model_load_begin(context, NULL, &task));
    brink_status status;
    while ((status = brink_task_advance(task, 0)) == BRINK_PENDING) {
        assert_true(brink_task_want(task, &want));
        snprintf(asked + strlen(asked), sizeof asked - strlen(asked), "%s%s ", want.file,
                 want.optional ? "?" : "");
        brink_task_supply_missing(task);
    }
    assert_string_equal(asked, "genai_config.json? model.onnx? onnx/model.onnx ");
    assert_int_equal(status, BRINK_BAD_INPUT);
    assert_string_equal(brink_error(context), "onnx/model.onnx: no such file");
    brink_task_destroy(task);
    support_end(context);
}

/* Lists what will be asked for later; answers the want with the file of that name. */
static void later(brink_context *context, brink_task *task, const char *expected)
{
    char names[512] = "", path[256];
    brink_want want;
    assert_int_equal(brink_task_advance(task, 0), BRINK_PENDING);
    for (uint32_t i = 0; brink_task_want_later(task, i, &want); i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s ", want.file,
                 want.optional ? "?" : "");
    assert_string_equal(names, expected);
    assert_true(brink_task_want(task, &want));
    snprintf(path, sizeof path, "tests/fixtures/models/llama/genai_int4/%s", want.file);
    uint64_t size;
    uint8_t *data = support_read(path, &size);
    void *copy = brink_alloc(context, size);
    memcpy(copy, data, size);
    support_ok(context, brink_task_supply(task, copy, size, NULL, NULL));
    free(data);
}

static void what_is_asked_later_is_known_early(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_task *task;
    brink_want want;
    support_ok(context, brink_model_load_begin(context, NULL, &task));
    later(context, task,
          "config.json? generation_config.json? tokenizer_config.json? chat_template.jinja? "
          "tokenizer.json? ");
    later(context, task,
          "config.json? generation_config.json? tokenizer_config.json? chat_template.jinja? "
          "tokenizer.json? ");
    assert_int_equal(brink_task_advance(task, 0), BRINK_PENDING);
    assert_true(brink_task_want_later(task, 4, &want));
    assert_string_equal(want.file, "model.onnx.data");
    assert_true(want.least_bytes > 60000);
    assert_false(brink_task_want_later(task, 5, &want));
    while (brink_task_want(task, &want) && want.optional) {
        brink_task_supply_missing(task);
        brink_task_advance(task, 0);
    }
    assert_string_equal(want.file, "model.onnx.data");
    assert_false(want.in_parts); /* nothing of a model for the CPU is held elsewhere */
    assert_int_equal(brink_task_supply_part(task, 0, "1234", 4), BRINK_INVALID_ARGUMENT);
    assert_false(brink_task_want_later(task, 0, &want));
    brink_task_destroy(task);
    assert_int_equal(brink_context_memory(context).live, support_idle);
    support_end(context);
}

static void external_data_is_asked_with_its_size(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_task *task;
    brink_want want;
    uint64_t size;
    uint8_t *graph = support_read("tests/fixtures/models/llama/genai_int4/model.onnx", &size);
    support_ok(context,
               brink_model_load_begin(context, &(brink_model_desc){.graph_only = true}, &task));
    assert_int_equal(brink_task_advance(task, 0), BRINK_PENDING);
    assert_true(brink_task_want(task, &want));
    assert_string_equal(want.file, "model.onnx");
    void *copy = brink_alloc(context, size);
    memcpy(copy, graph, size);
    support_ok(context, brink_task_supply(task, copy, size, NULL, NULL));
    assert_int_equal(brink_task_advance(task, 0), BRINK_PENDING);
    assert_true(brink_task_want(task, &want));
    assert_string_equal(want.file, "model.onnx.data");
    assert_true(want.least_bytes > 60000);
    void *small = brink_alloc(context, 100);
    assert_int_equal(brink_task_supply(task, small, 100, NULL, NULL), BRINK_BAD_INPUT);
    assert_non_null(strstr(brink_error(context), "model.onnx.data: has 100 bytes"));
    brink_task_destroy(task);
    free(graph);
    support_end(context);
}

/* Reads bytes as a model and plans nothing; whatever they are, it must end with a status. */
static brink_status read_bytes(brink_context *context, const uint8_t *data, uint64_t size)
{
    onnx_model m;
    brink_status status = onnx_read(context, "damaged.onnx", data, size, &m);
    onnx_free(&m);
    return status;
}

static void truncated_files_are_refused(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    uint64_t size;
    uint8_t *data = support_read("tests/fixtures/models/llama/genai_int4/model.onnx", &size);
    for (uint64_t n = 0; n < size; n += 1 + n / 7) {
        uint8_t *part = malloc(n + 1); /* its own block, so that sanitizers see the end */
        memcpy(part, data, n);
        if (read_bytes(context, part, n) != BRINK_OK)
            assert_non_null(strstr(brink_error(context), "damaged.onnx"));
        free(part);
    }
    free(data);
    support_end(context);
}

static void flipped_bytes_never_crash(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    uint64_t size, seed = 12345;
    uint8_t *data = support_read("tests/fixtures/models/llama/genai_int4/model.onnx", &size);
    for (int round = 0; round < 400; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t at = (seed >> 20) % size;
        uint8_t old = data[at];
        data[at] ^= (uint8_t)(1u << (seed >> 60 & 7));
        read_bytes(context, data, size);
        data[at] = old;
    }
    free(data);
    support_end(context);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    uint64_t failures = 0;
    for (uint64_t n = 1; n < 100000; n += 1 + n / 50) {
        brink_model *m = NULL;
        context->fail_allocation = n;
        brink_status status =
            brink_model_open(context, "tests/fixtures/models/bert/fp32", NULL, &m);
        bool reached = context->fail_allocation == 0;
        context->fail_allocation = 0;
        brink_model_destroy(m);
        assert_int_equal(brink_context_memory(context).live, support_idle);
        if (!reached) {
            assert_int_equal(status, BRINK_OK);
            break;
        }
        assert_int_equal(status, BRINK_OUT_OF_MEMORY);
        failures++;
    }
    assert_true(failures > 3);
    support_end(context);
}

static void a_budget_is_kept(void **state)
{
    (void)state;
    brink_context *context;
    brink_model *m;
    assert_int_equal(
        brink_context_create(&(brink_context_desc){.threads = 1, .memory_budget = 20000}, &context),
        BRINK_OK);
    support_idle = brink_context_memory(context).live;
    assert_int_equal(brink_model_open(context, "tests/fixtures/models/llama/fp32", NULL, &m),
                     BRINK_OUT_OF_MEMORY);
    assert_non_null(strstr(brink_error(context), "budget is 20000"));
    support_end(context);
}

static void wrong_inputs_are_named(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "bert/fp32", false);
    brink_task *task;
    int64_t ids[6] = {1, 2, 3, 4, 5, 6};
    float wrong[6] = {0};
    brink_tensor inputs[3] = {
        {"input_ids", BRINK_I64, 2, {1, 6}, ids, sizeof ids},
        {"attention_mask", BRINK_F32, 2, {1, 6}, wrong, sizeof wrong},
        {"token_type_ids", BRINK_I64, 2, {1, 6}, ids, sizeof ids},
    };
    brink_run_desc desc = {.inputs = inputs, .input_count = 3};
    assert_int_equal(brink_run_begin(m, &desc, &task), BRINK_INVALID_ARGUMENT);
    assert_non_null(strstr(brink_error(context), "attention_mask should be int64, not float32"));
    desc.input_count = 2;
    inputs[1] = (brink_tensor){"attention_mask", BRINK_I64, 2, {1, 6}, ids, sizeof ids};
    assert_int_equal(brink_run_begin(m, &desc, &task), BRINK_INVALID_ARGUMENT);
    assert_non_null(strstr(brink_error(context), "token_type_ids is missing"));
    inputs[1].shape[1] = 5; /* the shapes no longer fit each other */
    inputs[1].bytes = 40;
    desc.input_count = 3;
    support_ok(context, brink_run_begin(m, &desc, &task));
    assert_true(brink_task_wait(task) != BRINK_OK);
    assert_non_null(strstr(brink_error(context), "node "));
    brink_task_destroy(task);
    brink_model_destroy(m);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_asks_for_files_in_turn),
        cmocka_unit_test(what_is_asked_later_is_known_early),
        cmocka_unit_test(external_data_is_asked_with_its_size),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(flipped_bytes_never_crash),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_budget_is_kept),
        cmocka_unit_test(wrong_inputs_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
