/* blob.h — bytes with the way to give them back: a mapped file, lent memory, or our own. */
#ifndef CORE_BLOB_H
#define CORE_BLOB_H

#include "core/context.h"

typedef struct blob {
    const uint8_t *data;
    uint64_t size;
    void (*release)(void *user, void *data, uint64_t size); /* NULL: from core_alloc, if owned */
    void *user;
    bool owned;
} blob;

void blob_release(brink_context *context, blob *b);

#endif
