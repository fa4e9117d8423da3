#ifndef HASHMILL_CROSSCHECK_H
#define HASHMILL_CROSSCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/*
 * The cross-check: a share of what the kernels compute is computed again by OpenSSL, which shares
 * no code with them. A segment of some iterations is enough, since a chain that was wrong once
 * stays wrong; what the check promises is about machines and kernels, not about one item.
 */

/* One thread's dice. */
struct crosscheck {
    double share;             /* of the draws that ask for a check, 0 to 1 */
    unsigned short random[3]; /* state of erand48(3) */
};

/* How many iterations a segment has at most: OpenSSL takes some 15 us for so many. */
enum { SEGMENT_ITERATIONS = 64 };

void crosscheck_init(struct crosscheck *crosscheck, double share);

/* Whether to check, in a share of the calls, or a part of that share. */
bool crosscheck_draw(struct crosscheck *crosscheck, double part);

/* A random number from 0 to most. */
int64_t crosscheck_place(struct crosscheck *crosscheck, int64_t most);

/* Whether OpenSSL gets from one link of a chain to another in so many iterations. */
bool crosscheck_holds(const uint64_t from[CHAIN_WORDS], const uint64_t to[CHAIN_WORDS],
                      int64_t iterations);

/* Ends the process with exit code 76, after which nobody should start it again, and a line in the
 * log that names kernel and processor, if the log takes it within a second: nothing that this
 * machine has computed may be reported any more. Its leases lapse, and other machines start again
 * from what was reported before. */
_Noreturn void crosscheck_stop(const struct kernel *kernel);

#endif
