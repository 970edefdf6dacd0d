/* together.c — see together.h.

   Every run goes on alone up to its next product of a row, a run a thread where that is much. Of the products that runs then stand at, one
   is chosen that no other run has still before it, so that those behind catch up, and computed for all
   runs that stand at it. Products are the same when their kernel, their constants and their attributes
   are: plans made for other lengths, and such as have more nodes, still meet where they agree. */
#include "plan/together.h"

#include "core/half.h"

#include <string.h>

enum { MOST_INPUTS = 20, MOST_OUTPUTS = 4 };

/* ── Which steps ── */

/* Whether the kernel computes rows apart when it is asked to. */
static bool keeps_rows(const plan_step *s)
{
    const onnx_node *n = s->args.node;
    switch (s->op) {
    case OP_onnx_MatMul_1:
        return s->args.in[1] != NULL && s->args.in[1]->rank == 2;
    case OP_onnx_Gemm_1:
        return onnx_int(n, ATTR_transA, 0) == 0;
    case OP_ms_MatMulNBits_1:
    case OP_brink_MatMulNBitsGroup_1:
    case OP_brink_MatMulWeights_1:
        return true;
    default:
        return false;
    }
}

/* Whether it is a computed row [1, …, 1, n] of f32, the same for all symbols. */
static bool is_row(const plan *p, const tensor *t)
{
    const plan_tensor *own = (const plan_tensor *)t;
    const ir_value *v = &p->ir.values[own->value];
    if (t->type != BRINK_F32 || t->rank < 2 || own->place == PLAN_CONST)
        return false;
    for (uint32_t i = 0; i < t->rank; i++)
        if (!expr_known(&p->ir.exprs, v->dims[i], NULL))
            return false;
    return tensor_count(t) == t->dims[t->rank - 1];
}

/* The model's bytes that a step's input is of; NULL: none. */
static const void *constant_of(const plan *p, const tensor *t)
{
    return t == NULL ? NULL : p->ir.values[((const plan_tensor *)t)->value].data;
}

static bool is_shared(const plan *p, const plan_step *s)
{
    const kernel_args *a = &s->args;
    if (s->away || s->round != BRINK_UNDEFINED || a->in_count < 2 || a->in_count > MOST_INPUTS ||
        a->out_count > MOST_OUTPUTS || a->in[0] == NULL || a->out[0] == NULL || !keeps_rows(s) ||
        !is_row(p, a->in[0]))
        return false;
    for (uint32_t i = 1; i < a->in_count; i++)
        if (a->in[i] != NULL && ((const plan_tensor *)a->in[i])->place != PLAN_CONST)
            return false;
    for (uint32_t i = 0; i < a->out_count; i++)
        if (a->out[i] != NULL && !is_row(p, a->out[i]))
            return false;
    return true;
}

void together_mark(plan *p)
{
    for (uint32_t k = 0; k < p->step_count && p->executor == NULL; k++) {
        plan_step *s = &p->steps[k];
        s->weights = is_shared(p, s) ? constant_of(p, s->args.in[1]) : NULL;
    }
}

/* ── Whether two are the same ── */

static bool same_attr(const onnx_attr *a, const onnx_attr *b)
{
    if (a->name != b->name || a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ATTR_KIND_INT:
        return a->i == b->i;
    case ATTR_KIND_FLOAT:
        return float_bits(a->f) == float_bits(b->f);
    case ATTR_KIND_INTS:
        return a->count == b->count && memcmp(a->ints, b->ints, a->count * sizeof *a->ints) == 0;
    default:
        return false;
    }
}

/* Nodes that passes make are each plan's own. */
static bool same_attrs(const onnx_node *a, const onnx_node *b)
{
    if (a == b)
        return true;
    if (a->attr_count != b->attr_count)
        return false;
    for (uint32_t i = 0; i < a->attr_count; i++)
        if (!same_attr(&a->attrs[i], &b->attrs[i]))
            return false;
    return true;
}

static bool same_shape(const tensor *a, const tensor *b)
{
    return a->type == b->type && a->rank == b->rank &&
           memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

static bool same_product(const plan *p, const plan_step *s, const plan *q, const plan_step *t)
{
    const kernel_args *a = &s->args, *b = &t->args;
    if (s->weights != t->weights || s->op != t->op || a->exact != b->exact ||
        a->in_count != b->in_count || a->out_count != b->out_count || a->packed != b->packed ||
        !same_attrs(a->node, b->node) || !same_shape(a->in[0], b->in[0]))
        return false;
    for (uint32_t i = 1; i < a->in_count; i++)
        if ((a->in[i] == NULL) != (b->in[i] == NULL) ||
            constant_of(p, a->in[i]) != constant_of(q, b->in[i]) ||
            (a->in[i] != NULL && !same_shape(a->in[i], b->in[i])))
            return false;
    for (uint32_t i = 0; i < a->out_count; i++)
        if ((a->out[i] == NULL) != (b->out[i] == NULL) ||
            (a->out[i] != NULL && !same_shape(a->out[i], b->out[i])))
            return false;
    return true;
}

/* ── Runs ── */

static plan_step *next_step(const together_run *r)
{
    return &r->e->p->steps[r->e->next];
}

static bool is_running(const together_run *r)
{
    return !r->failed && r->e->next < r->e->p->step_count;
}

/* Runs one step alone. */
static void step(together_run *r)
{
    r->failed = execution_step(r->e, r->e->next) != BRINK_OK;
    if (!r->failed)
        r->e->next++;
}

/* Up to the next product of a row; true when it stands at one. */
static bool go_on(together_run *r, uint64_t deadline)
{
    while (is_running(r) && next_step(r)->weights == NULL) {
        step(r);
        if (core_now() >= deadline)
            break;
    }
    return is_running(r) && next_step(r)->weights != NULL;
}

/* ── Between products ── */

enum { WORTH_A_THREAD = 1 << 15 }; /* bytes read and written, of each of several runs */

typedef struct stretch {
    together_run *const *runs;
    uint64_t deadline;
} stretch;

static void stretch_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    (void)thread;
    const stretch *s = arg;
    for (int64_t i = begin; i < end; i++)
        go_on(s->runs[i], s->deadline);
}

/* Whether what the run does up to its next product is work for one thread beside others': enough of it,
   and no product of many rows, which all threads share. */
static bool is_beside(const together_run *r)
{
    const plan *p = r->e->p;
    uint64_t bytes = 0;
    for (uint32_t k = r->e->next; is_running(r) && k < p->step_count; k++) {
        const plan_step *s = &p->steps[k];
        if (s->weights != NULL)
            break;
        if (s->prepare != NULL)
            return false;
        bytes += execution_bytes(s);
    }
    return bytes >= WORTH_A_THREAD;
}

/* Every run up to its next product, several at a time; those that then stand at one. */
static uint32_t go_on_all(together_run *runs, uint32_t count, uint64_t deadline, together_run **at)
{
    together_run *beside[TOGETHER_MOST];
    uint32_t standing = 0, n = 0;
    thread_pool *pool = runs[0].e->p->ir.context->pool;
    for (uint32_t i = 0; i < count && thread_pool_size(pool) > 1; i++)
        if (is_beside(&runs[i]))
            beside[n++] = &runs[i];
    if (n > 1)
        thread_for(pool, n, 1, stretch_range, &(stretch){.runs = beside, .deadline = deadline});
    for (uint32_t i = 0; i < count; i++)
        if (go_on(&runs[i], deadline))
            at[standing++] = &runs[i];
    return standing;
}

/* Whether the run comes to these weights after the step it stands at. */
static bool comes_to(const together_run *r, const void *weights)
{
    const plan *p = r->e->p;
    for (uint32_t k = r->e->next + 1; k < p->step_count; k++)
        if (p->steps[k].weights == weights)
            return true;
    return false;
}

/* Of the runs that stand at a product, those that have the same one, which no other waits to come to. */
static uint32_t choose(together_run **at, uint32_t count, together_run **group)
{
    uint32_t lead = 0, n = 0;
    for (bool behind = true; lead < count && behind; lead += behind) {
        const void *weights = next_step(at[lead])->weights;
        behind = false;
        for (uint32_t i = 0; i < count && !behind; i++)
            behind = next_step(at[i])->weights != weights && comes_to(at[i], weights);
    }
    lead = lead < count ? lead : 0; /* each waits for another: orders differ */
    for (uint32_t i = 0; i < count && n < TOGETHER_MOST; i++)
        if (i == lead ||
            same_product(at[lead]->e->p, next_step(at[lead]), at[i]->e->p, next_step(at[i])))
            group[n++] = at[i];
    return n;
}

/* Bytes of `count` rows of t, in whole cache lines. */
static uint64_t rows_bytes(const tensor *t, uint32_t count)
{
    return whole_lines((uint64_t)tensor_count(t) * count * sizeof(float));
}

/* t with `count` rows at `memory`. */
static tensor with_rows(const tensor *t, uint32_t count, char *memory)
{
    tensor rows = *t;
    rows.dims[t->rank - 2] = count;
    rows.data = memory;
    return rows;
}

/* The product of all runs of a group at once. */
static brink_status multiply(together_run **group, uint32_t count, workspace *w)
{
    plan_step *s = next_step(group[0]);
    kernel_args a = s->args;
    tensor in, out[MOST_OUTPUTS];
    const tensor *ins[MOST_INPUTS];
    tensor *outs[MOST_OUTPUTS] = {0};
    uint64_t bytes = rows_bytes(a.in[0], count), at = bytes;
    for (uint32_t i = 0; i < a.out_count; i++)
        bytes += a.out[i] != NULL ? rows_bytes(a.out[i], count) : 0;
    TRY(workspace_reserve(a.context, w, bytes));
    memcpy(ins, a.in, a.in_count * sizeof *ins);
    in = with_rows(a.in[0], count, w->data);
    ins[0] = &in;
    for (uint32_t i = 0; i < a.out_count; i++) {
        if (a.out[i] == NULL)
            continue;
        out[i] = with_rows(a.out[i], count, (char *)w->data + at);
        outs[i] = &out[i];
        at += rows_bytes(a.out[i], count);
    }
    uint64_t row = (uint64_t)tensor_count(a.in[0]) * sizeof(float);
    for (uint32_t r = 0; r < count; r++)
        memcpy((char *)in.data + r * row, next_step(group[r])->args.in[0]->data, row);
    a.in = ins;
    a.out = outs;
    a.scratch = &w->scratch;
    a.rows_apart = true;
    TRY(s->kernel(&a));
    for (uint32_t i = 0; i < a.out_count; i++) {
        row = outs[i] != NULL ? (uint64_t)tensor_count(s->args.out[i]) * sizeof(float) : 0;
        for (uint32_t r = 0; r < count && row != 0; r++)
            memcpy(next_step(group[r])->args.out[i]->data, (char *)out[i].data + r * row, row);
    }
    for (uint32_t r = 0; r < count; r++)
        group[r]->e->next++;
    return BRINK_OK;
}

/* Some of the runs: at most TOGETHER_MOST. */
static uint32_t advance(together_run *runs, uint32_t count, workspace *w, uint64_t deadline)
{
    together_run *at[TOGETHER_MOST], *group[TOGETHER_MOST];
    uint32_t products = 0;
    do {
        uint32_t standing = go_on_all(runs, count, deadline, at);
        if (standing == 0)
            break;
        uint32_t n = choose(at, standing, group);
        if (n > 1 && multiply(group, n, w) == BRINK_OK)
            products++;
        else /* alone, also where there is no room for the rows: what then fails is the run's */
            for (uint32_t i = 0; i < n; i++)
                step(group[i]);
    } while (core_now() < deadline);
    return products;
}

uint32_t together_advance(together_run *runs, uint32_t count, workspace *w, uint64_t deadline)
{
    uint32_t products = 0;
    for (uint32_t i = 0; i < count; i += TOGETHER_MOST)
        products +=
            advance(runs + i, count - i < TOGETHER_MOST ? count - i : TOGETHER_MOST, w, deadline);
    return products;
}
