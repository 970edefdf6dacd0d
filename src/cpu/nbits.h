/* nbits.h — one call of MatMulNBits, as its two forms share it: with the weights as the file has them
   (matmul_nbits.c) and packed for the processor (nbits_packed.c). */
#ifndef CPU_NBITS_H
#define CPU_NBITS_H

#include "core/half.h"
#include "graph/kernel.h"

typedef struct nbits_weights nbits_weights;

enum { NBITS_PARTS = 3, NBITS_RUN = 2 * NBITS_PARTS };

typedef struct nbits {
    int64_t m, n, k, block, blocks, bits;
    const float *x;
    const uint8_t *w; /* [n, blocks, block * bits / 8], the first element in the low bits */
    const tensor *scales, *zeros; /* zeros may be NULL */
    const tensor *g_idx;          /* [k]: the block an element's scale is in; may be NULL */
    const float *bias;            /* [n], may be NULL */
    float *y;
    bool add;  /* packed: to what y holds */
    int8_t *q; /* [m, q_row], in the order that the inner loop wants */
    int64_t q_row;
    float *x_wide;          /* [m, q_row]: x in the order for the f32 inner loops */
    float *x_scale, *x_sum; /* [m, blocks] */
    char *memory;           /* each thread's, for scales and zeros, or for a packed group */
    uint64_t each;
    const nbits_weights *packed; /* NULL: w, scales and zeros are read as they are */
} nbits;

/* What a node says of its `n` rows of weights, checked against the tensors. */
brink_status nbits_read(const kernel_args *a, int64_t n, nbits *p);

static inline float nbits_scale(const nbits *p, int64_t i)
{
    const tensor *t = p->scales;
    if (t->type == BRINK_F32)
        return ((const float *)t->data)[i];
    uint16_t half = ((const uint16_t *)t->data)[i];
    return t->type == BRINK_F16 ? half_to_float(half) : bfloat_to_float(half);
}

/* A zero point that is not f32. */
float nbits_zero_of(const nbits *p, int64_t row, int64_t b);

static inline float nbits_zero(const nbits *p, int64_t row, int64_t b)
{
    if (p->zeros != NULL && p->zeros->type == BRINK_F32)
        return ((const float *)p->zeros->data)[row * p->blocks + b];
    return nbits_zero_of(p, row, b);
}

/* Block b of a row of x in 8 bits to `to`, with its scale and sum; the elements it has. */
int64_t nbits_quantize(const nbits *p, int64_t row, int64_t b, int8_t *to);

/* Whether the activations stay f32. */
bool nbits_exact(const kernel_args *a, const nbits *p);

/* Weight rows a piece, in whole groups: enough work to be worth a claim (`speed` products an
   operation), and no more than an eighth of a thread's share, so that the threads end together. */
int64_t nbits_grain(const nbits *p, int64_t group, int64_t speed, uint64_t threads);

/* The packed form of n rows of weights, *out NULL where there is none. */
brink_status nbits_pack(const kernel_args *a, int64_t n, packing *store, const void **out);

/* The same of any weights, kept by this key. */
brink_status nbits_pack_as(const kernel_args *a, const nbits *p, const packing_key *key,
                           packing *store, const void **out);

/* y = x · wᵀ in whatever form there is. */
brink_status nbits_run(const kernel_args *a, const nbits *p);

/* The same for up to NBITS_RUN weights from their packed forms; those of one x (of one k and block) share
   what is made of it. A single one may lack it: it is packed for this run. */
brink_status nbits_packed_run(const kernel_args *a, nbits *parts, uint32_t count);

#endif
