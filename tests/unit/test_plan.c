/* Passes before and after, and the memory layout's invariant, on real exported graphs. */
#include "cpu/cpu.h"
#include "graph/passes.h"
#include "pipelines/model.h"
#include "support.h"

#include <string.h>

/* Resolves the model for a chunk of 4 tokens after a running past. */
static void resolve(brink_model *m, plan *p, ir_binding *inputs)
{
    support_ok(m->context, ir_init(m->context, &m->onnx, m->onnx.graph, &cpu_kernels, &p->ir));
    expr past = expr_symbol(&p->ir.exprs, 0, 60);
    support_ok(m->context, decoder_bindings(m, &p->ir.exprs, past, 4, inputs, &p->ir.memory));
}

static uint32_t live_nodes(const ir_graph *g, const char *type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->node_count; i++)
        count += !g->nodes[i].dead && (type == NULL || strcmp(g->nodes[i].op->name, type) == 0);
    return count;
}

static void shape_arithmetic_disappears(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/fp32", true);
    plan p = {0};
    ir_binding inputs[16];
    resolve(m, &p, inputs);
    support_ok(context, ir_resolve(&p.ir, inputs));
    uint32_t before = live_nodes(&p.ir, NULL);
    assert_true(live_nodes(&p.ir, "Shape") > 0);
    support_ok(context, pass_dead_code(&p.ir));
    assert_true(live_nodes(&p.ir, NULL) < before);
    assert_int_equal(live_nodes(&p.ir, "Shape"), 0);
    assert_int_equal(live_nodes(&p.ir, "Concat") > 0, 1); /* the caches */
    ir_free(&p.ir);
    brink_model_destroy(m);
    support_end(context);
}

static void only_the_last_row_reaches_the_vocabulary(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    const char *const names[] = {"llama/fp32", "llama/genai_int4", "gemma3/fp32"};
    for (int i = 0; i < 3; i++) {
        brink_model *m = support_model(context, names[i], true);
        plan p = {0};
        ir_binding inputs[16];
        int64_t rows;
        resolve(m, &p, inputs);
        support_ok(context, ir_resolve(&p.ir, inputs));
        uint32_t logits = p.ir.outputs[m->decoder.logits];
        assert_true(expr_known(&p.ir.exprs, p.ir.values[logits].dims[1], &rows));
        assert_int_equal(rows, 4);
        support_ok(context,
                   passes_run(&p.ir, &(passes_desc){.plain = true,
                                                    .last_row_output = m->decoder.logits,
                                                    .last_row = expr_const(&p.ir.exprs, 2)}));
        assert_true(expr_known(&p.ir.exprs, p.ir.values[logits].dims[1], &rows));
        assert_int_equal(rows, 1);
        ir_free(&p.ir);
        brink_model_destroy(m);
    }
    support_end(context);
}

static void lifetimes_do_not_collide(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *m = support_model(context, "llama/fp32", true);
    plan p = {0};
    ir_binding inputs[16];
    resolve(m, &p, inputs);
    support_ok(context, plan_build(&p, &(plan_desc){.inputs = inputs, .last_row_output = IR_NONE}));
    uint64_t total = 0;
    for (uint32_t i = 0; i < p.tensor_count; i++) {
        const plan_tensor *a = &p.tensors[i];
        if (a->place != PLAN_ARENA || a->root != i)
            continue;
        total += a->bytes;
        assert_true(a->offset + a->bytes <= p.arena_bytes);
        assert_int_equal(a->offset % 64, 0);
        for (uint32_t k = 0; k < i; k++) {
            const plan_tensor *b = &p.tensors[k];
            if (b->place != PLAN_ARENA || b->root != k || a->first > b->last || b->first > a->last)
                continue;
            assert_true(a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset);
        }
    }
    assert_true(p.arena_bytes < total); /* memory is shared over time */
    plan_free(&p);
    brink_model_destroy(m);
    support_end(context);
}

static void the_memory_plan_needs_no_weights(void **state)
{
    (void)state;
    brink_context *context = support_context(1);
    brink_model *with = support_model(context, "llama/genai_int4", false), *without;
    support_ok(context, brink_model_open(context, "tests/fixtures/models/llama/genai_int4",
                                         &(brink_model_desc){.no_weights = true}, &without));
    brink_plan_memory a, b;
    support_ok(context, brink_model_plan(with, NULL, 0, 128, &a));
    support_ok(context, brink_model_plan(without, NULL, 0, 128, &b));
    assert_true(a.peak > a.weights && a.cache > 0 && a.scratch > 0);
    assert_int_equal(a.weights, b.weights);
    assert_int_equal(a.cache, b.cache);
    assert_int_equal(a.scratch, b.scratch);
    brink_model_destroy(with);
    brink_model_destroy(without);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape_arithmetic_disappears),
        cmocka_unit_test(only_the_last_row_reaches_the_vocabulary),
        cmocka_unit_test(lifetimes_do_not_collide),
        cmocka_unit_test(the_memory_plan_needs_no_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
