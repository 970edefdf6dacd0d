/* rules_signal.c — shapes of Fourier transforms, windows and mel weights. */
#include "graph/rules.h"

enum { MAX_LENGTH = 1 << 28 };

/* Input i: one number between low and MAX_LENGTH. */
static brink_status one_number(rule_args *r, uint32_t i, int64_t low, int64_t *out)
{
    const int64_t *list;
    uint64_t count;
    TRY(rule_known_ints(r, i, &list, &count));
    if (count != 1 || list[0] < low || list[0] > MAX_LENGTH)
        return rule_fail(r, "input %u should be one number of %lld or more", i, (long long)low);
    *out = list[0];
    return BRINK_OK;
}

/* The last dimension of a signal: 1 when real, 2 when complex. */
static brink_status signal_parts(rule_args *r, const ir_value **x)
{
    int64_t parts;
    TRY(rule_need(r, 0, x));
    if ((*x)->rank < 2)
        return rule_fail(r, "the input's rank is %u, a signal has 2 or more", (*x)->rank);
    TRY(rule_dim(r, *x, (*x)->rank - 1, &parts));
    if (parts != 1 && parts != 2)
        return rule_fail(r, "the last dimension is %lld: 1 is real, 2 complex", (long long)parts);
    return BRINK_OK;
}

brink_status infer_dft(rule_args *r)
{
    const ir_value *x;
    bool inverse = onnx_int(r->node, ATTR_inverse, 0) != 0;
    bool onesided = onnx_int(r->node, ATTR_onesided, 0) != 0;
    int64_t at = r->node->opset < 20 ? onnx_int(r->node, ATTR_axis, 1) : -2, n = 0;
    uint32_t axis;
    if (r->node->opset >= 20 && rule_in(r, 2) != NULL) {
        const int64_t *list;
        uint64_t count;
        TRY(rule_known_ints(r, 2, &list, &count));
        if (count != 1)
            return rule_fail(r, "axis should be one number");
        at = list[0];
    }
    bool given = rule_in(r, 1) != NULL;
    if (given)
        TRY(one_number(r, 1, 1, &n));
    TRY(signal_parts(r, &x));
    TRY(rule_axis(r, at, x->rank, &axis));
    if (axis + 1 == x->rank)
        return rule_fail(r, "axis %lld is that of the real and imaginary parts", (long long)at);
    if (!given) {
        TRY(rule_dim(r, x, axis, &n));
        n = inverse && onesided ? 2 * (n - 1) : n;
        if (n < 1 || n > MAX_LENGTH)
            return rule_fail(r, "a transform of length %lld", (long long)n);
    }
    rule_like(&r->out[0], x);
    r->out[0].dims[axis] = expr_const(r->t, onesided && !inverse ? n / 2 + 1 : n);
    r->out[0].dims[x->rank - 1] = expr_const(r->t, onesided && inverse ? 1 : 2);
    return BRINK_OK;
}

brink_status infer_stft(rule_args *r)
{
    const ir_value *x, *window = rule_in(r, 2);
    int64_t step, n, length, width;
    TRY(one_number(r, 1, 1, &step));
    TRY(signal_parts(r, &x));
    if (x->rank != 3)
        return rule_fail(r, "the signal's rank is %u, it should be 3", x->rank);
    TRY(rule_dim(r, x, 1, &length));
    n = length;
    if (window != NULL) {
        TRY(rule_dim(r, window, 0, &width));
        n = width;
    }
    if (rule_in(r, 3) != NULL)
        TRY(one_number(r, 3, 1, &n));
    if (n < 1 || n > length || (window != NULL && width != n))
        return rule_fail(r, "frames of %lld of a signal of %lld", (long long)n, (long long)length);
    x = rule_in(r, 0);
    ir_value *out = &r->out[0];
    out->type = x->type;
    out->rank = 4;
    out->dims[0] = x->dims[0];
    out->dims[1] = expr_const(r->t, (length - n) / step + 1);
    out->dims[2] = expr_const(r->t, onnx_int(r->node, ATTR_onesided, 1) ? n / 2 + 1 : n);
    out->dims[3] = expr_const(r->t, 2);
    return BRINK_OK;
}

static brink_status output_type(rule_args *r)
{
    int64_t type = onnx_int(r->node, ATTR_output_datatype, BRINK_F32);
    if (type <= 0 || type > 64 || brink_type_bits((brink_type)type) < 8 || type == BRINK_BOOL)
        return rule_unsupported(r, "element type %lld is not supported", (long long)type);
    r->out[0].type = (brink_type)type;
    return BRINK_OK;
}

brink_status infer_window(rule_args *r)
{
    int64_t size;
    TRY(one_number(r, 0, 0, &size));
    r->out[0].rank = 1;
    r->out[0].dims[0] = expr_const(r->t, size);
    return output_type(r);
}

brink_status infer_mel_weight_matrix(rule_args *r)
{
    int64_t bands, length;
    const ir_value *v;
    TRY(one_number(r, 0, 0, &bands));
    TRY(one_number(r, 1, 0, &length));
    for (uint32_t i = 2; i < 5; i++) {
        uint64_t count;
        TRY(rule_need(r, i, &v));
        if (!ir_count(r->g, v, &count) || count != 1)
            return rule_fail(r, "input %u should be one number", i);
    }
    r->out[0].rank = 2;
    r->out[0].dims[0] = expr_const(r->t, length / 2 + 1);
    r->out[0].dims[1] = expr_const(r->t, bands);
    return output_type(r);
}
