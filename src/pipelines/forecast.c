/* forecast.c — what a model would take on a GPU, and what of it the CPU would compute beside it.

   The plans are those that a run or a session makes, built without weights. A session keeps a plan for
   each size of chunk, with memory of its own; weights are shared by all. */
#include "cpu/cpu.h"
#include "pipelines/session.h"

#include <string.h>

/* By operator: nodes on the CPU, of several plans in the one that has most. */
typedef struct tally {
    uint32_t now[OP_COUNT], most[OP_COUNT];
    const char *names[OP_COUNT]; /* of the first node */
} tally;

static void tally_node(tally *t, op_id op, const char *name)
{
    if (t->names[op] == NULL)
        t->names[op] = name != NULL ? name : "";
    if (++t->now[op] > t->most[op])
        t->most[op] = t->now[op];
}

static void tally_graph(tally *t, const onnx_graph *g)
{
    for (uint32_t i = 0; i < g->node_count; i++) {
        const onnx_node *n = &g->nodes[i];
        if (n->op != NULL && n->op->cpu && !n->op->gpu)
            tally_node(t, n->op->id, n->name);
        for (uint32_t k = 0; k < n->attr_count; k++)
            if (n->attrs[k].kind == ATTR_KIND_GRAPH)
                tally_graph(t, n->attrs[k].graph);
    }
}

static brink_status list_ops(brink_model *m, const tally *t)
{
    if (m->cpu_ops == NULL)
        m->cpu_ops = ARENA_ARRAY(&m->memory, brink_cpu_op, OP_COUNT);
    m->cpu_op_count = 0;
    if (m->cpu_ops == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < OP_COUNT; i++)
        if (t->most[i] != 0)
            m->cpu_ops[m->cpu_op_count++] =
                (brink_cpu_op){op_table[i].domain, op_table[i].name, t->most[i], t->names[i]};
    return BRINK_OK;
}

uint32_t brink_model_cpu_op_count(const brink_model *m)
{
    return m->cpu_op_count;
}

void brink_model_cpu_op(const brink_model *m, uint32_t index, brink_cpu_op *out)
{
    *out = m->cpu_ops[index];
}

#ifdef BRINK_GPU

#include "gpu/gpu.h"

typedef struct request {
    const brink_dim *dims;
    uint32_t dim_count, tokens;
    const executor *planner;
    bool *resident; /* by input: the cache of a session; NULL: none */
    bool rehearse;  /* and begin to compile what they need */
} request;

/* Adds a plan for `chunk` tokens, or for the run. */
static brink_status add_plan(brink_model *m, const request *r, uint32_t chunk, tally *t,
                             brink_plan_memory *out)
{
    plan p = {0};
    plan_desc desc;
    gpu_forecast f = {0};
    TRY(ir_init(m->context, &m->onnx, m->onnx.graph, &cpu_kernels, &p.ir));
    brink_status status = model_plan_desc(m, r->dims, r->dim_count, r->tokens, chunk, &p, &desc);
    desc.executor = r->planner;
    desc.resident_inputs = r->resident;
    if (chunk == 1)
        desc.last_row_output = IR_NONE;
    if (status == BRINK_OK)
        status = plan_build(&p, &desc);
    if (status == BRINK_OK)
        status = gpu_forecast_plan(&p, &f);
    if (status == BRINK_OK && r->resident != NULL && (f.refused || !session_in_place(m, &p)))
        status = core_fail(m->context, BRINK_UNSUPPORTED,
                           "%s: a step on the CPU needs the cache, so a session stays there",
                           m->onnx.file);
    if (status == BRINK_OK && r->rehearse && !f.refused)
        status = gpu_rehearse(&p, chunk != 0 ? chunk : 1,
                              chunk != 1 ? NULL
                                         : &(plan_repeat){.ids = p.inputs[m->decoder.input_ids],
                                                          .logits = p.outputs[m->decoder.logits]});
    memset(t->now, 0, sizeof t->now);
    for (uint32_t k = 0; status == BRINK_OK && k < p.step_count; k++)
        if (!p.steps[k].away)
            tally_node(t, p.steps[k].op, p.steps[k].args.node->name);
    out->weights = out->weights < f.weights ? f.weights : out->weights;
    out->derived += f.derived;
    out->scratch += f.scratch;
    plan_free(&p);
    return status;
}

static brink_status add_plans(brink_model *m, request *r, tally *t, brink_plan_memory *out)
{
    if (!model_plans_session(m, r->dim_count))
        return add_plan(m, r, 0, t, out);
    r->resident =
        core_calloc(m->context, (uint64_t)m->onnx.graph->input_count + 1, sizeof *r->resident);
    if (r->resident == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < m->decoder.slot_count; i++)
        r->resident[m->decoder.slots[i].input] = true;
    out->cache = model_cache_bytes(m, r->tokens);
    brink_status status = BRINK_OK;
    for (uint32_t i = 0, chunk; status == BRINK_OK && (chunk = session_chunk(i, true)) != 0; i++)
        if (chunk <= r->tokens)
            status = add_plan(m, r, chunk, t, out);
    core_free(m->context, r->resident);
    return status;
}

static brink_status forecast(brink_model *m, request *r, tally *t, brink_plan_memory *out)
{
    executor *planner;
    TRY(gpu_planner_create(m->context, &planner));
    r->planner = planner;
    brink_status status = add_plans(m, r, t, out);
    gpu_executor_free(planner);
    out->peak = out->weights + out->derived + out->cache + out->scratch;
    return status;
}

void model_rehearse(brink_model *m)
{
    enum { TOKENS = 512 }; /* the longest chunk */
    if (m->context->gpu == NULL || m->context->gpu->state != GPU_OPEN)
        return; /* a planner of its own compiles nothing */
    request r = {.tokens = model_tokens(m, TOKENS), .rehearse = true};
    brink_plan_memory unused = {0};
    tally *t = core_calloc(m->context, 1, sizeof *t);
    if (t != NULL)
        forecast(m, &r, t, &unused);
    core_free(m->context, t);
    m->context->error[0] = 0;
}

#else

void model_rehearse(brink_model *m)
{
    (void)m;
}

typedef struct request {
    const brink_dim *dims;
    uint32_t dim_count, tokens;
} request;

static brink_status forecast(brink_model *m, request *r, tally *t, brink_plan_memory *out)
{
    (void)r, (void)t, (void)out;
    return core_fail(m->context, BRINK_UNSUPPORTED, "this build has no GPU backend");
}

#endif

brink_status brink_model_plan_gpu(brink_model *m, const brink_dim *dims, uint32_t dim_count,
                                  uint32_t context, brink_plan_memory *out)
{
    request r = {.dims = dims, .dim_count = dim_count, .tokens = model_tokens(m, context)};
    *out = (brink_plan_memory){0};
    tally *t = core_calloc(m->context, 1, sizeof *t);
    if (t == NULL)
        return BRINK_OUT_OF_MEMORY;
    brink_status status = forecast(m, &r, t, out);
    if (status != BRINK_OK) {
        memset(t, 0, sizeof *t);
        tally_graph(t, m->onnx.graph);
    }
    brink_status listed = list_ops(m, t);
    core_free(m->context, t);
    return status != BRINK_OK ? status : listed;
}
