#ifdef __x86_64__

#include <immintrin.h>

/*
 * Four chains with AVX2. A rotation takes three operations, except by whole bytes. Ch and Maj take
 * three each: compilers see that the x ^ y of Maj in one round is the y ^ z of the next. 3963
 * operations in all. Two groups would need more than the 16 registers that there are.
 */
#define TARGET __attribute__((target("avx2")))
#define VECTOR __m256i
#define LANES 4
#define GROUPS 1
#define SHORT_PATH 1

#define ADD(x, y) _mm256_add_epi64(x, y)
#define SUB(x, y) _mm256_sub_epi64(x, y)
#define SHR(x, n) _mm256_srli_epi64(x, n)
#define ROTR(x, n)                                                                                 \
    ((n) == 8 ? rotr8(x) : _mm256_or_si256(SHR(x, n), _mm256_slli_epi64(x, 64 - (n))))
#define XOR3(x, y, z) _mm256_xor_si256(_mm256_xor_si256(x, y), z)
#define CHOOSE(x, y, z) _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(y, z), x), z)
#define MAJORITY(x, y, z)                                                                          \
    _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z)), y)
#define BROADCAST(word) _mm256_set1_epi64x((long long)(word))
#define LOAD(p) (*(const VECTOR *)(p))
#define STORE(p, v) (*(VECTOR *)(p) = (v))
#define PIN(x) __asm__ volatile("" : "+x"(x))

TARGET static inline __attribute__((always_inline)) VECTOR rotr8(VECTOR x) {
    VECTOR order = _mm256_setr_epi64x(0x0007060504030201, 0x080f0e0d0c0b0a09, 0x0007060504030201,
                                      0x080f0e0d0c0b0a09);
    return _mm256_shuffle_epi8(x, order);
}

#include "sha512_vector.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx2");
}

const struct kernel kernel_avx2_x4 = {"avx2-x4", 4, run, usable, &kernel_lone_avx2};

#endif
