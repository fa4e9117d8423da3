#ifdef __x86_64__

#include <immintrin.h>

/* One chain where there is AVX2 only: a rotation is two shifts, to be combined. Such processors
 * mostly run two threads on a core, hence the loop. */
#define TARGET __attribute__((target("avx2,bmi,bmi2")))
#define ROTR2(x, n) _mm_or_si128(_mm_srli_epi64(x, n), _mm_slli_epi64(x, 64 - (n)))
#define XOR3(x, y, z) _mm_xor_si128(_mm_xor_si128(x, y), z)
#define LOOP 1

#include "sha512_lone.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

const struct kernel kernel_lone_avx2 = {"lone-avx2", 1, run, usable, &kernel_openssl};

#endif
