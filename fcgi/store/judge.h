#ifndef HASHMILL_JUDGE_H
#define HASHMILL_JUDGE_H

#include "base/log_limit.h"
#include "in_hand.h"
#include "ledger.h"
#include "report_rule.h"

/* What becomes of the items of a report, by the rule of report_rule.h. The engine reads their rows,
 * asks here about each, and makes the changes. */

/* A lease that is renewed for longer than this without progress is at an end. */
int64_t judge_idle_max_ms(int64_t lease_seconds);

/* What is known of a report so far. All zeros to begin with. */
struct judge {
    struct in_hand_work work; /* of what was taken, */
    int32_t in_hand;          /* and how many items its identity has in hand more */
    bool results;             /* some items are done, */
    bool others;              /* others change without being done */
    bool on_way;              /* some, not done, have moved on or are given back */
};

/* What becomes of an item. */
struct judged {
    bool taken;         /* as the worker is told */
    bool changes;       /* the row: to this state, */
    enum item_state to; /* which is done, leased or waiting, */
    bool strike;        /* with a strike */
};

/* Whether an item is refused: it is lost, or its report is wrong. */
bool judge_refuses(enum progress progress);

/* Whether an item that has lapsed would be leased again by this, which counts among those that its
 * identity has in hand from then on. */
bool judge_takes_up(const struct progress_row *row, enum progress progress);

/* Judges an item that is not refused. may_hold: an item that is taken up may be, too; otherwise it
 * waits for another worker, and what was computed of it stays. */
struct judged judge_item(struct judge *judge, const struct progress_row *row,
                         const struct queue_report_item *item, enum progress progress,
                         bool may_hold);

/* The end of the longest run of a report's items, from first on, in which no id comes twice: the
 * effect of the second depends on that of the first. */
int judge_end_of_run(const struct queue_report *report, int first);

/* Logs, at a pace, that a worker reports another chain for the same link. It is refused, and an
 * operator must know. */
void judge_log_fault(struct log_limit *limit, const struct queue_report_item *item,
                     const struct queue_worker *worker);

/* The quarantine of the identity of a worker that reported what cannot be; and says so in the log,
 * once it has begun. */
struct queue_quarantine judge_quarantine(const struct queue_worker *worker,
                                         const struct queue_report_item *item,
                                         const struct progress_row *row);
void judge_log_quarantine(const struct queue_quarantine *quarantine);

#endif
