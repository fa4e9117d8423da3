/*
 * The body of the hybrid kernels: vectors of chains and a few single chains in one stream of
 * instructions, which hybrid.py writes. A file that includes this defines before:
 *
 *     VECTORS, SINGLES    how many chains are in vectors, and how many single
 *     ITERATE             the function of hybrid.py
 *     VECTOR_FEATURE      the instruction set of the vectors, as the compiler names it
 *
 * and gets `static void run(chains, iterations)` for VECTORS + SINGLES chains, and `usable`.
 */

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"
#include "sha512_constants.h"

/* What the assembler works on. Words 0..7 of each chain are its digest, before and after. */
struct hybrid_frame {
    alignas(64) struct sha512_constants constants;
    uint64_t single[SINGLES][80];
    alignas(64) uint64_t vectors[80][VECTORS];
};

/* hybrid.py knows these places. */
_Static_assert(offsetof(struct sha512_constants, first_a) == 64, "FIRST_A");
_Static_assert(offsetof(struct sha512_constants, head_with_d) == 112, "HEAD_WITH_D");
_Static_assert(offsetof(struct sha512_constants, word) == 144, "WORD");
_Static_assert(offsetof(struct sha512_constants, last) == 272, "LAST");
_Static_assert(offsetof(struct sha512_constants, round) == 336, "ROUND");
_Static_assert(offsetof(struct hybrid_frame, single) == 976, "SINGLE");

/* iterations: at least 1. */
extern void ITERATE(struct hybrid_frame *frame, int64_t iterations);

static void run(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations) {
    struct hybrid_frame frame;
    if (iterations <= 0)
        return;
    memset(&frame.vectors[8], 0, 8 * sizeof frame.vectors[8]);
    memset(frame.single, 0, sizeof frame.single);
    frame.constants = sha512_constants;
    for (int i = 0; i < CHAIN_WORDS; i++) {
        for (int lane = 0; lane < VECTORS; lane++)
            frame.vectors[i][lane] = chains[lane][i];
        for (int chain = 0; chain < SINGLES; chain++)
            frame.single[chain][i] = chains[VECTORS + chain][i];
    }
    /* The padding of FIPS 180-4 section 5.1.2. */
    for (int lane = 0; lane < VECTORS; lane++) {
        frame.vectors[8][lane] = UINT64_C(1) << 63;
        frame.vectors[15][lane] = 8 * CHAIN_SIZE;
    }
    for (int chain = 0; chain < SINGLES; chain++) {
        frame.single[chain][8] = UINT64_C(1) << 63;
        frame.single[chain][15] = 8 * CHAIN_SIZE;
    }
    ITERATE(&frame, iterations);
    for (int i = 0; i < CHAIN_WORDS; i++) {
        for (int lane = 0; lane < VECTORS; lane++)
            chains[lane][i] = frame.vectors[i][lane];
        for (int chain = 0; chain < SINGLES; chain++)
            chains[VECTORS + chain][i] = frame.single[chain][i];
    }
}

static bool usable(void) {
    return __builtin_cpu_supports(VECTOR_FEATURE) && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}
