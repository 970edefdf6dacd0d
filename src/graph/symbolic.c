/* symbolic.c — follows small integer tensors element by element through the operators that exporters
   compute shapes with, so that every dimension is an expression over the running lengths.

   An operator that is not here, or an element that is not known, just ends the trail: the value is
   then computed while running, and only a shape that needs it fails. */
#include "graph/rules.h"

#include <string.h>

static bool small_count(const rule_args *r, const ir_value *v, uint64_t *count)
{
    return ir_count(r->g, v, count) && *count <= IR_MAX_SYMBOLIC;
}

static bool is_integer(brink_type type)
{
    return type == BRINK_I64 || type == BRINK_I32 || type == BRINK_BOOL || type == BRINK_U8 ||
           type == BRINK_I8 || type == BRINK_U32 || type == BRINK_U64 || type == BRINK_I16 ||
           type == BRINK_U16;
}

/* Known dimensions of a value whose count is known. */
static void dims_of(const rule_args *r, const ir_value *v, int64_t *dims)
{
    for (uint32_t i = 0; i < v->rank; i++)
        expr_known(r->t, v->dims[i], &dims[i]);
}

/* Index into an input of these dimensions for output element `i`, under broadcasting. */
static uint64_t broadcast_index(uint64_t i, const int64_t *out, uint32_t out_rank,
                                const int64_t *in, uint32_t in_rank)
{
    uint64_t index = 0, stride = 1;
    for (uint32_t k = 0; k < out_rank; k++) {
        uint32_t axis = out_rank - 1 - k;
        uint64_t at = i % (uint64_t)out[axis];
        i /= (uint64_t)out[axis];
        if (k < in_rank && in[in_rank - 1 - k] != 1)
            index += at * stride;
        if (k < in_rank)
            stride *= (uint64_t)in[in_rank - 1 - k];
    }
    return index;
}

static expr logical_not(expr_table *t, expr e)
{
    return expr_sub(t, expr_const(t, 1), e);
}

static bool is_bit(expr_table *t, expr e)
{
    return expr_low(t, e) >= 0 && expr_high(t, e) <= 1;
}

static expr apply(expr_table *t, op_id op, expr a, expr b, expr c)
{
    int64_t v;
    switch (op) {
    case OP_onnx_Add_1:
        return expr_add(t, a, b);
    case OP_onnx_Sub_1:
        return expr_sub(t, a, b);
    case OP_onnx_Mul_1:
        return expr_mul(t, a, b);
    case OP_onnx_Div_1:
        return expr_known(t, b, &v) && v == 0 ? EXPR_NONE : expr_div(t, a, b);
    case OP_onnx_Mod_10:
        return expr_known(t, b, &v) && v == 0 ? EXPR_NONE : expr_mod(t, a, b);
    case OP_onnx_Min_1:
        return expr_min(t, a, b);
    case OP_onnx_Max_1:
        return expr_max(t, a, b);
    case OP_onnx_Equal_1:
        return expr_equal(t, a, b);
    case OP_onnx_Less_1:
        return expr_less(t, a, b);
    case OP_onnx_Greater_1:
        return expr_less(t, b, a);
    case OP_onnx_LessOrEqual_12:
        return logical_not(t, expr_less(t, b, a));
    case OP_onnx_GreaterOrEqual_12:
        return logical_not(t, expr_less(t, a, b));
    case OP_onnx_And_1:
        return expr_min(t, a, b);
    case OP_onnx_Or_1:
        return expr_max(t, a, b);
    case OP_onnx_Not_1:
        return is_bit(t, a) ? logical_not(t, a) : EXPR_NONE;
    case OP_onnx_Neg_1:
        return expr_sub(t, expr_const(t, 0), a);
    case OP_onnx_Abs_1:
        return expr_max(t, a, expr_sub(t, expr_const(t, 0), a));
    case OP_onnx_Where_9:
        return expr_select(t, a, b, c);
    default:
        return EXPR_NONE;
    }
}

/* Elementwise operators with one to three inputs. */
static brink_status elementwise(rule_args *r, uint64_t count, expr *list, bool *good)
{
    const expr *in[3] = {NULL};
    int64_t dims[3][BRINK_MAX_RANK], out_dims[BRINK_MAX_RANK];
    uint32_t rank[3] = {0};
    *good = false;
    if (r->in_count == 0 || r->in_count > 3)
        return BRINK_OK;
    for (uint32_t i = 0; i < r->in_count; i++) {
        uint64_t n;
        in[i] = symbolic_elements(r, i, &n);
        if (in[i] == NULL)
            return BRINK_OK;
        const ir_value *v = rule_in(r, i);
        uint64_t check;
        if (!small_count(r, v, &check) || check != n)
            return BRINK_OK;
        rank[i] = v->rank;
        dims_of(r, v, dims[i]);
    }
    dims_of(r, &r->out[0], out_dims);
    for (uint64_t k = 0; k < count; k++) {
        expr e[3] = {EXPR_NONE, EXPR_NONE, EXPR_NONE};
        for (uint32_t i = 0; i < r->in_count; i++)
            e[i] = in[i][broadcast_index(k, out_dims, r->out[0].rank, dims[i], rank[i])];
        list[k] = apply(r->t, r->op->id, e[0], e[1], e[2]);
        if (list[k] < 0)
            return BRINK_OK;
    }
    *good = true;
    return BRINK_OK;
}

static void concat(rule_args *r, expr *list, bool *good)
{
    /* Outer dimensions before the axis are walked once an input; shape vectors have none. */
    int64_t dims[BRINK_MAX_RANK];
    uint32_t axis;
    *good = false;
    dims_of(r, &r->out[0], dims);
    if (rule_axis(r, onnx_int(r->node, ATTR_axis, 1), r->out[0].rank, &axis) != BRINK_OK)
        return;
    uint64_t outer = 1, inner = 1, at = 0;
    for (uint32_t i = 0; i < axis; i++)
        outer *= (uint64_t)dims[i];
    for (uint32_t i = axis + 1; i < r->out[0].rank; i++)
        inner *= (uint64_t)dims[i];
    for (uint64_t o = 0; o < outer; o++)
        for (uint32_t i = 0; i < r->in_count; i++) {
            uint64_t n;
            int64_t part;
            const expr *in = symbolic_elements(r, i, &n);
            if (in == NULL || !expr_known(r->t, rule_in(r, i)->dims[axis], &part))
                return;
            for (uint64_t k = 0; k < (uint64_t)part * inner; k++)
                list[at++] = in[o * (uint64_t)part * inner + k];
        }
    *good = true;
}

static void gather(rule_args *r, uint64_t count, expr *list, bool *good)
{
    uint64_t n, n_indices;
    *good = false;
    const expr *in = symbolic_elements(r, 0, &n);
    const expr *indices = symbolic_elements(r, 1, &n_indices);
    if (in == NULL || indices == NULL || rule_in(r, 0)->rank != 1)
        return;
    for (uint64_t k = 0; k < count; k++) {
        int64_t index;
        if (!expr_known(r->t, indices[k], &index))
            return;
        index += index < 0 ? (int64_t)n : 0;
        if (index < 0 || index >= (int64_t)n)
            return;
        list[k] = in[index];
    }
    *good = true;
}

/* Slices of a vector along its one axis. */
static void slice(rule_args *r, uint64_t count, expr *list, bool *good)
{
    uint64_t n, m;
    *good = false;
    const expr *in = symbolic_elements(r, 0, &n), *starts = symbolic_elements(r, 1, &m);
    if (in == NULL || starts == NULL || m != 1 || rule_in(r, 0)->rank != 1)
        return;
    int64_t from, step = 1;
    const expr *steps = symbolic_elements(r, 4, &m);
    if (!expr_known(r->t, starts[0], &from) || (steps && !expr_known(r->t, steps[0], &step)))
        return;
    int64_t size = (int64_t)n, last = step < 0 ? size - 1 : size;
    from = from < -size ? (step < 0 ? -1 : 0) : from < 0 ? from + size : from > last ? last : from;
    for (uint64_t k = 0; k < count; k++) {
        int64_t at = from + (int64_t)k * step;
        if (at < 0 || at >= size)
            return;
        list[k] = in[at];
    }
    *good = true;
}

/* Outputs that are input 0's elements in the same order. */
static void copy(rule_args *r, uint64_t count, expr *list, bool *good)
{
    uint64_t n;
    const expr *in = symbolic_elements(r, 0, &n);
    *good = in != NULL && n == count;
    if (*good)
        memcpy(list, in, (size_t)count * sizeof *list);
}

static void fill(rule_args *r, uint64_t count, expr *list, bool *good)
{
    const onnx_attr *value = onnx_find(r->node, ATTR_value);
    int64_t v = 0;
    *good = r->out[0].type == BRINK_I64 || r->out[0].type == BRINK_I32;
    if (value != NULL && *good) {
        const void *data = value->tensor->data;
        v = r->out[0].type == BRINK_I64 ? *(const int64_t *)data : *(const int32_t *)data;
    }
    for (uint64_t k = 0; k < count && *good; k++)
        list[k] = expr_const(r->t, v);
}

static void expand(rule_args *r, uint64_t count, expr *list, bool *good)
{
    uint64_t n;
    int64_t from[BRINK_MAX_RANK], to[BRINK_MAX_RANK];
    const expr *in = symbolic_elements(r, 0, &n);
    *good = in != NULL;
    if (in == NULL)
        return;
    const ir_value *x = rule_in(r, 0);
    dims_of(r, x, from);
    dims_of(r, &r->out[0], to);
    for (uint64_t k = 0; k < count; k++)
        list[k] = in[broadcast_index(k, to, r->out[0].rank, from, x->rank)];
}

static void range(rule_args *r, uint64_t count, expr *list, bool *good)
{
    uint64_t n;
    int64_t delta;
    const expr *start = symbolic_elements(r, 0, &n), *step = symbolic_elements(r, 2, &n);
    *good = start != NULL && step != NULL && expr_known(r->t, step[0], &delta);
    for (uint64_t k = 0; k < count && *good; k++)
        list[k] = expr_add(r->t, start[0], expr_const(r->t, (int64_t)k * delta));
}

static void reduce(rule_args *r, uint64_t count, expr *list, bool *good)
{
    uint64_t n;
    const expr *in = symbolic_elements(r, 0, &n);
    *good = in != NULL && count == 1 && n > 0;
    if (!*good)
        return;
    list[0] = in[0];
    for (uint64_t k = 1; k < n; k++)
        switch (r->op->id) {
        case OP_onnx_ReduceProd_1:
            list[0] = expr_mul(r->t, list[0], in[k]);
            break;
        case OP_onnx_ReduceSum_1:
            list[0] = expr_add(r->t, list[0], in[k]);
            break;
        case OP_onnx_ReduceMax_1:
            list[0] = expr_max(r->t, list[0], in[k]);
            break;
        default:
            list[0] = expr_min(r->t, list[0], in[k]);
            break;
        }
}

brink_status symbolic_evaluate(rule_args *r)
{
    uint64_t count;
    if (r->out_count != 1 || r->out[0].symbolic != NULL || !is_integer(r->out[0].type) ||
        !small_count(r, &r->out[0], &count))
        return BRINK_OK;
    for (uint32_t i = 0; i < r->in_count; i++) { /* cheap refusal before anything is allocated */
        const ir_value *v = rule_in(r, i);
        if (v != NULL && (!is_integer(v->type) || (v->symbolic == NULL && v->kind != IR_CONST)))
            return BRINK_OK;
    }
    expr *list = ARENA_ARRAY(&r->g->memory, expr, count + 1);
    if (list == NULL)
        return BRINK_OUT_OF_MEMORY;
    bool good = false;
    switch (r->op->id) {
    case OP_onnx_Concat_1:
        concat(r, list, &good);
        break;
    case OP_onnx_Gather_1:
        gather(r, count, list, &good);
        break;
    case OP_onnx_Slice_1:
        slice(r, count, list, &good);
        break;
    case OP_onnx_Identity_1:
    case OP_onnx_Reshape_1:
    case OP_onnx_Squeeze_1:
    case OP_onnx_Unsqueeze_1:
    case OP_onnx_Flatten_1:
        copy(r, count, list, &good);
        break;
    case OP_onnx_Cast_1:
        copy(r, count, list, &good);
        for (uint64_t k = 0; k < count && good; k++) {
            if (r->out[0].type == BRINK_BOOL && !is_bit(r->t, list[k]))
                list[k] = logical_not(r->t, expr_equal(r->t, list[k], expr_const(r->t, 0)));
            else if (r->out[0].type != BRINK_I64 && r->out[0].type != BRINK_BOOL &&
                     (expr_low(r->t, list[k]) < 0 || expr_high(r->t, list[k]) > 127) &&
                     !(r->out[0].type == BRINK_I32 && expr_low(r->t, list[k]) >= INT32_MIN &&
                       expr_high(r->t, list[k]) <= INT32_MAX))
                good = false;
        }
        break;
    case OP_onnx_ConstantOfShape_9:
        fill(r, count, list, &good);
        break;
    case OP_onnx_Expand_8:
        expand(r, count, list, &good);
        break;
    case OP_onnx_Range_11:
        range(r, count, list, &good);
        break;
    case OP_onnx_ReduceProd_1:
    case OP_onnx_ReduceSum_1:
    case OP_onnx_ReduceMax_1:
    case OP_onnx_ReduceMin_1:
        reduce(r, count, list, &good);
        break;
    default:
        TRY(elementwise(r, count, list, &good));
        break;
    }
    if (good) {
        r->out[0].symbolic = list;
        r->out[0].symbolic_count = count;
    }
    return BRINK_OK;
}
