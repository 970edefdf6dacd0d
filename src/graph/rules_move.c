/* rules_move.c — shapes of the operators that move elements or describe shapes. */
#include "core/half.h"
#include "graph/rules.h"

#include <string.h>

static brink_status set_vector(rule_args *r, brink_type type, expr length)
{
    r->out[0].type = type;
    r->out[0].rank = 1;
    r->out[0].dims[0] = length;
    return BRINK_OK;
}

/* The part of a shape that Shape's start and end choose. */
static void shape_range(const rule_args *r, uint32_t rank, uint32_t *from, uint32_t *to)
{
    int64_t start = onnx_int(r->node, ATTR_start, 0), end = onnx_int(r->node, ATTR_end, rank);
    start += start < 0 ? rank : 0;
    end += end < 0 ? rank : 0;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end < start ? start : end > rank ? rank : end;
    *from = (uint32_t)start;
    *to = (uint32_t)end;
}

brink_status infer_shape(rule_args *r)
{
    const ir_value *x;
    uint32_t from, to;
    TRY(rule_need(r, 0, &x));
    shape_range(r, x->rank, &from, &to);
    expr *list = ARENA_ARRAY(&r->g->memory, expr, to - from + 1);
    if (list == NULL)
        return BRINK_OUT_OF_MEMORY;
    memcpy(list, x->dims + from, (to - from) * sizeof *list);
    TRY(set_vector(r, BRINK_I64, expr_const(r->t, to - from)));
    r->out[0].symbolic = list;
    r->out[0].symbolic_count = to - from;
    return BRINK_OK;
}

brink_status infer_size(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    expr *list = ARENA_ARRAY(&r->g->memory, expr, 1);
    if (list == NULL)
        return BRINK_OUT_OF_MEMORY;
    list[0] = expr_const(r->t, 1);
    for (uint32_t i = 0; i < x->rank; i++)
        list[0] = expr_mul(r->t, list[0], x->dims[i]);
    r->out[0].type = BRINK_I64;
    r->out[0].symbolic = list;
    r->out[0].symbolic_count = 1;
    return BRINK_OK;
}

static expr product_of(rule_args *r, const expr *dims, uint32_t count)
{
    expr p = expr_const(r->t, 1);
    for (uint32_t i = 0; i < count; i++)
        p = expr_mul(r->t, p, dims[i]);
    return p;
}

brink_status infer_reshape(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    ir_value from = *x, *out = &r->out[0];
    const expr *target;
    uint64_t count;
    const onnx_attr *attr = onnx_find(r->node, ATTR_shape);
    if (attr != NULL && attr->kind == ATTR_KIND_INTS) { /* opset 1 */
        expr *list = ARENA_ARRAY(&r->g->memory, expr, (uint64_t)attr->count + 1);
        if (list == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint32_t i = 0; i < attr->count; i++)
            list[i] = expr_const(r->t, attr->ints[i]);
        target = list;
        count = attr->count;
    } else {
        TRY(rule_ints(r, 1, &target, &count));
    }
    if (count > BRINK_MAX_RANK)
        return rule_unsupported(r, "rank %llu is above %d", (unsigned long long)count,
                                BRINK_MAX_RANK);
    out->type = from.type;
    out->rank = (uint32_t)count;
    bool zero_is_zero = onnx_int(r->node, ATTR_allowzero, 0) != 0;
    int open = -1;
    for (uint32_t i = 0; i < out->rank; i++) {
        int64_t v;
        bool known = expr_known(r->t, target[i], &v);
        out->dims[i] = target[i];
        if (!known && expr_low(r->t, target[i]) < 0)
            return rule_unsupported(r, "dimension %u may be negative", i);
        if (!known)
            continue;
        if (v == 0 && !zero_is_zero) {
            if (i >= from.rank)
                return rule_fail(r, "dimension %u is 0, to be kept, but the input has rank %u", i,
                                 from.rank);
            out->dims[i] = from.dims[i];
        } else if (v == -1 && open < 0) {
            open = (int)i;
            out->dims[i] = expr_const(r->t, 1);
        } else if (v < 0) {
            return rule_fail(r, "dimension %u of the new shape is %lld", i, (long long)v);
        }
    }
    expr total = product_of(r, from.dims, from.rank);
    expr rest = product_of(r, out->dims, out->rank);
    int64_t total_known, rest_known;
    bool known = expr_known(r->t, total, &total_known) && expr_known(r->t, rest, &rest_known);
    if (open >= 0) {
        /* Cancel dimensions that stand on both sides, so that the open one stays simple. */
        expr left[BRINK_MAX_RANK], right[BRINK_MAX_RANK];
        uint32_t nl = 0, nr = 0;
        bool used[BRINK_MAX_RANK] = {false};
        for (uint32_t i = 0; i < out->rank; i++)
            if ((int)i != open)
                right[nr++] = out->dims[i];
        for (uint32_t i = 0; i < from.rank; i++) {
            uint32_t k = 0;
            while (k < nr && (used[k] || right[k] != from.dims[i] || expr_low(r->t, right[k]) <= 0))
                k++;
            if (k < nr)
                used[k] = true;
            else
                left[nl++] = from.dims[i];
        }
        uint32_t kept = 0;
        for (uint32_t k = 0; k < nr; k++)
            if (!used[k])
                right[kept++] = right[k];
        expr above = product_of(r, left, nl), below = product_of(r, right, kept);
        if (known && rest_known == 0) {
            if (total_known != 0)
                return rule_fail(r, "%lld elements do not fit the new shape",
                                 (long long)total_known);
            out->dims[open] = expr_const(r->t, 0);
        } else if (known && total_known % rest_known != 0) {
            return rule_fail(r, "%lld elements do not divide by %lld", (long long)total_known,
                             (long long)rest_known);
        } else if (known) {
            out->dims[open] = expr_const(r->t, total_known / rest_known);
        } else if (expr_known(r->t, below, &rest_known) && rest_known == 0) {
            return rule_unsupported(r, "an open dimension beside one of size 0");
        } else {
            out->dims[open] = expr_div(r->t, above, below);
        }
    } else if (known && total_known != rest_known) {
        return rule_fail(r, "%lld elements do not fit a shape of %lld", (long long)total_known,
                         (long long)rest_known);
    }
    return BRINK_OK;
}

brink_status infer_flatten(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    int64_t axis = onnx_int(r->node, ATTR_axis, 1);
    if (axis < -(int64_t)x->rank || axis > (int64_t)x->rank)
        return rule_fail(r, "axis %lld is outside rank %u", (long long)axis, x->rank);
    uint32_t at = (uint32_t)(axis < 0 ? axis + x->rank : axis);
    r->out[0].type = x->type;
    r->out[0].rank = 2;
    r->out[0].dims[0] = product_of(r, x->dims, at);
    r->out[0].dims[1] = product_of(r, x->dims + at, x->rank - at);
    return BRINK_OK;
}

brink_status infer_squeeze(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    ir_value from = *x, *out = &r->out[0];
    const int64_t *axes;
    uint64_t count;
    bool given, drop[BRINK_MAX_RANK] = {false};
    TRY(rule_attr_or_input(r, ATTR_axes, 1, &axes, &count, &given));
    for (uint64_t i = 0; i < count; i++) {
        uint32_t axis;
        int64_t n;
        TRY(rule_axis(r, axes[i], from.rank, &axis));
        if (expr_known(r->t, from.dims[axis], &n) && n != 1)
            return rule_fail(r, "dimension %u is %lld, not 1", axis, (long long)n);
        drop[axis] = true;
    }
    out->type = from.type;
    for (uint32_t i = 0; i < from.rank; i++) {
        int64_t n;
        if (!given) {
            if (!expr_known(r->t, from.dims[i], &n) && expr_low(r->t, from.dims[i]) <= 1)
                return rule_unsupported(r, "dimension %u may or may not be 1", i);
            drop[i] = expr_known(r->t, from.dims[i], &n) && n == 1;
        }
        if (!drop[i])
            out->dims[out->rank++] = from.dims[i];
    }
    return BRINK_OK;
}

brink_status infer_unsqueeze(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    ir_value from = *x, *out = &r->out[0];
    const int64_t *axes;
    uint64_t count;
    bool given, added[BRINK_MAX_RANK] = {false};
    TRY(rule_attr_or_input(r, ATTR_axes, 1, &axes, &count, &given));
    if (from.rank + count > BRINK_MAX_RANK)
        return rule_unsupported(r, "rank %llu is above %d", (unsigned long long)(from.rank + count),
                                BRINK_MAX_RANK);
    out->type = from.type;
    out->rank = from.rank + (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t axis;
        TRY(rule_axis(r, axes[i], out->rank, &axis));
        if (added[axis])
            return rule_fail(r, "axis %u is given twice", axis);
        added[axis] = true;
    }
    for (uint32_t i = 0, k = 0; i < out->rank; i++)
        out->dims[i] = added[i] ? expr_const(r->t, 1) : from.dims[k++];
    return BRINK_OK;
}

brink_status infer_constant_of_shape(rule_args *r)
{
    const expr *dims;
    uint64_t count;
    TRY(rule_ints(r, 0, &dims, &count));
    if (count > BRINK_MAX_RANK)
        return rule_unsupported(r, "rank %llu is above %d", (unsigned long long)count,
                                BRINK_MAX_RANK);
    const onnx_attr *value = onnx_find(r->node, ATTR_value);
    bool given = value != NULL && value->kind == ATTR_KIND_TENSOR;
    if (given && (value->tensor->count != 1 || value->tensor->data == NULL))
        return rule_fail(r, "value should hold one element");
    r->out[0].type = given ? value->tensor->type : BRINK_F32;
    r->out[0].rank = (uint32_t)count;
    memcpy(r->out[0].dims, dims, (size_t)count * sizeof *dims);
    return BRINK_OK;
}

/* (limit − start) / delta rounded up, at least 0. */
brink_status infer_range(rule_args *r)
{
    const ir_value *start;
    TRY(rule_need(r, 0, &start));
    brink_type type = start->type;
    if (type == BRINK_F32 || type == BRINK_F64 || is_half(type)) {
        double v[3] = {0, 0, 1}; /* com.microsoft's may leave delta out */
        for (uint32_t i = 0; i < 3; i++) {
            const void *data;
            uint64_t one;
            if (i == 2 && rule_in(r, 2) == NULL)
                continue;
            TRY(rule_data(r, i, &data));
            if (!ir_count(r->g, rule_in(r, i), &one) || one != 1 || rule_in(r, i)->type != type)
                return rule_fail(r, "input %u should be one number of type %s", i,
                                 brink_type_name(type));
            v[i] = type == BRINK_F32   ? (double)*(const float *)data
                   : type == BRINK_F64 ? *(const double *)data
                   : type == BRINK_F16 ? half_to_float(*(const uint16_t *)data)
                                       : bfloat_to_float(*(const uint16_t *)data);
        }
        double n = v[2] != 0 ? (v[1] - v[0]) / v[2] : -1;
        if (!(n < 1e15) || v[2] == 0)
            return rule_fail(r, "delta is 0 or the range is endless");
        int64_t whole = n > 0 ? (int64_t)n : 0;
        whole += n > (double)whole;
        return set_vector(r, type, expr_const(r->t, whole));
    }
    expr one = expr_const(r->t, 1);
    const expr *v[3] = {NULL, NULL, &one};
    uint64_t count;
    for (uint32_t i = 0; i < 3; i++) {
        if (i == 2 && rule_in(r, 2) == NULL)
            continue;
        TRY(rule_ints(r, i, &v[i], &count));
        if (count != 1)
            return rule_fail(r, "input %u should be a scalar", i);
    }
    int64_t delta;
    if (!expr_known(r->t, v[2][0], &delta) || delta == 0 || delta == INT64_MIN)
        return rule_fail(r, "delta is 0 or changes while running");
    expr span = expr_sub(r->t, v[1][0], v[0][0]);
    if (delta < 0)
        span = expr_sub(r->t, v[0][0], v[1][0]);
    int64_t step = delta < 0 ? -delta : delta;
    expr length =
        expr_div(r->t, expr_add(r->t, span, expr_const(r->t, step - 1)), expr_const(r->t, step));
    return set_vector(r, type, expr_max(r->t, length, expr_const(r->t, 0)));
}

brink_status infer_expand(rule_args *r)
{
    const ir_value *x;
    const expr *dims;
    uint64_t count;
    TRY(rule_need(r, 0, &x));
    TRY(rule_ints(r, 1, &dims, &count));
    if (count > BRINK_MAX_RANK)
        return rule_unsupported(r, "rank %llu is above %d", (unsigned long long)count,
                                BRINK_MAX_RANK);
    ir_value target = {.rank = (uint32_t)count};
    memcpy(target.dims, dims, (size_t)count * sizeof *dims);
    x = rule_in(r, 0);
    r->out[0].type = x->type;
    return rule_broadcast(r, x, &target, &r->out[0]);
}

brink_status infer_tile(rule_args *r)
{
    const ir_value *x;
    const expr *repeats;
    uint64_t count;
    TRY(rule_ints(r, 1, &repeats, &count));
    TRY(rule_need(r, 0, &x));
    if (count != x->rank)
        return rule_fail(r, "%llu repeats for rank %u", (unsigned long long)count, x->rank);
    rule_like(&r->out[0], x);
    for (uint32_t i = 0; i < x->rank; i++)
        r->out[0].dims[i] = expr_mul(r->t, x->dims[i], repeats[i]);
    return BRINK_OK;
}

brink_status infer_transpose(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    uint32_t count;
    const int64_t *perm = onnx_ints(r->node, ATTR_perm, &count);
    bool seen[BRINK_MAX_RANK] = {false};
    if (perm != NULL && count != x->rank)
        return rule_fail(r, "perm has %u entries for rank %u", count, x->rank);
    rule_like(&r->out[0], x);
    for (uint32_t i = 0; i < x->rank; i++) {
        uint32_t from = x->rank - 1 - i;
        if (perm != NULL)
            TRY(rule_axis(r, perm[i], x->rank, &from));
        if (seen[from])
            return rule_fail(r, "perm names axis %u twice", from);
        seen[from] = true;
        r->out[0].dims[i] = x->dims[from];
    }
    return BRINK_OK;
}

brink_status infer_concat(rule_args *r)
{
    const ir_value *x, *v;
    uint32_t axis;
    TRY(rule_need(r, 0, &x));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 1), x->rank, &axis));
    ir_value *out = &r->out[0];
    rule_like(out, x);
    for (uint32_t i = 1; i < r->in_count; i++) {
        TRY(rule_need(r, i, &v));
        if (v->rank != out->rank || v->type != out->type)
            return rule_fail(r, "input %u has rank %u and type %s, input 0 has rank %u and %s", i,
                             v->rank, brink_type_name(v->type), out->rank,
                             brink_type_name(out->type));
        for (uint32_t k = 0; k < out->rank; k++) {
            int64_t p, q;
            if (k == axis)
                out->dims[k] = expr_add(r->t, out->dims[k], v->dims[k]);
            else if (expr_known(r->t, out->dims[k], &p) && expr_known(r->t, v->dims[k], &q) &&
                     p != q)
                return rule_fail(r, "dimension %u is %lld in input %u and %lld before", k,
                                 (long long)q, i, (long long)p);
            else if (!expr_known(r->t, out->dims[k], NULL))
                out->dims[k] = v->dims[k];
        }
    }
    return BRINK_OK;
}

brink_status infer_split(rule_args *r)
{
    const ir_value *x;
    uint32_t axis;
    const int64_t *sizes;
    uint64_t count;
    bool given;
    TRY(rule_attr_or_input(r, ATTR_split, 1, &sizes, &count, &given));
    TRY(rule_need(r, 0, &x));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), x->rank, &axis));
    int64_t whole;
    TRY(rule_dim(r, x, axis, &whole));
    if (r->out_count == 0 || (given && count != r->out_count))
        return rule_fail(r, "%llu sizes for %u outputs", (unsigned long long)count, r->out_count);
    int64_t each = (whole + r->out_count - 1) / r->out_count, left = whole;
    for (uint32_t i = 0; i < r->out_count; i++) {
        int64_t n = given ? sizes[i] : left < each ? left : each;
        if (n < 0 || n > left)
            return rule_fail(r, "the sizes do not add up to %lld", (long long)whole);
        left -= n;
        rule_like(&r->out[i], x);
        r->out[i].dims[axis] = expr_const(r->t, n);
    }
    return left == 0 ? BRINK_OK : rule_fail(r, "the sizes do not add up to %lld", (long long)whole);
}

/* A slice bound, clamped as the specification says: to [0, dim], and backwards starts to
   [0, dim - 1] and ends to [-1, dim - 1]. `e` may be over running symbols. */
static expr clamp_bound(rule_args *r, expr e, expr dim, bool back, bool end)
{
    expr_table *t = r->t;
    int64_t v, far = (int64_t)1 << 60;
    if (expr_known(t, e, &v)) {
        v = v > far ? far : v < -far ? -far : v;
        e = expr_const(t, v);
        if (v < 0)
            e = expr_add(t, e, dim);
    } else if (expr_low(t, e) < 0) {
        e = expr_select(t, expr_less(t, e, expr_const(t, 0)), expr_add(t, e, dim), e);
    }
    expr low = expr_const(t, back && end ? -1 : 0);
    expr high = back ? expr_sub(t, dim, expr_const(t, 1)) : dim;
    return expr_min(t, expr_max(t, e, low), high);
}

/* Starts or ends: an attribute before opset 10, an input since. */
static brink_status bounds(rule_args *r, attr_name name, uint32_t i, const expr **out,
                           uint64_t *count)
{
    uint32_t n;
    const int64_t *attr = onnx_ints(r->node, name, &n);
    if (attr == NULL)
        return rule_ints(r, i, out, count);
    expr *list = ARENA_ARRAY(&r->g->memory, expr, (uint64_t)n + 1);
    if (list == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < n; k++)
        list[k] = expr_const(r->t, attr[k]);
    *out = list;
    *count = n;
    return BRINK_OK;
}

brink_status infer_slice(rule_args *r)
{
    const ir_value *x;
    const expr *starts, *ends;
    const int64_t *axes = NULL, *steps = NULL;
    uint64_t n_starts, n_ends, n_axes = 0, n_steps = 0;
    TRY(bounds(r, ATTR_starts, 1, &starts, &n_starts));
    TRY(bounds(r, ATTR_ends, 2, &ends, &n_ends));
    if (onnx_find(r->node, ATTR_axes) != NULL) {
        uint32_t n;
        axes = onnx_ints(r->node, ATTR_axes, &n);
        n_axes = n;
    } else if (rule_in(r, 3) != NULL)
        TRY(rule_known_ints(r, 3, &axes, &n_axes));
    if (rule_in(r, 4) != NULL)
        TRY(rule_known_ints(r, 4, &steps, &n_steps));
    TRY(rule_need(r, 0, &x));
    if (n_starts != n_ends || (axes && n_axes != n_starts) || (steps && n_steps != n_starts) ||
        n_starts > BRINK_MAX_RANK)
        return rule_fail(r, "starts, ends, axes and steps differ in length");
    ir_value *out = &r->out[0];
    rule_like(out, x);
    uint32_t seen = 0;
    for (uint64_t i = 0; i < n_starts; i++) {
        uint32_t axis;
        TRY(rule_axis(r, axes ? axes[i] : (int64_t)i, out->rank, &axis));
        if (seen & 1u << axis)
            return rule_fail(r, "axis %u is given twice", axis);
        seen |= 1u << axis;
        int64_t step = steps ? steps[i] : 1;
        if (step == 0 || step == INT64_MIN)
            return rule_fail(r, "step is %lld", (long long)step);
        expr dim = x->dims[axis], zero = expr_const(r->t, 0);
        expr from = clamp_bound(r, starts[i], dim, step < 0, false);
        expr to = clamp_bound(r, ends[i], dim, step < 0, true);
        int64_t size = step < 0 ? -step : step, far = (int64_t)1 << 60;
        if (size > far) /* beyond any dimension: one element either way */
            size = far;
        expr span = step > 0 ? expr_sub(r->t, to, from) : expr_sub(r->t, from, to);
        span = expr_max(r->t, span, zero);
        out->dims[axis] = size == 1
                              ? span
                              : expr_div(r->t, expr_add(r->t, span, expr_const(r->t, size - 1)),
                                         expr_const(r->t, size));
    }
    return BRINK_OK;
}

brink_status infer_pad(rule_args *r)
{
    const ir_value *x;
    const expr *pads;
    uint64_t count, n_axes = 0;
    const int64_t *axes = NULL;
    uint32_t n_attr;
    const int64_t *attr = onnx_ints(r->node, ATTR_pads, &n_attr);
    if (attr != NULL) {
        expr *list = ARENA_ARRAY(&r->g->memory, expr, (uint64_t)n_attr + 1);
        if (list == NULL)
            return BRINK_OUT_OF_MEMORY;
        for (uint32_t i = 0; i < n_attr; i++)
            list[i] = expr_const(r->t, attr[i]);
        pads = list;
        count = n_attr;
    } else {
        TRY(rule_ints(r, 1, &pads, &count));
    }
    if (rule_in(r, 3) != NULL)
        TRY(rule_known_ints(r, 3, &axes, &n_axes));
    TRY(rule_need(r, 0, &x));
    uint64_t n = axes ? n_axes : x->rank;
    if (count != 2 * n)
        return rule_fail(r, "%llu pads for %llu axes", (unsigned long long)count,
                         (unsigned long long)n);
    rule_like(&r->out[0], x);
    uint32_t seen = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t axis;
        TRY(rule_axis(r, axes ? axes[i] : (int64_t)i, x->rank, &axis));
        if (seen & 1u << axis)
            return rule_fail(r, "axis %u is given twice", axis);
        seen |= 1u << axis;
        r->out[0].dims[axis] =
            expr_add(r->t, r->out[0].dims[axis], expr_add(r->t, pads[i], pads[i + n]));
    }
    return BRINK_OK;
}

brink_status infer_gather(rule_args *r)
{
    const ir_value *x, *indices;
    uint32_t axis;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &indices));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), x->rank, &axis));
    if (x->rank + indices->rank > BRINK_MAX_RANK + 1)
        return rule_unsupported(r, "rank %u is above %d", x->rank + indices->rank - 1,
                                BRINK_MAX_RANK);
    ir_value *out = &r->out[0];
    out->type = x->type;
    for (uint32_t i = 0; i < axis; i++)
        out->dims[out->rank++] = x->dims[i];
    for (uint32_t i = 0; i < indices->rank; i++)
        out->dims[out->rank++] = indices->dims[i];
    for (uint32_t i = axis + 1; i < x->rank; i++)
        out->dims[out->rank++] = x->dims[i];
    return BRINK_OK;
}

brink_status infer_gather_elements(rule_args *r)
{
    const ir_value *x, *indices;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &indices));
    if (x->rank != indices->rank)
        return rule_fail(r, "indices have rank %u, data %u", indices->rank, x->rank);
    rule_like(&r->out[0], indices);
    r->out[0].type = x->type;
    return BRINK_OK;
}

brink_status infer_gather_nd(rule_args *r)
{
    const ir_value *x, *indices;
    int64_t depth;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &indices));
    if (indices->rank == 0)
        return rule_fail(r, "indices are a scalar");
    TRY(rule_dim(r, indices, indices->rank - 1, &depth));
    int64_t batch = onnx_int(r->node, ATTR_batch_dims, 0);
    if (batch < 0 || depth < 0 || batch + depth > x->rank || batch >= indices->rank ||
        indices->rank - 1 + x->rank - batch - depth > BRINK_MAX_RANK)
        return rule_fail(r, "indices of depth %lld do not fit rank %u", (long long)depth, x->rank);
    for (uint32_t i = 0; i < batch; i++) {
        int64_t m, n;
        if (expr_known(r->t, x->dims[i], &m) && expr_known(r->t, indices->dims[i], &n) && m != n)
            return rule_fail(r, "batch dimension %u is %lld, that of the indices is %lld", i,
                             (long long)m, (long long)n);
    }
    ir_value *out = &r->out[0];
    out->type = x->type;
    for (uint32_t i = 0; i + 1 < indices->rank; i++)
        out->dims[out->rank++] = indices->dims[i];
    for (uint32_t i = (uint32_t)(batch + depth); i < x->rank; i++)
        out->dims[out->rank++] = x->dims[i];
    return BRINK_OK;
}
