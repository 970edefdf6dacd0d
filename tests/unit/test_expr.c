/* Integer expressions: equal ones are one, bounds hold, evaluation agrees with arithmetic. */
#include "graph/expr.h"
#include "support.h"

static expr_table table;
static arena memory;
static brink_context *context;

static int begin(void **state)
{
    (void)state;
    context = support_context(1);
    arena_init(&memory, context);
    return expr_table_init(&table, &memory) == BRINK_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    arena_free(&memory);
    support_end(context);
    return 0;
}

static void sums_cancel(void **state)
{
    (void)state;
    expr past = expr_symbol(&table, 0, 100), seven = expr_const(&table, 7);
    expr total = expr_add(&table, past, seven);
    assert_int_equal(expr_sub(&table, total, past), seven);
    assert_int_equal(expr_add(&table, seven, past), total);
    expr doubled = expr_mul(&table, total, expr_const(&table, 2));
    assert_int_equal(expr_div(&table, doubled, expr_const(&table, 2)), total);
    assert_int_equal(expr_low(&table, total), 7);
    assert_int_equal(expr_high(&table, total), 107);
}

static void comparisons_are_decided_by_bounds(void **state)
{
    (void)state;
    int64_t v;
    expr past = expr_symbol(&table, 0, 100), total = expr_add(&table, past, expr_const(&table, 1));
    assert_true(expr_known(&table, expr_equal(&table, total, expr_const(&table, -1)), &v));
    assert_int_equal(v, 0);
    assert_true(expr_known(&table, expr_less(&table, past, total), &v));
    assert_int_equal(v, 1);
    assert_int_equal(expr_max(&table, total, past), total);
    assert_int_equal(expr_min(&table, total, past), past);
    expr open = expr_equal(&table, past, expr_const(&table, 5));
    assert_false(expr_known(&table, open, &v));
    assert_int_equal(expr_select(&table, open, total, total), total);
}

static void evaluation(void **state)
{
    (void)state;
    expr a = expr_symbol(&table, -50, 50), b = expr_symbol(&table, 1, 9);
    expr list[] = {expr_add(&table, a, b),
                   expr_mul(&table, a, b),
                   expr_div(&table, a, b),
                   expr_mod(&table, a, b),
                   expr_min(&table, a, b),
                   expr_max(&table, a, b),
                   expr_select(&table, expr_less(&table, a, b), a, b),
                   expr_equal(&table, a, b)};
    assert_false(table.failed);
    int64_t values[256];
    assert_true(table.count < 256);
    for (int64_t x = -50; x <= 50; x++)
        for (int64_t y = 1; y <= 9; y++) {
            int64_t symbols[2] = {x, y}, mod = (x % y + y) % y;
            int64_t want[] = {x + y,         x * y,         x / y,         mod,
                              x < y ? x : y, x > y ? x : y, x < y ? x : y, x == y};
            expr_evaluate(&table, symbols, values);
            for (int i = 0; i < 8; i++) {
                assert_int_equal(values[list[i]], want[i]);
                assert_true(values[list[i]] >= expr_low(&table, list[i]));
                assert_true(values[list[i]] <= expr_high(&table, list[i]));
            }
        }
}

static void overflow_is_marked(void **state)
{
    (void)state;
    expr huge = expr_const(&table, INT64_MAX);
    assert_int_equal(expr_add(&table, huge, huge), EXPR_NONE);
    assert_true(table.failed);
}

static void many_expressions_stay_unique(void **state)
{
    (void)state;
    expr s = expr_symbol(&table, 0, 1 << 20);
    for (int round = 0; round < 2; round++)
        for (int64_t i = 1; i < 3000; i++) {
            expr e = expr_add(&table, s, expr_const(&table, i));
            assert_int_equal(e, expr_sub(&table, e, expr_const(&table, 0)));
        }
    assert_true(table.count < 3000 * 2 + 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_cancel, begin, end),
        cmocka_unit_test_setup_teardown(comparisons_are_decided_by_bounds, begin, end),
        cmocka_unit_test_setup_teardown(evaluation, begin, end),
        cmocka_unit_test_setup_teardown(overflow_is_marked, begin, end),
        cmocka_unit_test_setup_teardown(many_expressions_stay_unique, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
