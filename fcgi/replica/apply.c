/* Batches of the other node, applied to the replica of its database. */

#include <string.h>

#include "log.h"
#include "parts.h"

enum { CHECKPOINT_PAGES = 1000 };

enum replica_result replica_fits(const struct replica *replica,
                                 const struct replica_source *source) {
    const struct replica_state *state = &replica->state;
    if (!state->there)
        return REPLICA_NONE;
    if (state->node != source->node || state->schema != source->schema ||
        state->identity.epoch != source->identity.epoch ||
        memcmp(&state->identity.database, &source->identity.database, ID_SIZE) != 0)
        return REPLICA_OTHER;
    return state->bad ? REPLICA_BAD : REPLICA_OK;
}

/* Aborts on any conflict: it shows that the replica differs from the database of the batch. */
static int refuse(void *unused, int conflict, sqlite3_changeset_iter *change) {
    (void)unused;
    (void)conflict;
    (void)change;
    return SQLITE_CHANGESET_ABORT;
}

/* Checks, without applying the changes, that they are whole and that the replica has their tables.
 * sqlite3changeset_apply skips changes of other tables and reports success. */
static enum replica_result look_through(struct replica *replica,
                                        const struct batch_record *record) {
    sqlite3_changeset_iter *change = NULL;
    const char *table;
    unsigned char *key;
    int columns;
    int operation;
    bool same = true;
    if (sqlite3changeset_start(&change, (int)record->size, (void *)record->changes) != SQLITE_OK)
        return REPLICA_FULL;
    while (same && sqlite3changeset_next(change) == SQLITE_ROW) {
        sqlite3changeset_op(change, &table, &columns, &operation, NULL);
        sqlite3changeset_pk(change, &key, NULL);
        same = replica_has_table(replica, table, columns, key);
    }
    int code = sqlite3changeset_finalize(change);
    if (code == SQLITE_NOMEM)
        return REPLICA_FULL;
    return code != SQLITE_OK ? REPLICA_BAD : same ? REPLICA_OK : REPLICA_OTHER;
}

/* Whether the tally, which the batch has changed, has this number. */
static bool has_number(struct replica *replica, int64_t number) {
    sqlite3_stmt *row = replica_statement(replica, SQL_REPLICA_BATCH);
    bool good = row && sqlite3_step(row) == SQLITE_ROW && sqlite3_column_int64(row, 0) == number;
    if (row)
        sqlite3_reset(row);
    return good;
}

static int save_check(struct replica *replica, const uint8_t check[BATCH_CHECK_SIZE]) {
    sqlite3_stmt *save = replica_statement(replica, SQL_TALLY_CHECK);
    if (!save)
        return sqlite3_extended_errcode(replica->database);
    sqlite3_bind_blob(save, 1, check, BATCH_CHECK_SIZE, SQLITE_STATIC);
    return replica_finish(save);
}

/* Whether a code of SQLite means that a batch does not fit, and not that the file has failed. */
static bool is_misfit(int code) {
    int primary = code & 0xff;
    return primary == SQLITE_ABORT || primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH ||
           primary == SQLITE_SCHEMA || primary == SQLITE_ERROR;
}

/* Has SQLite make the changes that could not be made one by one, as it can reorder them. */
static enum replica_result make_changes(struct replica *replica, const struct batch_record *record,
                                        int *code) {
    enum replica_result result = look_through(replica, record);
    *code = SQLITE_OK;
    if (result == REPLICA_OK)
        *code = sqlite3changeset_apply(replica->database, (int)record->size,
                                       (void *)record->changes, NULL, refuse, NULL);
    return result;
}

/* Applies the changes of a batch whose check is right, all or none. */
static enum replica_result change(struct replica *replica, const struct batch_record *record) {
    enum replica_result result = REPLICA_OK;
    int code = replica_run(replica, SQL_REPLICA_MARK);
    if (code == SQLITE_OK)
        code = replica_replay(replica, record);
    if (is_misfit(code)) {
        code = replica_run(replica, SQL_REPLICA_UNDO);
        if (code == SQLITE_OK)
            result = make_changes(replica, record, &code);
    }
    bool misfit = is_misfit(code) || (code == SQLITE_OK && result == REPLICA_OK &&
                                      !has_number(replica, record->number));
    if (misfit)
        result = REPLICA_BAD;
    if (misfit || (code == SQLITE_OK && result != REPLICA_OK))
        code = replica_run(replica, SQL_REPLICA_UNDO);
    else if (code == SQLITE_OK)
        code = save_check(replica, record->check);
    if (code == SQLITE_OK)
        code = replica_run(replica, SQL_REPLICA_KEEP);
    return code == SQLITE_OK ? result : replica_failed(replica, code, "a batch");
}

/* Applies one record if it is the next batch. One that was applied before is OK if its check is the
 * same; a later one is a GAP. */
static enum replica_result take(struct replica *replica, const struct batch_record *record) {
    struct replica_state *state = &replica->state;
    uint8_t check[BATCH_CHECK_SIZE];
    if (record->number < state->batch)
        return REPLICA_OK;
    if (record->number == state->batch)
        return memcmp(record->check, state->check, sizeof check) == 0 ? REPLICA_OK : REPLICA_BAD;
    if (record->number > state->batch + 1)
        return REPLICA_GAP;
    memcpy(check, state->check, sizeof check);
    if (!batch_check(replica->sha256, check, record))
        return REPLICA_FULL;
    if (memcmp(check, record->check, sizeof check) != 0)
        return REPLICA_BAD;
    if (!replica_is_patchset(record->changes, record->size))
        return REPLICA_BAD;
    enum replica_result result = change(replica, record);
    if (result != REPLICA_OK)
        return result;
    state->batch = record->number;
    memcpy(state->check, check, sizeof check);
    return REPLICA_OK;
}

/* Takes all records, up to one that does not fit. FAILED, FULL: the transaction is gone. */
static enum replica_result take_all(struct replica *replica, const char *records, size_t length) {
    enum replica_result result = REPLICA_OK;
    struct batch_record record;
    while (result == REPLICA_OK && length > 0) {
        size_t used = batch_record_read(records, length, &record);
        result = used > 0 ? take(replica, &record) : REPLICA_GAP;
        records += used;
        length -= used;
    }
    if (result == REPLICA_BAD)
        log_error("batch %lld of node %d does not fit to the replica of its database, which it "
                  "copies again",
                  (long long)replica->state.batch + 1, replica->state.node);
    return result;
}

/* Makes the applied batches durable, with one fsync, and keeps the WAL small. */
static enum replica_result keep(struct replica *replica, enum replica_result result) {
    int code = replica_run(replica, SQL_COMMIT);
    replica->taken = false;
    if (code == SQLITE_OK)
        code = replica_read_state(replica);
    if (code == SQLITE_OK && replica->wal_pages >= CHECKPOINT_PAGES)
        code = replica_checkpoint(replica, false);
    return code == SQLITE_OK ? result : replica_failed(replica, code, "a commit");
}

/* Applies the records in one transaction. Afterwards the state is read from the file, however the
 * transaction ended. */
static enum replica_result apply(struct replica *replica, const char *records, size_t length) {
    int code = replica_run(replica, SQL_BEGIN);
    enum replica_result result = code == SQLITE_OK ? take_all(replica, records, length)
                                                   : replica_failed(replica, code, "a transaction");
    if (!replica->database)
        return result;
    if (!sqlite3_get_autocommit(replica->database))
        return keep(replica, result);
    code = replica_read_state(replica);
    return code == SQLITE_OK ? result : replica_failed(replica, code, "its state");
}

enum replica_result replica_apply(struct replica *replica, const struct replica_source *source,
                                  const char *records, size_t length) {
    enum replica_result result = replica_fits(replica, source);
    if (result == REPLICA_OK && length > 0)
        result = replica_has_room(replica, (int64_t)length) ? apply(replica, records, length)
                                                            : REPLICA_FULL;
    if (result == REPLICA_BAD)
        replica_note_bad(replica);
    if (result == REPLICA_OK)
        result = replica_look(replica);
    replica->state.complete = result == REPLICA_OK && source->complete && !replica->incomplete;
    return result;
}
