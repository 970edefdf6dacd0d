/* rules_attention.c — shapes of the attention operators but for GroupQueryAttention. */
#include "graph/rules.h"

/* Heads and width of one [batch, heads, rows, width] or [batch, rows, heads * width]. */
static brink_status head_dims(rule_args *r, const ir_value *v, int64_t given, expr *heads,
                              expr *rows, expr *width)
{
    if (v->rank == 4) {
        *heads = v->dims[1];
        *rows = v->dims[2];
        *width = v->dims[3];
        return BRINK_OK;
    }
    int64_t hidden;
    if (v->rank != 3)
        return rule_fail(r, "an input of rank %u, neither 3 nor 4", v->rank);
    TRY(rule_dim(r, v, 2, &hidden));
    if (given <= 0 || hidden % given != 0)
        return rule_fail(r, "width %lld does not divide into %lld heads", (long long)hidden,
                         (long long)given);
    *heads = expr_const(r->t, given);
    *rows = v->dims[1];
    *width = expr_const(r->t, hidden / given);
    return BRINK_OK;
}

static void shape4(ir_value *out, brink_type type, expr a, expr b, expr c, expr d)
{
    out->type = type;
    out->rank = 4;
    out->dims[0] = a;
    out->dims[1] = b;
    out->dims[2] = c;
    out->dims[3] = d;
}

/* ONNX Attention: Y like Q with V's width, present_key, present_value, the scores. */
brink_status infer_attention(rule_args *r)
{
    const ir_value *q, *k, *v, *past = rule_in(r, 4);
    expr heads, rows, d, kv_heads, kv_rows, v_heads, v_rows, dv;
    TRY(rule_need(r, 0, &q));
    TRY(rule_need(r, 1, &k));
    TRY(rule_need(r, 2, &v));
    int64_t kv = onnx_int(r->node, ATTR_kv_num_heads, 0), q_heads;
    q_heads = onnx_int(r->node, ATTR_q_num_heads, 0);
    if (q->rank != k->rank || k->rank != v->rank)
        return rule_fail(r, "Q, K and V have ranks %u, %u and %u", q->rank, k->rank, v->rank);
    TRY(head_dims(r, q, q_heads, &heads, &rows, &d));
    TRY(head_dims(r, k, kv, &kv_heads, &kv_rows, &d));
    TRY(head_dims(r, v, kv, &v_heads, &v_rows, &dv));
    if (past != NULL && past->rank != 4)
        return rule_fail(r, "past_key has rank %u", past->rank);
    expr keys = past != NULL ? expr_add(r->t, past->dims[2], kv_rows) : kv_rows;
    rule_like(&r->out[0], q);
    if (q->rank == 3)
        r->out[0].dims[2] = expr_mul(r->t, heads, dv);
    else
        r->out[0].dims[3] = dv;
    for (uint32_t i = 1; i < r->out_count && i < 4; i++)
        shape4(&r->out[i], i == 2 ? v->type : q->type, q->dims[0], i < 3 ? kv_heads : heads,
               i < 3 ? keys : rows,
               i == 1   ? d
               : i == 2 ? dv
                        : keys);
    return BRINK_OK;
}

/* query [B,T,Hq*d], key [B,T,H*d], value [B,T,H*dv]: output [B,T,Hq*dv], state [B,H,d,dv]. */
brink_status infer_linear_attention(rule_args *r)
{
    const ir_value *q, *k, *v, *past = rule_in(r, 3);
    TRY(rule_need(r, 0, &q));
    TRY(rule_need(r, 1, &k));
    TRY(rule_need(r, 2, &v));
    int64_t heads = onnx_int(r->node, ATTR_q_num_heads, 0), width, v_width;
    int64_t kv_heads = onnx_int(r->node, ATTR_kv_num_heads, 0);
    if (q->rank != 3 || k->rank != 3 || v->rank != 3 || heads <= 0 || kv_heads <= 0 ||
        heads % kv_heads != 0)
        return rule_fail(r, "ranks %u, %u and %u with %lld and %lld heads", q->rank, k->rank,
                         v->rank, (long long)heads, (long long)kv_heads);
    TRY(rule_dim(r, q, 2, &width));
    TRY(rule_dim(r, v, 2, &v_width));
    if (width % heads != 0 || v_width % kv_heads != 0)
        return rule_fail(r, "widths %lld and %lld do not divide into heads", (long long)width,
                         (long long)v_width);
    rule_like(&r->out[0], q);
    r->out[0].dims[2] = expr_const(r->t, v_width / kv_heads * heads);
    if (r->out_count > 1)
        shape4(&r->out[1], past != NULL ? past->type : q->type, q->dims[0],
               expr_const(r->t, kv_heads), expr_const(r->t, width / heads),
               expr_const(r->t, v_width / kv_heads));
    return BRINK_OK;
}

/* com.microsoft.MultiHeadAttention and its decoder form: the inputs' forms are in the kernel's file.
   Outputs: [B,S,v_hidden], present keys and values, the scores. */
brink_status infer_multi_head_attention(rule_args *r)
{
    bool decoder = r->op->name[0] == 'D';
    uint32_t past_at = decoder ? 5 : 6, length_at = decoder ? 7 : 8;
    const ir_value *q, *k = rule_in(r, 1), *v = rule_in(r, 2), *past = rule_in(r, past_at);
    TRY(rule_need(r, 0, &q));
    int64_t n = onnx_int(r->node, ATTR_num_heads, 0), width;
    if (n <= 0 || (q->rank != 3 && q->rank != 5) || (q->rank == 3 && k == NULL && !decoder))
        return rule_fail(r, "query of rank %u with %lld heads%s", q->rank, (long long)n,
                         k == NULL ? ", and no key" : "");
    expr heads = expr_const(r->t, n), kv_rows = q->dims[1], d, dv;
    TRY(rule_dim(r, q, q->rank - 1, &width));
    int64_t parts = q->rank == 5 ? 1 : k == NULL ? 3 * n : n;
    if (width % parts != 0)
        return rule_fail(r, "width %lld does not divide into %lld heads", (long long)width,
                         (long long)parts);
    d = dv = expr_const(r->t, width / parts);
    if (k != NULL) {
        if (k->rank < 3 || k->rank > 5 || (k->rank != 5 && (v == NULL || v->rank != k->rank)))
            return rule_fail(r, "key of rank %u and value of rank %u", k->rank,
                             v == NULL ? 0 : v->rank);
        kv_rows = k->dims[k->rank == 4 ? 2 : 1];
        if (k->rank == 4)
            dv = v->dims[3];
        if (k->rank == 3) {
            TRY(rule_dim(r, v, 2, &width));
            dv = expr_const(r->t, width / n);
        }
    }
    if (past != NULL && past->rank != 4)
        return rule_fail(r, "past_key has rank %u", past->rank);
    expr keys = past != NULL ? expr_add(r->t, past->dims[2], kv_rows) : kv_rows, rows = keys;
    if (past != NULL && rule_in(r, length_at) != NULL) {
        rows = past->dims[2];
        if (r->out_count > 3 && r->node->outputs[3] != ONNX_NONE) {
            const int64_t *length;
            uint64_t count;
            TRY(rule_known_ints(r, length_at, &length, &count));
            keys = expr_add(r->t, expr_const(r->t, count > 0 ? length[0] : 0), kv_rows);
        }
    }
    ir_value *out = &r->out[0];
    out->type = q->type;
    out->rank = 3;
    out->dims[0] = q->dims[0];
    out->dims[1] = q->dims[1];
    out->dims[2] = expr_mul(r->t, heads, dv);
    for (uint32_t i = 1; i < r->out_count && i < 4; i++)
        shape4(&r->out[i], q->type, q->dims[0], heads, i < 3 ? rows : q->dims[1],
               i == 1   ? d
               : i == 2 ? dv
                        : keys);
    return BRINK_OK;
}

/* com.microsoft.Attention and QAttention: input [B,S,width] and merged weights; present stacks keys
   and values, [2,B,N,T,D]. */
brink_status infer_packed_attention(rule_args *r)
{
    bool quantized = r->op->name[0] == 'Q';
    const ir_value *x, *w, *scale, *past = rule_in(r, quantized ? 8 : 4);
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &w));
    TRY(rule_need(r, quantized ? 3 : 0, &scale));
    int64_t n = onnx_int(r->node, ATTR_num_heads, 0), columns;
    uint32_t count;
    const int64_t *sizes = onnx_ints(r->node, ATTR_qkv_hidden_sizes, &count);
    if (x->rank != 3 || w->rank != 2 || n <= 0 || (sizes != NULL && count != 3) ||
        (past != NULL && past->rank != 5))
        return rule_fail(r, "input of rank %u, weights of rank %u, %lld heads", x->rank, w->rank,
                         (long long)n);
    TRY(rule_dim(r, w, 1, &columns));
    int64_t hidden = sizes != NULL ? sizes[0] : columns / 3;
    int64_t v_hidden = sizes != NULL ? sizes[2] : columns / 3;
    if (hidden <= 0 || v_hidden <= 0 || hidden > columns || v_hidden > columns ||
        2 * hidden + v_hidden != columns || hidden % n != 0 || v_hidden % n != 0)
        return rule_fail(r, "%lld columns for %lld heads of %lld and %lld together",
                         (long long)columns, (long long)n, (long long)hidden, (long long)v_hidden);
    rule_like(&r->out[0], x);
    r->out[0].type = scale->type;
    r->out[0].dims[2] = expr_const(r->t, v_hidden);
    if (r->out_count < 2)
        return BRINK_OK;
    if (hidden != v_hidden && r->node->outputs[1] != ONNX_NONE)
        return rule_unsupported(r, "present for keys and values of different widths");
    bool shared = onnx_int(r->node, ATTR_past_present_share_buffer, 0) != 0;
    expr before = past != NULL ? past->dims[3] : expr_const(r->t, 0);
    ir_value *out = &r->out[1];
    out->type = scale->type;
    out->rank = 5;
    out->dims[0] = expr_const(r->t, 2);
    out->dims[1] = x->dims[0];
    out->dims[2] = expr_const(r->t, n);
    out->dims[3] = shared && past != NULL ? before : expr_add(r->t, before, x->dims[1]);
    out->dims[4] = expr_const(r->t, hidden / n);
    return BRINK_OK;
}

/* RotaryEmbedding: X, the caches and, which ONNX may leave out, positions. */
brink_status infer_rotary_embedding(rule_args *r)
{
    const ir_value *v;
    for (uint32_t i = *r->op->domain == 0 ? 3 : 4; i-- > 0;)
        TRY(rule_need(r, i, &v));
    rule_like(&r->out[0], v);
    return BRINK_OK;
}
