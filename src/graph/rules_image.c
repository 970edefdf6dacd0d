/* rules_image.c — shapes of Resize and the operators that sample or pick out of images. */
#include "core/half.h"
#include "graph/rules.h"
#include "graph/suppress.h"

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

/* theta [N, 2, 3] or [N, 3, 4]; size is [N, C, space …]. */
brink_status infer_affine_grid(rule_args *r)
{
    const ir_value *theta;
    const expr *size;
    uint64_t count;
    int64_t rows, columns;
    TRY(rule_need(r, 0, &theta));
    TRY(rule_ints(r, 1, &size, &count));
    TRY(rule_need(r, 0, &theta));
    if (theta->rank != 3 || (count != 4 && count != 5))
        return rule_fail(r, "theta of rank %u and a size of %llu entries", theta->rank,
                         (unsigned long long)count);
    TRY(rule_dim(r, theta, 1, &rows));
    TRY(rule_dim(r, theta, 2, &columns));
    if (rows != (int64_t)count - 2 || columns != rows + 1 || theta->dims[0] != size[0])
        return rule_fail(r, "theta is [N, %lld, %lld] for a size of %llu entries", (long long)rows,
                         (long long)columns, (unsigned long long)count);
    ir_value *out = &r->out[0];
    out->type = theta->type;
    out->dims[out->rank++] = theta->dims[0];
    for (uint64_t i = 2; i < count; i++) {
        if (expr_high(r->t, size[i]) < 0)
            return rule_fail(r, "size is negative");
        out->dims[out->rank++] = size[i];
    }
    out->dims[out->rank++] = expr_const(r->t, rows);
    return BRINK_OK;
}

/* ── Regions ── */

static brink_status regions(rule_args *r, int64_t height, int64_t width, int64_t columns)
{
    const ir_value *x, *rois;
    int64_t n;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &rois));
    if (x->rank != 4 || rois->rank != 2)
        return rule_fail(r, "input of rank %u and regions of rank %u", x->rank, rois->rank);
    TRY(rule_dim(r, rois, 1, &n));
    if (n != columns || height < 1 || width < 1 || height > INT32_MAX || width > INT32_MAX)
        return rule_fail(r, "regions of %lld numbers, and a result of %lld by %lld", (long long)n,
                         (long long)height, (long long)width);
    rule_like(&r->out[0], x);
    r->out[0].dims[0] = rois->dims[0];
    r->out[0].dims[2] = expr_const(r->t, height);
    r->out[0].dims[3] = expr_const(r->t, width);
    return BRINK_OK;
}

brink_status infer_roi_align(rule_args *r)
{
    const ir_value *batches;
    TRY(rule_need(r, 2, &batches));
    return regions(r, onnx_int(r->node, ATTR_output_height, 1),
                   onnx_int(r->node, ATTR_output_width, 1), 4);
}

brink_status infer_max_roi_pool(rule_args *r)
{
    uint32_t count = 0;
    const int64_t *shape = onnx_ints(r->node, ATTR_pooled_shape, &count);
    if (shape == NULL || count != 2)
        return rule_fail(r, "pooled_shape should have two entries");
    return regions(r, shape[0], shape[1], 5);
}

/* How many boxes stay is known from the data only. */
brink_status infer_non_max_suppression(rule_args *r)
{
    const ir_value *boxes, *scores;
    suppression s = {.centered = onnx_int(r->node, ATTR_center_point_box, 0) != 0};
    const void *data;
    const int64_t *limit;
    const double *number;
    uint64_t count;
    int64_t box_batches, box_count, four;
    TRY(rule_need(r, 0, &boxes));
    TRY(rule_need(r, 1, &scores));
    if (boxes->rank != 3 || scores->rank != 3 || boxes->type != BRINK_F32 ||
        scores->type != BRINK_F32)
        return rule_fail(r, "boxes and scores should be f32 of rank 3");
    TRY(rule_dim(r, boxes, 0, &box_batches));
    TRY(rule_dim(r, boxes, 1, &box_count));
    TRY(rule_dim(r, boxes, 2, &four));
    TRY(rule_dim(r, scores, 0, &s.batches));
    TRY(rule_dim(r, scores, 1, &s.classes));
    TRY(rule_dim(r, scores, 2, &s.count));
    if (four != 4 || box_batches != s.batches || box_count != s.count)
        return rule_fail(r, "%lld boxes of %lld numbers for %lld scores", (long long)box_count,
                         (long long)four, (long long)s.count);
    r->out[0].type = BRINK_I64;
    r->out[0].rank = 2;
    r->out[0].dims[1] = expr_const(r->t, 3);
    r->out[0].dims[0] = expr_const(r->t, 0);
    if (filled(r, 2)) {
        TRY(rule_known_ints(r, 2, &limit, &count));
        s.limit = count > 0 ? limit[0] : 0;
    }
    if (s.limit <= 0 || s.batches * s.classes * s.count == 0)
        return BRINK_OK;
    if (filled(r, 3)) {
        TRY(rule_floats(r, 3, &number, &count));
        s.overlap = count > 0 ? (float)number[0] : 0;
    }
    if (filled(r, 4)) {
        TRY(rule_floats(r, 4, &number, &count));
        s.by_score = count > 0;
        s.score = count > 0 ? (float)number[0] : 0;
    }
    TRY(rule_data(r, 0, &data));
    s.boxes = data;
    TRY(rule_data(r, 1, &data));
    s.scores = data;
    int64_t *order = ARENA_ARRAY(&r->g->memory, int64_t, 2 * (uint64_t)s.count);
    if (order == NULL)
        return BRINK_OUT_OF_MEMORY;
    r->out[0].dims[0] = expr_const(r->t, suppress(&s, order, NULL));
    return BRINK_OK;
}
