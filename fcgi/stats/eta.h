#ifndef HASHMILL_STATS_ETA_H
#define HASHMILL_STATS_ETA_H

#include <stdbool.h>

#include "queue/queue_progress.h"
#include "supply.h"

/*
 * The forecast when an item, or everything, will be done, as pure functions of what the queue
 * knows. t/unit/stats/eta.c is their specification by cases.
 *
 * A worker moves up to 16 chains for each core. One chain alone is as fast as a lane can be; beyond
 * some number of chains (by kernel) they share the core's rate, which the worker measures by the
 * wall. So an item needs at least its iterations over the rate of a lane (Brent's bound: R. P.
 * Brent, "The parallel evaluation of general arithmetic expressions", J. ACM 21, 1974: work over
 * rate, plus the longest chain). What is before an item is computed at the rate of all workers.
 *
 *  - Leased, with reported progress: its own rate. Each stretch between two reports counts with
 *    its length, halved for each ETA_HALF_MS that it is old.
 *  - Leased, none reported yet: the worker computes the shorter items in its hands first (classes
 *    of a factor of two, as in worker/mill/run_queue.h), then this one. Two thirds of the way, by
 *    factors, from that to how long items of about this length took lately, from lease to value.
 *  - Waiting: the items ahead are leased first, as far as workers keep no more than a quarter of a
 *    lease's work; then as above. More than QUEUE_AHEAD_MAX ahead: by virtual time
 *    (docs/design.md, "Order") each client has weight x (rank - virtual time) iterations ahead, but
 *    no more than it has.
 *  - Machines that boot, and those that the scaler will launch, add their rate when they come.
 *
 * The low and the high are as far from the likely time, by factors, as the times that items of one
 * length took lately are from each other, within bounds. scripts/bench.sh --only eta measures how
 * often that holds.
 */

enum { ETA_WHY_SIZE = 200, ETA_HALF_MS = 30000 };

struct eta {
    double rate;              /* iterations a second of this chain; 0: not known yet */
    bool known;               /* the next three hold */
    double likely, low, high; /* seconds from now; 0 <= low <= likely <= high */
    double start;             /* seconds until it is leased; below 0: leased, or not known */
    char why[ETA_WHY_SIZE];   /* a sentence why nothing moves; "": something does */
};

/* Of an item that waits or is leased. */
void eta_of_item(const struct eta_rules *rules, const struct queue_load *load,
                 const struct queue_progress *progress, struct eta *eta);

/* Of everything that waits or is leased. Not known when nothing is, or no worker is there. */
void eta_of_all(const struct eta_rules *rules, const struct queue_load *load, struct eta *eta);

#endif
