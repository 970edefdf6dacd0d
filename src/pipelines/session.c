/* session.c — see session.h. */
#include "pipelines/session.h"

#include "cpu/cpu.h"
#include "pipelines/parts.h"

#include <string.h>

/* The last is that of SESSION_DRAFT. */
static const uint32_t chunk_sizes[SESSION_PLANS] = {1, 8, 32, 128, 512, 8};

enum { FIRST_CAPACITY = 64, DEFAULT_CONTEXT = 2048 };

static uint64_t slot_bytes(const cache_slot *s, uint32_t rows)
{
    return (uint64_t)s->heads * rows * (uint64_t)s->width * sizeof(float);
}

static void drop_usage(brink_session *s)
{
    s->used_steps = 0;
    core_free(s->model->context, s->usage);
    s->usage = NULL;
}

static void drop_set(plan_set *set)
{
    for (uint32_t i = 0; i < SESSION_PLANS; i++) {
        if (set->plans[i].built)
            plan_free(&set->plans[i].plan);
        set->plans[i] = (step_plan){0};
    }
}

static void drop_plans(brink_session *s)
{
    drop_usage(s);
    for (uint32_t i = 0; i < PLAN_SETS; i++)
        drop_set(&s->sets[i]);
}

/* The set for plans of this structure, its matrices yet to come; one long unused is given up for it. */
static brink_status find_set(brink_session *s, const lora *l, plan_set **out)
{
    plan_set *set = *out = &s->sets[0];
    if (l == NULL)
        return BRINK_OK;
    for (uint32_t i = 1; i < PLAN_SETS; i++) {
        if (adapter_same_structure(&s->sets[i].structure, l)) {
            *out = &s->sets[i];
            return BRINK_OK;
        }
        if (i == 1 || s->sets[i].used < set->used)
            set = &s->sets[i];
    }
    lora_entry *entries = core_alloc(s->model->context, l->count * sizeof *entries);
    if (entries == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(entries, l->entries, l->count * sizeof *entries);
    drop_set(set);
    core_free(s->model->context, set->structure.entries);
    set->structure = (lora){.count = l->count, .entries = entries};
    set->adapter = 0;
    *out = set;
    return BRINK_OK;
}

brink_status session_use_adapter(brink_session *s, const brink_adapter *adapter)
{
    uint64_t id = adapter != NULL ? adapter->id : 0;
    if (adapter != NULL && adapter->model != s->model)
        return core_fail(s->model->context, BRINK_INVALID_ARGUMENT,
                         "%s: an adapter of another model", adapter->changes.name);
    if (id == s->adapter_id)
        return BRINK_OK;
    plan_set *set;
    TRY(find_set(s, adapter != NULL ? &adapter->changes : NULL, &set));
    for (uint32_t i = 0; i < SESSION_PLANS && set->adapter != id; i++)
        if (set->plans[i].built)
            TRY(plan_set_lora(&set->plans[i].plan, &adapter->changes));
    set->adapter = id;
    set->used = ++s->turn;
    drop_usage(s);
    s->plans = set->plans;
    s->adapter = adapter;
    s->adapter_id = id;
    s->adapter_key = session_key(adapter);
    s->single = false;
    return BRINK_OK;
}

/* Moves the valid rows of each head from one row stride to another. */
static void restride(void *to, uint64_t to_rows, const void *from, uint64_t from_rows,
                     const cache_slot *slot, uint32_t rows)
{
    uint64_t row = (uint64_t)slot->width * sizeof(float);
    for (int64_t h = 0; h < slot->heads; h++)
        memmove((char *)to + (uint64_t)h * to_rows * row,
                (const char *)from + (uint64_t)h * from_rows * row, rows * row);
}

static void *buffer_create(const brink_session *s, uint64_t bytes)
{
    return s->executor != NULL ? s->executor->memory_create(s->executor, bytes)
                               : core_alloc(s->model->context, bytes);
}

static void buffer_free(const brink_session *s, void *buffer)
{
    if (s->executor != NULL)
        s->executor->memory_free(s->executor, buffer);
    else
        core_free(s->model->context, buffer);
}

/* A buffer of `capacity` rows a head with what `from` holds. */
static brink_status move_cache(const brink_session *s, const cache_slot *slot, void *to,
                               uint64_t capacity, const void *from)
{
    uint64_t row = (uint64_t)slot->width * sizeof(float);
    if (s->executor != NULL)
        return s->executor->memory_copy(s->executor, to, capacity * row, from, s->capacity * row,
                                        (uint64_t)slot->heads, s->length * row);
    restride(to, s->in_place ? capacity : s->length, from, s->in_place ? s->capacity : s->length,
             slot, s->length);
    return BRINK_OK;
}

/* Capacity doubles. Plans are made anew, since their bounds change. */
brink_status session_reserve(brink_session *s, uint32_t needed)
{
    brink_context *context = s->model->context;
    const decoder *d = &s->model->decoder;
    if (needed > s->context)
        return core_fail(context, BRINK_INVALID_ARGUMENT,
                         "%s: %u tokens do not fit the session's context of %u",
                         s->model->onnx.file, needed, s->context);
    if (needed <= s->capacity)
        return BRINK_OK;
    uint64_t capacity = s->capacity ? s->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    if (capacity > s->context)
        capacity = s->context;
    drop_plans(s);
    int64_t *ones = core_alloc(context, capacity * sizeof *ones);
    int32_t *narrow = core_alloc(context, capacity * sizeof *narrow);
    uint32_t *tokens = core_realloc(context, s->tokens, capacity * sizeof *tokens);
    s->tokens = tokens != NULL ? tokens : s->tokens;
    if (ones == NULL || narrow == NULL || tokens == NULL) {
        core_free(context, ones);
        core_free(context, narrow);
        return BRINK_OUT_OF_MEMORY;
    }
    for (uint64_t i = 0; i < capacity; i++)
        narrow[i] = 1, ones[i] = 1;
    core_free(context, s->ones);
    core_free(context, s->narrow);
    s->ones = ones;
    s->narrow = narrow;
    /* Rows of a buffer that attention appends to are `capacity` apart, otherwise `length`. */
    for (uint32_t i = 0; i < d->slot_count; i++) {
        const cache_slot *slot = &d->slots[i];
        void *bigger = buffer_create(s, slot_bytes(slot, (uint32_t)capacity));
        if (bigger == NULL)
            return BRINK_OUT_OF_MEMORY;
        brink_status status = BRINK_OK;
        if (s->buffers[i] != NULL)
            status = move_cache(s, slot, bigger, capacity, s->buffers[i]);
        buffer_free(s, s->buffers[i]);
        s->buffers[i] = bigger;
        buffer_free(s, s->others[i]);
        s->others[i] = NULL;
        TRY(status);
    }
    s->capacity = (uint32_t)capacity;
    return BRINK_OK;
}

/* Whether a node takes one scale from all rows of a chunk. */
static bool couples_rows(const onnx_graph *g)
{
    static const char name[] = "DynamicQuantize";
    for (uint32_t i = 0; i < g->node_count; i++)
        if (strncmp(g->nodes[i].type, name, sizeof name - 1) == 0)
            return true;
    return false;
}

brink_status brink_session_create(brink_model *m, const brink_session_desc *desc,
                                  brink_session **out)
{
    *out = NULL;
    const decoder *d = &m->decoder;
    if (d->slot_count == 0)
        return core_fail(m->context, BRINK_UNSUPPORTED,
                         "%s: not a language model that can be driven: it needs input_ids, "
                         "past_key_values and logits, and no other inputs",
                         m->onnx.file);
    TRY(model_executor_open(m));
    brink_session *s = core_calloc(m->context, 1, sizeof *s);
    if (s == NULL)
        return BRINK_OUT_OF_MEMORY;
    s->model = m;
    s->plans = s->sets[0].plans;
    uint32_t most = d->context ? d->context : DEFAULT_CONTEXT;
    uint32_t asked = desc != NULL ? desc->context : 0;
    s->context = asked != 0 && (asked < most || d->context == 0) ? asked : most;
    s->in_place = true; /* until a plan shows otherwise */
    s->draftless = couples_rows(m->onnx.graph);
    s->executor = m->executor;
    if (s->executor != NULL) {
        s->generation = s->executor->generation(s->executor);
        if (s->executor->open(s->executor, 0) != BRINK_OK)
            s->generation--; /* as one that was there before the loss: made anew when it is used */
    }
    uint64_t n = d->slot_count;
    s->buffers = core_calloc(m->context, n, sizeof *s->buffers);
    s->others = core_calloc(m->context, n, sizeof *s->others);
    s->ids = core_calloc(m->context, chunk_sizes[CHUNK_SIZES - 1], 2 * sizeof *s->ids);
    s->positions = core_calloc(m->context, chunk_sizes[CHUNK_SIZES - 1], 2 * sizeof *s->positions);
    s->rows = core_calloc(m->context, chunk_sizes[CHUNK_SIZES - 1], 2 * sizeof *s->rows);
    if (!s->buffers || !s->others || !s->ids || !s->positions || !s->rows) {
        brink_session_destroy(s);
        return BRINK_OUT_OF_MEMORY;
    }
    *out = s;
    return BRINK_OK;
}

void brink_session_destroy(brink_session *s)
{
    if (s == NULL)
        return;
    brink_context *context = s->model->context;
    drop_plans(s);
    for (uint32_t i = 0; i < PLAN_SETS; i++)
        core_free(context, s->sets[i].structure.entries);
    workspace_free(context, &s->workspace);
    for (uint32_t i = 0; i < s->model->decoder.slot_count; i++) {
        if (s->buffers != NULL)
            buffer_free(s, s->buffers[i]);
        if (s->others != NULL)
            buffer_free(s, s->others[i]);
    }
    core_free(context, s->buffers);
    core_free(context, s->others);
    core_free(context, s->ids);
    core_free(context, s->positions);
    core_free(context, s->rows);
    core_free(context, s->tokens);
    core_free(context, s->ones);
    core_free(context, s->narrow);
    core_free(context, s->logits);
    core_free(context, s);
}

uint32_t brink_session_length(const brink_session *s)
{
    return s->length + s->owed;
}

brink_status brink_session_truncate(brink_session *s, uint32_t length)
{
    if (s->busy || length > s->length + s->owed)
        return core_fail(s->model->context, BRINK_INVALID_ARGUMENT,
                         s->busy ? "the session is in use" : "the session holds only %u tokens",
                         s->length + s->owed);
    session_cut(s, length);
    return BRINK_OK;
}

void session_cut(brink_session *s, uint32_t length)
{
    if (!s->in_place && length < s->length) /* rows are as far apart as there are tokens */
        for (uint32_t i = 0; i < s->model->decoder.slot_count; i++)
            restride(s->buffers[i], length, s->buffers[i], s->length, &s->model->decoder.slots[i],
                     length);
    s->owed = length > s->length ? length - s->length : 0;
    s->length = length - s->owed;
    s->has_pending = false;
    s->refilling = false; /* what was under way was of what is forgotten, or is begun anew */
}

/* Whether each present output is appended by a node that takes the past input directly. */
static bool appends_in_place(const brink_model *m, const plan *p)
{
    for (uint32_t i = 0; i < m->decoder.slot_count; i++) {
        const cache_slot *slot = &m->decoder.slots[i];
        const ir_value *v = &p->ir.values[p->ir.outputs[slot->output]];
        if (v->kind != IR_TEMP || v->producer == IR_NONE)
            return false;
        const ir_node *n = &p->ir.nodes[v->producer];
        uint32_t past = m->onnx.graph->inputs[slot->input];
        bool takes = false;
        for (uint32_t k = 0; k < n->input_count; k++)
            takes |= n->inputs[k] == past;
        if (!(n->op->flags & OP_KV) || !takes)
            return false;
    }
    return true;
}

bool session_in_place(const brink_model *m, const plan *p)
{
    return appends_in_place(m, p);
}

uint32_t session_chunk(uint32_t index, bool executor)
{
    return index < CHUNK_SIZES - (executor ? 0u : 1u) ? chunk_sizes[index] : 0;
}

/* Plans a chunk after `past` tokens, or after any number when `past` is negative. */
static brink_status build(brink_session *s, uint32_t size, int64_t past, uint32_t rows)
{
    brink_model *m = s->model;
    step_plan *sp = &s->plans[size];
    plan *p = &sp->plan;
    uint32_t chunk = chunk_sizes[size];
    bool last_row = chunk > 1 && size != SESSION_DRAFT;
    *sp = (step_plan){.chunk = chunk};
    TRY(ir_init(m->context, &m->onnx, m->onnx.graph, &cpu_kernels, &p->ir));
    sp->built = true;
    arena *a = &p->ir.memory;
    ir_binding *inputs = ARENA_ARRAY(a, ir_binding, (uint64_t)m->onnx.graph->input_count + 1);
    bool *external = ARENA_ARRAY(a, bool, (uint64_t)m->onnx.graph->output_count + 1);
    bool *resident = ARENA_ARRAY(a, bool, (uint64_t)m->onnx.graph->input_count + 1);
    if (inputs == NULL || external == NULL || resident == NULL)
        return BRINK_OUT_OF_MEMORY;
    expr_table *t = &p->ir.exprs;
    /* The session may grow to its whole context without new plans only up to the capacity. */
    expr before = past < 0 ? expr_symbol(t, 0, s->capacity - chunk) : expr_const(t, past);
    plan_desc desc = {.inputs = inputs,
                      .external_outputs = external,
                      .exact = m->desc.exact,
                      .rows_apart = size == SESSION_DRAFT,
                      .executor = s->executor,
                      .resident_inputs = s->executor != NULL ? resident : NULL,
                      .last_row_output = last_row ? m->decoder.logits : IR_NONE,
                      .lora = s->adapter_id != 0 ? &s->adapter->changes : NULL};
    if (past < 0)
        desc.last_row = expr_symbol(t, 0, chunk - 1);
    else
        desc.last_row = expr_const(t, rows - 1);
    for (uint32_t i = 0; i < m->decoder.slot_count; i++) {
        external[m->decoder.slots[i].output] = true;
        resident[m->decoder.slots[i].input] = true;
    }
    TRY(decoder_bindings(m, t, before, chunk, inputs, a));
    TRY(plan_build(p, &desc));
    const plan_tensor *logits = &p->tensors[p->outputs[m->decoder.logits]];
    uint32_t vocabulary = (uint32_t)logits->t.dims[logits->t.rank - 1];
    if (logits->t.type != BRINK_F32 || logits->t.rank != 3 || vocabulary == 0)
        return core_fail(m->context, BRINK_UNSUPPORTED,
                         "%s: logits should be [batch, tokens, words]", m->onnx.file);
    if (s->logits == NULL) {
        s->logits = core_alloc(m->context, (uint64_t)vocabulary * sizeof *s->logits);
        if (s->logits == NULL)
            return BRINK_OUT_OF_MEMORY;
        s->vocabulary = vocabulary;
    }
    return BRINK_OK;
}

brink_status session_leave(brink_session *s)
{
    drop_plans(s);
    for (uint32_t i = 0; i < s->model->decoder.slot_count; i++) {
        buffer_free(s, s->buffers[i]);
        s->buffers[i] = NULL;
    }
    s->executor = NULL;
    uint32_t rows = s->capacity;
    s->capacity = 0;
    return session_reserve(s, rows);
}

/* Whether the error says that lengths cannot be left open, or the step cannot be planned at all. */
static brink_status find_plan(brink_session *s, uint32_t size, uint32_t rows, step_plan **out)
{
    step_plan *sp = *out = &s->plans[size];
    if (sp->built && !s->fixed)
        return BRINK_OK;
    brink_status status = BRINK_UNSUPPORTED;
    if (!s->fixed) {
        status = build(s, size, -1, rows);
        bool unfit = status == BRINK_UNSUPPORTED ||
                     (status == BRINK_OK && !appends_in_place(s->model, &sp->plan));
        if (s->executor != NULL && unfit) {
            if (s->length != 0)
                return status;
            TRY(session_leave(s));
            status = build(s, size, -1, rows);
        }
        s->fixed = status == BRINK_UNSUPPORTED;
    }
    if (s->fixed) {
        if (sp->built)
            plan_free(&sp->plan);
        status = build(s, size, s->length, rows);
    }
    if (status != BRINK_OK) {
        if (sp->built)
            plan_free(&sp->plan);
        *sp = (step_plan){0};
        return status;
    }
    if (s->in_place && !appends_in_place(s->model, &sp->plan)) {
        /* Rows change from `capacity` apart to `length` apart: only before the first step. */
        s->in_place = false;
        for (uint32_t i = 0; i < s->model->decoder.slot_count; i++)
            restride(s->buffers[i], s->length, s->buffers[i], s->capacity,
                     &s->model->decoder.slots[i], s->length);
    }
    return BRINK_OK;
}

/* The largest chunk that `count` tokens fill, or the smallest that holds a short rest. */
static uint32_t choose_chunk(const brink_session *s, uint32_t count)
{
    uint32_t best = 0, sizes = s->executor != NULL ? CHUNK_SIZES : CHUNK_SIZES - 1;
    for (uint32_t i = 1; i < sizes; i++)
        if (chunk_sizes[i] <= count || (i == 1 && count > 1))
            best = i;
    while (best > 0 && s->length + chunk_sizes[best] > s->capacity)
        best--;
    return best;
}

static brink_status bind_cache(brink_session *s, plan *p)
{
    const decoder *d = &s->model->decoder;
    for (uint32_t i = 0; i < d->slot_count; i++) {
        const cache_slot *slot = &d->slots[i];
        if (s->in_place) {
            plan_external(p, p->inputs[slot->input], s->buffers[i], s->capacity);
            plan_external(p, p->outputs[slot->output], s->buffers[i], s->capacity);
            continue;
        }
        if (s->others[i] == NULL)
            s->others[i] = core_alloc(s->model->context, slot_bytes(slot, s->capacity));
        if (s->others[i] == NULL)
            return BRINK_OUT_OF_MEMORY;
        plan_external(p, p->inputs[slot->input], s->buffers[i], 0);
        plan_external(p, p->outputs[slot->output], s->others[i], 0);
    }
    return BRINK_OK;
}

/* Token ids and positions as the type the graph declares. */
static void *as_declared(const brink_session *s, uint32_t input, int64_t *values, uint32_t count)
{
    const onnx_model *o = &s->model->onnx;
    if (o->values[o->graph->inputs[input]].type != BRINK_I32)
        return values;
    int32_t *narrow = (int32_t *)(values + chunk_sizes[CHUNK_SIZES - 1]);
    for (uint32_t i = 0; i < count; i++)
        narrow[i] = (int32_t)values[i];
    return narrow;
}

brink_status session_expect(brink_session *s, uint32_t tokens)
{
    uint64_t rows = (uint64_t)s->length + s->owed + tokens;
    if (s->executor == NULL || session_is_lost(s))
        return BRINK_OK;
    return session_reserve(s, rows < s->context ? (uint32_t)rows : s->context);
}

/* A step of the plan's chunk over tokens[0, used). */
static brink_status begin(brink_session *s, uint32_t size, const uint32_t *tokens, uint32_t used)
{
    const decoder *d = &s->model->decoder;
    uint32_t chunk = chunk_sizes[size];
    step_plan *sp;
    TRY(find_plan(s, size, used, &sp));
    plan *p = &sp->plan;
    for (uint32_t i = 0; i < chunk; i++) {
        s->ids[i] = tokens[i < used ? i : used - 1];
        s->positions[i] = (int64_t)s->length + i + d->first_position;
        s->rows[i] = (int64_t)s->length + i;
    }
    plan_external(p, p->inputs[d->input_ids], as_declared(s, d->input_ids, s->ids, chunk), 0);
    if (d->position_ids != ONNX_NONE)
        plan_external(p, p->inputs[d->position_ids],
                      as_declared(s, d->position_ids, s->positions, chunk), 0);
    if (d->cache_position != ONNX_NONE)
        plan_external(p, p->inputs[d->cache_position],
                      as_declared(s, d->cache_position, s->rows, chunk), 0);
    for (uint32_t i = 0; i < s->model->onnx.graph->input_count; i++)
        if (decoder_settled(d, i) != NULL)
            plan_external(p, p->inputs[i], (void *)(uintptr_t)decoder_settled(d, i), 0);
    if (d->attention_mask != ONNX_NONE) {
        const onnx_model *o = &s->model->onnx;
        bool narrow = o->values[o->graph->inputs[d->attention_mask]].type == BRINK_I32;
        plan_external(p, p->inputs[d->attention_mask], narrow ? (void *)s->narrow : s->ones, 0);
    }
    TRY(bind_cache(s, p));
    const int64_t symbols[2] = {s->length, used - 1};
    TRY(execution_start(&s->execution, p, &s->workspace, symbols));
    if (s->profile && size == 0) {
        if (s->usage == NULL)
            s->usage =
                core_calloc(s->model->context, (uint64_t)p->step_count + 1, sizeof *s->usage);
        if (s->usage == NULL)
            return BRINK_OUT_OF_MEMORY;
        s->execution.usage = s->usage;
        s->used_steps++;
    }
    memmove(s->tokens + s->length, tokens, used * sizeof *tokens);
    s->running = sp;
    s->running_tokens = used;
    return BRINK_OK;
}

brink_status session_step_begin(brink_session *s, const uint32_t *tokens, uint32_t count,
                                uint32_t *taken)
{
    TRY(session_reserve(s, s->length + count));
    uint32_t size = choose_chunk(s, count), chunk = chunk_sizes[size];
    *taken = count < chunk ? count : chunk;
    return begin(s, size, tokens, *taken);
}

brink_status session_draft_begin(brink_session *s, const uint32_t *tokens, uint32_t count)
{
    uint32_t needed = s->length + chunk_sizes[SESSION_DRAFT];
    if (s->draftless || s->executor != NULL || s->fixed || !s->in_place || needed > s->context)
        return BRINK_UNSUPPORTED;
    TRY(session_reserve(s, needed));
    return begin(s, SESSION_DRAFT, tokens, count);
}

const float *session_row(const brink_session *s, uint32_t row)
{
    const plan *p = &s->running->plan;
    const tensor *logits = &p->tensors[p->outputs[s->model->decoder.logits]].t;
    return (const float *)logits->data + (uint64_t)row * s->vocabulary;
}

brink_status session_settle(brink_session *s)
{
    step_plan *sp;
    return find_plan(s, 0, 1, &sp);
}

brink_status session_step_advance(brink_session *s, uint64_t deadline)
{
    TRY(execution_advance(&s->execution, deadline));
    const decoder *d = &s->model->decoder;
    plan *p = &s->running->plan;
    const tensor *logits = &p->tensors[p->outputs[d->logits]].t;
    uint64_t row = logits->dims[1] == 1 ? 0 : s->running_tokens - 1;
    memcpy(s->logits, (const float *)logits->data + row * s->vocabulary,
           s->vocabulary * sizeof *s->logits);
    uint32_t total = s->length + s->running->chunk, length = s->length + s->running_tokens;
    for (uint32_t i = 0; i < d->slot_count && !s->in_place; i++) {
        const plan_tensor *present = &p->tensors[p->outputs[d->slots[i].output]];
        if (present->t.data != s->others[i]) /* it was not placed where we asked */
            memcpy(s->others[i], present->t.data, slot_bytes(&d->slots[i], total));
        restride(s->others[i], length, s->others[i], total, &d->slots[i], length);
        void *swap = s->buffers[i];
        s->buffers[i] = s->others[i];
        s->others[i] = swap;
    }
    s->length = length;
    s->owed -= s->owed < s->running_tokens ? s->owed : s->running_tokens;
    return BRINK_OK;
}

bool session_is_lost(const brink_session *s)
{
    return s->executor != NULL && s->executor->generation(s->executor) != s->generation;
}

/* Frees what was lost, makes room anew, and owes the tokens. */
static brink_status begin_again(brink_session *s, uint64_t deadline)
{
    session_repeat_end(s);
    drop_plans(s);
    for (uint32_t i = 0; i < s->model->decoder.slot_count; i++) {
        buffer_free(s, s->buffers[i]);
        s->buffers[i] = NULL;
    }
    s->owed += s->length;
    s->length = 0;
    s->refilling = false;
    TRY(s->executor->open(s->executor, deadline));
    TRY(parts_restore(s->model));
    uint32_t rows = s->capacity;
    s->generation = s->executor->generation(s->executor);
    s->capacity = 0;
    brink_status status = session_reserve(s, rows);
    if (status != BRINK_OK)
        s->capacity = rows; /* for the next try */
    return status;
}

brink_status session_restore(brink_session *s, uint64_t deadline)
{
    if (session_is_lost(s))
        TRY(begin_again(s, deadline));
    TRY(parts_restore(s->model));
    if (s->owed != 0 && s->key != s->adapter_key)
        return core_fail(s->model->context, BRINK_DEVICE_FAILED,
                         "%s: rows of an adapter that is not in use were lost",
                         s->model->onnx.file);
    while (s->owed != 0) {
        uint32_t taken;
        if (!s->refilling) {
            TRY(session_reserve(s, s->length + s->owed)); /* which may move the tokens */
            TRY(session_step_begin(s, s->tokens + s->length, s->owed, &taken));
        }
        s->refilling = true;
        TRY(session_step_advance(s, deadline));
        s->refilling = false;
        if (s->owed != 0 && core_now() >= deadline)
            return BRINK_PENDING;
    }
    return BRINK_OK;
}
