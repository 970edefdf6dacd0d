/* test_out_of_memory.c — every allocation in turn fails while graphs are loaded, planned and run, with
   branches, loops, scans, functions, segments and half types: each time the status says so, the
   error has a text, and nothing leaks. The graphs are seeds of the fuzz target. */
#include "../fuzz/use.h"
#include "support.h"

#include <stdio.h>

static const char *const graphs[] = {"if_computed", "if_on_nonzero", "nonzero_chain",
                                     "loop_until",  "loop_growing",  "loop_nested",
                                     "loop_half",   "scan_axes",     "functions"};

typedef enum stage { STAGE_LOAD, STAGE_PLAN, STAGE_RUN } stage;

/* Loads, plans and runs; the stage in which the n-th allocation failed. */
static stage attempt(brink_context *context, const uint8_t *data, uint64_t size, uint64_t n,
                     brink_status *status)
{
    brink_model *m;
    use_inputs inputs;
    brink_plan_memory memory;
    stage at = STAGE_LOAD;
    context->error[0] = 0;
    context->fail_allocation = n;
    *status = load_bytes(context, data, size, &m);
    if (*status == BRINK_OK) {
        at = STAGE_PLAN;
        assert_true(make_inputs(m, &inputs));
        *status = brink_model_plan(m, inputs.dims, inputs.count, 0, &memory);
        if (*status == BRINK_UNSUPPORTED) /* a size depends on data */
            *status = BRINK_OK;
    }
    if (*status == BRINK_OK) {
        at = STAGE_RUN;
        *status = run_steps(m, inputs.tensors, inputs.count);
    }
    brink_model_destroy(m);
    return at;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof graphs / sizeof *graphs; g++) {
        brink_context *context = support_context(1);
        char path[128];
        uint64_t size, n = 1;
        snprintf(path, sizeof path, "tests/fuzz/corpus/graph/%s", graphs[g]);
        uint8_t *data = support_read(path, &size);
        uint32_t failures[3] = {0};
        for (;; n++) {
            brink_status status;
            stage at = attempt(context, data, size, n, &status);
            bool reached = context->fail_allocation == 0;
            context->fail_allocation = 0;
            if (brink_context_memory(context).live != support_idle)
                fail_msg("%s: %llu bytes leak when allocation %llu fails", graphs[g],
                         (unsigned long long)(brink_context_memory(context).live - support_idle),
                         (unsigned long long)n);
            if (!reached) {
                support_ok(context, status);
                break;
            }
            if (status != BRINK_OUT_OF_MEMORY || context->error[0] == 0)
                fail_msg("%s: %s (%s) when allocation %llu fails", graphs[g],
                         brink_status_name(status), brink_error(context), (unsigned long long)n);
            failures[at]++;
        }
        assert_true(failures[STAGE_LOAD] > 2 && failures[STAGE_PLAN] > 0 &&
                    failures[STAGE_RUN] > 2);
        free(data);
        support_end(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
