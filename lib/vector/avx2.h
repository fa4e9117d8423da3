#ifndef HASHMILL_AVX2_H
#define HASHMILL_AVX2_H

/*
 * What SHA-512 does with vectors of four words, in AVX2. A rotation takes three operations, except
 * by whole bytes. Ch and Maj take three each: compilers see that the x ^ y of Maj in one round is
 * the y ^ z of the next.
 */

#include <immintrin.h>

#define VECTOR __m256i
#define LANES 4

#define ADD(x, y) _mm256_add_epi64(x, y)
#define SUB(x, y) _mm256_sub_epi64(x, y)
#define SHR(x, n) _mm256_srli_epi64(x, n)
#define ROTR(x, n)                                                                                 \
    ((n) == 8 ? SHUFFLE(x, 0x080f0e0d0c0b0a09, 0x0007060504030201)                                 \
              : _mm256_or_si256(SHR(x, n), _mm256_slli_epi64(x, 64 - (n))))
#define XOR3(x, y, z) _mm256_xor_si256(_mm256_xor_si256(x, y), z)
#define CHOOSE(x, y, z) _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(y, z), x), z)
#define MAJORITY(x, y, z)                                                                          \
    _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z)), y)
#define BROADCAST(word) _mm256_set1_epi64x((long long)(word))
#define PIN(x) __asm__ volatile("" : "+x"(x))

/* Moves the bytes within each two words; high and low say where each byte comes from. */
#define SHUFFLE(x, high, low) _mm256_shuffle_epi8(x, _mm256_set_epi64x(high, low, high, low))

#endif
