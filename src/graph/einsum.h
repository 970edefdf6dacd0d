/* einsum.h — an Einsum equation as label lists.

   A label is a letter, or one of the dimensions that an ellipsis stands for. Shared by the shape rule
   and the kernel. */
#ifndef GRAPH_EINSUM_H
#define GRAPH_EINSUM_H

#include "brink.h"

enum {
    EINSUM_LETTERS = 52, /* A to Z, then a to z                    */
    EINSUM_LABELS = EINSUM_LETTERS + BRINK_MAX_RANK,
    EINSUM_OPERANDS = 16
};

typedef struct einsum_term {
    uint32_t rank;
    uint8_t labels[BRINK_MAX_RANK]; /* one a dimension */
} einsum_term;

typedef struct einsum {
    uint32_t count; /* of operands */
    einsum_term operands[EINSUM_OPERANDS], out;
} einsum;

/* Reads `equation` for operands of these ranks. Returns NULL, or what is wrong with it. */
const char *einsum_parse(const char *equation, const uint32_t *ranks, uint32_t count, einsum *out);

#endif
