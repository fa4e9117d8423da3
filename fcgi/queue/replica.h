#ifndef HASHMILL_REPLICA_H
#define HASHMILL_REPLICA_H

/*
 * The replica of the other node's database: a file of its own beside this node's, kept equal to it
 * batch by batch. One process has it open, the replica process. It has one use: to give its node
 * the whole database back.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "queue/batch_log.h"
#include "queue/queue_peers.h"

struct replica;

/* What the sender says of the database that its batches or pages are of. */
struct replica_source {
    int32_t node;
    int32_t complete; /* 1: with COPY=sync, and the replica has had all that there was: from then on
                         the batches themselves say whether something was answered without it */
    struct queue_identity identity;
    int64_t schema;
};

struct replica_state {
    int32_t there;
    int32_t bad; /* 1: it fits no batch any more; what it holds is whole all the same */
    int32_t
        complete; /* as the last message and the batches said; 0 since the start of this process */
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
    REPLICA_NONE,  /* there is none, or its files were moved away: it is to be copied */
    REPLICA_GAP,   /* a batch is missing: state.batch + 1 is wanted; or a part of a copy */
    REPLICA_OTHER, /* it is of another database, epoch or schema: it is to be copied */
    REPLICA_BAD,   /* a check or a row differs, or what came is no copy: it is to be copied */
    REPLICA_FULL,  /* there is no room on this node's disk, or it is locked; the same again later */
    REPLICA_FAILED /* its file could not be read or written and was put aside: it is to be copied */
};

/* The word for a result on the wire: "ok", "none", "gap", "other", "bad", "full", "failed". */
const char *replica_result_name(enum replica_result result);

/* Opens what is there, and takes the lock that keeps other processes from it. A file that is no
 * whole replica is put aside as DATABASE-replica-bad, never to be opened again; that is logged, and
 * there is none. conf must outlive it. NULL when memory is short or another process has it, which
 * is logged: later. */
struct replica *replica_open(const struct conf *conf);
void replica_close(struct replica *replica);

void replica_state(const struct replica *replica, struct replica_state *state);

/* Whether the source's database is older than the one that there is a replica of: the same with a
 * lower epoch, or another without a higher one. */
bool replica_is_newer(const struct replica *replica, const struct replica_source *source);

/* Applies records (batch_log.h) one behind the other, in one transaction with one fsync; those that
 * it has already are passed over. On GAP, BAD and OTHER those before the one that does not fit are
 * applied all the same; bytes that are no whole record are a GAP. On FULL perhaps none is. None at
 * all say only that the source is there. */
enum replica_result replica_apply(struct replica *replica, const struct replica_source *source,
                                  const char *records, size_t length);

/* A copy of the whole database, in parts, into a file of its own; the replica that is there stays
 * until the copy is whole. Part 0 begins a copy, whatever was begun before; the parts come in
 * order, and the last one that was taken may come again. With last the file has file_bytes bytes
 * and becomes the replica, durably; before, file_bytes says what room it needs. Writing is slowed
 * down for the sake of this node's own commits: parts of about 1 MiB keep that short.
 *
 * OTHER: the replica is of a newer database, or the copy is not of the one that was said. GAP: a
 * part is missing, and the copy is to be begun again. FULL: the same part again later, or a new
 * copy if that is a GAP. BAD, FAILED: the copy is given up. */
struct replica_part {
    struct uuid copy;
    int64_t number;
    int64_t file_bytes;
    bool last;
    bool differs; /* the replica was found to differ: it is kept aside when the copy takes its place
                   */
    const char *pages; /* (offset int64 little-endian, PAGE_BYTES)* */
    size_t length;
};
enum replica_result replica_copy(struct replica *replica, const struct replica_source *source,
                                 const struct replica_part *part);

/* Prepares the replica of this database to be read as a file: the epoch, which must be higher than
 * its own, is saved in it, so that no batch of the former one fits any more, and all of it is in
 * its file. Ends a copy that is on its way. OK; NONE; OTHER, another database or an epoch that is
 * not higher; FULL, the same with a higher epoch later; FAILED. */
enum replica_result replica_take(struct replica *replica, const struct queue_identity *identity);

/* Whether this process has prepared it, and it has not changed since. */
bool replica_is_taken(const struct replica *replica);

/* Reads bytes of that file. How many, 0 at its end; -1 when it cannot be read, which is logged, or
 * is not taken. */
int64_t replica_read(struct replica *replica, int64_t at, char *to, size_t size);

/* Compares items, first <= seq <= last, with what the source has at the same batch: rows_hash
 * (fcgi/sqlite/rows_hash.h) over the statement replica_rows. OK also when the replica is at a later
 * batch: nothing is compared then. GAP when it is at an earlier one. */
enum replica_result replica_compare(struct replica *replica, const struct replica_source *source,
                                    const struct queue_range *range);

#endif
