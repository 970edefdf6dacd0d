/* measure.c — the bandwidth that a device's memory gives a plain copy, for comparing others with. */
#include "gpu/program.h"
#include "gpu/sources.h"

enum { ROUNDS = 8 };

static brink_status copies(gpu_program *g, uint64_t bytes)
{
    gpu_device *d = g->d;
    const WGPUBufferUsage storage = WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst;
    WGPUBuffer x = gpu_buffer_create(d, bytes, storage), y = gpu_buffer_create(d, bytes, storage);
    step_usage usage = {0};
    const uint32_t count[4] = {(uint32_t)(bytes / 16)};
    brink_status status = x == NULL || y == NULL ? BRINK_OUT_OF_MEMORY : BRINK_OK;
    for (uint32_t i = 0; i < ROUNDS && status == BRINK_OK; i++) {
        usage.ns = 0; /* the last counts: the first ones wake the memory */
        g->usage = &usage;
        status = gpu_encode(g, &(gpu_dispatch){.head = "",
                                               .body = gpu_source_bandwidth,
                                               .bindings = {{y, 0, bytes}, {x, 0, bytes}},
                                               .written = 1,
                                               .count = 2,
                                               .parameters = count,
                                               .bytes = sizeof count,
                                               .groups = (bytes / 16 + 255) / 256});
        if (status == BRINK_OK)
            status = gpu_program_submit(g, NULL, 0);
    }
    if (usage.ns != 0)
        d->bandwidth = (uint64_t)(2e9 * (double)bytes / (double)usage.ns);
    gpu_buffer_free(d, g->generation, x);
    gpu_buffer_free(d, g->generation, y);
    return status;
}

brink_status gpu_measure_bandwidth(gpu_device *d)
{
#ifdef __wasm__ /* whose timestamps are coarse */
    (void)copies, (void)d;
    return BRINK_OK;
#else
    uint64_t most = d->software ? 8u << 20 : 128u << 20;
    if (!d->timestamps)
        return BRINK_OK;
    gpu_program g = {.d = d, .generation = d->generation};
    brink_status status = copies(&g, most);
    gpu_program_drop(&g);
    return status;
#endif
}
