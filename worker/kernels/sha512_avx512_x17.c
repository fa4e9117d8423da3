#ifdef __x86_64__

/* Sixteen chains in vectors and one by the scalar units. For processors that take eight
 * instructions in a cycle and do four operations of 512 bits (Zen 5): a second scalar chain would
 * take turns from the vectors. */
#define VECTORS 16
#define SINGLES 1
#define ITERATE sha512_avx512_x17

#include "sha512_hybrid.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

const struct kernel kernel_avx512_x17 = {"avx512-x17", VECTORS + SINGLES, run, usable,
                                         &kernel_avx512_x16};

#endif
