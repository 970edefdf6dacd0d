/* What packing.h promises: one packed form a key, kept where it is, counted, and freed. */
#include "graph/packing.h"

#include "support.h"

static brink_context *context;

static int begin(void **state)
{
    (void)state;
    context = support_context(1);
    return context == NULL ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    support_end(context);
    return 0;
}

static const char layouts[2];

static void a_key_has_one_form(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static char sources[COUNT];
    uint64_t before = context->memory.live;
    packing *p;
    assert_int_equal(packing_create(context, &p), BRINK_OK);
    for (int i = 0; i < COUNT; i++)
        for (int layout = 0; layout < 2; layout++) {
            packing_key key = {&layouts[layout], {&sources[i]}};
            assert_null(packing_find(p, &key));
            int *data = packing_add(p, &key, sizeof *data);
            assert_non_null(data);
            *data = 2 * i + layout;
        }
    assert_int_equal(packing_bytes(p), 2 * COUNT * sizeof(int));
    for (int i = 0; i < COUNT; i++)
        for (int layout = 0; layout < 2; layout++) {
            packing_key key = {&layouts[layout], {&sources[i]}};
            assert_int_equal(*(const int *)packing_find(p, &key), 2 * i + layout);
        }
    packing_key other = {&layouts[1], {&sources[7], sources}};
    assert_null(packing_find(p, &other));
    packing_free(p);
    assert_int_equal(context->memory.live, before);
}

static const void *given_up;
static uint64_t given_up_bytes;

static void give_up(void *user, const void *data, uint64_t bytes)
{
    assert_ptr_equal(user, &given_up);
    given_up = data;
    given_up_bytes = bytes;
}

static void sources_can_be_given_up(void **state)
{
    (void)state;
    packing *p;
    assert_int_equal(packing_create(context, &p), BRINK_OK);
    packing_done_with(p, layouts, 1); /* nobody asked: nothing happens */
    packing_set_give_up(p, give_up, &given_up);
    packing_done_with(p, layouts, 2);
    assert_ptr_equal(given_up, layouts);
    assert_int_equal(given_up_bytes, 2);
    packing_free(p);
}

static void without_room_nothing_is_kept(void **state)
{
    (void)state;
    packing *p;
    assert_int_equal(packing_create(context, &p), BRINK_OK);
    uint64_t before = context->memory.live;
    for (uint64_t n = 1; n <= 2; n++) {
        packing_key key = {layouts, {layouts}};
        context->fail_allocation = n;
        assert_null(packing_add(p, &key, 100));
        assert_null(packing_find(p, &key));
        assert_int_equal(context->memory.live, before);
        context->fail_allocation = 0;
    }
    packing_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_one_form),
        cmocka_unit_test(sources_can_be_given_up),
        cmocka_unit_test(without_room_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
