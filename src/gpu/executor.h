/* executor.h — the GPU as a plan's executor: what its files share. */
#ifndef GPU_EXECUTOR_H
#define GPU_EXECUTOR_H

#include "gpu/constants.h"

typedef struct gpu_executor {
    executor base;
    gpu_device *d;
    gpu_device *own; /* a planner's, where none was open */
    gpu_weights weights;
} gpu_executor;

/* The device was lost. */
static inline brink_status gpu_dead(const gpu_device *d)
{
    return core_fail(d->context, BRINK_DEVICE_FAILED, "gpu %s: the device was lost", d->name);
}

/* See executor in plan.h: memory_create and what follows it. */
void *gpu_memory_create(const executor *base, uint64_t bytes);
void gpu_memory_free(const executor *base, void *memory);
brink_status gpu_memory_copy(const executor *base, void *to, uint64_t to_row, const void *from,
                             uint64_t from_row, uint64_t rows, uint64_t bytes);
brink_status gpu_memory_write(const executor *base, void *to, uint64_t to_row, const void *from,
                              uint64_t rows, uint64_t bytes);
brink_status gpu_memory_read(const executor *base, void *to, const void *from, uint64_t from_row,
                             uint64_t rows, uint64_t bytes, uint64_t deadline, void **read);
void gpu_memory_unread(const executor *base, void *read);

#endif
