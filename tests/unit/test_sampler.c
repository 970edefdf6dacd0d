/* The sampler against plain arithmetic on a sorted list: what each filter keeps, how often each token is
   drawn, what penalties and bias take off, and that a draw depends on the seed and the place alone. */
#include "support.h"

#include "text/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 3000, DRAWS = 40000 };

static brink_context *context;
static float logits[COUNT];

static int set_up(void **state)
{
    (void)state;
    context = support_context(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_end(context);
    return 0;
}

/* Steep enough that a few tokens hold most of the mass; with equals, infinities and a NaN. */
static void make_logits(uint32_t seed)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        seed = seed * 1664525u + 1013904223u;
        logits[i] = (float)(int32_t)(seed >> 8) * 0x1p-20f - 8;
    }
    for (uint32_t i = 0; i < 40; i++)
        logits[i * 7] = 9.5f - (float)(i / 4); /* fours of equals */
    logits[1] = -INFINITY;
    logits[2] = NAN;
}

static sampler *make(brink_sampling desc)
{
    sampler *s;
    assert_int_equal(sampler_create(context, &desc, &s), BRINK_OK);
    return s;
}

static uint32_t pick(sampler *s, const uint32_t *allowed, uint64_t place)
{
    uint32_t token = UINT32_MAX;
    assert_int_equal(sampler_pick(s, logits, COUNT, allowed, place, &token), BRINK_OK);
    assert_true(token < COUNT);
    return token;
}

/* ── The reference ── */

typedef struct share {
    uint32_t id;
    double z, p;
} share;

static int by_z(const void *a, const void *b)
{
    double x = ((const share *)a)->z, y = ((const share *)b)->z;
    return (x < y) - (x > y);
}

static double probabilities(const brink_sampling *d, double *p)
{
    static share list[COUNT];
    uint32_t n = 0, kept;
    for (uint32_t i = 0; i < COUNT; i++)
        if (logits[i] > -INFINITY)
            list[n++] = (share){.id = i, .z = (double)logits[i] / (double)d->temperature};
    qsort(list, n, sizeof *list, by_z);
    if (d->top_k != 0 && d->top_k < n) {
        kept = d->top_k;
        while (kept < n && list[kept].z == list[kept - 1].z)
            kept++;
        n = kept;
    }
    double total = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        total += list[i].p = exp(list[i].z - list[0].z);
    if (d->top_p > 0 && d->top_p < 1) {
        for (kept = 0; kept < n && sum < (double)d->top_p * total; kept++)
            sum += list[kept].p;
        while (kept < n && list[kept].z == list[kept - 1].z)
            kept++;
        n = kept;
    }
    while (d->min_p > 0 && list[n - 1].p < (double)d->min_p)
        n--;
    memset(p, 0, COUNT * sizeof *p);
    total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += list[i].p;
    for (uint32_t i = 0; i < n; i++)
        p[list[i].id] = list[i].p / total;
    return n;
}

static void check_draws(brink_sampling d)
{
    static double p[COUNT];
    static uint32_t drawn[COUNT];
    probabilities(&d, p);
    memset(drawn, 0, sizeof drawn);
    sampler *s = make(d);
    for (uint32_t i = 0; i < DRAWS; i++)
        drawn[pick(s, NULL, i)]++;
    sampler_destroy(s);
    for (uint32_t i = 0; i < COUNT; i++) {
        double expected = p[i] * DRAWS;
        if (p[i] == 0)
            assert_int_equal(drawn[i], 0);
        else /* six standard deviations of a binomial, and one for the rare */
            assert_true(fabs(drawn[i] - expected) <= 6 * sqrt(expected) + 2);
    }
}

static void test_filters(void **state)
{
    (void)state;
    make_logits(1);
    check_draws((brink_sampling){.temperature = 1, .seed = 1});
    check_draws((brink_sampling){.temperature = 3, .seed = 2});
    check_draws((brink_sampling){.temperature = 0.2f, .seed = 3});
    for (uint32_t k = 1; k < 60; k += 7)
        check_draws((brink_sampling){.temperature = 1.5f, .top_k = k, .seed = k});
    for (float p = 0.05f; p < 1; p += 0.09f)
        check_draws((brink_sampling){.temperature = 2, .top_p = p, .seed = 5});
    for (float p = 0.01f; p <= 1; p *= 2.3f)
        check_draws((brink_sampling){.temperature = 2, .min_p = p, .seed = 6});
    check_draws(
        (brink_sampling){.temperature = 2, .top_k = 30, .top_p = 0.8f, .min_p = 0.02f, .seed = 7});
}

static void test_greedy(void **state)
{
    (void)state;
    make_logits(2);
    sampler *s = make((brink_sampling){.top_k = 5, .seed = 3});
    assert_true(sampler_is_plain(s));
    assert_int_equal(pick(s, NULL, 0), 0); /* the lowest of four equals */
    sampler_destroy(s);
    s = make((brink_sampling){.temperature = 1e-30f});
    assert_true(pick(s, NULL, 0) <= 21 && pick(s, NULL, 0) % 7 == 0); /* one of the equals */
    sampler_destroy(s);
}

static void test_places(void **state)
{
    (void)state;
    make_logits(3);
    sampler *a = make((brink_sampling){.temperature = 1.5f, .seed = 42});
    sampler *b = make((brink_sampling){.temperature = 1.5f, .seed = 42});
    sampler *c = make((brink_sampling){.temperature = 1.5f, .seed = 43});
    uint32_t others = 0;
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t token = pick(a, NULL, i);
        assert_int_equal(token, pick(b, NULL, i));
        others += token != pick(c, NULL, i);
    }
    assert_true(others > 50);
    for (uint32_t i = 100; i-- != 0;) /* in any order */
        assert_int_equal(pick(a, NULL, i), pick(b, NULL, i));
    sampler_destroy(a);
    sampler_destroy(b);
    sampler_destroy(c);
    double sum = 0, last = -1;
    for (uint32_t i = 0; i < DRAWS; i++) {
        float u = sampler_draw(9, i);
        assert_true(u >= 0 && u < 1 && (double)u != last);
        last = (double)u;
        sum += last;
    }
    assert_true(fabs(sum / DRAWS - 0.5) < 0.01);
}

static void test_penalties(void **state)
{
    (void)state;
    make_logits(4);
    const brink_logit_bias bias[] = {{0, -INFINITY}, {5, 100}, {COUNT + 7, 3}};
    sampler *s = make((brink_sampling){.bias = bias, .bias_count = 1});
    assert_int_equal(pick(s, NULL, 0), 7);
    sampler_destroy(s);
    s = make((brink_sampling){.bias = bias, .bias_count = 3});
    assert_int_equal(pick(s, NULL, 0), 5);
    sampler_destroy(s);

    s = make((brink_sampling){.repetition_penalty = 1.2f});
    assert_false(sampler_is_plain(s));
    for (uint32_t i = 0; i < 4; i++) /* 9.5 / 1.2 < 8.5 */
        assert_int_equal(sampler_see(s, i * 7, false), BRINK_OK);
    assert_int_equal(pick(s, NULL, 0), 28);
    sampler_destroy(s);

    s = make((brink_sampling){.frequency_penalty = 0.4f, .presence_penalty = 0.3f});
    sampler_see(s, 0, false); /* of the context: not of the reply */
    assert_int_equal(pick(s, NULL, 0), 0);
    for (uint32_t i = 0; i < 4; i++)
        sampler_see(s, i * 7, true);
    assert_int_equal(pick(s, NULL, 0), 0); /* 9.5 - 0.7 > 8.5 */
    for (uint32_t i = 0; i < 4; i++)
        sampler_see(s, i * 7, true);
    assert_int_equal(pick(s, NULL, 0), 28); /* 9.5 - 1.1 < 8.5 */
    assert_int_equal(sampler_see(s, 3000000, true), BRINK_OK);
    sampler_destroy(s);
}

static void test_mask(void **state)
{
    (void)state;
    make_logits(5);
    uint32_t allowed[(COUNT + 31) / 32] = {0}, token;
    allowed[1000 / 32] |= 1u << 1000 % 32;
    allowed[2000 / 32] |= 1u << 2000 % 32;
    sampler *s = make((brink_sampling){.temperature = 100, .top_k = 2, .seed = 1});
    bool both[2] = {false, false};
    for (uint32_t i = 0; i < 50; i++) {
        token = pick(s, allowed, i);
        assert_true(token == 1000 || token == 2000);
        both[token == 2000] = true;
    }
    assert_true(both[0] && both[1]);
    memset(allowed, 0, sizeof allowed);
    allowed[0] = 1u << 2; /* a NaN */
    assert_int_equal(sampler_pick(s, logits, COUNT, allowed, 0, &token), BRINK_INVALID_ARGUMENT);
    assert_non_null(strstr(brink_error(context), "no token"));
    sampler_destroy(s);
}

static void test_bad_values(void **state)
{
    (void)state;
    const brink_sampling bad[] = {
        {.temperature = -1},       {.temperature = NAN},       {.top_p = 1.5f},
        {.min_p = -0.1f},          {.repetition_penalty = -1}, {.frequency_penalty = INFINITY},
        {.presence_penalty = NAN}, {.temperature = INFINITY}};
    sampler *s;
    for (uint32_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(sampler_create(context, &bad[i], &s), BRINK_INVALID_ARGUMENT);
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_greedy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_penalties, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_values, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
