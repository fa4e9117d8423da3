#ifndef HASHMILL_REPORT_RULE_H
#define HASHMILL_REPORT_RULE_H

#include "queue/queue.h"

/* An item's row when a report comes in. */
struct progress_row {
    enum item_state state;
    bool has_lease; /* lease is set */
    struct uuid lease;
    int64_t remaining;
    uint8_t chain[DIGEST_SIZE];
};

/* What a report does to its item. */
enum progress {
    PROGRESS_LOST,    /* refused: not the current lease, or a step back */
    PROGRESS_SAME,    /* equal to the row, nothing to renew: taken again without effect */
    PROGRESS_RENEW,   /* equal remaining: the lease is renewed */
    PROGRESS_ADVANCE, /* fewer remaining: the chain moves on, the lease is renewed */
    PROGRESS_DONE,    /* none remaining: this is the value */
    PROGRESS_RELEASE, /* given back, with or without progress */
    PROGRESS_FAULT    /* equal remaining but another chain: refused, one was computed wrongly */
};

/*
 * The rule of the whole queue (docs/design.md, "The one idea"): a report counts if and only if it
 * names the item's current lease, deadline passed or not, and does not step back. A waiting item
 * may still have a current lease: the one that lapsed last, until another is given.
 */
enum progress progress_of(const struct progress_row *row, const struct queue_report_item *report);

#endif
