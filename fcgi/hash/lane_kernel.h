#ifndef HASHMILL_LANE_KERNEL_H
#define HASHMILL_LANE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A lane kernel does the work of FIPS 180-4 section 6.4.2 for several messages: it takes the hash
 * values H(i-1) of each to H(i), block by block. Hash values are a row of eight words in the host's
 * byte order, so that a message can go on in another lane or kernel.
 */

enum {
    LANE_BLOCK = 128, /* bytes of a block */
    LANE_WORDS = 8,   /* 64-bit words of the hash values */
    LANE_KERNELS_MAX = 8
};

struct lane_kernel {
    const char *name;
    int lanes; /* messages side by side, at most BODIES_MAX */

    /* Moves exactly `lanes` rows forward by the same number of blocks; those of lane i are at
     * next[i], at any address. A lane without a message reads the blocks of another one. */
    void (*run)(uint64_t (*rows)[LANE_WORDS], const uint8_t *const *next, size_t blocks);

    /* Whether this processor and its operating system can run it. */
    bool (*usable)(void);
};

#ifdef __x86_64__
extern const struct lane_kernel lane_kernel_avx2_x4;
extern const struct lane_kernel lane_kernel_avx512_x4;
extern const struct lane_kernel lane_kernel_avx512_x8;
#endif

struct lane_constants {
    uint64_t initial[LANE_WORDS]; /* H(0), section 5.3.5 */
    uint64_t round[80];           /* K[t], section 4.2.3 */
};

extern const struct lane_constants lane_constants;

#endif
