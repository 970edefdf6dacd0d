/* Generations that step together give the tokens, and the logits to the last bit, that each gives alone:
   sequences of different lengths that begin and end at different times, greedy and sampled, with budgets
   that cut steps anywhere.

   Usage: test_batch [MODEL-FOLDER [gpu]] — of that model alone; on the GPU, where each goes by itself */
#include "pipelines/session.h"
#include "plan/together.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const char *given; /* by the command line */
static bool on_gpu;

static const char *const models[] = {"llama/fp32",       "llama/genai_int4", "qwen2/fp32",
                                     "qwen2/genai_int4", "gemma3/fp32",      "gemma3/genai_int4"};
enum { MODELS = sizeof models / sizeof *models, MOST_TOKENS = 48, SEQUENCES = 8, REQUESTS = 13 };

static uint32_t model_count(void)
{
    return given != NULL ? 1 : MODELS;
}

static brink_model *open_model(brink_context *context, uint32_t which, bool exact)
{
    brink_model *m;
    if (given == NULL)
        return support_model(context, models[which], exact);
    if (on_gpu) {
        brink_task *task;
        support_ok(context, brink_gpu_begin(context, NULL, &task));
        support_ok(context, brink_task_wait(task));
        brink_task_destroy(task);
    }
    support_ok(context, brink_model_open(context, given,
                                         &(brink_model_desc){.exact = exact, .gpu = on_gpu}, &m));
    return m;
}

/* ── Requests ── */

typedef struct request {
    uint32_t prompt, most; /* tokens */
    float temperature;     /* 0: greedy */
    uint64_t seed;
} request;

/* Lengths on both sides of a chunk, of the first capacity (64) and of a window. */
static const request requests[REQUESTS] = {
    {7, 24, 0, 0},  {1, 40, 1.0f, 1},  {33, 9, 0.8f, 2}, {60, 20, 0, 0},   {130, 12, 1.2f, 3},
    {8, 1, 0, 0},   {19, 48, 0, 0},    {64, 8, 0.7f, 4}, {2, 30, 1.0f, 5}, {140, 5, 0, 0},
    {45, 17, 0, 0}, {12, 25, 1.5f, 6}, {3, 3, 0, 0},
};

typedef struct reply {
    uint32_t tokens[MOST_TOKENS], count;
    brink_finish finish;
    float *logits;
} reply;

typedef struct running {
    brink_session *session;
    brink_task *task;
    uint32_t request;
} running;

static uint32_t vocabulary_of(const brink_model *m)
{
    return m->decoder.vocabulary != 0 ? m->decoder.vocabulary : 100;
}

static void begin(brink_model *m, uint32_t index, running *r)
{
    const request *q = &requests[index];
    uint32_t tokens[560], prompt = q->prompt;
    if (given != NULL && index == 9 && m->decoder.context > 600)
        prompt = 560; /* past a window of 512 */
    for (uint32_t i = 0; i < prompt; i++)
        tokens[i] = (index * 7919 + i * 104729 + 11) % vocabulary_of(m);
    r->request = index;
    support_ok(m->context, brink_session_create(m, NULL, &r->session));
    support_ok(m->context, brink_generate_begin(
                               r->session,
                               &(brink_generate_desc){
                                   .tokens = tokens,
                                   .token_count = prompt,
                                   .max_tokens = q->most,
                                   .sampling = {.temperature = q->temperature, .seed = q->seed},
                                   .ignore_end = index % 4 != 3},
                               &r->task));
}

static void end(running *r, reply *out)
{
    brink_generate_stats stats;
    uint32_t vocabulary;
    const char *text;
    const float *logits = brink_generate_logits(r->task, &vocabulary);
    while (out->count < MOST_TOKENS &&
           brink_generate_next(r->task, &out->tokens[out->count], &text))
        out->count++;
    brink_generate_get_stats(r->task, &stats);
    out->finish = stats.finish;
    assert_true(logits != NULL || on_gpu); /* computed ahead there */
    if (logits != NULL) {
        out->logits = malloc(vocabulary * sizeof *logits);
        memcpy(out->logits, logits, vocabulary * sizeof *logits);
    }
    brink_task_destroy(r->task);
    brink_session_destroy(r->session);
    *r = (running){0};
}

static void alone(brink_model *m, reply *replies)
{
    for (uint32_t i = 0; i < REQUESTS; i++) {
        running r;
        begin(m, i, &r);
        support_ok(m->context, brink_task_wait(r.task));
        end(&r, &replies[i]);
    }
}

static void expect_same(brink_model *m, const reply *a, const reply *b)
{
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(a[i].count, b[i].count);
        assert_int_equal(a[i].finish, b[i].finish);
        assert_memory_equal(a[i].tokens, b[i].tokens, a[i].count * sizeof *a[i].tokens);
        if (a[i].logits != NULL && b[i].logits != NULL)
            assert_memory_equal(a[i].logits, b[i].logits, vocabulary_of(m) * sizeof(float));
    }
}

static void free_replies(reply *replies)
{
    for (uint32_t i = 0; i < REQUESTS; i++)
        if (replies[i].logits != NULL)
            free(replies[i].logits);
}

/* All requests by `slots` at a time, the next one beginning where one ended. Every `alone_each`-th turn (0:
   never) one of them goes on by itself. */
static void together(brink_model *m, uint32_t slots, uint64_t budget_us, uint32_t alone_each,
                     reply *replies)
{
    running r[SEQUENCES] = {0};
    uint32_t next = 0, turn = 0;
    for (;;) {
        brink_task *tasks[SEQUENCES];
        brink_status statuses[SEQUENCES];
        uint32_t who[SEQUENCES], n = 0;
        for (uint32_t i = 0; i < slots; i++) {
            if (r[i].task == NULL && next < REQUESTS)
                begin(m, next++, &r[i]);
            if (r[i].task != NULL) {
                who[n] = i;
                tasks[n++] = r[i].task;
            }
        }
        if (n == 0)
            return;
        if (alone_each != 0 && ++turn % alone_each == 0)
            brink_task_advance(tasks[turn / alone_each % n], 100);
        brink_status status = brink_tasks_advance(tasks, n, budget_us, statuses);
        bool pending = false;
        for (uint32_t i = 0; i < n; i++) {
            pending |= statuses[i] == BRINK_PENDING;
            if (statuses[i] != BRINK_PENDING) {
                support_ok(m->context, statuses[i]);
                end(&r[who[i]], &replies[r[who[i]].request]);
            }
        }
        assert_int_equal(status, pending ? BRINK_PENDING : BRINK_OK);
    }
}

/* ── Tests ── */

static void tokens_are_those_alone(void **state)
{
    (void)state;
    static const struct {
        uint32_t slots;
        uint64_t budget_us;
        uint32_t alone_each;
    } ways[] = {{2, UINT64_MAX, 0}, {3, 200, 3}, {5, 20, 0}, {8, UINT64_MAX, 0}, {8, 700, 2}};
    for (uint32_t k = 0; k < 2 * model_count(); k++) {
        brink_context *context = support_context(1 + k % 3);
        brink_model *m = open_model(context, k / 2, k % 2 != 0);
        reply expected[REQUESTS] = {0};
        alone(m, expected);
        for (uint32_t i = on_gpu ? 4 : 0; i < sizeof ways / sizeof *ways; i++) {
            reply found[REQUESTS] = {0};
            together(m, ways[i].slots, ways[i].budget_us, ways[i].alone_each, found);
            expect_same(m, expected, found);
            free_replies(found);
        }
        free_replies(expected);
        brink_model_destroy(m);
        if (on_gpu) /* which keeps its kernels */
            brink_context_destroy(context);
        else
            support_end(context);
    }
}

/* A session that holds `count` tokens. */
static brink_session *session_of(brink_model *m, uint32_t count)
{
    brink_session *s;
    support_ok(m->context, brink_session_create(m, NULL, &s));
    for (uint32_t at = 0, taken; at < count; at += taken) {
        uint32_t token = (at * 31 + count) % vocabulary_of(m);
        support_ok(m->context, session_step_begin(s, &token, 1, &taken));
        support_ok(m->context, session_step_advance(s, UINT64_MAX));
    }
    return s;
}

/* Every product with weights is computed once for all, though capacities and so plans differ. */
static void weights_are_read_once(void **state)
{
    (void)state;
    const uint32_t lengths[4] = {3, 63, 64, 90};
    for (uint32_t k = 0; k < model_count(); k++) {
        brink_context *context = support_context(2);
        brink_model *m = open_model(context, k, false);
        brink_session *s[4], *lone[4];
        together_run runs[4];
        uint32_t taken, token = 5, products = 0;
        for (uint32_t i = 0; i < 4; i++) {
            s[i] = session_of(m, lengths[i]);
            lone[i] = session_of(m, lengths[i]);
            support_ok(context, session_step_begin(s[i], &token, 1, &taken));
            runs[i] = (together_run){.e = &s[i]->execution};
        }
        const plan *p = &s[0]->plans[0].plan;
        for (uint32_t i = 0; i < p->step_count; i++)
            products += p->steps[i].weights != NULL;
        assert_true(products >= 3);
        assert_int_equal(together_advance(runs, 4, &m->together, UINT64_MAX), products);
        for (uint32_t i = 0; i < 4; i++) {
            assert_true(together_done(&runs[i]));
            support_ok(context, session_step_advance(s[i], UINT64_MAX));
            support_ok(context, session_step_begin(lone[i], &token, 1, &taken));
            support_ok(context, session_step_advance(lone[i], UINT64_MAX));
            assert_memory_equal(s[i]->logits, lone[i]->logits,
                                s[i]->vocabulary * sizeof *s[i]->logits);
            brink_session_destroy(s[i]);
            brink_session_destroy(lone[i]);
        }
        brink_model_destroy(m);
        support_end(context);
    }
}

/* Plans with other nodes between, and fewer products that agree, meet at those that do. */
static void plans_that_differ_meet(void **state)
{
    (void)state;
    brink_context *context = support_context(2);
    brink_model *m = open_model(context, 1, false);
    brink_session *s[4], *lone[4];
    together_run runs[4];
    uint32_t taken, token = 9;
    for (uint32_t i = 0; i < 4; i++) {
        m->onnx.all_values = i % 2 != 0; /* no pass then rewrites */
        s[i] = session_of(m, 20 + i);
        lone[i] = session_of(m, 20 + i);
        support_ok(context, session_step_begin(s[i], &token, 1, &taken));
        support_ok(context, session_step_begin(lone[i], &token, 1, &taken));
        support_ok(context, session_step_advance(lone[i], UINT64_MAX));
        runs[i] = (together_run){.e = &s[i]->execution};
    }
    assert_int_not_equal(s[0]->plans[0].plan.step_count, s[1]->plans[0].plan.step_count);
    uint32_t alike = 0;
    for (uint32_t i = 0; i < s[0]->plans[0].plan.step_count; i++)
        alike += s[0]->plans[0].plan.steps[i].weights != NULL;
    uint32_t products = together_advance(runs, 4, &m->together, UINT64_MAX);
    assert_true(products > alike && products < 4 * alike);
    for (uint32_t i = 0; i < 4; i++) {
        support_ok(context, session_step_advance(s[i], UINT64_MAX));
        assert_memory_equal(s[i]->logits, lone[i]->logits, s[i]->vocabulary * sizeof(float));
        brink_session_destroy(s[i]);
        brink_session_destroy(lone[i]);
    }
    brink_model_destroy(m);
    support_end(context);
}

/* Whichever allocation fails, at most the generation that asked for it does; and none does where a step is
   tried again, or goes alone for want of room to put rows together. */
static void memory_may_run_out(void **state)
{
    (void)state;
    if (given != NULL) /* it takes some eighty turns */
        return;
    brink_context *context = support_context(2);
    brink_model *m = open_model(context, 1, false);
    reply expected[REQUESTS] = {0};
    uint32_t failures = 0, unharmed = 0;
    bool reached = true;
    alone(m, expected);
    for (uint64_t n = 1; reached; n++) {
        running r[3];
        brink_task *tasks[3];
        brink_status statuses[3];
        reply found[3] = {0};
        uint32_t failed = 0;
        workspace_free(context, &m->together);
        for (uint32_t i = 0; i < 3; i++) {
            begin(m, i, &r[i]);
            tasks[i] = r[i].task;
        }
        context->fail_allocation = n;
        while (brink_tasks_advance(tasks, 3, UINT64_MAX, statuses) == BRINK_PENDING)
            ;
        reached = context->fail_allocation == 0;
        context->fail_allocation = 0;
        for (uint32_t i = 0; i < 3; i++) {
            if (statuses[i] != BRINK_OK) {
                assert_int_equal(statuses[i], BRINK_OUT_OF_MEMORY);
                failed++;
                brink_task_destroy(r[i].task);
                brink_session_destroy(r[i].session);
                continue;
            }
            end(&r[i], &found[i]);
            assert_int_equal(found[i].count, expected[i].count);
            assert_memory_equal(found[i].tokens, expected[i].tokens,
                                found[i].count * sizeof *found[i].tokens);
            free(found[i].logits);
        }
        assert_true(failed <= reached);
        failures += failed;
        unharmed += reached && failed == 0;
    }
    assert_true(failures > 0 && unharmed > 10);
    free_replies(expected);
    brink_model_destroy(m);
    support_end(context);
}

/* A cache that is not appended to in place, and one that ends between steps, or within one. */
static void what_is_special_goes_along(void **state)
{
    (void)state;
    brink_context *context = support_context(2);
    brink_model *m = open_model(context, 0, true);
    reply expected[REQUESTS] = {0}, found[REQUESTS] = {0};
    running r[3];
    brink_status statuses[3];
    m->onnx.all_values = true;
    alone(m, expected);
    together(m, 4, 500, 0, found);
    expect_same(m, expected, found);
    free_replies(found);
    free_replies(expected);
    for (uint32_t i = 0; i < 3; i++)
        begin(m, i, &r[i]);
    brink_task *tasks[3] = {r[0].task, r[1].task, r[2].task};
    for (uint32_t i = 0; i < 40; i++) /* kernel by kernel */
        assert_int_equal(brink_tasks_advance(tasks, 3, 0, statuses), BRINK_PENDING);
    brink_task_cancel(tasks[1]);
    assert_int_equal(brink_tasks_advance(tasks, 3, 0, statuses), BRINK_PENDING);
    assert_int_equal(statuses[1], BRINK_CANCELLED);
    brink_task_destroy(tasks[1]);
    brink_session_destroy(r[1].session);
    tasks[1] = tasks[0];
    assert_int_equal(brink_tasks_advance(tasks, 2, 0, statuses), BRINK_INVALID_ARGUMENT);
    assert_int_equal(brink_tasks_advance(tasks, 0, 0, NULL), BRINK_OK);
    for (uint32_t i = 0; i < 3; i += 2) {
        brink_task_destroy(r[i].task);
        brink_session_destroy(r[i].session);
    }
    brink_model_destroy(m);
    support_end(context);
}

int main(int argc, char **argv)
{
    given = argc > 1 ? argv[1] : NULL;
    on_gpu = argc > 2 && strcmp(argv[2], "gpu") == 0;
    const struct CMUnitTest gpu_tests[] = {cmocka_unit_test(tokens_are_those_alone)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_read_once),      cmocka_unit_test(tokens_are_those_alone),
        cmocka_unit_test(plans_that_differ_meet),     cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(what_is_special_goes_along),
    };
    return on_gpu ? cmocka_run_group_tests(gpu_tests, NULL, NULL)
                  : cmocka_run_group_tests(tests, NULL, NULL);
}
