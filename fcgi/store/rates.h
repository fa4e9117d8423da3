#ifndef HASHMILL_RATES_H
#define HASHMILL_RATES_H

#include "queue/queue.h"

/* How much was done in each of the last seconds, in memory only. Starts zeroed. */

enum { RATES_SECONDS = 64 };

struct rates {
    int64_t second[RATES_SECONDS]; /* of steady time, that the place holds */
    struct queue_work work[RATES_SECONDS];
};

/* Adds what was done at a moment of steady time. */
void rates_add(struct rates *rates, int64_t steady_ms, const struct queue_work *work);

/* What was done in the last whole seconds (1 to RATES_SECONDS - 1), the one under way left out. */
struct queue_work rates_sum(const struct rates *rates, int64_t steady_ms, int seconds);

#endif
