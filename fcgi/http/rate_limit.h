#ifndef HASHMILL_RATE_LIMIT_H
#define HASHMILL_RATE_LIMIT_H
#include "reply.h"
struct rate_limit_state { int64_t items, work, rate, burst; int64_t items_left, work_left, rate_left; int64_t seconds; };
static inline void rate_limit_reply(struct reply *reply, const struct rate_limit_state *state) { (void)reply, (void)state; }
#endif
