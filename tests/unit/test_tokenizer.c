/* test_tokenizer.c — small tokenizers of several kinds against what `tokenizers` makes of the same texts
   (tests/text/compare.py --write), streaming, limits, refusals, mutated files and failing allocations. */
#include "core/json.h"
#include "text/buffer.h"
#include "text/regex.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t ids[1 << 16], offsets[1 << 16];
static char text[1 << 16];

static char *read_file(const char *name, size_t *size)
{
    char path[200];
    snprintf(path, sizeof path, "tests/fixtures/text/%s.json", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    data[*size] = 0;
    fclose(f);
    return data;
}

static tokenizer *load(brink_context *context, const char *name)
{
    size_t size;
    tokenizer *t;
    char *json = read_file(name, &size);
    brink_status status = tokenizer_create(context, name, json, size, &t);
    free(json);
    if (status != BRINK_OK)
        fail_msg("%s", brink_error(context));
    return t;
}

static uint32_t from_hex(const char *hex, char *out)
{
    uint32_t n = 0;
    for (unsigned byte; sscanf(hex + 2 * (size_t)n, "%2x", &byte) == 1; n++)
        out[n] = (char)byte;
    return n;
}

static void assert_ids(const char *name, yyjson_val *expected, uint32_t count)
{
    assert_int_equal(yyjson_arr_size(expected), count);
    for (uint32_t i = 0; i < count; i++)
        if (yyjson_get_uint(yyjson_arr_get(expected, i)) != ids[i])
            fail_msg("%s: id %u is %u", name, i, ids[i]);
}

static void assert_offsets(const char *name, yyjson_val *expected, uint32_t count)
{
    assert_int_equal(yyjson_arr_size(expected), 2 * count);
    for (uint32_t i = 0; i < 2 * count; i++)
        if (yyjson_get_uint(yyjson_arr_get(expected, i)) != offsets[i])
            fail_msg("%s: offset %u is %u", name, i, offsets[i]);
}

static void assert_text(const char *name, yyjson_val *expected, const char *found, uint64_t bytes)
{
    if (yyjson_get_len(expected) != bytes || memcmp(yyjson_get_str(expected), found, bytes) != 0)
        fail_msg("%s: expected %s, found %s", name, yyjson_get_str(expected), found);
}

static void check_stream(tokenizer *t, brink_context *context, const char *name,
                         yyjson_val *expected, uint32_t count)
{
    decode_stream *s;
    buffer all = {.context = context};
    const char *part;
    uint64_t bytes;
    assert_int_equal(decode_stream_create(t, true, &s), BRINK_OK);
    for (uint32_t i = 0; i <= count; i++) {
        assert_int_equal(i < count ? decode_stream_push(s, ids[i], &part, &bytes)
                                   : decode_stream_finish(s, &part, &bytes),
                         BRINK_OK);
        assert_true(utf8_valid(part, bytes));
        assert_int_equal(part[bytes], 0);
        assert_int_equal(buffer_append(&all, part, bytes), BRINK_OK);
    }
    assert_text(name, expected, all.data != NULL ? all.data : "", all.size);
    buffer_free(&all);
    decode_stream_destroy(s);
}

static void agrees_with_the_library(void **state)
{
    brink_context *context;
    json_document golden;
    size_t size, i, n, k, m;
    yyjson_val *name, *list, *one;
    (void)state;
    context = support_context(1);
    char *json = read_file("golden", &size);
    assert_int_equal(json_parse(context, "golden.json", json, size, &golden), BRINK_OK);
    free(json);
    encode_options special = {.special = true};
    yyjson_obj_foreach(golden.root, i, n, name, list)
    {
        const char *label = yyjson_get_str(name);
        bool bytes_stay = strcmp(label, "gemma") != 0 && strcmp(label, "llama2") != 0;
        tokenizer *t = load(context, label);
        yyjson_arr_foreach(list, k, m, one)
        {
            char in[4096];
            uint32_t count, in_size = from_hex(json_string(one, "bytes", ""), in);
            uint64_t bytes;
            assert_int_equal(tokenizer_encode(t, in, in_size, false, ids, 1 << 16, &count),
                             BRINK_OK);
            assert_ids(label, json_get(one, "plain"), count);
            assert_int_equal(tokenizer_encode(t, in, in_size, true, ids, 1 << 16, &count),
                             BRINK_OK);
            assert_ids(label, json_get(one, "ids"), count);
            assert_int_equal(
                tokenizer_encode_offsets(t, in, in_size, &special, ids, offsets, 1 << 15, &count),
                BRINK_OK);
            assert_ids(label, json_get(one, "ids"), count);
            assert_offsets(label, json_get(one, "offsets"), count);
            assert_int_equal(tokenizer_decode(t, ids, count, true, text, sizeof text, &bytes),
                             BRINK_OK);
            assert_text(label, json_get(one, "decoded"), text, bytes);
            assert_int_equal(tokenizer_decode(t, ids, count, false, text, sizeof text, &bytes),
                             BRINK_OK);
            assert_text(label, json_get(one, "skipped"), text, bytes);
            if (bytes_stay || strstr(json_string(one, "decoded", ""), "\xEF\xBF\xBD") == NULL)
                check_stream(t, context, label, json_get(one, "decoded"), count);
        }
        tokenizer_destroy(t);
    }
    json_free(&golden);
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

static void answers_about_tokens(void **state)
{
    brink_context *context;
    uint32_t id, count;
    uint64_t bytes;
    (void)state;
    context = support_context(1);
    tokenizer *t = load(context, "smollm");
    assert_true(tokenizer_find(t, "<|im_start|>", &id));
    assert_string_equal(tokenizer_spelling(t, id), "<|im_start|>");
    assert_true(tokenizer_is_special(t, id));
    assert_false(tokenizer_is_special(t, id + 10));
    assert_false(tokenizer_is_special(t, UINT32_MAX));
    assert_false(tokenizer_find(t, "no such token", &id));
    assert_null(tokenizer_spelling(t, tokenizer_size(t)));
    assert_non_null(tokenizer_spelling(t, tokenizer_size(t) - 1));

    ids[1] = 12345;
    assert_int_equal(tokenizer_encode(t, "1234", 4, false, ids, 1, &count), BRINK_OK);
    assert_int_equal(count, 4);
    assert_int_equal(ids[1], 12345);
    assert_int_equal(tokenizer_encode(t, NULL, 0, false, NULL, 0, &count), BRINK_OK);
    assert_int_equal(count, 0);
    assert_int_equal(tokenizer_encode(t, "a\0b", 3, false, ids, 9, &count), BRINK_OK);
    assert_int_equal(tokenizer_decode(t, ids, count, true, text, sizeof text, &bytes), BRINK_OK);
    assert_int_equal(bytes, 3);
    assert_memory_equal(text, "a\0b", 4);
    assert_int_equal(tokenizer_decode(t, ids, count, true, text, 2, &bytes), BRINK_OK);
    assert_int_equal(bytes, 3);
    assert_memory_equal(text, "a", 2);
    tokenizer_destroy(t);
    brink_context_destroy(context);
}

/* A word of 200,000 characters must not take quadratic time. */
static void long_words_are_fine(void **state)
{
    enum { LONG = 200000 };
    brink_context *context;
    uint32_t count;
    (void)state;
    context = support_context(1);
    char *in = malloc(LONG);
    assert_non_null(in);
    static const char *const names[] = {"smollm", "gemma", "bert"};
    for (size_t k = 0; k < 3; k++) {
        tokenizer *t = load(context, names[k]);
        for (int pattern = 0; pattern < 3; pattern++) {
            for (size_t i = 0; i < LONG; i++)
                in[i] = pattern == 0 ? 'a' : pattern == 1 ? ' ' : (char)('a' + i * i % 7);
            uint64_t start = core_now();
            assert_int_equal(tokenizer_encode(t, in, LONG, true, ids, 1, &count), BRINK_OK);
            assert_true(core_now() - start < 20ull * 1000000000u);
        }
        tokenizer_destroy(t);
    }
    free(in);
    brink_context_destroy(context);
}

static void refuses_by_name(void **state)
{
    static const struct {
        const char *json, *error;
    } cases[] = {
        {"[]", "t.json: is not a JSON object"},
        {"{}", "t.json: model type \"\" is not supported"},
        {"{\"model\": {\"type\": \"Other\"}}", "t.json: model type \"Other\" is not supported"},
        {"{\"model\": {\"type\": \"Unigram\"}}", "t.json: model has no vocabulary"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", NaN]]}}",
         "t.json: vocabulary: piece 0 has a score that is not finite"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0], [\"b\"]]}}",
         "t.json: vocabulary: piece 1 is not a pair of text and score"},
        {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]], \"unk_id\": 1}}",
         "t.json: model: unk_id is not an id of the vocabulary"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []},"
         " \"pre_tokenizer\": {\"type\": \"Other\"}}",
         "t.json: pre_tokenizer type \"Other\" is not supported"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []},"
         " \"pre_tokenizer\": {\"type\": \"FixedLength\", \"length\": 0}}",
         "t.json: pre_tokenizer FixedLength: length is not positive"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []},"
         " \"normalizer\": {\"type\": \"Precompiled\"}}",
         "t.json: normalizer Precompiled has no precompiled_charsmap"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"normalizer\":"
         " {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"/////w==\"}}",
         "t.json: normalizer Precompiled: precompiled_charsmap is not a map"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []},"
         " \"decoder\": {\"type\": \"Other\"}}",
         "t.json: decoder type \"Other\" is not supported"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []},"
         " \"truncation\": {\"max_length\": -1}}",
         "t.json: truncation: \"max_length\" is not what it may be"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []},"
         " \"padding\": {\"strategy\": {\"Fixed\": 1e9}}}",
         "t.json: padding: \"Fixed\" is not what it may be"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\"]}}",
         "t.json: merge 0: is of tokens that are not in the vocabulary"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 4000000000}, \"merges\": []}}",
         "t.json: vocabulary: the id of \"a\" is not a number in range"},
        {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}, \"pre_tokenizer\":"
         " {\"type\": \"Split\", \"behavior\": \"Isolated\", \"pattern\": {\"Regex\": \"(?<=a)b\"}}}",
         "t.json: pre_tokenizer Split: pattern \"(?<=a)b\": lookbehind is not supported"},
    };
    brink_context *context;
    tokenizer *t;
    (void)state;
    context = support_context(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        brink_status status =
            tokenizer_create(context, "t.json", cases[i].json, strlen(cases[i].json), &t);
        assert_true(status == BRINK_BAD_INPUT || status == BRINK_UNSUPPORTED);
        assert_null(t);
        assert_string_equal(brink_error(context), cases[i].error);
        assert_int_equal(brink_context_memory(context).live, support_idle);
    }
    brink_context_destroy(context);
}

/* The best path, not the longest piece; unknown neighbours are one token, or their bytes. */
static void finds_the_best_pieces(void **state)
{
    static const char json[] =
        "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, \"vocab\":"
        " [[\"<unk>\", 0], [\"a\", -1], [\"b\", -1.5], [\"ab\", -3], [\"abc\", -2], [\"<0xC3>\", -9],"
        " [\"<0xA9>\", -9]]}}";
    static const uint32_t expected[] = {1, 2, 4, 0, 1, 5, 6, 0};
    static const char in[] = "ababcxya\xC3\xA9"; /* known bytes, then unknown ones */
    brink_context *context;
    tokenizer *t;
    uint32_t count;
    (void)state;
    context = support_context(1);
    assert_int_equal(tokenizer_create(context, "t.json", json, sizeof json - 1, &t), BRINK_OK);
    assert_int_equal(tokenizer_encode(t, in, sizeof in - 1, false, ids, 1 << 16, &count), BRINK_OK);
    assert_int_equal(count, 7);
    assert_memory_equal(ids, expected, 7 * sizeof *ids);
    assert_int_equal(tokenizer_encode(t, "\xC3\xA8", 2, false, ids, 1 << 16, &count), BRINK_OK);
    assert_int_equal(count, 1);
    assert_int_equal(ids[0], 0);
    tokenizer_destroy(t);
    brink_context_destroy(context);
}

/* Through lower case, decomposition, spaces around ideographs and what the post-processor adds or
   trims; what a post-processor adds is nowhere. */
static void says_where_tokens_are(void **state)
{
    static const char in[] =
        "\xC3\x85ngstr\xC3\xB6m, \xE4\xBD\xA0\xE5\xA5\xBD"; /* Ångström, 你好 */
    uint32_t count;
    brink_context *context;
    encode_options options = {.special = true};
    (void)state;
    context = support_context(1);
    tokenizer *t = load(context, "bert");
    assert_int_equal(
        tokenizer_encode_offsets(t, in, sizeof in - 1, &options, ids, offsets, 64, &count),
        BRINK_OK);
    assert_true(count > 5 && count < 64);
    assert_true(offsets[0] == 0 && offsets[1] == 0);
    assert_true(offsets[2] == 0 && offsets[3] >= 1);
    assert_true(offsets[2 * (count - 3)] == 10 && offsets[2 * (count - 3) + 1] == 11);
    assert_true(offsets[2 * (count - 2)] == 11 && offsets[2 * (count - 2) + 1] == 12);
    assert_true(offsets[2 * (count - 1)] == 0 && offsets[2 * (count - 1) + 1] == 0);
    tokenizer_destroy(t);

    t = load(context, "roberta"); /* add_prefix_space and trim_offsets */
    assert_int_equal(tokenizer_encode_offsets(t, "a  b ", 5, &options, ids, offsets, 64, &count),
                     BRINK_OK);
    assert_int_equal(count, 6); /* <s> Ġa Ġ Ġb Ġ </s> */
    assert_true(offsets[2] == 0 && offsets[3] == 1);
    assert_true(offsets[4] == 2 && offsets[5] == 2);
    assert_true(offsets[6] == 3 && offsets[7] == 4);
    assert_true(offsets[8] == 5 && offsets[9] == 5);
    tokenizer_destroy(t);
    brink_context_destroy(context);
}

/* Only for a caller that asks: to three tokens with the special ones, then to a multiple of five. */
static void truncates_and_pads(void **state)
{
    static const char json[] =
        "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0, \"b\": 1, \"</s>\": 2, \"p\": 3},"
        " \"unk_token\": \"p\"}, \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"post_processor\":"
        " {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\"}},"
        " {\"SpecialToken\": {\"id\": \"</s>\"}}], \"special_tokens\": {\"</s>\": {\"ids\": [2]}}},"
        " \"truncation\": {\"max_length\": 3, \"direction\": \"Left\"}, \"padding\": {\"pad_id\": 3,"
        " \"direction\": \"Left\", \"pad_to_multiple_of\": 5}}";
    static const uint32_t expected[] = {3, 3, 1, 0, 2}, places[] = {0, 0, 0, 0, 2, 3, 4, 5, 0, 0};
    brink_context *context;
    tokenizer *t;
    uint32_t count;
    (void)state;
    context = support_context(1);
    assert_int_equal(tokenizer_create(context, "t.json", json, sizeof json - 1, &t), BRINK_OK);
    encode_options options = {.special = true};
    assert_int_equal(tokenizer_encode_offsets(t, "a b a", 5, &options, ids, offsets, 64, &count),
                     BRINK_OK);
    assert_int_equal(count, 4);
    options.truncate = options.pad = true;
    assert_int_equal(tokenizer_encode_offsets(t, "a b a", 5, &options, ids, offsets, 64, &count),
                     BRINK_OK);
    assert_int_equal(count, 5);
    assert_memory_equal(ids, expected, sizeof expected);
    assert_memory_equal(offsets, places, sizeof places);
    tokenizer_destroy(t);
    brink_context_destroy(context);
}

/* Any file is read or refused; nothing crashes or leaks. */
static void survives_mutations(void **state)
{
    static const char *const names[] = {"llama3", "gemma", "bert", "clip", "unigram"};
    brink_context *context;
    uint32_t random = 1, count;
    (void)state;
    context = support_context(1);
    for (int round = 0; round < 300; round++) {
        size_t size;
        tokenizer *t;
        char *json = read_file(names[round % 5], &size);
        size_t head =
            strcspn(json, "v") < size ? 3000 : size; /* the interesting part comes first */
        for (int k = 0; k < 1 + round % 5; k++) {
            random = random * 1664525u + 1013904223u;
            size_t at = (random >> 8) % (round % 2 ? head : size);
            random = random * 1664525u + 1013904223u;
            json[at] = "\"{}[]:,0919tfn\\ue\x01"[(random >> 24) % 19];
        }
        if (tokenizer_create(context, "t", json, round % 7 ? size : size / 2, &t) == BRINK_OK) {
            encode_options options = {.special = true};
            tokenizer_encode_offsets(t, "Hello, w\xC3\xB6rld \xE4\xBD\xA0", 18, &options, ids,
                                     offsets, 64, &count);
            const char in[] = "Hello w\xC3\xB6rld 123 <|im_start|> \xFF\xF0\x9F\x98\x80";
            if (tokenizer_encode(t, in, sizeof in, true, ids, 1000, &count) == BRINK_OK) {
                uint64_t bytes;
                tokenizer_decode(t, ids, count, true, text, sizeof text, &bytes);
            }
        }
        tokenizer_destroy(t);
        free(json);
        assert_int_equal(brink_context_memory(context).live, support_idle);
    }
    brink_context_destroy(context);
}

static void survives_failing_allocations(void **state)
{
    static const char *const names[] = {"bert", "llama2", "llama3", "unigram"};
    brink_context *context;
    (void)state;
    context = support_context(1);
    for (size_t k = 0; k < 4; k++) {
        size_t size;
        char *json = read_file(names[k], &size);
        bool done = false;
        for (uint64_t n = 1; !done && n < 3000; n++) {
            tokenizer *t;
            uint32_t count = 0;
            encode_options options = {.special = true};
            uint64_t bytes;
            context->fail_allocation = n;
            brink_status status = tokenizer_create(context, "t", json, size, &t);
            if (status == BRINK_OK)
                status = tokenizer_encode(t, "H\xC3\xA9llo \xFF 12", 11, true, ids, 1000, &count);
            if (status == BRINK_OK)
                status = tokenizer_encode_offsets(t, "e\xCC\x81 \xC2\xBD<unk>", 11, &options, ids,
                                                  offsets, 64, &count);
            if (status == BRINK_OK)
                status = tokenizer_decode(t, ids, count, true, text, sizeof text, &bytes);
            done = context->fail_allocation != 0;
            context->fail_allocation = 0;
            assert_int_equal(status, done ? BRINK_OK : BRINK_OUT_OF_MEMORY);
            tokenizer_destroy(t);
            assert_int_equal(brink_context_memory(context).live, support_idle);
        }
        assert_true(done);
        free(json);
    }
    brink_context_destroy(context);
}

static void patterns_match_and_end(void **state)
{
    static const struct {
        const char *pattern, *in;
        int start, end; /* -1: no match */
    } cases[] = {
        {"a|ab", "xab", 1, 2},          {"(?:ab|a)b", "ab", 0, 2},
        {"a{2,3}", "aaaa", 0, 3},       {"a{2,3}?", "aaaa", 0, 2},
        {"a+?b", "aab", 0, 3},          {"a++ab", "aaab", -1, 0},
        {"(?>a+)b", "aab", 0, 3},       {"\\s+(?!\\S)", "a   b", 1, 3},
        {"(?i:HeLLo)", "hEllO", 0, 5},  {"[^a-c]", "abcd", 3, 4},
        {"[]a]+", "a]", 0, 2},          {"[a-]+", "-a", 0, 2},
        {"\\bfoo\\b", "a foo b", 2, 5}, {"^b", "a\nb", 2, 3},
        {"a$", "a\nb", 0, 1},           {"\\Ab", "a\nb", -1, 0},
        {"\\x41\\u0042", "AB", 0, 2},   {"a{,2}b", "aab", 0, 3},
        {"a{x", "a{x", 0, 3},           {"", "abc", 0, 0},
        {"(a|)b", "b", 0, 1},           {"\\p{Lu}\\P{Lu}", "aAb", 1, 3},
        {"[\\p{L}&]+", "1a&b", 1, 4},   {"(?i)a|B", "b", 0, 1},
    };
    static const char *const bad[] = {"(",       ")",         "[",           "*",      "a{3,2}",
                                      "[b-a]",   "\\",        "\\p{",        "(?<=a)", "\\1",
                                      "(?:a?)*", "\\p{Nope}", "[[:alpha:]]", "[a&&b]", "(?x:a)"};
    brink_context *context;
    regex *r;
    bool found;
    uint32_t start, end;
    (void)state;
    context = support_context(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t size = (uint32_t)strlen(cases[i].in);
        assert_int_equal(
            regex_create(context, "p", cases[i].pattern, (uint32_t)strlen(cases[i].pattern), &r),
            BRINK_OK);
        regex_begin(r, size);
        assert_int_equal(regex_find(r, cases[i].in, size, 0, &found, &start, &end), BRINK_OK);
        if (found != (cases[i].start >= 0) ||
            (found && ((int)start != cases[i].start || (int)end != cases[i].end)))
            fail_msg("%s in %s: %d %u %u", cases[i].pattern, cases[i].in, found, start, end);
        regex_destroy(r);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(regex_create(context, "p", bad[i], (uint32_t)strlen(bad[i]), &r),
                             BRINK_OK);
        assert_memory_equal(brink_error(context), "p: pattern", 10);
    }
    assert_int_equal(regex_create(context, "p", "(a+)+b", 6, &r), BRINK_OK);
    char evil[64];
    memset(evil, 'a', sizeof evil);
    regex_begin(r, sizeof evil);
    assert_int_equal(regex_find(r, evil, sizeof evil, 0, &found, &start, &end), BRINK_BAD_INPUT);
    regex_destroy(r);
    assert_int_equal(brink_context_memory(context).live, support_idle);
    brink_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_library), cmocka_unit_test(answers_about_tokens),
        cmocka_unit_test(long_words_are_fine),     cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(survives_mutations),      cmocka_unit_test(survives_failing_allocations),
        cmocka_unit_test(truncates_and_pads),      cmocka_unit_test(says_where_tokens_are),
        cmocka_unit_test(patterns_match_and_end),  cmocka_unit_test(finds_the_best_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
