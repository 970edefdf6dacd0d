/* passes.h — the passes over a resolved graph, in the order in which they run.

   Each is in a file of its own, sees only live nodes, and takes time in proportion to their number. */
#ifndef GRAPH_PASSES_H
#define GRAPH_PASSES_H

#include "graph/lora.h"

typedef struct passes_desc {
    bool plain;               /* nodes stay as the model has them: every value can be looked at */
    uint32_t last_row_output; /* of this output only row `last_row` is wanted; IR_NONE: whole  */
    expr last_row;
    const lora *lora; /* an adapter whose changes come first; NULL: none */
    bool away;        /* for an executor, which joins changes to products itself */
} passes_desc;

/* Removes what nobody reads and rewrites the rest. */
brink_status passes_run(ir_graph *g, const passes_desc *desc);

/* Marks nodes dead whose outputs nobody needs. */
brink_status pass_dead_code(ir_graph *g);

/* 8-bit weights that the graph widens before use stay 8-bit. */
brink_status pass_weights(rewrite *w);
/* Norms, constants, sums and activations behind a convolution become part of it. */
brink_status pass_conv(rewrite *w);
/* Nodes that change nothing go; of nodes that compute the same one is kept. */
brink_status pass_identity(rewrite *w);
brink_status pass_cse(rewrite *w);

/* RMSNorm and LayerNorm, with the residual sum before them, become one node. */
brink_status pass_norm(rewrite *w);

/* Attention written with products and a softmax becomes one node. */
brink_status pass_attention(rewrite *w);

/* Rotary embeddings become one node. */
brink_status pass_rope(rewrite *w);

/* The Concat of past and new keys, read by attention alone, becomes an append. */
brink_status pass_append(rewrite *w);

/* GELU and SiLU become one node. */
brink_status pass_gelu(rewrite *w);

/* Chains of elementwise nodes become one node. */
brink_status pass_elementwise(rewrite *w);

/* Products of one input with block-quantised weights become one node, with an adapter's changes to them
   (not `away`). */
brink_status pass_projection(rewrite *w, bool away);

/* Of output `output` [batch, rows, n] only row `row` (an expression) is asked for: slices as early
   as rows are independent. */
brink_status pass_last_row(rewrite *w, uint32_t output, expr row);

#endif
