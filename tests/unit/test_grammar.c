/* test_grammar.c — grammars and schemas: what is accepted, masks against trying every token, forced and
   closing texts, refusals by name, limits, failing allocations. */
#include "core/context.h"
#include "text/schema.h"
#include "text/utf8.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static brink_context *context;

static grammar *schema(const char *json)
{
    grammar *g;
    support_ok(context, schema_compile(context, NULL, json, strlen(json), NULL, &g));
    return g;
}

static bool accepts(grammar *g, const char *text)
{
    grammar_state *s;
    bool allowed;
    support_ok(context, grammar_state_create(g, &s));
    support_ok(context, grammar_advance(s, text, strlen(text), &allowed));
    allowed = allowed && grammar_can_end(s);
    grammar_state_destroy(s);
    return allowed;
}

static void check_texts(const char *json, const char *const *good, const char *const *bad)
{
    grammar *g = schema(json);
    for (; *good != NULL; good++)
        if (!accepts(g, *good))
            fail_msg("%s refuses %s", json, *good);
    for (; *bad != NULL; bad++)
        if (accepts(g, *bad))
            fail_msg("%s accepts %s", json, *bad);
    grammar_destroy(g);
}
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void schemas_hold(void **state)
{
    (void)state;
    context = support_context(1);
    check_texts("{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"string\"}, \"b\": "
                "{\"enum\": [1, \"x\"]}}, \"required\": [\"a\"], \"additionalProperties\": false}",
                TEXTS("{\"a\":\"\"}", " { \"b\" : 1.0 , \"a\" : \"\\ud83d\\uDE00\" } ",
                      "{\"\\u0061\":\"\xC3\xA9\"}"),
                TEXTS("{}", "{\"a\":1}", "{\"a\":\"\",\"a\":\"\"}", "{\"a\":\"\",}",
                      "{\"a\":\"\\ud83d\"}", "{\"a\":\"\xC3\"}", "{\"a\":\"\xED\xA0\x80\"}",
                      "{\"a\":\"\n\"}", "{\"a\":\"\"} x", "{\"c\":1,\"a\":\"\"}"));
    check_texts("{\"type\": \"number\", \"multipleOf\": 0.1, \"exclusiveMinimum\": -1.25, "
                "\"maximum\": 12}",
                TEXTS("0", "12", "12.0", "-1.2", "0.3", "-0", "-0.0", "1.10"),
                TEXTS("12.1", "-1.25", "-1.3", "0.05", "013", "1.", "100", "1e1"));
    check_texts("{\"type\": \"integer\"}",
                TEXTS("0", "-7", "1.0", "123456789012345678901234567890"),
                TEXTS("1.5", "01", "-", "\"1\""));
    check_texts("{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}",
                TEXTS("\"ab\"", "\"\xF0\x9F\x98\x80\xC3\xA9\"", "\"\\ud83d\\ude00\\n\\u00e9\""),
                TEXTS("\"a\"", "\"abcd\"", "\"\\ud83d\\ude00\""));
    check_texts("{\"type\": \"string\", \"pattern\": \"^(a|bc)+$\", \"maxLength\": 3}",
                TEXTS("\"a\"", "\"bca\"", "\"\\u0062c\""), TEXTS("\"\"", "\"bcbc\"", "\"ab\""));
    check_texts(
        "{\"oneOf\": [{\"properties\": {\"t\": {\"const\": \"x\"}}, \"required\": [\"t\"]}, "
        "{\"properties\": {\"t\": {\"const\": \"y\"}}, \"required\": [\"t\"]}], "
        "\"type\": \"object\"}",
        TEXTS("{\"t\":\"x\"}", "{\"z\":[{}],\"t\":\"y\"}"), TEXTS("{\"t\":\"z\"}", "{}"));
    check_texts("{\"enum\": [\"\", \"a\", \"ab\", 1, null, [\"a\"]], \"maxLength\": 1}",
                TEXTS("\"\"", "\"a\"", "1.0", "null", "[ \"\\u0061\" ]"),
                TEXTS("\"ab\"", "\"aa\"", "11", "[]", "[\"a\",\"a\"]"));
    check_texts("{\"type\": \"object\", \"propertyNames\": {\"enum\": [\"a\", \"bc\", 1]}}",
                TEXTS("{}", "{\"bc\":[],\"a\":0}"), TEXTS("{\"b\":1}", "{\"\":1}"));
    check_texts("{\"format\": \"date\"}", TEXTS("\"2024-02-29\"", "\"2000-02-29\"", "7"),
                TEXTS("\"2023-02-29\"", "\"1900-02-29\"", "\"2023-04-31\"", "\"0000-01-01\""));
    support_end(context);
}

/* More readings at once than a few, told apart only by what comes late. */
static void many_branches(void **state)
{
    static char json[16384];
    size_t size = (size_t)sprintf(json, "{\"oneOf\": [");
    (void)state;
    context = support_context(1);
    for (int i = 0; i < 100; i++)
        size += (size_t)sprintf(json + size,
                                "%s{\"type\": \"object\", \"properties\": {\"t\": {\"const\": "
                                "\"k%d\"}}, \"required\": [\"t\", \"n%d\"]}",
                                i != 0 ? "," : "", i, i);
    sprintf(json + size, "]}");
    check_texts(json, TEXTS("{\"n99\":1,\"t\":\"k99\"}", "{\"t\":\"k0\",\"n0\":{}}"),
                TEXTS("{\"n98\":1,\"t\":\"k99\"}", "{\"t\":\"k100\"}"));
    support_end(context);
}

static void refusals_name_the_keyword(void **state)
{
    static const char *const cases[][2] = {
        {"{\"contains\": {}}", "x.json: schema: keyword \"contains\" is not supported"},
        {"{\"type\": \"array\", \"uniqueItems\": true}",
         "x.json: schema: keyword \"uniqueItems\" is not supported"},
        {"{\"not\": {\"items\": {}}}",
         "x.json: schema: keyword \"not\" of \"items\" is not supported"},
        {"{\"oneOf\": [{\"items\": {\"type\": \"null\"}}, {\"maxItems\": 2}]}",
         "x.json: schema: keyword \"not\" of \"items\" is not supported"},
        {"{\"format\": \"iri\"}", "x.json: schema: keyword \"format\" \"iri\" is not supported"},
        {"{\"pattern\": \"a(?=b)\"}",
         "x.json: schema: pattern \"a(?=b)\": lookahead is not supported"},
        {"{\"pattern\": \"(?:a{900}b{900}){900}\"}", NULL},
        {"{\"type\": \"strin\"}", NULL},
        {"{\"$ref\": \"#/nowhere\"}", NULL},
        {"{\"$ref\": \"other.json\"}", NULL},
        {"{\"type\": \"object\", \"required\": [\"a\"], \"additionalProperties\": false}", NULL},
        {"{\"properties\": {\"a\": {\"$ref\": \"#\"}}, \"required\": [\"a\"], \"type\": \"object\"}",
         "x.json: schema: nothing can satisfy it"},
        {"{\"const\": 12345678901234567890123}",
         "x.json: schema: a number of more than 64 bits is not supported"},
        {"{\"minimum\": \"1\"}", NULL},
        {"[]", NULL},
        {"{", NULL},
    };
    (void)state;
    context = support_context(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        grammar *g;
        brink_status status =
            schema_compile(context, "x.json", cases[i][0], strlen(cases[i][0]), NULL, &g);
        if (status == BRINK_OK)
            fail_msg("%s is taken", cases[i][0]);
        assert_null(g);
        if (cases[i][1] != NULL)
            assert_string_equal(brink_error(context), cases[i][1]);
    }
    support_end(context);
}

/* A vocabulary of all bytes and of pieces that cross the borders of JSON's tokens. */
enum { PIECES = 27, VOCABULARY = 256 + PIECES };
static const char *const pieces[PIECES] = {
    "{\"",      "\":",      "\": \"", "\",\"", "\"}",  "\"]}", "abc", "ab",    "name",
    "\xC3\xA9", "\xF0\x9F", "\\u",    "12",    "1.5",  "-0.",  "e+3", "true",  "}}",
    "[[",       "],[",      "},{\"",  "  \n",  "\\\"", "x\"",  "0, ", "null,", "fals",
};

static token_trie *make_trie(uint32_t end)
{
    static char bytes[256];
    const char *texts[VOCABULARY + 1] = {NULL};
    uint32_t sizes[VOCABULARY + 1] = {0};
    token_trie *t;
    for (uint32_t i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        texts[i] = &bytes[i];
        sizes[i] = 1;
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        texts[256 + i] = pieces[i];
        sizes[256 + i] = (uint32_t)strlen(pieces[i]);
    }
    support_ok(context, token_trie_from_bytes(context, texts, sizes, VOCABULARY + 1, &end, 1, &t));
    return t;
}

/* Walks at random; at each step the mask must say of every token what trying it says. */
static void check_masks(grammar *g, const token_trie *t, uint32_t seed)
{
    uint32_t bits[(VOCABULARY + 1 + 31) / 32], size;
    grammar_state *s, *copy;
    uint64_t bytes, distance;
    bool allowed;
    static char closing[1 << 16];
    support_ok(context, grammar_state_create(g, &s));
    support_ok(context, grammar_state_create(g, &copy));
    for (uint32_t step = 0; step < 40; step++) {
        uint32_t open = 0, take = UINT32_MAX;
        support_ok(context, grammar_mask(s, t, bits));
        for (uint32_t i = 0; i < VOCABULARY; i++) {
            const char *token = token_trie_bytes(t, i, &size);
            support_ok(context, grammar_state_copy(copy, s));
            support_ok(context, grammar_advance(copy, token, size, &allowed));
            if (allowed != (bits[i >> 5] >> (i & 31) & 1))
                fail_msg("token %u at step %u: the mask says %d", i, step, !allowed);
            seed = seed * 1664525u + 1013904223u;
            if (allowed && (seed >> 8) % ++open == 0)
                take = i;
        }
        assert_int_equal(bits[VOCABULARY >> 5] >> (VOCABULARY & 31) & 1, grammar_can_end(s));
        support_ok(context, grammar_close(s, closing, sizeof closing, &bytes));
        assert_true(bytes < sizeof closing);
        support_ok(context, grammar_distance(s, &distance));
        assert_int_equal(distance, bytes);
        support_ok(context, grammar_state_copy(copy, s));
        support_ok(context, grammar_advance(copy, closing, bytes, &allowed));
        if (!allowed || !grammar_can_end(copy))
            fail_msg("step %u: %.*s does not close", step, (int)bytes, closing);
        if (take == UINT32_MAX)
            break;
        const char *token = token_trie_bytes(t, take, &size);
        support_ok(context, grammar_advance(s, token, size, &allowed));
    }
    grammar_state_destroy(s);
    grammar_state_destroy(copy);
}

static void masks_agree_with_trying(void **state)
{
    static const char *const schemas[] = {
        "true",
        "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\"}, \"na\": {\"type\": "
        "\"integer\", \"maximum\": 12}, \"b\": {\"$ref\": \"#\"}}, \"required\": [\"name\", \"na\"], "
        "\"additionalProperties\": false}",
        "{\"type\": \"array\", \"items\": {\"anyOf\": [{\"type\": \"string\", \"minLength\": 2, "
        "\"maxLength\": 4}, {\"type\": \"string\", \"pattern\": \"^a*b?$\"}, {\"type\": \"number\"}]}, "
        "\"minItems\": 2, \"maxItems\": 4}",
        "{\"type\": \"object\", \"additionalProperties\": {\"type\": [\"boolean\", \"null\"]}, "
        "\"minProperties\": 1, \"maxProperties\": 3, \"properties\": {\"x\": {\"const\": \"\\\"\"}}}",
        "{\"type\": \"object\", \"patternProperties\": {\"^a\": {\"type\": \"integer\"}, \"b$\": "
        "{\"minimum\": 1}}, \"additionalProperties\": {\"anyOf\": [{\"$ref\": \"#\"}, {\"type\": "
        "\"array\", \"items\": {\"$ref\": \"#\"}}]}}",
    };
    (void)state;
    context = support_context(1);
    token_trie *t = make_trie(VOCABULARY);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        grammar *g = schema(schemas[i]);
        for (uint32_t seed = 1; seed <= 6; seed++)
            check_masks(g, t, seed * 77);
        grammar_destroy(g);
    }
    static const char notation[] = "root ::= (x | \"a\")* \"[\" root? \"]\"\nx ::= [^\\[\\]a]{1,2}";
    grammar *g;
    support_ok(context, grammar_create(context, NULL, notation, sizeof notation - 1, &g));
    for (uint32_t seed = 1; seed <= 6; seed++)
        check_masks(g, t, seed);
    grammar_destroy(g);
    token_trie_destroy(t);
    support_end(context);
}

static void what_is_forced(void **state)
{
    static const char json[] =
        "{\"type\": \"object\", \"properties\": {\"tool\": {\"const\": \"go\"}, "
        "\"n\": {\"type\": \"integer\"}}, \"required\": [\"tool\", \"n\"], "
        "\"additionalProperties\": false}";
    schema_options options = {.plain = true};
    grammar *g;
    grammar_state *s;
    char text[64];
    uint64_t bytes;
    bool allowed;
    (void)state;
    context = support_context(1);
    support_ok(context, schema_compile(context, NULL, json, sizeof json - 1, &options, &g));
    support_ok(context, grammar_state_create(g, &s));
    support_ok(context, grammar_forced(s, text, sizeof text, &bytes));
    assert_int_equal(bytes, 2);
    assert_memory_equal(text, "{\"", 2);
    support_ok(context, grammar_advance(s, "{\"t", 3, &allowed));
    support_ok(context, grammar_forced(s, text, sizeof text, &bytes));
    assert_int_equal(bytes, 14);
    assert_memory_equal(text, "ool\":\"go\",\"n\":", 14);
    support_ok(context, grammar_close(s, text, sizeof text, &bytes));
    assert_int_equal(bytes, 16);
    assert_memory_equal(text, "ool\":\"go\",\"n\":0}", 16);
    support_ok(context, grammar_advance(s, "\\", 1, &allowed));
    assert_false(allowed);
    grammar_state_destroy(s);
    grammar_destroy(g);
    support_end(context);
}

/* A token's bytes are what it adds to the decoded text behind another token. */
static void bytes_of_tokens(void **state)
{
    static const char *const names[] = {"smollm",          "llama2",  "llama3", "gemma",
                                        "metaspace-first", "roberta", "bert",   "clip"};
    (void)state;
    context = support_context(1);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char path[100], alone[600], both[600];
        uint64_t size, first, all;
        uint32_t checked = 0, length, anchor = UINT32_MAX;
        tokenizer *t;
        token_trie *trie;
        snprintf(path, sizeof path, "tests/fixtures/text/%s.json", names[k]);
        uint8_t *json = support_read(path, &size);
        support_ok(context, tokenizer_create(context, path, json, size, &t));
        free(json);
        support_ok(context, token_trie_create(context, t, NULL, 0, &trie));
        for (uint32_t id = 0; id < tokenizer_size(t) && anchor == UINT32_MAX; id++) {
            const char *bytes = token_trie_bytes(trie, id, &length);
            if (bytes != NULL && length == 1 && bytes[0] == 'x')
                anchor = id;
        }
        for (uint32_t id = 0; id < tokenizer_size(t) && anchor != UINT32_MAX; id++) {
            uint32_t ids[2] = {anchor, id};
            const char *bytes = token_trie_bytes(trie, id, &length);
            if (tokenizer_is_special(t, id))
                assert_null(bytes);
            if (bytes == NULL || !utf8_valid(bytes, length))
                continue;
            support_ok(context, tokenizer_decode(t, ids, 1, true, alone, sizeof alone, &first));
            support_ok(context, tokenizer_decode(t, ids, 2, true, both, sizeof both, &all));
            if (all - first == length && memcmp(both + first, bytes, length) == 0)
                checked++;
            else if (strcmp(names[k], "bert") != 0 && strcmp(names[k], "clip") != 0)
                fail_msg("%s: token %u (%s) is %.*s", names[k], id, tokenizer_spelling(t, id),
                         (int)length, bytes);
        }
        if (checked == 0 && anchor != UINT32_MAX)
            fail_msg("%s: nothing was compared", names[k]);
        token_trie_destroy(trie);
        tokenizer_destroy(t);
    }
    support_end(context);
}

static void notation_is_read(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"root ::= root \"a\" | \"b\"", "g: rule root begins with itself, which is not supported"},
        {"root ::= \"[\" (root?)* \"]\"", "g: repeats a recursive rule that may be empty"},
        {"root ::= a", "g: there is no rule a"},
        {"a ::= \"x\"", "g: there is no rule root"},
        {"root ::= \"x", "g: line 1: \" is missing"},
        {"root ::= (\"x\"", "g: line 1: ) is missing"},
        {"\n\nroot = \"x\"", "g: line 3: a rule (name ::= \xE2\x80\xA6) is missing"},
    };
    (void)state;
    context = support_context(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        grammar *g;
        assert_int_not_equal(grammar_create(context, "g", cases[i].text, strlen(cases[i].text), &g),
                             BRINK_OK);
        assert_string_equal(brink_error(context), cases[i].error);
    }
    support_end(context);
}

static void repeats_of_recursive_rules(void **state)
{
    static const char text[] = "root ::= r{300,302} (\";\" r)* \".\"\nr ::= \"(\" r? \")\"";
    grammar *g;
    char many[700];
    (void)state;
    context = support_context(1);
    support_ok(context, grammar_create(context, NULL, text, sizeof text - 1, &g));
    for (uint32_t n = 299; n <= 303; n++) {
        for (uint32_t i = 0; i < n; i++)
            memcpy(many + 2 * (size_t)i, "()", 2);
        strcpy(many + 2 * (size_t)n, ";((()));().");
        assert_int_equal(accepts(g, many), n >= 300 && n <= 302);
    }
    grammar_destroy(g);
    support_end(context);
}

static void allocations_may_fail(void **state)
{
    static const char json[] =
        "{\"type\": \"object\", \"properties\": {\"a\": {\"pattern\": \"^x+$\"}, "
        "\"b\": {\"anyOf\": [{\"minimum\": 1.5}, {\"maxLength\": 3}]}}}";
    (void)state;
    context = support_context(1);
    token_trie *t = make_trie(VOCABULARY);
    uint64_t idle = context->memory.live;
    for (uint32_t n = 1;; n++) {
        uint32_t bits[(VOCABULARY + 1 + 31) / 32];
        grammar *g;
        grammar_state *s = NULL;
        bool allowed;
        uint64_t bytes;
        context->fail_allocation = n;
        brink_status status = schema_compile(context, NULL, json, sizeof json - 1, NULL, &g);
        if (status == BRINK_OK)
            status = grammar_state_create(g, &s);
        if (status == BRINK_OK)
            status = grammar_advance(s, "{\"b\":\"", 6, &allowed);
        if (status == BRINK_OK)
            status = grammar_mask(s, t, bits);
        if (status == BRINK_OK)
            status = grammar_close(s, NULL, 0, &bytes);
        bool reached = context->fail_allocation == 0;
        context->fail_allocation = 0;
        grammar_state_destroy(s);
        grammar_destroy(g);
        assert_int_equal(context->memory.live, idle);
        if (!reached) {
            support_ok(context, status);
            break;
        }
        assert_int_equal(status, BRINK_OUT_OF_MEMORY);
    }
    token_trie_destroy(t);
    support_end(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_hold),
        cmocka_unit_test(many_branches),
        cmocka_unit_test(refusals_name_the_keyword),
        cmocka_unit_test(masks_agree_with_trying),
        cmocka_unit_test(what_is_forced),
        cmocka_unit_test(bytes_of_tokens),
        cmocka_unit_test(notation_is_read),
        cmocka_unit_test(repeats_of_recursive_rules),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
