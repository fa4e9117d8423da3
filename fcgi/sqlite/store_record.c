/*
 * What a batch changes, for the replica at the peer: a patchset in the format of SQLite's session
 * extension, in which fcgi/replica/replay.c applies it. It is written here, row by row in the order
 * in which rows change, out of the hook below that extension: a session would prepare statements of
 * its own for each table in each batch, which costs a small batch several times what the batch
 * itself does.
 *
 *     table:  'P' | columns, varint | for each column 1 when it is of the key | name NUL
 *     row:    operation | 0 | values: of an insert all; of an update the key and what has changed,
 *             the others 0; of a delete the key
 *     value:  type | integer: 8 bytes, big-endian; text and blob: size, varint | bytes; NULL: none
 *
 * The key of every table is its first column. The check of a batch is over the check of the one
 * before, its number and its changes; so equal checks mean equal histories. The changes are in the
 * log before the batch is committed; a batch that is not leaves a record there that the next one
 * replaces.
 */

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store_sql.h"

struct record {
    struct batch_log *log;
    EVP_MD_CTX *sha256;
    struct buffer changes;
    char table[32]; /* of the last row in changes */
    size_t mark;    /* length of changes before the statement under way */
    bool on;
    bool failed; /* something changed that cannot be recorded */
};

static void put_byte(struct buffer *changes, int byte) {
    buffer_append(changes, &(uint8_t){(uint8_t)byte}, 1);
}

static void put_varint(struct buffer *changes, uint32_t number) {
    uint8_t bytes[5];
    int at = sizeof bytes - 1;
    bytes[at] = number & 0x7f;
    while (number >>= 7)
        bytes[--at] = (uint8_t)(0x80 | (number & 0x7f));
    buffer_append(changes, bytes + at, sizeof bytes - (size_t)at);
}

/* Floating point numbers are in no table: their columns are STRICT integers, texts and blobs. */
static bool put_value(struct buffer *changes, sqlite3_value *value) {
    int type = sqlite3_value_type(value);
    put_byte(changes, type);
    if (type == SQLITE_NULL)
        return true;
    if (type == SQLITE_INTEGER) {
        uint64_t number = htobe64((uint64_t)sqlite3_value_int64(value));
        buffer_append(changes, &number, sizeof number);
        return true;
    }
    const void *bytes =
        type == SQLITE_TEXT ? (const void *)sqlite3_value_text(value) : sqlite3_value_blob(value);
    int size = sqlite3_value_bytes(value);
    put_varint(changes, (uint32_t)size);
    if (size > 0 && bytes)
        buffer_append(changes, bytes, (size_t)size);
    return type != SQLITE_FLOAT && (bytes || size == 0);
}

static bool is_same(sqlite3_value *a, sqlite3_value *b) {
    int type = sqlite3_value_type(a);
    if (type != sqlite3_value_type(b))
        return false;
    if (type == SQLITE_NULL)
        return true;
    if (type == SQLITE_INTEGER)
        return sqlite3_value_int64(a) == sqlite3_value_int64(b);
    int size = sqlite3_value_bytes(a);
    return size == sqlite3_value_bytes(b) &&
           (size == 0 || memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)size) == 0);
}

/* Says to which table the rows that follow belong. */
static void put_table(struct record *record, const char *table, int columns) {
    struct buffer *changes = &record->changes;
    if (strcmp(record->table, table) == 0)
        return;
    snprintf(record->table, sizeof record->table, "%s", table);
    put_byte(changes, 'P');
    put_varint(changes, (uint32_t)columns);
    for (int i = 0; i < columns; i++)
        put_byte(changes, i == 0);
    buffer_append(changes, table, strlen(table) + 1);
}

/* Writes the values of a row that was inserted or updated. False when that cannot be told: a key
 * changed. *changed says whether anything did. */
static bool put_row(struct record *record, sqlite3 *database, int columns, bool update,
                    bool *changed) {
    struct buffer *changes = &record->changes;
    for (int i = 0; i < columns; i++) {
        sqlite3_value *now;
        sqlite3_value *before = NULL;
        if (sqlite3_preupdate_new(database, i, &now) != SQLITE_OK ||
            (update && sqlite3_preupdate_old(database, i, &before) != SQLITE_OK))
            return false;
        bool same = before && is_same(before, now);
        *changed |= !same;
        if (same && i > 0)
            put_byte(changes, 0);
        else if ((before && i == 0 && !same) || !put_value(changes, now))
            return false;
    }
    return true;
}

/* Called by SQLite before each change of a row. */
static void note_row(void *context, sqlite3 *database, int operation, const char *schema,
                     const char *table, sqlite3_int64 old_rowid, sqlite3_int64 new_rowid) {
    struct record *record = context;
    (void)old_rowid;
    (void)new_rowid;
    if (!record->on || strcmp(schema, "main") != 0)
        return;
    int columns = sqlite3_preupdate_count(database);
    put_table(record, table, columns);
    size_t start = record->changes.length;
    put_byte(&record->changes, operation);
    put_byte(&record->changes, 0);
    bool good = false;
    bool changed = operation == SQLITE_DELETE;
    sqlite3_value *key;
    if (operation != SQLITE_DELETE)
        good = put_row(record, database, columns, operation == SQLITE_UPDATE, &changed);
    else if (sqlite3_preupdate_old(database, 0, &key) == SQLITE_OK)
        good = put_value(&record->changes, key);
    record->failed |= !good;
    if (!changed)
        record->changes.length = start; /* an update to what was there already is none */
}

bool store_record_open(struct store *store) {
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
    sqlite3_preupdate_hook(store->database, note_row, record);
    return record->sha256 && record->log;
}

void store_record_close(struct store *store) {
    struct record *record = store->record;
    if (!record)
        return;
    sqlite3_preupdate_hook(store->database, NULL, NULL);
    EVP_MD_CTX_free(record->sha256);
    if (record->log)
        batch_log_close(record->log);
    buffer_free(&record->changes);
    free(record);
    store->record = NULL;
}

void store_record_begin(struct store *store) {
    struct record *record = store->record;
    if (!record)
        return;
    buffer_clear(&record->changes);
    record->table[0] = '\0';
    record->mark = 0;
    record->failed = false;
    record->on = true;
}

void store_record_forget(struct store *store) {
    if (store->record)
        store->record->on = false;
}

void store_record_statement(struct store *store) {
    if (store->record)
        store->record->mark = store->record->changes.length;
}

void store_record_undo(struct store *store) {
    struct record *record = store->record;
    if (!record || record->changes.length == record->mark)
        return;
    record->changes.length = record->mark;
    record->table[0] = '\0'; /* which table it was is not known any more */
}

/* Makes the check of the batch and saves it. */
static bool save_check(struct store *store, struct batch_record *batch) {
    uint8_t *check = store->counts.batch_check;
    if (!batch_check(store->record->sha256, check, batch)) {
        log_error("a batch cannot be recorded: out of memory");
        return false;
    }
    memcpy(batch->check, check, BATCH_CHECK_SIZE);
    return store_run(store, SQL_TALLY_CHECK, "c", check);
}

/* Without a replica: no check fits what is not recorded. */
static bool clear_check(struct store *store) {
    static const uint8_t none[BATCH_CHECK_SIZE];
    if (memcmp(store->counts.batch_check, none, sizeof none) == 0)
        return true;
    memset(store->counts.batch_check, 0, BATCH_CHECK_SIZE);
    return store_run(store, SQL_TALLY_CHECK, "c", none);
}

bool store_record_end(struct store *store) {
    struct record *record = store->record;
    if (!record)
        return clear_check(store);
    record->on = false;
    if (record->failed) {
        log_error("a batch cannot be recorded; it is given up");
        return false;
    }
    struct batch_record batch = {.number = store->counts.batch,
                                 .changes = record->changes.data,
                                 .size = record->changes.length};
    if (!save_check(store, &batch))
        return false;
    batch_log_append(record->log, &batch);
    return true;
}
