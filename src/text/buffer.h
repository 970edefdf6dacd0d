/* buffer.h — bytes that grow, from counted memory, and arrays that grow the same way. */
#ifndef TEXT_BUFFER_H
#define TEXT_BUFFER_H

#include "core/context.h"

#include <string.h>

typedef struct buffer {
    brink_context *context;
    char *data; /* [size], room for `capacity`; NULL while empty */
    uint64_t size, capacity;
} buffer;

/* Makes room for `more` bytes behind the present ones. */
brink_status buffer_reserve(buffer *b, uint64_t more);
void buffer_free(buffer *b);

static inline brink_status buffer_append(buffer *b, const void *data, uint64_t bytes)
{
    if (b->capacity - b->size < bytes || b->data == NULL)
        TRY(buffer_reserve(b, bytes));
    if (bytes != 0)
        memcpy(b->data + b->size, data, (size_t)bytes);
    b->size += bytes;
    return BRINK_OK;
}

/* Appends one code point as UTF-8. */
brink_status buffer_put(buffer *b, uint32_t code);

brink_status array_resize(brink_context *context, void **data, uint32_t *capacity, uint64_t need,
                          size_t item);

/* Grows *data, an array of `item` bytes each, to at least `need` items. */
static inline brink_status array_grow(brink_context *context, void **data, uint32_t *capacity,
                                      uint64_t need, size_t item)
{
    return need <= *capacity ? BRINK_OK : array_resize(context, data, capacity, need, item);
}

/* The usual contract of a text result: at most `capacity` bytes written, NUL included, cut between
   characters; the whole length goes to *bytes. */
void buffer_give(const buffer *b, char *text, uint64_t capacity, uint64_t *bytes);

#endif
