/* context.h — what every part of the engine shares: error text, counted memory, worker threads.

   Invariant: each byte taken by core_alloc is counted in `live` until core_free, so that the
   budget holds and a leak shows as live > 0 when the context is destroyed. Memory and error text are
   the only parts that the pool's threads may touch while they work: `lock` is for them. */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include "brink.h"

#include <stdarg.h>
#include <stdatomic.h>

typedef struct thread_pool thread_pool;

struct brink_context {
    brink_context_desc desc;
    thread_pool *pool;
    struct gpu_device *gpu; /* NULL: none is open */
    void (*gpu_close)(struct gpu_device *gpu);
    brink_memory memory;
    brink_memory gpu_memory;  /* of buffers there; the budget is for both together */
    uint64_t fail_allocation; /* test hook: the n-th allocation from now fails; 0: none */
    atomic_flag lock;
    char error[512];
};

/* Records the text and returns `status`, so that a failure is one statement. */
brink_status core_fail(brink_context *context, brink_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the recorded text. */
void core_error_prefix(brink_context *context, const char *prefix);

/* Memory aligned to 64 bytes; NULL when the system or the budget has no room (records the error).
   A size of 0 gives a valid pointer. */
void *core_alloc(brink_context *context, uint64_t size);
void *core_calloc(brink_context *context, uint64_t count, uint64_t size);

/* Keeps the first min(old, new) bytes; on failure the old block stays as it was. */
void *core_realloc(brink_context *context, void *data, uint64_t size);
void core_free(brink_context *context, void *data);

/* Monotonic nanoseconds. */
uint64_t core_now(void);

/* a*b and a+b; false when the result does not fit. */
static inline bool core_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool core_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Returns from the calling function unless `call` succeeds. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        brink_status try_status_ = (call);                                                         \
        if (try_status_ != BRINK_OK)                                                               \
            return try_status_;                                                                    \
    } while (0)

#endif
