/* rules_qlinear.c — shapes of onnxruntime's elementwise operators on quantised bytes. */
#include "graph/rules.h"

/* a, its scale and zero point, b, its own, those of the result. */
brink_status infer_qlinear_pair(rule_args *r)
{
    const ir_value *a, *b;
    TRY(rule_need(r, 0, &a));
    TRY(rule_need(r, 3, &b));
    r->out[0].type = a->type;
    return rule_broadcast(r, a, b, &r->out[0]);
}

brink_status infer_qlinear_where(rule_args *r)
{
    const ir_value *c, *a, *b;
    TRY(rule_need(r, 0, &c));
    TRY(rule_need(r, 1, &a));
    TRY(rule_need(r, 4, &b));
    r->out[0].type = a->type;
    TRY(rule_broadcast(r, a, b, &r->out[0]));
    return rule_broadcast(r, c, &r->out[0], &r->out[0]);
}

/* The result's scale and zero point, then inputs in threes. */
brink_status infer_qlinear_concat(rule_args *r)
{
    const ir_value *x, *zero;
    uint32_t axis;
    TRY(rule_need(r, 1, &zero));
    TRY(rule_need(r, 2, &x));
    if (r->in_count % 3 != 2)
        return rule_fail(r, "%u inputs, each should have a scale and a zero point", r->in_count);
    rule_like(&r->out[0], x);
    r->out[0].type = zero->type;
    TRY(rule_axis(r, onnx_int(r->node, ATTR_axis, 0), x->rank, &axis));
    for (uint32_t i = 5; i < r->in_count; i += 3) {
        TRY(rule_need(r, i, &x));
        if (x->rank != r->out[0].rank)
            return rule_fail(r, "input %u has rank %u, not %u", i, x->rank, r->out[0].rank);
        for (uint32_t d = 0; d < x->rank; d++)
            if (d != axis && x->dims[d] != r->out[0].dims[d])
                return rule_fail(r, "dimension %u of input %u differs from the others", d, i);
        r->out[0].dims[axis] = expr_add(r->t, r->out[0].dims[axis], x->dims[axis]);
    }
    return BRINK_OK;
}
