/* buffer.c — capacities double, so that appending costs amortised constant time. */
#include "text/buffer.h"

#include "text/utf8.h"

brink_status buffer_reserve(buffer *b, uint64_t more)
{
    uint64_t need;
    if (!core_add(b->size, more, &need))
        need = UINT64_MAX;
    if (need <= b->capacity && b->data != NULL)
        return BRINK_OK;
    uint64_t capacity = b->capacity < 64 ? 64 : b->capacity;
    while (capacity < need)
        capacity = capacity > UINT64_MAX / 2 ? need : capacity * 2;
    char *data = core_realloc(b->context, b->data, capacity);
    if (data == NULL)
        return BRINK_OUT_OF_MEMORY;
    b->data = data;
    b->capacity = capacity;
    return BRINK_OK;
}

void buffer_free(buffer *b)
{
    core_free(b->context, b->data);
    *b = (buffer){.context = b->context};
}

brink_status buffer_put(buffer *b, uint32_t code)
{
    char bytes[4];
    return buffer_append(b, bytes, utf8_write(code, bytes));
}

brink_status array_resize(brink_context *context, void **data, uint32_t *capacity, uint64_t need,
                          size_t item)
{
    uint64_t room = *capacity < 16 ? 16 : *capacity, bytes;
    while (room < need)
        room *= 2;
    if (room > UINT32_MAX || !core_mul(room, item, &bytes))
        return core_fail(context, BRINK_OUT_OF_MEMORY, "out of memory: %llu items are too many",
                         (unsigned long long)need);
    void *grown = core_realloc(context, *data, bytes);
    if (grown == NULL)
        return BRINK_OUT_OF_MEMORY;
    *data = grown;
    *capacity = (uint32_t)room;
    return BRINK_OK;
}

void buffer_give(const buffer *b, char *text, uint64_t capacity, uint64_t *bytes)
{
    *bytes = b->size;
    if (capacity == 0)
        return;
    uint64_t fits = b->size;
    if (fits > capacity - 1) {
        fits = capacity - 1;
        while (fits > 0 && ((unsigned char)b->data[fits] & 0xC0) == 0x80)
            fits--;
    }
    if (fits != 0)
        memcpy(text, b->data, (size_t)fits);
    text[fits] = 0;
}
