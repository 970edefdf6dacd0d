/* constants.c — see constants.h. */
#include "gpu/constants.h"

#include "core/half.h"
#include "gpu/gpu.h"

#include <string.h>

/* Smaller constants stay on the host as well: a buffer each would cost more than it saves. */
enum { LEAST_BYTES = 4096 };

static WGPUBuffer create(gpu_device *d, uint64_t bytes)
{
    return gpu_buffer_create(
        d, bytes, WGPUBufferUsage_Storage | WGPUBufferUsage_CopyDst | WGPUBufferUsage_CopySrc);
}

/* Bytes of any number to a multiple of 4, zeros behind them. */
static void write_bytes(gpu_device *d, WGPUBuffer to, uint64_t at, const void *data, uint64_t bytes)
{
    uint64_t whole = bytes / 4 * 4;
    if (whole != 0)
        GPU_CALL(QueueWriteBuffer)(d->queue, to, at, data, (size_t)whole);
    char tail[4] = {0};
    memcpy(tail, (const char *)data + whole, (size_t)(bytes - whole));
    if (whole != bytes)
        GPU_CALL(QueueWriteBuffer)(d->queue, to, at + whole, tail, 4);
}

static brink_status copy_bytes(gpu_device *d, WGPUBuffer from, uint64_t from_at, WGPUBuffer to,
                               uint64_t to_at, uint64_t bytes)
{
    const gpu_copy copy = {.from = from,
                           .to = to,
                           .from_at = (uint32_t)from_at,
                           .to_at = (uint32_t)to_at,
                           .bytes = (uint32_t)bytes};
    return gpu_device_submit(d, NULL, 0, &copy, 1);
}

static brink_status upload(gpu_device *d, const void *data, uint64_t bytes, WGPUBuffer *out)
{
    *out = create(d, bytes);
    if (*out == NULL)
        return BRINK_OUT_OF_MEMORY;
    write_bytes(d, *out, 0, data, bytes);
    return gpu_device_check(d);
}

static const ir_value *value_of(const plan *p, uint32_t root)
{
    return &p->ir.values[p->tensors[root].value];
}

bool gpu_is_remote(const plan *p, uint32_t root)
{
    return p->tensors[root].place == PLAN_CONST && value_of(p, root)->remote;
}

bool gpu_is_fixed(const plan *p, uint32_t root)
{
    const plan_tensor *t = &p->tensors[root];
    const ir_value *v = value_of(p, root);
    return t->place == PLAN_CONST && v->fixed && (v->remote || t->t.data == v->data);
}

/* ── The lists ── */

static gpu_weight *find(const gpu_weight_list *w, const void *data, uint64_t bytes)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->list[i].data == data && w->list[i].bytes == bytes)
            return &w->list[i];
    return NULL;
}

/* Takes over the buffer, also when it fails. */
static brink_status add(gpu_device *d, gpu_weight_list *w, const gpu_weight *weight)
{
    if (w->count == w->capacity) {
        uint32_t capacity = w->capacity ? 2 * w->capacity : 64;
        gpu_weight *list = core_realloc(d->context, w->list, capacity * sizeof *list);
        if (list == NULL) {
            gpu_buffer_free(d, d->generation, weight->buffer);
            return BRINK_OUT_OF_MEMORY;
        }
        w->list = list;
        w->capacity = capacity;
    }
    w->list[w->count++] = *weight;
    return BRINK_OK;
}

void gpu_weights_free(gpu_device *d, gpu_weights *weights)
{
    gpu_weight_list *lists[] = {&weights->single, &weights->joined};
    for (uint32_t k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < lists[k]->count; i++)
            gpu_buffer_free(d, weights->generation, lists[k]->list[i].buffer);
        core_free(d->context, lists[k]->list);
        *lists[k] = (gpu_weight_list){0};
    }
    weights->generation = d->generation;
}

void gpu_weights_forget(gpu_device *d, gpu_weights *weights, const void *data)
{
    gpu_weight_list *lists[] = {&weights->single, &weights->joined};
    for (uint32_t k = 0; k < 2; k++)
        for (uint32_t i = 0; i < lists[k]->count;) {
            gpu_weight *w = &lists[k]->list[i];
            if (w->data != data) {
                i++;
                continue;
            }
            gpu_buffer_free(d, weights->generation, w->buffer);
            weights->forgotten++;
            *w = lists[k]->list[--lists[k]->count];
        }
}

/* ── Weights as they come ── */

/* Codes, their scales and zero points, in inputs of these numbers. */
static bool is_code_table(const onnx_node *n, uint32_t codes, uint32_t input, const onnx_tensor *w)
{
    int64_t bits = onnx_int(n, ATTR_bits, 4);
    bool product = n->op->id == OP_ms_MatMulNBits_1;
    if (bits != 4 && bits != 8)
        return false;
    if (input == 2)
        return w->type == BRINK_F32 || w->type == BRINK_F16;
    return (input == codes && w->type == BRINK_U8) ||
           (input == 3 && (w->type == BRINK_U8 || (product && w->type == BRINK_F32)));
}

bool gpu_keeps(const gpu_device *d, const onnx_node *n, uint32_t input, const onnx_tensor *w)
{
    bool product = n->op != NULL && n->op->id == OP_ms_MatMulNBits_1;
    if (n->op == NULL || w->bytes < LEAST_BYTES || w->bytes % 4 != 0 || w->offset % 4 != 0 ||
        w->bytes > d->limits.maxBufferSize ||
        (w->bytes > d->limits.maxStorageBufferBindingSize && !product))
        return false;
    bool floats = w->type == BRINK_F32 || w->type == BRINK_F16;
    switch (n->op->id) {
    case OP_ms_MatMulNBits_1:
        return (n->input_count < 5 || n->inputs[4] == ONNX_NONE) && is_code_table(n, 1, input, w);
    case OP_ms_GatherBlockQuantized_1:
        return is_code_table(n, 0, input, w);
    case OP_ms_GroupQueryAttention_1:
        return (input == 7 || input == 8) && w->type == BRINK_F32; /* cosines and sines */
    case OP_onnx_Gather_1:
        return input == 0 && floats;
    case OP_onnx_MatMul_1:
    case OP_onnx_Gemm_1:
        return input == 1 && floats;
    default:
        return false;
    }
}

brink_status gpu_weight_write(gpu_device *d, gpu_weights *weights, const onnx_tensor *w,
                              uint64_t at, const void *data, uint64_t bytes)
{
    if (weights->generation != d->generation)
        gpu_weights_free(d, weights);
    gpu_weight *weight = find(&weights->single, w->data, w->bytes);
    if (weight == NULL) {
        WGPUBuffer buffer = create(d, w->bytes);
        if (buffer == NULL)
            return BRINK_OUT_OF_MEMORY;
        TRY(add(d, &weights->single,
                &(gpu_weight){.data = w->data, .bytes = w->bytes, .buffer = buffer}));
        weight = &weights->single.list[weights->single.count - 1];
    }
    write_bytes(d, weight->buffer, at, data, bytes);
    return gpu_device_check(d);
}

/* ── Binding them ── */

static brink_status find_remote(gpu_program *g, uint32_t root, gpu_weight **out)
{
    *out = find(&g->weights->single, value_of(g->p, root)->data, g->p->tensors[root].bytes);
    if (*out != NULL)
        return BRINK_OK;
    return core_fail(g->d->context, BRINK_DEVICE_FAILED,
                     "%s: the weights were on a GPU that is gone: load the model again",
                     g->p->ir.model->file);
}

/* A buffer of its own for a remote constant. */
static brink_status own_buffer(gpu_program *g, uint32_t root, WGPUBuffer *out)
{
    gpu_weight *w;
    TRY(find_remote(g, root, &w));
    if (w->buffer == NULL) {
        if ((w->buffer = create(g->d, w->bytes)) == NULL)
            return BRINK_OUT_OF_MEMORY;
        TRY(copy_bytes(g->d, w->home, w->home_at, w->buffer, 0, w->bytes));
    }
    w->bound = true;
    *out = w->buffer;
    return BRINK_OK;
}

brink_status gpu_make_room(gpu_program *g, uint32_t root)
{
    plan_tensor *t = &g->p->tensors[root];
    if (t->t.data == value_of(g->p, root)->data)
        t->t.data = arena_alloc(&g->p->ir.memory, t->bytes);
    return t->t.data != NULL ? BRINK_OK : BRINK_OUT_OF_MEMORY;
}

brink_status gpu_constant(gpu_program *g, const tensor *t, gpu_binding *out)
{
    uint32_t root = gpu_root(t);
    const plan_tensor *own = &g->p->tensors[root];
    *out = (gpu_binding){NULL, 0, gpu_whole(own->bytes)};
    if (g->rehearsing)
        return BRINK_OK;
    WGPUBuffer *buffer = &g->constants[root];
    if (*buffer == NULL && gpu_is_remote(g->p, root)) {
        TRY(own_buffer(g, root, buffer));
    } else if (*buffer == NULL && gpu_is_fixed(g->p, root)) {
        gpu_weight_list *list = &g->weights->single;
        const gpu_weight *found = find(list, own->t.data, own->bytes);
        gpu_weight w = {.data = own->t.data, .bytes = own->bytes};
        if (found == NULL) {
            TRY(upload(g->d, w.data, w.bytes, &w.buffer));
            TRY(add(g->d, list, &w));
        }
        *buffer = found != NULL ? found->buffer : w.buffer;
    } else if (*buffer == NULL) {
        TRY(upload(g->d, own->t.data, own->bytes, buffer));
    }
    out->buffer = *buffer;
    return BRINK_OK;
}

/* The parts of a joined constant into its buffer: from the host or from where they are on the GPU,
   which they leave if nothing has bound them there. */
static brink_status fill_joined(gpu_program *g, const tensor *const *list, uint32_t count,
                                WGPUBuffer to)
{
    for (uint64_t i = 0, at = 0; i < count; i++) {
        uint32_t root = gpu_root(list[i]);
        const plan_tensor *t = &g->p->tensors[root];
        if (!gpu_is_remote(g->p, root)) {
            write_bytes(g->d, to, at, t->t.data, t->bytes);
        } else {
            gpu_weight *w;
            TRY(find_remote(g, root, &w));
            TRY(copy_bytes(g->d, w->buffer != NULL ? w->buffer : w->home,
                           w->buffer != NULL ? 0 : w->home_at, to, at, t->bytes));
            if (!w->bound) {
                gpu_buffer_release(g->d, g->generation, w->buffer);
                w->buffer = NULL;
                w->home = to;
                w->home_at = at;
            }
        }
        at += t->bytes;
    }
    return gpu_device_check(g->d);
}

/* Copies on the GPU take places that are multiples of 4: other parts meet on the host. */
static brink_status join(gpu_program *g, const tensor *const *list, uint32_t count, uint64_t bytes,
                         WGPUBuffer to)
{
    bool whole = true, remote = false;
    for (uint32_t i = 0; i < count; i++) {
        whole &= g->p->tensors[gpu_root(list[i])].bytes % 4 == 0;
        remote |= gpu_is_remote(g->p, gpu_root(list[i]));
    }
    if (whole)
        return fill_joined(g, list, count, to);
    if (remote)
        return core_fail(g->d->context, BRINK_UNSUPPORTED,
                         "%s: weights that are not whole words cannot be joined on the GPU",
                         g->p->ir.model->file);
    char *all = core_alloc(g->d->context, bytes);
    if (all == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint64_t i = 0, at = 0; i < count; i++) {
        const plan_tensor *t = &g->p->tensors[gpu_root(list[i])];
        memcpy(all + at, t->t.data, (size_t)t->bytes);
        at += t->bytes;
    }
    write_bytes(g->d, to, 0, all, bytes);
    core_free(g->d->context, all);
    return gpu_device_check(g->d);
}

brink_status gpu_joined(gpu_program *g, const tensor *const *list, uint32_t count, gpu_binding *out)
{
    *out = (gpu_binding){0};
    if (count == 1)
        return gpu_constant(g, list[0], out);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t root = gpu_root(list[i]);
        if (!gpu_is_fixed(g->p, root))
            return BRINK_OK;
        bytes += g->p->tensors[root].bytes;
    }
    *out = (gpu_binding){NULL, 0, gpu_whole(bytes)};
    if (g->rehearsing)
        return BRINK_OK;
    const void *name = value_of(g->p, gpu_root(list[0]))->data;
    gpu_weight_list *joined = &g->weights->joined;
    const gpu_weight *found = find(joined, name, bytes);
    if (found == NULL) {
        const gpu_weight w = {.data = name, .bytes = bytes, .buffer = create(g->d, bytes)};
        if (w.buffer == NULL)
            return BRINK_OUT_OF_MEMORY;
        TRY(add(g->d, joined, &w)); /* first, since parts may move there */
        brink_status status = join(g, list, count, bytes, w.buffer);
        gpu_weight *made = &joined->list[joined->count - 1];
        if (status != BRINK_OK) {
            made->data = NULL; /* not to be found again */
            return status;
        }
        found = made;
    }
    out->buffer = found->buffer;
    return BRINK_OK;
}
