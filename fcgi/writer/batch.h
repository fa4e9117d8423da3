#ifndef HASHMILL_BATCH_H
#define HASHMILL_BATCH_H

/*
 * One batch of the writer: the operations that came in together, applied in their order in one
 * transaction, and the answers that may go out once it is durable. The same batch object is used
 * again and again.
 */

#include "parked.h"
#include "store/store.h"

/* An operation with its answer. The owner is the connection that it came by and its answer goes to;
 * NULL once that is gone. */
struct job {
    void *owner;
    const struct channel_message *operation; /* NULL of a wait that was parked before */
    struct parked_wait *wait;                /* taken out of the parked ones, else NULL */
    struct channel_message *answer;          /* NULL when it gets none now */
};

struct batch;

/* NULL when memory is short. Store and parked stay the caller's. */
struct batch *batch_new(struct store *store, struct parked *parked);
void batch_free(struct batch *batch);

/* Where to receive the next operation, room for a whole message; NULL when the batch is full. */
struct channel_message *batch_room(struct batch *batch);

/* Adds the operation that was received there, of size bytes. False when no process of this version
 * can have sent it; it is then not added. */
bool batch_add(struct batch *batch, void *owner, size_t size);

/* A lease that was given in an earlier batch but could not be delivered: it goes back with the
 * next. */
void batch_return_lease(struct batch *batch, struct queue_return grant);

/* A connection is gone: its waits and its jobs with it. */
void batch_disown(struct batch *batch, void *owner);

/* The steady time at which the batch is to be run: at once (0) with operations, returns, a parked
 * lease that can be served or a watch for a batch that was committed by itself; else when a lease
 * lapses, a wait ends, an open pull is given up, or retention has something to do; a little later
 * after a batch that failed without operations. INT64_MAX when nothing will become due by itself.
 */
int64_t batch_due_ms(const struct batch *batch);

/* Applies everything and commits. Afterwards every job has its answer, whether it went well or not.
 * False when the store is poisoned or unsure: deliver the answers, then stop. */
bool batch_run(struct batch *batch);

/* The jobs of the batch that has run. */
struct job *batch_jobs(struct batch *batch, int *count);

/* Empties the batch for the next round. */
void batch_clear(struct batch *batch);

#endif
