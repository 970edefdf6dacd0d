/* place.c — where each step of a plan runs, and what is copied between: known without a device.

   Each step is given to the GPU, if its kernel takes the node, or to the CPU, and the list of actions
   says where between them bytes are copied: a value is uploaded before the first GPU step that reads it,
   read back before the first CPU step that does.

   Invariant: of each value the plan computes, either the workspace or the GPU's arena, or both, hold
   its bytes, at the same offset. */
#include "core/half.h"
#include "gpu/constants.h"
#include "gpu/gpu.h"

/* ── Which steps ── */

/* Whether each tensor of a step fits a binding; the products of nbits.c bind their weights in parts. */
static bool fits(const gpu_device *d, const plan_step *s)
{
    bool parts = s->op == OP_ms_MatMulNBits_1 || s->op == OP_brink_MatMulNBitsGroup_1;
    for (uint32_t i = 0; i < s->args.in_count + s->args.out_count; i++) {
        const tensor *t = i < s->args.in_count ? s->args.in[i] : s->args.out[i - s->args.in_count];
        const plan_tensor *own = (const plan_tensor *)t;
        if (t != NULL && own->bytes > d->limits.maxStorageBufferBindingSize &&
            !(parts && own->place == PLAN_CONST))
            return false;
    }
    return true;
}

static bool is_float(const tensor *t)
{
    return t->type == BRINK_F32 || is_half(t->type);
}

/* A step that neither reads nor makes floats (masks, positions, codes) runs where its inputs are made:
   on the CPU, unless one comes from a step on the GPU. */
static bool belongs(const plan *p, uint32_t step)
{
    const kernel_args *a = &p->steps[step].args;
    for (uint32_t i = 0; i < a->in_count; i++)
        if (a->in[i] != NULL && is_float(a->in[i]))
            return true;
    for (uint32_t i = 0; i < a->out_count; i++)
        if (a->out[i] != NULL && is_float(a->out[i]))
            return true;
    for (uint32_t i = 0; i < a->in_count; i++)
        for (uint32_t k = step; a->in[i] != NULL && k-- > 0;)
            for (uint32_t j = 0; j < p->steps[k].args.out_count; j++) {
                const tensor *t = p->steps[k].args.out[j];
                if (p->steps[k].away && t != NULL && gpu_root(t) == gpu_root(a->in[i]))
                    return true;
            }
    return false;
}

bool gpu_takes(const gpu_device *d, const plan *p, uint32_t step)
{
    const plan_step *s = &p->steps[step];
    gpu_kernel_fn kernel = gpu_kernels[s->op];
    return kernel != NULL && fits(d, s) && kernel(NULL, &s->args) == BRINK_OK && belongs(p, step);
}

/* Inputs that a kernel reads on the host while it encodes: lengths, indices, axes. */
static uint32_t host_inputs(op_id op)
{
    switch (op) {
    case OP_ms_GroupQueryAttention_1:
        return 1u << 5 | 1u << 6;
    case OP_onnx_Slice_1:
        return 15u << 1;
    case OP_onnx_Expand_8:
    case OP_onnx_Split_1:
    case OP_onnx_Tile_6:
    case OP_onnx_Trilu_14:
    case OP_ms_Trilu_1:
    case OP_onnx_CenterCropPad_18:
        return 1u << 1;
    case OP_onnx_Pad_2:
    case OP_ms_Pad_1:
    case OP_onnx_Resize_10:
    case OP_onnx_Upsample_7:
        return 7u << 1;
    default:
        return 0;
    }
}

bool gpu_reads_on_host(op_id op, uint32_t input)
{
    return input < 32 && (host_inputs(op) >> input & 1);
}

/* … and those that it may look at there, and reads on the GPU as well. */
static uint32_t both_inputs(op_id op)
{
    switch (op) {
    case OP_onnx_Gather_1:
    case OP_onnx_GatherElements_11:
    case OP_onnx_GatherND_11:
    case OP_ms_GatherND_1:
    case OP_ms_RotaryEmbedding_1:
        return 1u << 1;
    case OP_onnx_RotaryEmbedding_23:
        return 1u << 3;
    default:
        return 0;
    }
}

bool gpu_looks_at(op_id op, uint32_t input)
{
    return input < 32 && ((host_inputs(op) | both_inputs(op)) >> input & 1);
}

/* ── The list of actions ── */

static void act(gpu_program *g, gpu_action_kind kind, uint32_t index)
{
    g->actions[g->action_count++] = (gpu_action){kind, index};
}

static brink_status list(gpu_program *g, bool *host, bool *device)
{
    plan *p = g->p;
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        device[i] = p->tensors[i].resident;
        if (gpu_is_remote(p, i))
            continue;
        host[i] = !device[i] &&
                  (p->tensors[i].place == PLAN_EXTERNAL || p->tensors[i].place == PLAN_CONST);
    }
    for (uint32_t i = 0; i < p->fill_count; i++)
        host[p->fills[i]] = true;
    for (uint32_t k = 0; k < p->step_count; k++) {
        const plan_step *s = &p->steps[k];
        for (uint32_t i = 0; i < s->args.in_count; i++) {
            const tensor *t = s->args.in[i];
            if (t == NULL)
                continue;
            uint32_t root = gpu_root(t);
            bool away = s->away && !gpu_reads_on_host(s->op, i);
            bool *there = away ? device : host;
            if (away && gpu_looks_at(s->op, i) && !host[root]) {
                act(g, GPU_DOWNLOAD, root);
                host[root] = true;
            }
            if (away && p->tensors[root].place == PLAN_CONST)
                continue; /* uploaded when first bound */
            if (!there[root] && p->tensors[root].resident) {
                return core_fail(g->d->context, BRINK_UNSUPPORTED,
                                 "%s: %s reads the cache, and has no GPU kernel for it",
                                 p->ir.model->file, s->args.node->type);
            } else if (!there[root]) {
                if (gpu_is_remote(p, root))
                    TRY(gpu_make_room(g, root));
                act(g, away ? GPU_UPLOAD : GPU_DOWNLOAD, root);
                there[root] = true;
            }
        }
        act(g, s->away ? GPU_RUN : GPU_RUN_CPU, k);
        for (uint32_t i = 0; i < s->args.out_count; i++) {
            if (s->args.out[i] == NULL)
                continue;
            uint32_t root = gpu_root(s->args.out[i]);
            if (p->tensors[root].resident && !s->away)
                return core_fail(g->d->context, BRINK_UNSUPPORTED,
                                 "%s: %s writes the cache, and has no GPU kernel for it",
                                 p->ir.model->file, s->args.node->type);
            device[root] = s->away;
            host[root] = !s->away;
        }
    }
    for (uint32_t i = 0; i < p->ir.output_count; i++) {
        uint32_t root = p->tensors[p->outputs[i]].root;
        if (!host[root] && !p->tensors[root].resident)
            act(g, GPU_DOWNLOAD, root);
        host[root] = true;
    }
    return BRINK_OK;
}

brink_status gpu_list_actions(gpu_program *g)
{
    brink_context *context = g->d->context;
    const plan *p = g->p;
    uint64_t reads = p->ir.output_count + 1, count = (uint64_t)p->tensor_count + 1;
    for (uint32_t k = 0; k < p->step_count; k++)
        reads += p->steps[k].args.in_count + 1;
    g->actions = core_calloc(context, reads, sizeof *g->actions);
    bool *valid = core_calloc(context, 2 * count, sizeof *valid);
    brink_status status = BRINK_OUT_OF_MEMORY;
    if (g->actions != NULL && valid != NULL)
        status = list(g, valid, valid + count);
    core_free(context, valid);
    return status;
}

/* ── The arena ── */

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + GPU_ALIGN - 1) / GPU_ALIGN * GPU_ALIGN;
}

brink_status gpu_lay_out(gpu_program *g)
{
    const plan *p = g->p;
    g->offsets = core_calloc(g->d->context, (uint64_t)p->tensor_count + 1, sizeof *g->offsets);
    if (g->offsets == NULL)
        return BRINK_OUT_OF_MEMORY;
    g->arena_bytes = aligned(p->arena_bytes) + GPU_ALIGN;
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        const plan_tensor *t = &p->tensors[i];
        g->offsets[i] = t->offset;
        if (t->place == PLAN_EXTERNAL && t->root == i && !t->resident) {
            g->offsets[i] = g->arena_bytes;
            g->arena_bytes += aligned(t->bytes + 1); /* a place even where it is empty */
        }
    }
    return BRINK_OK;
}

uint64_t gpu_arena_size(const gpu_program *g)
{
    return g->arena_bytes + GPU_BINDINGS * GPU_ALIGN;
}
