/* arena.c — blocks of growing size, chained; the newest serves. */
#include "core/arena.h"

#include "core/sanitize.h"

#include <string.h>

struct arena_block {
    arena_block *previous;
    uint64_t size;
};

enum { FIRST_BLOCK = 16 << 10, LARGEST_STEP = 1 << 20, HEADER = 16 };

void arena_init(arena *a, brink_context *context)
{
    *a = (arena){.context = context};
}

void arena_free(arena *a)
{
    for (arena_block *b = a->blocks; b != NULL;) {
        arena_block *previous = b->previous;
        core_free(a->context, b);
        b = previous;
    }
    *a = (arena){.context = a->context};
}

void *arena_alloc(arena *a, uint64_t size)
{
    uint64_t rounded;
    if (!core_add(size, 15, &rounded))
        rounded = UINT64_MAX - 64;
    rounded &= ~(uint64_t)15;
    rounded += CORE_RED_ZONE;
    if (a->blocks == NULL || (uint64_t)(a->end - a->next) < rounded) {
        uint64_t block = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
        if (block > LARGEST_STEP)
            block = LARGEST_STEP;
        if (block < rounded)
            block = rounded;
        arena_block *b =
            core_alloc(a->context, block > UINT64_MAX - HEADER ? block : block + HEADER);
        if (b == NULL)
            return NULL;
        *b = (arena_block){a->blocks, block};
        a->blocks = b;
        a->next = (char *)b + HEADER;
        a->end = a->next + block;
        core_poison(a->next, block);
    }
    void *data = a->next;
    a->next += rounded;
    core_unpoison(data, size);
    memset(data, 0, (size_t)size);
    return data;
}

void *arena_array(arena *a, uint64_t count, uint64_t size)
{
    uint64_t total;
    if (!core_mul(count, size, &total))
        total = UINT64_MAX;
    return arena_alloc(a, total);
}

char *arena_string(arena *a, const char *text, uint64_t bytes)
{
    char *copy = arena_alloc(a, bytes + 1);
    if (copy != NULL && bytes != 0)
        memcpy(copy, text, (size_t)bytes);
    return copy;
}
