/* decoder.c — tokens to text. Each decoder of tokenizer.json turns a list of texts into another; what
   the last one leaves is joined. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

/* ── Reading ── */

static brink_status read_one(tokenizer *t, yyjson_val *json, decoder *d)
{
    const char *type = json_string(json, "type", "");
    if (strcmp(type, "ByteLevel") == 0)
        return d->kind = DECODE_BYTE_LEVEL, BRINK_OK;
    if (strcmp(type, "ByteFallback") == 0)
        return d->kind = DECODE_BYTE_FALLBACK, BRINK_OK;
    if (strcmp(type, "Fuse") == 0)
        return d->kind = DECODE_FUSE, BRINK_OK;
    if (strcmp(type, "Replace") == 0) {
        d->kind = DECODE_REPLACE;
        TRY(tokenizer_text(t, json, "content", "", &d->content, &d->content_size));
        return pattern_read(t, "decoder Replace", json_get(json, "pattern"), &d->what);
    }
    if (strcmp(type, "Strip") == 0) {
        int64_t start = json_int(json, "start", 0), stop = json_int(json, "stop", 0);
        d->kind = DECODE_STRIP;
        d->start = start < 0 ? 0 : start > UINT32_MAX ? UINT32_MAX : (uint32_t)start;
        d->stop = stop < 0 ? 0 : stop > UINT32_MAX ? UINT32_MAX : (uint32_t)stop;
        TRY(tokenizer_text(t, json, "content", "", &d->content, &d->content_size));
        return d->content_size != 0 ? BRINK_OK
                                    : tokenizer_malformed(t, "decoder Strip has no content");
    }
    if (strcmp(type, "WordPiece") == 0) {
        d->kind = DECODE_WORDPIECE;
        d->cleanup = json_bool(json, "cleanup", true);
        return tokenizer_text(t, json, "prefix", "##", &d->content, &d->content_size);
    }
    if (strcmp(type, "BPEDecoder") == 0) {
        d->kind = DECODE_SUFFIX;
        return tokenizer_text(t, json, "suffix", "</w>", &d->content, &d->content_size);
    }
    if (strcmp(type, "CTC") == 0) {
        d->kind = DECODE_CTC;
        d->cleanup = json_bool(json, "cleanup", true);
        TRY(tokenizer_text(t, json, "word_delimiter_token", "|", &d->blank, &d->blank_size));
        return tokenizer_text(t, json, "pad_token", "<pad>", &d->content, &d->content_size);
    }
    if (strcmp(type, "Metaspace") == 0) {
        d->kind = DECODE_METASPACE;
        d->prepend = strcmp(json_string(json, "prepend_scheme", ""), "never") == 0 ||
                             !json_bool(json, "add_prefix_space", true)
                         ? PREPEND_NEVER
                         : PREPEND_ALWAYS;
        return tokenizer_text(t, json, "replacement", "\xE2\x96\x81", &d->content,
                              &d->content_size);
    }
    return tokenizer_unsupported(t, "decoder", type);
}

brink_status decoders_read(tokenizer *t, yyjson_val *json)
{
    if (json == NULL)
        return BRINK_OK;
    t->has_decoder = true;
    if (strcmp(json_string(json, "type", ""), "Sequence") == 0) {
        yyjson_val *list = json_get(json, "decoders"), *one;
        size_t i, n;
        yyjson_arr_foreach(list, i, n, one) TRY(decoders_read(t, one));
        return BRINK_OK;
    }
    if (t->decoder_count == MAX_STAGES)
        return tokenizer_malformed(t, "has too many decoders");
    return read_one(t, json, &t->decoders[t->decoder_count++]);
}

/* ── Running ── */

static brink_status end_text(token_texts *list)
{
    TRY(array_grow(list->text.context, (void **)&list->ends, &list->capacity, list->count + 1ull,
                   sizeof *list->ends));
    list->ends[list->count++] = (uint32_t)list->text.size;
    return BRINK_OK;
}

/* Bytes of a token: stand-ins turned back, or the token's own bytes if any character is none. */
brink_status byte_level_bytes(buffer *out, const char *text, uint32_t size)
{
    uint64_t before = out->size;
    TRY(buffer_reserve(out, size));
    for (uint32_t i = 0; i < size;) {
        int byte = byte_level_byte(utf8_next(text, &i));
        if (byte < 0) {
            out->size = before;
            return buffer_append(out, text, size);
        }
        out->data[out->size++] = (char)byte;
    }
    return BRINK_OK;
}

/* <0x41> → 0x41, else −1. */
static int fallback_byte(const char *text, uint32_t size)
{
    int value = 0;
    if (size != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Bytes collected from byte tokens: their text, or one U+FFFD a byte if they are not UTF-8. */
static brink_status flush_bytes(buffer *bytes, token_texts *out)
{
    if (bytes->size == 0)
        return BRINK_OK;
    if (utf8_valid(bytes->data, bytes->size)) {
        TRY(buffer_append(&out->text, bytes->data, bytes->size));
        bytes->size = 0;
        return end_text(out);
    }
    for (; bytes->size > 0; bytes->size--) {
        TRY(buffer_put(&out->text, UTF8_REPLACEMENT));
        TRY(end_text(out));
    }
    return BRINK_OK;
}

static brink_status strip(const decoder *d, const char *text, uint32_t size, buffer *out)
{
    for (uint32_t i = 0;
         i < d->start && size >= d->content_size && memcmp(text, d->content, d->content_size) == 0;
         i++) {
        text += d->content_size;
        size -= d->content_size;
    }
    for (uint32_t i = 0; i < d->stop && size >= d->content_size &&
                         memcmp(text + size - d->content_size, d->content, d->content_size) == 0;
         i++)
        size -= d->content_size;
    return buffer_append(out, text, size);
}

/* What BERT's decoder tidies: a space before punctuation and short forms. */
static brink_status tidy(tokenizer *t, const char *text, uint32_t size, buffer *out)
{
    static const char *const pairs[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    buffer *a = &t->word, *b = &t->normal;
    a->size = 0;
    TRY(buffer_append(a, text, size));
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pattern p = {.text = pairs[i][0], .size = (uint32_t)strlen(pairs[i][0])};
        b->size = 0;
        TRY(pattern_replace(t, &p, a->data, (uint32_t)a->size, pairs[i][1],
                            (uint32_t)strlen(pairs[i][1]), b));
        buffer swapped = *a;
        *a = *b;
        *b = swapped;
    }
    return buffer_append(out, a->data, a->size);
}

static brink_status wordpiece(tokenizer *t, const decoder *d, const char *text, uint32_t size,
                              bool first, buffer *out)
{
    buffer piece_ = {.context = t->context};
    brink_status status = BRINK_OK;
    if (!first && size >= d->content_size && memcmp(text, d->content, d->content_size) == 0) {
        text += d->content_size;
        size -= d->content_size;
    } else if (!first) {
        status = buffer_append(&piece_, " ", 1);
    }
    if (status == BRINK_OK)
        status = buffer_append(&piece_, text, size);
    if (status == BRINK_OK)
        status = d->cleanup ? tidy(t, piece_.data, (uint32_t)piece_.size, out)
                            : buffer_append(out, piece_.data, piece_.size);
    buffer_free(&piece_);
    return status;
}

static brink_status metaspace(const decoder *d, const char *text, uint32_t size, bool first,
                              buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        uint32_t width = utf8_width(text[i]);
        if (width == d->content_size && memcmp(text + i, d->content, width) == 0) {
            if (!first || d->prepend == PREPEND_NEVER)
                TRY(buffer_append(out, " ", 1));
        } else {
            TRY(buffer_append(out, text + i, width));
        }
        i += width;
    }
    return BRINK_OK;
}

/* A label of connectionist temporal classification: without padding, delimiters as spaces. What is
   left of nothing is no token. */
static brink_status ctc(tokenizer *t, const decoder *d, const char *text, uint32_t size,
                        token_texts *out)
{
    pattern padding = {.text = d->content, .size = d->content_size};
    pattern delimiter = {.text = d->blank, .size = d->blank_size};
    buffer label = {.context = t->context}, tidied = {.context = t->context};
    uint64_t before = out->text.size;
    brink_status status = pattern_replace(t, &padding, text, size, "", 0, &label);
    if (status == BRINK_OK)
        status = buffer_reserve(&label, 1);
    if (status == BRINK_OK && !d->cleanup)
        status = buffer_append(&out->text, label.data, label.size);
    if (status == BRINK_OK && d->cleanup)
        status = tidy(t, label.data, (uint32_t)label.size, &tidied);
    if (status == BRINK_OK && d->cleanup)
        status =
            pattern_replace(t, &delimiter, tidied.data, (uint32_t)tidied.size, " ", 1, &out->text);
    buffer_free(&label);
    buffer_free(&tidied);
    return status == BRINK_OK && out->text.size > before ? end_text(out) : status;
}

/* Whether the text of token `i` is that of the one before. */
static bool repeats(const token_texts *in, uint32_t i)
{
    uint32_t start = i == 0 ? 0 : in->ends[i - 1], before = i < 2 ? 0 : in->ends[i - 2];
    return i > 0 && in->ends[i] - start == start - before &&
           memcmp(in->text.data + start, in->text.data + before, start - before) == 0;
}

static brink_status run(tokenizer *t, const decoder *d, const token_texts *in, token_texts *out)
{
    buffer bytes = {.context = t->context};
    brink_status status = BRINK_OK;
    for (uint32_t i = 0; i < in->count && status == BRINK_OK; i++) {
        uint32_t start = i == 0 ? 0 : in->ends[i - 1], size = in->ends[i] - start;
        const char *text = in->text.data + start;
        switch (d->kind) {
        case DECODE_BYTE_LEVEL:
            status = byte_level_bytes(&bytes, text, size);
            continue;
        case DECODE_BYTE_FALLBACK: {
            int byte = fallback_byte(text, size);
            char c = (char)byte;
            if (byte >= 0) {
                status = buffer_append(&bytes, &c, 1);
                continue;
            }
            status = flush_bytes(&bytes, out);
            if (status == BRINK_OK)
                status = buffer_append(&out->text, text, size);
            break;
        }
        case DECODE_FUSE:
            status = buffer_append(&out->text, text, size);
            continue;
        case DECODE_REPLACE:
            status =
                pattern_replace(t, &d->what, text, size, d->content, d->content_size, &out->text);
            break;
        case DECODE_STRIP:
            status = strip(d, text, size, &out->text);
            break;
        case DECODE_WORDPIECE:
            status = wordpiece(t, d, text, size, i == 0, &out->text);
            break;
        case DECODE_METASPACE:
            status = metaspace(d, text, size, i == 0, &out->text);
            break;
        case DECODE_CTC:
            if (!repeats(in, i))
                status = ctc(t, d, text, size, out);
            continue;
        case DECODE_SUFFIX: {
            pattern p = {.text = d->content, .size = d->content_size};
            status = pattern_replace(t, &p, text, size, " ", i + 1 < in->count ? 1 : 0, &out->text);
            break;
        }
        }
        if (status == BRINK_OK)
            status = end_text(out);
    }
    if (status == BRINK_OK && d->kind == DECODE_BYTE_FALLBACK)
        status = flush_bytes(&bytes, out);
    if (status == BRINK_OK && d->kind == DECODE_BYTE_LEVEL)
        status = utf8_clean(&out->text, bytes.data, bytes.size);
    if (status == BRINK_OK && (d->kind == DECODE_BYTE_LEVEL || d->kind == DECODE_FUSE))
        status = end_text(out);
    buffer_free(&bytes);
    return status;
}

brink_status decode(tokenizer *t, const uint32_t *ids, uint32_t count, bool keep_special)
{
    token_texts *a = &t->texts, *b = &t->other_texts;
    a->text.size = 0;
    a->count = 0;
    TRY(buffer_reserve(&a->text, 1));
    TRY(buffer_reserve(&b->text, 1));
    for (uint32_t i = 0; i < count; i++) {
        const char *spelling = tokenizer_spelling(t, ids[i]);
        if (spelling == NULL || (!keep_special && tokenizer_is_special(t, ids[i])))
            continue;
        uint32_t added = t->added_by_id[ids[i]];
        uint32_t size =
            added != VOCAB_NONE ? t->added[added].match_size : t->vocabulary.length[ids[i]];
        if (!t->has_decoder && a->count != 0) /* without a decoder, tokens are words */
            TRY(buffer_append(&a->text, " ", 1));
        TRY(buffer_append(&a->text, spelling, size));
        TRY(end_text(a));
        if (a->text.size > UINT32_MAX / 4)
            return core_fail(t->context, BRINK_INVALID_ARGUMENT, "too many tokens to decode");
    }
    for (uint32_t i = 0; i < t->decoder_count; i++) {
        b->text.size = 0;
        b->count = 0;
        TRY(run(t, &t->decoders[i], a, b));
        token_texts swapped = *a;
        *a = *b;
        *b = swapped;
    }
    return BRINK_OK;
}
