/* The trie against the vocabulary's hash table: over alphabets of few letters and of all bytes every spelling
   is found at its id and nothing else is, prefixes are nodes, and room grows with the nodes alone. */
#include "support.h"

#include "text/trie.h"

#include <string.h>

enum { COUNT = 20000, LONGEST = 12 };

static brink_context *context;
static uint32_t seed;

static int set_up(void **state)
{
    (void)state;
    context = support_context(1);
    seed = 7;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_end(context);
    return 0;
}

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

static uint32_t make_text(char *text, uint32_t letters)
{
    uint32_t size = 1 + below(LONGEST);
    for (uint32_t i = 0; i < size; i++)
        text[i] = (char)(letters < 256 ? 'a' + (int)below(letters) : (int)below(256));
    return size;
}

/* The id of the whole text, VOCAB_NONE if it is no spelling. */
static uint32_t find(const trie *t, const char *text, uint32_t size)
{
    uint32_t node = 0;
    for (uint32_t i = 0; i < size; i++) {
        node = trie_child(t, node, (unsigned char)text[i]);
        if (node == 0)
            return VOCAB_NONE;
    }
    return t->units[node].token;
}

static void holds_what_the_vocabulary_holds(void **state)
{
    (void)state;
    static const uint32_t alphabets[] = {1, 2, 26, 256};
    for (uint32_t k = 0; k < 4; k++) {
        vocab v;
        trie t;
        char text[LONGEST];
        uint64_t bytes = 0;
        assert_int_equal(vocab_create(&v, context, COUNT, COUNT, 0), BRINK_OK);
        for (uint32_t id = 0; id < COUNT; id++) {
            if (id % 7 == 3)
                continue; /* an id without a spelling */
            uint32_t size = make_text(text, alphabets[k]);
            bytes += size;
            assert_int_equal(vocab_add(&v, text, size, id), BRINK_OK);
        }
        assert_int_equal(trie_create(&t, &v), BRINK_OK);
        assert_true(t.count < 4 * bytes + 4096);
        for (uint32_t id = 0; id < COUNT; id++) {
            const char *spelling = vocab_spelling(&v, id);
            if (spelling != NULL)
                assert_int_equal(find(&t, spelling, v.length[id]),
                                 vocab_find(&v, spelling, v.length[id]));
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t size = make_text(text, alphabets[k]);
            assert_int_equal(find(&t, text, size), vocab_find(&v, text, size));
        }
        trie_free(&t);
        vocab_free(&v);
    }
}

static void of_nothing_is_empty(void **state)
{
    (void)state;
    vocab v;
    trie t;
    assert_int_equal(vocab_create(&v, context, 0, 0, 0), BRINK_OK);
    assert_int_equal(trie_create(&t, &v), BRINK_OK);
    for (uint32_t label = 0; label < 256; label++)
        assert_int_equal(trie_child(&t, 0, (unsigned char)label), 0);
    trie_free(&t);
    vocab_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(holds_what_the_vocabulary_holds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_nothing_is_empty, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
