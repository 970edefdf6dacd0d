/* trie.h — every spelling of a vocabulary by its bytes, for finding those that a text begins with. */
#ifndef TEXT_TRIE_H
#define TEXT_TRIE_H

#include "text/vocab.h"

/* A node, at the place that its parent's base and its label add up to. */
typedef struct trie_unit {
    uint32_t base;   /* of the children's places                      */
    uint32_t parent; /* VOCAB_NONE: no node is here, or it is the root */
    uint32_t token;  /* what ends here, VOCAB_NONE if nothing does    */
} trie_unit;

typedef struct trie {
    brink_context *context;
    trie_unit *units; /* [count], the root first; every base is at most count - 256 */
    uint32_t count, capacity;
    uint32_t search; /* while building: places before it are taken or given up */
} trie;

/* Of equal spellings the one that vocab_find gives. On failure nothing is left to free. */
brink_status trie_create(trie *tree, const vocab *v);
void trie_free(trie *tree);

/* The child of `node` by `label`, 0 if there is none. */
static inline uint32_t trie_child(const trie *tree, uint32_t node, unsigned char label)
{
    uint32_t at = tree->units[node].base + label;
    return tree->units[at].parent == node ? at : 0;
}

#endif
