/* rules_contrib.c — shapes of com.microsoft's small operators. */
#include "graph/rules.h"

#include <string.h>

brink_status infer_bias_split_gelu(rule_args *r)
{
    const ir_value *x;
    int64_t width;
    TRY(rule_need(r, 1, &x));
    TRY(rule_need(r, 0, &x));
    if (x->rank == 0)
        return rule_fail(r, "the input is a scalar");
    TRY(rule_dim(r, x, x->rank - 1, &width));
    if (width % 2 != 0)
        return rule_fail(r, "a width of %lld has no halves", (long long)width);
    rule_like(&r->out[0], x);
    r->out[0].dims[x->rank - 1] = expr_const(r->t, width / 2);
    return BRINK_OK;
}

brink_status infer_expand_dims(rule_args *r)
{
    const ir_value *x;
    const int64_t *axis;
    uint64_t count;
    uint32_t at;
    TRY(rule_known_ints(r, 1, &axis, &count));
    TRY(rule_need(r, 0, &x));
    if (count != 1 || x->rank == BRINK_MAX_RANK)
        return rule_fail(r, "%llu axes for an input of rank %u", (unsigned long long)count,
                         x->rank);
    TRY(rule_axis(r, axis[0], x->rank + 1, &at));
    ir_value *out = &r->out[0];
    rule_like(out, x);
    out->rank = x->rank + 1;
    memmove(out->dims + at + 1, out->dims + at, (x->rank - at) * sizeof *out->dims);
    out->dims[at] = expr_const(r->t, 1);
    return BRINK_OK;
}

brink_status infer_ngram_repeat_block(rule_args *r)
{
    const ir_value *scores;
    TRY(rule_need(r, 0, &scores));
    TRY(rule_need(r, 1, &scores));
    rule_like(&r->out[0], scores);
    return BRINK_OK;
}

brink_status infer_inverse(rule_args *r)
{
    const ir_value *x;
    int64_t rows, columns;
    TRY(rule_need(r, 0, &x));
    if (x->rank < 2)
        return rule_fail(r, "an input of rank %u is no matrix", x->rank);
    TRY(rule_dim(r, x, x->rank - 2, &rows));
    TRY(rule_dim(r, x, x->rank - 1, &columns));
    if (rows != columns)
        return rule_fail(r, "%lld rows and %lld columns", (long long)rows, (long long)columns);
    rule_like(&r->out[0], x);
    return BRINK_OK;
}

brink_status infer_cdist(rule_args *r)
{
    const ir_value *x, *y;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &y));
    if (x->rank != 2 || y->rank != 2)
        return rule_fail(r, "inputs of rank %u and %u should be matrices", x->rank, y->rank);
    rule_like(&r->out[0], x);
    r->out[0].dims[1] = y->dims[0];
    return BRINK_OK;
}

/* ids [B,S] and a word table [words, hidden]: [B,S,hidden], counts [B], the sum. */
brink_status infer_embed_layer_norm(rule_args *r)
{
    const ir_value *ids, *words, *places;
    TRY(rule_need(r, 0, &ids));
    TRY(rule_need(r, 2, &words));
    TRY(rule_need(r, 3, &places));
    if (ids->rank != 2 || words->rank != 2)
        return rule_fail(r, "input_ids of rank %u and words of rank %u", ids->rank, words->rank);
    for (uint32_t i = 0; i < r->out_count && i < 3; i++) {
        ir_value *out = &r->out[i];
        rule_like(out, ids);
        out->type = i == 1 ? BRINK_I32 : places->type;
        out->rank = i == 1 ? 1 : 3;
        out->dims[2] = words->dims[1];
    }
    return BRINK_OK;
}

brink_status infer_dynamic_quantize_matmul(rule_args *r)
{
    const ir_value *scale;
    TRY(rule_need(r, 2, &scale));
    return infer_matmul(r);
}
