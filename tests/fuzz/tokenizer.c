/* tokenizer.c — arbitrary bytes as tokenizer.json, a NUL, and a text to encode and decode. */
#include "fuzz.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 512 };

static brink_status stream(tokenizer *t, const uint32_t *ids, uint32_t count)
{
    decode_stream *s;
    const char *text;
    uint64_t bytes;
    brink_status status = decode_stream_create(t, false, &s);
    for (uint32_t i = 0; i < count && status == BRINK_OK; i++)
        status = decode_stream_push(s, ids[i], &text, &bytes);
    if (status == BRINK_OK)
        status = decode_stream_finish(s, &text, &bytes);
    decode_stream_destroy(s);
    return status;
}

/* Ids are the same whether somebody asks where they come from or not. */
static brink_status places(tokenizer *t, const char *text, size_t bytes, uint32_t *ids,
                           uint32_t *offsets, uint32_t *count)
{
    uint32_t same[ROOM], n;
    encode_options options = {.special = true};
    TRY(tokenizer_encode_offsets(t, text, bytes, &options, same, offsets, ROOM, &n));
    if (n != *count || memcmp(same, ids, (n < ROOM ? n : ROOM) * sizeof *same) != 0)
        abort();
    options.truncate = options.pad = true;
    tokenizer_encode_offsets(t, text, bytes, &options, same, offsets, ROOM, &n);
    options.special = false;
    tokenizer_encode_offsets(t, text, bytes, &options, same, offsets, ROOM, &n);
    return BRINK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char usual[] = "Hello, wörld!\n  it's 12345 naïve <s>日本語</s>\xFF\x00 ok";
    brink_context *context = fuzz_context(64u << 20);
    const char *text;
    size_t bytes, json = fuzz_split(data, size, &text, &bytes);
    if (bytes == 0) {
        text = usual;
        bytes = sizeof usual - 1;
    }
    tokenizer *t;
    uint32_t ids[ROOM], offsets[2 * ROOM], count = 0;
    char out[ROOM];
    uint64_t length;
    brink_status status = tokenizer_create(context, "tokenizer.json", data, json, &t);
    if (status == BRINK_OK)
        status = tokenizer_encode(t, text, bytes, true, ids, ROOM, &count);
    if (status == BRINK_OK)
        status = places(t, text, bytes, ids, offsets, &count);
    if (status == BRINK_OK) {
        count = count > ROOM - 2 ? ROOM - 2 : count;
        ids[count++] = UINT32_MAX;
        ids[count++] = tokenizer_size(t);
        status = tokenizer_decode(t, ids, count, false, out, sizeof out, &length);
    }
    if (status == BRINK_OK)
        status = stream(t, ids, count);
    tokenizer_destroy(t);
    fuzz_text(context, status);
    fuzz_end(context);
    return 0;
}
