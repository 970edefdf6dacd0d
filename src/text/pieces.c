/* pieces.c — the lists that pass between stages, patterns, and the byte-level alphabet. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

#include <stdio.h>

brink_status pieces_add(pieces *p, piece one)
{
    TRY(array_grow(p->text.context, (void **)&p->at, &p->capacity, p->count + 1ull, sizeof *p->at));
    p->at[p->count++] = one;
    return BRINK_OK;
}

void pieces_clear(pieces *p)
{
    p->text.size = 0;
    p->count = 0;
}

void pieces_free(pieces *p)
{
    core_free(p->text.context, p->at);
    core_free(p->text.context, p->origin);
    buffer_free(&p->text);
    *p = (pieces){.text.context = p->text.context};
}

brink_status ids_add(tokenizer *t, id_list *list, uint32_t id)
{
    TRY(array_grow(t->context, (void **)&list->at, &list->capacity, list->count + 1ull,
                   sizeof *list->at));
    list->at[list->count++] = id;
    return BRINK_OK;
}

brink_status spans_add(tokenizer *t, token_list *list, token_span span)
{
    if (!t->tracing)
        return BRINK_OK;
    TRY(array_grow(t->context, (void **)&list->spans, &list->span_capacity, list->ids.count + 1ull,
                   sizeof *list->spans));
    list->spans[list->ids.count] = span;
    return BRINK_OK;
}

brink_status token_add(tokenizer *t, uint32_t id, uint32_t start, uint32_t end)
{
    TRY(spans_add(t, &t->tokens, (token_span){.start = start, .end = end}));
    return ids_add(t, &t->tokens.ids, id);
}

brink_status segment_add(tokenizer *t, uint32_t start, uint32_t end, bool is_match)
{
    segments *s = &t->found;
    TRY(array_grow(t->context, (void **)&s->at, &s->capacity, s->count + 1ull, sizeof *s->at));
    s->at[s->count++] = (segment){start, end, is_match};
    return BRINK_OK;
}

brink_status pattern_read(tokenizer *t, const char *part, yyjson_val *json, pattern *out)
{
    yyjson_val *plain = json_get(json, "String"), *expression = json_get(json, "Regex");
    if (yyjson_is_str(json))
        plain = json;
    if (yyjson_is_str(plain)) {
        out->size = (uint32_t)yyjson_get_len(plain);
        out->text = arena_string(&t->memory, yyjson_get_str(plain), out->size);
        return out->text != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    }
    if (!yyjson_is_str(expression))
        return tokenizer_malformed(t, part);
    char where[160];
    snprintf(where, sizeof where, "%.100s: %.40s", t->file, part);
    return regex_create(t->context, where, yyjson_get_str(expression),
                        (uint32_t)yyjson_get_len(expression), &out->compiled);
}

static const char *find_text(const char *text, uint32_t size, const pattern *p)
{
    while (size >= p->size) {
        const char *hit = memchr(text, p->text[0], size - p->size + 1);
        if (hit == NULL || memcmp(hit, p->text, p->size) == 0)
            return hit;
        size -= (uint32_t)(hit + 1 - text);
        text = hit + 1;
    }
    return NULL;
}

/* The next match at `from` or behind; an empty one moves on by a character. */
static brink_status pattern_next(const pattern *p, const char *text, uint32_t size, uint32_t from,
                                 bool *found, uint32_t *start, uint32_t *end)
{
    if (p->compiled != NULL)
        return regex_find(p->compiled, text, size, from, found, start, end);
    const char *hit = p->size != 0 ? find_text(text + from, size - from, p) : NULL;
    *found = hit != NULL;
    if (hit != NULL) {
        *start = (uint32_t)(hit - text);
        *end = *start + p->size;
    }
    return BRINK_OK;
}

brink_status pattern_split(tokenizer *t, const pattern *p, const char *text, uint32_t size)
{
    uint32_t done = 0, from = 0, start, end;
    bool found;
    t->found.count = 0;
    if (p->compiled != NULL)
        regex_begin(p->compiled, size);
    while (from <= size) {
        TRY(pattern_next(p, text, size, from, &found, &start, &end));
        if (!found)
            break;
        from = end > start ? end : end < size ? end + utf8_width(text[end]) : size + 1;
        if (end == start && start == done && done != 0)
            continue; /* an empty match right behind the last one does not count */
        if (start > done)
            TRY(segment_add(t, done, start, false));
        TRY(segment_add(t, start, end, true));
        done = end;
    }
    return done < size ? segment_add(t, done, size, false) : BRINK_OK;
}

brink_status pattern_replace(tokenizer *t, const pattern *p, const char *text, uint32_t size,
                             const char *content, uint32_t content_size, buffer *out)
{
    TRY(pattern_split(t, p, text, size));
    for (uint32_t i = 0; i < t->found.count; i++) {
        const segment *s = &t->found.at[i];
        if (s->is_match) {
            TRY(trace_same(t, s->end != 0 ? s->end - 1 : TRACE_NOTHING, content_size));
            TRY(buffer_append(out, content, content_size));
        } else {
            TRY(trace_run(t, s->start, s->end - s->start));
            TRY(buffer_append(out, text + s->start, s->end - s->start));
        }
    }
    return BRINK_OK;
}

/* Printable bytes stand for themselves; the others, in order, for U+0100 and on. */
uint32_t byte_level_char(uint8_t byte)
{
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173))
        return byte;
    if (byte <= 32)
        return 0x100u + byte;
    if (byte <= 160)
        return 0x100u + 33 + (byte - 127u);
    return 0x100u + 67;
}

int byte_level_byte(uint32_t code)
{
    if (code < 0x100)
        return (code >= 33 && code <= 126) || (code >= 161 && code != 173) ? (int)code : -1;
    if (code <= 0x120)
        return (int)code - 0x100;
    if (code <= 0x142)
        return (int)code - 0x121 + 127;
    return code == 0x143 ? 173 : -1;
}

brink_status byte_level_put(tokenizer *t, buffer *out, const char *text, uint32_t size)
{
    TRY(buffer_reserve(out, 2ull * size));
    char *to = out->data + out->size;
    for (uint32_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)text[i];
        uint32_t width = 1;
        if (byte >= 33 && byte <= 126)
            *to = (char)byte;
        else
            width = utf8_write(byte_level_char(byte), to);
        to += width;
        if (t->tracing)
            TRY(trace_same(t, i, width));
    }
    out->size = (uint64_t)(to - out->data);
    return BRINK_OK;
}
