/*
 * A worker or client whose arithmetic fails: linked into the programs in build/test/flip, and
 * nowhere else, with --wrap=kernels_run. One in BIT_FLIPS of the runs of its kernels has a random
 * bit of a random chain flipped in its result.
 */

#include <stdlib.h>

#include "worker/kernels/kernels.h"

void __real_kernels_run(const struct kernels *kernels, uint64_t (*chains)[CHAIN_WORDS], int count,
                        int64_t iterations);
void __wrap_kernels_run(const struct kernels *kernels, uint64_t (*chains)[CHAIN_WORDS], int count,
                        int64_t iterations);

void __wrap_kernels_run(const struct kernels *kernels, uint64_t (*chains)[CHAIN_WORDS], int count,
                        int64_t iterations) {
    const char *text = getenv("BIT_FLIPS");
    long every = text ? strtol(text, NULL, 10) : 0;
    __real_kernels_run(kernels, chains, count, iterations);
    if (every > 0 && count > 0 && iterations > 0 && random() % every == 0)
        chains[random() % count][random() % CHAIN_WORDS] ^= UINT64_C(1) << random() % 64;
}
