/* fuzz.h — what the fuzz targets share: one context for all inputs, and a check that each input
   leaves nothing behind in it. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "core/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

static uint64_t fuzz_idle; /* bytes that a context holds at first */

static inline brink_context *fuzz_context(uint64_t memory_budget)
{
    static brink_context *context;
    brink_context_desc desc = {.threads = 1, .memory_budget = memory_budget};
    if (context == NULL) {
        if (brink_context_create(&desc, &context) != BRINK_OK)
            abort();
        fuzz_idle = context->memory.live;
    }
    return context;
}

/* Every failure has a text. */
static inline void fuzz_text(brink_context *context, brink_status status)
{
    if (status != BRINK_OK && context->error[0] == 0) {
        fprintf(stderr, "%s without a text\n", brink_status_name(status));
        abort();
    }
    context->error[0] = 0;
}

/* Everything was given back. */
static inline void fuzz_end(brink_context *context)
{
    if (context->memory.live != fuzz_idle) {
        fprintf(stderr, "%llu bytes are still held\n",
                (unsigned long long)(context->memory.live - fuzz_idle));
        abort();
    }
}

/* The part before the first NUL, and what follows it. */
static inline size_t fuzz_split(const uint8_t *data, size_t size, const char **rest, size_t *left)
{
    const uint8_t *nul = size != 0 ? memchr(data, 0, size) : NULL;
    size_t first = nul != NULL ? (size_t)(nul - data) : size;
    *rest = nul != NULL ? (const char *)nul + 1 : "";
    *left = nul != NULL ? size - first - 1 : 0;
    return first;
}

#endif
