#ifdef __x86_64__

/* Four chains in vectors of AVX2 and one by the scalar units, which are idle meanwhile. */
#define VECTORS 4
#define SINGLES 1
#define ITERATE sha512_avx2_x5

#include "sha512_hybrid.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

const struct kernel kernel_avx2_x5 = {"avx2-x5", VECTORS + SINGLES, run, usable, &kernel_avx2_x4};

#endif
