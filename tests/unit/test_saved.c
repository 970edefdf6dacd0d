/* Saved sessions: what is loaded or forked goes on as the session itself does; bytes that were cut, changed or
   are another model's are refused, and an allocation that fails leaves nothing behind. */
#include "pipelines/session_file.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT = 75, REPLY = 12 };

static brink_status reply(brink_session *s, const uint32_t *tokens, uint32_t count, uint32_t *out)
{
    brink_task *task;
    const char *text;
    uint32_t n = 0;
    TRY(brink_generate_begin(
        s,
        &(brink_generate_desc){
            .tokens = tokens, .token_count = count, .max_tokens = REPLY, .ignore_end = true},
        &task));
    brink_status status = brink_task_wait(task);
    while (n < REPLY && brink_generate_next(task, &out[n], &text))
        n++;
    brink_task_destroy(task);
    return status;
}

static brink_status save(brink_session *s, uint8_t **data, uint64_t *bytes)
{
    brink_task *task;
    const void *saved;
    TRY(brink_session_save_begin(s, &task));
    assert_int_equal(brink_session_saved(task, &saved, bytes), BRINK_INVALID_ARGUMENT);
    brink_status status = brink_task_wait(task);
    if (status == BRINK_OK)
        status = brink_session_saved(task, &saved, bytes);
    if (status == BRINK_OK) {
        *data = malloc(*bytes);
        memcpy(*data, saved, *bytes);
    }
    brink_task_destroy(task);
    return status;
}

static brink_session *talked(brink_model *m)
{
    brink_session *s;
    uint32_t prompt[PROMPT], out[REPLY];
    for (uint32_t k = 0; k < PROMPT; k++)
        prompt[k] = (k * 37 + 11) % 150;
    support_ok(m->context, brink_session_create(m, NULL, &s));
    support_ok(m->context, reply(s, prompt, PROMPT, out));
    return s;
}

static void what_is_loaded_goes_on(void **state)
{
    (void)state;
    const char *const names[] = {"llama/genai_int4", "gemma3/genai_int4", "llama/fp32",
                                 "llama/fp32"};
    for (int i = 0; i < 4; i++) {
        brink_context *context = support_context(1);
        brink_model *m = support_model(context, names[i], true);
        m->onnx.all_values = i == 3; /* a cache that changes places */
        brink_session *s = talked(m), *loaded, *forked;
        uint32_t next[2] = {5, 6}, a[REPLY], b[REPLY], c[REPLY];
        uint8_t *data, *again;
        uint64_t bytes, more;
        support_ok(context, save(s, &data, &bytes));
        support_ok(context, brink_session_load(m, NULL, data, bytes, &loaded));
        support_ok(context, brink_session_fork(s, &forked));
        assert_int_equal(brink_session_length(loaded), PROMPT + REPLY - 1);
        support_ok(context, save(loaded, &again, &more));
        assert_int_equal(bytes, more);
        assert_memory_equal(data, again, bytes);
        support_ok(context, reply(s, next, 2, a));
        support_ok(context, reply(loaded, next, 2, b));
        support_ok(context, reply(forked, NULL, 0, c)); /* goes its own way */
        support_ok(context, brink_session_truncate(forked, PROMPT + REPLY - 1));
        assert_memory_equal(a, b, sizeof a);
        support_ok(context, reply(forked, (uint32_t[]){s->tokens[PROMPT + REPLY - 1], 5, 6}, 3, c));
        assert_memory_equal(a, c, sizeof a);
        free(data);
        free(again);
        brink_session_destroy(s);
        brink_session_destroy(loaded);
        brink_session_destroy(forked);
        brink_model_destroy(m);
        support_end(context);
    }
}

static void refused(brink_model *m, const uint8_t *data, uint64_t bytes, const char *why)
{
    brink_session *s;
    brink_status status = brink_session_load(m, NULL, data, bytes, &s);
    assert_true(status == BRINK_BAD_INPUT || status == BRINK_INVALID_ARGUMENT);
    assert_null(s);
    if (strstr(brink_error(m->context), why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", brink_error(m->context), why);
}

static void damage_is_found(void **state)
{
    (void)state;
    static const struct {
        uint32_t at;
        const char *why;
    } parts[] = {{0, "begin"},          {8, "version"},   {12, "element type"},
                 {16, "another model"}, {32, ""},         {36, "pending"},
                 {44, "cache slots"},   {48, "checksum"}, {60, "checksum"}};
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/genai_int4", true);
    brink_model *other = support_model(context, "gemma3/genai_int4", true);
    brink_session *s = talked(m);
    uint8_t *data;
    uint64_t bytes;
    support_ok(context, save(s, &data, &bytes));
    for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        data[parts[i].at] ^= 0x40;
        refused(m, data, bytes, parts[i].why);
        data[parts[i].at] ^= 0x40;
    }
    for (uint64_t cut = 0; cut < bytes; cut += cut < 512 ? 1 : 997)
        refused(m, data, cut, "saved session");
    data[bytes - 1] ^= 1;
    refused(m, data, bytes, "checksum");
    data[bytes - 1] ^= 1;
    refused(other, data, bytes, "another model");
    brink_session *small;
    assert_int_equal(
        brink_session_load(m, &(brink_session_desc){.context = 80}, data, bytes, &small),
        BRINK_INVALID_ARGUMENT);
    assert_non_null(strstr(brink_error(context), "context of 80"));
    /* as of other weights: one byte of one of them */
    onnx_tensor *w = m->onnx.tensors[m->onnx.tensor_count / 2];
    uint8_t *copy = malloc(w->bytes);
    const void *there = w->data;
    memcpy(copy, there, w->bytes);
    copy[0]++;
    w->data = copy;
    refused(m, data, bytes, "another model");
    w->data = there;
    free(copy);
    free(data);
    brink_session_destroy(s);
    brink_model_destroy(m);
    brink_model_destroy(other);
    support_end(context);
}

static void without_memory_nothing_is_left(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/genai_int4", true);
    brink_session *s = talked(m), *other;
    uint8_t *data = NULL;
    uint64_t bytes;
    for (uint32_t what = 0; what < 3; what++) {
        brink_status status = BRINK_OUT_OF_MEMORY;
        for (uint32_t k = 1; status != BRINK_OK; k++) {
            context->fail_allocation = k;
            status = what == 0   ? save(s, &data, &bytes)
                     : what == 1 ? brink_session_load(m, NULL, data, bytes, &other)
                                 : brink_session_fork(s, &other);
            context->fail_allocation = 0;
            assert_true(status == BRINK_OK || status == BRINK_OUT_OF_MEMORY);
            assert_true(k < 2000);
        }
        if (what != 0)
            brink_session_destroy(other);
    }
    free(data);
    brink_session_destroy(s);
    brink_model_destroy(m);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_loaded_goes_on),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
