/* schema.c — arbitrary bytes as a schema (or, behind a '#', as a grammar), a NUL, and what decides how
   the automaton moves: every byte picks one of the tokens that the mask allows. */
#include "fuzz.h"
#include "text/grammar_internal.h"
#include "text/schema.h"

enum { TOKENS = 12 };

static token_trie *make_trie(brink_context *context)
{
    static const char *const texts[TOKENS] = {"{\"", "\"", ":", ",",       "}",   "[",
                                              "]",   "1",  "a", "\\u00e9", " \n", "\":\""};
    static const uint32_t end = TOKENS;
    const char *bytes[TOKENS + 1] = {NULL};
    uint32_t sizes[TOKENS + 1] = {0};
    token_trie *t = NULL;
    for (uint32_t i = 0; i < TOKENS; i++) {
        bytes[i] = texts[i];
        sizes[i] = (uint32_t)strlen(texts[i]);
    }
    (void)!token_trie_from_bytes(context, bytes, sizes, TOKENS + 1, &end, 1, &t);
    return t;
}

static void must(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* Every state that is reached can be closed, and a token of the mask is always taken. */
static brink_status move(grammar_state *s, token_trie *t, const char *moves, size_t count)
{
    static char text[1 << 16];
    uint64_t bytes, distance;
    bool allowed;
    for (size_t i = 0; i <= count && i < 64; i++) {
        uint32_t bits[1], size;
        TRY(grammar_mask(s, t, bits));
        TRY(grammar_forced(s, text, 8, &bytes));
        uint32_t some = bits[0] & ((1u << TOKENS) - 1);
        if (some == 0 || i == count)
            break;
        for (uint32_t skip = (uint8_t)moves[i] % (uint32_t)__builtin_popcount(some); skip > 0;
             skip--)
            some &= some - 1;
        const char *token = token_trie_bytes(t, (uint32_t)__builtin_ctz(some), &size);
        TRY(grammar_advance(s, token, size, &allowed));
        must(allowed, "a token of the mask is refused");
    }
    TRY(grammar_close(s, text, sizeof text, &bytes));
    TRY(grammar_distance(s, &distance));
    must(distance == bytes, "the distance is not the closing text's length");
    if (bytes > sizeof text)
        return BRINK_OK;
    TRY(grammar_advance(s, text, bytes, &allowed));
    /* the reading that it closes may be one of those given up on the way */
    must(s->crowded || (allowed && grammar_can_end(s)), "the closing text does not close");
    return BRINK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    brink_context *context = fuzz_context(256u << 20);
    const char *moves;
    size_t count, text = fuzz_split(data, size, &moves, &count);
    token_trie *t = make_trie(context);
    grammar *g;
    grammar_state *s = NULL;
    schema_options options = {.plain = size % 2 == 0, .closed = size % 3 == 0};
    brink_status status = text > 0 && data[0] == '#'
                              ? grammar_create(context, NULL, data + 1, text - 1, &g)
                              : schema_compile(context, NULL, data, text, &options, &g);
    if (status == BRINK_OK && t != NULL) {
        status = grammar_state_create(g, &s);
        if (status == BRINK_OK)
            status = move(s, t, moves, count);
    }
    grammar_state_destroy(s);
    grammar_destroy(g);
    token_trie_destroy(t);
    fuzz_text(context, status);
    fuzz_end(context);
    return 0;
}
