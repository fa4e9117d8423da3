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
    bool has_grant;     /* whether the next two mean anything */
    int64_t granted;    /* remaining when the lease was given, */
    int64_t elapsed_ms; /* which was this long ago */
    int64_t idle_ms;    /* since it last made progress under its lease */
};

/* The fastest known chain makes a tenth of this. */
enum { PROGRESS_LINKS_A_MS_MAX = 100000 };

/* What a report does to its item. */
enum progress {
    PROGRESS_LOST,       /* refused: not the current lease, or a step back */
    PROGRESS_SAME,       /* equal to the row, nothing to renew: taken again without effect */
    PROGRESS_RENEW,      /* equal remaining: the lease is renewed */
    PROGRESS_ADVANCE,    /* fewer remaining: the chain moves on, the lease is renewed */
    PROGRESS_DONE,       /* none remaining: this is the value */
    PROGRESS_RELEASE,    /* given back, with or without progress */
    PROGRESS_IDLE,       /* renewed for too long without progress: offered again, with a strike */
    PROGRESS_IMPOSSIBLE, /* more links since the lease was given than any machine computes; refused
                          */
    PROGRESS_FAULT       /* equal remaining but another chain: refused, one was computed wrongly */
};

/*
 * The rule of the whole queue (docs/design.md, "The one idea"): a report counts if and only if it
 * names the item's current lease, deadline passed or not, and does not step back. A waiting item
 * may still have a current lease: the one that lapsed last, until another is given.
 * A lease that is renewed without progress for more than idle_max_ms is at an end.
 */
enum progress progress_of(const struct progress_row *row, const struct queue_report_item *report,
                          int64_t idle_max_ms);

#endif
