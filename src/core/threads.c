/* threads.c — the pool: pieces of a range, claimed with one atomic word.

   `ticket` holds the job's number in its high half and the pieces not yet claimed in its low half. A
   thread reads the ticket, then the job's fields, then claims by compare-and-swap; if that succeeds
   the job was not complete, so the fields it read were that job's. A thread that comes late finds
   zero pieces left and goes back to waiting. Completion counts pieces, not threads: in the browser
   the caller may work before its workers have arrived.

   Idle threads watch the ticket for some microseconds, then sleep until `wake` changes.

   Invariant: the job's fields are written only while the ticket shows no unclaimed piece and
   `pending` is zero. */
#include "core/threads.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__wasm__)
#if defined(__wasm_atomics__)
#define POOL_WORKERS 1
#else
#define POOL_WORKERS 0
#endif
#else
#define POOL_WORKERS 1
#include <pthread.h>
#include <unistd.h>
#if defined(__linux__)
#include <sched.h>
#endif
#endif

enum {
    MAX_THREADS = 256,
#if defined(__wasm__) /* without a pause: about a nanosecond each */
    SPIN_IDLE = 60000,
    SPIN_DONE = 400000
#else
    SPIN_IDLE = 1500, /* pauses of 10 to 40 ns before a worker sleeps */
    SPIN_DONE = 20000 /* and before the caller does                   */
#endif
};

struct thread_pool {
    uint32_t size; /* threads that compute, the caller's included */
    _Atomic(thread_range_fn) fn;
    _Atomic(void *) arg;
    _Atomic int64_t count, grain;
    _Atomic uint32_t pieces;
    _Alignas(64) _Atomic uint64_t ticket;
    _Alignas(64) _Atomic uint32_t pending; /* pieces not yet finished */
    _Alignas(64) _Atomic uint32_t wake;    /* changes with each job   */
    _Atomic uint32_t sleepers;
    _Atomic uint32_t caller_sleeps;
    _Atomic uint32_t stop;
    _Atomic uint32_t inside; /* threads in worker_loop */
#if !defined(__wasm__)
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t started;
    pthread_t threads[MAX_THREADS];
#endif
};

uint32_t thread_pool_size(const thread_pool *pool)
{
    return pool->size;
}

#if POOL_WORKERS

static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#if defined(__wasm__)
static void park(thread_pool *pool, _Atomic uint32_t *word, uint32_t seen)
{
    (void)pool;
    __builtin_wasm_memory_atomic_wait32((int32_t *)(void *)word, (int32_t)seen, -1);
}
static void unpark(thread_pool *pool, _Atomic uint32_t *word)
{
    (void)pool;
    __builtin_wasm_memory_atomic_notify((int32_t *)(void *)word, UINT32_MAX);
}
#else
/* Sleeps unless *word already differs from `seen`; may wake for no reason. */
static void park(thread_pool *pool, _Atomic uint32_t *word, uint32_t seen)
{
    pthread_mutex_lock(&pool->mutex);
    if (atomic_load(word) == seen)
        pthread_cond_wait(&pool->changed, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}
static void unpark(thread_pool *pool, _Atomic uint32_t *word)
{
    (void)word;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}
#endif

/* Claims and works until no piece is left. */
static void work(thread_pool *pool, uint32_t thread)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    while ((uint32_t)ticket != 0) {
        thread_range_fn fn = atomic_load_explicit(&pool->fn, memory_order_relaxed);
        void *arg = atomic_load_explicit(&pool->arg, memory_order_relaxed);
        int64_t count = atomic_load_explicit(&pool->count, memory_order_relaxed);
        int64_t grain = atomic_load_explicit(&pool->grain, memory_order_relaxed);
        uint32_t pieces = atomic_load_explicit(&pool->pieces, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket - 1))
            continue;
        int64_t begin = (int64_t)(pieces - (uint32_t)ticket) * grain, end = begin + grain;
        fn(arg, begin, end < count ? end : count, thread);
        if (atomic_fetch_sub(&pool->pending, 1) == 1 && atomic_load(&pool->caller_sleeps) != 0)
            unpark(pool, &pool->pending);
        ticket = atomic_load(&pool->ticket);
    }
}

static void worker_loop(thread_pool *pool, uint32_t thread)
{
    while (atomic_load(&pool->stop) == 0) {
        uint32_t seen = atomic_load(&pool->wake);
        work(pool, thread);
        for (int i = 0; i < SPIN_IDLE && atomic_load(&pool->wake) == seen; i++)
            spin_pause();
        if (atomic_load(&pool->wake) != seen)
            continue;
        atomic_fetch_add(&pool->sleepers, 1);
        if (atomic_load(&pool->wake) == seen)
            park(pool, &pool->wake, seen);
        atomic_fetch_sub(&pool->sleepers, 1);
    }
}

static void wake_workers(thread_pool *pool)
{
    atomic_fetch_add(&pool->wake, 1);
    if (atomic_load(&pool->sleepers) != 0)
        unpark(pool, &pool->wake);
}

static void wait_done(thread_pool *pool)
{
    for (int i = 0; i < SPIN_DONE; i++) {
        if (atomic_load(&pool->pending) == 0)
            return;
        spin_pause();
    }
    atomic_store(&pool->caller_sleeps, 1);
    for (uint32_t left; (left = atomic_load(&pool->pending)) != 0;)
        park(pool, &pool->pending, left);
    atomic_store(&pool->caller_sleeps, 0);
}

void thread_for(thread_pool *pool, int64_t count, int64_t grain, thread_range_fn fn, void *arg)
{
    if (count <= 0)
        return;
    if (grain < 1)
        grain = 1;
    if (count / grain >= INT32_MAX)
        grain = count / INT32_MAX + 1;
    uint32_t pieces = (uint32_t)((count - 1) / grain + 1);
    bool within = atomic_load(&pool->pending) != 0; /* a piece of another range calls */
    if (pieces == 1 || pool->size == 1 || within) {
        fn(arg, 0, count, 0);
        return;
    }
    atomic_store_explicit(&pool->fn, fn, memory_order_relaxed);
    atomic_store_explicit(&pool->arg, arg, memory_order_relaxed);
    atomic_store_explicit(&pool->count, count, memory_order_relaxed);
    atomic_store_explicit(&pool->grain, grain, memory_order_relaxed);
    atomic_store_explicit(&pool->pieces, pieces, memory_order_relaxed);
    atomic_store(&pool->pending, pieces);
    uint64_t number = (atomic_load(&pool->ticket) >> 32) + 1;
    atomic_store(&pool->ticket, number << 32 | pieces);
    wake_workers(pool);
    work(pool, 0);
    wait_done(pool);
}

#else

void thread_for(thread_pool *pool, int64_t count, int64_t grain, thread_range_fn fn, void *arg)
{
    (void)pool, (void)grain;
    if (count > 0)
        fn(arg, 0, count, 0);
}

#endif

#if defined(__wasm__) && POOL_WORKERS

/* The pool that workers join: the first context's. */
static _Atomic(thread_pool *) shared_pool;

/* What a worker of the page calls once, with its number from 1 on; returns when the pool ends. */
__attribute__((export_name("brink_worker_main"))) void brink_worker_main(uint32_t index);
void brink_worker_main(uint32_t index)
{
    thread_pool *pool = atomic_load(&shared_pool);
    if (pool == NULL || index == 0 || index >= pool->size)
        return;
    atomic_fetch_add(&pool->inside, 1);
    worker_loop(pool, index);
    atomic_fetch_sub(&pool->inside, 1);
}

static void start_workers(thread_pool *pool)
{
    thread_pool *none = NULL;
    atomic_compare_exchange_strong(&shared_pool, &none, pool);
}

static void stop_workers(thread_pool *pool)
{
    thread_pool *mine = pool;
    if (!atomic_compare_exchange_strong(&shared_pool, &mine, NULL))
        return;
    while (atomic_load(&pool->inside) != 0)
        wake_workers(pool);
}

static uint32_t default_threads(void)
{
    return 1;
}

#elif POOL_WORKERS

static void *worker_thread(void *arg)
{
    thread_pool *pool = arg;
    worker_loop(pool, atomic_fetch_add(&pool->inside, 1) + 1);
    return NULL;
}

static void start_workers(thread_pool *pool)
{
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    uint32_t wanted = pool->size - 1;
    while (pool->started < wanted &&
           pthread_create(&pool->threads[pool->started], NULL, worker_thread, pool) == 0)
        pool->started++;
    pool->size = pool->started + 1; /* fewer threads only make it slower */
}

static void stop_workers(thread_pool *pool)
{
    wake_workers(pool);
    for (uint32_t i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
}

static uint32_t default_threads(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (uint32_t)CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : (uint32_t)online;
}

#else

static void start_workers(thread_pool *pool)
{
    pool->size = 1;
}

static void stop_workers(thread_pool *pool)
{
    (void)pool;
}

static uint32_t default_threads(void)
{
    return 1;
}

#endif

thread_pool *thread_pool_create(brink_context *context, uint32_t threads)
{
    thread_pool *pool = core_calloc(context, 1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    if (threads == 0)
        threads = default_threads();
    pool->size = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
    start_workers(pool);
    return pool;
}

void thread_pool_destroy(brink_context *context, thread_pool *pool)
{
    if (pool == NULL)
        return;
    atomic_store(&pool->stop, 1);
    stop_workers(pool);
    core_free(context, pool);
}
