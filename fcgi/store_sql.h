#ifndef HASHMILL_STORE_SQL_H
#define HASHMILL_STORE_SQL_H

/* What store.c (opening, batches, checkpoints), store_items.c and store_workers.c (operations)
 * share: the store itself and the way in which a statement of sql/ is run. */

#include <sqlite3.h>

#include "sql.h"
#include "store.h"

/* The counts that are saved with each batch. */
struct counts {
    int64_t clock_ms; /* the queue clock of the batch */
    int64_t items[ITEM_STATES];
    int64_t remaining; /* over waiting and leased items */
};

struct store {
    const struct conf *conf;
    sqlite3 *database;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    enum store_state state;
    bool in_batch;
    int64_t changes_before;     /* sqlite3_total_changes when the batch began */
    struct counts counts;       /* with the batch under way */
    struct counts saved_counts; /* as committed */
    int64_t clock_offset_ms;    /* queue clock - steady time */
    int64_t wall_ms;            /* wall time of the batch */
    int64_t next_deadline_ms;   /* queue clock; a lower bound, INT64_MAX without leases */
    int wal_pages;              /* in the WAL after the last commit */
    int wal_pages_next;         /* the WAL is due for a checkpoint when it has so many */
    char wal_path[SETTING_TEXT_SIZE + 8];
    uint64_t wal_inode; /* 0 until known */
    int lock_fd;        /* holds the flock on the database's lock file; -1 without */
};

/* Resets a statement and binds its parameters ?1, ?2 ... by type letters:
 * i int64_t; u struct uuid *; d uint8_t[DIGEST_SIZE]; p uint8_t[PULL_TAG_SIZE]; t const char *;
 * a NULL pointer binds NULL. NULL (and the state set) when it cannot be prepared. */
sqlite3_stmt *store_bind(struct store *store, enum sql sql, const char *types, ...);

/* Steps a statement: SQLITE_ROW, SQLITE_DONE, or an error that was logged and has set the state. */
int store_step(struct store *store, sqlite3_stmt *statement);

/* Binds and runs a statement that returns no row. Whether it went well. */
#define store_run(store, sql, ...) store_finish(store, store_bind(store, sql, __VA_ARGS__))
bool store_finish(struct store *store, sqlite3_stmt *statement);

/* Ends a statement that returned rows; none may stay open across operations. */
void store_end(sqlite3_stmt *statement);

/* Copies a blob column of exactly size bytes. False (and the state poisoned) when it is not. */
bool store_blob(struct store *store, sqlite3_stmt *statement, int column, void *to, int size);

/* Notes that a worker was heard from. Its row's seq, 0 when that failed; *drain says whether its
 * machine is to go: then it is to be given nothing more. */
int64_t store_worker_seen(struct store *store, const struct queue_worker *worker, int32_t *drain);

enum { PULL_TAG_SIZE = 19 };

#endif
