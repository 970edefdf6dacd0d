/* A prompt that is the whole text computes what the session does not hold, and gives what a new session gives;
   a context that is full is an end, or loses blocks from its middle, as if the rest had been the prompt. */
#include "pipelines/session.h"
#include "support.h"

#include <string.h>

enum { ROOM = 400, CONTEXT = 64, KEEP = 5, BLOCK = (CONTEXT - KEEP) / 2 };

typedef struct result {
    uint32_t tokens[ROOM], count;
    brink_generate_stats stats;
} result;

static brink_status reply(brink_session *s, const brink_generate_desc *desc, result *r)
{
    brink_task *task;
    const char *text;
    *r = (result){0};
    TRY(brink_generate_begin(s, desc, &task));
    brink_status status = brink_task_wait(task);
    while (brink_generate_next(task, &r->tokens[r->count], &text))
        r->count++;
    brink_generate_get_stats(task, &r->stats);
    brink_task_destroy(task);
    return status;
}

static void fill(uint32_t *tokens, uint32_t count, uint32_t seed)
{
    for (uint32_t i = 0; i < count; i++)
        tokens[i] = (i * 37 + seed) % 150;
}

static brink_session *make(brink_model *m, uint32_t context)
{
    brink_session *s;
    support_ok(m->context, brink_session_create(m, &(brink_session_desc){.context = context}, &s));
    return s;
}

/* Turns of a conversation: each brings all of it, the reply before included. */
static void a_whole_text_is_not_computed_again(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/fp32", true);
    brink_session *s = make(m, 0);
    static result r, fresh;
    uint32_t text[ROOM], count = 20;
    fill(text, count, 11);
    for (int turn = 0; turn < 4; turn++) {
        brink_generate_desc desc = {.tokens = text,
                                    .token_count = count,
                                    .whole = true,
                                    .max_tokens = 8,
                                    .ignore_end = true};
        uint32_t held = brink_session_held(s, &desc);
        support_ok(context, reply(s, &desc, &r));
        assert_int_equal(r.stats.prompt_tokens, count);
        assert_int_equal(r.stats.cached_tokens, held);
        assert_int_equal(r.stats.prefill_tokens, count - held);
        if (turn == 1 || turn == 2) /* the reply's last token is not in the cache */
            assert_int_equal(held, count - 12 - 1);
        brink_session *other = make(m, 0);
        support_ok(context, reply(other, &desc, &fresh));
        assert_memory_equal(r.tokens, fresh.tokens, sizeof r.tokens);
        brink_session_destroy(other);
        memcpy(text + count, r.tokens, r.count * sizeof *text);
        fill(text + count + r.count, 12, (uint32_t)turn);
        count += r.count + 12;
        if (turn == 2)
            text[3]++; /* nothing behind it holds */
    }
    assert_int_equal(r.stats.cached_tokens, 3);
    brink_generate_desc same = {.tokens = text, .token_count = 30, .whole = true, .max_tokens = 1};
    support_ok(context, reply(s, &same, &r));
    assert_int_equal(r.stats.cached_tokens, 29); /* the last has to give logits */
    s->key = 1;                                  /* other weights made the rows */
    support_ok(context, reply(s, &same, &r));
    assert_int_equal(r.stats.cached_tokens, 0);
    same.token_count = 0;
    assert_int_equal(reply(s, &same, &r), BRINK_INVALID_ARGUMENT);
    brink_session_destroy(s);
    brink_model_destroy(m);
    support_end(context);
}

/* Drops blocks where the text has more than the context's tokens; how many were dropped. */
static uint32_t shifted(uint32_t *text, uint32_t *count)
{
    uint32_t dropped = 0;
    for (; *count > CONTEXT; *count -= BLOCK, dropped += BLOCK)
        memmove(text + KEEP, text + KEEP + BLOCK, (*count - KEEP - BLOCK) * sizeof *text);
    return dropped;
}

static void a_full_context_shifts(void **state)
{
    (void)state;
    const char *const names[] = {"llama/fp32", "gemma3/genai_int4", "llama/fp32"};
    for (int i = 0; i < 6; i++) {
        brink_context *context = support_context(1);
        brink_model *m = support_model(context, names[i % 3], true);
        m->onnx.all_values = i % 3 == 2; /* a cache that changes places */
        brink_session *s = make(m, CONTEXT);
        static result r, next;
        uint32_t text[ROOM], count = i < 3 ? 30 : 170, dropped;
        fill(text, count, 7);
        brink_generate_desc desc = {.tokens = text,
                                    .token_count = count,
                                    .max_tokens = 100,
                                    .ignore_end = true,
                                    .whole = i % 2};
        if (count > CONTEXT)
            assert_int_equal(reply(s, &desc, &r), BRINK_INVALID_ARGUMENT);
        else
            support_ok(context, reply(s, &desc, &r));
        assert_int_equal(r.count, count > CONTEXT ? 0 : CONTEXT - count + 1);
        support_ok(context, brink_session_truncate(s, 0));
        desc.shift = true;
        desc.keep = KEEP;
        desc.draft_tokens = 7;
        support_ok(context, reply(s, &desc, &r));
        assert_int_equal(r.count, 100);
        assert_int_equal(r.stats.finish, BRINK_FINISH_LENGTH);
        dropped = shifted(text, &count);
        for (uint32_t k = 0; k < r.count; k++) {
            brink_session *fresh = make(m, CONTEXT);
            dropped += shifted(text, &count);
            support_ok(context, reply(fresh,
                                      &(brink_generate_desc){.tokens = text,
                                                             .token_count = count,
                                                             .max_tokens = 1,
                                                             .ignore_end = true},
                                      &next));
            assert_int_equal(next.tokens[0], r.tokens[k]);
            text[count++] = next.tokens[0];
            brink_session_destroy(fresh);
        }
        assert_int_equal(r.stats.dropped_tokens, dropped);
        assert_true(r.stats.shifts >= (i < 3 ? 2 : 3));
        brink_session_destroy(s);
        brink_model_destroy(m);
        support_end(context);
    }
}

static void no_room_to_shift_is_said(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/fp32", true);
    brink_session *s = make(m, CONTEXT);
    static result r;
    uint32_t text[8];
    fill(text, 8, 1);
    brink_generate_desc desc = {
        .tokens = text, .token_count = 8, .shift = true, .keep = CONTEXT - 1};
    assert_int_equal(reply(s, &desc, &r), BRINK_INVALID_ARGUMENT);
    assert_non_null(strstr(brink_error(context), "no room to shift"));
    desc.keep = CONTEXT - 2;
    desc.max_tokens = 80;
    desc.ignore_end = true;
    support_ok(context, reply(s, &desc, &r));
    assert_int_equal(r.count, 80);
    brink_session_destroy(s);
    brink_model_destroy(m);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_text_is_not_computed_again),
        cmocka_unit_test(a_full_context_shifts),
        cmocka_unit_test(no_room_to_shift_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
