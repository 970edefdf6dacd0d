/* normalizer.c — the normalizers of tokenizer.json, a flat list run through two buffers. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

static brink_status add_stage(tokenizer *t, normalizer stage)
{
    if (t->normalizer_count == MAX_STAGES)
        return tokenizer_malformed(t, "has too many normalizers");
    t->normalizers[t->normalizer_count++] = stage;
    return BRINK_OK;
}

/* BERT's is a sequence of others, `n` the first of it. */
static brink_status read_bert(tokenizer *t, yyjson_val *json, normalizer *n)
{
    bool lowercase = json_bool(json, "lowercase", true);
    n->kind = NORMALIZE_BERT_CLEAN;
    n->clean_text = json_bool(json, "clean_text", true);
    n->chinese_chars = json_bool(json, "handle_chinese_chars", true);
    if (json_bool(json, "strip_accents", lowercase)) {
        TRY(add_stage(t, (normalizer){.kind = NORMALIZE_FORM, .form = UNICODE_NFD}));
        TRY(add_stage(t, (normalizer){.kind = NORMALIZE_BERT_MARKS}));
    }
    return lowercase ? add_stage(t, (normalizer){.kind = NORMALIZE_LOWERCASE}) : BRINK_OK;
}

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
    if (strcmp(type, "BertNormalizer") == 0)
        return read_bert(t, json, n);
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

/* text[from, to) as it is. */
static brink_status keep(tokenizer *t, const char *text, uint32_t from, uint32_t to, buffer *out)
{
    TRY(trace_run(t, from, to - from));
    return buffer_append(out, text + from, to - from);
}

/* Something else for the character at `from`. */
static brink_status put(tokenizer *t, const char *with, uint32_t size, uint32_t from, buffer *out)
{
    TRY(trace_same(t, from, size));
    return buffer_append(out, with, size);
}

static brink_status strip(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                          buffer *out)
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
    return keep(t, text, from, size, out);
}

/* The blocks that BERT's own tokenizer calls Chinese. */
static bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static brink_status drop_marks(tokenizer *t, const char *text, uint32_t size, bool bert,
                               buffer *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, code = utf8_next(text, &i);
        if (code < 0x300 || !(bert ? unicode_is_bert_mark(code) : unicode_is_accent(code)))
            continue;
        TRY(keep(t, text, kept, from, out));
        kept = i;
    }
    return keep(t, text, kept, size, out);
}

/* The end of the bytes of ASCII from `i` on. */
static uint32_t ascii_end(const char *text, uint32_t size, uint32_t i)
{
    while (i < size && (unsigned char)text[i] < 0x80)
        i++;
    return i;
}

static brink_status lower(tokenizer *t, const char *text, uint32_t size, buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, code;
        uint64_t before = out->size;
        i = ascii_end(text, size, i);
        TRY(keep(t, text, from, i, out));
        for (char *c = out->data + before; c < out->data + out->size; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        if (i == size)
            break;
        from = i;
        code = utf8_next(text, &i);
        if (unicode_is_caseless(code)) {
            TRY(keep(t, text, from, i, out));
            continue;
        }
        before = out->size;
        TRY(unicode_put_lower(out, code));
        TRY(trace_same(t, from, out->size - before));
    }
    return BRINK_OK;
}

/* Whether BERT drops the character, or puts a space in its place or around it. */
static bool is_touched(const normalizer *n, uint32_t code, bool *drop, bool *blank)
{
    *drop = *blank = false;
    if (code >= 0x20 && code < 0x7F)
        return false;
    if (n->clean_text) {
        *blank = unicode_is_space(code);
        *drop = code == 0 || code == UTF8_REPLACEMENT ||
                (code != '\t' && code != '\n' && code != '\r' && unicode_is_bert_other(code));
    }
    return *drop || *blank || (n->chinese_chars && is_chinese(code));
}

static brink_status bert_clean(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                               buffer *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, code = utf8_next(text, &i);
        bool drop, blank;
        if (!is_touched(n, code, &drop, &blank))
            continue;
        TRY(keep(t, text, kept, from, out));
        kept = i;
        if (drop)
            continue;
        TRY(put(t, " ", 1, from, out));
        if (!blank) {
            TRY(keep(t, text, from, i, out));
            TRY(put(t, " ", 1, from, out));
        }
    }
    return keep(t, text, kept, size, out);
}

/* sentencepiece's rules for machine translation: some controls vanish, blanks of all kinds and what
   breaks words become spaces. */
static brink_status nmt(tokenizer *t, const char *text, uint32_t size, buffer *out)
{
    for (uint32_t i = 0; i < size;) {
        uint32_t from = i, c = utf8_next(text, &i);
        if ((c >= 1 && c <= 8) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
            c == 0x9F)
            continue;
        bool blank = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 ||
                     (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                     c == 0xFEFF || c == UTF8_REPLACEMENT;
        TRY(blank ? put(t, " ", 1, from, out) : keep(t, text, from, i, out));
    }
    return BRINK_OK;
}

/* A normalisation form; what it decomposes, reorders and composes is traced character by character. */
static brink_status to_form(tokenizer *t, unicode_form form, const char *text, uint32_t size,
                            buffer *out)
{
    if (!t->tracing)
        return unicode_normalize(out, text, size, form);
    buffer changes = {.context = t->context};
    uint64_t before = out->size;
    brink_status status = unicode_normalize_traced(out, text, size, form, &changes);
    if (status == BRINK_OK && changes.size != 0)
        status = trace_changes(t, text, size, out->data + before,
                               (const int32_t *)(const void *)changes.data,
                               (uint32_t)(changes.size / sizeof(int32_t)));
    buffer_free(&changes);
    return status;
}

static brink_status apply(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                          buffer *out)
{
    switch (n->kind) {
    case NORMALIZE_FORM:
        return to_form(t, n->form, text, size, out);
    case NORMALIZE_LOWERCASE:
        return lower(t, text, size, out);
    case NORMALIZE_REPLACE:
        return pattern_replace(t, &n->what, text, size, n->content, n->content_size, out);
    case NORMALIZE_PREPEND:
        if (size == 0)
            return BRINK_OK;
        TRY(put(t, n->content, n->content_size, 0, out));
        if (n->content_size != 0)
            return keep(t, text, 0, size, out);
        TRY(put(t, text, utf8_width(text[0]), TRACE_NOTHING, out)); /* so the library */
        return keep(t, text, utf8_width(text[0]), size, out);
    case NORMALIZE_STRIP:
        return strip(t, n, text, size, out);
    case NORMALIZE_STRIP_ACCENTS:
        return drop_marks(t, text, size, false, out);
    case NORMALIZE_BERT_CLEAN:
        return bert_clean(t, n, text, size, out);
    case NORMALIZE_BERT_MARKS:
        return drop_marks(t, text, size, true, out);
    case NORMALIZE_BYTE_LEVEL:
        return byte_level_put(t, out, text, size);
    case NORMALIZE_NMT:
        return nmt(t, text, size, out);
    case NORMALIZE_PRECOMPILED:
        return precompiled_apply(t, n, text, size, out);
    }
    return BRINK_OK;
}

/* One normalizer and, while tracing, what becomes of the origins. */
static brink_status step(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                         const uint32_t *origin, uint32_t base, buffer *out)
{
    t->trace.count = 0;
    TRY(apply(t, n, text, size, out));
    if (out->size > UINT32_MAX / 4)
        return core_fail(t->context, BRINK_INVALID_ARGUMENT, "the normalised text is too long");
    return t->tracing ? trace_back(t, origin, base, &t->normal_origin) : BRINK_OK;
}

brink_status normalize(tokenizer *t, const char *text, uint32_t size, const uint32_t *origin,
                       buffer *out)
{
    uint32_t base = t->tracing && size != 0 ? origin[0] : 0;
    out->size = 0;
    if (t->normalizer_count == 0) {
        t->trace.count = 0;
        TRY(keep(t, text, 0, size, out));
        return t->tracing ? trace_back(t, origin, base, &t->normal_origin) : BRINK_OK;
    }
    TRY(step(t, &t->normalizers[0], text, size, origin, base, out));
    for (uint32_t i = 1; i < t->normalizer_count; i++) {
        buffer swapped = *out;
        *out = t->spare;
        t->spare = swapped;
        id_list origins = t->normal_origin;
        t->normal_origin = t->spare_origin;
        t->spare_origin = origins;
        out->size = 0;
        TRY(buffer_reserve(&t->spare, 1)); /* so that an empty text has an address */
        TRY(step(t, &t->normalizers[i], t->spare.data, (uint32_t)t->spare.size, t->spare_origin.at,
                 base, out));
    }
    return BRINK_OK;
}
