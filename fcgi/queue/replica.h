#ifndef HASHMILL_REPLICA_H
#define HASHMILL_REPLICA_H

/*
 * The replica of the other node's database: a file of its own beside this node's, kept equal to the
 * other's batch by batch. Only the replica process writes it. It serves to give the other node its
 * whole database back; meanwhile other processes read items from it (queue_look_replica).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "queue/batch_log.h"
#include "queue/queue_peers.h"

struct replica;

/* The source of batches or pages: the sender's database. */
struct replica_source {
    int32_t node;
    int32_t complete; /* 1: COPY=sync, and the replica was complete; from then on the batches
                         themselves say whether clients were answered without it */
    struct queue_identity identity;
    int64_t schema;
};

struct replica_state {
    int32_t there;
    int32_t bad;      /* 1: no batch fits any more; the data is whole all the same */
    int32_t complete; /* by the last message and the batches; 0 at the start of this process */
    int32_t node;
    struct queue_identity identity;
    int64_t schema;
    int64_t batch;
    int64_t wall_ms; /* of that batch */
    int64_t bytes;   /* of the file */
    uint8_t check[BATCH_CHECK_SIZE];
};

enum replica_result {
    REPLICA_OK,
    REPLICA_NONE, /* no replica, or its files were moved away: needs a copy */
    REPLICA_GAP, /* a batch is missing: state.batch + 1 is wanted; or a part of a copy is missing */
    REPLICA_OTHER, /* of another database, epoch or schema: needs a copy */
    REPLICA_BAD,   /* a check or a row differs, or the copy received is none: needs a copy */
    REPLICA_FULL,  /* no room on this node's disk, or the file is locked: send the same again later
                    */
    REPLICA_FAILED /* its file could not be read or written and was put aside: needs a copy */
};

/* The word for a result on the wire: "ok", "none", "gap", "other", "bad", "full", "failed". */
const char *replica_result_name(enum replica_result result);

/* Opens the replica, if any, and takes the lock that keeps other processes from it. A file that is
 * no whole replica is logged and put aside as DATABASE-replica-bad, never to be opened again. conf
 * must outlive the replica. NULL when memory is short or another process has the lock, which is
 * logged: try again later. */
struct replica *replica_open(const struct conf *conf);
void replica_close(struct replica *replica);

void replica_state(const struct replica *replica, struct replica_state *state);

/* Whether the replica is of a newer database than the source's: the source has the same id with a
 * lower epoch, or another id without a higher epoch. */
bool replica_is_newer(const struct replica *replica, const struct replica_source *source);

/* Applies records (batch_log.h) in order, in one transaction with one fsync; skips those that the
 * replica has. On GAP, BAD and OTHER the records before the one that does not fit are applied all
 * the same; bytes that are no whole record are a GAP. On FULL perhaps none is applied. An empty
 * call only says that the source is there. */
enum replica_result replica_apply(struct replica *replica, const struct replica_source *source,
                                  const char *records, size_t length);

/* Receives a copy of the whole database, in parts, into a file of its own; the present replica
 * stays until the copy is whole. Part 0 begins a copy and drops any unfinished one. The parts come
 * in order; the last part taken may come again. With `last` set, the file has file_bytes bytes and
 * becomes the replica, durably; before that, file_bytes says how much room the copy needs. Writing
 * is slowed down to spare this node's own commits, so parts should be about 1 MiB.
 *
 * OTHER: the replica is of a newer database, or the copy is not of the source's. GAP: a part is
 * missing; begin the copy again. FULL: send the same part again later, or a new copy if that is a
 * GAP. BAD, FAILED: the copy is given up. */
struct replica_part {
    struct uuid copy;
    int64_t number;
    int64_t file_bytes;
    bool last;
    bool differs; /* the replica was found to differ: it is put aside when the copy replaces it */
    const char *pages; /* (offset int64 little-endian, PAGE_BYTES)* */
    size_t length;
};
enum replica_result replica_copy(struct replica *replica, const struct replica_source *source,
                                 const struct replica_part *part);

/* Prepares the replica of this database to be read as a file: saves this epoch, which must be
 * higher than its own, so that no batch of the former epoch fits any more, and moves all data into
 * its one file. Ends a copy under way. OK; NONE; OTHER, another database or an epoch that is not
 * higher; FULL, try again later with a higher epoch; FAILED. */
enum replica_result replica_take(struct replica *replica, const struct queue_identity *identity);

/* Whether this process has prepared the replica, and it has not changed since. */
bool replica_is_taken(const struct replica *replica);

/* Reads bytes of the prepared file. Returns how many, 0 at its end; -1 when the read fails, which
 * is logged, or when it is not prepared. */
int64_t replica_read(struct replica *replica, int64_t at, char *to, size_t size);

/* Compares the items first <= seq <= last with those of the source at the same batch, by rows_hash
 * (fcgi/rows/rows_hash.h) over the statement replica_rows. OK also when the replica is at a later
 * batch, with nothing compared. GAP when it is at an earlier one. */
enum replica_result replica_compare(struct replica *replica, const struct replica_source *source,
                                    const struct queue_range *range);

#endif
