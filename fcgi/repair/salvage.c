#include "salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "sqlite/store_schema.h"

enum { COLUMNS_MAX = 64, TEXT_SIZE = 400 };

/* The two databases and the statements that move the rows of the present table. */
struct work {
    sqlite3 *from;
    sqlite3 *to;
    sqlite3_stmt *read;  /* the rows from rowid ?1 on, in order; the first column is the rowid */
    sqlite3_stmt *write; /* inserts a row */
    bool failed;         /* the new file cannot be written */
};

static sqlite3_stmt *prepare(sqlite3 *database, const char *sql) {
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    return statement;
}

/* The number that a one-row statement gives; `absent` when it cannot be read. */
static int64_t number_of(sqlite3 *database, const char *sql, int64_t absent) {
    sqlite3_stmt *statement = prepare(database, sql);
    int64_t number = absent;
    if (statement && sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

/* Writes the current row of work->read. Leaves out a row that breaks a rule of the schema. */
static void save_row(struct work *work) {
    int columns = sqlite3_column_count(work->read) - 1;
    for (int i = 0; i < columns; i++)
        sqlite3_bind_value(work->write, i + 1, sqlite3_column_value(work->read, i + 1));
    sqlite3_step(work->write);
    int code = sqlite3_reset(work->write) & 0xff;
    if (code != SQLITE_OK && code != SQLITE_CONSTRAINT && code != SQLITE_MISMATCH) {
        log_error("cannot write the new file: %s", sqlite3_errmsg(work->to));
        work->failed = true;
    }
}

/* Saves the rows from this rowid on while they can be read. True when that was to the end; if not,
 * *next is the rowid after the last one. */
static bool save_from(struct work *work, int64_t first, int64_t *next) {
    int code = SQLITE_ERROR;
    *next = first;
    sqlite3_bind_int64(work->read, 1, first);
    while (!work->failed && (code = sqlite3_step(work->read)) == SQLITE_ROW) {
        int64_t rowid = sqlite3_column_int64(work->read, 0);
        save_row(work);
        if (rowid >= *next && rowid < INT64_MAX) /* rowids may go back in a damaged tree */
            *next = rowid + 1;
    }
    sqlite3_reset(work->read);
    return code == SQLITE_DONE || work->failed;
}

/* Whether reading from this rowid on gives a row or the end, and no error. */
static bool can_read(struct work *work, int64_t first) {
    sqlite3_bind_int64(work->read, 1, first);
    int code = sqlite3_step(work->read);
    sqlite3_reset(work->read);
    return code == SQLITE_ROW || code == SQLITE_DONE;
}

/* The first readable rowid after a damaged place: found by steps that double, then by halves. It
 * may miss rows between two damaged places that are close. -1 when nothing after can be read. */
static int64_t find_next(struct work *work, int64_t bad) {
    int64_t step = 1;
    while (!can_read(work, bad + step)) {
        if (step > (INT64_MAX - bad) / 4)
            return -1;
        step *= 2;
    }
    int64_t low = bad + step / 2;
    int64_t high = bad + step;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (can_read(work, middle))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* Prepares the statements for a table. False when the old database does not show the table. */
static bool begin_table(struct work *work, const char *table) {
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "SELECT rowid, * FROM \"%s\" WHERE rowid >= ?1 ORDER BY rowid",
             table);
    work->read = prepare(work->from, text);
    int columns = work->read ? sqlite3_column_count(work->read) - 1 : 0;
    if (columns < 1 || columns > COLUMNS_MAX)
        return false;
    int length = snprintf(text, sizeof text, "INSERT OR IGNORE INTO \"%s\" VALUES (?1", table);
    for (int i = 2; i <= columns; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, ", ?%d", i);
    snprintf(text + length, sizeof text - (size_t)length, ")");
    work->write = prepare(work->to, text);
    return work->write != NULL;
}

static void end_table(struct work *work) {
    sqlite3_finalize(work->read);
    sqlite3_finalize(work->write);
    work->read = NULL;
    work->write = NULL;
}

/* Saves the rows of the present table, around every damaged place. */
static void save_all(struct work *work) {
    int64_t next = 0;
    while (!work->failed && next >= 0 && !save_from(work, next, &next))
        next = find_next(work, next);
}

/* Saves the items that the index by id names and that are not saved yet, in this order, until a
 * damaged place of the index. Puts those that cannot be read into the table lost. True when the
 * index was read to its end. */
static bool save_named(struct work *work, const char *order) {
    char text[TEXT_SIZE];
    snprintf(text, sizeof text, "SELECT seq FROM item INDEXED BY item_id ORDER BY id %s", order);
    sqlite3_stmt *names = prepare(work->from, text);
    sqlite3_stmt *find = prepare(work->to, "SELECT 1 FROM item WHERE seq = ?1");
    sqlite3_stmt *lose = prepare(work->to, "INSERT OR IGNORE INTO temp.lost VALUES (?1)");
    int code = SQLITE_ERROR;
    while (names && !work->failed && (code = sqlite3_step(names)) == SQLITE_ROW) {
        int64_t seq = sqlite3_column_int64(names, 0);
        sqlite3_bind_int64(find, 1, seq);
        if (sqlite3_step(find) != SQLITE_ROW) {
            sqlite3_bind_int64(work->read, 1, seq);
            if (sqlite3_step(work->read) == SQLITE_ROW &&
                sqlite3_column_int64(work->read, 0) == seq)
                save_row(work);
            sqlite3_reset(work->read);
            sqlite3_reset(find);
            if (sqlite3_step(find) != SQLITE_ROW) {
                sqlite3_bind_int64(lose, 1, seq);
                sqlite3_step(lose);
                sqlite3_reset(lose);
            }
        }
        sqlite3_reset(find);
    }
    sqlite3_finalize(names);
    sqlite3_finalize(find);
    sqlite3_finalize(lose);
    return code == SQLITE_DONE;
}

/* Saves every table but the counts. */
static void save_tables(struct work *work) {
    sqlite3_stmt *tables =
        prepare(work->to, "SELECT name FROM sqlite_schema WHERE type = 'table' AND "
                          "name NOT LIKE 'sqlite_%' AND name <> 'tally'");
    while (tables && !work->failed && sqlite3_step(tables) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(tables, 0);
        if (strcmp(name, "identity") == 0 &&
            number_of(work->from, "SELECT epoch FROM identity", -1) >= 0)
            sqlite3_exec(work->to, "DELETE FROM identity", NULL, NULL, NULL);
        if (begin_table(work, name)) {
            save_all(work);
            if (strcmp(name, "item") == 0 && !save_named(work, "ASC"))
                save_named(work, "DESC");
        }
        end_table(work);
    }
    sqlite3_finalize(tables);
}

/* Runs a script on the new database. */
static bool run(struct work *work, enum sql sql) {
    return sqlite3_exec(work->to, sql_text[sql], NULL, NULL, NULL) == SQLITE_OK;
}

/* Makes the counts again. False when they cannot be written. */
static bool count_all(struct work *work) {
    sqlite3_stmt *tally = prepare(work->to, sql_text[SQL_RECOVER_TALLY]);
    sqlite3_bind_int64(tally, 1, number_of(work->from, "SELECT clock FROM tally", 0));
    sqlite3_bind_int64(tally, 2, number_of(work->from, "SELECT batch FROM tally", 0));
    sqlite3_bind_int64(tally, 3, number_of(work->from, "SELECT paused FROM tally", 0));
    sqlite3_bind_int64(tally, 4, number_of(work->from, "SELECT backed_up FROM tally", 0));
    bool good = tally && sqlite3_step(tally) == SQLITE_DONE;
    sqlite3_finalize(tally);
    return good;
}

/* Fills in the result; lost is the larger of two counts, see struct salvage. */
static void compare(struct work *work, struct salvage *result) {
    result->saved = number_of(work->to, "SELECT count(*) FROM item", 0);
    result->lost = number_of(work->to, "SELECT count(*) FROM temp.lost", 0);
    int64_t counted =
        number_of(work->from, "SELECT waiting + leased + done + pulled + cancelled FROM tally", 0);
    if (counted - result->saved > result->lost)
        result->lost = counted - result->saved;
}

/* Opens both databases. False after logging why. */
static bool begin(struct work *work, const char *from, const char *path) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int version = -1;
    bool open = sqlite3_open_v2(from, &work->from, flags, NULL) == SQLITE_OK;
    if (open)
        store_distrust(work->from);
    if (open &&
        sqlite3_exec(work->from, "PRAGMA cell_size_check = ON", NULL, NULL, NULL) == SQLITE_OK)
        version = (int)number_of(work->from, "PRAGMA user_version", -1);
    if (version != STORE_SCHEMA_VERSION) {
        if (version > 0)
            log_error("the database has schema version %d, this program saves %d only", version,
                      STORE_SCHEMA_VERSION);
        else
            log_error("nothing can be read of the database: %s", sqlite3_errmsg(work->from));
        return false;
    }
    bool good = sqlite3_open_v2(path, &work->to, flags | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK &&
                sqlite3_exec(work->to,
                             "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; "
                             "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;"
                             "CREATE TEMP TABLE lost (seq INTEGER PRIMARY KEY); BEGIN",
                             NULL, NULL, NULL) == SQLITE_OK &&
                store_migrate(work->to, 0);
    if (!good)
        log_error("cannot make %s: %s", path, sqlite3_errmsg(work->to));
    return good;
}

/* Completes the new database and checks it. Marks it as a backup, since rows may be lost or of an
 * old state of the disk. */
static bool finish(struct work *work) {
    sqlite3_stmt *check = NULL;
    bool good = !work->failed && run(work, SQL_RECOVER_SENSELESS) &&
                run(work, SQL_RECOVER_CLIENTS) && count_all(work) &&
                sqlite3_exec(work->to, "COMMIT", NULL, NULL, NULL) == SQLITE_OK &&
                run(work, SQL_BACKUP_MARK);
    if (good) {
        check = prepare(work->to, "PRAGMA integrity_check(1)");
        good = check && sqlite3_step(check) == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0;
    }
    if (!good)
        log_error("the new file is not whole: %s", sqlite3_errmsg(work->to));
    sqlite3_finalize(check);
    return good;
}

bool salvage_run(const char *from, const char *path, struct salvage *result) {
    struct work work = {0};
    bool good = begin(&work, from, path);
    if (good) {
        save_tables(&work);
        good = finish(&work);
        compare(&work, result);
    }
    sqlite3_close(work.from);
    return (sqlite3_close(work.to) == SQLITE_OK) && good;
}
