/* rules_window.c — shapes of kernels that slide over an image: convolutions and pools.

   Source: ONNX Conv, ConvTranspose, MaxPool; a pool with ceil_mode leaves out windows that would
   start in the padding after the image. */
#include "graph/rules.h"

#include <string.h>

typedef struct window_rule {
    uint32_t axes;
    const int64_t *strides, *dilations, *pads, *kernel; /* NULL where left out */
    bool same, valid, up;
} window_rule;

/* The attributes, each with one entry an axis and in a sane range. */
static brink_status window_rule_read(rule_args *r, const ir_value *x, window_rule *w)
{
    uint32_t n_stride, n_dilation, n_pad, n_kernel, axes = x->rank - 2;
    if (x->rank < 3)
        return rule_fail(r, "input of rank %u has no spatial dimension", x->rank);
    *w = (window_rule){.axes = axes};
    w->strides = onnx_ints(r->node, ATTR_strides, &n_stride);
    w->dilations = onnx_ints(r->node, ATTR_dilations, &n_dilation);
    w->pads = onnx_ints(r->node, ATTR_pads, &n_pad);
    w->kernel = onnx_ints(r->node, ATTR_kernel_shape, &n_kernel);
    w->up = onnx_int(r->node, ATTR_ceil_mode, 0) != 0;
    const char *mode = onnx_string(r->node, ATTR_auto_pad, "NOTSET");
    w->same = strncmp(mode, "SAME", 4) == 0;
    w->valid = strcmp(mode, "VALID") == 0;
    if ((w->strides && n_stride != axes) || (w->dilations && n_dilation != axes) ||
        (w->pads && n_pad != 2 * axes) || (w->kernel && n_kernel != axes))
        return rule_fail(r, "its attributes do not have one entry an axis");
    for (uint32_t i = 0; i < 2 * axes; i++) {
        const int64_t *lists[] = {w->strides, w->dilations, w->kernel};
        for (uint32_t k = 0; k < 3 && i < axes; k++)
            if (lists[k] && (lists[k][i] <= 0 || lists[k][i] > INT32_MAX))
                return rule_fail(r, "kernel, stride or dilation %lld is out of range",
                                 (long long)lists[k][i]);
        if (w->pads && (w->pads[i] < 0 || w->pads[i] > INT32_MAX))
            return rule_fail(r, "pads are negative or absurd");
    }
    return BRINK_OK;
}

static int64_t stride_of(const window_rule *w, uint32_t i)
{
    return w->strides ? w->strides[i] : 1;
}

static int64_t extent_of(const window_rule *w, uint32_t i, int64_t kernel)
{
    return (kernel - 1) * (w->dilations ? w->dilations[i] : 1) + 1;
}

static int64_t pad_of(const window_rule *w, uint32_t i)
{
    return w->pads && !w->valid && !w->same ? w->pads[i] : 0;
}

/* Output length of spatial axis i. */
static brink_status window_length(rule_args *r, const window_rule *w, uint32_t i, expr in,
                                  int64_t kernel, expr *out)
{
    expr_table *t = r->t;
    int64_t stride = stride_of(w, i);
    if (w->same) {
        *out = expr_div(t, expr_add(t, in, expr_const(t, stride - 1)), expr_const(t, stride));
        return BRINK_OK;
    }
    bool up = w->up && !w->valid;
    int64_t pad = pad_of(w, i) + pad_of(w, i + w->axes), extent = extent_of(w, i, kernel);
    expr room = expr_add(t, in, expr_const(t, pad - extent + (up ? stride - 1 : 0)));
    if (expr_high(t, room) < 0)
        return rule_fail(r, "a window of %lld is wider than the padded input", (long long)extent);
    expr steps = expr_div(t, room, expr_const(t, stride)), last = expr_const(t, 1);
    if (up) /* 0 when the last window starts in the padding after the image */
        last = expr_less(t, expr_mul(t, steps, expr_const(t, stride)),
                         expr_add(t, in, expr_const(t, pad_of(w, i))));
    *out = expr_add(t, steps, last);
    return BRINK_OK;
}

/* Windows of w [M, C / groups, kernel …] over x [N, C, space …]. */
static brink_status convolve(rule_args *r, const ir_value *x, const ir_value *w, brink_type type)
{
    window_rule rule;
    if (w->rank != x->rank)
        return rule_fail(r, "input of rank %u and weight of rank %u", x->rank, w->rank);
    TRY(window_rule_read(r, x, &rule));
    int64_t channels, per_group, filters, group = onnx_int(r->node, ATTR_group, 1);
    TRY(rule_dim(r, x, 1, &channels));
    TRY(rule_dim(r, w, 0, &filters));
    TRY(rule_dim(r, w, 1, &per_group));
    if (group <= 0 || channels % group != 0 || filters % group != 0 ||
        channels / group != per_group)
        return rule_fail(r, "%lld channels in %lld groups, but the weight takes %lld each",
                         (long long)channels, (long long)group, (long long)per_group);
    ir_value *out = &r->out[0];
    out->type = type;
    out->rank = x->rank;
    out->dims[0] = x->dims[0];
    out->dims[1] = expr_const(r->t, filters);
    for (uint32_t i = 0; i < rule.axes; i++) {
        int64_t size;
        TRY(rule_dim(r, w, i + 2, &size));
        if (rule.kernel && rule.kernel[i] != size)
            return rule_fail(r, "kernel_shape is %lld but the weight has %lld",
                             (long long)rule.kernel[i], (long long)size);
        if (size <= 0 || size > INT32_MAX)
            return rule_fail(r, "a kernel of %lld is out of range", (long long)size);
        TRY(window_length(r, &rule, i, x->dims[i + 2], size, &out->dims[i + 2]));
    }
    return BRINK_OK;
}

brink_status infer_conv(rule_args *r)
{
    const ir_value *x, *w;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &w));
    return convolve(r, x, w, x->type);
}

/* x and the result have the channels last. */
brink_status infer_nhwc_conv(rule_args *r)
{
    const ir_value *v, *w;
    TRY(rule_need(r, 0, &v));
    TRY(rule_need(r, 1, &w));
    ir_value x = *v, *out = &r->out[0];
    if (x.rank < 3)
        return rule_fail(r, "input of rank %u has no spatial dimension", x.rank);
    x.dims[1] = v->dims[x.rank - 1];
    memcpy(x.dims + 2, v->dims + 1, (x.rank - 2) * sizeof *x.dims);
    TRY(convolve(r, &x, w, x.type));
    expr filters = out->dims[1];
    memmove(out->dims + 1, out->dims + 2, (out->rank - 2) * sizeof *out->dims);
    out->dims[out->rank - 1] = filters;
    return BRINK_OK;
}

brink_status infer_conv_integer(rule_args *r)
{
    const ir_value *x, *w;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &w));
    return convolve(r, x, w, BRINK_I32);
}

/* x, its scale and zero point, w, its own, and those of the result. */
brink_status infer_qlinear_conv(rule_args *r)
{
    const ir_value *in[8];
    for (uint32_t i = 0; i < 8; i++)
        TRY(rule_need(r, i, &in[i]));
    return convolve(r, in[0], in[3], in[7]->type);
}

brink_status infer_conv_transpose(rule_args *r)
{
    const ir_value *x, *w;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &w));
    window_rule rule;
    if (w->rank != x->rank)
        return rule_fail(r, "input of rank %u and weight of rank %u", x->rank, w->rank);
    TRY(window_rule_read(r, x, &rule));
    uint32_t n_more, n_shape;
    const int64_t *more = onnx_ints(r->node, ATTR_output_padding, &n_more);
    const int64_t *shape = onnx_ints(r->node, ATTR_output_shape, &n_shape);
    if (shape != NULL && n_shape == rule.axes + 2) /* with batch and channels, as some write it */
        shape += 2;
    else if (shape != NULL && n_shape != rule.axes)
        return rule_fail(r, "output_shape has %u entries for %u axes", n_shape, rule.axes);
    int64_t channels, filters, per_group, group = onnx_int(r->node, ATTR_group, 1);
    TRY(rule_dim(r, x, 1, &channels));
    TRY(rule_dim(r, w, 0, &filters));
    TRY(rule_dim(r, w, 1, &per_group));
    if (group <= 0 || filters != channels || channels % group != 0 ||
        per_group > INT32_MAX / group || (more != NULL && n_more != rule.axes))
        return rule_fail(r, "%lld channels in %lld groups, but the weight takes %lld",
                         (long long)channels, (long long)group, (long long)filters);
    ir_value *out = &r->out[0];
    out->type = x->type;
    out->rank = x->rank;
    out->dims[0] = x->dims[0];
    out->dims[1] = expr_const(r->t, per_group * group);
    for (uint32_t i = 0; i < rule.axes; i++) {
        int64_t size, stride = stride_of(&rule, i), extra = more != NULL ? more[i] : 0;
        TRY(rule_dim(r, w, i + 2, &size));
        if ((rule.kernel && rule.kernel[i] != size) || size <= 0 || size > INT32_MAX || extra < 0 ||
            extra > INT32_MAX || (shape && (shape[i] < 0 || shape[i] > INT32_MAX)))
            return rule_fail(r, "kernel_shape, output_padding or output_shape does not fit");
        expr steps = expr_mul(r->t, x->dims[i + 2], expr_const(r->t, stride));
        int64_t rest = extent_of(&rule, i, size) + extra - stride - pad_of(&rule, i) -
                       pad_of(&rule, i + rule.axes);
        out->dims[i + 2] = shape       ? expr_const(r->t, shape[i])
                           : rule.same ? steps
                                       : expr_add(r->t, steps, expr_const(r->t, rest));
        if (expr_high(r->t, out->dims[i + 2]) < 0)
            return rule_fail(r, "its pads are wider than the result");
    }
    return BRINK_OK;
}

/* ── Pools ── */

/* `from` is the first spatial dimension: 2, or 1 when the channels are last. */
static brink_status pool(rule_args *r, uint32_t from)
{
    const ir_value *x;
    window_rule rule;
    TRY(rule_need(r, 0, &x));
    TRY(window_rule_read(r, x, &rule));
    if (rule.kernel == NULL)
        return rule_fail(r, "kernel_shape is missing");
    rule_like(&r->out[0], x);
    for (uint32_t i = 0; i < rule.axes; i++)
        TRY(window_length(r, &rule, i, x->dims[i + from], rule.kernel[i],
                          &r->out[0].dims[i + from]));
    return BRINK_OK;
}

brink_status infer_pool(rule_args *r)
{
    TRY(pool(r, 2));
    if (r->out_count > 1) { /* indices of MaxPool */
        r->out[1] = r->out[0];
        r->out[1].type = BRINK_I64;
    }
    return BRINK_OK;
}

brink_status infer_qlinear_pool(rule_args *r)
{
    return pool(r, onnx_int(r->node, ATTR_channels_last, 0) != 0 ? 1 : 2);
}

brink_status infer_qlinear_global_pool(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    if (x->rank < 3)
        return rule_fail(r, "input of rank %u has no spatial dimension", x->rank);
    rule_like(&r->out[0], x);
    bool last = onnx_int(r->node, ATTR_channels_last, 0) != 0;
    for (uint32_t i = last ? 1 : 2; i < x->rank - last; i++)
        r->out[0].dims[i] = expr_const(r->t, 1);
    return BRINK_OK;
}

brink_status infer_global_pool(rule_args *r)
{
    const ir_value *x;
    TRY(rule_need(r, 0, &x));
    if (x->rank < 2)
        return rule_fail(r, "input of rank %u has no channels", x->rank);
    rule_like(&r->out[0], x);
    for (uint32_t i = 2; i < x->rank; i++)
        r->out[0].dims[i] = expr_const(r->t, 1);
    return BRINK_OK;
}

brink_status infer_max_unpool(rule_args *r)
{
    const ir_value *x, *indices;
    window_rule rule;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &indices));
    TRY(window_rule_read(r, x, &rule));
    if (rule.kernel == NULL)
        return rule_fail(r, "kernel_shape is missing");
    ir_value *out = &r->out[0];
    rule_like(out, x);
    if (rule_in(r, 2) != NULL) {
        const int64_t *dims;
        uint64_t count;
        TRY(rule_known_ints(r, 2, &dims, &count));
        if (count != out->rank)
            return rule_fail(r, "output_shape has %llu entries", (unsigned long long)count);
        for (uint32_t i = 0; i < out->rank; i++) {
            if (dims[i] < 0)
                return rule_fail(r, "output_shape is negative");
            out->dims[i] = expr_const(r->t, dims[i]);
        }
        return BRINK_OK;
    }
    for (uint32_t i = 0; i < rule.axes; i++) {
        int64_t stride = stride_of(&rule, i);
        int64_t rest = rule.kernel[i] - stride - pad_of(&rule, i) - pad_of(&rule, i + rule.axes);
        out->dims[i + 2] =
            expr_add(r->t, expr_mul(r->t, out->dims[i + 2], expr_const(r->t, stride)),
                     expr_const(r->t, rest));
        if (expr_high(r->t, out->dims[i + 2]) < 0)
            return rule_fail(r, "its pads are wider than the result");
    }
    return BRINK_OK;
}

/* x [N, C, L], w [C, 1, K]; the state has the K − 1 positions before. */
brink_status infer_causal_conv(rule_args *r)
{
    const ir_value *x, *w, *past = rule_in(r, 3);
    int64_t channels, filters, one, taps, before;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &w));
    if (x->rank != 3 || w->rank != 3 || (past != NULL && past->rank != 3))
        return rule_fail(r, "input of rank %u and weight of rank %u, both must be 3", x->rank,
                         w->rank);
    TRY(rule_dim(r, x, 1, &channels));
    TRY(rule_dim(r, w, 0, &filters));
    TRY(rule_dim(r, w, 1, &one));
    TRY(rule_dim(r, w, 2, &taps));
    if (filters != channels || one != 1 || taps < 1)
        return rule_fail(r, "weight is [%lld, %lld, %lld] for %lld channels", (long long)filters,
                         (long long)one, (long long)taps, (long long)channels);
    if (past != NULL) {
        TRY(rule_dim(r, past, 2, &before));
        if (before != taps - 1 || past->dims[0] != x->dims[0] || past->dims[1] != x->dims[1])
            return rule_fail(r, "the past has %lld positions, a kernel of %lld needs %lld",
                             (long long)before, (long long)taps, (long long)(taps - 1));
    }
    rule_like(&r->out[0], x);
    if (r->out_count > 1) {
        rule_like(&r->out[1], x);
        r->out[1].dims[2] = expr_const(r->t, taps - 1);
    }
    return BRINK_OK;
}

/* As Conv; the offsets have the result's spatial dimensions. */
brink_status infer_deform_conv(rule_args *r)
{
    const ir_value *offset;
    TRY(infer_conv(r));
    TRY(rule_need(r, 2, &offset));
    if (offset->rank != r->out[0].rank)
        return rule_fail(r, "offset of rank %u", offset->rank);
    return BRINK_OK;
}
