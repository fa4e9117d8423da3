/*
 * The body of the vector kernels: chains side by side, one in each 64-bit lane of a register. A
 * file that includes this defines before:
 *
 *     TARGET                  the attribute that lets the compiler use the instructions
 *     VECTOR, LANES           the register type and how many words it holds
 *     ADD SUB ROTR SHR        of such words; the counts are literals
 *     XOR3 CHOOSE MAJORITY    x ^ y ^ z, and Ch and Maj of FIPS 180-4 section 4.1.3
 *     BROADCAST LOAD STORE    of a uint64_t; from and to LANES of them, aligned
 *     PIN(x)                  an empty asm that makes x a value the compiler cannot see through
 *     GROUPS                  registers of chains in one run: 1 or 2
 *     SHORT_PATH              1 for the form with a shorter dependency chain, see e_path
 *
 * and gets `static void run(chains, iterations)` for GROUPS * LANES chains.
 *
 * What makes it fast, with what it is worth on a Zen 5 (two groups of AVX-512 unless said):
 *
 * - Code that fits the caches of decoded instructions: rounds 29..76 are a loop of 16 rounds, three
 *   times. Unrolled in full, 36 to 41 KB, it runs two times slower and more.
 * - PIN on partial sums. Compilers re-associate vector additions, and the operand that comes last
 *   then goes through more than one of them: 1142 cycles instead of 1053, one group 983 instead of
 *   660.
 * - The order of the program, which the processor takes for priority: the path to the next e, which
 *   is the longest, goes first; then what it does not wait for. 1180 instead of 1067.
 * - Constants read through a pointer that is made unknown in each iteration. Otherwise some 90
 *   broadcasts are moved before the loop and spilled, 64 bytes each.
 * - The words that are constant: see sha512_constants.h. 4 %.
 *
 * Naming: A(t) and E(t) are a and e before round t. FIPS 180-4's b, c, d are then A(t-1), A(t-2),
 * A(t-3), and f, g, h are E(t-1), E(t-2), E(t-3): nothing is ever moved from one to the next. Every
 * t is a constant once the functions are inlined, so that the arrays become registers.
 */

#include <stdalign.h>
#include <stdint.h>

#include "kernel.h"
#include "sha512_constants.h"

#define INLINE TARGET static inline __attribute__((always_inline))

/* The state of one register of chains. */
struct group {
    VECTOR a[4], e[4]; /* A(t), E(t) at t mod 4 */
    VECTOR sum;        /* h + K[t] + W[t] of the next round; with d in the short form */
    VECTOR t1[2]; /* T1 of round t at t mod 2, kept until a is computed; in the short form T1 + d */
    VECTOR d[2];  /* that d */
    VECTOR w[16]; /* W[t] at t mod 16 */
};

#define A(t) g->a[(t)&3]
#define E(t) g->e[(t)&3]
#define W(t) g->w[(t)&15]

/* T1 = h + Sigma1(e) + Ch(e, f, g) + K[t] + W[t], and the next e = d + T1. Sigma1 is what comes
 * last, so it is added last. The short form adds d early and gets T1 back by a subtraction, off the
 * longest path: rotation, XOR3 and one addition from e to e instead of two, for one operation more.
 * That pays where one group leaves units idle (660 cycles instead of 754), not for two (2 %). */
INLINE void e_path(struct group *g, int t) {
    VECTOR e = E(t);
    VECTOR sigma1 = XOR3(ROTR(e, 14), ROTR(e, 18), ROTR(e, 41));
    VECTOR sum = ADD(g->sum, CHOOSE(e, E(t - 1), E(t - 2)));
    PIN(sum);
    sum = ADD(sum, sigma1);
    PIN(sum);
    g->t1[t & 1] = sum;
    g->d[t & 1] = A(t - 3);
    E(t + 1) = SHORT_PATH ? sum : ADD(sum, A(t - 3));
}

/* The next a = T1 + Sigma0(a) + Maj(a, b, c), where T1 is round t's. */
INLINE void a_path(struct group *g, int t) {
    VECTOR a = A(t);
    VECTOR sigma0 = XOR3(ROTR(a, 28), ROTR(a, 34), ROTR(a, 39));
    VECTOR sum = SHORT_PATH ? SUB(g->t1[t & 1], g->d[t & 1]) : g->t1[t & 1];
    PIN(sum);
    sum = ADD(sum, MAJORITY(a, A(t - 1), A(t - 2)));
    PIN(sum);
    A(t + 1) = ADD(sum, sigma0);
}

INLINE VECTOR small_sigma0(VECTOR w) {
    return XOR3(ROTR(w, 1), ROTR(w, 8), SHR(w, 7));
}

INLINE VECTOR small_sigma1(VECTOR w) {
    return XOR3(ROTR(w, 19), ROTR(w, 61), SHR(w, 6));
}

/* W[t] = sigma1(W[t-2]) + W[t-7] + sigma0(W[t-15]) + W[t-16], t >= 16. Before t = 32 terms are
 * left out that are 0, and those from W[8..15] that are not are one constant. */
INLINE void next_word(struct group *g, const struct sha512_constants *constants, int t) {
    VECTOR sum = t < 24 || t > 31 ? W(t - 16) : W(t - 7);
    if (t == 23 || t > 31)
        sum = ADD(sum, W(t - 7));
    if (t < 23 || t > 30)
        sum = ADD(sum, small_sigma0(W(t - 15)));
    if (SHA512_WORD_HAS_CONSTANT(t))
        sum = ADD(sum, BROADCAST(constants->word[(t - 16) & 15]));
    PIN(sum);
    W(t) = t < 18 ? sum : ADD(sum, small_sigma1(W(t - 2)));
}

/* What round t adds that does not depend on the round before it; round = &K[t]. Words 8..15 are in
 * K[t], and the state of rounds 1..3 is in head. */
INLINE void next_sum(struct group *g, const struct sha512_constants *constants,
                     const uint64_t *round, int t) {
    VECTOR sum;
    if (t < 4) {
        const uint64_t *head = SHORT_PATH ? constants->head_with_d : constants->head;
        g->sum = ADD(W(t), BROADCAST(head[t & 3]));
        return;
    }
    sum = ADD(E(t - 3), BROADCAST(*round));
    PIN(sum);
    if (t < 8 || t > 15) {
        sum = ADD(sum, W(t));
        PIN(sum);
    }
    if (SHORT_PATH) {
        sum = ADD(sum, A(t - 3));
        PIN(sum);
    }
    g->sum = sum;
}

/* Round t, with the part of the round before that nobody waits for, and what later rounds need. */
INLINE void one_round(struct group *g, const struct sha512_constants *constants,
                      const uint64_t *round, int t) {
    e_path(g, t);
    if (t >= 13 && t <= 76)
        next_word(g, constants, t + 3);
    if (t >= 2)
        a_path(g, t - 1);
    if (t < 79)
        next_sum(g, constants, round + 1, t + 1);
}

/* Round t of all groups, one group after the other. */
INLINE void round_of_all(struct group *groups, const struct sha512_constants *constants,
                         const uint64_t *round, int t) {
    one_round(&groups[0], constants, round, t);
    if (GROUPS > 1)
        one_round(&groups[GROUPS - 1], constants, round, t);
}

/* Rounds t .. t + 3; round = &K[t]. */
INLINE void four_rounds(struct group *groups, const struct sha512_constants *constants,
                        const uint64_t *round, int t) {
    round_of_all(groups, constants, round, t);
    round_of_all(groups, constants, round + 1, t + 1);
    round_of_all(groups, constants, round + 2, t + 2);
    round_of_all(groups, constants, round + 3, t + 3);
}

/* Round 0, and what round 1 adds. */
INLINE void first_round(struct group *g, const struct sha512_constants *constants) {
    for (int i = 0; i < 3; i++) {
        A(-i) = BROADCAST(constants->initial[i]);
        E(-i) = BROADCAST(constants->initial[4 + i]);
    }
    A(1) = ADD(W(0), BROADCAST(constants->first_a));
    E(1) = ADD(W(0), BROADCAST(constants->first_e));
    next_sum(g, constants, NULL, 1);
}

/* The digest: the block's words of the next iteration. */
INLINE void add_initial(struct group *g, const struct sha512_constants *constants) {
    a_path(g, 79);
    W(0) = A(80);
    W(1) = ADD(A(79), BROADCAST(constants->last[1]));
    W(2) = ADD(A(78), BROADCAST(constants->last[2]));
    W(3) = ADD(A(77), BROADCAST(constants->last[3]));
    W(4) = ADD(E(80), BROADCAST(constants->last[4]));
    W(5) = ADD(E(79), BROADCAST(constants->last[5]));
    W(6) = ADD(E(78), BROADCAST(constants->last[6]));
    W(7) = ADD(E(77), BROADCAST(constants->last[7]));
}

/* One iteration: rounds 0..28 straight, 29..76 in a loop, 77..79 straight. The loop begins and ends
 * where it does so that it computes W[32..79] and not one word too many (1067 -> 1053 cycles). */
INLINE void iterate(struct group *groups, const struct sha512_constants *constants) {
    const uint64_t *round = constants->round;
    first_round(&groups[0], constants);
    if (GROUPS > 1)
        first_round(&groups[GROUPS - 1], constants);
    four_rounds(groups, constants, round + 1, 1);
    four_rounds(groups, constants, round + 5, 5);
    four_rounds(groups, constants, round + 9, 9);
    four_rounds(groups, constants, round + 13, 13);
    four_rounds(groups, constants, round + 17, 17);
    four_rounds(groups, constants, round + 21, 21);
    four_rounds(groups, constants, round + 25, 25);
    for (int i = 0; i < 3; i++) {
        round += 16;
        four_rounds(groups, constants, round + 13, 29);
        four_rounds(groups, constants, round + 17, 33);
        four_rounds(groups, constants, round + 21, 37);
        four_rounds(groups, constants, round + 25, 41);
    }
    round_of_all(groups, constants, round + 29, 77);
    round_of_all(groups, constants, round + 30, 78);
    round_of_all(groups, constants, round + 31, 79);
    add_initial(&groups[0], constants);
    if (GROUPS > 1)
        add_initial(&groups[GROUPS - 1], constants);
}

/* words[i] = word i of all chains, and back. A few dozen nanoseconds, next to nothing in a call of
 * 64 iterations and more. */
static void gather(uint64_t words[CHAIN_WORDS][GROUPS * LANES], uint64_t (*chains)[CHAIN_WORDS]) {
    for (int lane = 0; lane < GROUPS * LANES; lane++) {
        for (int i = 0; i < CHAIN_WORDS; i++)
            words[i][lane] = chains[lane][i];
    }
}

static void scatter(uint64_t (*chains)[CHAIN_WORDS], uint64_t words[CHAIN_WORDS][GROUPS * LANES]) {
    for (int lane = 0; lane < GROUPS * LANES; lane++) {
        for (int i = 0; i < CHAIN_WORDS; i++)
            chains[lane][i] = words[i][lane];
    }
}

TARGET static void run(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    alignas(sizeof(VECTOR)) uint64_t words[CHAIN_WORDS][GROUPS * LANES];
    struct group groups[GROUPS];
    gather(words, chains);
    for (int i = 0; i < CHAIN_WORDS; i++) {
        groups[0].w[i] = LOAD(words[i]);
        groups[GROUPS - 1].w[i] = LOAD(words[i] + (GROUPS - 1) * LANES);
    }
    for (int64_t done = 0; done < iterations; done++) {
        const struct sha512_constants *constants = &sha512_constants;
        __asm__ volatile("" : "+r"(constants));
        iterate(groups, constants);
    }
    for (int i = 0; i < CHAIN_WORDS; i++) {
        STORE(words[i], groups[0].w[i]);
        STORE(words[i] + (GROUPS - 1) * LANES, groups[GROUPS - 1].w[i]);
    }
    scatter(chains, words);
}

#undef A
#undef E
#undef W
#undef INLINE
