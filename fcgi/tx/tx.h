#ifndef HASHMILL_TX_H
#define HASHMILL_TX_H

#include "postgres/pg_link.h"
#include "tx_keys.h"
#include "tx_leases.h"
#include "tx_rows.h"

/*
 * A batch of a node's one writer, as a transaction of PostgreSQL:
 *
 *     tx_begin(tx);
 *     ... notes in tx->wants what its operations need
 *     tx_read(tx)            one trip, seldom two
 *     ... operations change tx->rows and tx->leases; what one needs and nobody has noted it
 *         reads at once, by the same way
 *     tx_commit(tx, &counts) one trip
 *
 * After a failure of any of these nothing of the batch is done, but with PG_UNKNOWN: then
 * tx_resolve says what is, on a new connection. The fault is in tx->link->fault.
 */
enum { TX_CURSORS_MAX = 64, TX_LIMIT_MS = 8000 };

/* Rows in their order, read from somewhere on: items to lease of a home, or to pull of a client. */
struct tx_cursor {
    int64_t group;  /* the home, or the client */
    int64_t order;  /* read beyond this rank, or time, */
    struct uuid id; /* and id: at first a rank that nothing below waits at, or see tx_first */
    int32_t most;   /* rows to read at once, at least 1 */
    bool is_end;    /* there are no more */
};

/* Which items of done a cursor is for. */
enum tx_order { TX_LATEST, TX_OLDEST };

/* What is to be read. Each tx_read forgets the ids; the cursors are the caller's. */
struct tx_wants {
    bool has_keys; /* some of tx->keys are to be claimed */
    int locked_count;
    struct uuid locked[TX_ROWS_MAX]; /* items that may be changed */
    int seen_count;
    struct uuid seen[TX_ROWS_MAX]; /* items that are looked at */
    int lease_count;
    struct uuid leases[TX_LEASES_MAX]; /* leases whose rows and items may be changed */
    int cursor_count;
    struct {
        struct tx_cursor *cursor;
        int sql; /* of pg_sql.h */
        int answer;
    } cursors[TX_CURSORS_MAX];
};

/* What a node counts, saved with each batch. */
struct tx_counts {
    int64_t items[ITEM_STATES];
    int64_t remaining; /* over waiting and leased items */
    int64_t now;       /* of struct rank_clock */
    int64_t top;
};

struct tx {
    struct pg_link *link;
    struct tx_rows *rows; /* owned */
    struct tx_leases leases;
    struct tx_keys keys;
    struct tx_wants wants;
    struct pg_params params;
    int node;
    int64_t epoch;
    int64_t number;            /* of the last batch that is committed */
    char place[TX_PLACE_SIZE]; /* ctid of the node's row */
    bool is_replaced;          /* a batch was refused: another writer has the node */
    int lock;                  /* answer that says whether the node is ours; -1: it was seen */
};

/* A batch of a node, to be used for all that follow. NULL when memory is short. */
struct tx *tx_new(int node);
void tx_free(struct tx *tx);

/* Begins to write for the node, on a new connection: the writer of before, if there is one, is kept
 * out from now on. *counts gets what was saved. False after a failure. */
bool tx_enter(struct tx *tx, struct pg_link *link, struct tx_counts *counts);

/* What became of the last tx_commit. */
enum tx_outcome {
    TX_COMMITTED,
    TX_NOT_DONE,  /* it may be run again */
    TX_BEHIND,    /* nor is one that was acknowledged: the server has lost what it had */
    TX_REPLACED,  /* another writer has the node: nobody can say what became of the batch */
    TX_UNRESOLVED /* that could not be read */
};

/* Goes on on a new connection and tells what the server has of the last batch. The row of the node
 * is locked by whatever session still has the batch, so this waits for it, and nothing of the batch
 * comes later. Nothing of it is known here any more. To be called again when unresolved. */
enum tx_outcome tx_resolve(struct tx *tx, struct pg_link *link);

/* Begins a batch without rows. */
void tx_begin(struct tx *tx);

/* Note what is wanted. False without room: then the batch must be read or committed first. */
bool tx_want_locked(struct tx *tx, const struct uuid *id);
bool tx_want_seen(struct tx *tx, const struct uuid *id);
bool tx_want_lease(struct tx *tx, const struct uuid *lease);
bool tx_want_waiting(struct tx *tx, struct tx_cursor *home);
bool tx_want_done(struct tx *tx, struct tx_cursor *client, enum tx_order order);

/* Wants a key of an enqueue claimed, for which key->client, key, id, iterations, digest and at_ms
 * are set. After tx_read tx_keys_find tells of it. */
bool tx_want_key(struct tx *tx, const struct tx_key *key);

/* A cursor before all done items of a client, in an order. */
struct tx_cursor tx_first_done(int64_t client, enum tx_order order, int32_t most);

/* Reads what is wanted: rows and leases have it then, and every id is known, if only as absent.
 * False after a failure, PG_BUG when there is no room for the rows. */
bool tx_read(struct tx *tx);

/* Reads which leases are due, with their items, at most so many leases. *count gets how many. */
bool tx_read_due(struct tx *tx, int64_t clock_ms, int32_t most, int *count);

/* Reads the items that a pull of a batch before has handed out: rows has them then. */
bool tx_read_pulled(struct tx *tx, const uint8_t tag[PULL_TAG_SIZE]);

/* The row to lease next of a home, or to pull next of a client, with what this batch has changed;
 * reads on when that takes it. True with *row NULL: none is left. False after a failure. */
bool tx_next_waiting(struct tx *tx, struct tx_cursor *home, struct tx_row **row);
bool tx_next_done(struct tx *tx, struct tx_cursor *client, enum tx_order order,
                  struct tx_row **row);

/* Writes what was changed and commits. False after a failure; PG_AGAIN also when another node has
 * given a lease of the same id meanwhile, which the batch finds when it is run again. */
bool tx_commit(struct tx *tx, const struct tx_counts *counts);

/* Gives the batch up. */
void tx_give_up(struct tx *tx);

#endif
