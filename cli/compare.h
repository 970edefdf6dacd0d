/* compare.h — two tensors within a tolerance.

   Types, shapes, integers and booleans are exact; floats pass where |a - b| <= atol + rtol * |b|,
   b being the expected value, where both are NaN, or where they are equal (so infinities too). */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include "files.h"

typedef struct tolerance {
    double rtol, atol;
} tolerance;

typedef struct comparison {
    bool passed;
    double max_abs; /* infinite where one value is NaN and the other is not, or shapes differ */
    double max_rel; /* where the expected value is not 0 */
    double worst;   /* largest difference over what is allowed, to find the worst of several */
    char reason[ERROR_TEXT]; /* "" if passed */
} comparison;

comparison cli_compare_tensors(const brink_tensor *got, const brink_tensor *expected, tolerance t);

#endif
