/* simd.c — which table of inner loops this processor runs. */
#include "cpu/simd_tables.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(const simd_table *) chosen;

const simd_table *simd_list(uint32_t index)
{
    const simd_table *tables[4] = {&simd_scalar};
    uint32_t count = 1;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c")) {
        tables[count++] = &simd_avx2;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vnni"))
            tables[count++] = &simd_avx512;
    }
#elif defined(__wasm_simd128__)
    tables[count++] = &simd_wasm;
#endif
    return index < count ? tables[index] : NULL;
}

void simd_force(const simd_table *table)
{
    atomic_store_explicit(&chosen, table, memory_order_release);
}

const simd_table *simd(void)
{
    const simd_table *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table != NULL)
        return table;
    const char *wanted = getenv("BRINK_SIMD"); /* a table's name: for tests and comparisons */
    for (uint32_t i = 0; simd_list(i) != NULL; i++) {
        table = simd_list(i);
        if (wanted != NULL && strcmp(wanted, table->name) == 0)
            break;
    }
    simd_force(table);
    return table;
}
