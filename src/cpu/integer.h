/* integer.h — exact integer products, behind the ...Integer and the QLinear... operators.

   Both take 8-bit operands of either sign with zero points (NULL: 0), which must have the operand's
   type, and give sums in 32 bits. They are written to `y`, or when it is NULL to the kernel's
   scratch, which *made then points to. */
#ifndef CPU_INTEGER_H
#define CPU_INTEGER_H

#include "graph/kernel.h"

typedef struct integer_operands {
    const tensor *x, *x_zero; /* one zero point, or for products of matrices one a row */
    const tensor *w, *w_zero; /* one, one a filter, or one a column                    */
    bool x_turned, w_turned;  /* of products: matrices given transposed                */
} integer_operands;

/* A convolution of the shape of output 0, with the node's Conv attributes. */
brink_status conv_integer(const kernel_args *a, const integer_operands *o, int32_t *y,
                          int32_t **made);

/* A product as numpy.matmul has it. */
brink_status matmul_integer(const kernel_args *a, const integer_operands *o, int32_t *y,
                            int32_t **made);

#endif
