#ifndef HASHMILL_PG_STORE_H
#define HASHMILL_PG_STORE_H

/* Shared by the files of the store on PostgreSQL: pg_faults.c, pg_clients.c, pg_batches.c,
 * pg_open.c, pg_items.c, pg_pulls.c, pg_operators.c, pg_workers.c, pg_leases.c, pg_reports.c. A
 * function that is called from outside has the prefix postgres_ (pg_engine.h), the others have
 * pg_store_. */

#include "pg_engine.h"
#include "postgres/pg_server.h"
#include "store/judge.h"
#include "tx/tx.h"

enum {
    PG_HOMES_MAX = 256, /* of nodes */
    PG_SEEN_MAX = 64    /* workers of one batch that are known without asking again */
};

/* The items to lease of a node. */
struct pg_home {
    struct tx_cursor cursor; /* of the batch under way */
    int64_t rank;            /* at most this, with this id, or less: none of its items waits, */
    struct uuid id;          /* but for what others put back; -1: nothing is known */
};

struct pg_store {
    struct store base;
    const struct conf *conf;
    struct pg_server server;
    struct tx *tx;
    struct pg_link *link; /* NULL without a connection */
    enum store_state state;
    bool in_batch;
    bool is_changed; /* the batch under way changes something */
    int reruns;      /* batches in a row that were to be run again */
    struct ledger ledger;
    int64_t clock_ms;        /* queue clock of the batch */
    int64_t wall_ms;         /* wall time of the batch */
    int64_t clock_offset_ms; /* queue clock - steady time */
    int64_t tick_ms;         /* steady time at which the clock is to be compared */
    int32_t paused;          /* bits of enum queue_part; some operator's word, at whatever node */
    struct log_limit faults; /* of the server */
    int home_count;
    struct pg_home homes[PG_HOMES_MAX]; /* the first is this node's */
    bool is_dry;              /* nothing was found to lease: not worth a look until the next tick */
    int64_t next_deadline_ms; /* queue clock: no lease lapses before; INT64_MAX without leases */
    struct in_hand in_hand;   /* of what is leased; counted when it is wanted and not known, */
    int64_t in_hand_ms;       /* and again at this steady time: other nodes lease, too */
    struct log_limit held;    /* of leases by who has enough in hand */
    struct log_limit reports; /* with another chain than is stored */
    int seen_count;
    struct {
        char identity[QUEUE_NAME_SIZE];
        char name[QUEUE_NAME_SIZE];
        int64_t seq;
    } seen[PG_SEEN_MAX]; /* workers, by the batch under way */
};

/* The struct of a store that pg_store_open has made. */
static inline struct pg_store *pg_store_of(const struct store *base) {
    return (struct pg_store *)base;
}

/* The queue clock of the batch under way. */
static inline int64_t pg_store_now_ms(const struct pg_store *store) {
    return store->clock_ms;
}

/* --- pg_faults.c --- */

/* Sets the state after a failure of the link, which is logged; what says what was done. */
void pg_store_fault(struct pg_store *store, const char *what);

/* Gives up the batch under way: what is in memory does not fit the database. */
void pg_store_lose(struct pg_store *store);

/* Reads what is wanted by the batch. False after a failure: the state says of what kind. */
bool pg_store_read(struct pg_store *store);

/* The row of an item, to be changed, or with seen only to be shown. OK; NONE, there is no such
 * item; FAULT. */
enum queue_result pg_store_item(struct pg_store *store, const struct uuid *id, bool seen,
                                struct tx_row **row);

/* What callers see of an item. */
void pg_store_show(const struct item_row *row, struct queue_item *item);

/* --- pg_clients.c --- */

/* Reads all clients, at the start. False after a failure. */
bool pg_store_load_clients(struct pg_store *store);

/* The client of a name; *client is NULL when nobody of that name ever had an item. With is_new it
 * is added then. False after a failure. */
bool pg_store_client(struct pg_store *store, const char *name, bool is_new, struct client **client);

/* The client of a number that an item has. False after a failure. */
bool pg_store_client_at(struct pg_store *store, int64_t seq, struct client **client);

/* Takes up what other nodes count by now, between two batches. False after a failure. */
bool pg_store_hear(struct pg_store *store);

/* Adds what was changed of clients to the commit. */
void pg_store_save_clients(struct pg_store *store);

/* --- pg_workers.c --- */

/* Notes a call of a worker. *seq gets its number. OK, QUARANTINED, FAULT; DENIED for one of a
 * machine, which no node launches yet. */
enum queue_result pg_store_worker_seen(struct pg_store *store, const struct queue_worker *worker,
                                       int64_t *seq);

/* Whether two workers have the same credential: one by its number, which an item or a lease has.
 * OK, NONE, FAULT. */
enum queue_result pg_store_is_same(struct pg_store *store, int64_t seq,
                                   const struct queue_worker *worker);

/* How many of so many items the identity of a worker may have in hand besides what it has: 0, which
 * the log says, when that is as much as it is seen to compute; -1 after a failure. */
int32_t pg_store_in_hand_room(struct pg_store *store, const struct queue_worker *worker,
                              int32_t items);

/* Notes that a worker, by its number, does not hold an item any more. False after a failure. */
bool pg_store_ended(struct pg_store *store, int64_t worker);

/* The span of LEASE_SECONDS that in_hand.h counts in. */
int64_t pg_store_span(const struct pg_store *store);

/* --- pg_operators.c --- */

/* Keeps what an operator has done, about what and with how many items; only if it has a key and
 * there are items. False after a failure. */
bool pg_store_audit_by_key(struct pg_store *store, const char *who, const char *what,
                           const char *about, int64_t items);

/* --- pg_leases.c --- */

/* When a lease lapses that is given or renewed now. */
int64_t pg_store_new_deadline(struct pg_store *store);

/* How an item waits again. */
struct pg_waiting {
    int64_t since_ms; /* queue clock */
    bool is_over;     /* it is no item of its lease any more: a late report does not count */
    bool strike;      /* nobody made progress with it */
};

/* Makes a leased item wait again. False after a failure. */
bool pg_store_put_back(struct pg_store *store, struct tx_row *row,
                       const struct pg_waiting *waiting);

/* Notes that an item waits that did not: it is to be found. */
void pg_store_note_waiting(struct pg_store *store, const struct item_row *item);

/* Begins and ends a batch for what is to be leased; commits is false when it was rolled back. */
void pg_store_begin_homes(struct pg_store *store);
void pg_store_end_homes(struct pg_store *store, bool commits);

/* Reads which other nodes there are, and when the next lease lapses. False after a failure. */
bool pg_store_look_around(struct pg_store *store);

/* --- pg_batches.c --- */

/* Connects and enters as the one writer of the node, and starts the clock. False after a failure:
 * the fault is in store->server.fault or in the link's. */
bool pg_store_enter(struct pg_store *store);

#endif
