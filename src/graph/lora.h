/* lora.h — an adapter's low-rank changes to the products of a graph: W + B A (Hu et al., "LoRA",
   arXiv:2106.09685), kept apart from W.

   Two adapters that change the same nodes by the same ranks have one structure: a plan made for the one
   runs the other once it has its matrices (plan_set_lora).

   Invariant: entries are in the order of their nodes' names, each once. */
#ifndef GRAPH_LORA_H
#define GRAPH_LORA_H

#include "graph/rewrite.h"

typedef struct lora_entry {
    const char *node;   /* whose first output it changes */
    const char *module; /* for messages                  */
    uint32_t rank;
    int64_t k, n;
    const uint16_t *down; /* A [rank, k] f16                 */
    const uint16_t *up;   /* scale * B, transposed, [rank, n] f16 */
} lora_entry;

typedef struct lora {
    const char *name; /* of the adapter, for messages */
    uint32_t count;
    lora_entry *entries;
} lora;

/* NULL where the adapter leaves the node alone. */
const lora_entry *lora_find(const lora *l, const char *node);

/* Puts a Lora behind each node that the adapter changes:

     Lora(y, x, down, up) = y + (x · downᵀ) · up, and as a second output x · downᵀ, for the kernel's use.

   Its matrices stay f16 on the CPU too. Values that hold entry i's matrices have ir_value.lora 2 i + 1 (down) and 2 i + 2 (up). */
brink_status pass_lora(rewrite *w, const lora *l);

#endif
