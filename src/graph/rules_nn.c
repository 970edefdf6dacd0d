/* rules_nn.c — shapes of attention and recurrence. */
#include "graph/rules.h"

#include <string.h>

/* com.microsoft.GroupQueryAttention: query [B,S,hidden] (or packed QKV), past [B,kv,P,D];
   present has the past and the new rows. Where no past is given it is empty. */
brink_status infer_group_query_attention(rule_args *r)
{
    const ir_value *q, *k, *past_k = rule_in(r, 3), *past_v = rule_in(r, 4);
    TRY(rule_need(r, 0, &q));
    int64_t heads = onnx_int(r->node, ATTR_num_heads, 0);
    int64_t kv_heads = onnx_int(r->node, ATTR_kv_num_heads, 0), hidden;
    if (q->rank != 3 || heads <= 0 || kv_heads <= 0 || heads % kv_heads != 0)
        return rule_fail(r, "query has rank %u, num_heads is %lld, kv_num_heads %lld", q->rank,
                         (long long)heads, (long long)kv_heads);
    TRY(rule_dim(r, q, 2, &hidden));
    bool packed = (k = rule_in(r, 1)) == NULL;
    int64_t parts = packed ? heads + 2 * kv_heads : heads;
    if (hidden <= 0 || hidden % parts != 0)
        return rule_fail(r, "a query of width %lld does not divide into %lld heads",
                         (long long)hidden, (long long)parts);
    int64_t head = hidden / parts, width;
    for (uint32_t i = 1; i <= 2 && !packed; i++) {
        TRY(rule_need(r, i, &k));
        TRY(rule_dim(r, k, 2, &width));
        if (k->rank != 3 || width != head * kv_heads)
            return rule_fail(r, "input %u has width %lld, %lld is needed", i, (long long)width,
                             (long long)(head * kv_heads));
    }
    for (uint32_t i = 3; i <= 4; i++) {
        const ir_value *past = rule_in(r, i);
        int64_t h, d;
        if (past == NULL)
            continue;
        if (past->rank != 4)
            return rule_fail(r, "input %u has rank %u, not 4", i, past->rank);
        TRY(rule_dim(r, past, 1, &h));
        TRY(rule_dim(r, past, 3, &d));
        if (h != kv_heads || d != head)
            return rule_fail(r, "input %u has %lld heads of %lld, not %lld of %lld", i,
                             (long long)h, (long long)d, (long long)kv_heads, (long long)head);
    }
    if (past_k != NULL && past_v != NULL && past_k->dims[2] != past_v->dims[2])
        return rule_fail(r, "past key and value differ in length");
    int64_t cache_width;
    for (uint32_t i = 7; i <= 8; i++) {
        const ir_value *cache = rule_in(r, i);
        if (cache == NULL)
            continue;
        TRY(rule_dim(r, cache, 1, &cache_width));
        if (cache->rank != 2 || cache_width <= 0 || cache_width * 2 > head)
            return rule_fail(r, "input %u is no rotary cache for heads of %lld", i,
                             (long long)head);
    }
    if (onnx_int(r->node, ATTR_do_rotary, 0) && (!rule_in(r, 7) || !rule_in(r, 8)))
        return rule_fail(r, "do_rotary without cos_cache and sin_cache");
    if (rule_in(r, 5) == NULL)
        return rule_fail(r, "seqlens_k is missing");
    if (rule_in(r, 12) != NULL || rule_in(r, 13) != NULL)
        return rule_unsupported(r, "k_scale and v_scale: a quantised key-value cache");
    if (onnx_int(r->node, ATTR_sliding_window_cache, 0))
        return rule_unsupported(r, "sliding_window_cache is not supported");
    ir_value *out = &r->out[0];
    rule_like(out, q);
    out->dims[2] = expr_const(r->t, heads * head);
    expr past = past_k != NULL ? past_k->dims[2] : expr_const(r->t, 0);
    for (uint32_t i = 1; i < r->out_count; i++) {
        expr total = expr_add(r->t, past, q->dims[1]);
        r->out[i].type = past_k != NULL && i < 3 ? past_k->type : q->type;
        r->out[i].rank = 4;
        r->out[i].dims[0] = q->dims[0];
        r->out[i].dims[1] = expr_const(r->t, i < 3 ? kv_heads : heads);
        r->out[i].dims[2] = i < 3 ? total : q->dims[1];
        r->out[i].dims[3] = i < 3 ? expr_const(r->t, head) : total;
    }
    return BRINK_OK;
}

/* RNN, GRU and LSTM of 1, 3 and 4 gates: X [T,B,I] (or [B,T,I] with layout 1), R [D,gates*H,H];
   Y [T,D,B,H], Y_h and Y_c [D,B,H]. */
brink_status infer_recurrent(rule_args *r)
{
    const ir_value *x, *w, *rec;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &w));
    TRY(rule_need(r, 2, &rec));
    int64_t hidden, directions, input, width, gates;
    bool across = strcmp(r->op->name, "DynamicQuantizeLSTM") == 0; /* W is [D,I,4H] */
    bool lstm = across || strcmp(r->op->name, "LSTM") == 0;
    int64_t gate_count = lstm ? 4 : strcmp(r->op->name, "GRU") == 0 ? 3 : 1;
    if (x->rank != 3 || w->rank != 3 || rec->rank != 3)
        return rule_fail(r, "inputs X, W and R should have rank 3");
    TRY(rule_dim(r, rec, across ? 1 : 2, &hidden));
    TRY(rule_dim(r, w, 0, &directions));
    TRY(rule_dim(r, w, across ? 2 : 1, &gates));
    TRY(rule_dim(r, w, across ? 1 : 2, &width));
    TRY(rule_dim(r, x, 2, &input));
    bool two = strcmp(onnx_string(r->node, ATTR_direction, "forward"), "bidirectional") == 0;
    if (directions != (two ? 2 : 1) || gates != gate_count * hidden || width != input ||
        onnx_int(r->node, ATTR_hidden_size, hidden) != hidden)
        return rule_fail(r, "W is [%lld, %lld, %lld] for inputs of %lld and %lld hidden units",
                         (long long)directions, (long long)gates, (long long)width,
                         (long long)input, (long long)hidden);
    const uint64_t sizes[] = {0, 0, (uint64_t)(directions * gates * hidden),
                              (uint64_t)(directions * 2 * gates)};
    for (uint32_t i = 2; i < 4; i++) {
        const ir_value *v = rule_in(r, i);
        uint64_t count;
        if (v != NULL && (!ir_count(r->g, v, &count) || count != sizes[i]))
            return rule_fail(r, "input %u should hold %llu elements", i,
                             (unsigned long long)sizes[i]);
    }
    bool by_batch = onnx_int(r->node, ATTR_layout, 0) != 0;
    expr steps = x->dims[by_batch ? 1 : 0], batch = x->dims[by_batch ? 0 : 1];
    expr d = expr_const(r->t, directions), h = expr_const(r->t, hidden);
    for (uint32_t i = 5; i < (lstm ? 7 : 6); i++) {
        const ir_value *v = rule_in(r, i);
        if (v == NULL)
            continue;
        if (v->rank != 3 || v->dims[2] != h || v->dims[by_batch ? 1 : 0] != d ||
            v->dims[by_batch ? 0 : 1] != batch)
            return rule_fail(r, "initial state %u does not fit the batch and hidden size", i);
    }
    for (uint32_t i = 0; i < r->out_count && i < 3; i++) {
        ir_value *out = &r->out[i];
        out->type = x->type;
        if (i == 0) {
            out->rank = 4;
            expr dims[] = {steps, d, batch, h}, batched[] = {batch, steps, d, h};
            memcpy(out->dims, by_batch ? batched : dims, sizeof dims);
        } else {
            out->rank = 3;
            expr dims[] = {d, batch, h}, batched[] = {batch, d, h};
            memcpy(out->dims, by_batch ? batched : dims, sizeof dims);
        }
    }
    return BRINK_OK;
}
