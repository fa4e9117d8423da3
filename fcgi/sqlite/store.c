#include <stdarg.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "store_sql.h"

/* Set by SQLite's own log: it reports what its return codes may hide. */
static bool saw_damage;
static bool saw_no_memory;

/* The wal-index could not grow: the disk is full. What is in the WAL is whole, and the next opening
 * reads it anew. */
static bool is_index_trouble(int code) {
    return code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMMAP ||
           code == SQLITE_IOERR_SHMOPEN;
}

/* There was no memory. A new writer has what this one has let go of, or waits until there is some.
 * Where there was none, SQLite may take a schema that it could not read for a damaged one; if it is
 * one, the new writer says so. */
static bool is_memory_trouble(int code) {
    int primary = code & 0xff;
    return primary == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM ||
           (primary == SQLITE_CORRUPT && saw_no_memory);
}

static bool is_damage(int code) {
    int primary = code & 0xff;
    if (is_memory_trouble(code) || is_index_trouble(code))
        return false;
    return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

void store_log(void *unused, int code, const char *text) {
    (void)unused;
    saw_no_memory |= code == SQLITE_NOMEM;
    if (is_damage(code)) {
        saw_damage = true;
        log_error("sqlite %d: %s", code, text);
    } else {
        log_debug("sqlite %d: %s", code, text);
    }
}

void store_note(struct store *store, int code, const char *what) {
    if (is_damage(code) || saw_damage) {
        store->state = STORE_POISONED;
        log_error("%s failed: %s", what, sqlite3_errmsg(store->database));
    } else if (is_index_trouble(code)) {
        store->state = STORE_UNSURE;
        log_warn("%s failed: %s; is the disk full?", what, sqlite3_errmsg(store->database));
    } else if (is_memory_trouble(code)) {
        store->state = STORE_UNSURE;
        log_warn("%s failed: out of memory; give this machine more", what);
    } else if ((code & 0xff) == SQLITE_FULL) {
        if (store->state == STORE_GOOD)
            store->state = STORE_DISK_FULL;
    } else if ((code & 0xff) == SQLITE_BUSY && !store->in_batch) {
        store_tell_locked(store);
    } else {
        log_warn("%s failed: %s", what, sqlite3_errmsg(store->database));
        bool gone = store->in_batch && sqlite3_get_autocommit(store->database);
        if (gone && store->state == STORE_GOOD)
            store->state = STORE_LOST;
    }
}

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

sqlite3_stmt *store_bind(struct store *store, enum sql sql, const char *types, ...) {
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
    va_list arguments;
    va_start(arguments, types);
    for (int i = 0; types[i] != '\0' && code == SQLITE_OK; i++)
        code = bind_one(*slot, i + 1, types[i], &arguments);
    va_end(arguments);
    if (code != SQLITE_OK) {
        store_note(store, code, sql_name[sql]);
        return NULL;
    }
    return *slot;
}

/* The name of a statement, for messages. */
static const char *name_of(const struct store *store, const sqlite3_stmt *statement) {
    for (int sql = 0; sql < SQL_COUNT; sql++) {
        if (store->statements[sql] == statement)
            return sql_name[sql];
    }
    return "a statement";
}

int store_step(struct store *store, sqlite3_stmt *statement) {
    if (!sqlite3_stmt_busy(statement))
        store_record_statement(store);
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        store_record_undo(store);
        store_note(store, code, name_of(store, statement));
    }
    return code;
}

void store_end(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
}

bool store_finish(struct store *store, sqlite3_stmt *statement) {
    if (!statement)
        return false;
    int code = store_step(store, statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

bool store_blob(struct store *store, sqlite3_stmt *statement, int column, void *to, int size) {
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

const char *store_version(void) {
    static char text[32];
    snprintf(text, sizeof text, "SQLite %s", sqlite3_libversion());
    return text;
}

enum store_state store_state(const struct store *store) {
    return saw_damage ? STORE_POISONED : store->state;
}

int64_t store_number(struct store *store, sqlite3_stmt *statement, int64_t absent) {
    int64_t number = absent;
    if (statement && store_step(store, statement) == SQLITE_ROW &&
        sqlite3_column_type(statement, 0) != SQLITE_NULL)
        number = sqlite3_column_int64(statement, 0);
    if (statement)
        store_end(statement);
    return number;
}

void store_count_move(struct store *store, const struct move *move) {
    store->counts.items[move->from]--;
    store->counts.items[move->to]++;
    store->counts.remaining -= move->from <= ITEM_LEASED ? move->before : 0;
    store->counts.remaining += move->to <= ITEM_LEASED ? move->after : 0;
    store->counts.work.done += move->to == ITEM_DONE;
    store->counts.work.pulled += move->to == ITEM_PULLED;
    if (move->to == ITEM_PULLED || move->to == ITEM_CANCELLED)
        store_note_closed(store, move->to);
}

void store_lose(struct store *store) {
    if (store->state == STORE_GOOD)
        store->state = STORE_LOST;
}

void store_count_all(struct store *store, int64_t items, enum item_state from, enum item_state to) {
    store->counts.items[from] -= items;
    store->counts.items[to] += items;
}

int64_t store_change_items(struct store *store, sqlite3_stmt *statement, enum item_state from,
                           enum item_state to) {
    if (!store_finish(store, statement)) {
        store_lose(store);
        return -1;
    }
    int64_t items = sqlite3_changes64(store->database);
    store_count_all(store, items, from, to);
    return items;
}

bool store_begin(struct store *store) {
    if (store_state(store) == STORE_POISONED || store->state == STORE_UNSURE)
        return false;
    store->state = STORE_GOOD;
    if (!store_run(store, SQL_BEGIN, "")) {
        store_lose(store);
        return false;
    }
    store_tell_unlocked(store);
    store->in_batch = true;
    if (!store_files_in_place(store))
        return false;
    store_reserve_new_batch(store);
    store->changes_before = sqlite3_total_changes64(store->database);
    store->wall_ms = clock_wall_ms();
    int64_t now = clock_steady_ms() + store->clock_offset_ms;
    if (now > store->counts.clock_ms)
        store->counts.clock_ms = now;
    store_record_begin(store);
    return true;
}

/* Ends the transaction, keeping nothing of it. */
static void undo(struct store *store) {
    if (store->in_batch && !sqlite3_get_autocommit(store->database))
        store_run(store, SQL_ROLLBACK, "");
    if (store->in_batch && store->state != STORE_POISONED)
        store_files_note_commit(store); /* a large batch has reached the WAL before its end */
    store->in_batch = false;
    store->counts = store->saved_counts;
    store_record_forget(store);
}

void store_rollback(struct store *store) {
    undo(store);
    store_backup_note_rollback(store);
    store->next_removal_ms = 0;
    store->next_given_up_ms = 0;
    store->next_deadline_ms = 0; /* what it was is not known any more; the next batch looks */
    if (store_state(store) != STORE_POISONED && store->state != STORE_UNSURE)
        store->state = STORE_GOOD;
}

/* Adds what the batch has done to the rates. */
static void note_work(struct store *store) {
    const struct queue_work *all = &store->counts.work;
    const struct queue_work *before = &store->saved_counts.work;
    struct queue_work work = {.enqueued = all->enqueued - before->enqueued,
                              .done = all->done - before->done,
                              .pulled = all->pulled - before->pulled,
                              .iterations = all->iterations - before->iterations};
    rates_add(&store->rates, clock_steady_ms(), &work);
}

static bool save_tally(struct store *store) {
    struct counts *counts = &store->counts;
    counts->batch++;
    return store_run(
        store, SQL_TALLY_SAVE, "iiiiiiiii", counts->clock_ms, counts->items[ITEM_WAITING],
        counts->items[ITEM_LEASED], counts->items[ITEM_DONE], counts->items[ITEM_PULLED],
        counts->items[ITEM_CANCELLED], counts->remaining, counts->batch, store->wall_ms);
}

bool store_commit(struct store *store) {
    if (store_state(store) != STORE_GOOD)
        return false;
    if (sqlite3_total_changes64(store->database) == store->changes_before) {
        undo(store); /* nothing but reading: nothing to write or to sync */
        return store_state(store) == STORE_GOOD;
    }
    bool good = save_tally(store) && store_record_end(store) && store_run(store, SQL_COMMIT, "");
    if (store_state(store) == STORE_POISONED)
        return false;
    if (!good) {
        store_lose(store);
        return false;
    }
    store->in_batch = false;
    store_files_note_commit(store);
    note_work(store);
    store_note_level(store);
    store->saved_counts = store->counts;
    return true;
}
