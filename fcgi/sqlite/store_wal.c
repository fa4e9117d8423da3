/* The WAL: copied into the database between batches, and kept small in spite of readers. */

#include "base/lock_holder.h"
#include "clock.h"
#include "log.h"
#include "store_sql.h"

/*
 * A checkpoint copies the pages from the WAL that no reader needs there any more. When it has
 * copied all, the next commit begins at the WAL's start again, unless a reader still uses the old
 * content at that moment. Readers of our own end within microseconds, so from some size on a
 * checkpoint waits for them a little. A reader that stays (a shell with an open transaction, a
 * backup) keeps the WAL growing; then the checkpoint is tried again, by the clock.
 */
enum {
    FRAME_BYTES = 4096 + 24,
    CHECKPOINT_PAGES = 1000, /* 4 MB of WAL since the last one */
    EMPTY_PAGES = 4000,      /* from here on a checkpoint waits for readers */
    LARGE_PAGES = WAL_LARGE_BYTES / FRAME_BYTES,
    READERS_MS = 20, /* how long it waits; the writer does nothing else meanwhile */
    RETRY_MS = 250,  /* until the next try after it waited in vain */
    RETRY_LARGE_MS = 1000
};

/* Tells an operator, once, that a reader is in the way. */
static void tell_stuck(struct sqlite_store *store) {
    struct wal *wal = &store->wal;
    char reader[LOCK_HOLDER_SIZE];
    if (wal->pages < LARGE_PAGES || wal->told_large)
        return;
    bool found = locks_find(store->files.path[FILE_SHM], "READ", LOCK_BYTE_READ_FIRST,
                            LOCK_BYTE_READ_LAST, reader);
    log_warn("%s%s reads the database in one long transaction, so the WAL grows: %lld MiB by now; "
             "end that (a sqlite3 shell, a backup)",
             found ? "process " : "something", found ? reader : "",
             (long long)wal->pages * FRAME_BYTES >> 20);
    wal->told_large = true;
}

static void tell_over(struct sqlite_store *store) {
    struct wal *wal = &store->wal;
    if (wal->told_large || wal->told_full)
        log_info("the WAL is empty again%s", wal->told_full ? "; enqueues are taken" : "");
    wal->told_large = false;
    wal->told_full = false;
}

bool store_wal_is_full(struct sqlite_store *store) {
    struct wal *wal = &store->wal;
    bool full = (int64_t)wal->pages * FRAME_BYTES > store->conf->wal_max;
    if (full && !wal->told_full) {
        log_error("the WAL has reached WAL_MAX: enqueues are refused until whatever reads the "
                  "database in one long transaction ends; leases, reports and pulls go on");
        wal->told_full = true;
    }
    return full;
}

/* Runs one checkpoint in this mode. SQLITE_OK when it did all that the mode promises. */
static int checkpoint(struct sqlite_store *store, int mode) {
    store_reserve_keep(store);
    sqlite3_busy_timeout(store->database, READERS_MS);
    int pages = -1;
    int code = sqlite3_wal_checkpoint_v2(store->database, NULL, mode, &pages, NULL);
    sqlite3_busy_timeout(store->database, store_patience_ms(store));
    if (pages >= 0)
        store->wal.pages = pages;
    if (code != SQLITE_OK && code != SQLITE_BUSY && (code & 0xff) != SQLITE_FULL)
        store_note(store, code, "checkpoint");
    if (mode == SQLITE_CHECKPOINT_TRUNCATE && code == SQLITE_OK) {
        store_reserve_emptied_wal(store);
        store_reserve_keep(store);
    }
    store_files_note(store);
    return code;
}

bool sqlite_checkpoint(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    struct wal *wal = &store->wal;
    bool stuck = wal->retry_ms != INT64_MAX;
    if (stuck ? clock_steady_ms() < wal->retry_ms : wal->pages < wal->pages_next)
        return true;
    if (!store_files_in_place(store))
        return false;
    int mode = SQLITE_CHECKPOINT_PASSIVE;
    files_note(&store->files, FILE_WAL);
    if (wal->pages >= EMPTY_PAGES)
        mode = store->files.seen[FILE_WAL].bytes > WAL_LARGE_BYTES ? SQLITE_CHECKPOINT_TRUNCATE
                                                                   : SQLITE_CHECKPOINT_RESTART;
    int code = checkpoint(store, mode);
    wal->retry_ms = INT64_MAX;
    if (mode != SQLITE_CHECKPOINT_PASSIVE && code == SQLITE_OK) {
        wal->pages = 0;
        wal->seen = (struct wal_seen){0};
        tell_over(store);
    } else if (mode != SQLITE_CHECKPOINT_PASSIVE) {
        wal->retry_ms = clock_steady_ms() + (wal->pages < LARGE_PAGES ? RETRY_MS : RETRY_LARGE_MS);
    }
    wal->pages_next = wal->pages + CHECKPOINT_PAGES;
    if (code == SQLITE_BUSY && mode != SQLITE_CHECKPOINT_PASSIVE)
        tell_stuck(store);
    return store_state_of(store) != STORE_POISONED;
}

bool store_first_checkpoint(struct sqlite_store *store) {
    checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    return store_state_of(store) == STORE_GOOD;
}

bool store_last_checkpoint(struct sqlite_store *store) {
    if (store_state_of(store) != STORE_GOOD || !store->serving)
        return true;
    if (store_files_in_place(store))
        checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    return store_state_of(store) != STORE_POISONED;
}

int64_t sqlite_checkpoint_due_ms(const struct store *base) {
    return sqlite_of(base)->wal.retry_ms;
}

/* Called by SQLite after a commit with the number of pages in the WAL; fewer than before when the
 * WAL has begun again. */
static int note_size(void *store, sqlite3 *database, const char *name, int pages) {
    struct wal *wal = &((struct sqlite_store *)store)->wal;
    (void)database;
    (void)name;
    if (pages < wal->pages)
        wal->pages_next = CHECKPOINT_PAGES;
    wal->pages = pages;
    return SQLITE_OK;
}

void store_wal_open(struct sqlite_store *store) {
    struct wal *wal = &store->wal;
    wal->pages_next = CHECKPOINT_PAGES;
    wal->retry_ms = INT64_MAX;
    sqlite3_wal_hook(store->database, note_size, store);
}
