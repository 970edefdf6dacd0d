/* decode_stream.c — text as tokens arrive.

   A byte-level tokenizer needs no context: each token adds bytes, and those that begin a character are
   held back. Other decoders look at neighbours, so a window of ids is decoded with every new one and
   what lies behind the text already shown is new. The window begins with the last ids shown, which
   give the decoder its context, and is at most WINDOW long. */
#include "text/tokenizer_internal.h"
#include "text/utf8.h"

enum { WINDOW = 24, PATIENCE = 12 };

struct decode_stream {
    tokenizer *t;
    bool keep_special, plain_bytes;
    buffer held; /* bytes that are not shown yet */
    buffer shown;
    uint32_t ids[WINDOW], count, waiting; /* of the ids, the last `waiting` show nothing yet */
    uint64_t prefix;                      /* bytes of the window's text that were shown      */
};

brink_status decode_stream_create(tokenizer *t, bool keep_special, decode_stream **out)
{
    decode_stream *s = core_calloc(t->context, 1, sizeof *s);
    *out = s;
    if (s == NULL)
        return BRINK_OUT_OF_MEMORY;
    s->t = t;
    s->keep_special = keep_special;
    s->plain_bytes = t->decoder_count == 1 && t->decoders[0].kind == DECODE_BYTE_LEVEL;
    s->held.context = s->shown.context = t->context;
    return BRINK_OK;
}

void decode_stream_destroy(decode_stream *s)
{
    if (s == NULL)
        return;
    buffer_free(&s->held);
    buffer_free(&s->shown);
    core_free(s->t->context, s);
}

static brink_status show(decode_stream *s, const char **text, uint64_t *bytes)
{
    TRY(buffer_append(&s->shown, "", 1));
    s->shown.size--;
    *text = s->shown.data;
    if (bytes != NULL)
        *bytes = s->shown.size;
    return BRINK_OK;
}

static brink_status push_bytes(decode_stream *s, uint32_t id)
{
    const char *spelling = tokenizer_spelling(s->t, id);
    if (spelling == NULL || (!s->keep_special && tokenizer_is_special(s->t, id)))
        return BRINK_OK;
    uint32_t added = s->t->added_by_id[id];
    uint32_t size =
        added != VOCAB_NONE ? s->t->added[added].match_size : s->t->vocabulary.length[id];
    TRY(byte_level_bytes(&s->held, spelling, size));
    uint32_t tail = utf8_open_tail(s->held.data, s->held.size);
    TRY(utf8_clean(&s->shown, s->held.data, s->held.size - tail));
    if (tail != 0)
        memmove(s->held.data, s->held.data + s->held.size - tail, tail);
    s->held.size = tail;
    return BRINK_OK;
}

/* Whether the token is a byte inside of a character: a window must not begin with it. */
static bool continues(const tokenizer *t, uint32_t id)
{
    for (uint32_t byte = 0x80; byte < 0xC0; byte++)
        if (t->byte_ids[byte] == id)
            return true;
    return false;
}

/* Forgets all but the last ids shown, and finds how much of their text there is. */
static brink_status trim(decode_stream *s)
{
    enum { KEEP = 4 };
    uint32_t keep = s->count < KEEP ? s->count : KEEP;
    while (keep < s->count && keep < KEEP + 3 && continues(s->t, s->ids[s->count - keep]))
        keep++;
    memmove(s->ids, s->ids + s->count - keep, keep * sizeof *s->ids);
    s->count = keep;
    s->waiting = 0;
    TRY(decode(s->t, s->ids, s->count, s->keep_special));
    s->prefix = s->t->texts.text.size;
    return BRINK_OK;
}

static bool ends_open(const buffer *text)
{
    return text->size >= 3 && memcmp(text->data + text->size - 3, "\xEF\xBF\xBD", 3) == 0;
}

/* Shows the window's text behind what was shown, from a whole character on: a decoder may have made
   something else of the bytes before, and then its length means little. */
static brink_status show_behind(decode_stream *s)
{
    const buffer *text = &s->t->texts.text;
    uint64_t from = s->prefix;
    if (from >= text->size)
        return BRINK_OK;
    while (from > 0 && ((unsigned char)text->data[from] & 0xC0) == 0x80)
        from--;
    return buffer_append(&s->shown, text->data + from, text->size - from);
}

static brink_status push_window(decode_stream *s, uint32_t id)
{
    const buffer *text = &s->t->texts.text;
    if (tokenizer_spelling(s->t, id) == NULL ||
        (!s->keep_special && tokenizer_is_special(s->t, id)))
        return BRINK_OK;
    s->ids[s->count++] = id;
    s->waiting++;
    TRY(decode(s->t, s->ids, s->count, s->keep_special));
    bool patient = s->waiting < PATIENCE && s->count < WINDOW;
    if (text->size <= s->prefix || (ends_open(text) && patient)) {
        if (s->count < WINDOW)
            return BRINK_OK;
    } else {
        TRY(show_behind(s));
    }
    if (s->count == WINDOW || text->size > s->prefix)
        return trim(s);
    return BRINK_OK;
}

brink_status decode_stream_push(decode_stream *s, uint32_t id, const char **text, uint64_t *bytes)
{
    s->shown.size = 0;
    *text = "";
    TRY(s->plain_bytes ? push_bytes(s, id) : push_window(s, id));
    return show(s, text, bytes);
}

brink_status decode_stream_finish(decode_stream *s, const char **text, uint64_t *bytes)
{
    s->shown.size = 0;
    *text = "";
    if (s->plain_bytes) {
        TRY(utf8_clean(&s->shown, s->held.data, s->held.size));
    } else if (s->count != 0) {
        TRY(decode(s->t, s->ids, s->count, s->keep_special));
        TRY(show_behind(s));
    }
    s->held.size = 0;
    s->count = s->waiting = 0;
    s->prefix = 0;
    return show(s, text, bytes);
}
