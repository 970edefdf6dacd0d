/* Embeddings: what a load asks for where a graph is an encoder, small steps and cancelling, int8 by
   ranges, and every allocation failing in turn. tests/embed compares the vectors with other code. */
#include "core/context.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char tokenizer[] =
    "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":4,\"b\":5,"
    "\"c\":6,\"[\":2,\"]\":3}},\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[\","
    "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"]\","
    "\"type_id\":0}}],\"special_tokens\":{\"[\":{\"id\":\"[\",\"ids\":[2],\"tokens\":[\"[\"]},"
    "\"]\":{\"id\":\"]\",\"ids\":[3],\"tokens\":[\"]\"]}}}}";

static const char *const texts[] = {"a b", "c", "a a a a a a a a a a a a a a a a a a a", "", "b c"};
enum { TEXTS = 5, WIDTH = 48 };

static void supply(brink_context *context, brink_task *task, const void *data, uint64_t size)
{
    void *copy = brink_alloc(context, size);
    memcpy(copy, data, size);
    support_ok(context, brink_task_supply(task, copy, size, NULL, NULL));
}

/* A graph of the fixtures with the tokenizer above and `modules`; what was asked goes to `asked`. */
static brink_model *load(brink_context *context, const char *graph, brink_model_desc desc,
                         const char *modules, char asked[512])
{
    brink_task *task;
    brink_want want;
    brink_status status;
    char path[256];
    asked[0] = 0;
    support_ok(context, brink_model_load_begin(context, &desc, &task));
    while ((status = brink_task_advance(task, 0)) == BRINK_PENDING) {
        assert_true(brink_task_want(task, &want));
        snprintf(asked + strlen(asked), 512 - strlen(asked), "%s ", want.file);
        if (!want.optional || strcmp(want.file, "model.onnx") == 0) {
            snprintf(path, sizeof path, "tests/fixtures/models/%s/%s", graph, want.file);
            uint64_t size;
            uint8_t *data = support_read(path, &size);
            supply(context, task, data, size);
            free(data);
        } else if (strcmp(want.file, "tokenizer.json") == 0) {
            supply(context, task, tokenizer, strlen(tokenizer));
        } else if (modules != NULL && strcmp(want.file, "modules.json") == 0) {
            supply(context, task, modules, strlen(modules));
        } else {
            brink_task_supply_missing(task);
        }
    }
    support_ok(context, status);
    brink_model *model;
    support_ok(context, brink_model_take(task, &model));
    brink_task_destroy(task);
    return model;
}

static void check_asked(const char *graph, brink_model_desc desc, const char *modules,
                        const char *expected)
{
    brink_context *context = support_context(1);
    char asked[512];
    brink_model *model = load(context, graph, desc, modules, asked);
    assert_string_equal(asked, expected);
    brink_model_facts facts;
    brink_model_get_facts(model, &facts);
    assert_int_equal(facts.embedder, strncmp(graph, "bert", 4) == 0);
    brink_model_destroy(model);
    support_end(context);
}

#define FIRST                                                                                      \
    "genai_config.json model.onnx config.json generation_config.json tokenizer_config.json "       \
    "chat_template.jinja "

static void only_an_encoder_asks_for_more(void **state)
{
    (void)state;
    check_asked("bert/fp32", (brink_model_desc){0}, NULL,
                FIRST "modules.json 1_Pooling/config.json sentence_bert_config.json "
                      "config_sentence_transformers.json tokenizer.json ");
    check_asked("bert/fp32", (brink_model_desc){0}, "[{\"path\":\"p/q\",\"type\":\"x.Pooling\"}]",
                FIRST "modules.json p/q/config.json sentence_bert_config.json "
                      "config_sentence_transformers.json tokenizer.json ");
    check_asked("bert/fp32", (brink_model_desc){0}, "[]",
                FIRST "modules.json sentence_bert_config.json "
                      "config_sentence_transformers.json tokenizer.json ");
    check_asked("bert/fp32", (brink_model_desc){.no_weights = true}, NULL, FIRST "tokenizer.json ");
    check_asked("bert/fp32", (brink_model_desc){.graph_only = true}, NULL, "model.onnx ");
    check_asked("llama/genai_int4", (brink_model_desc){0}, NULL,
                FIRST "tokenizer.json model.onnx.data ");
}

static brink_status embed(brink_model *model, const brink_embed_desc *desc, uint64_t budget,
                          brink_task **task)
{
    brink_status status = brink_embed_begin(model, desc, task);
    uint32_t before = 0;
    while (status == BRINK_OK && (status = brink_task_advance(*task, budget)) == BRINK_PENDING) {
        brink_embed_stats stats;
        brink_embed_get_stats(*task, &stats);
        assert_true(stats.texts >= before && stats.texts <= desc->count);
        before = stats.texts;
        status = BRINK_OK;
    }
    return status;
}

static void small_steps_give_the_same(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    char asked[512];
    brink_model *model = load(context, "bert/fp32", (brink_model_desc){0}, NULL, asked);
    const brink_embed_desc desc = {.texts = texts, .count = TEXTS, .max_tokens = 12};
    brink_task *whole, *steps;
    brink_tensor a, b;
    support_ok(context, embed(model, &desc, 1000000, &whole));
    support_ok(context, embed(model, &desc, 0, &steps));
    support_ok(context, brink_embed_vectors(whole, &a));
    support_ok(context, brink_embed_vectors(steps, &b));
    assert_int_equal(a.type, BRINK_F32);
    assert_true(a.rank == 2 && a.shape[0] == TEXTS && a.shape[1] == WIDTH);
    assert_int_equal(a.bytes, TEXTS * WIDTH * 4);
    assert_memory_equal(a.data, b.data, a.bytes);
    brink_embed_stats stats;
    brink_embed_get_stats(steps, &stats);
    assert_int_equal(stats.texts, TEXTS);
    assert_int_equal(stats.truncated, 1);
    assert_int_equal(stats.tokens, 4 + 3 + 12 + 2 + 4);
    assert_int_equal(stats.dimensions, WIDTH);
    for (uint32_t i = 0; i < TEXTS; i++) {
        const float *x = (const float *)a.data + i * WIDTH;
        float square = 0;
        for (uint32_t k = 0; k < WIDTH; k++)
            square += x[k] * x[k];
        assert_true(fabsf(square - 1) < 1e-5f);
    }
    brink_task_destroy(whole);
    brink_task_destroy(steps);

    support_ok(context, brink_embed_begin(model, &desc, &steps));
    assert_int_equal(brink_task_advance(steps, 0), BRINK_PENDING);
    assert_int_equal(brink_embed_vectors(steps, &a), BRINK_INVALID_ARGUMENT);
    brink_task_cancel(steps);
    assert_int_equal(brink_task_advance(steps, 0), BRINK_CANCELLED);
    brink_task_destroy(steps);
    brink_model_destroy(model);
    support_end(context);
}

static void int8_follows_its_ranges(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    char asked[512];
    brink_model *model = load(context, "bert/fp32", (brink_model_desc){0}, NULL, asked);
    brink_embed_desc desc = {.texts = texts, .count = TEXTS, .dimensions = 3};
    brink_task *f32, *i8;
    brink_tensor a, b;
    support_ok(context, embed(model, &desc, 1000000, &f32));
    support_ok(context, brink_embed_vectors(f32, &a));
    const float *x = a.data;
    const float ranges[] = {-1, 0.25f, x[2], 1, 0.5f, x[2]}; /* the last one is empty */
    desc.ranges = ranges;
    desc.precision = BRINK_EMBED_I8;
    support_ok(context, embed(model, &desc, 1000000, &i8));
    support_ok(context, brink_embed_vectors(i8, &b));
    assert_int_equal(b.type, BRINK_I8);
    assert_int_equal(b.bytes, TEXTS * 3);
    for (uint32_t i = 0; i < TEXTS; i++) {
        const int8_t *q = (const int8_t *)b.data + 3 * i;
        assert_int_equal(q[0], (int8_t)((x[3 * i] + 1) / (2.0f / 255) - 128));
        float second = (x[3 * i + 1] - 0.25f) / (0.25f / 255) - 128;
        assert_int_equal(q[1], (int8_t)(second < -128 ? -128 : second > 127 ? 127 : second));
    }
    brink_task_destroy(f32);
    brink_task_destroy(i8);
    brink_model_destroy(model);
    support_end(context);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    char asked[512];
    brink_model *model = load(context, "bert/fp32", (brink_model_desc){0}, NULL, asked);
    const brink_embed_desc desc = {.texts = texts, .count = TEXTS};
    uint64_t failures = 0;
    for (uint64_t n = 1;; n++) {
        brink_task *task;
        context->error[0] = 0;
        context->fail_allocation = n;
        brink_status status = embed(model, &desc, 1000000, &task);
        bool reached = context->fail_allocation == 0;
        context->fail_allocation = 0;
        brink_task_destroy(task);
        if (!reached) {
            support_ok(context, status);
            break;
        }
        if (status != BRINK_OUT_OF_MEMORY || context->error[0] == 0)
            fail_msg("%s (%s) when allocation %llu fails", brink_status_name(status),
                     brink_error(context), (unsigned long long)n);
        failures++;
    }
    assert_true(failures > 20);
    brink_model_destroy(model);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_an_encoder_asks_for_more),
        cmocka_unit_test(small_steps_give_the_same),
        cmocka_unit_test(int8_follows_its_ranges),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
