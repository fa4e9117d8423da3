/* The reserve on the disk: that it is there, is kept by checkpoints, and suffices for what it is
 * for. */
#include "fixture.h"

#include <stdio.h>

enum { ITEMS = 20000, BATCH = 500, PAGE = 4096, MIB = 1024 * 1024, ITEM_BYTES = 160 };

static struct queue_report_item reports[ITEMS];

static int64_t size_of(const char *end) {
    char path[sizeof conf.database + 8];
    struct stat info;
    snprintf(path, sizeof path, "%s%s", conf.database, end);
    return stat(path, &info) == 0 ? info.st_size : -1;
}

static int64_t allocated(const char *end) {
    char path[sizeof conf.database + 8];
    struct stat info;
    snprintf(path, sizeof path, "%s%s", conf.database, end);
    return stat(path, &info) == 0 ? info.st_blocks * 512 : -1;
}

static int64_t used(struct store *store) {
    return PAGE * number(store, "PRAGMA page_count");
}

static void enqueue_all(struct store *store) {
    for (int i = 0; i < ITEMS; i++) {
        struct queue_enqueue item = new_item(1000);
        struct uuid id;
        if (i % BATCH == 0 && !store_begin(store))
            abort();
        snprintf(item.key, sizeof item.key, "a key of some length, number %d", i);
        if (store_enqueue(store, &item, &id) != QUEUE_OK)
            abort();
        if (i % BATCH == BATCH - 1 && (!store_commit(store) || !store_checkpoint(store)))
            abort();
    }
}

/* Leases everything. */
static void lease_all(struct store *store) {
    static struct queue_grant grant;
    for (int i = 0; i < ITEMS; i += grant.count) {
        struct queue_lease request = lease_of(BATCH);
        if (!store_begin(store) || store_lease(store, &request, &grant) != QUEUE_OK ||
            !store_commit(store) || !store_checkpoint(store))
            abort();
        for (int k = 0; k < grant.count; k++) {
            reports[i + k] = (struct queue_report_item){.id = grant.items[k].id,
                                                        .lease = grant.returnable.lease};
            memset(reports[i + k].chain, i + k, DIGEST_SIZE);
        }
    }
}

/* Reports everything, in any order. */
static void report_all(struct store *store) {
    static struct queue_report report;
    static struct queue_verdict verdict;
    srand(1);
    for (int i = ITEMS - 1; i > 0; i--) {
        int other = rand() % (i + 1);
        struct queue_report_item kept = reports[i];
        reports[i] = reports[other];
        reports[other] = kept;
    }
    snprintf(report.worker.name, sizeof report.worker.name, "w");
    report.count = BATCH;
    for (int i = 0; i < ITEMS; i += BATCH) {
        memcpy(report.items, reports + i, BATCH * sizeof *reports);
        if (!store_begin(store) || store_report(store, &report, &verdict) != QUEUE_OK ||
            !store_commit(store) || !store_checkpoint(store))
            abort();
    }
}

static void pull_all(struct store *store) {
    static struct queue_batch batch;
    for (int i = 0; i < ITEMS; i += BATCH) {
        struct queue_pull pull = {.top = BATCH};
        snprintf(pull.key, sizeof pull.key, "pull %d", i);
        if (!store_begin(store) || store_pull(store, &pull, &batch) != QUEUE_OK ||
            !store_commit(store) || !store_checkpoint(store))
            abort();
    }
}

int main(void) {
    set_up();
    conf.in_hand_start = ITEMS;
    struct store *store = open_store();
    ok(size_of("-wal") >= 24 * MIB && allocated("-wal") >= 24 * MIB, "the WAL has its room");
    ok(size_of("-shm") >= 128 * 1024 && allocated("-shm") >= 128 * 1024, "the wal-index, too");
    ok(allocated("") >= 8 * MIB, "an empty database has room");
    enqueue_all(store);
    int64_t before = used(store);
    ok(allocated("") >= before + 7 * MIB + ITEMS * (int64_t)ITEM_BYTES,
       "there is room for what is in hand, and more");
    sqlite3_wal_checkpoint_v2(sqlite_of(store)->database, NULL, SQLITE_CHECKPOINT_RESTART, NULL,
                              NULL);
    store_files_note(sqlite_of(store)); /* nobody else has written to them */
    is_int(size_of(""), sqlite_of(store)->reserve.bytes, "a whole checkpoint keeps it");
    ok(sqlite_of(store)->reserve.bytes < before + 10 * MIB + ITEMS * (int64_t)ITEM_BYTES,
       "and it is no more");
    lease_all(store);
    report_all(store);
    pull_all(store);
    is_int(sqlite_of(store)->ledger.counts.items[ITEM_PULLED], ITEMS,
           "all were leased, reported and pulled");
    int64_t grown = (used(store) - before) / ITEMS;
    ok(grown > 60 && grown < ITEM_BYTES, "an item has grown by %d bytes: as reckoned", (int)grown);
    int64_t kept = sqlite_of(store)->reserve.bytes;
    store_close(store);
    is_int(size_of(""), kept, "closing keeps it");
    store = open_store();
    is_int(sqlite_of(store)->reserve.bytes, kept, "it is known again");
    ok(!sqlite_of(store)->reserve.low, "and suffices");
    store_close(store);
    return done_testing();
}
