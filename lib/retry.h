#ifndef HASHMILL_RETRY_H
#define HASHMILL_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Exponential back-off for calls of one kind, with full jitter, so that many that fail together do
 * not come back together. A delay is 10 ms plus an even draw from 0 to a cap, which starts at 0.2 s
 * and doubles with each delay up to 30 s. The caller logs the first failure of a row and its end.
 * Starts zeroed.
 */
struct retry {
    int tries;             /* delays drawn since the last success */
    bool failing;          /* a row of failures is going on, */
    int64_t since_ms;      /* since then; steady time */
    int64_t not_before_ms; /* steady time: the next call may be made then */
};

/* Whether the next call may be made now. */
bool retry_is_due(const struct retry *retry);

/* Delays the next call by at least least_ms and, unless that is more, by at most most_ms. Returns
 * the delay in milliseconds. */
int64_t retry_delay(struct retry *retry, int64_t least_ms, int64_t most_ms);

/* Notes a failure. Returns whether it is the first of its row. */
bool retry_failed(struct retry *retry);

/* Notes a success: the next call may be made at once. Returns whether that ends a row of failures;
 * *seconds gets how long the row lasted. */
bool retry_succeeded(struct retry *retry, int64_t *seconds);

/* A delay for a fault that only an operator can mend: 15 to 30 s. */
int64_t retry_slow_ms(void);

#endif
