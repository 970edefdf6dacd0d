/* normalizer.c — the normalizers of tokenizer.json, a flat list run through two buffers. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

static brink_status read_one(tokenizer *t, yyjson_val *json, normalizer *n)
{
    const char *type = json_string(json, "type", "");
    if (strcmp(type, "NFC") == 0 || strcmp(type, "NFD") == 0 || strcmp(type, "NFKC") == 0 ||
        strcmp(type, "NFKD") == 0) {
        n->kind = NORMALIZE_FORM;
        bool composed = type[strlen(type) - 1] == 'C';
        if (type[2] == 'K')
            n->form = composed ? UNICODE_NFKC : UNICODE_NFKD;
        else
            n->form = composed ? UNICODE_NFC : UNICODE_NFD;
        return BRINK_OK;
    }
    if (strcmp(type, "Lowercase") == 0) {
        n->kind = NORMALIZE_LOWERCASE;
        return BRINK_OK;
    }
    if (strcmp(type, "StripAccents") == 0) {
        n->kind = NORMALIZE_STRIP_ACCENTS;
        return BRINK_OK;
    }
    if (strcmp(type, "ByteLevel") == 0) {
        n->kind = NORMALIZE_BYTE_LEVEL;
        return BRINK_OK;
    }
    if (strcmp(type, "Strip") == 0) {
        n->kind = NORMALIZE_STRIP;
        n->left = json_bool(json, "strip_left", true);
        n->right = json_bool(json, "strip_right", true);
        return BRINK_OK;
    }
    if (strcmp(type, "Prepend") == 0) {
        n->kind = NORMALIZE_PREPEND;
        return tokenizer_text(t, json, "prepend", "", &n->content, &n->content_size);
    }
    if (strcmp(type, "Replace") == 0) {
        n->kind = NORMALIZE_REPLACE;
        TRY(tokenizer_text(t, json, "content", "", &n->content, &n->content_size));
        return pattern_read(t, "normalizer Replace", json_get(json, "pattern"), &n->what);
    }
    if (strcmp(type, "Nmt") == 0) {
        n->kind = NORMALIZE_NMT;
        return BRINK_OK;
    }
    if (strcmp(type, "Precompiled") == 0) {
        n->kind = NORMALIZE_PRECOMPILED;
        return precompiled_read(t, json, n);
    }
    if (strcmp(type, "BertNormalizer") == 0) {
        n->kind = NORMALIZE_BERT;
        n->clean_text = json_bool(json, "clean_text", true);
        n->chinese_chars = json_bool(json, "handle_chinese_chars", true);
        n->lowercase = json_bool(json, "lowercase", true);
        n->strip_accents = json_bool(json, "strip_accents", n->lowercase);
        return BRINK_OK;
    }
    return tokenizer_unsupported(t, "normalizer", type);
}

brink_status normalizers_read(tokenizer *t, yyjson_val *json)
{
    if (json == NULL)
        return BRINK_OK;
    if (strcmp(json_string(json, "type", ""), "Sequence") == 0) {
        yyjson_val *list = json_get(json, "normalizers"), *one;
        size_t i, n;
        yyjson_arr_foreach(list, i, n, one) TRY(normalizers_read(t, one));
        return BRINK_OK;
    }
    if (t->normalizer_count == MAX_STAGES)
        return tokenizer_malformed(t, "has too many normalizers");
    return read_one(t, json, &t->normalizers[t->normalizer_count++]);
}

static brink_status strip(const normalizer *n, const char *text, uint32_t size, buffer *out)
{
    uint32_t from = 0;
    while (n->left && from < size) {
        uint32_t next = from;
        if (!unicode_is_space(utf8_next(text, &next)))
            break;
        from = next;
    }
    while (n->right && size > from) {
        uint32_t last = utf8_before(text, size), i = last;
        if (!unicode_is_space(utf8_next(text, &i)))
            break;
        size = last;
    }
    return buffer_append(out, text + from, size - from);
}

/* The blocks that BERT's own tokenizer calls Chinese. */
static bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static brink_status drop_marks(const char *text, uint32_t size, bool bert, buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i;
        uint32_t code = utf8_next(text, &i);
        if (!(bert ? unicode_is_bert_mark(code) : unicode_is_accent(code)))
            TRY(buffer_append(out, text + from, i - from));
    }
    return BRINK_OK;
}

static brink_status lower(const char *text, uint32_t size, buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        uint32_t code = utf8_next(text, &i);
        if (code < 0x80) {
            char c = (char)(code >= 'A' && code <= 'Z' ? code + 32 : code);
            TRY(buffer_append(out, &c, 1));
        } else {
            TRY(unicode_put_lower(out, code));
        }
    }
    return BRINK_OK;
}

static brink_status bert_clean(const normalizer *n, const char *text, uint32_t size, buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, code = utf8_next(text, &i);
        if (n->clean_text) {
            bool blank = unicode_is_space(code);
            bool control =
                code != '\t' && code != '\n' && code != '\r' && unicode_is_bert_other(code);
            if (code == 0 || code == UTF8_REPLACEMENT || control)
                continue;
            if (blank) {
                TRY(buffer_append(out, " ", 1));
                continue;
            }
        }
        bool apart = n->chinese_chars && is_chinese(code);
        if (apart)
            TRY(buffer_append(out, " ", 1));
        TRY(buffer_append(out, text + from, i - from));
        if (apart)
            TRY(buffer_append(out, " ", 1));
    }
    return BRINK_OK;
}

/* sentencepiece's rules for machine translation: some controls vanish, blanks of all kinds and what
   breaks words become spaces. */
static brink_status nmt(const char *text, uint32_t size, buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, c = utf8_next(text, &i);
        if ((c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
            c == 0x9F)
            continue;
        bool blank = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == UTF8_REPLACEMENT;
        TRY(blank ? buffer_append(out, " ", 1) : buffer_append(out, text + from, i - from));
    }
    return BRINK_OK;
}

static brink_status bert(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                         buffer *out)
{
    buffer a = {.context = t->context}, b = {.context = t->context};
    brink_status status = bert_clean(n, text, size, &a);
    if (status == BRINK_OK && n->strip_accents) {
        status = unicode_normalize(&b, a.data, (uint32_t)a.size, UNICODE_NFD);
        a.size = 0;
        if (status == BRINK_OK)
            status = drop_marks(b.data, (uint32_t)b.size, true, &a);
    }
    if (status == BRINK_OK)
        status = n->lowercase ? lower(a.data, (uint32_t)a.size, out)
                              : buffer_append(out, a.data, a.size);
    buffer_free(&a);
    buffer_free(&b);
    return status;
}

static brink_status apply(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                          buffer *out)
{
    switch (n->kind) {
    case NORMALIZE_FORM:
        return unicode_normalize(out, text, size, n->form);
    case NORMALIZE_LOWERCASE:
        return lower(text, size, out);
    case NORMALIZE_REPLACE:
        return pattern_replace(t, &n->what, text, size, n->content, n->content_size, out);
    case NORMALIZE_PREPEND:
        if (size != 0)
            TRY(buffer_append(out, n->content, n->content_size));
        return buffer_append(out, text, size);
    case NORMALIZE_STRIP:
        return strip(n, text, size, out);
    case NORMALIZE_STRIP_ACCENTS:
        return drop_marks(text, size, false, out);
    case NORMALIZE_BERT:
        return bert(t, n, text, size, out);
    case NORMALIZE_BYTE_LEVEL:
        return byte_level_put(out, text, size);
    case NORMALIZE_NMT:
        return nmt(text, size, out);
    case NORMALIZE_PRECOMPILED:
        return precompiled_apply(n, text, size, out);
    }
    return BRINK_OK;
}

brink_status normalize(tokenizer *t, const char *text, uint32_t size, buffer *out)
{
    out->size = 0;
    if (t->normalizer_count == 0)
        return buffer_append(out, text, size);
    TRY(apply(t, &t->normalizers[0], text, size, out));
    for (uint32_t i = 1; i < t->normalizer_count; i++) {
        buffer swapped = *out;
        *out = t->spare;
        t->spare = swapped;
        out->size = 0;
        TRY(buffer_reserve(&t->spare, 1)); /* so that an empty text has an address */
        TRY(apply(t, &t->normalizers[i], t->spare.data, (uint32_t)t->spare.size, out));
        if (out->size > UINT32_MAX / 4)
            return core_fail(t->context, BRINK_INVALID_ARGUMENT, "the normalised text is too long");
    }
    return BRINK_OK;
}
