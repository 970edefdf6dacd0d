/* threads.h — a pool that splits a range over the context's threads.

   Invariant: thread_for returns only when every index has been worked on; the pool's threads then
   spin briefly and sleep. One thread_for runs at a time (a context is used by one thread); one that is
   called by a piece of another is that piece's work, and calls it thread 0. */
#ifndef CORE_THREADS_H
#define CORE_THREADS_H

#include "core/context.h"

thread_pool *thread_pool_create(brink_context *context, uint32_t threads);
void thread_pool_destroy(brink_context *context, thread_pool *pool);
uint32_t thread_pool_size(const thread_pool *pool);

/* Works on [begin, end) of the range; `thread` counts from 0 to the pool's size. */
typedef void (*thread_range_fn)(void *arg, int64_t begin, int64_t end, uint32_t thread);

/* Splits [0, count) in pieces of `grain` (at least 1), taken by whoever is free. Runs on the
   calling thread alone when there is one piece or one thread. */
void thread_for(thread_pool *pool, int64_t count, int64_t grain, thread_range_fn fn, void *arg);

#endif
