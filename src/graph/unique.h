/* unique.h — which slices of a tensor along one axis are equal, found by sorting.

   Shared by the shape rule of Unique, which counts them, and its kernel. */
#ifndef GRAPH_UNIQUE_H
#define GRAPH_UNIQUE_H

#include "brink.h"

/* A dense [outer, n, inner] array; slice i is [:, i, :]. */
typedef struct slices {
    brink_type type; /* half precision as its 16-bit form */
    const void *data;
    int64_t outer, n, inner;
} slices;

/* Fills order[n] with the slices in ascending lexicographic order, equal ones by index; work[n] is
   scratch. NaN comes last and equals itself. Returns how many different slices there are. */
int64_t slices_sort(const slices *s, int64_t *order, int64_t *work);

/* Negative, 0 or positive as slice i is below, equal to or above slice k. */
int slices_compare(const slices *s, int64_t i, int64_t k);

#endif
