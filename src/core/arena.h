/* arena.h — a bump allocator for what is freed together: a graph, a plan, a tokenizer.

   Invariant: everything an arena gave out stays where it is until arena_free. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include "core/context.h"

typedef struct arena_block arena_block;

typedef struct arena {
    brink_context *context;
    arena_block *blocks;
    char *next, *end;
} arena;

void arena_init(arena *a, brink_context *context);
void arena_free(arena *a);

/* Zeroed, aligned to 16; NULL with the error recorded when there is no room. */
void *arena_alloc(arena *a, uint64_t size);
void *arena_array(arena *a, uint64_t count, uint64_t size);

/* A NUL-terminated copy. */
char *arena_string(arena *a, const char *text, uint64_t bytes);

#define ARENA_NEW(a, type) ((type *)arena_alloc(a, sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_array(a, count, sizeof(type)))

#endif
