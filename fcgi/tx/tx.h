#ifndef HASHMILL_BATCH_H
#define HASHMILL_BATCH_H

#include "batch_keys.h"
#include "batch_leases.h"
#include "batch_rows.h"
#include "postgres/pg_link.h"

/*
 * A batch of a node's one writer, as a transaction of PostgreSQL:
 *
 *     batch_begin(batch);
 *     ... notes in batch->wants what its operations need
 *     batch_read(batch)            one trip, seldom two
 *     ... operations change batch->rows and batch->leases; what one needs and nobody has noted it
 *         reads at once, by the same way
 *     batch_commit(batch, &counts) one trip
 *
 * After a failure of any of these nothing of the batch is done, but with PG_UNKNOWN: then
 * batch_resolve says what is, on a new connection. The fault is in batch->link->fault.
 */
enum { BATCH_CURSORS_MAX = 64, BATCH_LIMIT_MS = 8000 };

/* Rows in their order, read from somewhere on: items to lease of a home, or to pull of a client. */
struct batch_cursor {
    int64_t group;  /* the home, or the client */
    int64_t order;  /* read beyond this rank, or time, */
    struct uuid id; /* and id: at first a rank that nothing below waits at, or see batch_first */
    int32_t most;   /* rows to read at once, at least 1 */
    bool is_end;    /* there are no more */
};

/* Which items of done a cursor is for. */
enum batch_order { BATCH_LATEST, BATCH_OLDEST };

/* What is to be read. Each batch_read forgets the ids; the cursors are the caller's. */
struct batch_wants {
    bool has_keys; /* some of batch->keys are to be claimed */
    int locked_count;
    struct uuid locked[BATCH_ROWS_MAX]; /* items that may be changed */
    int seen_count;
    struct uuid seen[BATCH_ROWS_MAX]; /* items that are looked at */
    int lease_count;
    struct uuid leases[BATCH_LEASES_MAX]; /* leases whose rows and items may be changed */
    int cursor_count;
    struct {
        struct batch_cursor *cursor;
        int sql; /* of pg_sql.h */
        int answer;
    } cursors[BATCH_CURSORS_MAX];
};

/* What a node counts, saved with each batch. */
struct batch_counts {
    int64_t items[ITEM_STATES];
    int64_t remaining; /* over waiting and leased items */
    int64_t now;       /* of struct rank_clock */
    int64_t top;
};

struct batch {
    struct pg_link *link;
    struct batch_rows *rows; /* owned */
    struct batch_leases leases;
    struct batch_keys keys;
    struct batch_wants wants;
    struct pg_params params;
    int node;
    int64_t epoch;
    int64_t number;               /* of the last batch that is committed */
    char place[BATCH_PLACE_SIZE]; /* ctid of the node's row */
    bool is_replaced;             /* a batch was refused: another writer has the node */
    int lock;                     /* answer that says whether the node is ours; -1: it was seen */
};

/* A batch of a node, to be used for all that follow. NULL when memory is short. */
struct batch *batch_new(int node);
void batch_free(struct batch *batch);

/* Begins to write for the node, on a new connection: the writer of before, if there is one, is kept
 * out from now on. *counts gets what was saved. False after a failure. */
bool batch_enter(struct batch *batch, struct pg_link *link, struct batch_counts *counts);

/* What became of the last batch_commit. */
enum batch_outcome {
    BATCH_COMMITTED,
    BATCH_NOT_DONE,  /* it may be run again */
    BATCH_BEHIND,    /* nor is one that was acknowledged: the server has lost what it had */
    BATCH_REPLACED,  /* another writer has the node: nobody can say what became of the batch */
    BATCH_UNRESOLVED /* that could not be read */
};

/* Goes on on a new connection and tells what the server has of the last batch. The row of the node
 * is locked by whatever session still has the batch, so this waits for it, and nothing of the batch
 * comes later. Nothing of it is known here any more. To be called again when unresolved. */
enum batch_outcome batch_resolve(struct batch *batch, struct pg_link *link);

/* Begins a batch without rows. */
void batch_begin(struct batch *batch);

/* Note what is wanted. False without room: then the batch must be read or committed first. */
bool batch_want_locked(struct batch *batch, const struct uuid *id);
bool batch_want_seen(struct batch *batch, const struct uuid *id);
bool batch_want_lease(struct batch *batch, const struct uuid *lease);
bool batch_want_waiting(struct batch *batch, struct batch_cursor *home);
bool batch_want_done(struct batch *batch, struct batch_cursor *client, enum batch_order order);

/* Wants a key of an enqueue claimed, for which key->client, key, id, iterations, digest and at_ms
 * are set. After batch_read batch_keys_find tells of it. */
bool batch_want_key(struct batch *batch, const struct batch_key *key);

/* A cursor before all done items of a client, in an order. */
struct batch_cursor batch_first_done(int64_t client, enum batch_order order, int32_t most);

/* Reads what is wanted: rows and leases have it then, and every id is known, if only as absent.
 * False after a failure, PG_BUG when there is no room for the rows. */
bool batch_read(struct batch *batch);

/* Reads which leases are due, with their items, at most so many leases. *count gets how many. */
bool batch_read_due(struct batch *batch, int64_t clock_ms, int32_t most, int *count);

/* The row to lease next of a home, or to pull next of a client, with what this batch has changed;
 * reads on when that takes it. True with *row NULL: none is left. False after a failure. */
bool batch_next_waiting(struct batch *batch, struct batch_cursor *home, struct batch_row **row);
bool batch_next_done(struct batch *batch, struct batch_cursor *client, enum batch_order order,
                     struct batch_row **row);

/* Writes what was changed and commits. False after a failure; PG_AGAIN also when another node has
 * given a lease of the same id meanwhile, which the batch finds when it is run again. */
bool batch_commit(struct batch *batch, const struct batch_counts *counts);

/* Gives the batch up. */
void batch_give_up(struct batch *batch);

#endif
