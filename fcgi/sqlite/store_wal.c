/* The WAL: copied into the database between batches, and kept small in spite of readers. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "store_sql.h"

/*
 * A checkpoint copies what no reader needs from the WAL any more. When it has copied everything the
 * next commit begins at the WAL's start again, unless a reader still looks at its old content just
 * then. Readers of our own are gone within microseconds, so from some size on a checkpoint waits
 * for them a little. A reader that stays (a shell with an open transaction, a backup) keeps the WAL
 * growing; that is tried again and again, by the clock.
 */
enum {
    FRAME_BYTES = 4096 + 24,
    CHECKPOINT_PAGES = 1000, /* 4 MB of WAL since the last one */
    EMPTY_PAGES = 4000,      /* from here on a checkpoint waits for readers */
    LARGE_PAGES = WAL_LARGE_BYTES / FRAME_BYTES,
    READERS_MS = 20, /* how long it waits; nothing else is done meanwhile */
    RETRY_MS = 250,  /* after it waited in vain */
    RETRY_LARGE_MS = 1000
};

enum { READER_SIZE = 16 };

/* Whether a line of the system's table of locks is one of another process's reading from the WAL,
 * as in "12: POSIX  ADVISORY  READ 4711 fe:00:1234 124 124": SQLite's readers lock one of the bytes
 * 124 to 127 of the -shm file. The process goes to reader. */
static bool is_reader(const char *line, const char *shm, char reader[READER_SIZE]) {
    char file[64];
    char byte[16];
    char own[READER_SIZE];
    snprintf(own, sizeof own, "%d", (int)getpid());
    return sscanf(line, "%*s POSIX %*s READ %15s %63s %15s", reader, file, byte) == 3 &&
           strcmp(file, shm) == 0 && strncmp(byte, "12", 2) == 0 && byte[2] >= '4' &&
           byte[2] <= '7' && strcmp(reader, own) != 0;
}

/* Finds a process that reads from the WAL. False when none is seen: it may be in a container. */
static bool find_reader(const struct store *store, char reader[READER_SIZE]) {
    char path[SETTING_TEXT_SIZE + 8];
    char shm[64];
    char line[256];
    struct stat info;
    bool found = false;
    snprintf(path, sizeof path, "%s-shm", store->conf->database);
    FILE *locks = stat(path, &info) == 0 ? fopen("/proc/locks", "re") : NULL;
    if (!locks)
        return false;
    snprintf(shm, sizeof shm, "%02x:%02x:%llu", major(info.st_dev), minor(info.st_dev),
             (unsigned long long)info.st_ino);
    while (!found && fgets(line, sizeof line, locks))
        found = is_reader(line, shm, reader);
    fclose(locks);
    return found;
}

/* Tells an operator, once, that a reader is in the way. */
static void tell_stuck(struct store *store) {
    struct wal *wal = &store->wal;
    char reader[READER_SIZE];
    if (wal->pages < LARGE_PAGES || wal->told_large)
        return;
    bool found = find_reader(store, reader);
    log_warn("%s%s reads the database in one long transaction, so the WAL grows: %lld MiB by now; "
             "end that (a sqlite3 shell, a backup)",
             found ? "process " : "something", found ? reader : "",
             (long long)wal->pages * FRAME_BYTES >> 20);
    wal->told_large = true;
}

static void tell_over(struct store *store) {
    struct wal *wal = &store->wal;
    if (wal->told_large || wal->told_full)
        log_info("the WAL is empty again%s", wal->told_full ? "; enqueues are taken" : "");
    wal->told_large = false;
    wal->told_full = false;
}

bool store_wal_is_full(struct store *store) {
    struct wal *wal = &store->wal;
    bool full = (int64_t)wal->pages * FRAME_BYTES > store->conf->wal_max;
    if (full && !wal->told_full) {
        log_error("the WAL has reached WAL_MAX: enqueues are refused until whatever reads the "
                  "database in one long transaction ends; leases, reports and pulls go on");
        wal->told_full = true;
    }
    return full;
}

bool store_wal_in_place(struct store *store) {
    struct wal *wal = &store->wal;
    struct stat info;
    bool there = stat(wal->path, &info) == 0;
    if (there && wal->inode == 0)
        wal->inode = info.st_ino;
    if (there && info.st_ino == wal->inode) {
        wal->file_bytes = info.st_size;
        return true;
    }
    log_error("%s was removed or replaced while it was in use: stop everything that touches the "
              "database, then start again",
              wal->path);
    store->state = STORE_POISONED;
    return false;
}

/* Runs one checkpoint in this mode. SQLITE_OK when it did all that its mode promises. */
static int checkpoint(struct store *store, int mode) {
    store_reserve_keep(store);
    sqlite3_busy_timeout(store->database, READERS_MS);
    int pages = -1;
    int code = sqlite3_wal_checkpoint_v2(store->database, NULL, mode, &pages, NULL);
    sqlite3_busy_timeout(store->database, STORE_BUSY_MS);
    if (pages >= 0)
        store->wal.pages = pages;
    if (code != SQLITE_OK && code != SQLITE_BUSY && (code & 0xff) != SQLITE_FULL)
        store_note(store, code, "checkpoint");
    if (mode == SQLITE_CHECKPOINT_TRUNCATE && code == SQLITE_OK) {
        store_reserve_emptied_wal(store);
        store_reserve_keep(store);
    }
    return code;
}

bool store_checkpoint(struct store *store) {
    struct wal *wal = &store->wal;
    bool stuck = wal->retry_ms != INT64_MAX;
    if (stuck ? clock_steady_ms() < wal->retry_ms : wal->pages < wal->pages_next)
        return true;
    if (!store_wal_in_place(store))
        return false;
    int mode = SQLITE_CHECKPOINT_PASSIVE;
    if (wal->pages >= EMPTY_PAGES)
        mode = wal->file_bytes > WAL_LARGE_BYTES ? SQLITE_CHECKPOINT_TRUNCATE
                                                 : SQLITE_CHECKPOINT_RESTART;
    int code = checkpoint(store, mode);
    wal->retry_ms = INT64_MAX;
    if (mode != SQLITE_CHECKPOINT_PASSIVE && code == SQLITE_OK) {
        wal->pages = 0;
        tell_over(store);
    } else if (mode != SQLITE_CHECKPOINT_PASSIVE) {
        wal->retry_ms = clock_steady_ms() + (wal->pages < LARGE_PAGES ? RETRY_MS : RETRY_LARGE_MS);
    }
    wal->pages_next = wal->pages + CHECKPOINT_PAGES;
    if (code == SQLITE_BUSY && mode != SQLITE_CHECKPOINT_PASSIVE)
        tell_stuck(store);
    return store_state(store) != STORE_POISONED;
}

bool store_first_checkpoint(struct store *store) {
    checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    return store_state(store) == STORE_GOOD;
}

bool store_last_checkpoint(struct store *store) {
    if (store_state(store) != STORE_GOOD || store->wal.inode == 0)
        return true;
    if (store_wal_in_place(store))
        checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    return store_state(store) != STORE_POISONED;
}

int64_t store_checkpoint_due_ms(const struct store *store) {
    return store->wal.retry_ms;
}

/* SQLite's report of how many pages are in the WAL behind a commit: fewer than before when it has
 * begun anew. */
static int note_size(void *store, sqlite3 *database, const char *name, int pages) {
    struct wal *wal = &((struct store *)store)->wal;
    (void)database;
    (void)name;
    if (pages < wal->pages)
        wal->pages_next = CHECKPOINT_PAGES;
    wal->pages = pages;
    return SQLITE_OK;
}

void store_wal_open(struct store *store) {
    struct wal *wal = &store->wal;
    snprintf(wal->path, sizeof wal->path, "%s-wal", store->conf->database);
    wal->pages_next = CHECKPOINT_PAGES;
    wal->retry_ms = INT64_MAX;
    sqlite3_wal_hook(store->database, note_size, store);
}
