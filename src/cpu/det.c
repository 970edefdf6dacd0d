/* det.c — Det: determinants of a stack of square matrices.

   Source: ONNX Det. LU decomposition in f64 with partial pivoting, n^3 / 3 products each (Golub and
   Van Loan, Matrix Computations, 3.4). */
#include "cpu/cpu.h"
#include "cpu/loops.h"

#include <math.h>

/* m[n, n] is overwritten. */
static double determinant(double *m, int64_t n)
{
    double det = 1;
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(m[r * n + c]) > fabs(m[pivot * n + c]))
                pivot = r;
        for (int64_t k = c; pivot != c && k < n; k++) {
            double swap = m[c * n + k];
            m[c * n + k] = m[pivot * n + k];
            m[pivot * n + k] = swap;
        }
        det *= pivot != c ? -m[c * n + c] : m[c * n + c];
        if (m[c * n + c] == 0)
            return 0;
        for (int64_t r = c + 1; r < n; r++) {
            double factor = m[r * n + c] / m[c * n + c];
            for (int64_t k = c + 1; k < n; k++)
                m[r * n + k] -= factor * m[c * n + k];
        }
    }
    return det;
}

brink_status cpu_det(const kernel_args *a)
{
    const tensor *x = a->in[0];
    tensor *out = a->out[0];
    int64_t n = x->dims[x->rank - 1], count = tensor_count(out);
    if (x->type != BRINK_F32 && x->type != BRINK_F64)
        return kernel_bad_type(a, x->type);
    if (x->dims[x->rank - 2] != n)
        return kernel_fail(a, BRINK_BAD_INPUT, "the matrices are not square");
    double *m = kernel_scratch(a, (uint64_t)(n * n + 1) * sizeof *m);
    if (m == NULL)
        return BRINK_OUT_OF_MEMORY;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < n * n; k++)
            m[k] = tensor_number(x, i * n * n + k);
        double det = determinant(m, n);
        if (out->type == BRINK_F32)
            ((float *)out->data)[i] = (float)det;
        else
            ((double *)out->data)[i] = det;
    }
    return BRINK_OK;
}
