#ifndef HASHMILL_ADMISSION_H
#define HASHMILL_ADMISSION_H

#include "ledger.h"

/* Whether an item may be enqueued, by the quotas of its client and the limits of the queue, and
 * what it counts for in the order of leasing. The disk, keys and pauses are the engine's. */

/* Whether a client (NULL: it never had an item) may enqueue this: OK, TOO_LONG, OVER_RATE,
 * OVER_ITEMS, OVER_WORK by its quotas; FULL by the limits of the queue. If not, notes in
 * ledger->retry_seconds when it may. */
enum queue_result admit_by_quota(struct ledger *ledger, struct client *client,
                                 const struct queue_enqueue *item);
enum queue_result admit_by_room(struct ledger *ledger, const struct queue_enqueue *item);

/* The rank of a new item of a client that begins to wait now (clock_ms, queue clock), and charges
 * its client for it; 0 for an item that is done at once. It is not counted yet. */
int64_t admit_rank(struct ledger *ledger, struct client *client, const struct queue_enqueue *item,
                   int64_t clock_ms);

/* Counts an item that is stored, and takes it from what its client may enqueue by its rate. */
void admit_count(struct ledger *ledger, struct client *client, const struct queue_enqueue *item);

/* The state of a new item. */
enum item_state admit_state(const struct queue_enqueue *item);

/* An item that is cancelled while it waits or is leased. */
struct cancelled_item {
    int64_t client; /* its seq */
    enum item_state state;
    int64_t iterations;
    int64_t remaining;
    int64_t since_ms; /* queue clock: since when it waits */
};

/* Counts it as cancelled, and gives its client the share back that it took. */
void admit_cancelled(struct ledger *ledger, const struct cancelled_item *item);

#endif
