/* measure.c — how long dispatches take on the GPU, and what its memory gives a plain copy.

   Natively each dispatch is a pass of its own between two timestamps. Those of browsers are coarse and
   come later: there each dispatch runs many times between two of them before all of them run for good,
   on the arena as it was before. What such a node reads is warm in the cache.

   Invariant: a measured run computes what one that is not measured does. */
#include "gpu/program.h"
#include "gpu/sources.h"

enum { ROUNDS = 8 };

static void count_dispatches(gpu_program *g)
{
    for (uint32_t i = g->submitted; i < g->next; i++)
        g->usage[g->slots[i].step].dispatches++;
}

static void add_times(gpu_program *g, uint32_t first, const uint64_t *ns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        g->usage[g->slots[first + i].step].ns += ns[i];
}

static uint64_t *make_times(const gpu_program *g, uint32_t count)
{
    return core_calloc(g->d->context, (uint64_t)count + 1, sizeof(uint64_t));
}

#ifdef __wasm__

enum { MOST = 2048 /* items: two of the 4096 queries of a set for each */ };

static brink_status copy_arena(gpu_program *g, WGPUBuffer from, WGPUBuffer to)
{
    const gpu_copy copy = {.from = from, .to = to, .bytes = (uint32_t)gpu_arena_size(g)};
    return g->arena != NULL ? gpu_device_submit(g->d, NULL, 0, &copy, 1) : BRINK_OK;
}

static brink_status time_apart(gpu_program *g)
{
    gpu_device *d = g->d;
    if (g->arena != NULL && g->saved == NULL) {
        g->saved = gpu_buffer_create(d, gpu_arena_size(g),
                                     WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc);
        if (g->saved == NULL)
            return BRINK_OUT_OF_MEMORY;
    }
    TRY(copy_arena(g, g->arena, g->saved));
    uint32_t repeats = d->software ? 2 : 128;
    for (uint32_t i = g->submitted; i < g->next; i += MOST)
        gpu_api_time(d->device, d->queue, g->items + i, g->next - i < MOST ? g->next - i : MOST, i,
                     repeats);
    return copy_arena(g, g->saved, g->arena);
}

brink_status gpu_measure(gpu_program *g)
{
    uint32_t count = g->next - g->submitted;
    if (count == 0)
        return BRINK_OK;
    count_dispatches(g);
    if (g->d->timestamps)
        TRY(time_apart(g));
    return gpu_device_submit(g->d, g->items + g->submitted, count, NULL, 0);
}

brink_status gpu_measured(gpu_program *g)
{
    if (!g->d->timestamps || g->next == 0)
        return BRINK_OK;
    TRY(gpu_device_check(g->d));
    uint64_t *ns = make_times(g, g->next);
    if (ns == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool known = gpu_api_times(g->d->device, ns, g->next);
    if (known)
        add_times(g, 0, ns, g->next);
    core_free(g->d->context, ns);
    return known ? BRINK_OK : BRINK_PENDING;
}

#else

brink_status gpu_measure(gpu_program *g)
{
    gpu_device *d = g->d;
    uint32_t count = g->next - g->submitted;
    const gpu_item *items = g->items + g->submitted;
    if (count == 0)
        return BRINK_OK;
    count_dispatches(g);
    if (!d->timestamps)
        return gpu_device_submit(d, items, count, NULL, 0);
    uint64_t *ns = make_times(g, count);
    if (ns == NULL)
        return BRINK_OUT_OF_MEMORY;
    gpu_api_time(d->instance, d->device, d->queue, items, count, ns);
    add_times(g, g->submitted, ns, count);
    core_free(d->context, ns);
    return gpu_device_check(d);
}

brink_status gpu_measured(gpu_program *g)
{
    (void)g;
    return BRINK_OK;
}

#endif

/* ── Bandwidth ── */

struct gpu_probe {
    gpu_program g;
    step_usage usage;
    WGPUBuffer x, y;
    uint64_t bytes;
    uint32_t rounds; /* done */
    bool begun;      /* the next one */
};

void gpu_probe_free(gpu_device *d)
{
    gpu_probe *m = d->probe;
    if (m == NULL)
        return;
    gpu_buffer_free(d, m->g.generation, m->x);
    gpu_buffer_free(d, m->g.generation, m->y);
    gpu_program_drop(&m->g);
    core_free(d->context, m);
    d->probe = NULL;
}

static brink_status probe_create(gpu_device *d)
{
    const WGPUBufferUsage storage = WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst;
    gpu_probe *m = d->probe = core_calloc(d->context, 1, sizeof *m);
    if (m == NULL)
        return BRINK_OUT_OF_MEMORY;
    m->g = (gpu_program){.d = d, .generation = d->generation, .usage = &m->usage};
    m->bytes = d->software ? 8u << 20 : 128u << 20;
    m->x = gpu_buffer_create(d, m->bytes, storage);
    m->y = gpu_buffer_create(d, m->bytes, storage);
    return m->x != NULL && m->y != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

/* A dispatch a round; the last counts, the first ones wake the memory. */
static brink_status probe(gpu_probe *m)
{
    gpu_program *g = &m->g;
    const uint32_t count[4] = {(uint32_t)(m->bytes / 16)};
    for (; m->rounds < ROUNDS; m->rounds++) {
        if (!m->begun) {
            g->submitted = g->next = 0;
            m->usage.ns = 0;
            m->begun = true;
            TRY(gpu_encode(g,
                           &(gpu_dispatch){.head = "",
                                           .body = gpu_source_bandwidth,
                                           .bindings = {{m->y, 0, m->bytes}, {m->x, 0, m->bytes}},
                                           .written = 1,
                                           .count = 2,
                                           .parameters = count,
                                           .bytes = sizeof count,
                                           .groups = (m->bytes / 16 + 255) / 256}));
        }
        TRY(gpu_program_submit(g, NULL, 0));
        TRY(gpu_measured(g));
        m->begun = false;
    }
    return BRINK_OK;
}

brink_status gpu_measure_bandwidth(gpu_device *d)
{
    if (!d->timestamps || d->bandwidth != 0)
        return BRINK_OK;
    brink_status status = d->probe != NULL ? BRINK_OK : probe_create(d);
    if (status == BRINK_OK)
        status = probe(d->probe);
    if (status == BRINK_PENDING)
        return status;
    if (status == BRINK_OK && d->probe->usage.ns != 0)
        d->bandwidth = (uint64_t)(2e9 * (double)d->probe->bytes / (double)d->probe->usage.ns);
    gpu_probe_free(d);
    return status;
}
