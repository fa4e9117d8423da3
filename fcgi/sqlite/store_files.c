/* Whether the files below SQLite are still those that it has opened, with the content that it has
 * written; and the errors of the system that mean "no room". */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "store_sql.h"

/*
 * SQLite writes to its open descriptors, even after a file was removed or replaced: such a commit
 * is lost. Nor does it notice that somebody has written over a file. So before each batch and each
 * checkpoint the files are compared with their state after the last one. Only checkpoints write to
 * the database's file, so its time is enough. Of the WAL, the start and the head of the last frame
 * are compared: that frame's checksum covers all before it. Other connections may write after it.
 */
enum { WAL_START_BYTES = 32, FRAME_HEAD_BYTES = 24, FRAME_BYTES = PAGE_BYTES + FRAME_HEAD_BYTES };

_Static_assert(sizeof((struct wal_seen){0}).start == WAL_START_BYTES, "as the file format has it");
_Static_assert(sizeof((struct wal_seen){0}).last == FRAME_HEAD_BYTES, "as the file format has it");

/* Reads the parts of the WAL that are compared; pages are in use. */
static void look_at_wal(const struct sqlite_store *store, int pages, struct wal_seen *seen) {
    int fd = store->reserve.fd[RESERVE_WAL];
    off_t last = WAL_START_BYTES + (off_t)(pages - 1) * FRAME_BYTES;
    *seen = (struct wal_seen){.pages = pages};
    if (pages > 0 &&
        (pread(fd, seen->start, sizeof seen->start, 0) != (ssize_t)sizeof seen->start ||
         pread(fd, seen->last, sizeof seen->last, last) != (ssize_t)sizeof seen->last))
        seen->pages = -1;
}

static bool is_wal_as_left(const struct sqlite_store *store) {
    struct wal_seen now;
    look_at_wal(store, store->wal.seen.pages, &now);
    return memcmp(&now, &store->wal.seen, sizeof now) == 0;
}

void store_files_note_commit(struct sqlite_store *store) {
    look_at_wal(store, store->wal.pages, &store->wal.seen);
}

void store_files_note(struct sqlite_store *store) {
    files_note(&store->files, FILE_DATABASE);
    store_files_note_commit(store);
}

/* Whether another connection of SQLite has committed since the last call. It may have restarted the
 * WAL and written to the database, which damages nothing. */
static bool others_committed(struct sqlite_store *store) {
    int64_t version = store_number(store, store_bind(store, SQL_DATA_VERSION, ""), 0);
    bool changed = version != store->data_version;
    store->data_version = version;
    if (changed)
        log_warn("another program has changed %s; what it changed is not counted. Only the server "
                 "may write to it: open shells with -readonly",
                 store->files.path[FILE_DATABASE]);
    return changed;
}

/* The file that somebody has written over, or NULL. */
static const char *overwritten(struct sqlite_store *store) {
    int file = files_written(&store->files, FILE_DATABASE) ? FILE_DATABASE
               : is_wal_as_left(store)                     ? FILE_COUNT
                                                           : FILE_WAL;
    if (file == FILE_COUNT)
        return NULL;
    if (!others_committed(store))
        return store->files.path[file];
    store_files_note(store);
    return NULL;
}

void store_files_open(struct sqlite_store *store) {
    store->data_version = store_number(store, store_bind(store, SQL_DATA_VERSION, ""), 0);
    store_files_note(store);
}

bool store_files_in_place(struct sqlite_store *store) {
    const char *moved = files_moved(&store->files);
    const char *written = moved ? NULL : overwritten(store);
    if (!moved && !written)
        return store_state_of(store) != STORE_POISONED;
    log_error("%s was %s while it was in use: stop everything that touches the database, put the "
              "file that was there, or a backup (backup.sh --restore), in its place, then start "
              "again",
              moved ? moved : written,
              moved ? "removed or replaced" : "written to by another program");
    store->state = STORE_POISONED;
    return false;
}

/* Turns the other errors of a full disk into ENOSPC: SQLite takes all but ENOSPC for a broken one.
 */
static ssize_t no_room(ssize_t result) {
    if (result < 0 && (errno == EFBIG || errno == EDQUOT))
        errno = ENOSPC;
    return result;
}

static ssize_t write_or_full(int fd, const void *from, size_t size) {
    return no_room(write(fd, from, size));
}

static ssize_t pwrite_or_full(int fd, const void *from, size_t size, off_t at) {
    return no_room(pwrite(fd, from, size, at));
}

void store_take_no_room_for_full(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    if (!vfs || vfs->iVersion < 3 || !vfs->xSetSystemCall)
        return;
    vfs->xSetSystemCall(vfs, "write", (sqlite3_syscall_ptr)write_or_full);
    vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)pwrite_or_full);
    vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)pwrite_or_full);
}
