/* passes.c — the order of the passes; see passes.h. */
#include "graph/passes.h"

typedef brink_status (*pass_fn)(rewrite *w);

static brink_status run(rewrite *w, const pass_fn *passes)
{
    for (; *passes != NULL; passes++) {
        TRY((*passes)(w));
        TRY(rewrite_settle(w));
    }
    return BRINK_OK;
}

/* Whole computations become one node before the row is chosen, which then moves past them. */
static const pass_fn whole[] = {pass_identity, pass_cse,  pass_weights, pass_conv,   pass_attention,
                                pass_norm,     pass_gelu, pass_rope,    pass_append, NULL};

/* What is left over after products were joined. */
static const pass_fn rest[] = {pass_elementwise, NULL};

static brink_status run_all(rewrite *w, const passes_desc *desc)
{
    if (desc->lora != NULL)
        TRY(pass_lora(w, desc->lora));
    if (!desc->plain)
        TRY(run(w, whole));
    if (desc->last_row_output != IR_NONE) {
        TRY(pass_last_row(w, desc->last_row_output, desc->last_row));
        TRY(rewrite_settle(w));
    }
    if (desc->plain)
        return BRINK_OK;
    TRY(pass_projection(w, desc->away));
    TRY(rewrite_settle(w));
    return run(w, rest);
}

brink_status passes_run(ir_graph *g, const passes_desc *desc)
{
    rewrite w;
    TRY(pass_dead_code(g));
    TRY(rewrite_begin(&w, g));
    brink_status status = run_all(&w, desc);
    rewrite_end(&w);
    if (status == BRINK_OK && g->exprs.failed)
        status = BRINK_OUT_OF_MEMORY;
    return status;
}
