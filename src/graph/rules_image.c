/* rules_image.c — shapes of Resize and the operators that sample or pick out of images. */
#include "core/half.h"
#include "graph/rules.h"

#include <math.h>
#include <string.h>

/* The elements of a floating-point input whose content the shape needs. */
static brink_status rule_floats(rule_args *r, uint32_t i, const double **out, uint64_t *count)
{
    const ir_value *v;
    const void *data;
    TRY(rule_need(r, i, &v));
    brink_type type = v->type;
    if (!ir_count(r->g, v, count))
        return rule_unsupported(r, "input %u changes its length while running", i);
    double *to = ARENA_ARRAY(&r->g->memory, double, *count + 1);
    if (to == NULL)
        return BRINK_OUT_OF_MEMORY;
    *out = to;
    if (*count == 0)
        return BRINK_OK;
    TRY(rule_data(r, i, &data));
    for (uint64_t k = 0; k < *count; k++)
        if (type == BRINK_F32)
            to[k] = (double)((const float *)data)[k];
        else if (type == BRINK_F64)
            to[k] = ((const double *)data)[k];
        else if (type == BRINK_F16)
            to[k] = (double)half_to_float(((const uint16_t *)data)[k]);
        else
            return rule_unsupported(r, "input %u has type %s", i, brink_type_name(type));
    return BRINK_OK;
}

/* ── Resize ── */

static brink_status scaled(rule_args *r, const ir_value *x, uint32_t axis, double scale, expr *out)
{
    int64_t n;
    *out = x->dims[axis];
    if (!(scale > 0) || scale > 1e9)
        return rule_fail(r, "scale %g of axis %u is out of range", scale, axis);
    if (scale == 1)
        return BRINK_OK;
    if (scale == floor(scale)) {
        *out = expr_mul(r->t, x->dims[axis], expr_const(r->t, (int64_t)scale));
        return BRINK_OK;
    }
    TRY(rule_dim(r, x, axis, &n));
    float length = (float)n * (float)scale; /* single precision decides, as in onnxruntime */
    if (length > 1e15f)
        return rule_fail(r, "scale %g of axis %u is out of range", scale, axis);
    *out = expr_const(r->t, (int64_t)length);
    return BRINK_OK;
}

/* Sizes under keep_aspect_ratio_policy: one scale for all, the smallest or the largest. */
static brink_status keep_aspect(rule_args *r, const ir_value *x, const uint32_t *axes,
                                uint32_t count, const int64_t *sizes, bool larger)
{
    float scale = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t n;
        TRY(rule_dim(r, x, axes[i], &n));
        if (n <= 0)
            return rule_fail(r, "axis %u is empty", axes[i]);
        float s = (float)sizes[i] / (float)n;
        scale = i == 0 ? s : larger ? fmaxf(scale, s) : fminf(scale, s);
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t n;
        TRY(rule_dim(r, x, axes[i], &n));
        float length = floorf((float)n * scale + 0.5f);
        if (!(length < 1e15f))
            return rule_fail(r, "sizes are out of range");
        r->out[0].dims[axes[i]] = expr_const(r->t, (int64_t)length);
    }
    return BRINK_OK;
}

static bool filled(rule_args *r, uint32_t i)
{
    const ir_value *v = rule_in(r, i);
    uint64_t count;
    return v != NULL && !(ir_count(r->g, v, &count) && count == 0);
}

brink_status infer_resize(rule_args *r)
{
    const ir_value *v;
    TRY(rule_need(r, 0, &v));
    ir_value x = *v;
    bool old = r->node->opset < 11 || strcmp(r->op->name, "Upsample") == 0;
    uint32_t scales = old ? 1 : 2, axes[BRINK_MAX_RANK], count = x.rank, listed = 0;
    const onnx_attr *attribute = onnx_find(r->node, ATTR_scales);
    const int64_t *chosen = onnx_ints(r->node, ATTR_axes, &listed);
    if (chosen != NULL && listed > x.rank)
        return rule_fail(r, "%u axes for rank %u", listed, x.rank);
    if (chosen != NULL)
        count = listed;
    for (uint32_t i = 0; i < count; i++)
        TRY(rule_axis(r, chosen != NULL ? chosen[i] : (int64_t)i, x.rank, &axes[i]));
    rule_like(&r->out[0], &x);
    if (!old && filled(r, 3)) {
        const expr *sizes;
        uint64_t given;
        const char *policy = onnx_string(r->node, ATTR_keep_aspect_ratio_policy, "stretch");
        TRY(rule_ints(r, 3, &sizes, &given));
        if (given != count)
            return rule_fail(r, "%llu sizes for %u axes", (unsigned long long)given, count);
        if (strcmp(policy, "stretch") != 0) {
            const int64_t *known;
            TRY(rule_known_ints(r, 3, &known, &given));
            return keep_aspect(r, &x, axes, count, known, strcmp(policy, "not_smaller") == 0);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (expr_high(r->t, sizes[i]) < 0)
                return rule_fail(r, "sizes are negative");
            r->out[0].dims[axes[i]] = sizes[i];
        }
        return BRINK_OK;
    }
    const double *values = NULL;
    uint64_t given = 0;
    if (attribute != NULL && attribute->kind == ATTR_KIND_FLOATS)
        given = attribute->count;
    else
        TRY(rule_floats(r, scales, &values, &given));
    if (given != count)
        return rule_fail(r, "%llu scales for %u axes", (unsigned long long)given, count);
    for (uint32_t i = 0; i < count; i++)
        TRY(scaled(r, &x, axes[i], values != NULL ? values[i] : (double)attribute->floats[i],
                   &r->out[0].dims[axes[i]]));
    return BRINK_OK;
}

/* ── Sampling ── */

/* x [N, C, space …], grid [N, result …, axes of space] */
brink_status infer_grid_sample(rule_args *r)
{
    const ir_value *x, *grid;
    int64_t axes;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &grid));
    if (x->rank < 3 || grid->rank != x->rank)
        return rule_fail(r, "input of rank %u and grid of rank %u", x->rank, grid->rank);
    TRY(rule_dim(r, grid, grid->rank - 1, &axes));
    if (axes != (int64_t)x->rank - 2)
        return rule_fail(r, "the grid has %lld coordinates for %u axes", (long long)axes,
                         x->rank - 2);
    rule_like(&r->out[0], x);
    for (uint32_t i = 2; i < x->rank; i++)
        r->out[0].dims[i] = grid->dims[i - 1];
    return BRINK_OK;
}
