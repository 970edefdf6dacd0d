/* Sessions: a growing context neither replans nor allocates, chunks give what single tokens give,
   truncation forgets, and greedy tokens are PyTorch's. */
#include "pipelines/session.h"
#include "support.h"

#include <math.h>
#include <string.h>

static const uint32_t prompt[] = {21, 141, 46, 64, 137, 3, 48};
enum { PROMPT = 7 };

/* greedy.json of the fixtures: PyTorch's own tokens. */
static const uint32_t llama_greedy[] = {171, 78, 78, 78, 78, 78, 78, 78,
                                        78,  78, 78, 78, 78, 78, 78, 45};

static void greedy(brink_session *s, const uint32_t *tokens, uint32_t count, uint32_t *out,
                   uint32_t wanted)
{
    brink_context *context = s->model->context;
    brink_task *task;
    support_ok(context, brink_generate_begin(s,
                                             &(brink_generate_desc){.tokens = tokens,
                                                                    .token_count = count,
                                                                    .max_tokens = wanted,
                                                                    .ignore_end = true},
                                             &task));
    support_ok(context, brink_task_wait(task));
    const char *text;
    uint32_t n = 0;
    while (n < wanted && brink_generate_next(task, &out[n], &text))
        n++;
    assert_int_equal(n, wanted);
    brink_task_destroy(task);
}

static void tokens_are_pytorchs(void **state)
{
    (void)state;
    brink_context *context = support_context(2);
    brink_model *m = support_model(context, "llama/fp32", true);
    brink_session *s;
    uint32_t out[16];
    support_ok(context, brink_session_create(m, NULL, &s));
    greedy(s, prompt, PROMPT, out, 16);
    assert_memory_equal(out, llama_greedy, sizeof out);
    assert_false(s->fixed); /* planned for running lengths */
    brink_session_destroy(s);
    brink_model_destroy(m);
    support_end(context);
}

/* Runs one token and checks that the step used the plan and memory that were there. */
static void steady_step(brink_session *s, uint32_t token, const plan_step *steps)
{
    brink_context *context = s->model->context;
    uint32_t taken;
    context->fail_allocation = 1000; /* counts down with each allocation */
    support_ok(context, session_step_begin(s, &token, 1, &taken));
    support_ok(context, session_step_advance(s, UINT64_MAX));
    assert_int_equal(context->fail_allocation, 1000);
    context->fail_allocation = 0;
    assert_ptr_equal(s->plans[0].plan.steps, steps);
}

static void a_growing_context_never_replans(void **state)
{
    (void)state;
    const char *const names[] = {"llama/fp32", "llama/genai_int4", "llama/fp32"};
    for (int i = 0; i < 3; i++) {
        brink_context *context = support_context(1);
        brink_model *m = support_model(context, names[i], true);
        brink_session *s;
        uint32_t taken;
        m->onnx.all_values = i == 2; /* no pass then makes an append of the Concat */
        support_ok(context, brink_session_create(m, NULL, &s));
        for (uint32_t k = 0; k < 3; k++) {
            support_ok(context, session_step_begin(s, &prompt[k], 1, &taken));
            support_ok(context, session_step_advance(s, UINT64_MAX));
        }
        assert_int_equal(s->in_place, i != 2);
        const plan_step *steps = s->plans[0].plan.steps;
        for (uint32_t k = 0; k < 50; k++)
            steady_step(s, prompt[k % PROMPT], steps);
        assert_int_equal(s->length, 53);
        brink_session_destroy(s);
        brink_model_destroy(m);
        support_end(context);
    }
}

static void feed(brink_session *s, const uint32_t *tokens, uint32_t count, bool one_by_one)
{
    brink_context *context = s->model->context;
    for (uint32_t at = 0, taken; at < count; at += taken) {
        support_ok(context,
                   session_step_begin(s, tokens + at, one_by_one ? 1 : count - at, &taken));
        support_ok(context, session_step_advance(s, UINT64_MAX));
    }
}

static float difference(const brink_session *a, const brink_session *b)
{
    float most = 0;
    for (uint32_t i = 0; i < a->vocabulary; i++)
        most = fmaxf(most, fabsf(a->logits[i] - b->logits[i]));
    return most;
}

static void chunks_agree_with_single_tokens(void **state)
{
    (void)state;
    const char *const names[] = {"llama/fp32", "llama/genai_int4", "gemma3/genai_int4"};
    for (int i = 0; i < 3; i++) {
        brink_context *context = support_context(2);
        brink_model *m = support_model(context, names[i], true);
        brink_session *a, *b;
        uint32_t tokens[77];
        for (uint32_t k = 0; k < 77; k++)
            tokens[k] = (k * 37 + 11) % 150;
        support_ok(context, brink_session_create(m, NULL, &a));
        support_ok(context, brink_session_create(m, NULL, &b));
        const uint32_t lengths[] = {1, 2, 7, 8, 9, 31, 32, 33, 45, 77};
        for (int k = 0; k < 10; k++) {
            support_ok(context, brink_session_truncate(a, 0));
            support_ok(context, brink_session_truncate(b, 0));
            feed(a, tokens, lengths[k], false);
            feed(b, tokens, lengths[k], true);
            assert_int_equal(a->length, lengths[k]);
            assert_true(difference(a, b) < 1e-4f);
        }
        /* The rest after a truncation is as if the forgotten tokens had never been. */
        support_ok(context, brink_session_truncate(a, 40));
        feed(a, tokens + 40, 30, false);
        support_ok(context, brink_session_truncate(b, 0));
        feed(b, tokens, 70, false);
        assert_true(difference(a, b) < 1e-4f);
        brink_session_destroy(a);
        brink_session_destroy(b);
        brink_model_destroy(m);
        support_end(context);
    }
}

static void the_cache_grows(void **state)
{
    (void)state;
    const char *const names[] = {"qwen2/fp32", "qwen2/genai_int4"};
    for (int i = 0; i < 2; i++) {
        brink_context *context = support_context(1);
        brink_model *m = support_model(context, names[i], true);
        brink_session *a, *b;
        uint32_t tokens[250];
        for (uint32_t k = 0; k < 250; k++)
            tokens[k] = (k * 31 + 7) % 140;
        support_ok(context, brink_session_create(m, NULL, &a));
        support_ok(context, brink_session_create(m, NULL, &b));
        for (uint32_t at = 0; at < 250; at += 25)
            feed(a, tokens + at, 25, false);
        assert_int_equal(a->capacity, 256);
        feed(b, tokens, 250, false);
        assert_true(difference(a, b) < 1e-3f);
        uint32_t taken;
        assert_int_equal(session_step_begin(a, tokens, 7, &taken), BRINK_INVALID_ARGUMENT);
        assert_non_null(strstr(brink_error(context), "256"));
        brink_session_destroy(a);
        brink_session_destroy(b);
        brink_model_destroy(m);
        support_end(context);
    }
}

static void a_reply_goes_on_where_it_ended(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/genai_int4", true);
    brink_session *a, *b;
    uint32_t whole[12], parts[12];
    support_ok(context, brink_session_create(m, NULL, &a));
    support_ok(context, brink_session_create(m, NULL, &b));
    greedy(a, prompt, PROMPT, whole, 12);
    greedy(b, prompt, PROMPT, parts, 5);
    greedy(b, NULL, 0, parts + 5, 7);
    assert_memory_equal(whole, parts, sizeof whole);
    brink_session_destroy(a);
    brink_session_destroy(b);
    brink_model_destroy(m);
    support_end(context);
}

static void cancelling_keeps_the_session(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/genai_int4", true);
    brink_session *s;
    brink_task *task, *second;
    support_ok(context, brink_session_create(m, NULL, &s));
    brink_generate_desc desc = {
        .tokens = prompt, .token_count = PROMPT, .max_tokens = 50, .ignore_end = true};
    support_ok(context, brink_generate_begin(s, &desc, &task));
    assert_int_equal(brink_generate_begin(s, &desc, &second), BRINK_INVALID_ARGUMENT);
    uint32_t id, steps = 0;
    const char *text;
    while (!brink_generate_next(task, &id, &text)) {
        assert_int_equal(brink_task_advance(task, 0), BRINK_PENDING);
        steps++;
    }
    assert_true(steps > 10); /* a budget of 0 is one kernel or so */
    brink_task_cancel(task);
    assert_int_equal(brink_task_advance(task, 1000), BRINK_CANCELLED);
    assert_int_equal(brink_task_advance(task, 1000), BRINK_CANCELLED);
    brink_task_destroy(task);
    uint32_t out[4];
    support_ok(context, brink_session_truncate(s, 0));
    greedy(s, prompt, PROMPT, out, 4);
    assert_int_equal(out[0], id);
    brink_session_destroy(s);
    brink_model_destroy(m);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_pytorchs),
        cmocka_unit_test(a_growing_context_never_replans),
        cmocka_unit_test(chunks_agree_with_single_tokens),
        cmocka_unit_test(the_cache_grows),
        cmocka_unit_test(a_reply_goes_on_where_it_ended),
        cmocka_unit_test(cancelling_keeps_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
