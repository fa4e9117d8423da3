#ifndef HASHMILL_RETRY_H
#define HASHMILL_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Calls of one kind that are tried again after a failure: each later than the one before, with full
 * jitter, so that many that fail together do not come back together. A delay is drawn evenly from 0
 * to a cap, which starts at 0.2 s and doubles from failure to failure up to 30 s. The first failure
 * of a row is news, for the log, and so is its end. All zeros to start with.
 */
struct retry {
    int tries;             /* delays that were drawn since the last success */
    bool failing;          /* a row of failures goes on, */
    int64_t since_ms;      /* since then; steady time */
    int64_t not_before_ms; /* the same: the next call may be made then */
};

/* Whether the next call may be made now. */
bool retry_is_due(const struct retry *retry);

/* Delays the next call, by least_ms at least, and by most_ms at most unless that is less. How long,
 * in milliseconds. */
int64_t retry_delay(struct retry *retry, int64_t least_ms, int64_t most_ms);

/* Notes a failure. Whether it is the first of its row. */
bool retry_failed(struct retry *retry);

/* Notes a success: the next call may be made at once. Whether a row of failures has ended, and how
 * many seconds it went on. */
bool retry_succeeded(struct retry *retry, int64_t *seconds);

/* A delay for what only an operator can mend: 15 to 30 s. */
int64_t retry_slow_ms(void);

#endif
