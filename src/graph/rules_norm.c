/* rules_norm.c — shapes of the normalisations by channel. */
#include "graph/rules.h"

#include <string.h>

/* x, then scale, bias, mean and variance of its channels. */
brink_status infer_batch_norm(rule_args *r)
{
    const ir_value *in[5];
    for (uint32_t i = 0; i < 5; i++)
        TRY(rule_need(r, i, &in[i]));
    rule_like(&r->out[0], in[0]);
    bool training = onnx_int(r->node, ATTR_training_mode, 0) != 0;
    for (uint32_t i = 1; i < r->out_count; i++) {
        rule_like(&r->out[i], in[i % 2 ? 3 : 4]);
        if (i > 2 && training)
            return rule_unsupported(r, "output %u is not supported", i);
    }
    return BRINK_OK;
}
