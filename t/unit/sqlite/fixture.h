/* A store of its own for a test of it: a scratch directory, settings, clocks that can be moved. */
#ifndef HASHMILL_T_STORE_H
#define HASHMILL_T_STORE_H

#include "fcgi/store/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi/queue/id.h"
#include "fcgi/sqlite/store_sql.h"
#include "log.h"
#include "scratch.h"
#include "tap.h"

static int64_t *clock_offsets; /* wall, steady: see lib/clock.h */
static char directory[60];
static struct conf conf;

/* Removes the scratch directory at exit. */
static inline void remove_directory(void) {
    static const char *const names[] = {"db",    "db-wal",   "db-shm",   "db-lock",
                                        "peer",  "peer-wal", "peer-shm", "peer-lock",
                                        "clock", "channel",  "copy"};
    char path[100];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

static inline void set_up(void) {
    char path[100];
    scratch_template(directory, "store");
    if (!mkdtemp(directory))
        abort();
    atexit(remove_directory);
    snprintf(path, sizeof path, "%s/clock", directory);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 16) != 0)
        abort();
    clock_offsets = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    setenv("HASHMILL_TEST_CLOCK", path, 1);
    snprintf(conf.database, sizeof conf.database, "%s/db", directory);
    conf.items_max = 1000000;
    conf.remaining_max = INT64_C(1) << 60;
    conf.wal_max = 1 << 30;
    conf.pulled_days = 7;
    conf.cancelled_days = 3;
    conf.lease_seconds = 60;
    conf.size_penalty_ns = 100;
}

static inline struct store *open_store_of(const struct conf *settings) {
    int exit_code;
    struct store *store = store_open(settings, &exit_code);
    if (!store)
        abort();
    return store;
}

static inline struct store *open_store(void) {
    return open_store_of(&conf);
}

/* The number that a statement gives, straight from the file. */
static inline int64_t number(struct store *store, const char *sql) {
    sqlite3_stmt *statement;
    int64_t result = -1;
    if (sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        result = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return result;
}

static inline struct queue_enqueue new_item(int64_t iterations) {
    struct queue_enqueue item = {.id = id_new(7), .iterations = iterations};
    memset(item.digest, 'd', DIGEST_SIZE);
    return item;
}

/* Whether the counts of what is kept for peers are those of the rows. */
static inline bool kept_true(struct store *store) {
    int64_t in_memory = 0;
    for (int node = 0; node < NODES; node++) {
        const struct peer_state *peer = &store->peers.all[node];
        in_memory += peer->items[0] * 3 + peer->items[1] * 5 + peer->items[2] * 7 + peer->remaining;
    }
    return number(store, "SELECT count(*) FROM peer WHERE"
                         " kept_waiting <> (SELECT count(*) FROM item WHERE home = node"
                         " AND state = 0) OR"
                         " kept_leased <> (SELECT count(*) FROM item WHERE home = node"
                         " AND state = 1) OR"
                         " kept_done <> (SELECT count(*) FROM item WHERE home = node"
                         " AND state = 2) OR"
                         " kept_remaining <> (SELECT coalesce(sum(remaining), 0) FROM item"
                         " WHERE home = node AND state < 2)") == 0 &&
           number(store, "SELECT coalesce(sum(kept_waiting * 3 + kept_leased * 5 + kept_done * 7"
                         " + kept_remaining), 0) FROM peer") == in_memory &&
           number(store, "SELECT count(*) FROM item WHERE home NOTNULL AND state < 3"
                         " AND home NOT IN (SELECT node FROM peer)") == 0 &&
           number(store, "SELECT coalesce(sum(kept_remaining), 0) FROM peer") ==
               store->counts.kept_remaining;
}

/* Whether the counts in memory and in the file are what a count over the rows gives. */
static inline bool counts_true(struct store *store) {
    char sql[200];
    bool good = kept_true(store);
    for (int state = 0; state < ITEM_STATES; state++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM item WHERE state = %d AND %s", state,
                 state > ITEM_DONE ? "true" : "home IS NULL");
        good = good && number(store, sql) == store->counts.items[state];
    }
    int64_t remaining = number(
        store, "SELECT coalesce(sum(remaining), 0) FROM item WHERE state < 2 AND home IS NULL");
    return good && remaining == store->counts.remaining &&
           number(store, "SELECT remaining FROM tally") == remaining &&
           number(store, "SELECT change FROM tally") == store->counts.change;
}

static inline struct queue_lease lease_of(int items) {
    struct queue_lease request = {.items = items, .iterations = INT64_MAX};
    request.request = id_new(0);
    snprintf(request.worker.name, sizeof request.worker.name, "w");
    request.worker.cores = 1;
    return request;
}

#endif
