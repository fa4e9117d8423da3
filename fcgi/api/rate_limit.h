#ifndef HASHMILL_RATE_LIMIT_H
#define HASHMILL_RATE_LIMIT_H

#include <stdint.h>

#include "http/reply.h"

/*
 * The header fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11): what
 * quotas a client has, and what is left of them, such as
 *
 *     RateLimit-Policy: "items";q=1000, "work";q=5000000000, "rate";q=100;w=10
 *     RateLimit: "items";r=50, "work";r=0, "rate";r=12;t=9
 *
 * Both are lists of structured fields (RFC 9651). "items" and "work" bound what is held at a time,
 * so they have neither a window nor a time.
 */
struct rate_limit_state {
    int64_t items, work;           /* quotas; 0: none */
    int64_t rate, burst;           /* items a second, and at once; 0: none */
    int64_t items_left, work_left; /* below 0 when there is more than a quota of today */
    int64_t rate_left;
    int64_t seconds; /* until the rate's burst is whole again, rounded up */
};

/* Adds both fields to a reply that was begun; nothing when no quota is set. A number that has more
 * than the 15 digits of structured fields is sent as the largest that they have, and one below 0 as
 * 0. */
void rate_limit_reply(struct reply *reply, const struct rate_limit_state *state);

#endif
