/* lora.h — an adapter's two matrices as kernels read them; see graph/lora.h. */
#ifndef CPU_LORA_H
#define CPU_LORA_H

#include "cpu/nbits.h"

/* Both in 8 bits, packed as MatMulNBits's weights. */
typedef struct packed_lora {
    const nbits_weights *down, *up;
} packed_lora;

/* *out stays NULL where weights do not stay packed. `block`: of x. */
brink_status lora_pack(const kernel_args *a, const tensor *down, const tensor *up, int64_t block,
                       packing *store, const packed_lora **out);

/* low = x · downᵀ and to += low · up as calls of nbits_packed_run: x and `to` have m rows. */
void lora_parts(const packed_lora *w, const tensor *down, const tensor *up, int64_t block,
                int64_t m, const float *x, float *low, float *to, nbits *first, nbits *second);

/* to += low · up after low = x · downᵀ, from the matrices as they are. */
brink_status lora_halves(const kernel_args *a, const tensor *down, const tensor *up, int64_t m,
                         const float *x, float *low, float *to);

#endif
