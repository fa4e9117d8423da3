#ifndef HASHMILL_BATCH_PARTS_H
#define HASHMILL_BATCH_PARTS_H

#include "batch.h"
#include "operation.h"

/* Shared by the files of a batch: batch.c, waits.c, answers.c. */

/* Answers share one piece of memory, whose used part alone becomes real. Reading stops while
 * there is still room for the largest answer to everything read. After that, leases of parked
 * workers may use some of the rest; what is left is enough for an answer to every look that can be
 * parked. */
enum {
    OPERATIONS_MAX = 2048,
    ROWS_MAX = 2048,        /* that operations may touch: bounds the next ones' wait and the */
    ROWS_MAX_LEASES = 1024, /* WAL's size; that parked leases may; the last one may exceed it */
    JOBS_MAX = 32768,
    IN_BYTES = 16 * 1024 * 1024,
    OUT_BYTES = 40 * 1024 * 1024,
    OUT_BYTES_OPERATIONS = 24 * 1024 * 1024,
    OUT_BYTES_LEASES = 32 * 1024 * 1024,
    RETRY_MS = 100,         /* after a failed batch, before the next one without operations */
    FAILED_PAUSE_MS = 1000, /* between two lines about the requests of failed batches; */
    REQUESTS_NAMED = 8      /* the first ones, which are named */
};

struct batch {
    struct store *store;
    struct parked *parked;
    struct job *jobs;
    int operations; /* jobs that were read; the rest are waits that were parked */
    int count;
    int rows; /* the most that the operations may touch */
    char *in;
    size_t in_used;
    char *out;
    size_t out_used;
    size_t out_reserved; /* for the largest answers to what was read */
    struct queue_return *returns;
    int return_count;
    int return_capacity;
    bool disk_full;         /* the full disk was logged */
    int64_t retry_ms;       /* steady time; no batch is due before */
    int64_t late_pulls_ms;  /* steady time at which to look for pulls that were not answered */
    int64_t told_failed_ms; /* steady time; the requests of no failed batch are logged before */
    bool refuse_enqueues;   /* the disk is full: second try without them */
};

/* answers.c. */

/* A size, rounded up to what any struct may begin at. */
size_t batch_align(size_t size);

/* Starts the answer to a job: room for the largest body of its operation, result OK. */
struct channel_message *batch_start_answer(struct batch *batch, struct job *job);

/* Ends the answer to a job and keeps its memory. What is logged next is of no request. */
void batch_end_answer(struct batch *batch, struct job *job, enum queue_result result);

/* Unparks a wait and makes it a job of this batch, whose answer is begun; until that ends, the log
 * has the id of its request. NULL, with the wait still parked, when there is no room for more of
 * its kind. */
struct job *batch_unpark(struct batch *batch, struct parked_wait *wait);

/* waits.c: answers the waits that an operation has just fulfilled; at the end of the operations,
 * those for which there is something now, or whose time is over; all watches for a batch that is
 * committed: this one or an earlier one. */
void waits_answer(struct batch *batch, const struct job *job);
void waits_end(struct batch *batch);
void waits_answer_watches(struct batch *batch);

#endif
