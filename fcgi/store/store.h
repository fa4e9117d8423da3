#ifndef HASHMILL_STORE_H
#define HASHMILL_STORE_H

/*
 * The database as its one writer sees it. Operations are applied in batches:
 *
 *     store_begin ... any number of operations ... store_commit
 *
 * and none of their answers may leave the process before store_commit has succeeded. An operation
 * that fails has no effect and leaves the rest of its batch alone, unless store_state says that the
 * whole batch is gone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "queue/pages.h"
#include "queue/queue_fleet.h"
#include "queue/queue_operators.h"
#include "queue/queue_peers.h"

struct store;

/* The state of the batch under way. */
enum store_state {
    STORE_GOOD,
    STORE_DISK_FULL, /* the batch was rolled back: no room on disk; the store goes on */
    STORE_AGAIN,     /* the batch was rolled back, as one of its items cannot be stored: in another
                        attempt that one fails alone */
    STORE_LOST,      /* the batch was rolled back for another reason; the store goes on */
    STORE_UNSURE,    /* only a new start can tell whether the batch was committed, or memory ran
                        out: answer nobody OK and exit with EXIT_TEMPORARY */
    STORE_POISONED   /* a write or an fsync failed, or the file is damaged: the content of the disk
                        is unknown. Answer nobody OK, exit with EXIT_UNSAFE, never try again */
};

/* Opens the database, which must exist, migrates its schema, and takes its lock file for the life
 * of the process. conf gives the path and the limits and must outlive the store. NULL, with the
 * code to exit with (enum exit_code), after logging why. */
struct store *store_open(const struct conf *conf, int *exit_code);

/* Checkpoints as far as readers allow and closes. False when the checkpoint poisoned the store. */
bool store_close(struct store *store);

enum store_state store_state(const struct store *store);

/* The name and version of the database library, for the log. */
const char *store_version(const struct conf *conf);

/* Starts a batch and sets its time. False when it cannot; store_state says why. */
bool store_begin(struct store *store);

/* Makes the batch durable, with one fsync. False when the whole batch is gone; store_state says
 * why. */
bool store_commit(struct store *store);

/* Rolls the batch back, after store_state has left STORE_GOOD or on purpose. The state is good
 * again unless it is poisoned or unsure: then the process must end. */
void store_rollback(struct store *store);

/* Copies the WAL into the database when it has grown enough. Call it between batches: after each,
 * and at store_checkpoint_due_ms. False when it poisoned the store. */
bool store_checkpoint(struct store *store);

/* The steady time at which to call store_checkpoint even if no batch has run; INT64_MAX: never. */
int64_t store_checkpoint_due_ms(const struct store *store);

/* The operations. For their results see the verb of the same name in queue.h. */
enum queue_result store_enqueue(struct store *store, const struct queue_enqueue *item,
                                struct uuid *id);
/* After FULL and OVER_...: in how many seconds there may be room, by the recent rate. */
int32_t store_retry_seconds(const struct store *store);
/* How much of its quotas a client uses. */
void store_left(struct store *store, const char *name, const struct queue_quota *quota,
                struct queue_left *left);
enum queue_result store_pull(struct store *store, const struct queue_pull *pull,
                             struct queue_batch *batch);
enum queue_result store_look(struct store *store, struct uuid id, const struct queue_whose *whose,
                             struct queue_item *item);
enum queue_result store_cancel(struct store *store, const struct queue_cancel *cancel);
enum queue_result store_cancel_many(struct store *store, const struct queue_cancel_many *cancel,
                                    struct queue_cancelled *cancelled);
/* NONE when nothing waits; ENOUGH, see in_hand.h. OK without items when the worker must drain. */
enum queue_result store_lease(struct store *store, const struct queue_lease *request,
                              struct queue_grant *grant);
enum queue_result store_return_lease(struct store *store, struct queue_return grant);
enum queue_result store_report(struct store *store, const struct queue_report *report,
                               struct queue_verdict *verdict);
enum queue_result store_retire(struct store *store, const struct queue_worker *worker);
enum queue_result store_quarantine(struct store *store, const struct queue_quarantine *quarantine);
enum queue_result store_pause(struct store *store, const struct queue_pause *pause,
                              int64_t *paused);
/* Notes that a backup was made now. OK, FAULT. */
enum queue_result store_note_backup(struct store *store);
enum queue_result store_update_machine(struct store *store,
                                       const struct queue_machine_update *update);
enum queue_result store_close_pull(struct store *store, const struct queue_close *close);
enum queue_result store_reserve_items(struct store *store, const struct queue_reserve *reserve,
                                      struct queue_batch *batch);
enum queue_result store_settle(struct store *store, const struct queue_settle *settle);
enum queue_result store_acknowledge(struct store *store,
                                    const struct queue_acknowledged *acknowledged);
enum queue_result store_raise(struct store *store, const struct queue_raise *raise);
enum queue_result store_hello(struct store *store, const struct queue_hello *hello,
                              struct queue_hello_answer *answer);
enum queue_result store_heard(struct store *store, const struct queue_heard *heard);
enum queue_result store_loan(struct store *store, const struct queue_loan_step *step);
/* Fills in all but tally->parked. */
enum queue_result store_tally(struct store *store, const struct queue_whose *whose,
                              struct queue_tally *tally);

/* Whether a client has an item that is done: OK, NONE. */
enum queue_result store_has_done(struct store *store, const char *client);

/* The clients whose items became done in the batch under way, one by one: *next is 0 at first. NULL
 * after the last; *items gets their number. */
const char *store_newly_done(const struct store *store, int *next, int64_t *items);

/* Number of waiting items, by the counts in memory, that may be leased: 0 while leasing is paused.
 */
int64_t store_leasable(const struct store *store);

/* The number of the last committed batch. */
int64_t store_last_batch(const struct store *store);

/* Whether clients may be answered from the batches up to this one. With COPY=sync only when the
 * replica at the peer has them, or is incomplete already. */
bool store_may_answer(const struct store *store, int64_t batch);

/* Whether a newer database has replaced this one: anything answered from now on would be lost. */
bool store_is_superseded(const struct store *store);

/* Saves, in a batch of its own between two others, that the replica at the peer is incomplete, so
 * that clients may be answered without it. False when that cannot be saved: answer none then. */
bool store_note_incomplete(struct store *store);

/* Lets leases lapse whose deadline has passed, at most some thousand; part of a batch. */
void store_lapse(struct store *store);

/* Removes some of the items that were pulled or cancelled long enough ago; part of a batch.
 * store_next_removal: the steady time of the next call; INT64_MAX: none is needed. */
void store_remove_old(struct store *store);
int64_t store_next_removal(const struct store *store);

/* Gives up open pulls without a key whose process has died; their items of this node are done
 * again. Part of a batch. store_next_given_up: the steady time of the next call; INT64_MAX: none is
 * needed. */
void store_give_up_pulls(struct store *store);
int64_t store_next_given_up(const struct store *store);

/* Keeps the history: sees how long items wait and, when a minute is over, saves a row of what was
 * done in it, makes rows of minutes of some two days ago that of their hour, and removes rows of 13
 * months ago; part of a batch. store_next_history: the steady time of the next call. A minute whose
 * batch fails, or for which the disk has no room, is not saved. */
void store_keep_history(struct store *store);
int64_t store_next_history(const struct store *store);

/* Saves what was counted of the minute under way, in a batch of its own, before the process ends;
 * with a replica nothing, since it would lack that batch. A failure is logged; store_state says
 * whether the store is poisoned or unsure. */
void store_end_history(struct store *store);

/* The steady time (clock_steady_ms) at which the next lease may lapse; INT64_MAX without leases. It
 * may be early, never late. */
int64_t store_next_lapse(const struct store *store);

/* Begins an online backup, copied between batches; it shows the database as of the end of the
 * copying. OK; CONFLICT: one is under way; FAULT, logged. */
enum queue_result store_backup_begin(struct store *store);

/* Copies some more pages, for about half a millisecond. OK; FAULT after logging why: end the
 * backup; store_state says whether the store is poisoned. */
enum queue_result store_backup_copy(struct store *store);

/* Takes the next part. False when none is ready: copy more. The last part is marked complete; end
 * the backup after it. */
bool store_backup_take(struct store *store, struct pages *pages);

/* Ends the backup at any time; without one it does nothing. */
void store_backup_end(struct store *store);

#endif
