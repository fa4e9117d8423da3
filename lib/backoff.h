#ifndef HASHMILL_BACKOFF_H
#define HASHMILL_BACKOFF_H

#include <stdint.h>

/* Waiting times between tries, with full jitter: each is drawn evenly from 0 to a cap that starts
 * at 0.2 s and doubles from try to try up to 30 s, so that many workers whose node comes back do
 * not come all at once. Zeroed to start with, and after a success. */
struct backoff {
    int tries;
};

/* The next waiting time in milliseconds; at least 10. */
int64_t backoff_next_ms(struct backoff *backoff);

/* A waiting time for what only an operator can mend: 15 to 30 s. */
int64_t backoff_slow_ms(void);

#endif
