/* simd_neon_dotprod.c — simd_neon.c once more, with dot products of bytes (ARMv8.2 and later). */
#define NEON_DOTPROD
#include "cpu/simd_neon.c"
