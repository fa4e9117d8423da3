#ifndef HASHMILL_SHA512_CONSTANTS_H
#define HASHMILL_SHA512_CONSTANTS_H

#include <stdint.h>

/*
 * SHA-512 of a digest is one block: FIPS 180-4 section 5.1.2 pads the 64 bytes to W[0..7] = the
 * digest, W[8] = 0x80 and zeros, W[9..14] = 0, W[15] = 512, the length in bits. With W[8..15] and
 * the initial state known beforehand, these parts of section 6.4.2 are constant:
 *
 * - T1 of round 0 but for W[0], and all of its T2: the round is two additions (15 operations less).
 * - h of rounds 1, 2 and 3 is H[6], H[5], H[4], and d is H[2], H[1], H[0]: one addition instead of
 *   two, or three.
 * - K[t] + W[t] for t = 8..15 (8 operations less).
 * - W[t] for t = 16..31 has terms that are 0 or constant: 59 operations less, see sha512_vector.h.
 * - H[0], added to the last a, can be in K[79] already. The last e then has it too, so that
 *   H[4] - H[0] is added there: 7 final additions instead of 8.
 *
 * Of 2072 operations in a plain implementation with three-operand logic 1986 remain.
 */
struct sha512_constants {
    uint64_t initial[8];     /* H[0..7], section 5.3.5 */
    uint64_t first_a;        /* a after round 0, less W[0] */
    uint64_t first_e;        /* e after round 0, less W[0] */
    uint64_t head[4];        /* h + K[t] of rounds 1..3 */
    uint64_t head_with_d[4]; /* h + K[t] + d of the same */
    uint64_t word[16];       /* the constant part of W[t], t = 16..31 */
    uint64_t last[8];        /* what to add after round 79 */
    uint64_t round[80]; /* K[t], section 4.2.3; with W[t] for t = 8..15; with H[0] for t = 79 */
};

extern const struct sha512_constants sha512_constants;

/* Whether the constant part of W[t] is not 0. */
#define SHA512_WORD_HAS_CONSTANT(t)                                                                \
    ((t) == 17 || (t) == 22 || (t) == 23 || (t) == 24 || (t) == 30 || (t) == 31)

#endif
