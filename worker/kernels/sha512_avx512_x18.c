#ifdef __x86_64__

/* Sixteen chains in vectors and two by the scalar units. For processors that take two cycles for an
 * operation of 512 bits (Zen 4). */
#define VECTORS 16
#define SINGLES 2
#define ITERATE sha512_avx512_x18

#include "sha512_hybrid.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

const struct kernel kernel_avx512_x18 = {"avx512-x18", VECTORS + SINGLES, run, usable,
                                         &kernel_avx512_x16};

#endif
