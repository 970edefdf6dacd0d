/* tokenizer.h — text to token ids and back, as tokenizer.json says.

   The file is Hugging Face's: added tokens, normalizer, pre_tokenizer, model, post_processor and
   decoder, each read by a source file of its own; the results are those of the `tokenizers`
   library. What is not implemented is refused when the file is read, by name. Truncation and
   padding in the file are applied when the caller asks (tokenizer_encode_offsets).

   Text may hold NUL bytes. Invalid UTF-8 is read as U+FFFD, one for each maximal invalid part. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include "core/context.h"

typedef struct tokenizer tokenizer;

/* Reads tokenizer.json; `file_name` opens error texts, `json` is not needed afterwards. */
brink_status tokenizer_create(brink_context *context, const char *file_name, const void *json,
                              uint64_t size, tokenizer **out);
void tokenizer_destroy(tokenizer *t);

/* Writes at most `capacity` ids and the number there are to *count. */
brink_status tokenizer_encode(tokenizer *t, const char *text, uint64_t bytes, bool add_special,
                              uint32_t *ids, uint32_t capacity, uint32_t *count);

typedef struct encode_options {
    bool special;  /* what the post-processor adds                                           */
    bool truncate; /* to the file's max_length, from its side; what is cut off is not given  */
    bool pad;      /* to the file's fixed length or multiple, on its side; padding is at 0, 0 */
} encode_options;

/* The same, cut and padded if the caller asks and the file says how (else neither happens), and in
   `offsets` [capacity][2], which may be NULL, where each token begins and ends in the text, in characters:
   as the library counts them, through normalisation and with what a post-processor trims. A token
   that the post-processor adds is at 0, 0. An invalid part of the text is one character. */
brink_status tokenizer_encode_offsets(tokenizer *t, const char *text, uint64_t bytes,
                                      const encode_options *options, uint32_t *ids,
                                      uint32_t *offsets, uint32_t capacity, uint32_t *count);

/* Writes at most `capacity` bytes, NUL included, and the length without NUL to *bytes. Ids that do
   not exist are left out. */
brink_status tokenizer_decode(tokenizer *t, const uint32_t *ids, uint32_t count, bool keep_special,
                              char *text, uint64_t capacity, uint64_t *bytes);

/* The spelling in the vocabulary, NULL if there is no such id. */
const char *tokenizer_spelling(const tokenizer *t, uint32_t id);
bool tokenizer_find(const tokenizer *t, const char *spelling, uint32_t *id);

/* The highest id + 1. */
uint32_t tokenizer_size(const tokenizer *t);
bool tokenizer_is_special(const tokenizer *t, uint32_t id);

/* ── One token after the other ── */

/* Decodes as tokens arrive, in whole characters: bytes that begin a character are held back until
   it is complete or cannot be. The texts joined are what tokenizer_decode gives for all ids, except
   behind invalid sequences of byte tokens (<0x..>), which are shown before they end. */
typedef struct decode_stream decode_stream;

brink_status decode_stream_create(tokenizer *t, bool keep_special, decode_stream **out);
void decode_stream_destroy(decode_stream *s);

/* The text that `id` completes, "" if none; NUL-terminated, and valid until the next call. A text
   may itself hold NUL: `bytes` (may be NULL) is its length. */
brink_status decode_stream_push(decode_stream *s, uint32_t id, const char **text, uint64_t *bytes);

/* What was held back, incomplete characters as U+FFFD; the stream is then as new. */
brink_status decode_stream_finish(decode_stream *s, const char **text, uint64_t *bytes);

#endif
