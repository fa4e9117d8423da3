#ifndef HASHMILL_PG_STORE_H
#define HASHMILL_PG_STORE_H

/* Shared by the files of the store on PostgreSQL: pg_faults.c, pg_clients.c, pg_batches.c,
 * pg_open.c, pg_items.c, pg_pulls.c. A function that is called from outside has the prefix
 * postgres_ (pg_engine.h), the others have pg_store_. */

#include "pg_engine.h"
#include "postgres/pg_server.h"
#include "store/ledger.h"
#include "tx/tx.h"

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
    struct log_limit faults;
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

/* --- pg_batches.c --- */

/* Connects and enters as the one writer of the node, and starts the clock. False after a failure:
 * the fault is in store->server.fault or in the link's. */
bool pg_store_enter(struct pg_store *store);

#endif
