#ifndef HASHMILL_MERGE_H
#define HASHMILL_MERGE_H

/*
 * What two nodes know of an item, put together. An item only ever moves forward: its chain towards
 * the value, then to its client. So of two states the one further on wins whole, and whoever merges
 * the same states, in whatever order and however often, comes to the same.
 *
 * How far on a state is: its class first (pulled, cancelled, all others), then its trial, then the
 * links that are computed. Two chains for one place are a fault: at least one was computed wrongly.
 * Nobody can say which, so the item is begun anew, as its next trial; if it was pulled or cancelled
 * already, the chain with the greater bytes stays.
 *
 * Where its home is and which pull handed it out merge by themselves: the home with more moves wins
 * (then the smaller NODE), a pull wins over none (then the greater bytes).
 */

#include <stdbool.h>

#include "queue/queue_peers.h"

struct merged {
    struct queue_copy item; /* what both nodes are to have */
    bool fault;             /* two different chains, or not the same item at all: ours stays then */
    bool ours_behind;       /* item is more than ours, */
    bool theirs_behind;     /* than theirs: they should be told */
};

/* Merges what this node has and what a peer tells. Both have the same id; what an item has had from
 * its enqueue on (enqueued_wall_ms, key) is taken from ours. */
void merge(struct merged *merged, const struct queue_copy *ours, const struct queue_copy *theirs);

#endif
