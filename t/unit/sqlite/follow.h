/* A copy of a store's database, kept equal by the records of the store's batches. */
#ifndef HASHMILL_T_FOLLOW_H
#define HASHMILL_T_FOLLOW_H

#include "fixture.h"

#include <endian.h>

#include "fcgi/queue/batch_log.h"

enum { FOLLOW_SQL_SIZE = SETTING_TEXT_SIZE + 200 };

/* The copy, a second one that gets the changes of a session on the first, and how far they are. */
struct follower {
    struct store *store;
    sqlite3 *copy;
    sqlite3 *second; /* NULL: there is none */
    struct batch_reader *reader;
    struct buffer bytes;
    int64_t batch; /* the last one that the copy has */
    uint8_t check[BATCH_CHECK_SIZE];
};

static inline void follow_exec(sqlite3 *database, const char *sql) {
    char *why = NULL;
    if (sqlite3_exec(database, sql, NULL, NULL, &why) == SQLITE_OK)
        return;
    fprintf(stderr, "%s: %s\n", sql, why);
    abort();
}

/* A copy of the store's database as it is, in a new file that has the store's attached. */
static inline sqlite3 *follow_copy(struct store *store, const char *name) {
    char sql[FOLLOW_SQL_SIZE];
    char path[100];
    sqlite3 *copy;
    remove_database(name);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", path);
    follow_exec(sqlite_of(store)->database, sql);
    snprintf(sql, sizeof sql,
             "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY;"
             "ATTACH '%s' AS original",
             sqlite_of(store)->conf->database);
    if (sqlite3_open(path, &copy) != SQLITE_OK)
        abort();
    follow_exec(copy, sql);
    return copy;
}

/* The check of the last batch, as it is in a file. */
static inline void follow_read_check(sqlite3 *database, uint8_t check[BATCH_CHECK_SIZE]) {
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(database, "SELECT batch_check FROM tally", -1, &row, NULL) !=
            SQLITE_OK ||
        sqlite3_step(row) != SQLITE_ROW || sqlite3_column_bytes(row, 0) != BATCH_CHECK_SIZE)
        abort();
    memcpy(check, sqlite3_column_blob(row, 0), BATCH_CHECK_SIZE);
    sqlite3_finalize(row);
}

/* Begins with the database as it is. */
static inline void follow_begin(struct follower *follower, struct store *store) {
    *follower = (struct follower){.store = store, .batch = store_last_batch(store)};
    follower->copy = follow_copy(store, "copy");
    follower->reader = batch_reader_open(sqlite_of(store)->conf->database);
    follow_read_check(follower->copy, follower->check);
}

static inline void follow_end(struct follower *follower) {
    sqlite3_close(follower->copy);
    sqlite3_close(follower->second);
    batch_reader_close(follower->reader);
    buffer_free(&follower->bytes);
}

static inline int follow_conflict(void *unused, int conflict, sqlite3_changeset_iter *at) {
    const char *table = "";
    int columns;
    int operation;
    int indirect;
    (void)unused;
    sqlite3changeset_op(at, &table, &columns, &operation, &indirect);
    printf("# conflict %d, operation %d on %s\n", conflict, operation, table);
    return SQLITE_CHANGESET_ABORT;
}

/* Applies changes to a copy and saves the check, which is not among the changes. */
static inline bool follow_apply(sqlite3 *copy, const void *changes, size_t size,
                                const uint8_t *check) {
    sqlite3_stmt *save;
    int code =
        sqlite3changeset_apply(copy, (int)size, (void *)changes, NULL, follow_conflict, NULL);
    if (code != SQLITE_OK)
        printf("# %zu bytes of changes cannot be applied: %s\n", size, sqlite3_errmsg(copy));
    if (sqlite3_prepare_v2(copy, "UPDATE main.tally SET batch_check = ?1", -1, &save, NULL) !=
        SQLITE_OK)
        abort();
    sqlite3_bind_blob(save, 1, check, BATCH_CHECK_SIZE, SQLITE_STATIC);
    sqlite3_step(save);
    sqlite3_finalize(save);
    return code == SQLITE_OK;
}

/* Applies a batch to the copy under a session, and the session's changes to the second copy. */
static inline bool follow_twice(struct follower *follower, const struct batch_record *record) {
    sqlite3_session *session;
    void *changes = NULL;
    int size = 0;
    if (sqlite3session_create(follower->copy, "main", &session) != SQLITE_OK ||
        sqlite3session_attach(session, NULL) != SQLITE_OK)
        abort();
    bool good = follow_apply(follower->copy, record->changes, record->size, record->check);
    if (sqlite3session_patchset(session, &size, &changes) != SQLITE_OK)
        abort();
    sqlite3session_delete(session);
    good = good && follow_apply(follower->second, changes, (size_t)size, record->check);
    sqlite3_free(changes);
    return good;
}

/* Whether the check of a record is that of the one before, the number and the changes. */
static inline bool follow_check(struct follower *follower, const struct batch_record *record) {
    uint64_t number = htobe64((uint64_t)record->number);
    unsigned size;
    EVP_MD_CTX *sha256 = EVP_MD_CTX_new();
    EVP_DigestInit_ex(sha256, EVP_sha256(), NULL);
    EVP_DigestUpdate(sha256, follower->check, BATCH_CHECK_SIZE);
    EVP_DigestUpdate(sha256, &number, sizeof number);
    EVP_DigestUpdate(sha256, record->changes, record->size);
    EVP_DigestFinal_ex(sha256, follower->check, &size);
    EVP_MD_CTX_free(sha256);
    return memcmp(follower->check, record->check, BATCH_CHECK_SIZE) == 0;
}

/* Applies all batches that were committed since. */
static inline bool follow_all(struct follower *follower) {
    bool good = true;
    while (good && follower->batch < store_last_batch(follower->store)) {
        struct batch_record record;
        int64_t next = ++follower->batch;
        buffer_clear(&follower->bytes);
        good = batch_reader_get(follower->reader, next, &follower->bytes) &&
               batch_record_read(follower->bytes.data, follower->bytes.length, &record) ==
                   follower->bytes.length &&
               record.number == next;
        if (!good)
            printf("# batch %lld is not in the log\n", (long long)next);
        if (good && !follow_check(follower, &record))
            printf("# batch %lld has another check\n", (long long)next);
        good = good && memcmp(follower->check, record.check, BATCH_CHECK_SIZE) == 0 &&
               (follower->second
                    ? follow_twice(follower, &record)
                    : follow_apply(follower->copy, record.changes, record.size, record.check));
    }
    return good;
}

/* How many rows of all tables are in one of both only; columns: "*", or "rowid, *". */
static inline int64_t follow_differences(sqlite3 *copy, const char *columns) {
    static const char tables[] = "SELECT name FROM main.sqlite_schema WHERE type = 'table'";
    sqlite3_stmt *table;
    int64_t all = 0;
    int count = 0;
    if (sqlite3_prepare_v2(copy, tables, -1, &table, NULL) != SQLITE_OK)
        abort();
    while (sqlite3_step(table) == SQLITE_ROW) {
        char sql[FOLLOW_SQL_SIZE];
        const char *name = (const char *)sqlite3_column_text(table, 0);
        sqlite3_stmt *differ;
        snprintf(sql, sizeof sql,
                 "SELECT (SELECT count(*) FROM (SELECT %s FROM main.%s EXCEPT"
                 " SELECT %s FROM original.%s))"
                 " + (SELECT count(*) FROM (SELECT %s FROM original.%s EXCEPT"
                 " SELECT %s FROM main.%s))",
                 columns, name, columns, name, columns, name, columns, name);
        if (sqlite3_prepare_v2(copy, sql, -1, &differ, NULL) != SQLITE_OK ||
            sqlite3_step(differ) != SQLITE_ROW)
            abort();
        int64_t rows = sqlite3_column_int64(differ, 0);
        sqlite3_finalize(differ);
        if (rows > 0)
            printf("# %s: %lld rows\n", name, (long long)rows);
        all += rows;
        count++;
    }
    sqlite3_finalize(table);
    return count >= 9 ? all : -1;
}

/* Whether the copy is equal once it has all batches; a session's changes come in another order. */
static inline bool follow(struct follower *follower) {
    return follow_all(follower) && follow_differences(follower->copy, "rowid, *") == 0 &&
           (!follower->second || follow_differences(follower->second, "*") == 0);
}

#endif
