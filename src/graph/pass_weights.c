/* pass_weights.c — 8-bit weights that the graph widens before use stay 8-bit.

   Exporters that quantise weights only write the product with q as MatMul(x, q * scale), the widening
   spelled out: Mul(Cast(q), scale) or DequantizeLinear(q, scale, zero), perhaps transposed. As the
   whole f32 matrix it would take four times the memory and be made anew at each run. Here

     MatMul(x, W) [+ bias]   becomes   MatMulWeights(x, q, scale, zero, bias)
     Gather(W, indices)      becomes   the widening of Gather(q, indices)

   MatMulWeights: x [..., k], q int8 or uint8 [k, n] (attribute transB: [n, k]), scale one number or
   [n], zero of q's type, one or [n], or left out; bias [n] or left out. y = x · ((q − zero) * scale)
   + bias.

   Invariant: only constants of 8 bits with one scale, or one a column, are taken. */
#include "graph/passes.h"

#include <string.h>

enum { LEAST = 256 }; /* elements: smaller matrices are not packed */

/* A widened matrix: [k, n], or [n, k] when transposed. */
typedef struct widened {
    uint32_t q, scale, zero; /* zero: IR_NONE when left out */
    bool turned;
    int64_t scale_axis; /* of q, −1: one number */
} widened;

static bool is_bytes(const rewrite *w, uint32_t value)
{
    if (!rewrite_is_const(w, value))
        return false;
    brink_type type = rewrite_value(w, value)->type;
    return (type == BRINK_I8 || type == BRINK_U8) && rewrite_value(w, value)->rank == 2 &&
           rewrite_value(w, value)->fixed;
}

static uint64_t count_of(const rewrite *w, uint32_t value)
{
    uint64_t count;
    return ir_count(w->g, rewrite_value(w, value), &count) ? count : 0;
}

/* The axis of q that a broadcast scale goes along: −1 for one number, −2 for none of these. */
static int64_t axis_of_factor(const rewrite *w, uint32_t q, uint32_t scale)
{
    const ir_value *s = rewrite_value(w, scale);
    if (s->type != BRINK_F32 || s->rank > 2)
        return -2;
    if (count_of(w, scale) == 1)
        return -1;
    if (rewrite_is_vector(w, scale, rewrite_dim(w, q, 1)))
        return 1;
    bool column = s->rank == 2 && rewrite_dim(w, scale, 1) == 1;
    return column && rewrite_dim(w, scale, 0) == rewrite_dim(w, q, 0) ? 0 : -2;
}

/* What makes the f32 matrix `value` of a constant of bytes. */
static bool find_widened(const rewrite *w, uint32_t value, widened *out)
{
    *out = (widened){.zero = IR_NONE};
    const ir_node *n = rewrite_made_by(w, value, OP_onnx_Transpose_1);
    if (n != NULL) {
        if (rewrite_value(w, value)->rank != 2)
            return false;
        const int64_t *perm;
        uint32_t count;
        perm = onnx_ints(n->source, ATTR_perm, &count);
        out->turned = perm == NULL || perm[0] == 1;
        value = n->inputs[0];
    }
    if (rewrite_value(w, value)->type != BRINK_F32)
        return false;
    if ((n = rewrite_made_by(w, value, OP_onnx_DequantizeLinear_10)) != NULL) {
        out->q = n->inputs[0];
        out->scale = n->inputs[1];
        out->zero = rewrite_input(n, 2);
        if (!is_bytes(w, out->q) || !rewrite_is_const(w, out->scale) ||
            rewrite_value(w, out->scale)->type != BRINK_F32 ||
            (out->zero != IR_NONE && !rewrite_is_const(w, out->zero)))
            return false;
        int64_t axis = onnx_int(n->source, ATTR_axis, 1);
        out->scale_axis = count_of(w, out->scale) == 1 ? -1 : axis < 0 ? axis + 2 : axis;
        return onnx_int(n->source, ATTR_block_size, 0) == 0 &&
               (out->scale_axis < 0 ||
                rewrite_is_vector(w, out->scale, rewrite_dim(w, out->q, (int32_t)out->scale_axis)));
    }
    if ((n = rewrite_made_by(w, value, OP_onnx_Mul_1)) == NULL)
        return false;
    for (uint32_t k = 0; k < 2; k++) {
        const ir_node *cast = rewrite_made_by(w, n->inputs[k], OP_onnx_Cast_1);
        if (cast == NULL || !is_bytes(w, cast->inputs[0]) || !rewrite_is_const(w, n->inputs[1 - k]))
            continue;
        out->q = cast->inputs[0];
        out->scale = n->inputs[1 - k];
        out->scale_axis = axis_of_factor(w, out->q, out->scale);
        return out->scale_axis > -2;
    }
    return false;
}

/* The constant vector that the only reader of `value` adds to it; that reader's index. */
static uint32_t find_bias(const rewrite *w, uint32_t value, int64_t n, uint32_t *add)
{
    const ir_node *reader = rewrite_reader(w, value);
    if (reader == NULL || reader->op->id != OP_onnx_Add_1)
        return IR_NONE;
    uint32_t other = reader->inputs[reader->inputs[0] == value ? 1 : 0];
    if (!rewrite_is_const(w, other) || !rewrite_is_vector(w, other, n) ||
        rewrite_value(w, other)->type != BRINK_F32 ||
        !rewrite_same_shape(w, value, reader->outputs[0]))
        return IR_NONE;
    *add = rewrite_index(w, reader);
    return other;
}

static brink_status product(rewrite *w, uint32_t at)
{
    const ir_node *n = &w->g->nodes[at];
    widened f;
    bool gemm = n->op->id == OP_onnx_Gemm_1;
    if (!find_widened(w, n->inputs[1], &f) || rewrite_value(w, n->inputs[0])->rank < 1 ||
        rewrite_value(w, n->inputs[0])->type != BRINK_F32)
        return BRINK_OK;
    bool turned = f.turned;
    uint32_t bias = IR_NONE, place = at;
    if (gemm) {
        turned ^= onnx_int(n->source, ATTR_transB, 0) != 0;
        bias = rewrite_input(n, 2);
        if (onnx_int(n->source, ATTR_transA, 0) != 0 || onnx_float(n->source, ATTR_alpha, 1) != 1 ||
            onnx_float(n->source, ATTR_beta, 1) != 1)
            return BRINK_OK;
    }
    int64_t columns = rewrite_dim(w, f.q, turned ? 0 : 1);
    if (count_of(w, f.q) < LEAST)
        return BRINK_OK;
    if ((f.scale_axis >= 0 && f.scale_axis != (turned ? 0 : 1)) ||
        (bias != IR_NONE && (!rewrite_is_const(w, bias) || !rewrite_is_vector(w, bias, columns))))
        return BRINK_OK;
    if (!gemm)
        bias = find_bias(w, n->outputs[0], columns, &place);
    uint32_t out = w->g->nodes[place].outputs[0];
    return rewrite_replace(
        w, place,
        &(rewrite_node){.op = OP_brink_MatMulWeights_1,
                        .inputs = (uint32_t[]){n->inputs[0], f.q, f.scale, f.zero, bias},
                        .input_count = 5,
                        .outputs = &out,
                        .output_count = 1,
                        .attrs =
                            &(onnx_attr){.name = ATTR_transB, .kind = ATTR_KIND_INT, .i = turned},
                        .attr_count = 1});
}

static brink_status insert_gather(rewrite *w, uint32_t at, uint32_t from, uint32_t indices,
                                  uint32_t out)
{
    const onnx_attr axis = {.name = ATTR_axis, .kind = ATTR_KIND_INT, .i = 0};
    return rewrite_insert(w, at,
                          &(rewrite_node){.op = OP_onnx_Gather_1,
                                          .inputs = (uint32_t[]){from, indices},
                                          .input_count = 2,
                                          .outputs = &out,
                                          .output_count = 1,
                                          .attrs = &axis,
                                          .attr_count = 1});
}

/* Rows of q, cast and scaled: the widening of all of q, but after the choice. */
static brink_status gather(rewrite *w, uint32_t at)
{
    const ir_node *n = &w->g->nodes[at];
    widened f;
    uint32_t indices = n->inputs[1], out = n->outputs[0];
    if (!find_widened(w, n->inputs[0], &f) || f.turned || f.scale_axis > 0 || f.zero != IR_NONE ||
        onnx_int(n->source, ATTR_axis, 0) != 0 || rewrite_value(w, out)->rank == 0)
        return BRINK_OK;
    expr dims[BRINK_MAX_RANK];
    uint32_t rank = rewrite_value(w, out)->rank, scale = f.scale;
    memcpy(dims, rewrite_value(w, out)->dims, rank * sizeof *dims);
    uint32_t rows = rewrite_temp(w, f.q, rank, dims), wide = rewrite_temp(w, out, rank, dims);
    if (rows == IR_NONE || wide == IR_NONE)
        return BRINK_OUT_OF_MEMORY;
    TRY(insert_gather(w, at, f.q, indices, rows));
    const onnx_attr to = {.name = ATTR_to, .kind = ATTR_KIND_INT, .i = BRINK_F32};
    TRY(rewrite_insert(w, at,
                       &(rewrite_node){.op = OP_onnx_Cast_1,
                                       .inputs = &rows,
                                       .input_count = 1,
                                       .outputs = &wide,
                                       .output_count = 1,
                                       .attrs = &to,
                                       .attr_count = 1}));
    if (f.scale_axis == 0) { /* a scale a row is chosen with it */
        ir_value column = *rewrite_value(w, scale);
        column.rank = 2;
        column.dims[0] = rewrite_value(w, f.q)->dims[0];
        column.dims[1] = dims[rank - 1] = expr_const(&w->g->exprs, 1);
        uint32_t from = ir_add_value(w->g, &column);
        if (from == IR_NONE || (scale = rewrite_temp(w, f.scale, rank, dims)) == IR_NONE)
            return BRINK_OUT_OF_MEMORY;
        TRY(insert_gather(w, at, from, indices, scale));
    }
    return rewrite_replace(w, at,
                           &(rewrite_node){.op = OP_onnx_Mul_1,
                                           .inputs = (uint32_t[]){wide, scale},
                                           .input_count = 2,
                                           .outputs = &out,
                                           .output_count = 1});
}

brink_status pass_weights(rewrite *w)
{
    for (uint32_t i = 0; i < w->settled; i++) {
        const ir_node *n = &w->g->nodes[i];
        if (n->dead)
            continue;
        if (n->op->id == OP_onnx_MatMul_1 || n->op->id == OP_onnx_Gemm_1)
            TRY(product(w, i));
        else if (n->op->id == OP_onnx_Gather_1)
            TRY(gather(w, i));
    }
    return BRINK_OK;
}
