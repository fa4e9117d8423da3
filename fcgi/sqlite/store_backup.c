/*
 * Online backup: a copy of the database, made while the database is written. SQLite's backup copies
 * from the writer's own connection, so it sees every batch: a commit copies again the copied pages
 * that its batch changed, and only a batch that is rolled back makes the backup start again.
 *
 * The target is a database without a file: its VFS keeps written pages until they are fetched. So
 * the writer needs no room on any disk for a copy, waits for no disk, and may fail at it without
 * harm.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "log.h"
#include "store_sql.h"

enum {
    STEP_PAGES = 4, /* copied at once; some milliseconds from a disk that must seek */
    STEP_US = 500,  /* after this time others have their turn */
    CACHE_PAGES = 8,
    RESTARTS_MAX = 20,
    PENDING_MAX = 512 /* parts not fetched yet, 61 MiB: how much batches may change meanwhile */
};

struct part {
    struct pages pages;
    TAILQ_ENTRY(part) next;
};

struct backup {
    sqlite3 *copy;
    sqlite3_backup *work; /* NULL once it is complete */
    TAILQ_HEAD(part_list, part) pending;
    int pending_count;
    int64_t file_bytes;
    int restarts;
};

/* --- The VFS without files --- */

static const char vfs_name[] = "hashmill-backup";

struct copy_file {
    sqlite3_file base;
    struct backup *backup;
};

static struct backup *backup_of(sqlite3_file *file) {
    return ((struct copy_file *)file)->backup;
}

static int close_file(sqlite3_file *file) {
    (void)file;
    return SQLITE_OK;
}

/* Reads zeros in place of the content: pages are copied whole, so nobody needs it. */
static int read_file(sqlite3_file *file, void *to, int size, sqlite3_int64 at) {
    memset(to, 0, (size_t)size);
    return at + size <= backup_of(file)->file_bytes ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

/* The part with room for one more page. NULL when too many are pending or memory is short. */
static struct part *part_with_room(struct backup *backup) {
    struct part *last = TAILQ_LAST(&backup->pending, part_list);
    if (last && last->pages.count < PAGES_MAX)
        return last;
    struct part *part = backup->pending_count < PENDING_MAX ? malloc(sizeof *part) : NULL;
    if (!part)
        return NULL;
    part->pages.complete = 0;
    part->pages.count = 0;
    TAILQ_INSERT_TAIL(&backup->pending, part, next);
    backup->pending_count++;
    return part;
}

/* Reports every failure as a full disk: a failure of the copy must not look like one of the
 * database (see store_log). */
static int write_file(sqlite3_file *file, const void *from, int size, sqlite3_int64 at) {
    struct backup *backup = backup_of(file);
    struct part *part = size == PAGE_BYTES ? part_with_room(backup) : NULL;
    if (!part)
        return SQLITE_FULL;
    struct page *page = &part->pages.items[part->pages.count++];
    page->at = at;
    memcpy(page->bytes, from, PAGE_BYTES);
    if (at + size > backup->file_bytes)
        backup->file_bytes = at + size;
    return SQLITE_OK;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    backup_of(file)->file_bytes = size;
    return SQLITE_OK;
}

static int sync_file(sqlite3_file *file, int flags) {
    (void)file;
    (void)flags;
    return SQLITE_OK;
}

static int size_of_file(sqlite3_file *file, sqlite3_int64 *size) {
    *size = backup_of(file)->file_bytes;
    return SQLITE_OK;
}

static int lock_file(sqlite3_file *file, int lock) {
    (void)file;
    (void)lock;
    return SQLITE_OK;
}

static int check_reserved(sqlite3_file *file, int *reserved) {
    (void)file;
    *reserved = 0;
    return SQLITE_OK;
}

static int control_file(sqlite3_file *file, int operation, void *argument) {
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *file) {
    (void)file;
    return PAGE_BYTES;
}

static int characteristics(sqlite3_file *file) {
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {.iVersion = 1,
                                                .xClose = close_file,
                                                .xRead = read_file,
                                                .xWrite = write_file,
                                                .xTruncate = truncate_file,
                                                .xSync = sync_file,
                                                .xFileSize = size_of_file,
                                                .xLock = lock_file,
                                                .xUnlock = lock_file,
                                                .xCheckReservedLock = check_reserved,
                                                .xFileControl = control_file,
                                                .xSectorSize = sector_size,
                                                .xDeviceCharacteristics = characteristics};

/* Opens the database; refuses any other file, such as a journal. */
static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *flags_out) {
    file->pMethods = NULL;
    if (!name || !(flags & SQLITE_OPEN_MAIN_DB))
        return SQLITE_CANTOPEN;
    ((struct copy_file *)file)->backup = vfs->pAppData;
    file->pMethods = &file_methods;
    if (flags_out)
        *flags_out = flags;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync) {
    (void)vfs;
    (void)name;
    (void)sync;
    return SQLITE_OK;
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    (void)vfs;
    (void)name;
    (void)flags;
    *result = 0;
    return SQLITE_OK;
}

static int full_name(sqlite3_vfs *vfs, const char *name, int size, char *full) {
    (void)vfs;
    sqlite3_snprintf(size, full, "%s", name);
    return SQLITE_OK;
}

/* Registers the VFS; the next file that it opens belongs to this backup. Time and random numbers
 * come from the system's VFS. */
static bool set_vfs(struct backup *backup) {
    static sqlite3_vfs vfs;
    if (!vfs.zName) {
        vfs = *sqlite3_vfs_find(NULL);
        vfs.zName = vfs_name;
        vfs.szOsFile = sizeof(struct copy_file);
        vfs.pNext = NULL;
        vfs.xOpen = open_file;
        vfs.xDelete = delete_file;
        vfs.xAccess = access_file;
        vfs.xFullPathname = full_name;
    }
    vfs.pAppData = backup;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
}

/* --- The copy --- */

/* Opens the target. Without a journal, pages go out as soon as the small cache is full. */
static bool open_copy(struct sqlite_store *store, struct backup *backup) {
    static const char format[] = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                                 "PRAGMA cache_size = %d";
    char pragmas[sizeof format + 16];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    snprintf(pragmas, sizeof pragmas, format, CACHE_PAGES);
    if (!set_vfs(backup) || sqlite3_open_v2("copy", &backup->copy, flags, vfs_name) != SQLITE_OK ||
        sqlite3_exec(backup->copy, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return false;
    backup->work = sqlite3_backup_init(backup->copy, "main", store->database, "main");
    return backup->work != NULL;
}

enum queue_result sqlite_backup_begin(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (store->backup)
        return QUEUE_CONFLICT;
    struct backup *backup = calloc(1, sizeof *backup);
    if (!backup)
        return QUEUE_FAULT;
    TAILQ_INIT(&backup->pending);
    store->backup = backup;
    if (open_copy(store, backup))
        return QUEUE_OK;
    log_error("cannot begin a backup: %s",
              backup->copy ? sqlite3_errmsg(backup->copy) : "out of memory");
    sqlite_backup_end(base);
    return QUEUE_FAULT;
}

void sqlite_backup_end(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    struct backup *backup = store->backup;
    if (!backup)
        return;
    sqlite3_backup_finish(backup->work);
    sqlite3_close(backup->copy);
    struct part *part;
    while ((part = TAILQ_FIRST(&backup->pending)) != NULL) {
        TAILQ_REMOVE(&backup->pending, part, next);
        free(part);
    }
    free(backup);
    store->backup = NULL;
}

void store_backup_note_rollback(struct sqlite_store *store) {
    if (store->backup)
        store->backup->restarts++;
}

static int64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

enum queue_result sqlite_backup_copy(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    struct backup *backup = store->backup;
    int64_t until_us = microseconds() + STEP_US;
    int code = SQLITE_OK;
    if (backup->restarts > RESTARTS_MAX) {
        log_warn("the backup is given up: again and again batches fail, and each time it begins "
                 "from the start");
        return QUEUE_FAULT;
    }
    while (backup->work && code == SQLITE_OK && backup->pending_count < 2 &&
           microseconds() < until_us)
        code = sqlite3_backup_step(backup->work, STEP_PAGES);
    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return QUEUE_OK;
    if (code == SQLITE_DONE) {
        sqlite3_backup_finish(backup->work);
        backup->work = NULL;
        return QUEUE_OK;
    }
    if (code == SQLITE_FULL)
        log_warn("the backup is given up: what batches change is not fetched as fast");
    else
        store_note(store, code, "a step of the backup");
    return QUEUE_FAULT;
}

/* The size of the copy; while it is copied, the expected final size, so that whoever stores it
 * knows at once whether there is room. */
static int64_t whole_bytes(const struct backup *backup) {
    int64_t bytes = backup->work ? (int64_t)sqlite3_backup_pagecount(backup->work) * PAGE_BYTES : 0;
    return bytes > backup->file_bytes ? bytes : backup->file_bytes;
}

bool sqlite_backup_take(struct store *base, struct pages *pages) {
    struct sqlite_store *store = sqlite_of(base);
    struct backup *backup = store->backup;
    struct part *part = TAILQ_FIRST(&backup->pending);
    bool last = !backup->work && backup->pending_count <= 1;
    if (!part || (backup->work && part->pages.count < PAGES_MAX))
        return false;
    TAILQ_REMOVE(&backup->pending, part, next);
    backup->pending_count--;
    *pages = part->pages;
    pages->file_bytes = whole_bytes(backup);
    pages->complete = last;
    free(part);
    return true;
}
