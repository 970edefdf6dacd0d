/* matmul_integer.h — products of 8-bit integers summed in 32 bits, and their way back to f32. */
#ifndef CPU_MATMUL_INTEGER_H
#define CPU_MATMUL_INTEGER_H

#include "cpu/integer.h"

typedef struct integer_product {
    const uint8_t *a, *b;
    bool a_signed, b_signed;
    bool a_turned, b_turned;       /* [k, m] and [n, k]: matrices only */
    const tensor *a_zero, *b_zero; /* NULL: 0 */
    int64_t m, n, k;
    uint32_t batch_rank;
    int64_t batches, batch[BRINK_MAX_RANK], a_batch[BRINK_MAX_RANK], b_batch[BRINK_MAX_RANK];
    int32_t *y;                  /* [batches, m, n] */
    int64_t rows, panels, pairs; /* rows of A in all batches; pairs: of steps of k */
    int16_t *wide;               /* [rows, 2 * pairs], less zero points            */
    char *memory;                /* each thread's panel                            */
    uint64_t each;
} integer_product;

/* Checks x[…, m, k] and w[…, k, n] as numpy.matmul broadcasts them, and zero points, one or one a
   row of x and one a column of w. The data of x may be set later, in `a`. */
brink_status integer_prepare(const kernel_args *a, const integer_operands *o, integer_product *out);

/* Bytes that integer_compute needs; p->y must be set by then. */
uint64_t integer_scratch(const kernel_args *a, integer_product *p);
void integer_compute(const kernel_args *a, integer_product *p, void *memory);

/* y as f32 in its own place: times x_scale and w_scale (one, or one a column) plus bias (NULL: none). */
brink_status integer_scale_check(const kernel_args *a, const integer_product *p,
                                 const tensor *x_scale, const tensor *w_scale, const tensor *bias);
void integer_to_float(const kernel_args *a, const integer_product *p, float x_scale,
                      const tensor *w_scale, const tensor *bias);

/* Scale and zero point of DynamicQuantizeLinear, and its rounding. */
void dynamic_range_of(const float *x, int64_t count, float *scale, uint8_t *zero);
void dynamic_quantize_to(const kernel_args *a, const float *x, int64_t count, float scale,
                         uint8_t zero, uint8_t *to);

#endif
