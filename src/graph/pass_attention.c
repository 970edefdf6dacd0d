/* pass_attention.c — softmax(q kᵀ * scale + mask) v becomes one Attention node.

   Exporters write it as MatMul, a scale (on q, on k or on the product), Add of a mask, Softmax,
   perhaps a guard against rows without a key (IsNaN, Where), MatMul, between Transposes and Reshapes
   that split heads and join them. Heads are read and written where they lie: the splitting and
   joining goes too where it can, and so does the repetition of key-value heads.

   Invariant: q is [batch, heads, rows, d], keys [batch, kv heads, keys, d], values [batch, kv heads,
   keys, dv], each perhaps as [batch, rows, heads * d]; the mask's last axis has all keys. */
#include "graph/passes.h"

#define PRODUCT "p=MatMul(q,k)"
#define SCALED "[Mul(" PRODUCT ",$s)|Div(" PRODUCT ",$d)|" PRODUCT "]"
#define WEIGHTS "w=Softmax(~[Add(~" SCALED ",m)|" SCALED "])"

static const char *const formulas[] = {"MatMul(~Where(IsNaN(" WEIGHTS "),0,w),v)",
                                       "MatMul(~" WEIGHTS ",v)", NULL};

static const int64_t *permutation(const ir_node *n)
{
    uint32_t count;
    const int64_t *perm = onnx_ints(n->source, ATTR_perm, &count);
    return count == 4 ? perm : NULL;
}

static bool is_permutation(const ir_node *n, int64_t a, int64_t b, int64_t c)
{
    const int64_t *perm = permutation(n);
    return perm != NULL && perm[0] == 0 && perm[1] == a && perm[2] == b && perm[3] == c;
}

/* Dimensions are the same, or the same numbers. */
static bool same_dim(const rewrite *w, uint32_t x, uint32_t i, uint32_t y, uint32_t k)
{
    return rewrite_value(w, x)->dims[i] == rewrite_value(w, y)->dims[k];
}

static uint32_t rank_of(const rewrite *w, uint32_t value)
{
    return rewrite_value(w, value)->rank;
}

/* x without factors that are numbers; they go into *scale. */
static uint32_t behind_scale(const rewrite *w, uint32_t x, double *scale)
{
    for (;;) {
        const ir_node *n = rewrite_producer(w, x);
        double number;
        if (n == NULL || !rewrite_sole(w, x) ||
            (n->op->id != OP_onnx_Mul_1 && n->op->id != OP_onnx_Div_1))
            return x;
        bool divided = n->op->id == OP_onnx_Div_1;
        uint32_t side = divided || rewrite_number(w, n->inputs[1], &number) ? 1 : 0;
        if (!rewrite_number(w, n->inputs[side], &number) || rank_of(w, n->inputs[side]) > 4 ||
            !rewrite_same_shape(w, n->inputs[1 - side], x))
            return x;
        *scale = divided ? *scale / number : *scale * number;
        x = n->inputs[1 - side];
    }
}

/* [b, rows, h * d] of which x [b, rows, h, d] is made, IR_NONE if of none. */
static uint32_t behind_split(const rewrite *w, uint32_t x)
{
    const ir_node *n = rewrite_made_by(w, x, OP_onnx_Reshape_1);
    if (n == NULL || rank_of(w, x) != 4 || rank_of(w, n->inputs[0]) != 3)
        return IR_NONE;
    uint32_t from = n->inputs[0];
    int64_t h = rewrite_dim(w, x, 2), d = rewrite_dim(w, x, 3);
    return h > 0 && d > 0 && rewrite_dim(w, from, 2) == h * d && same_dim(w, from, 0, x, 0) &&
                   same_dim(w, from, 1, x, 1)
               ? from
               : IR_NONE;
}

/* What x [b, h, rows, d] is made of when that is [b, rows, h * d]; else x. */
static uint32_t behind_transpose(const rewrite *w, uint32_t x)
{
    const ir_node *n = rewrite_made_by(w, x, OP_onnx_Transpose_1);
    uint32_t from =
        n != NULL && is_permutation(n, 2, 1, 3) ? behind_split(w, n->inputs[0]) : IR_NONE;
    return from != IR_NONE ? from : x;
}

/* [b, kv, rows, d] whose heads are repeated to x [b, h, rows, d]; else x. */
static uint32_t behind_repeat(const rewrite *w, uint32_t x)
{
    const ir_node *n = rewrite_made_by(w, x, OP_onnx_Reshape_1);
    const ir_node *expand = n == NULL ? NULL : rewrite_made_by(w, n->inputs[0], OP_onnx_Expand_8);
    const ir_node *lift =
        expand == NULL ? NULL : rewrite_made_by(w, expand->inputs[0], OP_onnx_Unsqueeze_1);
    if (lift == NULL)
        return x;
    uint32_t from = lift->inputs[0], flat = lift->outputs[0], wide = expand->outputs[0];
    if (rank_of(w, from) != 4 || rank_of(w, flat) != 5 || rank_of(w, wide) != 5 ||
        rank_of(w, x) != 4 || rewrite_dim(w, flat, 2) != 1)
        return x;
    for (uint32_t i = 0; i < 4; i++) /* only axis 2 is new and grows, and joins axis 1 */
        if (!same_dim(w, from, i, flat, i < 2 ? i : i + 1) ||
            !same_dim(w, flat, i < 2 ? i : i + 1, wide, i < 2 ? i : i + 1) ||
            (i != 1 && !same_dim(w, from, i, x, i)))
            return x;
    return rewrite_dim(w, wide, 1) * rewrite_dim(w, wide, 2) == rewrite_dim(w, x, 1) &&
                   rewrite_dim(w, from, 1) > 0
               ? from
               : x;
}

/* The keys [b, h, keys, d] or [b, keys, h * d] of which kᵀ [b, h, d, keys] is made, IR_NONE if that
   is not seen. */
static uint32_t keys_of(const rewrite *w, uint32_t k)
{
    const ir_node *n = rewrite_made_by(w, k, OP_onnx_Transpose_1);
    if (n != NULL)
        return is_permutation(n, 1, 3, 2)   ? n->inputs[0]
               : is_permutation(n, 2, 3, 1) ? behind_split(w, n->inputs[0])
                                            : IR_NONE;
    n = rewrite_made_by(w, k, OP_onnx_Reshape_1); /* by way of [b * h, keys, d] */
    const ir_node *turn = n == NULL ? NULL : rewrite_made_by(w, n->inputs[0], OP_onnx_Transpose_1);
    const ir_node *first =
        turn == NULL ? NULL : rewrite_made_by(w, turn->inputs[0], OP_onnx_Reshape_1);
    uint32_t count;
    const int64_t *perm = turn == NULL ? NULL : onnx_ints(turn->source, ATTR_perm, &count);
    if (first == NULL || perm == NULL || count != 3 || perm[0] != 0 || perm[1] != 2)
        return IR_NONE;
    uint32_t x = first->inputs[0], flat = first->outputs[0];
    return rank_of(w, x) == 4 && same_dim(w, x, 0, k, 0) && same_dim(w, x, 1, k, 1) &&
                   same_dim(w, x, 2, k, 3) && same_dim(w, x, 3, k, 2) &&
                   same_dim(w, flat, 1, x, 2) && same_dim(w, flat, 2, x, 3)
               ? x
               : IR_NONE;
}

/* Whether the mask broadcasts to [batch, heads, rows, keys], all keys given. */
static bool mask_fits(const rewrite *w, uint32_t mask, uint32_t scores)
{
    const ir_value *m = rewrite_value(w, mask), *s = rewrite_value(w, scores);
    if (m->rank < 1 || m->rank > 4 || m->symbolic != NULL || m->dims[m->rank - 1] != s->dims[3])
        return false;
    for (uint32_t i = 1; i < m->rank; i++)
        if (m->dims[m->rank - 1 - i] != s->dims[3 - i] &&
            rewrite_dim(w, mask, -1 - (int32_t)i) != 1)
            return false;
    return true;
}

/* [b, rows, h * dv] that the only readers make of y [b, h, rows, dv]; else y. */
static uint32_t joined(const rewrite *w, uint32_t y)
{
    const ir_node *turn = rewrite_reader(w, y);
    if (turn == NULL || turn->op->id != OP_onnx_Transpose_1 || !is_permutation(turn, 2, 1, 3))
        return y;
    const ir_node *join = rewrite_reader(w, turn->outputs[0]);
    if (join == NULL || join->op->id != OP_onnx_Reshape_1 || join->inputs[0] != turn->outputs[0])
        return y;
    uint32_t z = join->outputs[0];
    return rank_of(w, z) == 3 && same_dim(w, z, 0, y, 0) && same_dim(w, z, 1, y, 2) &&
                   rewrite_dim(w, z, 2) == rewrite_dim(w, y, 1) * rewrite_dim(w, y, 3)
               ? z
               : y;
}

static bool is_computable(const rewrite *w, uint32_t value)
{
    const ir_value *v = rewrite_value(w, value);
    return (v->type == BRINK_F32 || v->type == BRINK_F16 || v->type == BRINK_BF16) &&
           v->symbolic == NULL;
}

static brink_status attention(rewrite *w, uint32_t at)
{
    rewrite_match m;
    if (w->g->nodes[at].op->id != OP_onnx_MatMul_1 || rewrite_match_any(w, at, formulas, &m) < 0)
        return BRINK_OK;
    uint32_t y = w->g->nodes[at].outputs[0], scores = rewrite_bound(&m, 'p');
    uint32_t q = rewrite_bound(&m, 'q'), k = rewrite_bound(&m, 'k'), v = rewrite_bound(&m, 'v');
    uint32_t mask = rewrite_bound(&m, 'm');
    const ir_node *softmax = rewrite_producer(w, rewrite_bound(&m, 'w'));
    int64_t axis = onnx_int(softmax->source, ATTR_axis, softmax->op->since < 13 ? 1 : -1);
    if (rank_of(w, q) != 4 || rank_of(w, k) != 4 || rank_of(w, v) != 4 ||
        (axis != -1 && axis != 3) || !same_dim(w, q, 0, k, 0) || !same_dim(w, q, 1, k, 1) ||
        !same_dim(w, q, 0, v, 0) || !same_dim(w, q, 1, v, 1) ||
        (mask != IR_NONE && !mask_fits(w, mask, scores)) || !is_computable(w, q) ||
        !is_computable(w, k) || !is_computable(w, v) ||
        (mask != IR_NONE && !is_computable(w, mask)))
        return BRINK_OK;
    double scale = rewrite_bound_number(&m, 's') / rewrite_bound_number(&m, 'd');
    int64_t q_heads = rewrite_dim(w, q, 1), kv_heads = q_heads;
    uint32_t keys = keys_of(w, behind_scale(w, k, &scale)), values = v;
    if (keys == IR_NONE || q_heads < 1)
        return BRINK_OK;
    q = behind_transpose(w, behind_scale(w, q, &scale));
    if (rank_of(w, keys) == 4) {
        keys = behind_scale(w, keys, &scale);
        uint32_t few = behind_repeat(w, keys), few_values = behind_repeat(w, v);
        if (few != keys && few_values != v && same_dim(w, few, 1, few_values, 1)) {
            keys = few;
            values = few_values;
            kv_heads = rewrite_dim(w, few, 1);
        }
        keys = behind_transpose(w, keys);
    }
    values = behind_transpose(w, values);
    uint32_t in[] = {q, keys, values, mask}, out = joined(w, y);
    onnx_attr attrs[] = {{.name = ATTR_scale, .kind = ATTR_KIND_FLOAT, .f = (float)scale},
                         {.name = ATTR_q_num_heads, .kind = ATTR_KIND_INT, .i = q_heads},
                         {.name = ATTR_kv_num_heads, .kind = ATTR_KIND_INT, .i = kv_heads}};
    return rewrite_replace(w, at,
                           &(rewrite_node){.op = OP_onnx_Attention_23,
                                           .inputs = in,
                                           .input_count = mask != IR_NONE ? 4 : 3,
                                           .outputs = &out,
                                           .output_count = 1,
                                           .attrs = attrs,
                                           .attr_count = 3});
}

brink_status pass_attention(rewrite *w)
{
    for (uint32_t i = 0; i < w->g->node_count; i++)
        if (!w->g->nodes[i].dead)
            TRY(attention(w, i));
    return BRINK_OK;
}
