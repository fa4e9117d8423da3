/*
 * The operations of sha512_lanes.h in AVX-512. A file that includes this defines LANES before: 8
 * for registers of 512 bits, 4 for 256. Call run only if usable().
 */

#include "vector/avx512.h"

#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw")))

#if LANES == 8
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define SWAP(x)                                                                                    \
    _mm512_shuffle_epi8(x, _mm512_set4_epi64(0x08090a0b0c0d0e0f, 0x0001020304050607,               \
                                             0x08090a0b0c0d0e0f, 0x0001020304050607))
#else
#define LOAD(p) _mm256_loadu_si256((const VECTOR *)(p))
#define STORE(p, v) _mm256_storeu_si256((VECTOR *)(p), v)
#define SWAP(x)                                                                                    \
    _mm256_shuffle_epi8(x, _mm256_set_epi64x(0x08090a0b0c0d0e0f, 0x0001020304050607,               \
                                             0x08090a0b0c0d0e0f, 0x0001020304050607))
#endif

#include "sha512_lanes.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw");
}
