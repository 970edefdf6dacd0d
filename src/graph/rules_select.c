/* rules_select.c — shapes of the operators that choose elements or place them by index.

   NonZero, Compress and Unique count what their input holds, so their input's content must be known;
   the kernels fill what is counted here. */
#include "core/half.h"
#include "graph/rules.h"
#include "graph/unique.h"

#include <string.h>

/* Elements of `v`, which must not change while running. */
static brink_status known_count(rule_args *r, const ir_value *v, uint64_t *count)
{
    return ir_count(r->g, v, count)
               ? BRINK_OK
               : rule_unsupported(r, "the shape of %s changes while running", v->name);
}

/* Element i is zero: all bits, but for the sign of a float. */
static bool is_zero(brink_type type, const uint8_t *data, uint64_t i)
{
    uint32_t size = brink_type_bits(type) / 8;
    bool real = type == BRINK_F16 || type == BRINK_BF16 || type == BRINK_F32 || type == BRINK_F64;
    uint8_t bits = 0;
    for (uint32_t k = 0; k < size; k++) /* little endian: the last byte holds the sign */
        bits |= data[i * size + k] & (real && k == size - 1 ? 0x7F : 0xFF);
    return bits == 0;
}

brink_status infer_non_zero(rule_args *r)
{
    const ir_value *x;
    const void *data;
    uint64_t count, found = 0;
    TRY(rule_data(r, 0, &data));
    TRY(rule_need(r, 0, &x));
    TRY(known_count(r, x, &count));
    if (brink_type_bits(x->type) < 8)
        return rule_unsupported(r, "element type %s is not supported", brink_type_name(x->type));
    for (uint64_t i = 0; i < count; i++)
        found += !is_zero(x->type, data, i);
    ir_value *out = &r->out[0];
    out->type = BRINK_I64;
    out->rank = 2;
    out->dims[0] = expr_const(r->t, x->rank);
    out->dims[1] = expr_const(r->t, (int64_t)found);
    return BRINK_OK;
}

brink_status infer_compress(rule_args *r)
{
    const ir_value *x, *condition;
    const void *data;
    uint64_t count, length = 0;
    TRY(rule_data(r, 1, &data));
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &condition));
    TRY(known_count(r, condition, &length));
    if (condition->type != BRINK_BOOL)
        return rule_fail(r, "the condition's type is %s, not bool",
                         brink_type_name(condition->type));
    ir_value *out = &r->out[0];
    uint32_t axis = 0;
    int64_t dim;
    rule_like(out, x);
    if (onnx_find(r->node, ATTR_axis) != NULL) {
        TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), x->rank, &axis));
        TRY(rule_dim(r, x, axis, &dim));
        count = (uint64_t)dim;
    } else {
        TRY(known_count(r, x, &count));
        out->rank = 1;
    }
    int64_t kept = 0;
    for (uint64_t i = 0; i < length; i++) {
        bool keep = ((const uint8_t *)data)[i] != 0;
        if (keep && i >= count)
            return rule_fail(r, "the condition chooses element %llu of %llu", (unsigned long long)i,
                             (unsigned long long)count);
        kept += keep;
    }
    out->dims[axis] = expr_const(r->t, kept);
    return BRINK_OK;
}

brink_status infer_unique(rule_args *r)
{
    const ir_value *x;
    const void *data;
    uint64_t count;
    TRY(rule_data(r, 0, &data));
    TRY(rule_need(r, 0, &x));
    TRY(known_count(r, x, &count));
    if (brink_type_bits(x->type) < 8)
        return rule_unsupported(r, "element type %s is not supported", brink_type_name(x->type));
    slices s = {x->type, data, 1, (int64_t)count, 1};
    ir_value *out = &r->out[0];
    uint32_t axis = 0;
    rule_like(out, x);
    if (onnx_find(r->node, ATTR_axis) != NULL) {
        TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), x->rank, &axis));
        for (uint32_t i = 0; i < x->rank; i++) {
            int64_t dim;
            TRY(rule_dim(r, x, i, &dim));
            *(i < axis   ? &s.outer
              : i > axis ? &s.inner
                         : &s.n) = i == axis ? dim : dim * (i < axis ? s.outer : s.inner);
        }
    } else {
        out->rank = 1;
    }
    arena work;
    arena_init(&work, r->g->context);
    int64_t *order = ARENA_ARRAY(&work, int64_t, 2 * (uint64_t)s.n + 1);
    int64_t groups = order != NULL ? slices_sort(&s, order, order + s.n) : 0;
    arena_free(&work);
    if (order == NULL)
        return BRINK_OUT_OF_MEMORY;
    out->dims[axis] = expr_const(r->t, groups);
    for (uint32_t i = 1; i < r->out_count; i++) { /* indices, inverse_indices, counts */
        r->out[i].type = BRINK_I64;
        r->out[i].rank = 1;
        r->out[i].dims[0] = expr_const(r->t, i == 2 ? s.n : groups);
    }
    return BRINK_OK;
}

/* k is an attribute in opset 1 and an input since. */
brink_status infer_top_k(rule_args *r)
{
    const ir_value *x;
    uint32_t axis;
    int64_t k = onnx_int(r->node, ATTR_k, -1), dim;
    if (onnx_find(r->node, ATTR_k) == NULL) {
        const int64_t *list;
        uint64_t count;
        TRY(rule_known_ints(r, 1, &list, &count));
        if (count != 1)
            return rule_fail(r, "K should be one number");
        k = list[0];
    }
    TRY(rule_need(r, 0, &x));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, -1), x->rank, &axis));
    if (k < 0 || (expr_known(r->t, x->dims[axis], &dim) && k > dim))
        return rule_fail(r, "K is %lld, dimension %u cannot give as many", (long long)k, axis);
    for (uint32_t i = 0; i < r->out_count; i++) {
        rule_like(&r->out[i], x);
        r->out[i].dims[axis] = expr_const(r->t, k);
    }
    if (r->out_count > 1)
        r->out[1].type = BRINK_I64;
    return BRINK_OK;
}

brink_status infer_one_hot(rule_args *r)
{
    const ir_value *indices, *depth, *values;
    const void *data;
    TRY(rule_need(r, 1, &depth));
    expr n;
    uint64_t one;
    if (!ir_count(r->g, depth, &one) || one != 1)
        return rule_fail(r, "depth should be one number");
    if (depth->type == BRINK_F32 || depth->type == BRINK_F64 || is_half(depth->type)) {
        TRY(rule_data(r, 1, &data));
        float wide = 0;
        if (is_half(depth->type))
            half_widen(depth->type, data, 1, &wide);
        double d = depth->type == BRINK_F64   ? *(const double *)data
                   : depth->type == BRINK_F32 ? (double)*(const float *)data
                                              : (double)wide;
        if (!(d >= 0 && d < 1e15))
            return rule_fail(r, "depth is %g", d);
        n = expr_const(r->t, (int64_t)d);
    } else {
        const expr *list;
        uint64_t count;
        int64_t v;
        TRY(rule_ints(r, 1, &list, &count));
        if (count != 1 || (expr_known(r->t, list[0], &v) && v < 0))
            return rule_fail(r, "depth should be one number, not negative");
        n = list[0];
    }
    TRY(rule_need(r, 0, &indices));
    TRY(rule_need(r, 2, &values));
    uint32_t axis;
    if (indices->rank == BRINK_MAX_RANK)
        return rule_unsupported(r, "rank above %d", BRINK_MAX_RANK);
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, -1), indices->rank + 1, &axis));
    ir_value *out = &r->out[0];
    out->type = values->type;
    for (uint32_t i = 0; i <= indices->rank; i++)
        out->dims[out->rank++] = i == axis ? n : indices->dims[i - (i > axis)];
    return BRINK_OK;
}

brink_status infer_eye_like(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    if (x->rank != 2)
        return rule_fail(r, "the input's rank is %u, a matrix has 2", x->rank);
    rule_like(&r->out[0], x);
    int64_t type = onnx_int(r->node, ATTR_dtype, x->type);
    if (type <= 0 || type > 64 || brink_type_bits((brink_type)type) < 8)
        return rule_unsupported(r, "element type %lld is not supported", (long long)type);
    r->out[0].type = (brink_type)type;
    return BRINK_OK;
}
