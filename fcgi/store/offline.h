#ifndef HASHMILL_OFFLINE_H
#define HASHMILL_OFFLINE_H

/*
 * The file of a node's database while no server runs, as hashmill-fcgi --init, --check and
 * --recover read and change it. An open one holds the lock file, as a server does. Every change is
 * atomic and durable: the program may be killed at any moment and run again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "queue/batch_log.h"
#include "queue/queue_peers.h"

struct offline;

/* The state that a database's own rows tell. */
struct offline_state {
    bool there;   /* the file exists and is not empty */
    bool known;   /* it has an identity; an older schema gets one when it is served */
    bool backup;  /* no node was started from it yet */
    int32_t node; /* whose it is; -1: not set yet */
    struct queue_identity identity;
    int64_t schema;
    int64_t batch;
    int64_t wall_ms; /* of that batch; 0: no batch yet */
    uint8_t check[BATCH_CHECK_SIZE];
};

/* Takes the lock of the database of conf, which must outlive the result, and removes the remains of
 * a killed run. NULL, with the code to exit with (enum exit_code), after logging why. */
struct offline *offline_open(const struct conf *conf, int *exit_code);
void offline_close(struct offline *offline);

/* Reads the database's state; a missing one is no failure (state->there). False, with the code to
 * exit with, after logging why: it cannot be read, has a later schema, or is another node's. */
bool offline_look(struct offline *offline, struct offline_state *state, int *exit_code);

/* Makes an empty database where none is; see store_create. */
bool offline_create(struct offline *offline, int64_t epoch);

/* Makes a backup or a superseded database one that may be served, under a new epoch. False after
 * logging why. */
bool offline_accept(struct offline *offline, int64_t epoch);

/* Begin a file of this many bytes beside the database, for which the disk must have room, and write
 * `size` bytes at offset `at`. False after logging why. */
bool offline_fetch_begin(struct offline *offline, int64_t bytes);
bool offline_fetch_write(struct offline *offline, int64_t at, const void *from, size_t size);

/* Makes the complete file the database, if it is the wanted one (by identity, node and batch) and
 * whole. A former database stays beside it as DATABASE-old.EPOCH, with a number appended if that
 * exists already. False after logging why; *damaged says whether the fetched file is damaged. */
bool offline_fetch_end(struct offline *offline, const struct offline_state *wanted, bool *damaged);

/* Makes an empty database for the node of conf, durably and atomically; no file may exist there.
 * Its epoch is the time in seconds, or the given epoch if that is later. False after logging why.
 */
bool store_create(const struct conf *conf, int64_t epoch);

/* hashmill-fcgi --check FILE: whether FILE is a whole database of a version that this program can
 * serve, with nothing in its schema that is not hashmill's. It is only read. False after logging
 * why. */
bool store_check(const char *file);

/* hashmill-fcgi --recover FILE: makes a whole database out of all that can be read of the one in
 * conf, as FILE, which must not exist. It only reads the damaged one, through the system's page
 * cache. The cache may still show writes that never reached the disk, so run it before a reboot.
 * Nobody may serve the database meanwhile. Prints what became of the items and how to put FILE in
 * place. Returns the exit code: 0 when FILE was made, else 1. */
int store_recover(const struct conf *conf, const char *file);

#endif
