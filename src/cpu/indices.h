/* indices.h — indices in tensors, as the gathering and scattering operators have them: negative ones
   count from the end, and one outside its dimension is an error. */
#ifndef CPU_INDICES_H
#define CPU_INDICES_H

#include "cpu/loops.h"

/* "index 7 is outside dimension 5" */
brink_status index_fail(const kernel_args *a, int64_t index, int64_t bound);

static inline bool index_wrap(int64_t *index, int64_t bound)
{
    if (*index < 0 && *index >= -bound)
        *index += bound;
    return *index >= 0 && *index < bound;
}

/* Offset of the slice that index tuple number `tuple` names, from dimension `first` on. */
brink_status index_tuple(const kernel_args *a, const tensor *x, const int64_t *dense,
                         const tensor *indices, int64_t tuple, uint32_t first, int64_t width,
                         int64_t *offset);

#endif
