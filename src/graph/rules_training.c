/* rules_training.c — shapes of losses, random numbers and Dropout, of TfIdfVectorizer, and of
   optionals that are plain tensors. */
#include "graph/rules.h"

#include <string.h>

/* The type that attribute `name` asks for, `otherwise` without it. */
static brink_status asked_type(rule_args *r, attr_name name, brink_type otherwise, brink_type *out)
{
    int64_t type = onnx_int(r->node, name, otherwise);
    if (type <= 0 || type > 64 || brink_type_bits((brink_type)type) < 8)
        return rule_unsupported(r, "element type %lld is not supported", (long long)type);
    *out = (brink_type)type;
    return BRINK_OK;
}

/* Also SoftmaxCrossEntropyLoss, whose second output are the logarithms of probabilities. */
brink_status infer_loss(rule_args *r)
{
    const ir_value *x, *labels;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &labels));
    const char *reduction = onnx_string(r->node, ATTR_reduction, "mean");
    bool none = strcmp(reduction, "none") == 0;
    if (!none && strcmp(reduction, "mean") != 0 && strcmp(reduction, "sum") != 0)
        return rule_fail(r, "reduction is %s; none, mean and sum are possible", reduction);
    if (x->rank < 2 || labels->rank + 1 != x->rank)
        return rule_fail(r, "labels of rank %u for scores of rank %u", labels->rank, x->rank);
    if (none)
        rule_like(&r->out[0], labels);
    r->out[0].type = x->type;
    if (r->out_count > 1)
        rule_like(&r->out[1], x);
    return BRINK_OK;
}

brink_status infer_random(rule_args *r)
{
    uint32_t rank;
    const int64_t *shape = onnx_ints(r->node, ATTR_shape, &rank);
    if (rank > BRINK_MAX_RANK)
        return rule_unsupported(r, "rank %u is above %d", rank, BRINK_MAX_RANK);
    TRY(asked_type(r, ATTR_dtype, BRINK_F32, &r->out[0].type));
    r->out[0].rank = rank;
    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] < 0)
            return rule_fail(r, "shape holds %lld", (long long)shape[i]);
        r->out[0].dims[i] = expr_const(r->t, shape[i]);
    }
    return BRINK_OK;
}

/* RandomNormalLike, RandomUniformLike, Bernoulli. */
brink_status infer_random_like(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    rule_like(&r->out[0], x);
    return asked_type(r, ATTR_dtype, x->type, &r->out[0].type);
}

brink_status infer_multinomial(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    int64_t samples = onnx_int(r->node, ATTR_sample_size, 1);
    if (x->rank != 2)
        return rule_fail(r, "the input's rank is %u, it should be 2", x->rank);
    if (samples < 0 || samples > INT32_MAX)
        return rule_fail(r, "sample_size is %lld", (long long)samples);
    rule_like(&r->out[0], x);
    r->out[0].dims[1] = expr_const(r->t, samples);
    return asked_type(r, ATTR_dtype, BRINK_I32, &r->out[0].type);
}

/* The mask is of the input's type below opset 10. */
brink_status infer_dropout(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    for (uint32_t i = 0; i < r->out_count; i++)
        rule_like(&r->out[i], x);
    if (r->out_count > 1 && r->node->opset >= 10)
        r->out[1].type = BRINK_BOOL;
    return BRINK_OK;
}

brink_status infer_tf_idf_vectorizer(rule_args *r)
{
    const ir_value *x;
    uint32_t count;
    int64_t width = 0;
    const int64_t *columns = onnx_ints(r->node, ATTR_ngram_indexes, &count);
    TRY(rule_need(r, 0, &x));
    if (x->type != BRINK_I32 && x->type != BRINK_I64)
        return rule_unsupported(r, "element type %s is not supported", brink_type_name(x->type));
    if (x->rank > 2)
        return rule_fail(r, "the input's rank is %u, it should be 1 or 2", x->rank);
    for (uint32_t i = 0; i < count; i++) {
        if (columns[i] < 0 || columns[i] >= INT32_MAX)
            return rule_fail(r, "ngram_indexes holds %lld", (long long)columns[i]);
        width = columns[i] >= width ? columns[i] + 1 : width;
    }
    r->out[0].type = BRINK_F32;
    r->out[0].rank = x->rank == 2 ? 2 : 1;
    r->out[0].dims[0] = x->dims[0];
    r->out[0].dims[r->out[0].rank - 1] = expr_const(r->t, width);
    return BRINK_OK;
}

/* A tensor is an optional that has its element; an input left out is one without. */
brink_status infer_optional_has_element(rule_args *r)
{
    expr *has = ARENA_ARRAY(&r->g->memory, expr, 1);
    if (has == NULL)
        return BRINK_OUT_OF_MEMORY;
    *has = expr_const(r->t, rule_in(r, 0) != NULL);
    r->out[0].type = BRINK_BOOL;
    r->out[0].symbolic = has;
    r->out[0].symbolic_count = 1;
    return BRINK_OK;
}
