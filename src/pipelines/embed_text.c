/* embed_text.c — texts to tokens for an embedder, as sentence-transformers prepares them: the prefix
   put before, white space around taken off, lower case where configured; then cut at the end so that
   what the post-processor puts around fits as well.

   The tokenizer puts the same tokens around every text, so they are found once, by encoding one text
   with and without them, and texts are then encoded without. */
#include "pipelines/embed_text.h"

#include "text/unicode.h"
#include "text/utf8.h"

/* Grows ids to room for `more` behind the last text. */
static brink_status reserve(text_tokens *t, uint64_t more)
{
    uint64_t need, bytes, capacity = t->capacity;
    if (!core_add(t->starts[t->texts], more, &need))
        need = UINT64_MAX;
    if (need <= capacity)
        return BRINK_OK;
    capacity = need > capacity * 2 ? need : capacity * 2;
    if (!core_mul(capacity, sizeof *t->ids, &bytes))
        bytes = UINT64_MAX;
    uint32_t *ids = core_realloc(t->model->context, t->ids, bytes);
    if (ids == NULL)
        return BRINK_OUT_OF_MEMORY;
    t->ids = ids;
    t->capacity = capacity;
    return BRINK_OK;
}

/* Encodes to behind the last text, `room` ids further on; a token is seldom less than a byte. */
static brink_status encode(text_tokens *t, const char *text, uint64_t bytes, bool special,
                           uint64_t room, uint32_t *count)
{
    uint64_t want = bytes + 32;
    for (;;) {
        TRY(reserve(t, room + want));
        uint64_t at = t->starts[t->texts] + room, free = t->capacity - at;
        uint32_t capacity = free < UINT32_MAX ? (uint32_t)free : UINT32_MAX;
        TRY(tokenizer_encode(t->model->tokenizer, text, bytes, special, t->ids + at, capacity,
                             count));
        if (*count <= capacity)
            return BRINK_OK;
        want = *count;
    }
}

static brink_status find_special(text_tokens *t)
{
    uint32_t full, plain, k = 0;
    TRY(encode(t, "a", 1, true, 0, &full));
    TRY(encode(t, "a", 1, false, full, &plain));
    const uint32_t *a = t->ids, *b = t->ids + full;
    while (k + plain < full && memcmp(a + k, b, plain * sizeof *a) != 0)
        k++;
    t->before_count = k;
    t->behind_count = full - plain - k;
    if (full < plain || k > 16 || t->behind_count > 16)
        return core_fail(t->model->context, BRINK_UNSUPPORTED,
                         "tokenizer.json: puts more than 16 tokens around a text");
    memcpy(t->before, a, k * sizeof *a);
    memcpy(t->behind, a + k + plain, t->behind_count * sizeof *a);
    return BRINK_OK;
}

/* Off both ends of valid text. */
static void strip(const char **text, uint32_t *bytes)
{
    uint32_t start = 0, end = *bytes;
    for (uint32_t at = 0; start < end; start = at)
        if (!unicode_is_space(utf8_next(*text, &at)))
            break;
    while (end > start) {
        uint32_t last = utf8_before(*text, end), at = last;
        if (!unicode_is_space(utf8_next(*text, &at)))
            break;
        end = last;
    }
    *text += start;
    *bytes = end - start;
}

static brink_status lower(buffer *out, const char *text, uint32_t bytes)
{
    out->size = 0;
    TRY(buffer_append(out, "", 0));
    for (uint32_t i = 0; i < bytes;)
        TRY(unicode_put_lower(out, utf8_next(text, &i)));
    return BRINK_OK;
}

/* What the tokenizer is given, in memory of `t` until the next call. */
static brink_status prepare(text_tokens *t, const char *text, uint64_t bytes, const char **out,
                            uint32_t *size)
{
    t->work.size = 0;
    TRY(buffer_append(&t->work, "", 0)); /* so that there is a text where it is empty */
    TRY(utf8_clean(&t->work, t->settings->prefix, strlen(t->settings->prefix)));
    TRY(utf8_clean(&t->work, text, bytes));
    if (t->work.size > INT32_MAX)
        return core_fail(t->model->context, BRINK_INVALID_ARGUMENT,
                         "text %u has %llu bytes, at most 2^31 - 1 are possible", t->texts,
                         (unsigned long long)t->work.size);
    *out = t->work.data;
    *size = (uint32_t)t->work.size;
    strip(out, size);
    if (!t->settings->lower_case)
        return BRINK_OK;
    TRY(lower(&t->clean, *out, *size));
    *out = t->clean.data;
    *size = (uint32_t)t->clean.size;
    return BRINK_OK;
}

brink_status text_tokens_begin(text_tokens *t, brink_model *m, const encoder_settings *settings,
                               uint32_t texts)
{
    *t = (text_tokens){
        .model = m, .settings = settings, .work.context = m->context, .clean.context = m->context};
    t->starts = core_calloc(m->context, (uint64_t)texts + 1, sizeof *t->starts);
    if (t->starts == NULL)
        return BRINK_OUT_OF_MEMORY;
    TRY(find_special(t));
    uint32_t special = t->before_count + t->behind_count;
    if (special >= settings->max_tokens)
        return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                         "max_tokens of %u leave no room beside %u special tokens",
                         settings->max_tokens, special);
    if (!settings->skip_prefix || *settings->prefix == 0)
        return BRINK_OK;
    const char *prefix;
    uint32_t size, count;
    TRY(prepare(t, "", 0, &prefix, &size));
    TRY(encode(t, prefix, size, false, 0, &count));
    t->skip = t->before_count + count;
    return BRINK_OK;
}

brink_status text_tokens_add(text_tokens *t, const char *text, uint64_t bytes)
{
    uint32_t size, count, most = t->settings->max_tokens - t->before_count - t->behind_count;
    TRY(prepare(t, text, bytes, &text, &size));
    TRY(encode(t, text, size, false, t->before_count, &count));
    if (count > most) {
        count = most;
        t->truncated++;
    }
    TRY(reserve(t, (uint64_t)t->before_count + count + t->behind_count));
    uint32_t *ids = t->ids + t->starts[t->texts];
    memcpy(ids, t->before, t->before_count * sizeof *ids);
    memcpy(ids + t->before_count + count, t->behind, t->behind_count * sizeof *ids);
    t->starts[t->texts + 1] = t->starts[t->texts] + t->before_count + count + t->behind_count;
    t->texts++;
    return BRINK_OK;
}

void text_tokens_free(text_tokens *t)
{
    if (t->model == NULL)
        return;
    buffer_free(&t->work);
    buffer_free(&t->clean);
    core_free(t->model->context, t->starts);
    core_free(t->model->context, t->ids);
}
