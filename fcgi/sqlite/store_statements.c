/* Statements: prepared once, bound by letters, stepped; failures set the state. New items are
 * stored together, before anything else looks. */

#include <stdarg.h>
#include <string.h>

#include "log.h"
#include "store_sql.h"

/* Binds one parameter; see store_bind for the letters. */
static int bind_one(sqlite3_stmt *statement, int at, char type, va_list *arguments) {
    if (type == 'i')
        return sqlite3_bind_int64(statement, at, va_arg(*arguments, int64_t));
    const void *pointer = va_arg(*arguments, const void *);
    if (!pointer)
        return sqlite3_bind_null(statement, at);
    if (type == 't')
        return sqlite3_bind_text(statement, at, pointer, -1, SQLITE_STATIC);
    int size = type == 'u'   ? ID_SIZE
               : type == 'd' ? DIGEST_SIZE
               : type == 'c' ? BATCH_CHECK_SIZE
                             : PULL_TAG_SIZE;
    return sqlite3_bind_blob(statement, at, pointer, size, SQLITE_STATIC);
}

/* As store_bind, while there may be new items that are not stored. */
static sqlite3_stmt *bind_all(struct sqlite_store *store, enum sql sql, const char *types,
                              va_list *arguments) {
    sqlite3_stmt **slot = &store->statements[sql];
    if (!*slot) {
        int code = sqlite3_prepare_v3(store->database, sql_text[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                      slot, NULL);
        if (code != SQLITE_OK) {
            store_note(store, code, sql_name[sql]);
            return NULL;
        }
    }
    int code = SQLITE_OK;
    for (int i = 0; types[i] != '\0' && code == SQLITE_OK; i++)
        code = bind_one(*slot, i + 1, types[i], arguments);
    if (code != SQLITE_OK) {
        store_note(store, code, sql_name[sql]);
        return NULL;
    }
    return *slot;
}

static bool write_by(struct sqlite_store *store, enum sql sql, const char *types, ...) {
    va_list arguments;
    va_start(arguments, types);
    sqlite3_stmt *statement = bind_all(store, sql, types, &arguments);
    va_end(arguments);
    return store_finish(store, statement);
}

static bool write_one(struct sqlite_store *store, const struct enqueued_row *row) {
    const char *key = row->key[0] ? row->key : NULL;
    return write_by(store, SQL_ENQUEUE, "udiiitiii", row->id.bytes, row->digest, row->iterations,
                    row->rank, store_now_ms(store), key, store->wall_ms, (int64_t)row->state,
                    row->client);
}

bool store_write_enqueued(struct sqlite_store *store) {
    struct enqueue_table *enqueued = &store->enqueued;
    int count = enqueued->table.end;
    if (count == 0)
        return true;
    bool good = store_state_of(store) == STORE_GOOD; /* else the transaction may be over */
    if (good && count == 1)
        good = write_one(store, enqueued->rows);
    else if (good)
        good = write_by(store, SQL_ENQUEUE_MANY, "ii", store_now_ms(store), store->wall_ms);
    enqueued->table.end = 0;
    if (!good && !store->one_by_one && store_state_of(store) == STORE_GOOD) {
        store->state = STORE_AGAIN;
        store->one_by_one = true;
    }
    return good;
}

sqlite3_stmt *store_bind(struct sqlite_store *store, enum sql sql, const char *types, ...) {
    /* Who looks a key up has looked for it among those that are not stored. */
    if (sql != SQL_ENQUEUE_AGAIN && !store_write_enqueued(store))
        return NULL;
    va_list arguments;
    va_start(arguments, types);
    sqlite3_stmt *statement = bind_all(store, sql, types, &arguments);
    va_end(arguments);
    return statement;
}

/* The name of a statement, for messages. */
static const char *name_of(const struct sqlite_store *store, const sqlite3_stmt *statement) {
    for (int sql = 0; sql < SQL_COUNT; sql++) {
        if (store->statements[sql] == statement)
            return sql_name[sql];
    }
    return "a statement";
}

int store_step(struct sqlite_store *store, sqlite3_stmt *statement) {
    if (!sqlite3_stmt_busy(statement))
        changes_mark(&store->changes);
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        changes_undo(&store->changes);
        store_note(store, code, name_of(store, statement));
    }
    return code;
}

void store_end(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
}

bool store_finish(struct sqlite_store *store, sqlite3_stmt *statement) {
    if (!statement)
        return false;
    int code = store_step(store, statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

bool store_blob(struct sqlite_store *store, sqlite3_stmt *statement, int column, void *to,
                int size) {
    const void *blob = sqlite3_column_blob(statement, column);
    if (!blob || sqlite3_column_bytes(statement, column) != size) {
        log_error("column %d of %s is not %d bytes long: the database is damaged", column,
                  name_of(store, statement), size);
        store->state = STORE_POISONED;
        return false;
    }
    memcpy(to, blob, (size_t)size);
    return true;
}

int64_t store_number(struct sqlite_store *store, sqlite3_stmt *statement, int64_t absent) {
    int64_t number = absent;
    if (statement && store_step(store, statement) == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(statement, 0);
    if (statement)
        store_end(statement);
    return number;
}
