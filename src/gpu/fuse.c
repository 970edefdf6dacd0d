/* fuse.c — which steps a block-quantised product of one row does with its own.

   A decoder's step is bound by the number of its dispatches, and between its products stand norms with
   residual sums and gates, each small. row_nbits.wgsl computes them before and behind the product. The
   steps stay in the plan, absorbed: what they would have written nobody else reads, but for the sum of
   a norm with skip, which is written later than the plan says, before its first reader.

   Invariant: what an absorbed step reads lives as long as the product that reads it in its stead, and
   what it writes lives from that product on. */
#include "cpu/loops.h"
#include "gpu/nbits.h"

typedef struct finder {
    gpu_program *g;
    plan *p;
    uint32_t *readers; /* by root: inputs that read it, outputs of the graph count twice */
    uint32_t *writer;  /* by root: the last step that writes it, IR_NONE */
} finder;

static plan_tensor *root_of(const finder *f, const tensor *t)
{
    return &f->p->tensors[gpu_root(t)];
}

/* A value of one row of n that the plan computes, or its caller gives, in the arena. */
static bool is_row(const finder *f, const tensor *t, int64_t n)
{
    if (!gpu_is_f32(t) || tensor_count(t) != n)
        return false;
    const plan_tensor *root = root_of(f, t);
    return root->place != PLAN_CONST && !root->resident;
}

static bool is_scale(const finder *f, const tensor *t, int64_t n)
{
    return gpu_is_f32(t) && tensor_count(t) == n && root_of(f, t)->place == PLAN_CONST;
}

/* The step that makes t for one reader alone. */
static const plan_step *maker(const finder *f, const tensor *t)
{
    uint32_t root = gpu_root(t), at = f->writer[root];
    if (f->readers[root] != 1 || at == IR_NONE || !f->p->steps[at].away || f->g->absorbed[at])
        return NULL;
    return &f->p->steps[at];
}

static bool is_plain_norm(op_id op)
{
    return op == OP_onnx_SimplifiedLayerNormalization_1 ||
           op == OP_ms_SimplifiedLayerNormalization_1 || op == OP_onnx_RMSNormalization_23;
}

/* Whether a step is an RMSNorm of rows of n. */
static bool is_norm(const finder *f, const plan_step *s, int64_t n)
{
    const kernel_args *a = &s->args;
    bool plain = is_plain_norm(s->op);
    uint32_t axis;
    if ((!plain && s->op != OP_ms_SkipSimplifiedLayerNormalization_1) || kernel_out(a, 1) != NULL ||
        kernel_out(a, 2) != NULL || !is_row(f, a->in[0], n) || !is_row(f, a->out[0], n))
        return false;
    if (!plain)
        return is_row(f, a->in[1], n) && is_scale(f, a->in[2], n) && kernel_in(a, 3) == NULL;
    return is_scale(f, a->in[1], n) &&
           axis_wrap(onnx_int(a->node, ATTR_axis, -1), a->in[0]->rank, &axis) &&
           dims_product(a->in[0], axis, a->in[0]->rank) == n;
}

/* Whether all that read t stand behind step k. */
static bool read_after(const finder *f, const tensor *t, uint32_t k)
{
    for (uint32_t i = 0; i <= k; i++) {
        const kernel_args *a = &f->p->steps[i].args;
        for (uint32_t j = 0; j < a->in_count; j++)
            if (a->in[j] != NULL && gpu_root(a->in[j]) == gpu_root(t))
                return false;
    }
    return true;
}

static void keep_until(const finder *f, const tensor *t, uint32_t k)
{
    plan_tensor *root = root_of(f, t);
    if (root->last < k)
        root->last = k;
}

static void absorb(const finder *f, const plan_step *s, uint32_t k)
{
    for (uint32_t i = 0; i < s->args.in_count; i++)
        if (s->args.in[i] != NULL)
            keep_until(f, s->args.in[i], k);
    f->g->absorbed[s - f->p->steps] = true;
}

static void fuse_norm(const finder *f, uint32_t k, const gpu_nbits *p)
{
    gpu_fusion *fusion = &f->g->fusions[k];
    const plan_step *s = maker(f, p->x);
    if (s == NULL || !is_norm(f, s, p->k))
        return;
    const kernel_args *a = &s->args;
    bool skips = !is_plain_norm(s->op);
    if (skips && kernel_out(a, 3) != NULL &&
        (!is_row(f, a->out[3], p->k) || !read_after(f, a->out[3], k)))
        return;
    fusion->norm = a;
    absorb(f, s, k);
    for (uint32_t i = 0; skips && i < 2 && fusion->pre == NULL; i++) {
        const plan_step *pre = maker(f, a->in[i]);
        if (pre != NULL && is_plain_norm(pre->op) && is_norm(f, pre, p->k)) {
            fusion->pre = &pre->args;
            absorb(f, pre, k);
        }
    }
}

/* An attention of one row may leave its result in parts, which the product joins. */
static void fuse_attention(const finder *f, uint32_t k, const gpu_nbits *p)
{
    const plan_step *s = maker(f, p->x);
    if (s == NULL || s->op != OP_ms_GroupQueryAttention_1 || !is_row(f, p->x, p->k))
        return;
    f->g->fusions[k].attention = &s->args;
    f->g->fusions[s - f->p->steps].product = k + 1;
}

/* ── An adapter's changes ── */

/* The step that changes a product's result, which nothing else reads. */
static const plan_step *change_of(const finder *f, uint32_t k, const gpu_nbits *p, uint32_t part)
{
    uint32_t made = gpu_root(p->parts[part].out);
    for (uint32_t c = k + 1; f->readers[made] == 1 && c < f->p->step_count; c++) {
        const plan_step *s = &f->p->steps[c];
        const kernel_args *a = &s->args;
        if (s->op == OP_brink_Lora_1 && gpu_root(a->in[0]) == made)
            return s->away && gpu_root(a->in[1]) == gpu_root(p->x) &&
                           is_row(f, a->out[0], p->parts[part].n)
                       ? s
                       : NULL;
    }
    return NULL;
}

/* All of a product's changes or none, where the kernel has bindings left for their matrices. Results
   are then those of the changes. */
static void fuse_lora(const finder *f, uint32_t k, gpu_nbits *p)
{
    const plan_step *found[GPU_NBITS_PARTS];
    for (uint32_t i = 0; i < p->count; i++) {
        found[i] = change_of(f, k, p, i);
        if (found[i] == NULL || found[i]->args.in[2]->dims[0] != found[0]->args.in[2]->dims[0])
            return;
    }
    if (found[0]->args.in[2]->dims[0] > GPU_LORA_RANK || p->k % 8 != 0 ||
        (p->parts[0].zero != NULL && p->parts[0].bias != NULL))
        return;
    for (uint32_t i = 0; i < p->count; i++) {
        const kernel_args *a = &found[i]->args;
        f->g->fusions[k].lora[i] = a;
        f->g->absorbed[found[i] - f->p->steps] = true;
        f->readers[gpu_root(p->x)]--;
        for (uint32_t j = 0; j < 2; j++) {
            plan_tensor *out = root_of(f, a->out[j]);
            out->first = out->first > k ? k : out->first;
        }
        p->parts[i].out = a->out[0];
    }
}

/* Two products of one width whose results meet in a chain, and nowhere else. */
static void fuse_gate(const finder *f, uint32_t k, const gpu_nbits *p)
{
    const plan *plan_ = f->p;
    if (p->count != 2 || p->parts[0].n != p->parts[1].n)
        return;
    uint32_t first = gpu_root(p->parts[0].out), second = gpu_root(p->parts[1].out);
    for (uint32_t c = k + 1; c < plan_->step_count; c++) {
        const plan_step *s = &plan_->steps[c];
        const kernel_args *a = &s->args;
        if (s->op != OP_brink_Elementwise_1 || a->in_count != 2)
            continue;
        uint32_t x = gpu_root(a->in[0]), y = gpu_root(a->in[1]);
        bool swapped = x == second && y == first;
        if (!swapped && (x != first || y != second))
            continue;
        const onnx_attr *steps = onnx_find(a->node, ATTR_steps);
        /* An operand may be read by several steps of the chain, but is one input. */
        if (!s->away || f->readers[x] != 1 || f->readers[y] != 1 ||
            !is_row(f, a->in[0], p->parts[0].n) || !is_row(f, a->in[1], p->parts[0].n) ||
            !is_row(f, a->out[0], p->parts[0].n) || steps == NULL)
            return;
        f->g->fusions[k].gate = a;
        f->g->fusions[k].swapped = swapped;
        f->g->absorbed[c] = true;
        plan_tensor *out = root_of(f, a->out[0]);
        out->first = out->first > k ? k : out->first;
        return;
    }
}

void gpu_fuse(gpu_program *g)
{
    plan *p = g->p;
    arena work;
    arena_init(&work, g->d->context);
    finder f = {.g = g, .p = p};
    f.readers = ARENA_ARRAY(&work, uint32_t, (uint64_t)p->tensor_count + 1);
    f.writer = ARENA_ARRAY(&work, uint32_t, (uint64_t)p->tensor_count + 1);
    if (f.readers == NULL || f.writer == NULL) { /* it is but an optimisation */
        arena_free(&work);
        return;
    }
    for (uint32_t i = 0; i < p->tensor_count; i++)
        f.writer[i] = IR_NONE;
    for (uint32_t k = 0; k < p->step_count; k++) {
        const kernel_args *a = &p->steps[k].args;
        for (uint32_t i = 0; i < a->in_count; i++)
            if (a->in[i] != NULL)
                f.readers[gpu_root(a->in[i])]++;
        for (uint32_t i = 0; i < a->out_count; i++)
            if (a->out[i] != NULL)
                f.writer[gpu_root(a->out[i])] = k;
    }
    for (uint32_t i = 0; i < p->ir.output_count; i++)
        if (p->outputs[i] != IR_NONE)
            f.readers[p->tensors[p->outputs[i]].root] += 2;
    for (uint32_t k = 0; k < p->step_count; k++) {
        gpu_nbits product;
        if (!p->steps[k].away || !gpu_nbits_read(&p->steps[k], &product) ||
            !gpu_row_takes(g, &product))
            continue;
        fuse_lora(&f, k, &product);
        fuse_norm(&f, k, &product);
        fuse_gate(&f, k, &product);
        if (f.g->fusions[k].norm == NULL)
            fuse_attention(&f, k, &product);
    }
    arena_free(&work);
}
