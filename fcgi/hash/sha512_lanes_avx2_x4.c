#ifdef __x86_64__

#include <immintrin.h>

/* A rotation takes three operations, except by whole bytes. Ch and Maj take three each: compilers
 * see that the x ^ y of Maj in one round is the y ^ z of the next. */
#define TARGET __attribute__((target("avx2")))
#define VECTOR __m256i
#define LANES 4

#define ADD(x, y) _mm256_add_epi64(x, y)
#define SUB(x, y) _mm256_sub_epi64(x, y)
#define SHR(x, n) _mm256_srli_epi64(x, n)
#define ROTR(x, n)                                                                                 \
    ((n) == 8 ? _mm256_shuffle_epi8(x, order(0x080f0e0d0c0b0a09, 0x0007060504030201))              \
              : _mm256_or_si256(SHR(x, n), _mm256_slli_epi64(x, 64 - (n))))
#define XOR3(x, y, z) _mm256_xor_si256(_mm256_xor_si256(x, y), z)
#define CHOOSE(x, y, z) _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(y, z), x), z)
#define MAJORITY(x, y, z)                                                                          \
    _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z)), y)
#define BROADCAST(word) _mm256_set1_epi64x((long long)(word))
#define LOAD(p) _mm256_loadu_si256((const VECTOR *)(p))
#define STORE(p, v) _mm256_storeu_si256((VECTOR *)(p), v)
#define SWAP(x) _mm256_shuffle_epi8(x, order(0x08090a0b0c0d0e0f, 0x0001020304050607))
#define PIN(x) __asm__ volatile("" : "+x"(x))

/* Where each byte of two words comes from. */
TARGET static inline __attribute__((always_inline)) VECTOR order(long long high, long long low) {
    return _mm256_set_epi64x(high, low, high, low);
}

#include "sha512_lanes.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx2");
}

const struct lane_kernel lane_kernel_avx2_x4 = {"avx2-x4", 4, run, usable};

#endif
