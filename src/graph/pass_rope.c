/* pass_rope.c — rotary embeddings written as x * cos + turned(x) * sin become one node.

   turned(x) is (−second half, first half) of the last axis, or the same of neighbouring pairs. Where
   only the first elements are turned, the others are joined to them and are taken in too. cos and
   sin stay the values that the graph computes, once for all layers.

   Invariant: x is [batch, heads, rows, d]; cos and sin are [1 or batch, 1, rows, turned elements].
   The node (Rotate of the domain brink) reads x as it is or as [batch, rows, heads, d]. */
#include "graph/passes.h"

#define HALVES(x) "Add(Mul(" x ",c),Mul(Concat(Neg(a=Slice(r)),b=Slice(r)),s))"
#define NEIGHBOURS(x)                                                                              \
    "Add(Mul(" x ",c),Mul(Reshape(t=Concat(Unsqueeze(Neg(a=Slice(r))),Unsqueeze(b=Slice(r)))),s))"
#define PARTLY(form) "Concat(" form ",e=Slice(x))"

/* The first two turn a part; 1 and 3 turn neighbours. */
static const char *const formulas[] = {PARTLY(HALVES("r=Slice(x)")),
                                       PARTLY(NEIGHBOURS("r=Slice(x)")), HALVES("r"),
                                       NEIGHBOURS("r"), NULL};

/* Whether the value is elements start, start + step, … of its source's last axis, `count` of them. */
static bool is_slice(const rewrite *w, uint32_t value, int64_t start, int64_t step, int64_t count)
{
    const ir_node *n = rewrite_made_by(w, value, OP_onnx_Slice_1);
    const int64_t *starts, *axes, *steps;
    uint32_t many;
    if (n == NULL || !rewrite_ints(w, n, ATTR_starts, 1, &starts, &many) || many != 1 ||
        !rewrite_ints(w, n, ATTR_axes, 3, &axes, &many) || many != 1)
        return false;
    int64_t rank = rewrite_value(w, value)->rank, size = rewrite_dim(w, n->inputs[0], -1);
    int64_t have = rewrite_input(n, 4) == IR_NONE                     ? 1
                   : rewrite_ints(w, n, ATTR_steps, 4, &steps, &many) ? steps[0]
                                                                      : 0;
    return (axes[0] == -1 || axes[0] == rank - 1) && have == step &&
           (starts[0] == start || starts[0] + size == start) && rewrite_dim(w, value, -1) == count;
}

/* cos or sin: a row for each row of x. */
static bool is_table(const rewrite *w, uint32_t table, uint32_t x, int64_t turned)
{
    const ir_value *t = rewrite_value(w, table), *v = rewrite_value(w, x);
    return t->rank == 4 && t->symbolic == NULL && rewrite_dim(w, table, -1) == turned &&
           t->dims[2] == v->dims[2] && rewrite_dim(w, table, 1) == 1 &&
           (t->dims[0] == v->dims[0] || rewrite_dim(w, table, 0) == 1);
}

/* Axis of a Concat from the front. */
static int64_t axis_of(const rewrite *w, const ir_node *n)
{
    int64_t axis = onnx_int(n->source, ATTR_axis, 0);
    return axis < 0 ? axis + rewrite_value(w, n->outputs[0])->rank : axis;
}

static brink_status rope(rewrite *w, uint32_t at)
{
    rewrite_match m;
    op_id op = w->g->nodes[at].op->id;
    int which =
        op != OP_onnx_Add_1 && op != OP_onnx_Concat_1 ? -1 : rewrite_match_any(w, at, formulas, &m);
    if (which < 0)
        return BRINK_OK;
    bool part = which < 2, pairs = which % 2 == 1;
    uint32_t y = w->g->nodes[at].outputs[0], r = rewrite_bound(&m, 'r');
    uint32_t x = part ? rewrite_bound(&m, 'x') : r, a = rewrite_bound(&m, 'a');
    uint32_t b = rewrite_bound(&m, 'b'), in[] = {x, rewrite_bound(&m, 'c'), rewrite_bound(&m, 's')};
    int64_t width = rewrite_dim(w, x, -1), turned = rewrite_dim(w, r, -1), half = turned / 2;
    if (rewrite_value(w, x)->rank != 4 || rewrite_value(w, x)->type == BRINK_F64 || turned < 2 ||
        turned % 2 != 0 || !rewrite_same_shape(w, x, y) || !is_table(w, in[1], x, turned) ||
        !is_table(w, in[2], x, turned) || !rewrite_same_shape(w, in[1], in[2]) ||
        !is_slice(w, a, pairs ? 1 : half, pairs ? 2 : 1, half) ||
        !is_slice(w, b, 0, pairs ? 2 : 1, half))
        return BRINK_OK;
    if (part && (op != OP_onnx_Concat_1 || axis_of(w, &w->g->nodes[at]) != 3 ||
                 !is_slice(w, r, 0, 1, turned) ||
                 !is_slice(w, rewrite_bound(&m, 'e'), turned, 1, width - turned)))
        return BRINK_OK;
    if (pairs) { /* [b, h, rows, half, 2], joined along its last axis */
        uint32_t t = rewrite_bound(&m, 't');
        if (rewrite_value(w, t)->rank != 5 || rewrite_dim(w, t, 4) != 2 ||
            rewrite_dim(w, t, 3) != half || axis_of(w, rewrite_producer(w, t)) != 4)
            return BRINK_OK;
    }
    /* The transposition before it, if nobody else reads that. */
    const ir_node *turn = rewrite_made_by(w, x, OP_onnx_Transpose_1);
    uint32_t count, inside = part ? 2 : 3;
    const int64_t *perm = turn == NULL ? NULL : onnx_ints(turn->source, ATTR_perm, &count);
    bool behind =
        perm != NULL && perm[1] == 2 && perm[2] == 1 && w->readers[x] == inside && !w->output[x];
    if (behind)
        in[0] = turn->inputs[0];
    onnx_attr attrs[] = {{.name = ATTR_interleaved, .kind = ATTR_KIND_INT, .i = pairs},
                         {.name = ATTR_transA, .kind = ATTR_KIND_INT, .i = behind}};
    return rewrite_replace(w, at,
                           &(rewrite_node){.op = OP_brink_Rotate_1,
                                           .inputs = in,
                                           .input_count = 3,
                                           .outputs = &y,
                                           .output_count = 1,
                                           .attrs = attrs,
                                           .attr_count = 2});
}

brink_status pass_rope(rewrite *w)
{
    static const op_id roots[] = {OP_onnx_Concat_1, OP_onnx_Add_1}; /* with the rest first */
    for (uint32_t k = 0; k < 2; k++)
        for (uint32_t i = 0; i < w->g->node_count; i++)
            if (!w->g->nodes[i].dead && w->g->nodes[i].op->id == roots[k])
                TRY(rope(w, i));
    return BRINK_OK;
}
