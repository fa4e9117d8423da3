#ifndef HASHMILL_STORE_SQL_H
#define HASHMILL_STORE_SQL_H

/* What the files of the store share. Each uses those before it only: changes.c (what SQLite says of
 * rows that change), store_failures.c, store_statements.c, store_counts.c; store_files.c,
 * store_reserve.c (room on the disk), store_wal.c (checkpoints), store_backup.c, store_record.c
 * (what a batch has changed, for the replica); store.c (the transaction); store_peers.c (what is
 * known of the peer), store_items.c, store_leases.c, store_workers.c, store_loans.c,
 * store_machines.c, store_hand_out.c, store_spread.c and store_pulls.c (operations),
 * store_retention.c; store_open.c.
 */

#include <sqlite3.h>

#include "base/files.h"
#include "changes.h"
#include "queue/batch_log.h"
#include "report_table.h"
#include "sql.h"
#include "store/rates.h"
#include "store/store.h"

/* What is saved with each batch, and in memory only: what was done so far. */
struct counts {
    int64_t clock_ms; /* the queue clock of the batch */
    int64_t items[ITEM_STATES];
    int64_t remaining; /* over waiting and leased items */
    int64_t batch;     /* its number */
    uint8_t batch_check[BATCH_CHECK_SIZE];
    int64_t incomplete_wall_ms; /* since when the replica at the peer is; 0: it is complete */
    struct queue_work work;
};

/* What is known of the peer, in memory only. Times are steady. */
struct peer_state {
    int64_t acknowledged; /* the replica has all batches up to this one, */
    bool proven;          /* and its check is known to be that of this database */
    int32_t copying;      /* enum copy_state */
    int64_t level_ms;     /* when it had all there were; 0: never */
    int64_t heard_ms;     /* when the peer answered last; -1: never */
    bool catching;        /* the replica is incomplete but close: answers wait for it again, */
    int64_t caught;       /* and it is complete when it has this batch */
};

/* What of the WAL was seen behind the last batch or checkpoint, to be found again. */
struct wal_seen {
    int pages; /* in use then, -1 when they could not be read, 0: the rest is empty */
    uint8_t start[32];
    uint8_t last[24]; /* the head of the last page's frame */
};

/* The WAL and when it is to be copied into the database. */
struct wal {
    struct wal_seen seen;
    int pages;        /* in use behind the last commit */
    int pages_next;   /* a checkpoint is due when so many are */
    int64_t retry_ms; /* steady time: a reader was in the way, due again then; else INT64_MAX */
    bool told_large;  /* it was said in the log that a reader is in the way, */
    bool told_full;   /* that enqueues are refused */
};

enum { RESERVE_DATABASE, RESERVE_WAL, RESERVE_SHM, RESERVE_FILES };

/* Room on the disk that is taken before it is needed. */
struct reserve {
    int fd[RESERVE_FILES]; /* closed when SQLite has closed these files: else its locks would go */
    int64_t bytes;         /* the database's file is allocated up to here */
    int64_t retry_ms;      /* steady time: not looked at again before, while it is low */
    int chunk;             /* as SQLite was told */
    bool whole_wal;        /* the WAL is, up to where it ever goes without readers in the way */
    bool whole_shm;        /* the wal-index is, up to somewhat more */
    bool checked;          /* in this batch */
    bool low;              /* there is not enough */
};

enum {
    WAL_LARGE_BYTES = 64 * 1024 * 1024, /* the WAL file is not left larger */
    DAY_MS = 24 * 3600 * 1000
};

/* An item goes from one state to another, with the links that remain before and after. */
struct move {
    enum item_state from;
    enum item_state to;
    int64_t before;
    int64_t after;
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
    int64_t restored_ms;        /* the same: when it was taken from a copy; -1: never */
    struct queue_identity identity;
    int64_t wall_ms;          /* wall time of the batch */
    int64_t next_deadline_ms; /* queue clock; a lower bound, INT64_MAX without leases */
    int64_t next_removal_ms;  /* queue clock; when retention has something to do at the earliest */
    int32_t retry_seconds;    /* when an enqueue was refused: until there may be room for it */
    struct rates rates;
    struct files files;
    int64_t data_version; /* SQLite's, which other connections change */
    bool serving;         /* it was opened, and all its files are there */
    int64_t locked_ms;    /* steady time: the log said that another program has its lock; or 0 */
    struct wal wal;
    struct reserve reserve;
    int64_t next_given_up_ms; /* queue clock; a lower bound, INT64_MAX without open pulls */
    struct peer_state peer;
    struct changes changes; /* of the batch under way, when there is a replica */
    struct record *record;  /* where they are kept; NULL: there is none */
    struct report_table report_table;
    struct move report_moves[QUEUE_LEASE_MAX]; /* of report_table.items that are to be changed */
    struct backup *backup;                     /* under way, or NULL; see store_backup.c */
    int lock_fd; /* holds the flock on the database's lock file; -1 without */
};

/* Resets a statement and binds its parameters ?1, ?2 ... by type letters:
 * i int64_t; u struct uuid *; d uint8_t[DIGEST_SIZE]; p uint8_t[PULL_TAG_SIZE];
 * c uint8_t[BATCH_CHECK_SIZE]; t const char *;
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

/* The number that a one-row statement gives, which it ends; absent when it is NULL or fails. */
int64_t store_number(struct store *store, sqlite3_stmt *statement, int64_t absent);

/* Notes what a failed call of SQLite means for the batch under way; what names the call. */
void store_note(struct store *store, int code, const char *what);

/* Gives the batch under way up: its counts cannot be told any more. */
void store_lose(struct store *store);

/* SQLite's own log: it reports what its return codes may hide. */
void store_log(void *unused, int code, const char *text);

/* Prepares the WAL's bookkeeping; behind the statement open, whose wal_autocheckpoint = 0 takes any
 * hook out. */
void store_wal_open(struct store *store);

/* Before SQLite opens anything: has it take every errno that means "no room" (a quota, a limit on
 * the size of files) for a full disk, as SQLITE_FULL. */
void store_take_no_room_for_full(void);

/* Begins to watch the files, which are all there. */
void store_files_open(struct store *store);

/* Whether the files are those that were opened, with what was last written: a removed one takes
 * every fsync and keeps nothing. To be asked before anything is written. False, which is said in
 * the log, poisons the store. */
bool store_files_in_place(struct store *store);

/* Notes what the files are now, behind everything that writes to them; behind a commit, which
 * writes to the WAL alone, what that is. */
void store_files_note(struct store *store);
void store_files_note_commit(struct store *store);

/* Says in the log, once, which process keeps the store from writing; and that it does no more. */
void store_tell_locked(struct store *store);
void store_tell_unlocked(struct store *store);

/* How long a batch or a start waits for another program's lock: so short that the operations which
 * come meanwhile are answered in time, too. */
static inline int store_patience_ms(const struct store *store) {
    return (int)store->conf->operation_seconds * 1000 / 4;
}

/* Begins to keep room on the disk, which a full one does not prevent; ends it, when the database is
 * closed. */
void store_reserve_open(struct store *store);
void store_reserve_close(struct store *store);

/* Whether there is room for the items that are here and one batch more, looked at once in a batch;
 * said in the log when that changes. If not, nothing is stored that comes again. */
bool store_reserve_holds(struct store *store);
void store_reserve_new_batch(struct store *store);

/* Before each checkpoint: takes what is missing, and sees to it that SQLite keeps it. */
void store_reserve_keep(struct store *store);

/* A checkpoint has cut the WAL to nothing. */
void store_reserve_emptied_wal(struct store *store);

/* Whether a reader has made the WAL grow beyond WAL_MAX, which is said in the log: no item is
 * stored until it is empty again. */
bool store_wal_is_full(struct store *store);

/* A checkpoint at the start, which also tells how large the WAL is. False when the store cannot go
 * on. */
bool store_first_checkpoint(struct store *store);

/* A checkpoint at the end, as far as readers allow. False when it has poisoned the store. */
bool store_last_checkpoint(struct store *store);

/* The queue clock of the batch under way. */
static inline int64_t store_now_ms(const struct store *store) {
    return store->counts.clock_ms;
}

/* Keeps a decision, for people to read; the latest ones are kept. */
bool store_save_decision(struct store *store, const char *why);

/* Whether a new machine of that name may be launched: there are fewer than WORKERS_MAX and loans
 * allow. OK (also for one that was saved before), CONFLICT, FAULT. */
enum queue_result store_may_launch(struct store *store, const char *name);

/* Notes that an item is pulled or cancelled by now: retention removes it some day. */
void store_note_closed(struct store *store, enum item_state state);

/* Keeps the counts true when an item goes on. */
void store_count_move(struct store *store, const struct move *move);

/* The same for a number of items that go from one state to another with the same links remaining.
 */
void store_count_all(struct store *store, int64_t items, enum item_state from, enum item_state to);

/* Runs a statement that changes items and takes all that it has changed from one state to another
 * in the counts. How many they are; -1 when it failed, and the batch is lost. */
int64_t store_change_items(struct store *store, sqlite3_stmt *statement, enum item_state from,
                           enum item_state to);

/* The order of leasing of an item that comes now. */
int64_t store_rank(const struct store *store, int64_t iterations);

/* Whether so much more may remain: all sums stay far from the end of int64_t. */
bool store_has_room_for(const struct store *store, int64_t remaining);

/* Reads an item's row; a damaged one poisons the store. */
bool store_read_item(struct store *store, sqlite3_stmt *row, struct queue_item *item);

/* store_pulls.c, for store_spread.c. Makes the tag of a keyed pull; selects done items, at most
 * top, in the order of the pull; marks those that were selected as handed out under a tag (or
 * NULL), at this clock, or -1 while that is not final, and lists those of a tag in the order in
 * which they are when they are asked for again; reads what has a tag. Each false after a failure.
 */
bool store_pull_tag(uint8_t tag[PULL_TAG_SIZE], const struct queue_pull *pull);
bool store_select_done(struct store *store, int top, int oldest, struct queue_batch *batch);
bool store_hand_out(struct store *store, struct queue_batch *batch, int oldest, const uint8_t *tag,
                    int64_t closed_ms);
bool store_read_pulled(struct store *store, const uint8_t *tag, int oldest,
                       struct queue_batch *batch);
/* The least and the greatest tag of a key. */
struct tag_range {
    uint8_t low[PULL_TAG_SIZE];
    uint8_t high[PULL_TAG_SIZE];
};
struct tag_range store_tags_of_key(const uint8_t tag[PULL_TAG_SIZE]);

/* store_spread.c, for store_pulls.c. The pull over both nodes that a key was used for, by what
 * store_pull_tag makes of it: OK with this node's part in the batch, NONE, CONFLICT, FAULT. Opens
 * one, with that or NULL: OK with this node's part, FAULT. */
enum queue_result store_spread_again(struct store *store, const struct queue_pull *pull,
                                     const uint8_t key[PULL_TAG_SIZE], struct queue_batch *batch);
enum queue_result store_spread_open(struct store *store, const struct queue_pull *pull,
                                    const uint8_t *key, struct queue_batch *batch);

/* store_record.c. Opens what records batches, if there is a replica to be fed. False when memory is
 * short. */
bool store_record_open(struct store *store);
void store_record_close(struct store *store);

/* The end of a batch: what was changed goes to the log, and its check into the database, before the
 * commit. False after a failure. */
bool store_record_end(struct store *store);

/* Forgets pulls that were closed before closed_ms; part of retention. */
bool store_remove_old_pulls(struct store *store, int64_t closed_ms);

/* Forgets reservations that were settled long ago; part of retention. The queue clock at which the
 * next one is due; INT64_MAX when none is left. */
int64_t store_remove_old_reservations(struct store *store);

/* A batch was rolled back, and with that the backup under way begins again. */
void store_backup_note_rollback(struct store *store);

/* Reads what is known of the peer at the start. */
bool store_load_peer(struct store *store);

/* Notes which database the peer has; CONFLICT when a newer one was met before. OK, CONFLICT, FAULT.
 */
enum queue_result store_meet(struct store *store, int32_t node, const struct queue_identity *now);

/* Notes that the peer has answered now: it is there. */
void store_heard_from(struct store *store);

/* Notes the time when the replica lacks nothing: so at each commit, before it, and when that is
 * told. */
void store_note_level(struct store *store);

/* Adds to a tally how the replica fares. */
void store_tally_copying(const struct store *store, struct queue_copying *copying);

#endif
