#ifdef __aarch64__

/*
 * One to four chains by the SHA-512 instructions of ARMv8.2. Two of them (sha512h, sha512h2) do two
 * rounds of one chain, two (sha512su0, sha512su1) compute two of its words.
 *
 * Two rounds wait for the two before them: sha512h, an addition and a vector made of halves of two
 * others come one after the other, two cycles each on a Neoverse V1 (as published), 240 an
 * iteration. So the rounds of several chains go side by side. One unit has all these instructions
 * and does one in a cycle. They are 140 an iteration, 80 for the rounds and 60 for the words:
 * sigma0 of W[9..14] is 0, and sigma1 of W[14] and W[15] is constant, which saves four.
 *
 * A vector holds two words: W[t] and W[t + 1], or a and b; the first of them is lane 0. A chain is
 * twelve vectors, so that two chains fit the 32 registers.
 */

#include <stdint.h>
#include <sys/auxv.h>

#ifndef __clang__
#define TARGET __attribute__((target("arch=armv8.2-a+sha3")))
#else
#define TARGET __attribute__((target("sha3")))
#ifndef __ARM_FEATURE_SHA512 /* else clang before 16 does not show the instructions */
#define __ARM_FEATURE_SHA512 1
#endif
#endif
#include <arm_neon.h>

#include "kernel.h"
#include "sha512_constants.h"

#define INLINE TARGET static inline __attribute__((always_inline))

enum { COUNT_MAX = 4 };

struct chain {
    uint64x2_t ab, cd, ef, gh; /* the state before a step of two rounds */
    uint64x2_t w[8];           /* W[t], W[t + 1] at t / 2 mod 8 */
};

#define PAIR(t) w[((t) >> 1) & 7]

/* Does something with each of count chains, c. */
#define EACH_CHAIN(statement)                                                                      \
    do {                                                                                           \
        ONE_CHAIN(0, statement);                                                                   \
        ONE_CHAIN(1, statement);                                                                   \
        ONE_CHAIN(2, statement);                                                                   \
        ONE_CHAIN(3, statement);                                                                   \
    } while (0)
#define ONE_CHAIN(number, statement)                                                               \
    if (count > (number)) {                                                                        \
        struct chain *c = &chains[number];                                                         \
        statement;                                                                                 \
    }

/* The upper word of x and the lower one of y. */
INLINE uint64x2_t middle(uint64x2_t x, uint64x2_t y) {
    return vextq_u64(x, y, 1);
}

/* Rounds t and t + 1; sum = K[t] + W[t], K[t + 1] + W[t + 1]. Of t1 round t is the upper word. */
INLINE void two_rounds(struct chain *c, uint64x2_t sum) {
    uint64x2_t t1 = vaddq_u64(c->gh, middle(sum, sum));
    t1 = vsha512hq_u64(t1, middle(c->ef, c->gh), middle(c->cd, c->ef));
    c->gh = c->ef;
    c->ef = vaddq_u64(c->cd, t1);
    t1 = vsha512h2q_u64(t1, c->cd, c->ab);
    c->cd = c->ab;
    c->ab = t1;
}

/* W[t] = sigma1(W[t-2]) + W[t-7] + sigma0(W[t-15]) + W[t-16], and W[t + 1], for an even t >= 16.
 * W[9..14] are 0, and so is sigma0 of them. */
INLINE void next_pair(struct chain *c, const struct sha512_constants *constants, int t) {
    uint64x2_t sum = c->PAIR(t - 16);
    if (t < 24 || t > 28)
        sum = vsha512su0q_u64(sum, c->PAIR(t - 14));
    if (t == 16)
        sum = vaddq_u64(sum, vld1q_u64(constants->word)); /* sigma1(W[15]) */
    else
        sum = vsha512su1q_u64(sum, c->PAIR(t - 2), middle(c->PAIR(t - 8), c->PAIR(t - 6)));
    c->PAIR(t) = sum;
}

/* Rounds t and t + 1 of all chains, and the words of rounds t + 16, t + 17 if there are such.
 * round = &K[t]; W[8..15] are in there. */
INLINE void step(struct chain *chains, int count, const struct sha512_constants *constants,
                 const uint64_t *round, int t) {
    uint64x2_t k = vld1q_u64(round);
    EACH_CHAIN(two_rounds(c, t >= 8 && t < 16 ? k : vaddq_u64(k, c->PAIR(t))));
    if (t < 64)
        EACH_CHAIN(next_pair(c, constants, t + 16));
}

/* Rounds t .. t + 15. */
INLINE void sixteen_rounds(struct chain *chains, int count,
                           const struct sha512_constants *constants, const uint64_t *round, int t) {
    step(chains, count, constants, round, t);
    step(chains, count, constants, round + 2, t + 2);
    step(chains, count, constants, round + 4, t + 4);
    step(chains, count, constants, round + 6, t + 6);
    step(chains, count, constants, round + 8, t + 8);
    step(chains, count, constants, round + 10, t + 10);
    step(chains, count, constants, round + 12, t + 12);
    step(chains, count, constants, round + 14, t + 14);
}

INLINE void begin(struct chain *c, const uint64_t *initial) {
    c->ab = vld1q_u64(initial);
    c->cd = vld1q_u64(initial + 2);
    c->ef = vld1q_u64(initial + 4);
    c->gh = vld1q_u64(initial + 6);
    c->PAIR(8) = (uint64x2_t){UINT64_C(1) << 63, 0};
    c->PAIR(10) = c->PAIR(12) = (uint64x2_t){0, 0};
    c->PAIR(14) = (uint64x2_t){0, 512};
}

/* The digest: the block's words of the next iteration. */
INLINE void end(struct chain *c, const uint64_t *last) {
    c->PAIR(0) = vaddq_u64(c->ab, vld1q_u64(last));
    c->PAIR(2) = vaddq_u64(c->cd, vld1q_u64(last + 2));
    c->PAIR(4) = vaddq_u64(c->ef, vld1q_u64(last + 4));
    c->PAIR(6) = vaddq_u64(c->gh, vld1q_u64(last + 6));
}

INLINE void load(struct chain *c, const uint64_t row[CHAIN_WORDS]) {
    c->PAIR(0) = vld1q_u64(row);
    c->PAIR(2) = vld1q_u64(row + 2);
    c->PAIR(4) = vld1q_u64(row + 4);
    c->PAIR(6) = vld1q_u64(row + 6);
}

INLINE void store(uint64_t row[CHAIN_WORDS], const struct chain *c) {
    vst1q_u64(row, c->PAIR(0));
    vst1q_u64(row + 2, c->PAIR(2));
    vst1q_u64(row + 4, c->PAIR(4));
    vst1q_u64(row + 6, c->PAIR(6));
}

/* One iteration. */
INLINE void iterate(struct chain *chains, int count, const struct sha512_constants *constants) {
    const uint64_t *round = constants->round;
    EACH_CHAIN(begin(c, constants->initial));
    sixteen_rounds(chains, count, constants, round, 0);
#pragma GCC unroll 1
    for (int i = 0; i < 3; i++)
        sixteen_rounds(chains, count, constants, round += 16, 16);
    sixteen_rounds(chains, count, constants, round + 16, 64);
    EACH_CHAIN(end(c, constants->last));
}

/* The constants are read through a pointer that is made unknown in each iteration, or all of them
 * would be moved before the loop and spilled. */
INLINE void run(uint64_t (*rows)[CHAIN_WORDS], int64_t iterations, int count) {
    struct chain chains[COUNT_MAX];
    EACH_CHAIN(load(c, rows[c - chains]));
    for (int64_t done = 0; done < iterations; done++) {
        const struct sha512_constants *constants = &sha512_constants;
        __asm__ volatile("" : "+r"(constants));
        iterate(chains, count, constants);
    }
    EACH_CHAIN(store(rows[c - chains], c));
}

static bool usable(void) {
    return getauxval(AT_HWCAP) & HWCAP_SHA512;
}

/* The kernel for count chains. */
#define KERNEL(count, slower)                                                                      \
    TARGET static void run_x##count(uint64_t(*rows)[CHAIN_WORDS], int64_t iterations) {            \
        run(rows, iterations, count);                                                              \
    }                                                                                              \
    const struct kernel kernel_arm_x##count = {"arm-x" #count, count, run_x##count, usable, slower};

KERNEL(1, &kernel_openssl)
KERNEL(2, &kernel_arm_x1)
KERNEL(3, NULL)
KERNEL(4, NULL)

#endif
