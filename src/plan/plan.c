/* plan.c — tensors, steps and memory of a resolved graph; see plan.h.

   Half-precision values become f32 tensors here: the CPU computes in f32 (see graph/kernel.h), and
   constants are widened once unless the kernel takes them as they are. From one computation to the
   next they keep f32's precision; where elements are moved (transposed, sliced, joined to a cache),
   the places where a half-precision engine stores them, they are rounded to their type. onnxruntime
   rounds at the same places, so that published tolerances hold. */
#include "plan/plan.h"

#include "core/half.h"
#include "graph/passes.h"
#include "plan/layout.h"
#include "plan/together.h"

#include <string.h>

typedef struct builder {
    plan *p;
    arena work;
    uint32_t *tensor_of; /* by value: index + 1 */
    uint32_t *wide_of;   /* by value: the f32 copy of a half constant, index + 1 */
    uint32_t capacity;
    const plan_desc *desc;
} builder;

/* Largest size the tensor can take. */
static brink_status upper_bytes(const plan *p, const plan_tensor *t, uint64_t *bytes)
{
    const ir_value *v = &p->ir.values[t->value];
    uint64_t count = 1;
    for (uint32_t i = 0; i < v->rank; i++) {
        int64_t high = expr_high(&p->ir.exprs, v->dims[i]);
        if (high < 0)
            high = 0;
        if (!core_mul(count, (uint64_t)high, &count))
            count = UINT64_MAX;
    }
    if (count == UINT64_MAX || !onnx_type_bytes(t->t.type, count, bytes))
        return core_fail(p->ir.context, BRINK_OUT_OF_MEMORY,
                         "%s: value %s would take more memory than can be addressed",
                         p->ir.model->file, v->name);
    return BRINK_OK;
}

static brink_status add_tensor(builder *b, uint32_t value, uint32_t *out)
{
    plan *p = b->p;
    if (p->tensor_count == b->capacity) {
        uint32_t capacity = b->capacity ? b->capacity * 2 : 256;
        plan_tensor *tensors = ARENA_ARRAY(&p->ir.memory, plan_tensor, capacity);
        if (tensors == NULL)
            return BRINK_OUT_OF_MEMORY;
        if (p->tensor_count != 0)
            memcpy(tensors, p->tensors, p->tensor_count * sizeof *tensors);
        p->tensors = tensors;
        b->capacity = capacity;
    }
    const ir_value *v = &p->ir.values[value];
    plan_tensor t = {.value = value,
                     .root = p->tensor_count,
                     .place = PLAN_ARENA,
                     .first = UINT32_MAX,
                     .rounded = v->kind != IR_TEMP};
    t.t.type = v->type;
    t.t.rank = v->rank;
    if (v->kind == IR_CONST) {
        t.place = PLAN_CONST;
        t.t.data = (void *)(uintptr_t)v->data;
    } else if (is_half(v->type)) {
        t.t.type = BRINK_F32;
    }
    for (uint32_t i = 0; i < v->rank; i++)
        expr_known(&p->ir.exprs, v->dims[i], &t.t.dims[i]);
    TRY(upper_bytes(p, &t, &t.bytes));
    p->tensors[p->tensor_count] = t;
    *out = p->tensor_count++;
    return BRINK_OK;
}

static brink_status tensor_for(builder *b, uint32_t value, uint32_t *out)
{
    if (b->tensor_of[value] == 0) {
        TRY(add_tensor(b, value, out));
        b->tensor_of[value] = *out + 1;
    }
    *out = b->tensor_of[value] - 1;
    return BRINK_OK;
}

/* The f32 copy of a half-precision constant. */
static brink_status wide_for(builder *b, uint32_t value, uint32_t *out)
{
    plan *p = b->p;
    if (b->wide_of[value] == 0) {
        TRY(add_tensor(b, value, out));
        plan_tensor *t = &p->tensors[*out];
        uint64_t count = t->bytes / 2;
        if (!b->desc->no_data) {
            float *wide = arena_array(&p->ir.memory, count + 1, sizeof *wide);
            if (wide == NULL)
                return BRINK_OUT_OF_MEMORY;
            half_widen(t->t.type, t->t.data, count, wide);
            t->t.data = wide;
        }
        t->t.type = BRINK_F32;
        t->bytes = count * 4;
        p->derived_bytes += t->bytes;
        b->wide_of[value] = *out + 1;
    }
    *out = b->wide_of[value] - 1;
    return BRINK_OK;
}

/* The tensor that input i of a node reads, IR_NONE where it reads none. */
static brink_status input_tensor(builder *b, const ir_node *n, uint32_t i, uint32_t *out)
{
    plan *p = b->p;
    *out = IR_NONE;
    if (n->inputs[i] == IR_NONE)
        return BRINK_OK;
    const ir_value *v = &p->ir.values[n->inputs[i]];
    bool shape_only = i < 8 && (n->op->flags & OP_SHAPE(i));
    if (v->kind == IR_CONST) {
        if (v->data == NULL && !b->desc->no_data)
            return core_fail(p->ir.context, BRINK_BAD_INPUT, "%s: the data of %s was not loaded",
                             p->ir.model->file, v->name);
        bool takes_half = v->lora != 0 || (i < 8 && (n->op->flags & OP_HALF(i)));
        return is_half(v->type) && !takes_half ? wide_for(b, n->inputs[i], out)
                                               : tensor_for(b, n->inputs[i], out);
    }
    if (shape_only)
        return BRINK_OK;
    return tensor_for(b, n->inputs[i], out);
}

/* Whether this movement is where a computed half-precision value is first stored. */
static brink_type rounding(const plan *p, const ir_node *n, const uint32_t *uses,
                           const uint32_t *outs)
{
    if (!(n->op->flags & OP_ANY) || n->output_count == 0 || outs[0] == IR_NONE)
        return BRINK_UNDEFINED;
    brink_type type = p->ir.values[n->outputs[0]].type;
    if (!is_half(type))
        return BRINK_UNDEFINED;
    for (uint32_t i = 0; i < n->input_count; i++) {
        const plan_tensor *t = uses[i] == IR_NONE ? NULL : &p->tensors[uses[i]];
        if (t != NULL && is_half(p->ir.values[t->value].type) && !p->tensors[t->root].rounded)
            return type;
    }
    return BRINK_UNDEFINED;
}

/* One step, or none when the node is a view. */
static brink_status add_step(builder *b, const ir_node *n, uint32_t *uses)
{
    plan *p = b->p;
    uint32_t step = p->step_count;
    for (uint32_t i = 0; i < n->input_count; i++)
        TRY(input_tensor(b, n, i, &uses[i]));
    bool view = (n->op->flags & OP_VIEW) != 0;
    for (uint32_t i = 0; i < n->input_count; i++)
        if (uses[i] != IR_NONE && !view)
            p->tensors[p->tensors[uses[i]].root].last = step;
    uint32_t *outs = uses + n->input_count;
    for (uint32_t i = 0; i < n->output_count; i++) {
        outs[i] = IR_NONE;
        if (n->outputs[i] == ONNX_NONE)
            continue;
        TRY(tensor_for(b, n->outputs[i], &outs[i]));
        plan_tensor *t = &p->tensors[outs[i]];
        if (view && i == 0) {
            t->root = p->tensors[uses[0]].root;
            t->place = p->tensors[t->root].place;
            t->t.data = p->tensors[uses[0]].t.data;
            if (t->place == PLAN_CONST)
                t->t.type = p->tensors[uses[0]].t.type;
        } else if (t->first == UINT32_MAX) {
            t->first = t->last = step;
        }
    }
    if (view)
        return BRINK_OK;
    plan_step *s = &p->steps[p->step_count++];
    const tensor **in = ARENA_ARRAY(&p->ir.memory, const tensor *, (uint64_t)n->input_count + 1);
    tensor **out = ARENA_ARRAY(&p->ir.memory, tensor *, (uint64_t)n->output_count + 1);
    if (in == NULL || out == NULL)
        return BRINK_OUT_OF_MEMORY;
    /* Indices for now: the tensor array may still move. See link_steps. */
    for (uint32_t i = 0; i < n->input_count; i++)
        in[i] = (const tensor *)(uintptr_t)(uses[i] == IR_NONE ? 0 : uses[i] + 1);
    for (uint32_t i = 0; i < n->output_count; i++)
        out[i] = (tensor *)(uintptr_t)(outs[i] == IR_NONE ? 0 : outs[i] + 1);
    s->op = n->op->id;
    s->kernel = p->ir.kernels->kernels[n->op->id];
    s->prepare = p->ir.kernels->prepare[n->op->id];
    s->round = rounding(p, n, uses, outs);
    for (uint32_t i = 0; i < n->output_count; i++)
        if (outs[i] != IR_NONE)
            p->tensors[outs[i]].rounded = (n->op->flags & OP_ANY) != 0;
    s->args = (kernel_args){.context = p->ir.context,
                            .file = p->ir.model->file,
                            .node = n->source,
                            .in = in,
                            .out = out,
                            .in_count = n->input_count,
                            .out_count = n->output_count,
                            .exact = b->desc->exact,
                            .rows_apart = b->desc->rows_apart};
    return BRINK_OK;
}

static void link_steps(plan *p)
{
    for (uint32_t k = 0; k < p->step_count; k++) {
        kernel_args *a = &p->steps[k].args;
        const tensor **in = (const tensor **)(uintptr_t)a->in;
        tensor **out = (tensor **)(uintptr_t)a->out;
        for (uint32_t i = 0; i < a->in_count; i++)
            in[i] = in[i] ? &p->tensors[(uintptr_t)in[i] - 1].t : NULL;
        for (uint32_t i = 0; i < a->out_count; i++)
            out[i] = out[i] ? &p->tensors[(uintptr_t)out[i] - 1].t : NULL;
    }
}

static brink_status pack_step(const plan *p, plan_step *s)
{
    packing *store = p->ir.model->packing;
    bool fixed = s->prepare != NULL && store != NULL &&
                 !s->away; /* what is only this plan's is not to be found by others */
    for (uint32_t i = 0; fixed && i < s->args.in_count; i++) {
        const plan_tensor *t = (const plan_tensor *)s->args.in[i];
        const ir_value *v = t == NULL ? NULL : &p->ir.values[t->value];
        fixed = t == NULL || t->place != PLAN_CONST || (v->fixed && !v->remote);
    }
    return fixed ? s->prepare(&s->args, store, &s->args.packed) : BRINK_OK;
}

/* Weights into the form their kernels read, unless an earlier plan has done it. */
static brink_status pack_weights(const builder *b)
{
    for (uint32_t k = 0; !b->desc->no_data && k < b->p->step_count; k++)
        TRY(pack_step(b->p, &b->p->steps[k]));
    return BRINK_OK;
}

/* Graph inputs and outputs: their tensors, and which of them the caller places. */
static brink_status bind_ends(builder *b)
{
    plan *p = b->p;
    const onnx_graph *graph = p->ir.graph;
    for (uint32_t i = 0; i < graph->input_count; i++) {
        uint32_t value = graph->inputs[i];
        p->inputs[i] = IR_NONE;
        if (p->ir.values[value].kind != IR_INPUT)
            continue;
        TRY(tensor_for(b, value, &p->inputs[i]));
        p->tensors[p->inputs[i]].place = PLAN_EXTERNAL;
        p->tensors[p->inputs[i]].resident =
            b->desc->resident_inputs != NULL && b->desc->resident_inputs[i];
    }
    return BRINK_OK;
}

static brink_status bind_outputs(builder *b)
{
    plan *p = b->p;
    for (uint32_t i = 0; i < p->ir.output_count; i++) {
        const ir_value *v = &p->ir.values[p->ir.outputs[i]];
        if (v->kind == IR_CONST && v->data == NULL && !b->desc->no_data)
            return core_fail(p->ir.context, BRINK_BAD_INPUT, "%s: the data of %s was not loaded",
                             p->ir.model->file, v->name);
        TRY(tensor_for(b, p->ir.outputs[i], &p->outputs[i]));
        plan_tensor *t = &p->tensors[p->outputs[i]];
        p->tensors[t->root].last = UINT32_MAX;
        if (b->desc->external_outputs != NULL && b->desc->external_outputs[i] &&
            t->root == p->outputs[i] && t->place == PLAN_ARENA && v->symbolic == NULL) {
            t->place = PLAN_EXTERNAL;
            t->resident = b->desc->resident_inputs != NULL;
        }
    }
    return BRINK_OK;
}

/* Which tensors change with the symbols, and which are written from expressions. */
static brink_status find_running(plan *p)
{
    p->running = ARENA_ARRAY(&p->ir.memory, uint32_t, (uint64_t)p->tensor_count + 1);
    p->fills = ARENA_ARRAY(&p->ir.memory, uint32_t, (uint64_t)p->tensor_count + 1);
    if (p->running == NULL || p->fills == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        plan_tensor *t = &p->tensors[i];
        const ir_value *v = &p->ir.values[t->value];
        bool running = false;
        for (uint32_t k = 0; k < v->rank; k++)
            running |= !expr_known(&p->ir.exprs, v->dims[k], NULL);
        if (running)
            p->running[p->running_count++] = i;
        if (v->kind == IR_TEMP && v->symbolic != NULL) {
            p->fills[p->fill_count++] = i;
            t->root = i;
            t->place = PLAN_ARENA;
            t->first = 0;
            t->last = UINT32_MAX;
        }
    }
    return BRINK_OK;
}

brink_status plan_build(plan *p, const plan_desc *desc)
{
    builder b = {.p = p, .desc = desc};
    ir_graph *g = &p->ir;
    g->known = desc->known;
    g->segmented = desc->segmented;
    TRY(ir_resolve(g, desc->inputs));
    TRY(passes_run(g, &(passes_desc){.plain = desc->plain || g->model->all_values,
                                     .last_row_output = desc->last_row_output,
                                     .last_row = desc->last_row,
                                     .lora = desc->lora,
                                     .away = desc->executor != NULL}));
    arena_init(&b.work, g->context);
    uint32_t most = 1;
    for (uint32_t i = 0; i < g->node_count; i++) {
        uint32_t n = g->nodes[i].input_count + g->nodes[i].output_count;
        most = n > most ? n : most;
    }
    b.tensor_of = ARENA_ARRAY(&b.work, uint32_t, g->value_count);
    b.wide_of = ARENA_ARRAY(&b.work, uint32_t, g->value_count);
    uint32_t *uses = ARENA_ARRAY(&b.work, uint32_t, most);
    p->steps = ARENA_ARRAY(&g->memory, plan_step, (uint64_t)g->node_count + 1);
    p->inputs = ARENA_ARRAY(&g->memory, uint32_t, (uint64_t)g->graph->input_count + 1);
    p->outputs = ARENA_ARRAY(&g->memory, uint32_t, (uint64_t)g->output_count + 1);
    p->exact = desc->exact;
    brink_status status = BRINK_OUT_OF_MEMORY;
    if (!b.tensor_of || !b.wide_of || !uses || !p->steps || !p->inputs || !p->outputs)
        goto done;
    status = bind_ends(&b);
    for (uint32_t i = 0; i < g->node_count && status == BRINK_OK; i++)
        if (!g->nodes[i].dead)
            status = add_step(&b, &g->nodes[i], uses);
    if (status == BRINK_OK)
        status = bind_outputs(&b);
    if (status != BRINK_OK)
        goto done;
    status = BRINK_OUT_OF_MEMORY;
    p->expr_values = ARENA_ARRAY(&g->memory, int64_t, (uint64_t)g->exprs.count + 1);
    if (p->expr_values == NULL)
        goto done;
    link_steps(p);
    p->executor = desc->executor;
    status = p->executor != NULL ? p->executor->place(p->executor, p) : BRINK_OK;
    if (status == BRINK_OK)
        status = pack_weights(&b);
    if (status == BRINK_OK)
        status = find_running(p);
    if (status == BRINK_OK)
        status = plan_layout(p);
    if (status == BRINK_OK)
        together_mark(p);
    if (status == BRINK_OK && p->executor != NULL && !desc->no_data)
        status = p->executor->prepare(p->executor, p);
    p->derived_bytes += g->derived_bytes;
done:
    arena_free(&b.work);
    return status;
}

static bool is_changed(const plan *p, const plan_step *s)
{
    for (uint32_t i = 0; i < s->args.in_count; i++) {
        const plan_tensor *t = (const plan_tensor *)s->args.in[i];
        if (t != NULL && p->ir.values[t->value].lora != 0)
            return true;
    }
    return false;
}

brink_status plan_set_lora(plan *p, const lora *l)
{
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        ir_value *v = &p->ir.values[p->tensors[i].value];
        if (v->lora == 0)
            continue;
        const lora_entry *e = &l->entries[(v->lora - 1) / 2];
        v->data = v->lora % 2 == 1 ? e->down : e->up;
        p->tensors[i].t.data = (void *)(uintptr_t)v->data;
    }
    if (p->prepared != NULL)
        p->executor->rebind(p);
    for (uint32_t k = 0; k < p->step_count; k++)
        if (is_changed(p, &p->steps[k]))
            TRY(pack_step(p, &p->steps[k]));
    return BRINK_OK;
}

void plan_free(plan *p)
{
    if (p->prepared != NULL)
        p->executor->release(p);
    ir_free(&p->ir);
}

brink_status plan_output(const plan *p, uint32_t k, brink_tensor *out)
{
    const tensor *t = &p->tensors[p->outputs[k]].t;
    const ir_value *v = &p->ir.values[p->ir.outputs[k]];
    *out = (brink_tensor){.name = p->ir.values[p->ir.output_names[k]].name,
                          .type = v->type,
                          .rank = t->rank,
                          .data = t->type == v->type ? t->data : NULL};
    memcpy(out->shape, t->dims, sizeof out->shape);
    if (onnx_type_bytes(v->type, (uint64_t)tensor_count(t), &out->bytes))
        return BRINK_OK;
    return core_fail(p->ir.context, BRINK_UNSUPPORTED, "%s: output %s is of a type without a size",
                     p->ir.model->file, out->name);
}

void plan_copy_output(const plan *p, uint32_t k, void *to)
{
    const tensor *t = &p->tensors[p->outputs[k]].t;
    brink_type type = p->ir.values[p->ir.outputs[k]].type;
    uint64_t count = (uint64_t)tensor_count(t), bytes = 0;
    if (t->type != type)
        half_narrow(type, t->data, count, to);
    else if (onnx_type_bytes(type, count, &bytes) && bytes != 0)
        memcpy(to, t->data, (size_t)bytes);
}

void plan_external(plan *p, uint32_t tensor_index, void *data, int64_t capacity)
{
    if (tensor_index == IR_NONE || p->tensors[tensor_index].place != PLAN_EXTERNAL)
        return;
    p->tensors[tensor_index].t.data = data;
    p->tensors[tensor_index].t.capacity = capacity;
}
