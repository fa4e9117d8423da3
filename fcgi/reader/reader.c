#include "parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "rows/item_columns.h"
#include "sqlite/store_schema.h"

enum { BUSY_MS = 1000 };

static struct reader *new_of(const struct conf *conf, const char *end) {
    struct sqlite_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->base.engine = &reader_engine_sqlite;
    reader->conf = conf;
    snprintf(reader->path, sizeof reader->path, "%s%s", conf->database, end);
    return &reader->base;
}

struct reader *sqlite_reader_new(const struct conf *conf) {
    return new_of(conf, "");
}

struct reader *reader_new_of_replica(const struct conf *conf) {
    return new_of(conf, "-replica");
}

static void close_database(struct sqlite_reader *reader) {
    for (int sql = 0; sql < SQL_COUNT; sql++) {
        sqlite3_finalize(reader->statements[sql]);
        reader->statements[sql] = NULL;
    }
    sqlite3_close(reader->database);
    reader->database = NULL;
}

void sqlite_reader_free(struct reader *base) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    close_database(reader);
    free(reader->load);
    free(reader);
}

/* Whether the file is open. Closes it when its files were removed or replaced: this connection
 * would show the content of the former ones for ever. */
static bool is_open(struct sqlite_reader *reader) {
    if (!reader->database)
        return false;
    if (reader->owner != getpid()) {
        log_error("a database connection was carried over a fork");
        abort();
    }
    if (!sqlite3_get_autocommit(reader->database) || !files_moved(&reader->files))
        return true;
    close_database(reader);
    return false;
}

/* Logs why the file cannot be read; missing rights as an error for the operator, once. */
static void tell_unreadable(struct sqlite_reader *reader) {
    errno = reader->database ? sqlite3_system_errno(reader->database) : 0;
    if ((errno == EACCES || errno == EPERM) && !reader->told_rights) {
        files_explain(reader->path);
        reader->told_rights = true;
    }
    log_debug("cannot read %s: %s", reader->path, sqlite3_errmsg(reader->database));
}

/* Opens the file unless it is open. False, logged, when that is not possible now. */
static bool open_database(struct sqlite_reader *reader) {
    if (is_open(reader))
        return true;
    files_name(&reader->files, reader->path);
    files_moved(&reader->files); /* notes the present ones */
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    reader->owner = getpid();
    if (sqlite3_open_v2(reader->path, &reader->database, flags, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(reader->database, BUSY_MS) == SQLITE_OK &&
        sqlite3_db_config(reader->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) ==
            SQLITE_OK) {
        store_distrust(reader->database);
        return true;
    }
    tell_unreadable(reader);
    close_database(reader);
    return false;
}

sqlite3_stmt *reader_statement(struct sqlite_reader *reader, enum sql sql) {
    sqlite3_stmt **slot = &reader->statements[sql];
    if (!open_database(reader))
        return NULL;
    if (*slot || sqlite3_prepare_v3(reader->database, sql_text[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                    slot, NULL) == SQLITE_OK)
        return *slot;
    tell_unreadable(reader);
    close_database(reader);
    return NULL;
}

enum queue_result reader_failed(struct sqlite_reader *reader, int code) {
    int primary = code & 0xff;
    bool damaged = code == SQLITE_ROW || primary == SQLITE_IOERR || primary == SQLITE_CORRUPT ||
                   primary == SQLITE_NOTADB;
    if (damaged)
        log_error("cannot read from %s: %s", reader->path, sqlite3_errmsg(reader->database));
    close_database(reader);
    return damaged ? QUEUE_FAULT : QUEUE_DOWN;
}

enum queue_result sqlite_reader_look(struct reader *base, struct uuid id,
                                     const struct queue_whose *whose, struct queue_item *item) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    sqlite3_stmt *look = reader_statement(reader, SQL_LOOK);
    if (!look)
        return QUEUE_DOWN;
    sqlite3_bind_blob(look, 1, id.bytes, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_text(look, 2, whose->all ? NULL : whose->client, -1, SQLITE_STATIC);
    int code = sqlite3_step(look);
    bool copied = code == SQLITE_ROW && item_columns_read(look, item);
    sqlite3_reset(look); /* no read transaction may outlive the request */
    if (code == SQLITE_DONE)
        return QUEUE_NONE;
    return copied ? QUEUE_OK : reader_failed(reader, code);
}

/* Whether a statement finds a tag of this range. OK, NONE, DOWN, FAULT. */
static enum queue_result find_tag(struct sqlite_reader *reader, enum sql sql,
                                  const struct tag_range *range) {
    sqlite3_stmt *find = reader_statement(reader, sql);
    if (!find)
        return QUEUE_DOWN;
    sqlite3_bind_blob(find, 1, range->low, PULL_TAG_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(find, 2, range->high, PULL_TAG_SIZE, SQLITE_STATIC);
    int code = sqlite3_step(find);
    sqlite3_reset(find);
    return code == SQLITE_ROW    ? QUEUE_OK
           : code == SQLITE_DONE ? QUEUE_NONE
                                 : reader_failed(reader, code);
}

enum queue_result sqlite_reader_pulled(struct reader *base, const struct queue_pull *pull) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    uint8_t tag[PULL_TAG_SIZE];
    if (!pull_tag(tag, pull))
        return QUEUE_FAULT;
    struct tag_range range = pull_tags_of_key(tag);
    enum queue_result result = find_tag(reader, SQL_PULL_TAG, &range);
    return result == QUEUE_NONE ? find_tag(reader, SQL_SPREAD_AGAIN, &range) : result;
}

enum queue_result reader_wall(struct sqlite_reader *reader, int64_t *wall_ms) {
    sqlite3_stmt *tally = reader_statement(reader, SQL_TALLY_BATCH);
    if (!tally)
        return QUEUE_DOWN;
    int code = sqlite3_step(tally);
    *wall_ms = code == SQLITE_ROW ? sqlite3_column_int64(tally, 2) : 0;
    sqlite3_reset(tally);
    return code == SQLITE_ROW ? QUEUE_OK : reader_failed(reader, code);
}

bool reader_moved(struct sqlite_reader *reader) {
    if (!reader->database || !files_moved(&reader->files))
        return false;
    close_database(reader);
    return true;
}

enum queue_result sqlite_reader_look_then(struct reader *base, struct uuid id,
                                          const struct queue_whose *whose, struct queue_item *item,
                                          int64_t *wall_ms) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    enum queue_result result = reader_wall(reader, wall_ms);
    if (result == QUEUE_OK)
        result = sqlite_reader_look(base, id, whose, item);
    return reader_moved(reader) ? QUEUE_DOWN : result;
}

bool reader_mark_copy(const char *path) {
    sqlite3 *copy;
    bool good = sqlite3_open_v2(path, &copy, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK;
    if (good)
        store_distrust(copy);
    good = good && sqlite3_exec(copy, sql_text[SQL_BACKUP_MARK], NULL, NULL, NULL) == SQLITE_OK;
    if (!good)
        log_error("cannot finish %s: %s", path, sqlite3_errmsg(copy));
    sqlite3_close(copy);
    return good;
}
