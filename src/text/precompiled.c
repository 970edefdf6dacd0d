/* precompiled.c — sentencepiece's character map: a double-array trie from byte sequences to
   replacements, kept in tokenizer.json as base64.

   The blob is u32 size of the trie in bytes, the trie's units as u32, and the replacements, each
   ended by NUL; all little-endian. A unit holds its label in bits 0-7 (and bit 31, set in values),
   in bit 8 whether a value belongs to it, and the distance to its children from bit 10 on, counted
   in 256s if bit 9 is set (Yata, "darts-clone").

   As in the library a grapheme of less than six bytes is looked up whole, and what else there is
   character by character; the shortest entry that begins the text replaces all of it. Invariant: no
   index leaves the trie, whatever the units say. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

#include <utf8proc.h>

enum { SHORT_GRAPHEME = 6 };

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes in place of `out`, which has room for 3/4 of `size`; false if it is not padded base64. */
static bool base64_decode(const char *text, size_t size, uint8_t *out, uint32_t *bytes)
{
    size_t padding = 0;
    *bytes = 0;
    if (size % 4 != 0)
        return false;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word = 0, kept = i + 4 == size ? 3 - (uint32_t)padding : 3;
        for (size_t k = i; k < i + 4; k++) {
            int digit = k >= size - padding ? 0 : base64_digit(text[k]);
            if (digit < 0)
                return false;
            word = word << 6 | (uint32_t)digit;
        }
        for (uint32_t k = 0; k < kept; k++)
            out[(*bytes)++] = (uint8_t)(word >> (16 - 8 * k));
    }
    return true;
}

static uint32_t read_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* The value of the shortest entry that text[0, size) begins with. */
static bool look_up(const normalizer *n, const char *text, uint32_t size, uint32_t *value)
{
    uint32_t node = 0;
    if (n->unit_count == 0)
        return false;
    uint32_t unit = read_u32(n->units);
    for (uint32_t i = 0; i < size && text[i] != 0; i++) {
        uint32_t label = (uint8_t)text[i];
        node ^= unit >> 10 << ((unit & 1u << 9) >> 6);
        node ^= label;
        if (node >= n->unit_count)
            return false;
        unit = read_u32(n->units + 4 * (size_t)node);
        if ((unit & (1u << 31 | 0xFF)) != label)
            return false;
        if ((unit >> 8 & 1) == 0)
            continue;
        node ^= unit >> 10 << ((unit & 1u << 9) >> 6);
        if (node >= n->unit_count)
            return false;
        *value = read_u32(n->units + 4 * (size_t)node) & 0x7FFFFFFFu;
        return true;
    }
    return false;
}

brink_status precompiled_read(tokenizer *t, yyjson_val *json, normalizer *n)
{
    static const char broken[] = "normalizer Precompiled: precompiled_charsmap is not a map";
    yyjson_val *text = json_get(json, "precompiled_charsmap");
    uint32_t bytes, trie_bytes;
    if (!yyjson_is_str(text))
        return tokenizer_malformed(t, "normalizer Precompiled has no precompiled_charsmap");
    size_t size = yyjson_get_len(text);
    uint8_t *blob = arena_alloc(&t->memory, size / 4 * 3 + 1);
    if (blob == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (size > UINT32_MAX || !base64_decode(yyjson_get_str(text), size, blob, &bytes) || bytes < 4)
        return tokenizer_malformed(t, broken);
    trie_bytes = read_u32(blob);
    if (trie_bytes > bytes - 4)
        return tokenizer_malformed(t, broken);
    n->units = blob + 4;
    n->unit_count = trie_bytes / 4;
    n->content = (const char *)n->units + 4 * (size_t)n->unit_count;
    n->content_size = bytes - 4 - 4 * n->unit_count;
    if (!utf8_valid(n->content, n->content_size))
        return tokenizer_malformed(t, broken);
    for (uint32_t code = 0; code < 128; code++) {
        char c = (char)code;
        uint32_t value;
        n->plain[code >> 6] |= (uint64_t)!look_up(n, &c, 1, &value) << (code & 63);
    }
    return BRINK_OK;
}

/* What replaces text[0, size), up to its NUL; false if nothing does. */
static bool replacement(const normalizer *n, const char *text, uint32_t size, const char **with,
                        uint32_t *with_size)
{
    uint32_t value;
    if (!look_up(n, text, size, &value) || value > n->content_size ||
        (value < n->content_size && ((unsigned char)n->content[value] & 0xC0) == 0x80))
        return false;
    const char *from = n->content + value;
    const char *end = memchr(from, 0, n->content_size - value);
    *with = from;
    *with_size = end != NULL ? (uint32_t)(end - from) : n->content_size - value;
    return true;
}

/* The end of a run of ASCII that nothing replaces and that no grapheme joins. */
static uint32_t plain_end(const normalizer *n, const char *text, uint32_t size, uint32_t from)
{
    uint32_t i = from;
    for (; i < size; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c >= 0x80 || c == '\r' || !(n->plain[c >> 6] >> (c & 63) & 1))
            break;
    }
    return i > from && i < size && (uint8_t)text[i] >= 0x80 ? i - 1 : i;
}

/* Letters that no grapheme joins to one of the same kind: ideographs, kana, Arabic and Hebrew ones. */
static bool is_apart(uint32_t code)
{
    return (code >= 0x4E00 && code < 0xA000) || (code >= 0x3041 && code < 0x3097) ||
           (code >= 0x30A1 && code < 0x30FB) || (code >= 0x620 && code < 0x64B) ||
           (code >= 0x5D0 && code < 0x5EB);
}

/* The end of the grapheme cluster (UAX #29) that begins at `from`. */
static uint32_t grapheme_end(const char *text, uint32_t size, uint32_t from)
{
    utf8proc_int32_t state = 0;
    uint32_t i = from, last = utf8_next(text, &i);
    while (i < size) {
        uint32_t next = i, code = utf8_next(text, &next);
        if (i - from == utf8_width(text[from]) && is_apart(last) && is_apart(code))
            break;
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)last, (utf8proc_int32_t)code,
                                             &state))
            break;
        i = next;
        last = code;
    }
    return i;
}

/* Characters replaced by others, as changes: see trace_changes. */
static brink_status note_changes(tokenizer *t, const char *old, uint32_t old_size, const char *with,
                                 uint32_t with_size)
{
    int32_t before = 0, behind = 0;
    id_list *list = &t->changes;
    if (!t->tracing)
        return BRINK_OK;
    for (uint32_t i = 0; i < old_size; i += utf8_width(old[i]))
        before++;
    for (uint32_t i = 0; i < with_size; i += utf8_width(with[i]))
        behind++;
    for (int32_t i = 0; i < behind; i++)
        TRY(ids_add(t, list, i < before ? 0 : 1));
    if (behind < before && list->count != 0)
        list->at[list->count - 1] -= (uint32_t)(before - behind);
    return BRINK_OK;
}

static brink_status put(tokenizer *t, const char *old, uint32_t old_size, const char *with,
                        uint32_t with_size, buffer *out)
{
    TRY(note_changes(t, old, old_size, with, with_size));
    return buffer_append(out, with, with_size);
}

brink_status precompiled_apply(tokenizer *t, const normalizer *n, const char *text, uint32_t size,
                               buffer *out)
{
    uint64_t before = out->size;
    t->changes.count = 0;
    for (uint32_t at = 0; at < size;) {
        const char *with;
        uint32_t with_size, end = plain_end(n, text, size, at);
        if (end > at) {
            TRY(put(t, text + at, end - at, text + at, end - at, out));
            at = end;
            continue;
        }
        end = grapheme_end(text, size, at);
        if (end - at < SHORT_GRAPHEME && replacement(n, text + at, end - at, &with, &with_size)) {
            TRY(put(t, text + at, end - at, with, with_size, out));
            at = end;
        }
        while (at < end) {
            uint32_t width = utf8_width(text[at]);
            if (!replacement(n, text + at, width, &with, &with_size)) {
                with = text + at;
                with_size = width;
            }
            TRY(put(t, text + at, width, with, with_size, out));
            at += width;
        }
    }
    if (t->changes.count == 0)
        return BRINK_OK;
    return trace_changes(t, text, size, out->data + before, (const int32_t *)t->changes.at,
                         t->changes.count);
}
