/* vocab.h — spellings and ids: one blob of text, offsets by id, and a hash table.

   Invariant: every spelling lies NUL-terminated in the blob, and `slots` finds it by linear probing
   from its hash; the table is at most half full. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "text/buffer.h"

#define VOCAB_NONE UINT32_MAX

typedef struct vocab_slot {
    uint32_t hash;
    uint32_t id;            /* VOCAB_NONE: free                                         */
    uint32_t start, length; /* as in the arrays by id, so that a look-up touches one less line */
} vocab_slot;

typedef struct vocab {
    brink_context *context;
    buffer blob;
    uint32_t *start;  /* [size] offset in the blob, VOCAB_NONE where an id has no spelling */
    uint32_t *length; /* [size] bytes                                                      */
    uint32_t size;    /* the highest id + 1 */
    uint32_t count;   /* distinct spellings */
    vocab_slot *slots;
    uint32_t mask;
} vocab;

/* Room for `count` spellings of `bytes` in all, ids below `size`. */
brink_status vocab_create(vocab *v, brink_context *context, uint32_t count, uint32_t size,
                          uint64_t bytes);
void vocab_free(vocab *v);

/* A spelling that is there already gets the new id; an id that is taken, the new spelling. */
brink_status vocab_add(vocab *v, const char *spelling, uint32_t bytes, uint32_t id);

uint32_t vocab_find(const vocab *v, const char *spelling, uint32_t bytes);

/* NULL if there is no such id. */
static inline const char *vocab_spelling(const vocab *v, uint32_t id)
{
    return id < v->size && v->start[id] != VOCAB_NONE ? v->blob.data + v->start[id] : NULL;
}

/* A hash of bytes, 64 bits well mixed. */
uint64_t text_hash(const char *text, uint32_t bytes);

#endif
