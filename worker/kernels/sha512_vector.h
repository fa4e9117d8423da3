/*
 * The body of the vector kernels: chains side by side, one in each 64-bit lane of a register. A
 * file that includes this defines before:
 *
 *     TARGET                  the attribute that lets the compiler use the instructions
 *     VECTOR, LANES           the register type and how many words it holds
 *     ADD SUB ROTR SHR        of such words; the counts are literals
 *     XOR3 CHOOSE MAJORITY    x ^ y ^ z, and Ch and Maj of FIPS 180-4 section 4.1.3
 *     BROADCAST LOAD STORE    of a uint64_t; from and to LANES of them, aligned
 *     PIN(x)                  an empty asm volatile that may change x, as the compiler sees it
 *     GROUPS                  registers of chains in one run: 1 or 2
 *     SHORT_PATH              1 for the form with a shorter dependency chain, see e_path
 *
 * and gets `static void run(chains, iterations)` for GROUPS * LANES chains.
 *
 * What makes it fast, with what it is worth in cycles (two groups of AVX-512 unless said):
 *
 * - Code that fits the caches of decoded instructions: rounds 29..76 are a loop of 16 rounds, three
 *   times. Unrolled in full, 36 to 41 KB, it runs two times slower and more (Zen 5).
 * - PIN on what operations yield. Compilers re-associate vector additions, and the operand that
 *   comes last then goes through more than one of them: 1142 cycles instead of 1053, one group 983
 *   instead of 660 (Zen 5). They move operations, too; the PINs, being volatile, keep their order,
 *   and that of what they pin. Ch and Maj are not pinned: gcc would make a copy more of them.
 * - The order of the program: the processor takes it for priority, and spreads operations over its
 *   units by it before it knows how busy they will be. The path to the next e, which is the
 *   longest, goes first, then what that path does not wait for. Each operation is done for one
 *   group, then for the other: neighbours do not wait for each other. The first additions to a word
 *   and to a sum are apart from the others (start_word, start_sum). 2087 cycles with gcc 12, 2075
 *   with clang 14 (Zen 4); 2193 and 2159 with a round of one group after that of the other.
 * - Constants read through a pointer that is made unknown in each iteration. Otherwise some 90
 *   broadcasts are moved before the loop and spilled, 64 bytes each.
 * - The words that are constant: see sha512_constants.h. 4 %.
 *
 * What did not help on a Zen 4: rotations by 8 as vpshufb, which another unit could take (up to 1 %
 * slower); rotations spread evenly among the other operations (4 % slower); orders by chance (up to
 * 15 % slower); fewer moves and spills, and none takes a unit that computes (1 %). The gap to
 * the bound of 1986 cycles is mostly three-operand logic: alone, the units do 1.65 such operations
 * in a cycle, but two additions.
 *
 * Naming: A(t) and E(t) are a and e before round t. FIPS 180-4's b, c, d are then A(t-1), A(t-2),
 * A(t-3), and f, g, h are E(t-1), E(t-2), E(t-3): nothing is ever moved from one to the next. Every
 * t is a constant once the functions are inlined and the loops unrolled, which gcc has to be told,
 * so that the arrays become registers.
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
    VECTOR word, next;      /* the next W[t] and the next sum as far as they are computed */
    VECTOR one, two, three; /* operands of what follows at once */
};

#define A(t) a[(t)&3]
#define E(t) e[(t)&3]
#define W(t) w[(t)&15]
#define T1(t) t1[(t)&1]
#define D(t) d[(t)&1]

/* Whether there is a W[t] to compute. */
#define HAS_WORD(t) ((t) >= 16 && (t) <= 79)

/* Evaluates an expression about g for each of the groups. */
#define EACH_GROUP(expression)                                                                     \
    do {                                                                                           \
        struct group *g = &groups[0];                                                              \
        (expression);                                                                              \
        g = &groups[GROUPS - 1];                                                                   \
        if (GROUPS > 1)                                                                            \
            (expression);                                                                          \
    } while (0)

/* One operation for each of the groups, in this place of the program. */
#define SET(field, value) EACH_GROUP(g->field = pinned(value))

INLINE VECTOR pinned(VECTOR x) {
    PIN(x);
    return x;
}

/* W[t] = sigma1(W[t-2]) + W[t-7] + sigma0(W[t-15]) + W[t-16], t >= 16. Before t = 32, terms that
 * are 0 are left out, and the others from W[8..15] are one constant. Computes the first sum. */
INLINE void start_word(struct group *groups, int t) {
    EACH_GROUP(g->word = t < 24 || t > 31 ? g->W(t - 16) : g->W(t - 7));
    if (t == 23 || t > 31)
        SET(word, ADD(g->word, g->W(t - 7)));
}

/* sigma0 and sigma1 of W[t], into one. */
INLINE void small_sigma0(struct group *groups, int t) {
    SET(one, ROTR(g->W(t), 1));
    SET(two, ROTR(g->W(t), 8));
    SET(three, SHR(g->W(t), 7));
    SET(one, XOR3(g->one, g->two, g->three));
}

INLINE void small_sigma1(struct group *groups, int t) {
    SET(one, ROTR(g->W(t), 19));
    SET(two, ROTR(g->W(t), 61));
    SET(three, SHR(g->W(t), 6));
    SET(one, XOR3(g->one, g->two, g->three));
}

/* Computes the rest of W[t]. */
INLINE void finish_word(struct group *groups, const struct sha512_constants *constants, int t) {
    if (t < 23 || t > 30) {
        small_sigma0(groups, t - 15);
        SET(word, ADD(g->word, g->one));
    }
    if (SHA512_WORD_HAS_CONSTANT(t))
        SET(word, ADD(g->word, BROADCAST(constants->word[(t - 16) & 15])));
    if (t >= 18) {
        small_sigma1(groups, t - 2);
        SET(word, ADD(g->word, g->one));
    }
    EACH_GROUP(g->W(t) = g->word);
}

/* Starts what round t adds that does not depend on the round before: h + K[t]. round = &K[t]. */
INLINE void start_sum(struct group *groups, const uint64_t *round, int t) {
    if (t >= 4 && t < 80)
        SET(next, ADD(g->E(t - 3), BROADCAST(*round)));
}

/* Adds W[t] to it. Words 8..15 are in K[t], and the state of rounds 1..3 is in head. */
INLINE void finish_sum(struct group *groups, const struct sha512_constants *constants, int t) {
    const uint64_t *head = SHORT_PATH ? constants->head_with_d : constants->head;
    if (t < 4)
        SET(sum, ADD(g->W(t), BROADCAST(head[t & 3])));
    else if (t < 8 || t > 15)
        SET(sum, ADD(g->next, g->W(t)));
    else
        EACH_GROUP(g->sum = g->next);
    if (SHORT_PATH && t >= 4)
        SET(sum, ADD(g->sum, g->A(t - 3)));
}

/* Sigma1(e) of round t, into one; in between the first part of a word. */
INLINE void big_sigma1(struct group *groups, int t) {
    SET(one, ROTR(g->E(t), 14));
    SET(two, ROTR(g->E(t), 18));
    if (HAS_WORD(t + 3))
        start_word(groups, t + 3);
    SET(three, ROTR(g->E(t), 41));
    SET(one, XOR3(g->one, g->two, g->three));
}

/* T1 = h + Sigma1(e) + Ch(e, f, g) + K[t] + W[t], and the next e = d + T1. Sigma1 is what comes
 * last, so it is added last. The short form adds d early and gets T1 back by a subtraction, off the
 * longest path: rotation, XOR3 and one addition from e to e instead of two, for one operation more.
 * That pays where one group leaves units idle (660 cycles instead of 754), not for two (2 %). */
INLINE void e_path(struct group *groups, int t) {
    big_sigma1(groups, t);
    EACH_GROUP(g->two = CHOOSE(g->E(t), g->E(t - 1), g->E(t - 2)));
    SET(sum, ADD(g->sum, g->two));
    SET(T1(t), ADD(g->sum, g->one));
    EACH_GROUP(g->D(t) = g->A(t - 3));
    if (SHORT_PATH)
        EACH_GROUP(g->E(t + 1) = g->T1(t));
    else
        SET(E(t + 1), ADD(g->T1(t), g->A(t - 3)));
}

/* Sigma0(a) of round t, into one. */
INLINE void big_sigma0(struct group *groups, int t) {
    SET(one, ROTR(g->A(t), 28));
    SET(two, ROTR(g->A(t), 34));
    SET(three, ROTR(g->A(t), 39));
    SET(one, XOR3(g->one, g->two, g->three));
}

/* The next a = T1 + Sigma0(a) + Maj(a, b, c), where T1 is round t's; and the first part of what
 * round t + 2 adds, round = &K[t + 2]. */
INLINE void a_path(struct group *groups, const uint64_t *round, int t) {
    big_sigma0(groups, t);
    EACH_GROUP(g->two = MAJORITY(g->A(t), g->A(t - 1), g->A(t - 2)));
    start_sum(groups, round, t + 2);
    if (SHORT_PATH)
        SET(T1(t), SUB(g->T1(t), g->D(t)));
    SET(two, ADD(g->T1(t), g->two));
    SET(A(t + 1), ADD(g->two, g->one));
}

/* Round t of all groups, with the part of the round before that nobody waits for, and what later
 * rounds need. round = &K[t]. */
INLINE void round_of_all(struct group *groups, const struct sha512_constants *constants,
                         const uint64_t *round, int t) {
    e_path(groups, t);
    if (HAS_WORD(t + 3))
        finish_word(groups, constants, t + 3);
    if (t >= 2)
        a_path(groups, round + 1, t - 1);
    if (t < 79)
        finish_sum(groups, constants, t + 1);
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
INLINE void first_round(struct group *groups, const struct sha512_constants *constants) {
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        EACH_GROUP(g->A(-i) = BROADCAST(constants->initial[i]));
        EACH_GROUP(g->E(-i) = BROADCAST(constants->initial[4 + i]));
    }
    SET(A(1), ADD(g->W(0), BROADCAST(constants->first_a)));
    SET(E(1), ADD(g->W(0), BROADCAST(constants->first_e)));
    finish_sum(groups, constants, 1);
}

/* The digest: the block's words of the next iteration. */
INLINE void add_initial(struct group *groups, const struct sha512_constants *constants) {
    a_path(groups, NULL, 79);
    EACH_GROUP(g->W(0) = g->A(80));
#pragma GCC unroll 3
    for (int i = 1; i < 4; i++)
        SET(W(i), ADD(g->A(80 - i), BROADCAST(constants->last[i])));
#pragma GCC unroll 4
    for (int i = 4; i < 8; i++)
        SET(W(i), ADD(g->E(84 - i), BROADCAST(constants->last[i])));
}

/* One iteration: rounds 0..28 straight, 29..76 in a loop, 77..79 straight. The loop begins and ends
 * where it does so that it computes W[32..79] and not one word too many (1067 -> 1053 cycles). */
INLINE void iterate(struct group *groups, const struct sha512_constants *constants) {
    const uint64_t *round = constants->round;
    first_round(groups, constants);
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
    add_initial(groups, constants);
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
#undef T1
#undef D
#undef HAS_WORD
#undef EACH_GROUP
#undef SET
#undef INLINE
