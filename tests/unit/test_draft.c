/* Drafts: what a chunk of the draft's plan gives for each row is, bit for bit, what steps of one token give;
   and a reply with drafts is the one without, greedy, sampled and with penalties. */
#include "pipelines/session.h"
#include "support.h"

#include <string.h>

enum { BEFORE = 40, ROWS = 1 + SESSION_DRAFT_TOKENS };

static void feed(brink_session *s, const uint32_t *tokens, uint32_t count, bool one_by_one)
{
    for (uint32_t at = 0, taken; at < count; at += taken) {
        support_ok(s->model->context,
                   session_step_begin(s, tokens + at, one_by_one ? 1 : count - at, &taken));
        support_ok(s->model->context, session_step_advance(s, UINT64_MAX));
    }
}

static void same_cache(const brink_session *a, const brink_session *b)
{
    for (uint32_t i = 0; i < a->model->decoder.slot_count; i++) {
        const cache_slot *slot = &a->model->decoder.slots[i];
        uint64_t row = (uint64_t)slot->width * sizeof(float);
        for (int64_t h = 0; h < slot->heads; h++)
            assert_memory_equal((char *)a->buffers[i] + (uint64_t)h * a->capacity * row,
                                (char *)b->buffers[i] + (uint64_t)h * b->capacity * row,
                                a->length * row);
    }
}

static void rows_are_those_of_steps(void **state)
{
    (void)state;
    const char *const names[] = {"llama/fp32",  "llama/genai_int4", "gemma3/genai_int4",
                                 "gemma3/fp32", "qwen2/genai_int4", "qwen2/fp32"};
    for (int i = 0; i < 24; i++) {
        brink_context *context = support_context(i % 2 + 1);
        brink_model *m = support_model(context, names[i / 4], true);
        brink_session *a, *b;
        uint32_t tokens[BEFORE + ROWS];
        m->desc.exact = i % 4 > 1;
        for (uint32_t k = 0; k < BEFORE + ROWS; k++)
            tokens[k] = (k * 37 + 11) % 150;
        support_ok(context, brink_session_create(m, NULL, &a));
        support_ok(context, brink_session_create(m, NULL, &b));
        feed(a, tokens, BEFORE, false);
        feed(b, tokens, BEFORE, false);
        support_ok(context, session_draft_begin(b, tokens + BEFORE, ROWS));
        support_ok(context, session_step_advance(b, UINT64_MAX));
        assert_int_equal(b->length, BEFORE + ROWS);
        for (uint32_t k = 0; k < ROWS; k++) {
            feed(a, tokens + BEFORE + k, 1, true);
            if (memcmp(a->logits, session_row(b, k), a->vocabulary * sizeof *a->logits) != 0)
                fail_msg("%s: row %u is not that of a step", names[i / 4], k);
        }
        same_cache(a, b);
        brink_session_destroy(a);
        brink_session_destroy(b);
        brink_model_destroy(m);
        support_end(context);
    }
}

enum { MOST = 200 };

static uint32_t reply(brink_model *m, const brink_generate_desc *desc, uint32_t *out,
                      brink_generate_stats *stats)
{
    brink_session *s;
    brink_task *task;
    const char *text;
    uint32_t n = 0;
    support_ok(m->context, brink_session_create(m, NULL, &s));
    support_ok(m->context, brink_generate_begin(s, desc, &task));
    support_ok(m->context, brink_task_wait(task));
    while (brink_generate_next(task, &out[n], &text))
        n++;
    brink_generate_get_stats(task, stats);
    brink_task_destroy(task);
    brink_session_destroy(s);
    return n;
}

/* Penalties against what was said, no more of it than a few times, make replies less than all repeats. */
static void replies_are_those_without(void **state)
{
    (void)state;
    const char *const names[] = {"llama/genai_int4", "gemma3/genai_int4", "qwen2/fp32"};
    const brink_sampling how[] = {{0},
                                  {.temperature = 0.7f, .top_k = 3, .seed = 5},
                                  {.temperature = 1, .top_p = 0.9f, .seed = 6},
                                  {.frequency_penalty = 0.05f},
                                  {.repetition_penalty = 1.01f, .temperature = 0.5f, .seed = 7}};
    uint32_t guessed = 0, right = 0, prompt[BEFORE];
    for (uint32_t k = 0; k < BEFORE; k++)
        prompt[k] = (k % 20 * 37 + 11) % 150; /* twice the same */
    for (uint32_t i = 0; i < 3 * 5; i++) {
        brink_context *context = support_context(1);
        brink_model *m = support_model(context, names[i / 5], false);
        brink_generate_stats plain, drafted;
        static uint32_t a[MOST], b[MOST];
        brink_generate_desc desc = {.tokens = prompt,
                                    .token_count = BEFORE,
                                    .max_tokens = MOST,
                                    .sampling = how[i % 5],
                                    .ignore_end = true};
        uint32_t n = reply(m, &desc, a, &plain);
        desc.draft_tokens = i % 2 ? 3 : 100;
        assert_int_equal(reply(m, &desc, b, &drafted), n);
        assert_memory_equal(a, b, n * sizeof *a);
        assert_int_equal(plain.finish, drafted.finish);
        assert_true(drafted.accepted_tokens <= drafted.draft_tokens && plain.draft_tokens == 0);
        guessed += drafted.draft_tokens;
        right += drafted.accepted_tokens;
        brink_model_destroy(m);
        support_end(context);
    }
    assert_true(right > 0 && right < guessed); /* both ways were gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_steps),
        cmocka_unit_test(replies_are_those_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
