/*
 * The operations of sha512_vector.h in AVX-512. A file that includes this defines LANES before: 8
 * for registers of 512 bits, 4 for 256. Call run only if usable().
 */

#include "vector/avx512.h"

#define TARGET __attribute__((target("avx512f,avx512vl")))
#define LOAD(p) (*(const VECTOR *)(p))
#define STORE(p, v) (*(VECTOR *)(p) = (v))

#include "sha512_vector.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}
