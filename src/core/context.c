/* context.c — errors, counted memory and the clock. */
#include "core/context.h"

#include "core/sanitize.h"
#include "core/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ALIGNMENT = 64 };

/* Opens the 64 bytes before each block. */
typedef struct header {
    uint64_t size;
} header;

static header *header_of(void *data)
{
    return (header *)((char *)data - ALIGNMENT);
}

/* Held for a few instructions. */
static void lock(brink_context *context)
{
    while (atomic_flag_test_and_set_explicit(&context->lock, memory_order_acquire))
        ;
}

static void unlock(brink_context *context)
{
    atomic_flag_clear_explicit(&context->lock, memory_order_release);
}

brink_status core_fail(brink_context *context, brink_status status, const char *format, ...)
{
    va_list args;
    lock(context);
    va_start(args, format);
    vsnprintf(context->error, sizeof context->error, format, args);
    va_end(args);
    for (char *c = context->error; *c; c++) /* one line, whatever names a file holds */
        if ((unsigned char)*c < 32 || *c == 127)
            *c = '?';
    unlock(context);
    return status;
}

void core_error_prefix(brink_context *context, const char *prefix)
{
    char text[sizeof context->error];
    memcpy(text, context->error, sizeof text);
    core_fail(context, BRINK_OK, "%s: %s", prefix, text);
}

/* With the lock held; NULL where there is no room, *over says whether in the budget. */
static void *take(brink_context *context, uint64_t size, bool *over)
{
    uint64_t total, budget = context->desc.memory_budget;
    uint64_t held = context->memory.live + context->gpu_memory.live;
    void *base; /* the block ends where the allocation does, so that sanitizers see overruns */
    if (context->fail_allocation != 0 && --context->fail_allocation == 0)
        return NULL;
    if (!core_add(size, ALIGNMENT, &total) || total > SIZE_MAX / 2)
        return NULL;
    *over = budget != 0 && (size > budget || held > budget - size);
    if (*over || posix_memalign(&base, ALIGNMENT, (size_t)total) != 0)
        return NULL;
    char *data = (char *)base + ALIGNMENT;
    header_of(data)->size = size;
    context->memory.live += size;
    if (context->memory.live > context->memory.peak)
        context->memory.peak = context->memory.live;
    return data;
}

void *core_alloc(brink_context *context, uint64_t size)
{
    bool over = false;
    lock(context);
    void *data = take(context, size, &over);
    uint64_t live = context->memory.live, held = live + context->gpu_memory.live;
    unlock(context);
    if (data == NULL && over)
        core_fail(context, BRINK_OUT_OF_MEMORY,
                  "out of memory: %llu bytes asked for, %llu held, the budget is %llu",
                  (unsigned long long)size, (unsigned long long)held,
                  (unsigned long long)context->desc.memory_budget);
    else if (data == NULL)
        core_fail(context, BRINK_OUT_OF_MEMORY, "out of memory: %llu bytes asked for, %llu held",
                  (unsigned long long)size, (unsigned long long)live);
    return data;
}

void *core_calloc(brink_context *context, uint64_t count, uint64_t size)
{
    uint64_t total;
    if (!core_mul(count, size, &total))
        total = UINT64_MAX;
    void *data = core_alloc(context, total);
    if (data != NULL)
        memset(data, 0, (size_t)total);
    return data;
}

void *core_realloc(brink_context *context, void *data, uint64_t size)
{
    void *bigger = core_alloc(context, size);
    if (bigger != NULL && data != NULL) {
        uint64_t old = header_of(data)->size;
        memcpy(bigger, data, (size_t)(old < size ? old : size));
        core_free(context, data);
    }
    return bigger;
}

void core_free(brink_context *context, void *data)
{
    if (data == NULL)
        return;
    header *h = header_of(data);
    lock(context);
    context->memory.live -= h->size;
    unlock(context);
    core_unpoison(data, h->size);
    free(h);
}

uint64_t core_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

brink_status brink_context_create(const brink_context_desc *desc, brink_context **out)
{
    *out = NULL;
    brink_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return BRINK_OUT_OF_MEMORY;
    if (desc != NULL)
        context->desc = *desc;
    context->pool = thread_pool_create(context, context->desc.threads);
    if (context->pool == NULL) {
        free(context);
        return BRINK_OUT_OF_MEMORY;
    }
    *out = context;
    return BRINK_OK;
}

void brink_context_destroy(brink_context *context)
{
    if (context == NULL)
        return;
    if (context->gpu != NULL)
        context->gpu_close(context->gpu);
    thread_pool_destroy(context, context->pool);
    free(context);
}

const char *brink_error(const brink_context *context)
{
    return context->error;
}

uint32_t brink_context_threads(const brink_context *context)
{
    return thread_pool_size(context->pool);
}

brink_memory brink_context_memory(const brink_context *context)
{
    return context->memory;
}

brink_memory brink_context_gpu_memory(const brink_context *context)
{
    return context->gpu_memory;
}

void *brink_alloc(brink_context *context, uint64_t size)
{
    return core_alloc(context, size);
}

void brink_free(brink_context *context, void *data)
{
    core_free(context, data);
}

const char *brink_version(void)
{
    return "0.1.0";
}

const char *brink_status_name(brink_status status)
{
    static const char *const names[] = {
        "BRINK_OK",          "BRINK_PENDING",       "BRINK_INVALID_ARGUMENT", "BRINK_BAD_INPUT",
        "BRINK_UNSUPPORTED", "BRINK_OUT_OF_MEMORY", "BRINK_DEVICE_FAILED",    "BRINK_CANCELLED",
    };
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown status";
}
