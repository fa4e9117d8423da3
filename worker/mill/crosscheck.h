#ifndef HASHMILL_CROSSCHECK_H
#define HASHMILL_CROSSCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/*
 * The cross-check: OpenSSL, which shares no code with the kernels, computes a share of their work
 * again. A segment of some iterations is enough, since a chain that was wrong once stays wrong. The
 * check judges machines and kernels, not single items.
 */

/* One thread's dice. */
struct crosscheck {
    double share;             /* of the draws that ask for a check, 0 to 1 */
    unsigned short random[3]; /* state of erand48(3) */
};

/* The most iterations of a segment; they take OpenSSL some 15 us. */
enum { SEGMENT_ITERATIONS = 64 };

void crosscheck_init(struct crosscheck *crosscheck, double share);

/* Draws whether to check: true in share * part of the calls. */
bool crosscheck_draw(struct crosscheck *crosscheck, double part);

/* A random number from 0 to most. */
int64_t crosscheck_place(struct crosscheck *crosscheck, int64_t most);

/* Whether OpenSSL, too, gets from `from` to `to` in this number of iterations. */
bool crosscheck_holds(const uint64_t from[CHAIN_WORDS], const uint64_t to[CHAIN_WORDS],
                      int64_t iterations);

/* Ends the process with exit code 76, after which nobody should start it again, and a log line that
 * names kernel and processor, if the log takes the line within a second. Nothing that this machine
 * has computed may be reported any more: its leases lapse, and other machines continue from its
 * last reports. */
_Noreturn void crosscheck_stop(const struct kernel *kernel);

#endif
