/*
 * Writes the changes of each batch to the log, for the replica at the peer. The check of a batch is
 * over the check of the one before, its number and its changes; so equal checks mean equal
 * histories. The changes are logged before the batch is committed. If it is rolled back, the next
 * batch replaces its record.
 */

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store_sql.h"

struct record {
    struct batch_log *log;
    EVP_MD_CTX *sha256;
};

bool store_record_open(struct sqlite_store *store) {
    const struct conf *conf = store->conf;
    if (conf->copying == COPY_NONE) {
        batch_log_remove(conf->database);
        return true;
    }
    struct record *record = calloc(1, sizeof *record);
    if (!record)
        return false;
    store->record = record;
    record->sha256 = batch_hash();
    record->log = batch_log_open(conf->database, store->counts.batch, store->counts.batch_check);
    changes_watch(&store->changes, store->database);
    return record->sha256 && record->log;
}

void store_record_close(struct sqlite_store *store) {
    struct record *record = store->record;
    if (!record)
        return;
    changes_free(&store->changes, store->database);
    EVP_MD_CTX_free(record->sha256);
    if (record->log)
        batch_log_close(record->log);
    free(record);
    store->record = NULL;
}

/* Computes the check of the batch and saves it. */
static bool save_check(struct sqlite_store *store, struct batch_record *batch) {
    uint8_t *check = store->counts.batch_check;
    if (!batch_check(store->record->sha256, check, batch)) {
        log_error("a batch cannot be recorded: out of memory");
        return false;
    }
    memcpy(batch->check, check, BATCH_CHECK_SIZE);
    return store_run(store, SQL_TALLY_CHECK, "c", check);
}

/* Without a replica nothing is recorded: the check is all zeros. */
static bool clear_check(struct sqlite_store *store) {
    static const uint8_t none[BATCH_CHECK_SIZE];
    if (memcmp(store->counts.batch_check, none, sizeof none) == 0)
        return true;
    memset(store->counts.batch_check, 0, BATCH_CHECK_SIZE);
    return store_run(store, SQL_TALLY_CHECK, "c", none);
}

bool store_record_end(struct sqlite_store *store) {
    struct record *record = store->record;
    if (!record)
        return clear_check(store);
    changes_end(&store->changes);
    if (store->changes.failed) {
        log_error("a batch cannot be recorded; it is given up");
        return false;
    }
    struct batch_record batch = {.number = store->counts.batch,
                                 .changes = store->changes.bytes.data,
                                 .size = store->changes.bytes.length};
    if (!save_check(store, &batch))
        return false;
    batch_log_append(record->log, &batch);
    return true;
}
