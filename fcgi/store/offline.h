#ifndef HASHMILL_OFFLINE_H
#define HASHMILL_OFFLINE_H

/*
 * The database of a node while nobody serves it: what hashmill-fcgi --init sees of it and does to
 * it. Whoever has it open holds the lock file, as a server does. Everything that it changes is
 * durable and whole at once, or it is not there: it may be killed at any moment and run again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "queue/batch_log.h"
#include "queue/queue_peers.h"

struct offline;

/* What a database says of itself. */
struct offline_state {
    bool there;   /* there is a file, and something in it */
    bool known;   /* it has an identity; one of an older schema gets it when it is served */
    bool backup;  /* no node was started from it yet */
    int32_t node; /* whose it is; -1: not said yet */
    struct queue_identity identity;
    int64_t schema;
    int64_t batch;
    int64_t wall_ms; /* of that batch; 0: there was none */
    uint8_t check[BATCH_CHECK_SIZE];
};

/* Takes the lock of the database of conf, which must outlive it, and removes what a killed run has
 * left. NULL with the code to exit with (enum exit_code) after logging why. */
struct offline *offline_open(const struct conf *conf, int *exit_code);
void offline_close(struct offline *offline);

/* Reads the database's state; one that is not there is a good answer. False with the code to exit
 * with after logging why: it cannot be read, is of a later schema, or of another node. */
bool offline_look(struct offline *offline, struct offline_state *state, int *exit_code);

/* Makes an empty database where none is; see store_create. */
bool offline_create(struct offline *offline, int64_t epoch);

/* Makes the database that is there, a backup or one that others have replaced, one to be served,
 * under a new epoch. False after logging why. */
bool offline_accept(struct offline *offline, int64_t epoch);

/* Begins a file of that size beside the database, for which there must be room; writes some of
 * them, from this offset. False after logging why. */
bool offline_fetch_begin(struct offline *offline, int64_t bytes);
bool offline_fetch_write(struct offline *offline, int64_t at, const void *from, size_t size);

/* The file is complete: makes it the database, if it is the one that is wanted (its identity, node
 * and batch) and whole. A database that was there stays beside it, as DATABASE-old.EPOCH, with a
 * number behind that if there is one already. False after logging why; *damaged: because what came
 * is damaged. */
bool offline_fetch_end(struct offline *offline, const struct offline_state *wanted, bool *damaged);

#endif
