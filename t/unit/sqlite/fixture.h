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
#include "fcgi/store/offline.h"
#include "log.h"
#include "scratch.h"
#include "tap.h"

static int64_t *clock_offsets; /* wall, steady: see lib/clock.h */
static char directory[60];
static struct conf conf;

/* Removes the files of a database in the scratch directory. */
static inline void remove_database(const char *name) {
    static const char *const ends[] = {"", "-wal", "-shm", "-lock", "-log", "-log.old"};
    char path[100];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s/%s%s", directory, name, ends[i]);
        unlink(path);
    }
}

/* Removes the scratch directory at exit. */
static inline void remove_directory(void) {
    static const char *const names[] = {"db", "peer", "copy", "second", "clock", "channel"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove_database(names[i]);
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
    conf.in_hand_start = 4096;
    conf.size_penalty_ns = 100;
}

/* Opens a store; one that is not there is made. */
static inline struct store *open_store_of(const struct conf *settings) {
    int exit_code;
    if (access(settings->database, F_OK) != 0 && !store_create(settings, 0))
        abort();
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
    if (sqlite3_prepare_v2(sqlite_of(store)->database, sql, -1, &statement, NULL) == SQLITE_OK &&
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

/* Whether each leased item is listed and counted by its lease, which is looked at before the item
 * lapses. */
static inline bool leases_true(struct store *store) {
    return number(store, "SELECT count(*) FROM item WHERE state = 1 AND NOT EXISTS (SELECT 1"
                         " FROM lease, json_each(lease.items) AS held WHERE lease.id = item.lease"
                         " AND held.value = item.seq AND lease.due <= item.deadline)"
                         " OR state = 1 AND (SELECT held FROM lease WHERE lease.id = item.lease) <"
                         " (SELECT count(*) FROM item AS other WHERE other.state = 1"
                         " AND other.lease = item.lease)") == 0;
}

/* Whether the counts in memory and in the file are what a count over the rows gives. */
static inline bool counts_true(struct store *store) {
    static const char *const columns[] = {"waiting", "leased", "done", "pulled", "cancelled"};
    char sql[200];
    bool good = true;
    for (int state = 0; state < ITEM_STATES; state++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM item WHERE state = %d", state);
        int64_t rows = number(store, sql);
        snprintf(sql, sizeof sql, "SELECT %s FROM tally", columns[state]);
        good = good && rows == sqlite_of(store)->ledger.counts.items[state] &&
               rows == number(store, sql);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM client WHERE %s <>"
                 " (SELECT count(*) FROM item WHERE item.client = client.seq AND state = %d)",
                 columns[state], state);
        good = good && number(store, sql) == 0;
    }
    int64_t remaining =
        number(store, "SELECT coalesce(sum(remaining), 0) FROM item WHERE state < 2");
    return good && leases_true(store) && remaining == sqlite_of(store)->ledger.counts.remaining &&
           number(store, "SELECT sum(remaining) FROM client") == remaining &&
           number(store, "SELECT remaining FROM tally") == remaining &&
           number(store, "SELECT batch FROM tally") == sqlite_of(store)->counts.batch;
}

/* Cancels an item, whosever it is. */
static inline void cancel_item(struct store *store, struct uuid id) {
    store_cancel(store, &(struct queue_cancel){.id = id, .whose = queue_everybodys});
}

static inline struct queue_lease lease_of(int items) {
    struct queue_lease request = {.items = items, .iterations = INT64_MAX};
    request.request = id_new(0);
    snprintf(request.worker.name, sizeof request.worker.name, "w");
    request.worker.cores = 1;
    return request;
}

#endif
