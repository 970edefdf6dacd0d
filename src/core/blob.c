#include "core/blob.h"

void blob_release(brink_context *context, blob *b)
{
    if (b->release != NULL)
        b->release(b->user, (void *)(uintptr_t)b->data, b->size);
    else if (b->owned)
        core_free(context, (void *)(uintptr_t)b->data);
    *b = (blob){0};
}
