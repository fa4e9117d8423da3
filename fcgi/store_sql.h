#ifndef HASHMILL_STORE_SQL_H
#define HASHMILL_STORE_SQL_H

/* What the files of the store share: store_open.c (opening), store.c (statements, batches),
 * store_wal.c (checkpoints), store_items.c, store_leases.c, store_workers.c and store_loans.c
 * (operations), store_retention.c. */

#include <sqlite3.h>

#include "rates.h"
#include "reported.h"
#include "sql.h"
#include "store.h"

/* The counts that are saved with each batch, and in memory only: what was done so far. */
struct counts {
    int64_t clock_ms; /* the queue clock of the batch */
    int64_t items[ITEM_STATES];
    int64_t remaining; /* over waiting and leased items */
    struct queue_work work;
};

/* The WAL and when it is to be copied into the database. */
struct wal {
    char path[SETTING_TEXT_SIZE + 8];
    uint64_t inode; /* 0 until known */
    int64_t file_bytes;
    int pages;        /* in use behind the last commit */
    int pages_next;   /* a checkpoint is due when so many are */
    int64_t retry_ms; /* steady time: a reader was in the way, due again then; else INT64_MAX */
    bool told_large;  /* it was said in the log that a reader is in the way, */
    bool told_full;   /* that enqueues are refused */
};

enum {
    STORE_BUSY_MS = 5000,
    WAL_LARGE_BYTES = 64 * 1024 * 1024 /* the WAL file is not left larger */
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
    int64_t opened_ms;          /* queue clock: when it was opened */
    int64_t wall_ms;            /* wall time of the batch */
    int64_t next_deadline_ms;   /* queue clock; a lower bound, INT64_MAX without leases */
    int64_t next_removal_ms; /* queue clock; when retention has something to do at the earliest */
    struct rates rates;
    struct wal wal;
    struct reported reported;
    int lock_fd; /* holds the flock on the database's lock file; -1 without */
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

enum { PULL_TAG_SIZE = 19 };

/* Notes that a worker was heard from. Its row's seq, 0 when that failed; *drain says whether its
 * machine is to go: then it is to be given nothing more. */
int64_t store_worker_seen(struct store *store, const struct queue_worker *worker, int32_t *drain);

/* The number that a one-row statement gives, which it ends; absent when it is NULL or fails. */
int64_t store_number(struct store *store, sqlite3_stmt *statement, int64_t absent);

/* Notes what a failed call of SQLite means for the batch under way; what names the call. */
void store_note(struct store *store, int code, const char *what);

/* SQLite's own log: it reports what its return codes may hide. */
void store_log(void *unused, int code, const char *text);

/* Prepares the WAL's bookkeeping; behind sql/open.sql, whose wal_autocheckpoint = 0 takes any hook
 * out. */
void store_wal_open(struct store *store);

/* Whether the WAL is the file that was opened: a removed one takes every fsync and keeps nothing.
 * False poisons the store. */
bool store_wal_in_place(struct store *store);

/* Whether a reader has made the WAL grow beyond WAL_MAX, which is said in the log: no item is
 * stored until it is empty again. */
bool store_wal_is_full(struct store *store);

/* A checkpoint at the end, as far as readers allow. */
void store_last_checkpoint(struct store *store);

/* The queue clock of the batch under way. */
static inline int64_t store_now_ms(const struct store *store) {
    return store->counts.clock_ms;
}

/* Whether a new machine of that name may be launched: there are fewer than WORKERS_MAX and loans
 * allow. OK (also for one that was saved before), CONFLICT, FAULT. */
enum queue_result store_may_launch(struct store *store, const char *name);

/* Notes that a peer has answered. False when that failed. */
bool store_heard_from(struct store *store, int node);

/* Notes that an item is pulled or cancelled by now: retention removes it some day. */
void store_note_closed(struct store *store, enum item_state state);

/* Keeps the counts true when an item goes from one state to another with so many remaining before
 * and after. Done, pulled and cancelled items do not count towards the sum of remaining. */
void store_count_move(struct store *store, enum item_state from, int64_t before, enum item_state to,
                      int64_t after);

#endif
