/* rules_arrange.c — shapes of blocks moved between depth and space, of cropping, Col2Im, Det and
   Einsum. */
#include "graph/einsum.h"
#include "graph/rules.h"

#include <string.h>

/* a / b where it must divide. */
static brink_status divided(rule_args *r, expr a, int64_t b, expr *out)
{
    int64_t v;
    if (expr_known(r->t, a, &v) && v % b != 0)
        return rule_fail(r, "dimension %lld does not divide by %lld", (long long)v, (long long)b);
    *out = expr_div(r->t, a, expr_const(r->t, b));
    return BRINK_OK;
}

static brink_status blocks(rule_args *r, const ir_value **x, int64_t *block)
{
    TRY(rule_need(r, 0, x));
    *block = onnx_int(r->node, ATTR_blocksize, 0);
    if ((*x)->rank != 4)
        return rule_fail(r, "the input's rank is %u, it should be 4", (*x)->rank);
    if (*block < 1 || *block > 1 << 15)
        return rule_fail(r, "blocksize is %lld", (long long)*block);
    rule_like(&r->out[0], *x);
    return BRINK_OK;
}

brink_status infer_depth_to_space(rule_args *r)
{
    const ir_value *x;
    int64_t block;
    TRY(blocks(r, &x, &block));
    TRY(divided(r, x->dims[1], block * block, &r->out[0].dims[1]));
    for (uint32_t i = 2; i < 4; i++)
        r->out[0].dims[i] = expr_mul(r->t, x->dims[i], expr_const(r->t, block));
    return BRINK_OK;
}

brink_status infer_space_to_depth(rule_args *r)
{
    const ir_value *x;
    int64_t block;
    TRY(blocks(r, &x, &block));
    r->out[0].dims[1] = expr_mul(r->t, x->dims[1], expr_const(r->t, block * block));
    for (uint32_t i = 2; i < 4; i++)
        TRY(divided(r, x->dims[i], block, &r->out[0].dims[i]));
    return BRINK_OK;
}

brink_status infer_center_crop_pad(rule_args *r)
{
    const ir_value *x;
    const expr *target;
    uint64_t count;
    uint32_t axis, n_axes;
    int64_t v;
    const int64_t *axes = onnx_ints(r->node, ATTR_axes, &n_axes);
    TRY(rule_ints(r, 1, &target, &count));
    TRY(rule_need(r, 0, &x));
    rule_like(&r->out[0], x);
    if (count != (axes != NULL ? n_axes : x->rank))
        return rule_fail(r, "shape has %llu entries", (unsigned long long)count);
    for (uint32_t i = 0; i < count; i++) {
        TRY(rule_axis(r, axes != NULL ? axes[i] : (int64_t)i, x->rank, &axis));
        if (expr_known(r->t, target[i], &v) && v < 0)
            return rule_fail(r, "shape asks for dimension %lld", (long long)v);
        r->out[0].dims[axis] = target[i];
    }
    return BRINK_OK;
}

brink_status infer_col2im(rule_args *r)
{
    const ir_value *x;
    const expr *image;
    const int64_t *block;
    uint64_t n, n_block;
    TRY(rule_ints(r, 1, &image, &n));
    TRY(rule_known_ints(r, 2, &block, &n_block));
    TRY(rule_need(r, 0, &x));
    if (x->rank != 3)
        return rule_fail(r, "the input's rank is %u, it should be 3", x->rank);
    if (n != n_block || n == 0 || n + 2 > BRINK_MAX_RANK)
        return rule_fail(r, "image_shape has %llu entries, block_shape %llu", (unsigned long long)n,
                         (unsigned long long)n_block);
    int64_t size = 1;
    for (uint64_t i = 0; i < n; i++) {
        if (block[i] < 1 || block[i] > INT32_MAX / size)
            return rule_fail(r, "block_shape holds %lld", (long long)block[i]);
        size *= block[i];
    }
    ir_value *out = &r->out[0];
    out->type = x->type;
    out->rank = 2 + (uint32_t)n;
    out->dims[0] = x->dims[0];
    TRY(divided(r, x->dims[1], size, &out->dims[1]));
    memcpy(out->dims + 2, image, (size_t)n * sizeof *image);
    return BRINK_OK;
}

brink_status infer_det(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    int64_t rows, columns;
    if (x->rank < 2)
        return rule_fail(r, "the input's rank is %u, a matrix has 2", x->rank);
    if (expr_known(r->t, x->dims[x->rank - 2], &rows) &&
        expr_known(r->t, x->dims[x->rank - 1], &columns) && rows != columns)
        return rule_fail(r, "a matrix of %lld by %lld is not square", (long long)rows,
                         (long long)columns);
    rule_like(&r->out[0], x);
    r->out[0].rank -= 2;
    return BRINK_OK;
}

brink_status infer_einsum(rule_args *r)
{
    uint32_t ranks[EINSUM_OPERANDS] = {0};
    einsum e;
    const ir_value *x;
    for (uint32_t i = 0; i < r->in_count; i++) {
        TRY(rule_need(r, i, &x));
        if (i < EINSUM_OPERANDS)
            ranks[i] = x->rank;
    }
    const char *equation = onnx_string(r->node, ATTR_equation, "");
    const char *error = einsum_parse(equation, ranks, r->in_count, &e);
    if (error != NULL)
        return rule_fail(r, "equation %s: %s", equation, error);
    expr dims[EINSUM_LABELS];
    for (uint32_t i = 0; i < EINSUM_LABELS; i++)
        dims[i] = EXPR_NONE;
    for (uint32_t i = 0; i < r->in_count; i++) {
        x = rule_in(r, i);
        for (uint32_t d = 0; d < x->rank; d++) {
            expr *dim = &dims[e.operands[i].labels[d]];
            int64_t old, v;
            bool known = *dim != EXPR_NONE && expr_known(r->t, *dim, &old);
            bool one = expr_known(r->t, x->dims[d], &v) && v == 1;
            if (known && !one && old != 1 && expr_known(r->t, x->dims[d], &v) && v != old)
                return rule_fail(r, "equation %s: a label stands for %lld and %lld", equation,
                                 (long long)old, (long long)v);
            if (*dim == EXPR_NONE || (known && old == 1) || (!known && !one))
                *dim = x->dims[d];
        }
    }
    r->out[0].type = rule_in(r, 0)->type;
    r->out[0].rank = e.out.rank;
    for (uint32_t d = 0; d < e.out.rank; d++)
        r->out[0].dims[d] = dims[e.out.labels[d]];
    return BRINK_OK;
}
