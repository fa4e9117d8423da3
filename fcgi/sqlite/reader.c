#include "reader_sql.h"

#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "row.h"

enum { BUSY_MS = 1000 };

struct reader *reader_new(const struct conf *conf) {
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader)
        reader->conf = conf;
    return reader;
}

static void close_database(struct reader *reader) {
    for (int sql = 0; sql < SQL_COUNT; sql++) {
        sqlite3_finalize(reader->statements[sql]);
        reader->statements[sql] = NULL;
    }
    sqlite3_close(reader->database);
    reader->database = NULL;
}

void reader_free(struct reader *reader) {
    close_database(reader);
    free(reader);
}

/* Opens the file unless it is open. False with a debug line when that cannot be done now. */
static bool open_database(struct reader *reader) {
    if (reader->database) {
        if (reader->owner == getpid())
            return true;
        log_error("a database connection was carried over a fork");
        abort();
    }
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    reader->owner = getpid();
    if (sqlite3_open_v2(reader->conf->database, &reader->database, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(reader->database, BUSY_MS) == SQLITE_OK &&
        sqlite3_db_config(reader->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK)
        return true;
    log_debug("cannot read %s: %s", reader->conf->database, sqlite3_errmsg(reader->database));
    close_database(reader);
    return false;
}

sqlite3_stmt *reader_statement(struct reader *reader, enum sql sql) {
    sqlite3_stmt **slot = &reader->statements[sql];
    if (!open_database(reader))
        return NULL;
    if (*slot || sqlite3_prepare_v3(reader->database, sql_text[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                    slot, NULL) == SQLITE_OK)
        return *slot;
    log_debug("%s cannot be prepared: %s", sql_name[sql], sqlite3_errmsg(reader->database));
    close_database(reader);
    return NULL;
}

enum queue_result reader_failed(struct reader *reader, int code) {
    int primary = code & 0xff;
    bool damaged = code == SQLITE_ROW || primary == SQLITE_IOERR || primary == SQLITE_CORRUPT ||
                   primary == SQLITE_NOTADB;
    if (damaged)
        log_error("cannot read from %s: %s", reader->conf->database,
                  sqlite3_errmsg(reader->database));
    close_database(reader);
    return damaged ? QUEUE_FAULT : QUEUE_DOWN;
}

enum queue_result reader_look(struct reader *reader, struct uuid id, struct queue_item *item,
                              int *home) {
    sqlite3_stmt *look = reader_statement(reader, SQL_LOOK);
    if (!look)
        return QUEUE_DOWN;
    sqlite3_bind_blob(look, 1, id.bytes, ID_SIZE, SQLITE_STATIC);
    int code = sqlite3_step(look);
    bool copied = code == SQLITE_ROW && row_item(look, item);
    *home = copied ? sqlite3_column_int(look, ROW_ITEM_COLUMNS) : -1;
    sqlite3_reset(look); /* no read transaction may outlive the request */
    if (code == SQLITE_DONE)
        return QUEUE_NONE;
    return copied ? QUEUE_OK : reader_failed(reader, code);
}

bool reader_mark_copy(const char *path) {
    sqlite3 *copy;
    bool good = sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                sqlite3_exec(copy, sql_text[SQL_BACKUP_MARK], NULL, NULL, NULL) == SQLITE_OK;
    if (!good)
        log_error("cannot finish %s: %s", path, sqlite3_errmsg(copy));
    sqlite3_close(copy);
    return good;
}
