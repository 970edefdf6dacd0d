/* test_json.c — what is read, what is refused and with which words, and that memory is counted. */
#include "core/json.h"
#include "support.h"

#include <string.h>

static brink_status parse(brink_context *context, const char *text, json_document *out)
{
    return json_parse(context, "x.json", text, strlen(text), out);
}

static void reads_members(void **state)
{
    brink_context *context;
    json_document d;
    (void)state;
    context = support_context(1);
    assert_int_equal(
        parse(context,
              "\xEF\xBB\xBF{\"a\": 3, \"b\": true, \"c\": \"t\", \"n\": null, \"f\": 1.5,"
              " \"i\": Infinity, \"u\": 18446744073709551615}",
              &d),
        BRINK_OK);
    assert_true(brink_context_memory(context).live > support_idle);
    assert_int_equal(json_int(d.root, "a", 7), 3);
    assert_int_equal(json_int(d.root, "none", 7), 7);
    assert_int_equal(json_int(d.root, "u", 7), 7);
    assert_true(json_bool(d.root, "b", false));
    assert_true(json_bool(d.root, "a", true));
    assert_string_equal(json_string(d.root, "c", ""), "t");
    assert_string_equal(json_string(d.root, "a", "other"), "other");
    assert_true(json_number(d.root, "f", 0) == 1.5);
    assert_true(json_number(d.root, "i", 0) > 1e308);
    assert_null(json_get(d.root, "n"));
    assert_null(json_get(NULL, "n"));
    assert_non_null(json_get(d.root, "a"));
    json_free(&d);
    json_free(&d);
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

static void names_what_is_wrong(void **state)
{
    static const char *const bad[] = {"",      "{",        "{\"a\": }", "[1, 2",        "nul",
                                      "[1] 2", "\"\xFF\"", "{'a': 1}",  "[\"\\ud800\"]"};
    brink_context *context;
    json_document d;
    (void)state;
    context = support_context(1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(context, bad[i], &d), BRINK_BAD_INPUT);
        assert_memory_equal(brink_error(context), "x.json: ", 8);
        json_free(&d);
    }
    assert_int_equal(parse(context, "{\n \"a\": x}", &d), BRINK_BAD_INPUT);
    assert_non_null(strstr(brink_error(context), "line 2, column 7"));
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

static void bounds_depth_and_memory(void **state)
{
    char deep[2 * JSON_MAX_DEPTH + 3];
    brink_context *context;
    json_document d;
    (void)state;
    context = support_context(1);
    for (int n = JSON_MAX_DEPTH; n <= JSON_MAX_DEPTH + 1; n++) {
        memset(deep, '[', (size_t)n);
        memset(deep + n, ']', (size_t)n);
        brink_status status = json_parse(context, "x", deep, 2 * (size_t)n, &d);
        assert_int_equal(status, n == JSON_MAX_DEPTH ? BRINK_OK : BRINK_BAD_INPUT);
        json_free(&d);
    }
    assert_non_null(strstr(brink_error(context), "nested too deeply"));
    const char *brackets = "\"[[\\\"[[\""; /* inside of strings they do not count */
    assert_int_equal(parse(context, brackets, &d), BRINK_OK);
    json_free(&d);
    for (uint64_t n = 1; n < 4; n++) {
        context->fail_allocation = n;
        brink_status status = parse(context, "[1, [2, {\"a\": 3}]]", &d);
        assert_true(status == BRINK_OUT_OF_MEMORY || (status == BRINK_OK && n > 1));
        json_free(&d);
    }
    context->fail_allocation = 0;
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_members),
        cmocka_unit_test(names_what_is_wrong),
        cmocka_unit_test(bounds_depth_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
