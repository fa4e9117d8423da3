#include "backoff.h"

#include "random.h"

enum { CAP_FIRST_MS = 200, CAP_MS = 30000, LEAST_MS = 10, DOUBLINGS_MAX = 8 };

/* A whole number from 0 to limit - 1. Spread, not secrecy, is what it is for. */
static int64_t draw(int64_t limit) {
    uint64_t number;
    random_fill(&number, sizeof number);
    return (int64_t)(number % (uint64_t)limit);
}

int64_t backoff_next_ms(struct backoff *backoff) {
    int64_t cap = (int64_t)CAP_FIRST_MS << backoff->tries;
    if (backoff->tries < DOUBLINGS_MAX)
        backoff->tries++;
    return LEAST_MS + draw(cap < CAP_MS ? cap : CAP_MS);
}

int64_t backoff_slow_ms(void) {
    return CAP_MS / 2 + draw(CAP_MS / 2);
}
