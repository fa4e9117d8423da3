/*
 * The operations of sha512_vector.h in AVX-512, whose rotations and three-operand logic make a
 * round 17 operations (AVX2: 36). A file that includes this defines LANES before: 8 for registers
 * of 512 bits, 4 for 256. TARGET is on every function rather than in the Makefile, so that nothing
 * else is built for this processor by accident. Call run only if usable().
 */

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512vl")))

#if LANES == 8
#define VECTOR __m512i
#define INSTRUCTION(name) _mm512_##name
#define BROADCAST(word) _mm512_set1_epi64((long long)(word))
#else
#define VECTOR __m256i
#define INSTRUCTION(name) _mm256_##name
#define BROADCAST(word) _mm256_set1_epi64x((long long)(word))
#endif

#define ADD(x, y) INSTRUCTION(add_epi64)(x, y)
#define SUB(x, y) INSTRUCTION(sub_epi64)(x, y)
#define ROTR(x, n) INSTRUCTION(ror_epi64)(x, n)
#define SHR(x, n) INSTRUCTION(srli_epi64)(x, n)
/* The numbers are the columns of the three functions' truth tables. */
#define XOR3(x, y, z) INSTRUCTION(ternarylogic_epi64)(x, y, z, 0x96)
#define CHOOSE(x, y, z) INSTRUCTION(ternarylogic_epi64)(x, y, z, 0xca)
#define MAJORITY(x, y, z) INSTRUCTION(ternarylogic_epi64)(x, y, z, 0xe8)
#define LOAD(p) (*(const VECTOR *)(p))
#define STORE(p, v) (*(VECTOR *)(p) = (v))
#define PIN(x) __asm__ volatile("" : "+v"(x))

#include "sha512_vector.h"

static bool usable(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}
