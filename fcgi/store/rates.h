#ifndef HASHMILL_RATES_H
#define HASHMILL_RATES_H

#include "queue/queue.h"

/* Work done in each of the last seconds, in memory only. Starts zeroed. */

enum { RATES_SECONDS = 64 };

struct rates {
    int64_t second[RATES_SECONDS]; /* the second of steady time whose work this place holds */
    struct queue_work work[RATES_SECONDS];
};

/* Adds work done at a moment of steady time. */
void rates_add(struct rates *rates, int64_t steady_ms, const struct queue_work *work);

/* The work of the last whole seconds (1 to RATES_SECONDS - 1), without the second under way. */
struct queue_work rates_sum(const struct rates *rates, int64_t steady_ms, int seconds);

#endif
