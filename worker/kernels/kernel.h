#ifndef HASHMILL_KERNEL_H
#define HASHMILL_KERNEL_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/*
 * A kernel moves chains forward: digest -> SHA-512(digest), `iterations` times. All kernels share
 * one layout: a chain is a row of eight words in the host's byte order. Word 0 has the digest's
 * first eight bytes, which are big endian (FIPS 180-4 section 3.1). No kernel swaps bytes: the
 * edges of the mill convert (chain_load and chain_store below). A chain can move between rows and
 * kernels by one copy of 64 bytes.
 */

enum {
    CHAIN_SIZE = 64,         /* bytes of a SHA-512 digest */
    CHAIN_WORDS = 8,         /* 64-bit words of it */
    LANES_MAX = 18,          /* rows that the widest kernel works on */
    ROWS_MAX = 2 * LANES_MAX /* of chains and padding, where several kernels work in turn */
};

struct kernel {
    const char *name; /* as WORKER_KERNEL and the log say it */
    int lanes;        /* rows that run works on, at most LANES_MAX */

    /* Moves exactly `lanes` rows forward, in place, by the same number of iterations; 0 leaves them
     * as they are. Rows without a chain are padding: they must be readable and writable, and their
     * content is spoiled. Needs no alignment, keeps no state, may be called by any number of
     * threads at once. */
    void (*run)(uint64_t (*chains)[CHAIN_WORDS], int64_t iterations);

    /* Whether this processor and its operating system can run it. */
    bool (*usable)(void);

    /* A narrower kernel that must be slower for the same number of chains. If not, something is
     * wrong with this one on this machine, such as code that does not fit a cache. NULL: none. */
    const struct kernel *slower;
};

/* The reference, which runs everywhere. */
extern const struct kernel kernel_openssl;

#ifdef __x86_64__
extern const struct kernel kernel_lone_avx2;
extern const struct kernel kernel_lone_avx512;
extern const struct kernel kernel_avx2_x4;
extern const struct kernel kernel_avx512_x4;
extern const struct kernel kernel_avx2_x5;
extern const struct kernel kernel_avx512_x8;
extern const struct kernel kernel_avx512_x16;
extern const struct kernel kernel_avx512_x17;
extern const struct kernel kernel_avx512_x18;
#endif

#ifdef __aarch64__
extern const struct kernel kernel_arm_x1;
extern const struct kernel kernel_arm_x2;
extern const struct kernel kernel_arm_x3;
extern const struct kernel kernel_arm_x4;
#endif

/* A row from a digest's 64 bytes, and back. */
static inline void chain_load(uint64_t chain[CHAIN_WORDS], const uint8_t *digest) {
    memcpy(chain, digest, CHAIN_WORDS * sizeof *chain);
    for (int i = 0; i < CHAIN_WORDS; i++)
        chain[i] = be64toh(chain[i]);
}

static inline void chain_store(uint8_t *digest, const uint64_t chain[CHAIN_WORDS]) {
    for (int i = 0; i < CHAIN_WORDS; i++) {
        uint64_t word = htobe64(chain[i]);
        memcpy(digest + i * sizeof word, &word, sizeof word);
    }
}

#endif
