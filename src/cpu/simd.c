/* simd.c — which table of inner loops this processor runs. */
#include "cpu/simd_tables.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

static _Atomic(const simd_table *) chosen;

#if defined(__aarch64__)
/* Whether the processor has sdot. Systems that are not asked (Windows) get plain NEON. */
static bool has_dot_products(void)
{
#if defined(__linux__)
    return getauxval(AT_HWCAP) >> 20 & 1; /* HWCAP_ASIMDDP */
#elif defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) == 0 && has != 0;
#else
    return false;
#endif
}
#endif

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
#elif defined(__aarch64__)
    tables[count++] = &simd_neon;
    if (has_dot_products())
        tables[count++] = &simd_neon_dotprod;
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
