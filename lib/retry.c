#include "retry.h"

#include "clock.h"
#include "random.h"

enum { CAP_FIRST_MS = 200, CAP_MS = 30000, LEAST_MS = 10, DOUBLINGS_MAX = 8 };

/* A whole number from 0 to limit - 1. */
static int64_t draw(int64_t limit) {
    uint64_t number;
    random_fill(&number, sizeof number);
    return (int64_t)(number % (uint64_t)limit);
}

bool retry_is_due(const struct retry *retry) {
    return retry->not_before_ms <= clock_steady_ms();
}

int64_t retry_delay(struct retry *retry, int64_t least_ms, int64_t most_ms) {
    int64_t cap_ms = (int64_t)CAP_FIRST_MS << retry->tries;
    int64_t delay_ms = LEAST_MS + draw(cap_ms < CAP_MS ? cap_ms : CAP_MS);
    if (retry->tries < DOUBLINGS_MAX)
        retry->tries++;
    if (delay_ms > most_ms)
        delay_ms = most_ms;
    if (delay_ms < least_ms)
        delay_ms = least_ms;
    retry->not_before_ms = clock_steady_ms() + delay_ms;
    return delay_ms;
}

bool retry_failed(struct retry *retry) {
    bool first = !retry->failing;
    if (first)
        retry->since_ms = clock_steady_ms();
    retry->failing = true;
    return first;
}

bool retry_succeeded(struct retry *retry, int64_t *seconds) {
    bool ended = retry->failing;
    *seconds = (clock_steady_ms() - retry->since_ms) / 1000;
    *retry = (struct retry){0};
    return ended;
}

int64_t retry_slow_ms(void) {
    return CAP_MS / 2 + draw(CAP_MS / 2);
}
