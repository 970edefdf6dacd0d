/* test_template.c — chat templates against texts that jinja2 rendered (tests/text/templates.py), the
   sandbox's limits, and failing allocations. */
#include "text/template.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[1 << 16];

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static brink_status render(brink_context *context, const char *source, const yyjson_val *variables,
                           uint64_t capacity, uint64_t *bytes)
{
    chat_template *t;
    *bytes = 0;
    brink_status status = chat_template_create(context, "t.jinja", source, strlen(source), &t);
    if (status == BRINK_OK)
        status = chat_template_render(t, variables, text, capacity, bytes);
    chat_template_destroy(t);
    return status;
}

/* Renders with variables given as JSON. */
static brink_status render_json(brink_context *context, const char *source, const char *variables)
{
    json_document d;
    uint64_t bytes;
    assert_int_equal(json_parse(context, "v", variables, strlen(variables), &d), BRINK_OK);
    brink_status status = render(context, source, d.root, sizeof text, &bytes);
    json_free(&d);
    return status;
}

static void agrees_with_jinja2(void **state)
{
    brink_context *context;
    json_document d;
    size_t size, i, n;
    yyjson_val *one;
    (void)state;
    context = support_context(1);
    char *json = read_file("tests/fixtures/text/templates.json", &size);
    assert_int_equal(json_parse(context, "templates.json", json, size, &d), BRINK_OK);
    free(json);
    assert_true(yyjson_arr_size(d.root) > 80);
    yyjson_arr_foreach(d.root, i, n, one)
    {
        uint64_t bytes;
        const char *expected = json_string(one, "text", NULL);
        brink_status status = render(context, json_string(one, "template", ""),
                                     json_get(one, "variables"), sizeof text, &bytes);
        if (expected == NULL) { /* jinja2 fails there too */
            assert_true(status == BRINK_BAD_INPUT || status == BRINK_UNSUPPORTED);
            assert_memory_equal(brink_error(context), "t.jinja: line ", 14);
            continue;
        }
        if (status != BRINK_OK)
            fail_msg("%s: %s", json_string(one, "name", ""), brink_error(context));
        assert_int_equal(bytes, strlen(expected));
        assert_string_equal(text, expected);
    }
    json_free(&d);
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

static void cuts_between_characters(void **state)
{
    brink_context *context;
    json_document d;
    uint64_t bytes;
    (void)state;
    context = support_context(1);
    assert_int_equal(json_parse(context, "v", "{}", 2, &d), BRINK_OK);
    assert_int_equal(render(context, "a\xC3\xA9z", d.root, 3, &bytes), BRINK_OK);
    assert_int_equal(bytes, 4);
    assert_string_equal(text, "a");
    assert_int_equal(render(context, "a\xC3\xA9z", d.root, 0, &bytes), BRINK_OK);
    assert_int_equal(bytes, 4);
    json_free(&d);
    brink_context_destroy(context);
}

static void a_sandbox_holds(void **state)
{
    static const char *const hostile[] = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(999) %}0123456789{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        ("{% set ns = namespace(s=[1]) %}{% for i in range(90000) %}{% set ns.s = [ns.s, ns.s] %}"
         "{% endfor %}{{ ns.s }}"),
        "{{ 'x' * 999999999999 }}",
        "{{ range(9999999) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'aaaaaaaaaa'.replace('a', 'aaaaaaaaaa' * 200000) }}",
    };
    brink_context *context;
    char deep[4096];
    (void)state;
    context = support_context(1);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        assert_int_equal(render_json(context, hostile[i], "{}"), BRINK_BAD_INPUT);
        assert_int_equal(brink_context_memory(context).live, support_idle);
    }
    memset(deep, '(', sizeof deep);
    memcpy(deep, "{{ ", 3);
    deep[sizeof deep - 1] = 0;
    assert_int_not_equal(render_json(context, deep, "{}"), BRINK_OK);
    memset(deep + 3, '-', sizeof deep - 4);
    assert_int_not_equal(render_json(context, deep, "{}"), BRINK_OK);
    for (size_t i = 3; i + 2 < sizeof deep; i += 2)
        memcpy(deep + i, "1+", 2);
    memcpy(deep + sizeof deep - 5, "1}}", 4);
    assert_int_not_equal(render_json(context, deep, "{}"), BRINK_OK);
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

static void names_what_is_missing(void **state)
{
    brink_context *context;
    (void)state;
    context = support_context(1);
    assert_int_equal(render_json(context, "\n{{ 1 | wordwrap }}", "{}"), BRINK_UNSUPPORTED);
    assert_string_equal(brink_error(context),
                        "t.jinja: line 2: filter \"wordwrap\" is not supported");
    assert_int_equal(render_json(context, "{% include 'x' %}", "{}"), BRINK_UNSUPPORTED);
    assert_string_equal(brink_error(context), "t.jinja: line 1: tag \"include\" is not supported");
    assert_int_equal(render_json(context, "{{ raise_exception('no ' ~ x) }}", "{\"x\": \"way\"}"),
                     BRINK_BAD_INPUT);
    assert_string_equal(brink_error(context), "t.jinja: line 1: no way");
    brink_context_destroy(context);
}

static void survives_failing_allocations(void **state)
{
    static const char source[] =
        "{% macro m(a) %}{{ a ~ '!' }}{% endmacro %}{% for x in xs | sort %}{{ m(x) | tojson }}"
        "{% set y %}{{ x }}{% endset %}{{ [x, {y: 1}] }}{{ 'a-b'.split('-') | join(x) }}{% endfor %}";
    brink_context *context;
    (void)state;
    context = support_context(1);
    bool done = false;
    for (uint64_t n = 1; !done && n < 500; n++) {
        json_document d;
        uint64_t bytes;
        assert_int_equal(json_parse(context, "v", "{\"xs\": [\"b\", \"a\"]}", 18, &d), BRINK_OK);
        context->fail_allocation = n;
        brink_status status = render(context, source, d.root, sizeof text, &bytes);
        done = context->fail_allocation != 0;
        context->fail_allocation = 0;
        assert_int_equal(status, done ? BRINK_OK : BRINK_OUT_OF_MEMORY);
        json_free(&d);
        assert_int_equal(brink_context_memory(context).live, support_idle);
    }
    assert_true(done);
    brink_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_jinja2),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(a_sandbox_holds),
        cmocka_unit_test(names_what_is_missing),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
