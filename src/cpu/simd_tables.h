/* simd_tables.h — the tables that simd.c chooses from. */
#ifndef CPU_SIMD_TABLES_H
#define CPU_SIMD_TABLES_H

#include "cpu/simd.h"

#include <stddef.h>

extern const simd_table simd_scalar;
#if defined(__x86_64__)
extern const simd_table simd_avx2, simd_avx512;
#elif defined(__aarch64__)
extern const simd_table simd_neon, simd_neon_dotprod;
#elif defined(__wasm_simd128__)
extern const simd_table simd_wasm;
#endif

#endif
