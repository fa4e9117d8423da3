#ifndef HASHMILL_CLIENT_COMPUTE_H
#define HASHMILL_CLIENT_COMPUTE_H

#include "bar/bar_text.h"
#include "verify/checks.h"

/*
 * Values computed by this machine, as a worker computes them: a chain takes one core, and several
 * go side by side in the lanes of a core. Files are read when their turn comes.
 */
struct compute;

/* Tests the machine, chooses kernels and starts threads, one a core that this process may use and
 * no more than there are values. The values are borrowed. NULL, with a sentence in why, on a
 * machine that computes wrongly or refuses a thread. */
struct compute *compute_open(struct checks *checks, char *why, size_t why_size);

/* Waits for at most some milliseconds until a value is computed, or the descriptor `stop` is
 * readable. Takes what is computed and starts what comes next. A file that cannot be read is said.
 * A machine that computes wrongly ends the process with exit code 76 and a log line. */
void compute_turn(struct compute *compute, int stop, int most_ms);

/* Whether every value is computed, or its file unreadable. */
bool compute_is_over(const struct compute *compute);

/* How far it is; the rate is that of the last second or so. */
void compute_progress(struct compute *compute, struct bar_state *state);

/* Stops the threads, within a millisecond, and frees everything. NULL is allowed. */
void compute_close(struct compute *compute);

#endif
