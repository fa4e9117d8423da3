#ifdef __x86_64__

#include <immintrin.h>

/* One chain where AVX-512 rotates and has three-operand logic for the schedule. */
#define TARGET __attribute__((target("avx512f,avx512vl,bmi,bmi2")))
#define ROTR2(x, n) _mm_ror_epi64(x, n)
#define XOR3(x, y, z) _mm_ternarylogic_epi64(x, y, z, 0x96)
#define LOOP 0

#include "sha512_lone.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

const struct kernel kernel_lone_avx512 = {"lone-avx512", 1, run, usable, &kernel_openssl};

#endif
