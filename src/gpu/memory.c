/* memory.c — memory on the GPU that stays between runs: a session's cache.

   Reading goes by way of a buffer that can be mapped: a copy on the queue, behind all that was submitted
   before, then a wait for the mapping. */
#include "gpu/executor.h"

#include <string.h>

typedef struct gpu_read {
    uint32_t generation;
    WGPUBuffer staging;
    gpu_ticket *mapped;
} gpu_read;

void *gpu_memory_create(const executor *base, uint64_t bytes)
{
    gpu_device *d = ((const gpu_executor *)base)->d;
    gpu_memory *m = core_alloc(d->context, sizeof *m);
    if (m == NULL)
        return NULL;
    m->bytes = gpu_whole(bytes);
    m->generation = d->generation;
    m->buffer = gpu_buffer_create(
        d, m->bytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc);
    if (m->buffer != NULL)
        return m;
    core_free(d->context, m);
    return NULL;
}

void gpu_memory_free(const executor *base, void *memory)
{
    gpu_memory *m = memory;
    if (m == NULL)
        return;
    gpu_device *d = ((const gpu_executor *)base)->d;
    gpu_buffer_free(d, m->generation, m->buffer);
    core_free(d->context, m);
}

brink_status gpu_memory_copy(const executor *base, void *to, uint64_t to_row, const void *from,
                             uint64_t from_row, uint64_t rows, uint64_t bytes)
{
    gpu_device *d = ((const gpu_executor *)base)->d;
    if (bytes == 0)
        return BRINK_OK;
    if (((const gpu_memory *)from)->generation != d->generation ||
        ((gpu_memory *)to)->generation != d->generation)
        return gpu_dead(d);
    for (uint64_t i = 0; i < rows;) {
        gpu_copy copies[64];
        uint32_t count = 0;
        for (; count < 64 && i < rows; i++)
            copies[count++] = (gpu_copy){.from = ((const gpu_memory *)from)->buffer,
                                         .to = ((gpu_memory *)to)->buffer,
                                         .from_at = (uint32_t)(i * from_row),
                                         .to_at = (uint32_t)(i * to_row),
                                         .bytes = (uint32_t)bytes};
        TRY(gpu_device_submit(d, NULL, 0, copies, count));
    }
    return BRINK_OK;
}

static bool is_dead(const gpu_device *d, const gpu_memory *m)
{
    return m->generation != d->generation || d->state != GPU_OPEN;
}

brink_status gpu_memory_write(const executor *base, void *to, uint64_t to_row, const void *from,
                              uint64_t rows, uint64_t bytes)
{
    gpu_device *d = ((const gpu_executor *)base)->d;
    const gpu_memory *m = to;
    if (is_dead(d, m))
        return gpu_dead(d);
    for (uint64_t i = 0; i < rows && bytes != 0; i++)
        GPU_CALL(QueueWriteBuffer)
    (d->queue, m->buffer, i * to_row, (const char *)from + i * bytes, (size_t)bytes);
    return gpu_device_check(d);
}

static brink_status begin_read(gpu_device *d, const gpu_memory *m, uint64_t from_row, uint64_t rows,
                               uint64_t bytes, gpu_read **out)
{
    gpu_read *r = core_calloc(d->context, 1, sizeof *r);
    if (r == NULL)
        return BRINK_OUT_OF_MEMORY;
    *out = r;
    r->generation = d->generation;
    r->staging =
        gpu_buffer_create(d, rows * bytes, WGPUBufferUsage_MapRead | WGPUBufferUsage_CopyDst);
    if (r->staging == NULL)
        return BRINK_OUT_OF_MEMORY;
    gpu_memory staging = {.generation = d->generation, .buffer = r->staging};
    const gpu_executor view = {.d = d};
    TRY(gpu_memory_copy(&view.base, &staging, bytes, m, from_row, rows, bytes));
    r->mapped = gpu_map(d, r->staging, rows * bytes);
    return r->mapped != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

brink_status gpu_memory_read(const executor *base, void *to, const void *from, uint64_t from_row,
                             uint64_t rows, uint64_t bytes, uint64_t deadline, void **read)
{
    gpu_device *d = ((const gpu_executor *)base)->d;
    gpu_read *r = *read;
    if (rows * bytes == 0)
        return BRINK_OK;
    if (is_dead(d, from))
        return gpu_dead(d);
    if (r == NULL) {
        brink_status status = begin_read(d, from, from_row, rows, bytes, &r);
        *read = r;
        TRY(status);
    }
    TRY(gpu_wait(d, r->mapped, deadline));
    const void *bytes_there = gpu_mapped(d, r->staging, rows * bytes);
    if (bytes_there == NULL)
        return gpu_device_gone(d, "a session's cache could not be read back");
    memcpy(to, bytes_there, (size_t)(rows * bytes));
    gpu_memory_unread(base, r);
    *read = NULL;
    return BRINK_OK;
}

void gpu_memory_unread(const executor *base, void *read)
{
    gpu_device *d = ((const gpu_executor *)base)->d;
    gpu_read *r = read;
    if (r == NULL)
        return;
    gpu_ticket_drop(r->mapped);
    gpu_buffer_free(d, r->generation, r->staging);
    core_free(d->context, r);
}
