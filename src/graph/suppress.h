/* suppress.h — non-maximum suppression, used by its shape rule to count and by its kernel to fill. */
#ifndef GRAPH_SUPPRESS_H
#define GRAPH_SUPPRESS_H

#include "core/context.h"

typedef struct suppression {
    const float *boxes;                     /* [batches, count, 4]       */
    const float *scores;                    /* [batches, classes, count] */
    int64_t batches, classes, count, limit; /* limit: boxes a class and batch */
    float overlap, score;                   /* boxes below `score` never count */
    bool by_score, centered;                /* centered: [x, y, width, height] */
} suppression;

/* Writes [selected, 3] of batch, class and box to `to` (NULL: only counts). `order` has room for
   2 * count entries. */
int64_t suppress(const suppression *s, int64_t *order, int64_t *to);

#endif
