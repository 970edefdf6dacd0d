/* cmocka.h — the part of cmocka that tests/unit uses, for processors that there is no libcmocka for.

   The first failure is printed and ends the program with status 1; the tests of a group run in order
   and share no state but what their setup makes, as under cmocka. */
#ifndef TESTS_NEON_CMOCKA_H
#define TESTS_NEON_CMOCKA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state), (*teardown)(void **state);
};

#define cmocka_unit_test(f) {#f, f, NULL, NULL}
#define cmocka_unit_test_setup_teardown(f, setup, teardown) {#f, f, setup, teardown}

#define fail_msg(...)                                                                              \
    (printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), printf("\n"), exit(1))

#define cmocka_expect(condition, text)                                                             \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s", text);                                                                  \
    } while (0)
#define cmocka_compare(a, relation, b)                                                             \
    do {                                                                                           \
        uint64_t cmocka_a = (uint64_t)(a), cmocka_b = (uint64_t)(b);                               \
        if (!(cmocka_a relation cmocka_b))                                                         \
            fail_msg("%s is %llx, %s is %llx", #a, (unsigned long long)cmocka_a, #b,               \
                     (unsigned long long)cmocka_b);                                                \
    } while (0)

#define assert_true(c) cmocka_expect(c, #c)
#define assert_false(c) cmocka_expect(!(c), "not expected: " #c)
#define assert_null(p) cmocka_expect((p) == NULL, #p " is not NULL")
#define assert_non_null(p) cmocka_expect((p) != NULL, #p " is NULL")
#define assert_int_equal(a, b) cmocka_compare(a, ==, b)
#define assert_int_not_equal(a, b) cmocka_compare(a, !=, b)
#define assert_ptr_equal(a, b)                                                                     \
    cmocka_expect((const void *)(a) == (const void *)(b), #a " is not " #b)
#define assert_memory_equal(a, b, n) cmocka_expect(memcmp(a, b, n) == 0, #a " differs from " #b)
#define assert_string_equal(a, b)                                                                  \
    do {                                                                                           \
        const char *cmocka_a = (a), *cmocka_b = (b);                                               \
        if (strcmp(cmocka_a, cmocka_b) != 0)                                                       \
            fail_msg("\"%s\" is not \"%s\"", cmocka_a, cmocka_b);                                  \
    } while (0)

static inline int cmocka_run(const struct CMUnitTest *tests, size_t count,
                             int (*setup)(void **state), int (*teardown)(void **state))
{
    void *group = NULL;
    if (setup != NULL && setup(&group) != 0)
        fail_msg("the group's setup failed");
    for (size_t i = 0; i < count; i++) {
        void *state = group;
        if (tests[i].setup != NULL && tests[i].setup(&state) != 0)
            fail_msg("%s: setup failed", tests[i].name);
        tests[i].test(&state);
        if (tests[i].teardown != NULL && tests[i].teardown(&state) != 0)
            fail_msg("%s: teardown failed", tests[i].name);
    }
    if (teardown != NULL && teardown(&group) != 0)
        fail_msg("the group's teardown failed");
    printf("%zu tests passed\n", count);
    return 0;
}
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    cmocka_run(tests, sizeof(tests) / sizeof *(tests), setup, teardown)

#endif
