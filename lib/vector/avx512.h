#ifndef HASHMILL_AVX512_H
#define HASHMILL_AVX512_H

/*
 * What SHA-512 does with vectors of words, in AVX-512, whose rotations and three-operand logic make
 * a round 17 operations (AVX2: 36). A file that includes this defines LANES before: 8 for registers
 * of 512 bits, 4 for 256. The functions that use it have a target attribute each, rather than flags
 * in the Makefile, so that nothing else is built for this processor by accident.
 */

#include <immintrin.h>

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
#define PIN(x) __asm__ volatile("" : "+v"(x))

#endif
