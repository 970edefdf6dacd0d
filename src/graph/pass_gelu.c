/* pass_gelu.c — GELU, in its exact, tanh and sigmoid forms, and SiLU from the formulas that exporters
   write. Biases and gates around them are left to pass_elementwise.c. */
#include "graph/passes.h"

#define ERF "Add(Erf([Div(x,1.4142135)|Mul(x,0.70710678)]),1)"
#define CUBE "Mul([Pow(x,3)|Mul(x,[Mul(x,x)|Pow(x,2)])],0.044715)"
#define SLOPE "Add(Mul([Mul(x,x)|Pow(x,2)],0.044715),1)"
#define SPREAD                                                                                     \
    "[Mul(Add(x," CUBE "),0.79788456)|Mul(Mul(x,0.79788456)," SLOPE ")|Mul(Mul(x," SLOPE           \
    "),0.79788456)|Mul(x,Mul(" SLOPE ",0.79788456))]"
#define TANH "Add(Tanh(" SPREAD "),1)"

/* x * f / 2 with the half anywhere. */
#define HALVED(f)                                                                                  \
    "[Mul(Mul(x," f "),0.5)|Mul(Mul(x,0.5)," f ")|Mul(Div(x,2)," f ")|Mul(x,Mul(" f                \
    ",0.5))|Mul(x,Div(" f ",2))|Div(Mul(x," f "),2)]"

static const char *const formulas[] = {HALVED(ERF), HALVED(TANH), "Mul(x,Sigmoid(x))",
                                       "Mul(x,Sigmoid(Mul(x,$a)))", NULL};
static const op_id made[] = {OP_ms_Gelu_1, OP_ms_FastGelu_1, OP_ms_QuickGelu_1, OP_ms_QuickGelu_1};

brink_status pass_gelu(rewrite *w)
{
    for (uint32_t i = 0; i < w->g->node_count; i++) {
        rewrite_match m;
        op_id op = w->g->nodes[i].op->id;
        int which =
            op != OP_onnx_Mul_1 && op != OP_onnx_Div_1 ? -1 : rewrite_match_any(w, i, formulas, &m);
        if (which < 0)
            continue;
        uint32_t x = rewrite_bound(&m, 'x'), y = w->g->nodes[i].outputs[0];
        if (!rewrite_same_shape(w, x, y))
            continue;
        onnx_attr alpha = {.name = ATTR_alpha,
                           .kind = ATTR_KIND_FLOAT,
                           .f = which == 3 ? (float)rewrite_bound_number(&m, 'a') : 1};
        TRY(rewrite_replace(w, i,
                            &(rewrite_node){.op = made[which],
                                            .inputs = &x,
                                            .input_count = 1,
                                            .outputs = &y,
                                            .output_count = 1,
                                            .attrs = &alpha,
                                            .attr_count = which >= 2}));
    }
    return BRINK_OK;
}
