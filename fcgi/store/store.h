#ifndef HASHMILL_STORE_H
#define HASHMILL_STORE_H

/*
 * The database as its one writer sees it. Operations are applied in batches:
 *
 *     store_begin ... any number of operations ... store_commit
 *
 * and none of their answers may leave the process before store_commit has said OK. An operation
 * that fails has no effect and leaves the rest of its batch alone, unless store_state says that the
 * whole batch is gone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "queue/pages.h"
#include "queue/queue_fleet.h"
#include "queue/queue_peers.h"

struct store;

/* What has become of the batch under way. */
enum store_state {
    STORE_GOOD,
    STORE_DISK_FULL, /* the batch was rolled back: no room on disk; the store goes on */
    STORE_LOST,      /* the batch was rolled back for another reason; the store goes on */
    STORE_UNSURE,    /* whether the batch was committed only a new start can tell, or there was no
                        memory: answer nobody OK and exit with EXIT_TEMPORARY */
    STORE_POISONED   /* a write or an fsync failed, or the file is damaged: what is on disk is not
                        known. Answer nobody OK, exit with EXIT_UNSAFE, never try again */
};

/* Opens the database, which must be there, migrates its schema, and takes its lock file for the
 * life of the process. conf gives the path and the limits and must outlive the store. NULL with the
 * code to exit with (enum exit_code) after logging why. */
struct store *store_open(const struct conf *conf, int *exit_code);

/* Makes an empty database for the node of conf, where no file may be, durably and at once whole:
 * whoever finds it finds all of it. Its epoch is the time in seconds, but at least this one. False
 * after logging why. */
bool store_create(const struct conf *conf, int64_t epoch);

/* Checkpoints as far as readers allow and closes. False when that checkpoint has poisoned it. */
bool store_close(struct store *store);

enum store_state store_state(const struct store *store);

/* The name and version of the library that the store stands on, for the log. */
const char *store_version(void);

/* Starts a batch and sets its time. False when it cannot; store_state says why. */
bool store_begin(struct store *store);

/* Makes the batch durable, with one fsync. False when all of it is gone; store_state says why. */
bool store_commit(struct store *store);

/* Gives up what is left of a batch after store_state has left STORE_GOOD, or on purpose; the state
 * is good again unless it is poisoned or unsure: then the process has to end. */
void store_rollback(struct store *store);

/* Copies the WAL into the database when it has grown enough. Between batches, behind each and when
 * store_checkpoint_due_ms has come. False when the store is poisoned by it. */
bool store_checkpoint(struct store *store);

/* The steady time at which store_checkpoint is to be called though no batch has run; INT64_MAX when
 * it need not be. */
int64_t store_checkpoint_due_ms(const struct store *store);

/* hashmill-fcgi --recover FILE: makes FILE, which must not be there, a whole database out of what
 * can be read of the one in conf. That one is only read, through the system's memory: what memory
 * shows though the disk lacks it is what was meant to be there, so this is best done before the
 * machine is booted again. Nobody may serve the database meanwhile. Prints what became of the items
 * and how to put FILE in place. The exit code: 0 when FILE was made, else 1. */
int store_recover(const struct conf *conf, const char *file);

/* The operations; each result as told of the verb of that name in queue.h. */
enum queue_result store_enqueue(struct store *store, const struct queue_enqueue *item,
                                struct uuid *id);
/* After FULL: in how many seconds there may be room, by what was done lately. */
int32_t store_retry_seconds(const struct store *store);
enum queue_result store_pull(struct store *store, const struct queue_pull *pull,
                             struct queue_batch *batch);
enum queue_result store_look(struct store *store, struct uuid id, struct queue_item *item);
enum queue_result store_cancel(struct store *store, struct uuid id);
/* NONE when nothing waits. OK without items when the worker is to go. */
enum queue_result store_lease(struct store *store, const struct queue_lease *request,
                              struct queue_grant *grant);
enum queue_result store_return_lease(struct store *store, struct queue_return grant);
enum queue_result store_report(struct store *store, const struct queue_report *report,
                               struct queue_verdict *verdict);
enum queue_result store_retire(struct store *store, const struct queue_worker *worker);
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
/* All but tally->parked. */
enum queue_result store_tally(struct store *store, struct queue_tally *tally);

/* How many items wait for workers, by the counts in memory. */
int64_t store_waiting(const struct store *store);

/* The number of the last batch that was committed. */
int64_t store_last_batch(const struct store *store);

/* Whether clients may be answered from the batches up to this one: with COPY=sync, unless the
 * replica at the peer is incomplete already, only when it has them. */
bool store_may_answer(const struct store *store, int64_t batch);

/* Whether a newer database has taken the place of this one: what is answered from now on is lost.
 */
bool store_is_superseded(const struct store *store);

/* Saves, in a batch of its own between two others, that the replica at the peer is incomplete:
 * clients are told what it lacks. False when that cannot be saved, and they may not be told. */
bool store_note_incomplete(struct store *store);

/* Lets leases lapse whose deadline has passed, at most some thousand; part of a batch. */
void store_lapse(struct store *store);

/* Removes some of the items that were pulled or cancelled long enough ago; part of a batch. The
 * steady time at which it is to be called next; INT64_MAX when it need not be. */
void store_remove_old(struct store *store);
int64_t store_next_removal(const struct store *store);

/* Gives up pulls that were opened for clients without a key and never closed, as their process has
 * died: what they took of this node's items is done again. Part of a batch. The steady time at
 * which it is to be called next; INT64_MAX when it need not be. */
void store_give_up_pulls(struct store *store);
int64_t store_next_given_up(const struct store *store);

/* The steady time (clock_steady_ms) at which the next lease may lapse; INT64_MAX without leases. It
 * may be early, never late. */
int64_t store_next_lapse(const struct store *store);

/* A copy of the database as of the end of the copying, made between batches, of which it may be in
 * any number. Begins it: OK; CONFLICT, one is under way; FAULT, logged. */
enum queue_result store_backup_begin(struct store *store);

/* Copies some more pages, for about half a millisecond. OK; FAULT, after logging why: it is to be
 * ended, and store_state says whether the store is poisoned. */
enum queue_result store_backup_copy(struct store *store);

/* The next part to be fetched. False when there is none yet: more is to be copied. The one that is
 * complete is the last; the copy is then to be ended. */
bool store_backup_take(struct store *store, struct pages *pages);

/* Ends it, at any time; nothing when there is none. */
void store_backup_end(struct store *store);

#endif
