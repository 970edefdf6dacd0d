/* safetensors.h — a file of named tensors in Hugging Face's safetensors format
   (https://huggingface.co/docs/safetensors, "Format").

   Eight bytes say how long a JSON header is; it names each tensor with its type, shape and place among
   the bytes that follow. Nothing in it is trusted.

   Invariant: `data` of a tensor that was listed has `bytes` = elements * the type's size, inside the file. */
#ifndef CORE_SAFETENSORS_H
#define CORE_SAFETENSORS_H

#include "core/arena.h"

typedef struct safetensor {
    const char *name;
    brink_type type; /* BRINK_UNDEFINED: one that the engine has no name for (8-bit floats) */
    uint32_t rank;
    int64_t shape[BRINK_MAX_RANK];
    uint64_t count, bytes;
    const void *data; /* of any alignment */
} safetensor;

typedef struct safetensors {
    uint32_t count;
    safetensor *list; /* in the file's order */
} safetensors;

/* Names and the list lie in `a`, data in the file's bytes. `name` opens errors. */
brink_status safetensors_read(arena *a, const char *name, const void *data, uint64_t size,
                              safetensors *out);

#endif
