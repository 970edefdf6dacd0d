/* pass_lora.c — see lora.h. */
#include "graph/lora.h"

#include <string.h>

const lora_entry *lora_find(const lora *l, const char *node)
{
    uint32_t low = 0, high = l->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = strcmp(node, l->entries[middle].node);
        if (order == 0)
            return &l->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static uint32_t matrix(rewrite *w, const uint16_t *data, uint32_t rows, int64_t columns,
                       uint32_t place)
{
    ir_value v = {.name = "lora",
                  .kind = IR_CONST,
                  .type = BRINK_F16,
                  .rank = 2,
                  .data = data,
                  .producer = IR_NONE,
                  .alias = IR_NONE,
                  .fixed = true,
                  .lora = place};
    v.dims[0] = expr_const(&w->g->exprs, rows);
    v.dims[1] = expr_const(&w->g->exprs, columns);
    return ir_add_value(w->g, &v);
}

static brink_status check(const rewrite *w, const ir_node *n, const lora *l, const lora_entry *e)
{
    uint32_t x = rewrite_input(n, 0), y = n->output_count != 0 ? n->outputs[0] : IR_NONE;
    if (x != IR_NONE && y != IR_NONE && rewrite_value(w, y)->rank != 0 &&
        rewrite_value(w, x)->rank == rewrite_value(w, y)->rank && rewrite_dim(w, x, -1) == e->k &&
        rewrite_dim(w, y, -1) == e->n)
        return BRINK_OK;
    return core_fail(
        w->g->context, BRINK_BAD_INPUT,
        "%s: module %s: the adapter's matrices take %lld to %lld, which node %s (%s) of "
        "%s does not",
        l->name, e->module, (long long)e->k, (long long)e->n, n->source->name, n->source->type,
        w->g->model->file);
}

/* The node computes a value of its own from now on, and Lora what it computed before. */
static brink_status change(rewrite *w, uint32_t at, const lora *l, const lora_entry *e)
{
    const ir_node *n = &w->g->nodes[at];
    TRY(check(w, n, l, e));
    uint32_t x = n->inputs[0], y = n->outputs[0], place = (uint32_t)(e - l->entries) * 2;
    const ir_value *result = rewrite_value(w, y);
    expr dims[BRINK_MAX_RANK];
    uint32_t rank = result->rank;
    memcpy(dims, result->dims, sizeof dims);
    uint32_t plain = rewrite_temp(w, y, rank, dims);
    dims[rank - 1] = expr_const(&w->g->exprs, e->rank);
    uint32_t low = rewrite_temp(w, y, rank, dims);
    uint32_t down = matrix(w, e->down, e->rank, e->k, place + 1);
    uint32_t up = matrix(w, e->up, e->rank, e->n, place + 2);
    if (plain == IR_NONE || low == IR_NONE || down == IR_NONE || up == IR_NONE)
        return BRINK_OUT_OF_MEMORY;
    TRY(rewrite_insert(w, at,
                       &(rewrite_node){.op = n->op->id,
                                       .inputs = n->inputs,
                                       .input_count = n->input_count,
                                       .outputs = &plain,
                                       .output_count = 1,
                                       .attrs = n->source->attrs,
                                       .attr_count = n->source->attr_count}));
    return rewrite_replace(w, at,
                           &(rewrite_node){.op = OP_brink_Lora_1,
                                           .inputs = (uint32_t[]){plain, x, down, up},
                                           .input_count = 4,
                                           .outputs = (uint32_t[]){y, low},
                                           .output_count = 2});
}

brink_status pass_lora(rewrite *w, const lora *l)
{
    for (uint32_t i = 0; i < w->settled; i++) {
        const ir_node *n = &w->g->nodes[i];
        const lora_entry *e = n->dead ? NULL : lora_find(l, n->source->name);
        if (e != NULL)
            TRY(change(w, i, l, e));
    }
    return rewrite_settle(w);
}
