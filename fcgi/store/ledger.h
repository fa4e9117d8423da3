#ifndef HASHMILL_LEDGER_H
#define HASHMILL_LEDGER_H

#include "base/conf.h"
#include "clients.h"
#include "metrics/metrics.h"
#include "queue/queue_fleet.h"
#include "rates.h"

/*
 * What a writer counts in memory, so that nobody has to count rows: the items of each state, those
 * of each client, the order of leasing, and the work done. An engine notes each change here when it
 * makes it, saves the counts with the batch, and ends that with ledger_keep or ledger_undo.
 */

/* No count of items, and no sum of what remains, goes beyond these: all sums stay far from the end
 * of int64_t. */
#define ITEMS_SUM_MAX (INT64_C(1) << 40)
#define REMAINING_SUM_MAX (INT64_C(1) << 62)

/* What is counted of all clients. */
struct ledger_counts {
    int64_t items[ITEM_STATES];
    int64_t remaining; /* over waiting and leased items */
    struct rank_clock rank;
    struct queue_work work; /* done since the start; never saved */
};

struct ledger {
    const struct conf *conf;
    struct ledger_counts counts; /* with the batch under way */
    struct ledger_counts saved;  /* as committed */
    bool is_part; /* other nodes count, too, and are heard of later: a count may be below nothing */
    struct client_counts elsewhere; /* of both: what they count */
    bool wrong; /* a change did not fit the counts: they must be made anew from the rows */
    struct clients clients;
    struct rates rates;
    struct metrics_work done; /* by the batch under way */
    int32_t retry_seconds;    /* after a refused enqueue: until there may be room for it */
};

/* A change of an item's state, with the links that remain before and after. */
struct move {
    int64_t client; /* its seq */
    enum item_state from;
    enum item_state to;
    int64_t before;
    int64_t after;
};

/* --- Changes. A client is named by its seq; of one that is not known, the counts are wrong. --- */

/* Counts a new item. */
void ledger_add(struct ledger *ledger, int64_t client, enum item_state state, int64_t remaining);

/* Counts an item that changes its state, and what was computed of it as work of its client. */
void ledger_move(struct ledger *ledger, const struct move *move);

/* Counts so many items that go from one state to another with the same links remaining. To
 * LEDGER_GONE they are removed. */
enum { LEDGER_GONE = ITEM_STATES };
void ledger_move_items(struct ledger *ledger, int64_t client, int64_t items, enum item_state from,
                       int to);

/* Counts so many items as handed out for good, in the rates. */
void ledger_pulled(struct ledger *ledger, int64_t client, int64_t items);

/* Counts an item that was found when all are counted again. */
void ledger_found(struct ledger *ledger, int64_t client, int64_t state, int64_t remaining);

/* Counts nothing, before all are counted again. */
void ledger_forget(struct ledger *ledger);

/* Whether the counts of the clients add up to those of all. */
bool ledger_adds_up(const struct ledger *ledger);

/* --- Batches --- */

/* Begins a batch: nothing is done by it yet. */
void ledger_begin(struct ledger *ledger);

/* Ends a batch that was committed: adds its work to the rates and to the metrics. */
void ledger_keep(struct ledger *ledger);

/* Ends a batch that was rolled back or only read. */
void ledger_undo(struct ledger *ledger);

/* Takes up what other nodes count of all, or of a client, since it was last heard of; between two
 * batches. */
void ledger_hear(struct ledger *ledger, const struct client_counts *elsewhere);
void ledger_hear_of(struct client *client, const struct client_counts *elsewhere);

/* --- Questions --- */

/* Items that are not handed out nor cancelled. */
int64_t ledger_open(const int64_t items[ITEM_STATES]);

/* How much of its quotas a client uses. */
void ledger_left(struct ledger *ledger, const char *name, const struct queue_quota *quota,
                 struct queue_left *left);

/* The counts and rates of one client; nothing of the node's. */
void ledger_tally_client(const struct ledger *ledger, const char *name, struct queue_tally *tally);

/* The counts and rates of all. */
void ledger_tally(const struct ledger *ledger, struct queue_tally *tally);

/* Whether a client has an item that is done. */
bool ledger_has_done(const struct ledger *ledger, const char *client);

/* See store_newly_done. */
const char *ledger_newly_done(const struct ledger *ledger, int *next, int64_t *items);

#endif
