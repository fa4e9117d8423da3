/* The store's state after a failed call of SQLite, and which process keeps it from writing. */

#include "base/lock_holder.h"
#include "clock.h"
#include "log.h"
#include "store_sql.h"

/* Set by SQLite's own log, which reports what its return codes may hide. */
static bool saw_damage;
static bool saw_no_memory;

/* Whether the wal-index could not grow, as the disk is full. The WAL itself is whole; the next
 * opening reads it again. */
static bool is_index_trouble(int code) {
    return code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMMAP ||
           code == SQLITE_IOERR_SHMOPEN;
}

/* Whether memory ran out. A new writer gets the memory that this one frees, or waits until there is
 * some. Without memory SQLite may report a schema that it could not read as damaged; if it really
 * is, the new writer says so. */
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

void store_note(struct sqlite_store *store, int code, const char *what) {
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

enum store_state store_state_of(const struct sqlite_store *store) {
    return saw_damage ? STORE_POISONED : store->state;
}

enum store_state sqlite_state(const struct store *base) {
    return store_state_of(sqlite_of(base));
}

void store_lose(struct sqlite_store *store) {
    if (store->state == STORE_GOOD)
        store->state = STORE_LOST;
}

void store_tell_locked(struct sqlite_store *store) {
    char holder[LOCK_HOLDER_SIZE];
    if (store->locked_ms != 0)
        return;
    store->locked_ms = clock_steady_ms();
    bool found = locks_find(store->files.path[FILE_SHM], "WRITE", LOCK_BYTE_WRITE, LOCK_BYTE_WRITE,
                            holder) ||
                 locks_find(store->files.path[FILE_DATABASE], "WRITE", 0, INT64_MAX, holder);
    log_error("%s%s holds the lock for writing to %s, so everything that changes something is "
              "answered 503: end its transaction or the program (a sqlite3 shell is to be opened "
              "with -readonly)",
              found ? "process " : "another program, which cannot be seen from here,",
              found ? holder : "", store->files.path[FILE_DATABASE]);
}

void store_tell_unlocked(struct sqlite_store *store) {
    if (store->locked_ms == 0)
        return;
    log_info("the database can be written to again, after %.1f s",
             (double)(clock_steady_ms() - store->locked_ms) / 1000);
    store->locked_ms = 0;
}
