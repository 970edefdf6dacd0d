/* rules_basic.c — shapes of elementwise operators, reductions, products and normalisation. */
#include "graph/rules.h"

#include <string.h>

brink_status infer_none(rule_args *r)
{
    return rule_unsupported(r, "it has no shape rule");
}

/* Reading a model turns Constants into initialisers (see onnx/model.c); what is left is refused. */
brink_status infer_constant(rule_args *r)
{
    return rule_unsupported(r, "its value is sparse, of strings, or missing");
}

brink_status infer_broadcast(rule_args *r)
{
    const ir_value *a, *b;
    TRY(rule_need(r, 0, &a));
    TRY(rule_need(r, 1, &b));
    r->out[0].type = a->type;
    /* Before opset 7, broadcasting was an attribute: b's dimensions begin at `axis` of a. */
    if (r->node->opset < 7 && *r->op->domain == 0 && onnx_int(r->node, ATTR_broadcast, 0) &&
        onnx_find(r->node, ATTR_axis) != NULL && b->rank < a->rank) {
        uint32_t axis;
        TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), a->rank, &axis));
        if (axis + b->rank != a->rank)
            return rule_unsupported(r, "broadcast by axis is supported for trailing axes only");
    }
    return rule_broadcast(r, a, b, &r->out[0]);
}

/* The slope broadcasts to the input; before opset 7, one a channel stands at axis 1. */
brink_status infer_prelu(rule_args *r)
{
    const ir_value *x, *slope;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &slope));
    ir_value s = *slope;
    int64_t n;
    if (r->node->opset < 7 && s.rank == 1 && !(expr_known(r->t, s.dims[0], &n) && n == 1))
        while (s.rank + 1 < x->rank)
            s.dims[s.rank++] = expr_const(r->t, 1);
    r->out[0].type = x->type;
    TRY(rule_broadcast(r, x, &s, &r->out[0]));
    return BRINK_OK;
}

brink_status infer_variadic(rule_args *r)
{
    const ir_value *v;
    TRY(rule_need(r, 0, &v));
    rule_like(&r->out[0], v);
    for (uint32_t i = 1; i < r->in_count; i++) {
        TRY(rule_need(r, i, &v));
        TRY(rule_broadcast(r, &r->out[0], v, &r->out[0]));
    }
    return BRINK_OK;
}

brink_status infer_compare(rule_args *r)
{
    TRY(infer_broadcast(r));
    r->out[0].type = BRINK_BOOL;
    return BRINK_OK;
}

brink_status infer_where(rule_args *r)
{
    const ir_value *c, *a, *b;
    TRY(rule_need(r, 0, &c));
    TRY(rule_need(r, 1, &a));
    TRY(rule_need(r, 2, &b));
    r->out[0].type = a->type;
    TRY(rule_broadcast(r, a, b, &r->out[0]));
    return rule_broadcast(r, c, &r->out[0], &r->out[0]);
}

brink_status infer_same(rule_args *r)
{
    const ir_value *v;
    TRY(rule_need(r, 0, &v));
    rule_like(&r->out[0], v);
    return BRINK_OK;
}

brink_status infer_view_same(rule_args *r)
{
    return infer_same(r);
}

/* One output of input 0's shape; the other inputs are the kernel's. */
brink_status infer_view_shape(rule_args *r)
{
    return infer_same(r);
}

brink_status infer_is_nan(rule_args *r)
{
    TRY(infer_same(r));
    r->out[0].type = BRINK_BOOL;
    return BRINK_OK;
}

brink_status infer_cast(rule_args *r)
{
    TRY(infer_same(r));
    int64_t to = onnx_int(r->node, ATTR_to, 0);
    if (to <= 0 || to > 64 || brink_type_bits((brink_type)to) == 0)
        return rule_unsupported(r, "element type %lld is not supported", (long long)to);
    r->out[0].type = (brink_type)to;
    return BRINK_OK;
}

brink_status infer_cast_like(rule_args *r)
{
    const ir_value *target;
    TRY(infer_same(r));
    TRY(rule_need(r, 1, &target));
    r->out[0].type = target->type;
    return brink_type_bits(target->type) != 0
               ? BRINK_OK
               : rule_unsupported(r, "element type %s is not supported",
                                  brink_type_name(target->type));
}

brink_status infer_bit_cast(rule_args *r)
{
    const ir_value *x;
    TRY(infer_cast(r));
    TRY(rule_need(r, 0, &x));
    brink_type from = x->type, to = r->out[0].type;
    if (brink_type_bits(from) != brink_type_bits(to))
        return rule_fail(r, "%s and %s differ in size", brink_type_name(from), brink_type_name(to));
    if (brink_type_bits(from) < 8 || (from == BRINK_BF16 && to != BRINK_BF16) ||
        (from == BRINK_F16 && to == BRINK_BF16))
        return rule_unsupported(r, "from %s to %s is not supported", brink_type_name(from),
                                brink_type_name(to));
    return BRINK_OK;
}

/* ── Reductions ── */

/* Axes come from the attribute or else from input `axes_input`. */
static brink_status reduce(rule_args *r, uint32_t axes_input)
{
    const ir_value *v;
    TRY(rule_need(r, 0, &v));
    ir_value x = *v;
    const int64_t *axes;
    uint64_t count;
    bool given, reduced[BRINK_MAX_RANK] = {false};
    TRY(rule_attr_or_input(r, ATTR_axes, axes_input, &axes, &count, &given));
    bool keep = onnx_int(r->node, ATTR_keepdims, 1) != 0;
    if (count == 0)
        for (uint32_t i = 0; i < x.rank; i++)
            reduced[i] = !onnx_int(r->node, ATTR_noop_with_empty_axes, 0);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t axis;
        TRY(rule_axis(r, axes[i], x.rank, &axis));
        reduced[axis] = true;
    }
    ir_value *out = &r->out[0];
    out->type = x.type;
    for (uint32_t i = 0; i < x.rank; i++) {
        if (!reduced[i])
            out->dims[out->rank++] = x.dims[i];
        else if (keep)
            out->dims[out->rank++] = expr_const(r->t, 1);
    }
    return BRINK_OK;
}

brink_status infer_reduce(rule_args *r)
{
    return reduce(r, 1);
}

/* The axes are an attribute only. */
brink_status infer_qlinear_reduce(rule_args *r)
{
    return reduce(r, r->in_count);
}

brink_status infer_arg(rule_args *r)
{
    const ir_value *v;
    uint32_t axis;
    TRY(rule_need(r, 0, &v));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), v->rank, &axis));
    rule_like(&r->out[0], v);
    ir_value *out = &r->out[0];
    out->type = BRINK_I64;
    if (onnx_int(r->node, ATTR_keepdims, 1)) {
        out->dims[axis] = expr_const(r->t, 1);
        return BRINK_OK;
    }
    memmove(out->dims + axis, out->dims + axis + 1, (out->rank - axis - 1) * sizeof *out->dims);
    out->rank--;
    return BRINK_OK;
}

/* ── Products ── */

/* Two inner dimensions that must agree where both are known. */
static brink_status same_inner(rule_args *r, expr a, expr b)
{
    int64_t x, y;
    if (expr_known(r->t, a, &x) && expr_known(r->t, b, &y) && x != y)
        return rule_fail(r, "inner dimensions %lld and %lld differ", (long long)x, (long long)y);
    return BRINK_OK;
}

/* numpy.matmul over the last two dimensions, after optional transposition of each. */
static brink_status product(rule_args *r, const ir_value *a, const ir_value *b, bool ta, bool tb)
{
    ir_value x = *a, y = *b, *out = &r->out[0];
    bool vector_a = x.rank == 1, vector_b = y.rank == 1;
    if (x.rank == 0 || y.rank == 0)
        return rule_fail(r, "a scalar has no rows");
    if (vector_a) {
        x.dims[1] = x.dims[0];
        x.dims[0] = expr_const(r->t, 1);
        x.rank = 2;
    }
    if (vector_b) {
        y.dims[1] = expr_const(r->t, 1);
        y.rank = 2;
    }
    expr m = x.dims[x.rank - (ta ? 1 : 2)], k = x.dims[x.rank - (ta ? 2 : 1)];
    expr n = y.dims[y.rank - (tb ? 2 : 1)], k2 = y.dims[y.rank - (tb ? 1 : 2)];
    TRY(same_inner(r, k, k2));
    x.rank -= 2;
    y.rank -= 2;
    TRY(rule_broadcast(r, &x, &y, out));
    if (!vector_a)
        out->dims[out->rank++] = m;
    if (!vector_b)
        out->dims[out->rank++] = n;
    return BRINK_OK;
}

brink_status infer_matmul(rule_args *r)
{
    const ir_value *a, *b;
    TRY(rule_need(r, 0, &a));
    TRY(rule_need(r, 1, &b));
    r->out[0].type = a->type;
    return product(r, a, b, false, false);
}

/* [rows, batch…, columns] as [batch…, rows, columns]. */
static void batch_first(ir_value *v)
{
    if (v->rank < 3)
        return;
    expr rows = v->dims[0];
    memmove(v->dims, v->dims + 1, (v->rank - 2) * sizeof *v->dims);
    v->dims[v->rank - 2] = rows;
}

brink_status infer_fused_matmul(rule_args *r)
{
    const ir_value *a, *b;
    TRY(rule_need(r, 0, &a));
    TRY(rule_need(r, 1, &b));
    ir_value x = *a, y = *b;
    if (onnx_int(r->node, ATTR_transBatchA, 0))
        batch_first(&x);
    if (onnx_int(r->node, ATTR_transBatchB, 0))
        batch_first(&y);
    r->out[0].type = x.type;
    return product(r, &x, &y, onnx_int(r->node, ATTR_transA, 0) != 0 && x.rank > 1,
                   onnx_int(r->node, ATTR_transB, 0) != 0 && y.rank > 1);
}

brink_status infer_matmul_integer(rule_args *r)
{
    TRY(infer_matmul(r));
    r->out[0].type = BRINK_I32;
    return BRINK_OK;
}

brink_status infer_matmul_integer_to_float(rule_args *r)
{
    const ir_value *scale;
    TRY(infer_matmul(r));
    TRY(rule_need(r, 2, &scale));
    TRY(rule_need(r, 3, &scale));
    r->out[0].type = scale->type;
    return BRINK_OK;
}

/* Rows and columns of inputs 0 and `second`, each turned as its attribute says. */
static brink_status gemm(rule_args *r, uint32_t second)
{
    const ir_value *a, *b;
    TRY(rule_need(r, 0, &a));
    TRY(rule_need(r, second, &b));
    if (a->rank != 2 || b->rank != 2)
        return rule_fail(r, "inputs of rank %u and %u should be matrices", a->rank, b->rank);
    bool ta = onnx_int(r->node, ATTR_transA, 0) != 0, tb = onnx_int(r->node, ATTR_transB, 0) != 0;
    TRY(same_inner(r, a->dims[ta ? 0 : 1], b->dims[tb ? 1 : 0]));
    ir_value *out = &r->out[0];
    out->type = a->type;
    out->rank = 2;
    out->dims[0] = a->dims[ta ? 1 : 0];
    out->dims[1] = b->dims[tb ? 0 : 1];
    return BRINK_OK;
}

brink_status infer_gemm(rule_args *r)
{
    return gemm(r, 1);
}

/* The result is quantised when its zero point or scale is given, else f32. */
brink_status infer_qgemm(rule_args *r)
{
    TRY(gemm(r, 3));
    const ir_value *zero = rule_in(r, 8);
    r->out[0].type = zero != NULL ? zero->type : rule_in(r, 7) != NULL ? BRINK_U8 : BRINK_F32;
    return BRINK_OK;
}

/* a, its scale and zero point, b, its own, and those of the result. */
brink_status infer_qlinear_matmul(rule_args *r)
{
    const ir_value *in[8];
    for (uint32_t i = 0; i < 8; i++)
        TRY(rule_need(r, i, &in[i]));
    r->out[0].type = in[7]->type;
    return product(r, in[0], in[3], false, false);
}

/* x[…, K] times a block-quantised weight of N rows; checks the packed size against N and K. */
brink_status infer_matmul_nbits(rule_args *r)
{
    const ir_value *x, *b, *s;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &b));
    TRY(rule_need(r, 2, &s));
    bool bnb = strcmp(r->op->name, "MatMulBnb4") == 0;
    int64_t k = onnx_int(r->node, ATTR_K, 0), n = onnx_int(r->node, ATTR_N, 0);
    int64_t bits = bnb ? 4 : onnx_int(r->node, ATTR_bits, 4);
    int64_t block = onnx_int(r->node, ATTR_block_size, 0);
    if (bnb && onnx_int(r->node, ATTR_transB, 1) == 0)
        return rule_unsupported(r, "transB 0, which only training uses, is not supported");
    if (onnx_int(r->node, ATTR_weight_prepacked, 0) != 0)
        return rule_unsupported(r, "weight_prepacked is a layout of CUDA's");
    if (k <= 0 || n <= 0 || k > INT32_MAX || n > INT32_MAX)
        return rule_fail(r, "K is %lld and N is %lld", (long long)k, (long long)n);
    if (bits != 2 && bits != 4 && bits != 8)
        return rule_unsupported(r, "bits is %lld; 2, 4 and 8 are supported", (long long)bits);
    if (block < 16 || block > 1 << 20 || (block & (block - 1)) != 0)
        return rule_fail(r, "block_size is %lld, not a power of two from 16 on", (long long)block);
    if (x->rank == 0)
        return rule_fail(r, "input A is a scalar");
    TRY(same_inner(r, x->dims[x->rank - 1], expr_const(r->t, k)));
    uint64_t packed = 0, scales = 0, blocks = (uint64_t)((k + block - 1) / block);
    uint64_t want = bnb ? ((uint64_t)n * (uint64_t)k + 1) / 2
                        : (uint64_t)n * blocks * (uint64_t)(block * bits / 8);
    uint64_t want_scales = bnb ? ((uint64_t)n * (uint64_t)k + (uint64_t)block - 1) / (uint64_t)block
                               : (uint64_t)n * blocks;
    if (b->type != BRINK_U8 || !ir_count(r->g, b, &packed) || packed != want)
        return rule_fail(r, "input B holds %llu bytes but N, K, bits and block_size ask for %llu",
                         (unsigned long long)packed, (unsigned long long)want);
    if (!ir_count(r->g, s, &scales) || scales != want_scales)
        return rule_fail(r, "there are %llu scales but %llu blocks", (unsigned long long)scales,
                         (unsigned long long)want_scales);
    const ir_value *z = bnb ? NULL : rule_in(r, 3);
    uint64_t zeros = 0, row_bytes = (blocks * (uint64_t)bits + 7) / 8;
    if (z != NULL) {
        uint64_t want_zeros = z->type == BRINK_U8 ? (uint64_t)n * row_bytes : want_scales;
        if (!ir_count(r->g, z, &zeros) || zeros != want_zeros)
            return rule_fail(r, "zero_points has %llu elements, %llu are needed",
                             (unsigned long long)zeros, (unsigned long long)want_zeros);
    }
    const ir_value *g_idx = bnb ? NULL : rule_in(r, 4), *bias = bnb ? NULL : rule_in(r, 5);
    uint64_t count;
    if (g_idx != NULL && (!ir_count(r->g, g_idx, &count) || count < (uint64_t)k))
        return rule_fail(r, "g_idx has fewer than K elements");
    if (bias != NULL && (!ir_count(r->g, bias, &count) || count != (uint64_t)n))
        return rule_fail(r, "bias should have N elements");
    rule_like(&r->out[0], x);
    r->out[0].dims[x->rank - 1] = expr_const(r->t, n);
    return BRINK_OK;
}

/* ── Quantisation ── */

brink_status infer_quantize(rule_args *r)
{
    TRY(infer_same(r));
    const ir_value *zero = rule_in(r, 2);
    int64_t dtype = onnx_int(r->node, ATTR_output_dtype, 0);
    r->out[0].type = zero != NULL              ? zero->type
                     : dtype > 0 && dtype < 64 ? (brink_type)dtype
                                               : BRINK_U8;
    if (brink_type_bits(r->out[0].type) == 0)
        return rule_unsupported(r, "element type %d is not supported", (int)r->out[0].type);
    return BRINK_OK;
}

brink_status infer_dequantize(rule_args *r)
{
    const ir_value *scale;
    TRY(infer_same(r));
    TRY(rule_need(r, 1, &scale));
    int64_t dtype = onnx_int(r->node, ATTR_output_dtype, 0);
    r->out[0].type = dtype > 0 && dtype < 64 ? (brink_type)dtype : scale->type;
    return BRINK_OK;
}

brink_status infer_dynamic_quantize(rule_args *r)
{
    TRY(infer_same(r));
    r->out[0].type = BRINK_U8;
    if (r->out_count > 1)
        r->out[1].type = BRINK_F32;
    if (r->out_count > 2)
        r->out[2].type = BRINK_U8;
    return BRINK_OK;
}

brink_status infer_gather_block_quantized(rule_args *r)
{
    const ir_value *data, *indices, *scales;
    TRY(rule_need(r, 0, &data));
    TRY(rule_need(r, 1, &indices));
    TRY(rule_need(r, 2, &scales));
    uint32_t axis, quantized;
    TRY(rule_axis(r, onnx_int(r->node, ATTR_gather_axis, 0), data->rank, &axis));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_quantize_axis, 1), data->rank, &quantized));
    int64_t bits = onnx_int(r->node, ATTR_bits, 4), block = onnx_int(r->node, ATTR_block_size, 128);
    if (block < 16 || block > INT32_MAX || (block & (block - 1)) != 0 ||
        (bits != 2 && bits != 4 && bits != 8))
        return rule_fail(r, "block_size is %lld and bits %lld", (long long)block, (long long)bits);
    if (data->rank + indices->rank - 1 > BRINK_MAX_RANK)
        return rule_unsupported(r, "rank above %d", BRINK_MAX_RANK);
    ir_value *out = &r->out[0], x = *data;
    int64_t width;
    TRY(rule_dim(r, data, x.rank - 1, &width));
    if (x.type == BRINK_U8)
        x.dims[x.rank - 1] = expr_const(r->t, width * 8 / bits);
    uint64_t scale_count, want = 1;
    for (uint32_t i = 0; i < x.rank; i++) {
        int64_t dim;
        TRY(rule_dim(r, &x, i, &dim));
        want *= (uint64_t)(i == quantized ? (dim + block - 1) / block : dim);
    }
    if (!ir_count(r->g, scales, &scale_count) || scale_count != want)
        return rule_fail(r, "the number of scales does not fit block_size %lld", (long long)block);
    out->type = scales->type;
    for (uint32_t i = 0; i < axis; i++)
        out->dims[out->rank++] = x.dims[i];
    for (uint32_t i = 0; i < indices->rank; i++)
        out->dims[out->rank++] = indices->dims[i];
    for (uint32_t i = axis + 1; i < x.rank; i++)
        out->dims[out->rank++] = x.dims[i];
    return BRINK_OK;
}

/* ── Normalisation ── */

brink_status infer_layer_norm(rule_args *r)
{
    const ir_value *x;
    uint32_t axis;
    TRY(rule_need(r, 0, &x));
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, -1), x->rank, &axis));
    rule_like(&r->out[0], x);
    for (uint32_t i = 1; i < r->out_count; i++) {
        rule_like(&r->out[i], x);
        r->out[i].type = BRINK_F32;
        for (uint32_t k = axis; k < x->rank; k++)
            r->out[i].dims[k] = expr_const(r->t, 1);
    }
    return BRINK_OK;
}

brink_status infer_skip_norm(rule_args *r)
{
    const ir_value *x, *skip, *gamma;
    TRY(rule_need(r, 0, &x));
    TRY(rule_need(r, 1, &skip));
    TRY(rule_need(r, 2, &gamma));
    if (skip->rank > x->rank || skip->rank + 1 < x->rank || x->rank == 0)
        return rule_unsupported(r, "skip of rank %u for an input of rank %u", skip->rank, x->rank);
    for (uint32_t i = 0; i < r->out_count; i++) {
        rule_like(&r->out[i], x);
        if (i == 1 || i == 2) { /* mean and inverse deviation */
            r->out[i].type = BRINK_F32;
            r->out[i].dims[x->rank - 1] = expr_const(r->t, 1);
        }
    }
    return BRINK_OK;
}
