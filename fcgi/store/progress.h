#ifndef HASHMILL_PROGRESS_H
#define HASHMILL_PROGRESS_H

#include "queue/queue.h"

/* What an item's row says when a report comes in. */
struct progress_row {
    enum item_state state;
    bool has_lease; /* whether lease means anything */
    struct uuid lease;
    int64_t remaining;
    uint8_t chain[DIGEST_SIZE];
};

/* What a report does to its item. */
enum progress {
    PROGRESS_LOST,    /* refused: not the current lease, or a step back */
    PROGRESS_SAME,    /* the row as it stands, and nothing to renew: taken again without effect */
    PROGRESS_RENEW,   /* equal remaining: the lease is renewed */
    PROGRESS_ADVANCE, /* fewer remaining: the chain moves on, the lease is renewed */
    PROGRESS_DONE,    /* none remaining: this is the value */
    PROGRESS_RELEASE, /* given back, with or without progress */
    PROGRESS_FAULT    /* equal remaining but another chain: somebody computed wrongly; refused */
};

/*
 * The rule of the whole queue (docs/design.md, "The one idea"): a report counts if and only if it
 * names the item's current lease, deadline passed or not, and progress only ever goes forward. A
 * waiting item may still have a current lease: the one that lapsed last, until another is given.
 */
enum progress progress_of(const struct progress_row *row, const struct queue_report_item *report);

#endif
