/* trace.c — where the bytes of a text that stages have changed come from.

   A stage says for every byte it writes which byte of its input it stands for (the trace); tracing
   back through all stages gives an origin, a character of the whole input. An origin is twice the
   byte at which that character begins, plus one; without the one it is an empty place before it, for
   what a stage wrote where nothing had been read yet.

   Invariant: while tracing, a list of pieces has an origin for each byte of its text, and origins
   never decrease. When nobody asks for offsets none of this is kept. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

brink_status trace_run(tokenizer *t, uint32_t from, uint32_t count)
{
    if (!t->tracing)
        return BRINK_OK;
    id_list *list = &t->trace;
    TRY(array_grow(t->context, (void **)&list->at, &list->capacity, (uint64_t)list->count + count,
                   sizeof *list->at));
    for (uint32_t i = 0; i < count; i++)
        list->at[list->count++] = from + i;
    return BRINK_OK;
}

brink_status trace_same(tokenizer *t, uint32_t from, uint64_t count)
{
    if (!t->tracing)
        return BRINK_OK;
    id_list *list = &t->trace;
    TRY(array_grow(t->context, (void **)&list->at, &list->capacity, list->count + count,
                   sizeof *list->at));
    for (uint64_t i = 0; i < count; i++)
        list->at[list->count++] = from;
    return BRINK_OK;
}

/* A change of 0 puts the character in the place of the next one read, -n also of the n behind it, 1
   inserts it: the library's terms, and its way to miscount when they do not add up. */
brink_status trace_changes(tokenizer *t, const char *text, uint32_t size, const char *made,
                           const int32_t *changes, uint32_t count)
{
    uint32_t at = 0, written = 0;
    for (uint32_t i = 0; t->tracing && i < count; i++) {
        uint32_t width = utf8_width(made[written]);
        uint32_t from = changes[i] <= 0 ? at : at == 0 ? TRACE_NOTHING : at - 1;
        if (from != TRACE_NOTHING && from >= size)
            from = size == 0 ? TRACE_NOTHING : size - 1;
        TRY(trace_same(t, from, width));
        written += width;
        for (int32_t n = changes[i]; n <= 0 && at < size; n++)
            at += utf8_width(text[at]);
    }
    return BRINK_OK;
}

brink_status trace_back(tokenizer *t, const uint32_t *origin, uint32_t base, id_list *out)
{
    const id_list *list = &t->trace;
    TRY(array_grow(t->context, (void **)&out->at, &out->capacity, list->count + 1ull,
                   sizeof *out->at));
    for (uint32_t i = 0; i < list->count; i++)
        out->at[i] = list->at[i] == TRACE_NOTHING ? base & ~1u : origin[list->at[i]];
    out->count = list->count;
    return BRINK_OK;
}

brink_status trace_input(tokenizer *t, const char *text, uint32_t size)
{
    id_list *list = &t->input_origin;
    TRY(array_grow(t->context, (void **)&list->at, &list->capacity, size + 1ull, sizeof *list->at));
    for (uint32_t i = 0, from = 0; i < size; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            from = i;
        list->at[i] = 2 * from + 1;
    }
    return BRINK_OK;
}

/* Appends text[start, end) with its origins, byte for byte, as one piece. */
brink_status pieces_copy(tokenizer *t, pieces *to, const char *text, uint32_t start, uint32_t end,
                         const uint32_t *origin, piece one)
{
    one.start = (uint32_t)to->text.size;
    one.size = end - start;
    TRY(buffer_append(&to->text, text + start, end - start));
    if (t->tracing) {
        TRY(array_grow(t->context, (void **)&to->origin, &to->origin_capacity, to->text.size + 1,
                       sizeof *to->origin));
        memcpy(to->origin + one.start, origin + start, one.size * sizeof *origin);
        one.first = one.size != 0 && origin[start] <= 1;
    }
    return pieces_add(to, one);
}
