#ifndef HASHMILL_RANK_H
#define HASHMILL_RANK_H

#include <stdint.h>

/* The place of an item in the order of leasing (docs/design.md, "Order"); the lowest is leased
 * first. First in, first out by the queue clock in ms, but an item's size moves it back: each
 * iteration by penalty_ns, all of them by an hour at most. */
int64_t rank_of(int64_t clock_ms, int64_t iterations, int64_t penalty_ns);

#endif
