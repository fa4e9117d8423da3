#ifndef HASHMILL_BATCH_H
#define HASHMILL_BATCH_H

/*
 * One batch of the writer: the operations that came in together, applied in order in one
 * transaction, and the answers to send once it is durable. The batch object is reused.
 */

#include "parked.h"
#include "store/store.h"

/* An operation with its answer. The owner is the connection of both; NULL once it is gone. */
struct job {
    void *owner;
    const struct channel_message *operation; /* NULL for a wait parked earlier */
    struct parked_wait *wait;                /* no longer parked; else NULL */
    struct channel_message *answer;          /* NULL when there is none now */
};

struct batch;

/* NULL when memory is short. The caller keeps store and parked. */
struct batch *batch_new(struct store *store, struct parked *parked);
void batch_free(struct batch *batch);

/* Room for a whole message: receive the next operation there. NULL when the batch is full. */
struct channel_message *batch_room(struct batch *batch);

/* Adds the operation received there, of size bytes. False, with nothing added, when no process of
 * this version can have sent it. */
bool batch_add(struct batch *batch, void *owner, size_t size);

/* Gives back, in the next batch, a lease that an earlier batch gave and that could not be
 * delivered. */
void batch_return_lease(struct batch *batch, struct queue_return grant);

/* Drops the waits of a connection that is gone, and disowns its jobs. */
void batch_disown(struct batch *batch, void *owner);

/* The steady time at which to run the batch. At once (0) with operations, returns, a parked lease
 * that can be served, or a watch for a batch already committed. Else when a lease lapses, a wait
 * ends, an open pull is given up, retention has something to do or a minute is over. A little later
 * after a failed batch. */
int64_t batch_due_ms(const struct batch *batch);

/* Applies everything and commits. Afterwards every job has its answer, whether the batch succeeded
 * or not. False when the store is poisoned or unsure: deliver the answers, then stop. */
bool batch_run(struct batch *batch);

/* The jobs of the last run. */
struct job *batch_jobs(struct batch *batch, int *count);

/* Empties the batch for the next round. */
void batch_clear(struct batch *batch);

#endif
