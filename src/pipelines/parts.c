/* parts.c — see parts.h.

   A tensor is left to the executor if nothing but nodes of the main graph read it, or a view of it, and
   the executor says of each of them that it can. What else is in the file goes to memory. */
#include "pipelines/parts.h"

#include "pipelines/identity.h"

#include <string.h>

/* ── What is left to the executor ── */

typedef struct reads {
    const brink_model *m;
    uint32_t *whose;    /* by value: the value that it is, or is a view of */
    bool *here, *there; /* by value: has to be on the host; some node reads it on the GPU */
} reads;

static void read_here(void *arg, uint32_t value)
{
    const reads *r = arg;
    r->here[r->whose[value]] = true;
}

static const onnx_tensor *external_of(const reads *r, uint32_t value)
{
    const onnx_tensor *w = r->m->onnx.values[r->whose[value]].initial;
    return w != NULL && w->external != NULL ? w : NULL;
}

static void note_reads(const reads *r, const onnx_node *n)
{
    const executor *e = r->m->executor;
    for (uint32_t i = 0; i < n->attr_count; i++)
        if (n->attrs[i].kind == ATTR_KIND_GRAPH) {
            ir_each_read(n, read_here, (void *)(uintptr_t)r);
            return;
        }
    for (uint32_t i = 0; i < n->input_count; i++) {
        uint32_t value = n->inputs[i];
        const onnx_tensor *w = value == ONNX_NONE ? NULL : external_of(r, value);
        if (w == NULL)
            continue;
        if (i == 0 && n->op != NULL && (n->op->flags & OP_VIEW) && n->output_count == 1)
            r->whose[n->outputs[0]] = r->whose[value];
        else if (e->keeps(e, n, i, w))
            r->there[r->whose[value]] = true;
        else
            read_here((void *)(uintptr_t)r, value);
    }
}

static void mark_remote(brink_model *m, const reads *r)
{
    const onnx_graph *graph = m->onnx.graph;
    for (uint32_t i = 0; i < graph->node_count; i++)
        note_reads(r, &graph->nodes[i]);
    for (uint32_t i = 0; i < graph->output_count; i++)
        read_here((void *)(uintptr_t)r, graph->outputs[i]);
    for (uint32_t v = 0; v < m->onnx.value_count; v++)
        if (r->there[v] && !r->here[v])
            ((onnx_tensor *)(uintptr_t)m->onnx.values[v].initial)->remote = true;
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++)
        if (m->onnx.tensors[i]->remote)
            m->externals[m->file_of[i]].in_parts = true;
}

brink_status parts_find(brink_model *m)
{
    uint64_t count = m->onnx.value_count;
    if (!m->desc.gpu || m->desc.no_weights || m->desc.all_values || m->context->gpu == NULL ||
        m->external_count == 0)
        return BRINK_OK;
    TRY(model_executor_open(m));
    uint32_t *whose = core_alloc(m->context, (count + 1) * sizeof *whose);
    bool *flags = core_calloc(m->context, 2 * count + 1, sizeof *flags);
    if (whose != NULL && flags != NULL) {
        for (uint32_t v = 0; v < count; v++)
            whose[v] = v;
        mark_remote(m, &(reads){m, whose, flags, flags + count});
    }
    brink_status status = whose != NULL && flags != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
    core_free(m->context, whose);
    core_free(m->context, flags);
    return status;
}

void parts_keep(brink_model *m, uint32_t file)
{
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++)
        if (m->file_of[i] == file)
            m->onnx.tensors[i]->remote = false;
}

/* ── Taking it ── */

brink_want parts_file(const external_file *f)
{
    return (brink_want){.file = f->name, .in_parts = f->in_parts, .least_bytes = f->least_bytes};
}

brink_status parts_check_size(const brink_model *m, uint32_t file, uint64_t size)
{
    const external_file *f = &m->externals[file];
    return size >= f->least_bytes ? BRINK_OK
                                  : core_fail(m->context, BRINK_BAD_INPUT,
                                              "%s: has %llu bytes, but %s needs at least %llu",
                                              f->name, (unsigned long long)size, m->onnx.file,
                                              (unsigned long long)f->least_bytes);
}

/* Where the tensor's bytes go: to memory, or a name that tells the executor's copy from others. One that
   has another's bytes shares them; *shared. */
static brink_status make_place(brink_model *m, uint32_t index, bool *shared)
{
    onnx_tensor *w = m->onnx.tensors[index];
    *shared = false;
    for (uint32_t i = 0; i < index; i++) {
        const onnx_tensor *o = m->onnx.tensors[i];
        if (m->file_of[i] != m->file_of[index] || o->offset != w->offset || o->bytes != w->bytes ||
            o->remote != w->remote)
            continue;
        *shared = true;
        w->data = o->data;
        return BRINK_OK;
    }
    if (w->data == NULL)
        w->data = arena_alloc(&m->memory, w->remote ? 1 : w->bytes + 1);
    return w->data != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

static bool is_lost(const brink_model *m)
{
    return m->executor->generation(m->executor) != m->remote_generation;
}

/* What lies in the part: to the executor, and if `memory`, to memory: then a loss ends nothing. */
static brink_status place(brink_model *m, uint32_t file, uint64_t begin, const char *data,
                          uint64_t size, bool memory)
{
    for (uint32_t i = 0; i < m->onnx.tensor_count; i++) {
        const onnx_tensor *w = m->onnx.tensors[i];
        uint64_t end = begin + size, last = w->offset + w->bytes;
        uint64_t from = w->offset > begin ? w->offset : begin, to = last < end ? last : end;
        bool shared;
        if (m->file_of[i] != file || from > to || (from == to && w->bytes != 0) ||
            (!memory && !w->remote))
            continue;
        TRY(make_place(m, i, &shared));
        if (shared)
            continue;
        uint64_t at = from - w->offset;
        if (!w->remote) {
            memcpy((char *)(uintptr_t)w->data + at, data + (from - begin), (size_t)(to - from));
            continue;
        }
        if (memory)
            m->externals[file].identity +=
                identity_of_bytes(m, i, at, data + (from - begin), to - from);
        if (memory && is_lost(m))
            continue;
        brink_status status =
            m->executor->weight_write(m->executor, w, at, data + (from - begin), to - from);
        status = m->executor->failure(m->executor, status);
        if (status != BRINK_OK && !(memory && status == BRINK_DEVICE_FAILED && is_lost(m)))
            return status;
    }
    return BRINK_OK;
}

static brink_status take(brink_model *m, uint32_t file, uint64_t at, const void *data,
                         uint64_t size, bool memory)
{
    external_file *f = &m->externals[file];
    if (at == 0 && size != 0)
        f->taken = 0; /* from the beginning, perhaps again */
    if (at == 0 && memory)
        f->identity = 0;
    if (at != f->taken || (size != 0 && at % 4 != 0))
        return core_fail(m->context, BRINK_INVALID_ARGUMENT,
                         "%s: a part at %llu, but %llu bytes came before it, in fours", f->name,
                         (unsigned long long)at, (unsigned long long)f->taken);
    if (size == 0)
        return parts_check_size(m, file, at);
    TRY(place(m, file, at, data, size, memory));
    f->taken = at + size;
    return BRINK_OK;
}

void parts_begin(brink_model *m)
{
    m->remote_generation = m->executor->generation(m->executor);
}

brink_status parts_take(brink_model *m, uint32_t file, uint64_t at, const void *data, uint64_t size)
{
    m->remote = true;
    return take(m, file, at, data, size, true);
}

/* ── After a loss ── */

/* The next file that came in parts, from `file` on. */
static uint32_t next_file(const brink_model *m, uint32_t file)
{
    while (file < m->external_count && m->externals[file].data.data != NULL)
        file++;
    return file;
}

brink_status parts_restore(brink_model *m)
{
    if (!m->remote)
        return BRINK_OK;
    if (is_lost(m)) {
        m->remote_generation = m->executor->generation(m->executor);
        m->missing = next_file(m, 0) + 1;
        for (uint32_t i = 0; i < m->external_count; i++)
            m->externals[i].taken = 0;
    }
    return parts_missing(m) ? BRINK_PENDING : BRINK_OK;
}

bool parts_missing(const brink_model *m)
{
    return m->missing != 0;
}

bool parts_want(const brink_model *m, brink_want *want)
{
    if (parts_missing(m))
        *want = parts_file(&m->externals[m->missing - 1]);
    return parts_missing(m);
}

brink_status parts_again(brink_model *m, uint64_t at, const void *data, uint64_t size)
{
    uint32_t file = m->missing - 1;
    if (is_lost(m))
        return core_fail(m->context, BRINK_DEVICE_FAILED, "%s: the GPU was lost again",
                         m->externals[file].name);
    TRY(take(m, file, at, data, size, false));
    if (size == 0) {
        file = next_file(m, file + 1);
        m->missing = file < m->external_count ? file + 1 : 0;
    }
    return BRINK_OK;
}
