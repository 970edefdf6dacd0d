/* npy.h — numpy's array files (NEP 1), versions 1 to 3.

   Read: booleans, integers, f16, f32 and f64 of either byte order, C or Fortran order. Written: C
   order, little-endian; bfloat16 as float32 and 4-bit integers as 8-bit, which numpy lacks. */
#ifndef CLI_NPY_H
#define CLI_NPY_H

#include "tensors.h"

bool cli_npy_parse(const char *path, const char *data, uint64_t size, held_tensor *out, int *status,
                   char error[ERROR_TEXT]);

bool cli_npy_write(const char *path, const brink_tensor *tensor, char error[ERROR_TEXT]);

#endif
