/* Sliding windows: a session of a model whose layers look back over a few tokens only gives, far past the
   window and however it is fed, the logits of the whole text computed at once; and without the windows others. */
#include "pipelines/session.h"
#include "support.h"

#include <math.h>
#include <string.h>

enum { TOKENS = 90 }; /* the window is 4 */

/* Every row's logits, [TOKENS, vocabulary], without a cache. */
static brink_task *compute_at_once(brink_model *m, const uint32_t *tokens, const float **logits)
{
    brink_context *context = m->context;
    static int64_t ids[TOKENS], positions[TOKENS], ones[TOKENS];
    brink_tensor inputs[16] = {0};
    uint32_t count = brink_model_input_count(m);
    assert_true(count <= 16);
    for (int64_t i = 0; i < TOKENS; i++)
        ids[i] = tokens[i], positions[i] = i, ones[i] = 1;
    for (uint32_t i = 0; i < count; i++) {
        brink_value_info v;
        brink_model_input(m, i, &v);
        inputs[i] = (brink_tensor){.type = v.type, .rank = (uint32_t)v.rank};
        if (v.rank == 2) {
            const int64_t *data = i == m->decoder.input_ids      ? ids
                                  : i == m->decoder.position_ids ? positions
                                                                 : ones;
            inputs[i].shape[0] = 1;
            inputs[i].shape[1] = TOKENS;
            inputs[i].data = data;
            inputs[i].bytes = sizeof ids;
            continue;
        }
        for (uint32_t k = 0; k < m->decoder.slot_count; k++)
            if (m->decoder.slots[k].input == i) {
                const cache_slot *slot = &m->decoder.slots[k];
                memcpy(inputs[i].shape, (int64_t[]){1, slot->heads, 0, slot->width},
                       4 * sizeof(int64_t));
            }
    }
    brink_task *task;
    brink_tensor out;
    support_ok(context, brink_run_begin(
                            m, &(brink_run_desc){.inputs = inputs, .input_count = count}, &task));
    support_ok(context, brink_task_wait(task));
    support_ok(context, brink_run_output(task, m->decoder.logits, &out));
    assert_int_equal(out.shape[1], TOKENS);
    *logits = out.data;
    return task;
}

static float difference(const float *a, const float *b, uint32_t count)
{
    float most = 0;
    for (uint32_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(a[i] - b[i]));
    return most;
}

/* Looks everywhere, in all layers. */
static uint32_t open_windows(brink_model *m)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < m->onnx.graph->node_count; i++)
        for (uint32_t k = 0; k < m->onnx.graph->nodes[i].attr_count; k++) {
            onnx_attr *a = (onnx_attr *)(uintptr_t)&m->onnx.graph->nodes[i].attrs[k];
            if (a->name == ATTR_local_window_size && a->i > 0) {
                a->i = -1;
                found++;
            }
        }
    return found;
}

static void past_the_window_logits_are_right(void **state)
{
    (void)state;
    const char *const names[] = {"gemma3/genai_int4", "gemma3/fp32"};
    for (int i = 0; i < 2; i++) {
        brink_context *context = support_context(2);
        brink_model *m = support_model(context, names[i], true);
        uint32_t tokens[TOKENS], chunks[] = {1, 8, 32, TOKENS};
        for (uint32_t k = 0; k < TOKENS; k++)
            tokens[k] = (k * 37 + 11) % 150;
        const float *logits;
        brink_task *task = compute_at_once(m, tokens, &logits);
        for (int c = 0; c < 4; c++) {
            brink_session *s;
            support_ok(context, brink_session_create(m, NULL, &s));
            for (uint32_t at = 0, taken; at < TOKENS; at += taken) {
                uint32_t some = TOKENS - at < chunks[c] ? TOKENS - at : chunks[c];
                support_ok(context, session_step_begin(s, tokens + at, some, &taken));
                support_ok(context, session_step_advance(s, UINT64_MAX));
                const float *row = logits + (uint64_t)(at + taken - 1) * s->vocabulary;
                assert_true(difference(s->logits, row, s->vocabulary) < 1e-3f);
            }
            brink_session_destroy(s);
        }
        brink_task_destroy(task);
        brink_model_destroy(m);
        support_end(context);
    }
}

static void without_windows_they_are_others(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "gemma3/genai_int4", true);
    brink_model *open = support_model(context, "gemma3/genai_int4", true);
    uint32_t tokens[TOKENS], vocabulary = m->decoder.vocabulary;
    for (uint32_t k = 0; k < TOKENS; k++)
        tokens[k] = (k * 37 + 11) % 150;
    assert_int_equal(open_windows(open), 2);
    const float *a, *b;
    brink_task *first = compute_at_once(m, tokens, &a), *second = compute_at_once(open, tokens, &b);
    assert_true(difference(a, b, 4 * vocabulary) == 0);
    for (uint32_t k = 8; k < TOKENS; k++)
        assert_true(difference(a + k * vocabulary, b + k * vocabulary, vocabulary) > 1e-2f);
    brink_task_destroy(first);
    brink_task_destroy(second);
    brink_model_destroy(m);
    brink_model_destroy(open);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(past_the_window_logits_are_right),
        cmocka_unit_test(without_windows_they_are_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
