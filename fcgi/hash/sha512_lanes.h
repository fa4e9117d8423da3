/*
 * The body of the lane kernels. A file that includes this defines before:
 *
 *     TARGET                  the attribute that lets the compiler use the instructions
 *     VECTOR, LANES           the register type and how many words it holds, 4 or 8
 *     ADD SUB ROTR SHR        of such words; the counts are literals
 *     XOR3 CHOOSE MAJORITY    x ^ y ^ z, and Ch and Maj of FIPS 180-4 section 4.1.3
 *     BROADCAST               of a uint64_t
 *     LOAD STORE              of LANES words at any address, of a const void * and a void *
 *     SWAP                    reverses the bytes of each word
 *     PIN(x)                  an empty asm volatile that may change x, as the compiler sees it
 *
 * and gets `static void run(rows, next, blocks)`.
 *
 * What makes it fast is what worker/kernels/sha512_vector.h says of chains: code that fits the
 * cache of decoded instructions, here 16 rounds in a loop; PIN on what operations yield, so that
 * the compiler neither moves operations nor adds in another order; the path to the next e first.
 *
 * Naming, as there: A(t) and E(t) are a and e before round t, so that b, c, d are A(t-1), A(t-2),
 * A(t-3) and f, g, h are E(t-1), E(t-2), E(t-3). Every t is a constant once loops are unrolled.
 */

#include "lane_kernel.h"

#define INLINE TARGET static inline __attribute__((always_inline))

struct vectors {
    VECTOR a[4], e[4]; /* A(t), E(t) at t mod 4 */
    VECTOR w[16];      /* W[t] at t mod 16 */
    VECTOR sum;        /* h + K[t] + W[t] + d of the next round */
};

#define A(t) a[(t)&3]
#define E(t) e[(t)&3]
#define W(t) w[(t)&15]

INLINE VECTOR pinned(VECTOR x) {
    PIN(x);
    return x;
}

#define BIG_SIGMA(x, i, j, k)                                                                      \
    pinned(XOR3(pinned(ROTR(x, i)), pinned(ROTR(x, j)), pinned(ROTR(x, k))))
#define SMALL_SIGMA(x, i, j, k)                                                                    \
    pinned(XOR3(pinned(ROTR(x, i)), pinned(ROTR(x, j)), pinned(SHR(x, k))))

/* What round t adds that is known a round before: h + K[t] + W[t] + d. With d here e comes after
 * one addition less, and a, which has time, is e + (Maj - d + Sigma0): one operation more. A
 * processor that would wait for e gains by that (chains on a Zen 5: 660 cycles instead of 754). One
 * that does not loses less (eight lanes on a Zen 4: 2.5 %). */
INLINE void sum_up(struct vectors *v, const uint64_t *constant, int t) {
    v->sum = pinned(ADD(v->E(t - 3), BROADCAST(*constant)));
    v->sum = pinned(ADD(v->sum, v->W(t)));
    v->sum = pinned(ADD(v->sum, v->A(t - 3)));
}

/* W[t+16] = sigma1(W[t+14]) + W[t+9] + sigma0(W[t+1]) + W[t], in place of W[t]. */
INLINE void next_word(struct vectors *v, int t) {
    VECTOR word = pinned(ADD(v->W(t), v->W(t + 9)));
    word = pinned(ADD(word, SMALL_SIGMA(v->W(t + 1), 1, 8, 7)));
    v->W(t) = pinned(ADD(word, SMALL_SIGMA(v->W(t + 14), 19, 61, 6)));
}

/* 16 rounds; constants = &K[t] of the first. The last ones need no more words. */
INLINE void rounds(struct vectors *v, const uint64_t *constants, bool last) {
#pragma GCC unroll 16
    for (int t = 0; t < 16; t++) {
        VECTOR sigma = BIG_SIGMA(v->E(t), 14, 18, 41);
        v->sum = pinned(ADD(v->sum, CHOOSE(v->E(t), v->E(t - 1), v->E(t - 2))));
        VECTOR e = pinned(ADD(v->sum, sigma));
        if (!last)
            next_word(v, t);
        VECTOR rest = pinned(SUB(MAJORITY(v->A(t), v->A(t - 1), v->A(t - 2)), v->A(t - 3)));
        rest = pinned(ADD(rest, BIG_SIGMA(v->A(t), 28, 34, 39)));
        if (!last || t < 15)
            sum_up(v, constants + t + 1, t + 1);
        v->E(t + 1) = e;
        v->A(t + 1) = pinned(ADD(e, rest));
    }
}

/* From LANES words of one lane in each register to one word of all lanes, and back. */
#if LANES == 8
INLINE void transpose(VECTOR r[LANES]) {
    VECTOR pairs[8], fours[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* fours[j]: words j & 3 and (j & 3) + 4 of four lanes */
        int at = (i & 2) * 2 + (i & 1);
        fours[at] = _mm512_shuffle_i64x2(pairs[at], pairs[at + 2], 0x88);
        fours[at + 2] = _mm512_shuffle_i64x2(pairs[at], pairs[at + 2], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i64x2(fours[i], fours[i + 4], 0x88);
        r[i + 4] = _mm512_shuffle_i64x2(fours[i], fours[i + 4], 0xdd);
    }
}
#else
INLINE void transpose(VECTOR r[LANES]) {
    VECTOR even_low = _mm256_unpacklo_epi64(r[0], r[1]),
           odd_low = _mm256_unpackhi_epi64(r[0], r[1]);
    VECTOR even_high = _mm256_unpacklo_epi64(r[2], r[3]),
           odd_high = _mm256_unpackhi_epi64(r[2], r[3]);
    r[0] = _mm256_permute2x128_si256(even_low, even_high, 0x20);
    r[1] = _mm256_permute2x128_si256(odd_low, odd_high, 0x20);
    r[2] = _mm256_permute2x128_si256(even_low, even_high, 0x31);
    r[3] = _mm256_permute2x128_si256(odd_low, odd_high, 0x31);
}
#endif

/* W[0..15] of all lanes from the block at next[i] + offset of each lane i. */
INLINE void load_block(struct vectors *v, const uint8_t *const *next, size_t offset) {
#pragma GCC unroll 4
    for (int word = 0; word < 16; word += LANES) {
#pragma GCC unroll 8
        for (int lane = 0; lane < LANES; lane++)
            v->w[word + lane] = SWAP(LOAD(next[lane] + offset + 8 * word));
        transpose(v->w + word);
    }
}

/* The hash values of all lanes, a to d in A(0) .. A(-3), e to h in E(0) .. E(-3). */
INLINE void load_rows(struct vectors *v, uint64_t (*rows)[LANE_WORDS]) {
    VECTOR words[LANE_WORDS];
#pragma GCC unroll 2
    for (int word = 0; word < LANE_WORDS; word += LANES) {
#pragma GCC unroll 8
        for (int lane = 0; lane < LANES; lane++)
            words[word + lane] = LOAD(rows[lane] + word);
        transpose(words + word);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        v->A(-i) = words[i];
        v->E(-i) = words[4 + i];
    }
}

INLINE void store_rows(const struct vectors *v, uint64_t (*rows)[LANE_WORDS]) {
    VECTOR words[LANE_WORDS];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        words[i] = v->A(-i);
        words[4 + i] = v->E(-i);
    }
#pragma GCC unroll 2
    for (int word = 0; word < LANE_WORDS; word += LANES) {
        transpose(words + word);
#pragma GCC unroll 8
        for (int lane = 0; lane < LANES; lane++)
            STORE(rows[lane] + word, words[word + lane]);
    }
}

INLINE void add_before(struct vectors *v, const struct vectors *before) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        v->a[i] = ADD(v->a[i], before->a[i]);
        v->e[i] = ADD(v->e[i], before->e[i]);
    }
}

TARGET static void run(uint64_t (*rows)[LANE_WORDS], const uint8_t *const *next, size_t blocks) {
    struct vectors v, before;
    load_rows(&v, rows);
    for (size_t offset = 0; offset < blocks * LANE_BLOCK; offset += LANE_BLOCK) {
        const uint64_t *constants = lane_constants.round;
        before = v;
        load_block(&v, next, offset);
        sum_up(&v, constants, 0);
        for (int i = 0; i < 4; i++) {
            rounds(&v, constants, false);
            constants += 16;
            __asm__ volatile("" : "+r"(constants)); /* or gcc unrolls this loop, too */
        }
        rounds(&v, constants, true);
        add_before(&v, &before);
    }
    store_rows(&v, rows);
}

#undef A
#undef E
#undef W
#undef INLINE
