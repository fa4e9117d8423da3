#ifndef HASHMILL_KERNELS_H
#define HASHMILL_KERNELS_H

#include <stddef.h>

#include "kernel.h"

/*
 * Chooses the kernels to use, and one for each number of chains, at start and within 50 ms: those
 * that the processor can run are compared with OpenSSL, then measured.
 */

enum { KERNELS_MAX = 16 };

/* How count chains are moved forward: this kernel takes the first kernel->lanes of them; the
 * table's step for the number of the others does the rest. */
struct kernels_step {
    const struct kernel *kernel;
    double ns; /* an iteration of all of the chains */
};

/* Constant once it is open, so that all threads can share it. */
struct kernels {
    const struct kernel *list[KERNELS_MAX]; /* those in use, by lanes */
    double ns[KERNELS_MAX];                 /* an iteration of all their lanes */
    int count;
    struct kernels_step steps[LANES_MAX + 1]; /* by the number of chains; [0] is not used */
};

/* All *count kernels that were built, by lanes, whether this machine can run them or not. */
const struct kernel *const *kernels_built(int *count);

/* Chooses among all built kernels, or takes only the one named `only` (WORKER_KERNEL; "" and NULL
 * choose). Leaves out kernels that compute wrongly, with an error in the log, and kernels that are
 * no faster than their `slower` one, with an info line. False, with a sentence in why, if there is
 * no such kernel, or none that this machine runs rightly. */
bool kernels_open(struct kernels *kernels, const char *only, char *why, size_t why_size);

/* The same with a list of kernels, by lanes; the first one runs everywhere. False if none of them
 * is usable and computes rightly. */
bool kernels_choose(struct kernels *kernels, const struct kernel *const *list, int count);

/* Moves the first count (1 to LANES_MAX) of ROWS_MAX rows forward, in place, by the same number of
 * iterations. The rows after them are padding whose content may be spoiled. */
void kernels_run(const struct kernels *kernels, uint64_t (*chains)[CHAIN_WORDS], int count,
                 int64_t iterations);

/* The kernel that moves row `row` (0 to count - 1) when kernels_run moves count rows. */
const struct kernel *kernels_of_row(const struct kernels *kernels, int count, int row);

/* Whether a kernel's results are those of OpenSSL, for a few numbers of iterations and a random
 * digest in each lane, and whether it leaves the rows after its lanes alone. Takes about
 * 0.1 ms a lane. */
bool kernels_right(const struct kernel *kernel);

/* The name of the kernel that moves most chains when all lanes are full; the worker reports it. */
const char *kernels_name(const struct kernels *kernels);

#endif
