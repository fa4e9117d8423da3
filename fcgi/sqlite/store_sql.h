#ifndef HASHMILL_STORE_SQL_H
#define HASHMILL_STORE_SQL_H

/* Shared by the files of the store. Each uses only those before it: store_failures.c,
 * store_statements.c, store_counts.c, store_journal.c (what is kept for people); store_files.c,
 * store_reserve.c (room on the disk), store_wal.c (checkpoints), store_backup.c, store_record.c
 * (the log for the replica); store.c (the transaction); store_points.c; store_peers.c (the state of
 * the peer and its replica), store_items.c, store_leases.c, store_workers.c, store_loans.c,
 * store_hand_out.c, store_spread.c and store_pulls.c (operations), store_retention.c,
 * store_history.c; store_open.c; store_engine.c. A function of the engine, which is called from
 * outside, has the prefix sqlite_; the others have store_.
 */

#include <sqlite3.h>

#include "base/files.h"
#include "base/log_limit.h"
#include "log.h"
#include "metrics/metrics.h"
#include "queue/batch_log.h"
#include "queue/pull_tag.h"
#include "rows/changes.h"
#include "rows/enqueue_table.h"
#include "rows/report_table.h"
#include "sql.h"
#include "store/judge.h"
#include "store_engine.h"

/* Saved with each batch, beside the ledger. */
struct counts {
    int64_t clock_ms;          /* the queue clock of the batch */
    int64_t batch;             /* its number */
    int64_t paused;            /* bits of enum queue_part */
    int64_t backed_up_wall_ms; /* when the last backup was made; 0: never */
    uint8_t batch_check[BATCH_CHECK_SIZE];
    int64_t incomplete_wall_ms; /* since when the replica at the peer is; 0: it is complete */
};

/* Who has paused or resumed a part last. */
struct pauser {
    char who[QUEUE_NAME_SIZE];
    struct log_request request;
};

enum { QUEUE_DOUBTED_MAX = 16 };

/* State of the peer and its replica, in memory only. Times are steady. */
struct peer_state {
    int64_t acknowledged; /* the replica has all batches up to this one */
    bool proven;          /* the replica's check of that batch equals this database's */
    int32_t copying;      /* enum copy_state */
    int64_t level_ms;     /* when the replica last lacked nothing; 0: never */
    int64_t heard_ms;     /* last contact with the peer; -1: never */
    int machine_count;    /* machines of its own, as its last hello says; -1: it has said none */
    char machines[QUEUE_MACHINES_MAX][QUEUE_NAME_SIZE];
    struct {
        char name[QUEUE_NAME_SIZE]; /* of a machine with a good token that is not named, */
        int64_t since_ms;           /* since this time; "": the place is free */
    } doubted[QUEUE_DOUBTED_MAX];
    bool catching;  /* the replica is incomplete but close: answers wait for it again */
    int64_t caught; /* while catching: the replica is complete when it has this batch */
};

/* The parts of the WAL that are compared before a batch, as the last batch or checkpoint left them.
 */
struct wal_seen {
    int pages; /* in use then; -1: they could not be read; 0: start and last are empty */
    uint8_t start[32];
    uint8_t last[24]; /* the head of the last page's frame */
};

/* The WAL, and when to copy it into the database. */
struct wal {
    struct wal_seen seen;
    int pages;        /* in use after the last commit */
    int pages_next;   /* a checkpoint is due when this many are in use */
    int64_t retry_ms; /* steady time of the next try if a reader was in the way; else INT64_MAX */
    bool told_large;  /* the log says that a reader is in the way */
    bool told_full;   /* the log says that enqueues are refused */
};

enum { RESERVE_DATABASE, RESERVE_WAL, RESERVE_SHM, RESERVE_FILES };

/* Room on the disk, allocated before it is needed. */
struct reserve {
    int fd[RESERVE_FILES]; /* closed after SQLite has closed these files, or its locks would go */
    int64_t bytes;         /* the database's file is allocated up to here */
    int64_t retry_ms;      /* steady time of the next check while room is low */
    int chunk;             /* SQLite's SQLITE_FCNTL_CHUNK_SIZE */
    bool whole_wal;        /* the WAL is allocated as far as it grows without readers in the way */
    bool whole_shm;        /* the wal-index is allocated for somewhat more */
    bool checked;          /* in this batch */
    bool low;              /* there is not enough room */
};

enum {
    WAL_LARGE_BYTES = 64 * 1024 * 1024, /* a larger WAL file is truncated */
    DAY_MS = 24 * 3600 * 1000,
    WORKER_ALIVE_MS = 60 * 1000 /* a worker counts for so long after a call */
};

/* The minute that is counted. It begins and ends by the steady clock; the wall clock only names it.
 */
struct minute {
    int64_t at;       /* Unix time in seconds: the minute of the wall clock in which it began */
    int64_t since_ms; /* steady time: counted since */
    int64_t until_ms; /* steady time: it ends */
    struct queue_work work; /* ledger.saved.work when it began; */
    int64_t refused;        /* refusals_count then */
    int64_t oldest_wait_ms; /* the longest seen */
    int64_t looked_ms;      /* steady time of the last look at it */
};

struct sqlite_store {
    struct store base;
    const struct conf *conf;
    sqlite3 *database;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    enum store_state state;
    bool in_batch;
    int64_t changes_before; /* sqlite3_total_changes when the batch began */
    struct ledger ledger;
    struct counts counts;       /* with the batch under way */
    struct counts saved_counts; /* as committed */
    int64_t clock_offset_ms;    /* queue clock - steady time */
    int64_t opened_ms;          /* queue clock at the opening */
    int64_t restored_ms;        /* queue clock when it was taken from a copy; -1: never */
    struct queue_identity identity;
    int64_t wall_ms;          /* wall time of the batch */
    int64_t next_deadline_ms; /* queue clock; a lower bound, INT64_MAX without leases */
    int64_t next_removal_ms;  /* queue clock; the earliest time of retention's next work */
    struct pauser pausers[QUEUE_PARTS];
    struct files files;
    int64_t data_version; /* SQLite's, which changes when other connections commit */
    bool serving;         /* it was opened, and all its files are there */
    int64_t locked_ms;    /* steady time at which the log said that another program has the lock;
                             0: it has not */
    struct wal wal;
    struct reserve reserve;
    int64_t points_dropped_ms; /* steady time at which points made room */
    int64_t next_given_up_ms;  /* queue clock; a lower bound, INT64_MAX without open pulls */
    struct peer_state peer;
    struct minute minute;    /* that is counted for the history */
    int64_t thin_from;       /* Unix time in seconds: no minute before it is to become an hour */
    struct in_hand in_hand;  /* of what is leased; counted when it is wanted and not known */
    struct log_limit held;   /* of leases by who has enough in hand */
    int64_t lapsed;          /* items whose leases lapsed since the log said so, */
    int64_t lapsed_told_ms;  /* at this steady time */
    struct log_limit faults; /* of reports with another chain than is stored */
    int64_t quarantined;     /* identities in quarantine; -1: to be counted */
    struct changes changes;  /* of the batch under way, with a replica */
    struct record *record;   /* writes them to the log; NULL without a replica */
    struct enqueue_table enqueued; /* new items of the batch under way, before they are stored */
    bool one_by_one;               /* each is stored at once, until all of a batch are */
    struct report_table report_table;
    struct move report_moves[QUEUE_LEASE_MAX]; /* of the report_table.items that change */
    struct backup *backup;                     /* under way, or NULL; see store_backup.c */
    int lock_fd; /* holds the flock on the database's lock file; -1 without */
};

/* The struct of a store that sqlite_open has made. */
static inline struct sqlite_store *sqlite_of(const struct store *base) {
    return (struct sqlite_store *)base;
}

/* Resets a statement and binds its parameters ?1, ?2 ... by type letters:
 * i int64_t; u struct uuid *; d uint8_t[DIGEST_SIZE]; p uint8_t[PULL_TAG_SIZE];
 * c uint8_t[BATCH_CHECK_SIZE]; t const char *;
 * a NULL pointer binds NULL. It stores new items first (store_enqueued), so that no statement
 * misses them. NULL (and the state set) when that fails, or the statement cannot be prepared. */
sqlite3_stmt *store_bind(struct sqlite_store *store, enum sql sql, const char *types, ...);

/* Stores the items of store->enqueued. False after a failure. They count as stored already, so it
 * is one of the batch: STORE_AGAIN, or worse. Only with one_by_one it is one of the last item. */
bool store_write_enqueued(struct sqlite_store *store);

/* Steps a statement: SQLITE_ROW, SQLITE_DONE, or an error that was logged and has set the state. */
int store_step(struct sqlite_store *store, sqlite3_stmt *statement);

/* Binds and runs a statement that returns no row. False after a failure. */
#define store_run(store, sql, ...) store_finish(store, store_bind(store, sql, __VA_ARGS__))
bool store_finish(struct sqlite_store *store, sqlite3_stmt *statement);

/* Ends a statement that returned rows; none may stay open across operations. */
void store_end(sqlite3_stmt *statement);

/* Copies a blob column of exactly size bytes. False, with the state poisoned, for another size. */
bool store_blob(struct sqlite_store *store, sqlite3_stmt *statement, int column, void *to,
                int size);

/* Notes a call of a worker. *seq gets that of its row; *drain says whether its machine is to go:
 * then it must be given nothing more. OK; DENIED, its machine does not exist; DOWN, it may be a new
 * one of the other node; QUARANTINED; FAULT. */
enum queue_result store_worker_seen(struct sqlite_store *store, const struct queue_worker *worker,
                                    int64_t *seq, int32_t *drain);

/* Puts the identity of a worker into quarantine that reported what cannot be; said in the log. */
void store_quarantine_for(struct sqlite_store *store, const struct queue_worker *worker,
                          const struct queue_report_item *item, const struct progress_row *row);

/* The number that a one-row statement gives; absent when it is NULL or the statement fails. Ends
 * the statement. */
int64_t store_number(struct sqlite_store *store, sqlite3_stmt *statement, int64_t absent);

/* The state that sqlite_state gives. */
enum store_state store_state_of(const struct sqlite_store *store);

/* Sets the state after a failed call of SQLite; what names the call. */
void store_note(struct sqlite_store *store, int code, const char *what);

/* Gives up the batch under way: its counts cannot be trusted any more. */
void store_lose(struct sqlite_store *store);

/* Receives SQLite's own log, which reports what its return codes may hide. */
void store_log(void *unused, int code, const char *text);

/* Prepares the WAL's bookkeeping. Call it after the statement open, whose wal_autocheckpoint = 0
 * removes any hook. */
void store_wal_open(struct sqlite_store *store);

/* Makes SQLite report every errno that means "no room" (a quota, a limit on the size of files) as a
 * full disk, SQLITE_FULL. Call it before SQLite opens anything. */
void store_take_no_room_for_full(void);

/* Begins to watch the files, which must all exist. */
void store_files_open(struct sqlite_store *store);

/* Whether the files are those that were opened, with the content last written: an fsync of a
 * removed one succeeds and keeps nothing. Call it before anything is written. False, which is
 * logged, poisons the store. */
bool store_files_in_place(struct sqlite_store *store);

/* Note the files as they are now: the first after anything that writes to them, the second after a
 * commit, which writes to the WAL alone. */
void store_files_note(struct sqlite_store *store);
void store_files_note_commit(struct sqlite_store *store);

/* Log, once, which process keeps the store from writing, and that it does so no more. */
void store_tell_locked(struct sqlite_store *store);
void store_tell_unlocked(struct sqlite_store *store);

/* How long a batch or a start waits for another program's lock: short enough that the operations
 * which come meanwhile are answered in time, too. */
static inline int store_patience_ms(const struct sqlite_store *store) {
    return (int)store->conf->operation_seconds * 1000 / 4;
}

/* Begins to reserve room on the disk, which also succeeds on a full one; ends it, after the
 * database is closed. */
void store_reserve_open(struct sqlite_store *store);
void store_reserve_close(struct sqlite_store *store);

/* Whether there is room for the present items and one batch more; checked once in a batch, and
 * logged when it changes. If not, enqueues must be refused. */
bool store_reserve_holds(struct sqlite_store *store);
void store_reserve_new_batch(struct sqlite_store *store);

/* Allocates missing room and makes SQLite keep it. Call it before each checkpoint. */
void store_reserve_keep(struct sqlite_store *store);

/* Whether there is room as store_reserve_holds says. Without it points are removed, some at a time:
 * their room serves items. */
bool store_disk_has_room(struct sqlite_store *store);

/* Keep points of the present report, before it is applied, and of the lease that is to lapse.
 * Without room they keep none. False after a failure. */
bool store_points_note(struct sqlite_store *store, int64_t worker);
bool store_points_lapse(struct sqlite_store *store, int64_t now, const struct uuid *lease);

/* Notes that a checkpoint has truncated the WAL to nothing. */
void store_reserve_emptied_wal(struct sqlite_store *store);

/* Whether a reader has made the WAL grow beyond WAL_MAX, which is logged: no item is stored until
 * it is empty again. */
bool store_wal_is_full(struct sqlite_store *store);

/* Checkpoints at the start, and so learns the size of the WAL. False when the store cannot go on.
 */
bool store_first_checkpoint(struct sqlite_store *store);

/* Checkpoints at the end, as far as readers allow. False when that poisoned the store. */
bool store_last_checkpoint(struct sqlite_store *store);

/* The queue clock of the batch under way. */
static inline int64_t store_now_ms(const struct sqlite_store *store) {
    return store->counts.clock_ms;
}

/* store_journal.c. Each that saves is false after a failure.
 * store_save_decision saves a decision, for people to read, and prunes old ones. store_audit does
 * so with what an operator has done, about what and with how many items; store_audit_by_key only
 * if it has a key and there are items, and loses the batch if it cannot.
 * store_tell_paused logs what the batch under way has paused or resumed; store_tell_still_paused
 * what is paused at the start. */
bool store_save_decision(struct sqlite_store *store, const char *why);
bool store_audit(struct sqlite_store *store, const char *who, const char *what, const char *about,
                 int64_t items);
bool store_audit_by_key(struct sqlite_store *store, const char *who, const char *what,
                        const char *about, int64_t items);
bool store_is_paused(const struct sqlite_store *store, enum queue_part part);
void store_tell_paused(struct sqlite_store *store);
void store_tell_still_paused(const struct sqlite_store *store);

/* Whether a new machine of that name may be launched: fewer exist than WORKERS_MAX and loans allow.
 * OK (also for a name that was saved before), CONFLICT, FAULT. */
enum queue_result store_may_launch(struct sqlite_store *store, const char *name);

/* Notes that an item was pulled or cancelled now, so that retention removes it when it is due. */
void store_note_closed(struct sqlite_store *store, enum item_state state);

/* Counts items of a client as handed out for good, in the rates and for retention. */
void store_count_pulled(struct sqlite_store *store, int64_t client, int64_t items);

/* Counts the rows again, with a warning. False after a failure. */
bool store_recount(struct sqlite_store *store);

/* At the start: counts the rows again when there can be no queue with the counts that were saved.
 * False after a failure. */
bool store_check_counts(struct sqlite_store *store);

/* Runs a statement that changes items and returns the client of each, and counts them as going from
 * one state to another, or as gone with LEDGER_GONE. Returns their number; -1 after a failure: the
 * batch is lost then. */
int64_t store_change_items(struct sqlite_store *store, sqlite3_stmt *statement,
                           enum item_state from, int to);

/* The client of a name, which is added if it is not there. NULL after a failure. */
struct client *store_client_or_new(struct sqlite_store *store, const char *name);

/* Reads the clients, at the start. Saves those that the batch has changed. False after a failure.
 */
bool store_load_clients(struct sqlite_store *store);
bool store_save_clients(struct sqlite_store *store);

/* How many of so many items the identity of a worker may have in hand besides what it has: 0, which
 * the log says, when that is as much as it is seen to compute; -1 after a failure. */
int32_t store_in_hand_room(struct sqlite_store *store, const struct queue_worker *worker,
                           int32_t items);

/* Notes what an identity was seen to compute. */
void store_in_hand_worked(struct sqlite_store *store, const char *identity,
                          const struct in_hand_work *work);

/* Notes that a worker does not hold an item any more. False after a failure. */
bool store_in_hand_ended(struct sqlite_store *store, int64_t worker);

/* Runs a statement that has leased items wait again and returns the worker and client of each, and
 * counts them. Returns their number; -1 after a failure: the batch is lost then. */
int64_t store_take_back(struct sqlite_store *store, sqlite3_stmt *statement);

/* Reads an item's row; a damaged one poisons the store. */
bool store_read_item(struct sqlite_store *store, sqlite3_stmt *row, struct queue_item *item);

/* store_pulls.c and store_hand_out.c. Each is false after a failure.
 * store_select_done reads at most top done items of a client, in the order of the pull.
 * store_hand_out marks the selected items of the client as handed out under a tag (or NULL), at
 * closed_ms of the queue clock, or -1 while that is not final. With a tag it sorts the batch as
 * store_read_pulled gives it. store_read_pulled reads the items that have a tag. */
bool store_select_done(struct sqlite_store *store, const char *client, int top, int oldest,
                       struct queue_batch *batch);
bool store_hand_out(struct sqlite_store *store, const char *client, struct queue_batch *batch,
                    int oldest, const uint8_t *tag, int64_t closed_ms);
bool store_read_pulled(struct sqlite_store *store, const uint8_t *tag, int oldest,
                       struct queue_batch *batch);
/* store_spread.c, for store_pulls.c; key is the tag that pull_tag makes of the client's key.
 * store_spread_again finds the pull over both nodes for which the key was used before: OK with this
 * node's part in the batch, NONE, CONFLICT, FAULT.
 * store_spread_open opens one, without a key if that is NULL: OK with this node's part, FAULT. */
enum queue_result store_spread_again(struct sqlite_store *store, const struct queue_pull *pull,
                                     const uint8_t key[PULL_TAG_SIZE], struct queue_batch *batch);
enum queue_result store_spread_open(struct sqlite_store *store, const struct queue_pull *pull,
                                    const uint8_t *key, struct queue_batch *batch);

/* store_history.c. Begins to count a minute. */
void store_begin_minute(struct sqlite_store *store);

/* store_record.c. Prepares the recording of batches, if COPY feeds a replica. False when memory is
 * short. */
bool store_record_open(struct sqlite_store *store);
void store_record_close(struct sqlite_store *store);

/* Ends the recording of a batch, before its commit: writes its changes to the log and its check
 * into the database. False after a failure. */
bool store_record_end(struct sqlite_store *store);

/* Removes pulls that were closed at closed_ms or before; part of retention. False after a failure.
 */
bool store_remove_old_pulls(struct sqlite_store *store, int64_t closed_ms);

/* Removes reservations that were settled long ago; part of retention. Returns the queue clock at
 * which the next one is due; INT64_MAX when none is left. */
int64_t store_remove_old_reservations(struct sqlite_store *store);

/* Notes that a batch was rolled back, whereby the backup under way begins again. */
void store_backup_note_rollback(struct sqlite_store *store);

/* Reads the saved state of the peer, at the start. False after a failure. */
bool store_load_peer(struct sqlite_store *store);

/* Notes which database the peer has. OK; CONFLICT: a newer one was met before; FAULT. */
enum queue_result store_meet(struct sqlite_store *store, int32_t node,
                             const struct queue_identity *now);

/* Notes a contact with the peer. */
void store_heard_from(struct sqlite_store *store);

/* Notes the time if the replica lacks no batch that was committed before. Called by each commit and
 * with each acknowledgement. */
void store_note_level(struct sqlite_store *store);

/* Fills in the replication part of a tally. */
void store_tally_copying(const struct sqlite_store *store, struct queue_copying *copying);

#endif
