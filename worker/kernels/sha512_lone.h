/*
 * The body of the kernels for one chain: the rounds in general registers, the message schedule two
 * words at a time in vector registers, whose units are idle otherwise. A file that includes this
 * defines before:
 *
 *     TARGET         the attribute that lets the compiler use the instructions; BMI2, whose rorx
 *                    keeps its source, and BMI1's andn are used besides
 *     ROTR2(x, n)    of two words in an __m128i; the count is a literal
 *     XOR3(x, y, z)
 *     LOOP           1: rounds 16..63 are a loop of 16 rounds; 0: all are straight
 *
 * and gets `static void run(chains, iterations)` for one chain.
 *
 * A round takes 22 operations of the integer units: Sigma0 and Sigma1 five each, Ch two (its halves
 * have no bit in common and are added one by one), Maj three, additions seven. With the schedule
 * and K[t] + W[t] in vector registers nothing else is left to them: 1755 operations in all, 439
 * cycles on the four units of a Zen 4. The longest dependency is 5 cycles a round, 400 in all; a
 * form with 4 (see SHORT_PATH in sha512_vector.h) costs one operation more a round and is no
 * faster. Straight code, 10 KB, fits the cache of decoded operations, and a loop takes two
 * registers more. But it does not fit where another thread of the core takes its half of that
 * cache. Times on a Zen 3, as multiples of SHA512_Transform, with gcc and clang: with a busy
 * neighbour 1.14 and 1.08 straight, 1.08 and 1.00 as a loop; with a quiet one 0.97 and 0.97, 0.98
 * and 0.96.
 *
 * A(t), E(t): see sha512_vector.h. The loops at the ends of an iteration must be unrolled, as
 * there, which gcc 12 does not do by itself: 523 cycles instead of 539.
 */

#include <immintrin.h>
#include <stdint.h>

#include "kernel.h"
#include "sha512_constants.h"

#define INLINE TARGET static inline __attribute__((always_inline))

struct lone {
    uint64_t a[4], e[4]; /* A(t), E(t) at t mod 4 */
    uint64_t bc;         /* b ^ c of the next round */
    __m128i w[8];        /* W[t], W[t + 1] at t / 2 mod 8 */
};

#define A(t) s->a[(t)&3]
#define E(t) s->e[(t)&3]
#define PAIR(t) s->w[((t) >> 1) & 7]

/*
 * Round t; h comes with K[t] + W[t] added, or what is known of the sum. bc is b ^ c, which is the
 * a ^ b of the round before: Maj(a, b, c) = ((a ^ b) & (b ^ c)) ^ b. After it d holds the next e, h
 * the next a, and ab the next bc; x and y are free.
 *
 * This is written in assembly because the order counts and compilers do not keep it: each queue of
 * the processor takes what it is given in turn, and only some units rotate. Of many right orders
 * this was the best on a Zen 4 (523 cycles an iteration with gcc, 510 with clang, where their own
 * orders took 540 to 600 and more, and SHA512_Transform 570).
 */
INLINE void round_of(struct lone *s, int t, uint64_t h) {
    uint64_t a = A(t), b = A(t - 1), d = A(t - 3), e = E(t), f = E(t - 1), g = E(t - 2);
    uint64_t bc = s->bc, ab, x, y;
    __asm__("rorx $18, %[e], %[y]\n\t"
            "rorx $41, %[e], %[x]\n\t"
            "xor %[y], %[x]\n\t"
            "andn %[g], %[e], %[ab]\n\t"
            "rorx $14, %[e], %[y]\n\t"
            "add %[ab], %[h]\n\t"
            "mov %[f], %[ab]\n\t"
            "xor %[y], %[x]\n\t"
            "and %[e], %[ab]\n\t"
            "rorx $34, %[a], %[y]\n\t"
            "add %[ab], %[h]\n\t"
            "add %[x], %[h]\n\t"
            "mov %[a], %[ab]\n\t"
            "xor %[b], %[ab]\n\t"
            "rorx $39, %[a], %[x]\n\t"
            "and %[ab], %[bc]\n\t"
            "add %[h], %[d]\n\t"
            "xor %[y], %[x]\n\t"
            "xor %[b], %[bc]\n\t"
            "rorx $28, %[a], %[y]\n\t"
            "add %[bc], %[h]\n\t"
            "xor %[y], %[x]\n\t"
            "add %[x], %[h]\n\t"
            : [h] "+r"(h), [d] "+r"(d), [bc] "+r"(bc), [ab] "=&r"(ab), [x] "=&r"(x), [y] "=&r"(y)
            : [a] "r"(a), [b] "r"(b), [e] "r"(e), [f] "r"(f), [g] "r"(g)
            : "cc");
    E(t + 1) = d;
    A(t + 1) = h;
    s->bc = ab;
}

/* Computes W[t] and W[t+1] for an even t >= 16, and stores them with K[t], K[t+1] added where
 * rounds t, t + 1 will read them. round = &K[t]. */
INLINE void next_pair(struct lone *s, __m128i *sums, const uint64_t *round, int t) {
    __m128i late = PAIR(t - 2), early = _mm_alignr_epi8(PAIR(t - 14), PAIR(t - 16), 8);
    __m128i sigma0 = XOR3(ROTR2(early, 1), ROTR2(early, 8), _mm_srli_epi64(early, 7));
    __m128i sigma1 = XOR3(ROTR2(late, 19), ROTR2(late, 61), _mm_srli_epi64(late, 6));
    __m128i sum = _mm_add_epi64(PAIR(t - 16), _mm_alignr_epi8(PAIR(t - 6), PAIR(t - 8), 8));
    sum = _mm_add_epi64(_mm_add_epi64(sum, sigma0), sigma1);
    PAIR(t) = sum;
    sums[(t >> 1) & 7] = _mm_add_epi64(sum, _mm_loadu_si128((const __m128i *)round));
    /* Through memory: moving words from vector to general registers is slow. */
    __asm__("" : "+m"(sums[(t >> 1) & 7]));
}

/* Rounds t and t + 1, for t >= 16, and the words of rounds t + 16, t + 17 if there are such. */
INLINE void two_rounds(struct lone *s, __m128i *sums, const uint64_t *round, int t, bool more) {
    const uint64_t *sum = (const uint64_t *)&sums[(t >> 1) & 7];
    round_of(s, t, E(t - 3) + sum[0]);
    round_of(s, t + 1, E(t - 2) + sum[1]);
    if (more)
        next_pair(s, sums, round + 16, t + 16);
}

INLINE void sixteen_rounds(struct lone *s, __m128i *sums, const uint64_t *round, bool more) {
    two_rounds(s, sums, round, 16, more);
    two_rounds(s, sums, round + 2, 18, more);
    two_rounds(s, sums, round + 4, 20, more);
    two_rounds(s, sums, round + 6, 22, more);
    two_rounds(s, sums, round + 8, 24, more);
    two_rounds(s, sums, round + 10, 26, more);
    two_rounds(s, sums, round + 12, 28, more);
    two_rounds(s, sums, round + 14, 30, more);
}

/* The words of the block, and round 0. */
INLINE void begin(struct lone *s, const struct sha512_constants *constants,
                  const uint64_t w[CHAIN_WORDS]) {
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        A(-i) = constants->initial[i];
        E(-i) = constants->initial[4 + i];
    }
    s->bc = A(0) ^ A(-1);
    A(1) = w[0] + constants->first_a;
    E(1) = w[0] + constants->first_e;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        s->w[i] = _mm_set_epi64x((long long)w[2 * i + 1], (long long)w[2 * i]);
    s->w[4] = _mm_set_epi64x(0, (long long)0x8000000000000000);
    s->w[5] = _mm_setzero_si128();
    s->w[6] = _mm_setzero_si128();
    s->w[7] = _mm_set_epi64x(512, 0);
}

/* Rounds 1..15, and the words of rounds 16..31. */
INLINE void first_rounds(struct lone *s, __m128i *sums, const struct sha512_constants *constants,
                         const uint64_t w[CHAIN_WORDS]) {
    const uint64_t *round = constants->round;
    next_pair(s, sums, round + 16, 16);
    round_of(s, 1, w[1] + constants->head[1]);
    next_pair(s, sums, round + 18, 18);
    round_of(s, 2, w[2] + constants->head[2]);
    round_of(s, 3, w[3] + constants->head[3]);
    next_pair(s, sums, round + 20, 20);
    round_of(s, 4, E(1) + round[4] + w[4]);
    round_of(s, 5, E(2) + round[5] + w[5]);
    next_pair(s, sums, round + 22, 22);
    round_of(s, 6, E(3) + round[6] + w[6]);
    round_of(s, 7, E(4) + round[7] + w[7]);
    next_pair(s, sums, round + 24, 24);
    round_of(s, 8, E(5) + round[8]);
    round_of(s, 9, E(6) + round[9]);
    next_pair(s, sums, round + 26, 26);
    round_of(s, 10, E(7) + round[10]);
    round_of(s, 11, E(8) + round[11]);
    next_pair(s, sums, round + 28, 28);
    round_of(s, 12, E(9) + round[12]);
    round_of(s, 13, E(10) + round[13]);
    next_pair(s, sums, round + 30, 30);
    round_of(s, 14, E(11) + round[14]);
    round_of(s, 15, E(12) + round[15]);
}

TARGET static void run(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    struct lone state, *s = &state;
    __m128i sums[8];
    uint64_t w[CHAIN_WORDS];
    for (int i = 0; i < CHAIN_WORDS; i++)
        w[i] = chains[0][i];
    for (int64_t done = 0; done < iterations; done++) {
        const struct sha512_constants *constants = &sha512_constants;
        __asm__ volatile("" : "+r"(constants));
        begin(s, constants, w);
        first_rounds(s, sums, constants, w);
        const uint64_t *round = constants->round;
        if (LOOP) {
#pragma GCC unroll 1
            for (int i = 0; i < 3; i++)
                sixteen_rounds(s, sums, round += 16, true);
        } else {
            sixteen_rounds(s, sums, round += 16, true);
            sixteen_rounds(s, sums, round += 16, true);
            sixteen_rounds(s, sums, round += 16, true);
        }
        sixteen_rounds(s, sums, round + 16, false);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            w[i] = A(80 - i) + constants->last[i];
            w[4 + i] = E(80 - i) + constants->last[4 + i];
        }
    }
    for (int i = 0; i < CHAIN_WORDS; i++)
        chains[0][i] = w[i];
}

#undef A
#undef E
#undef PAIR
#undef INLINE
