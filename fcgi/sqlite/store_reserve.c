/* The reserve: room on the disk, allocated before it is needed, so that a full disk stops only
 * enqueues. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "store_sql.h"

/*
 * The room lies in the database's own files, which are allocated beyond their content, so that
 * nobody else can take it. A stored item is later leased, done and handed out, whereby its row and
 * index entries grow; the commits need a whole WAL and wal-index. A new item is taken only while
 * there is room for all this and for all present items.
 *
 * Measured: rows of 290 to 360 bytes grow by 115 to 120 on their way. On a filesystem that writes
 * changed blocks elsewhere (btrfs, ZFS) the room cannot be kept; a full disk then answers 507 to
 * everybody, and loses nothing.
 */
enum {
    ITEM_BYTES = 160,              /* that an item may still need */
    LEAST_BYTES = 8 * 1024 * 1024, /* in addition: for two whole batches and new workers */
    STEP_BYTES = 1024 * 1024,      /* allocated at once beyond the need, if there is room */
    WAL_BYTES =
        24 * 1024 * 1024,  /* a checkpoint that waits for readers comes at two thirds of it */
    SHM_BYTES = 4 * 32768, /* for 16 thousand pages in the WAL */
    RETRY_MS = 250         /* between two checks of a full disk */
};

#define MOST_BYTES (INT64_C(512) << 20) /* enough for 3 million items */
#define CHUNK_BYTES (INT64_C(1) << 30)

/* The bytes to allocate beyond the present content of the database. */
static int64_t wanted(const struct sqlite_store *store) {
    const int64_t *items = store->ledger.counts.items;
    int64_t open = items[ITEM_WAITING] + items[ITEM_LEASED] + items[ITEM_DONE];
    int64_t bytes = LEAST_BYTES + open * ITEM_BYTES;
    return bytes < MOST_BYTES ? bytes : MOST_BYTES;
}

/* The bytes of the pages that a statement counts. */
static int64_t bytes_of(struct sqlite_store *store, enum sql pages) {
    return PAGE_BYTES * store_number(store, store_bind(store, pages, ""), 0);
}

/* Allocates a range of a file. False with errno. */
static bool allocate(int fd, int64_t from, int64_t to) {
    errno = fd < 0 ? EBADF : to > from ? posix_fallocate(fd, from, to - from) : 0;
    return errno == 0;
}

/* Sets SQLite's chunk size so that the reserve stays: SQLite truncates the database's file to its
 * content, rounded up to a multiple of the chunk size, so the reserve must end at a multiple. A
 * chunk has less than 2 GiB. */
static void set_chunk(struct sqlite_store *store) {
    struct reserve *reserve = &store->reserve;
    int64_t holds = bytes_of(store, SQL_PAGE_COUNT);
    int64_t parts = reserve->bytes < CHUNK_BYTES ? 1 : reserve->bytes / CHUNK_BYTES;
    int chunk = holds <= reserve->bytes ? (int)(reserve->bytes / parts) : 0;
    if (chunk == reserve->chunk)
        return;
    reserve->chunk = chunk;
    sqlite3_file_control(store->database, NULL, SQLITE_FCNTL_CHUNK_SIZE, &chunk);
}

/* Allocates the database's file up to `bytes`, rounded up so that it ends at a multiple of the
 * chunk. */
static bool extend(struct sqlite_store *store, int64_t bytes) {
    struct reserve *reserve = &store->reserve;
    int64_t parts = bytes < CHUNK_BYTES ? 1 : bytes / CHUNK_BYTES;
    int64_t unit = PAGE_BYTES * parts;
    bytes = (bytes + unit - 1) / unit * unit;
    bool good = allocate(reserve->fd[RESERVE_DATABASE], reserve->bytes, bytes);
    files_note(&store->files, FILE_DATABASE); /* this was us */
    if (!good)
        return false;
    reserve->bytes = bytes;
    set_chunk(store);
    return true;
}

/* Allocates missing room. False with errno when the disk has none. */
static bool fill(struct sqlite_store *store) {
    struct reserve *reserve = &store->reserve;
    if (!reserve->whole_shm) /* needed only when readers are in the way of a checkpoint */
        reserve->whole_shm = allocate(reserve->fd[RESERVE_SHM], 0, SHM_BYTES);
    if (!reserve->whole_wal)
        reserve->whole_wal = allocate(reserve->fd[RESERVE_WAL], 0, WAL_BYTES);
    if (!reserve->whole_wal)
        return false;
    int64_t more = wanted(store) - bytes_of(store, SQL_FREELIST_COUNT);
    int64_t least = bytes_of(store, SQL_PAGE_COUNT) + (more > 0 ? more : 0);
    return reserve->bytes >= least || extend(store, least + STEP_BYTES) || extend(store, least);
}

bool store_reserve_holds(struct sqlite_store *store) {
    struct reserve *reserve = &store->reserve;
    int64_t now = clock_steady_ms();
    if (reserve->checked || (reserve->low && now < reserve->retry_ms))
        return !reserve->low;
    bool good = fill(store);
    reserve->checked = true;
    if (!good && !reserve->low)
        log_warn(
            "no room can be kept on the disk of %s (%m): enqueues are refused until there is some, "
            "leases, reports and pulls go on; make room",
            store->conf->database);
    if (good && reserve->low)
        log_info("there is room on the disk again: enqueues are taken");
    reserve->low = !good;
    reserve->retry_ms = now + RETRY_MS;
    return good;
}

void store_reserve_new_batch(struct sqlite_store *store) {
    store->reserve.checked = false;
}

void store_reserve_keep(struct sqlite_store *store) {
    struct reserve *reserve = &store->reserve;
    reserve->checked = false;
    store_reserve_holds(store);
    set_chunk(store); /* the database may have grown beyond the reserve */
}

void store_reserve_emptied_wal(struct sqlite_store *store) {
    store->reserve.whole_wal = false;
}

void store_reserve_open(struct sqlite_store *store) {
    static const int files[RESERVE_FILES] = {FILE_DATABASE, FILE_WAL, FILE_SHM};
    struct reserve *reserve = &store->reserve;
    struct stat info;
    for (int i = 0; i < RESERVE_FILES; i++) {
        reserve->fd[i] = open(store->files.path[files[i]], O_RDWR | O_CLOEXEC);
        /* The WAL is read after each commit (store_files.c), and nobody needs its access time. This
         * fails, harmlessly, if this user does not own the file. */
        fcntl(reserve->fd[i], F_SETFL, O_NOATIME);
    }
    if (fstat(reserve->fd[RESERVE_DATABASE], &info) == 0 &&
        allocate(reserve->fd[RESERVE_DATABASE], 0, info.st_size))
        reserve->bytes = info.st_size; /* with the reserve of an earlier run */
    store_reserve_keep(store);
}

void store_reserve_close(struct sqlite_store *store) {
    for (int i = 0; i < RESERVE_FILES; i++) {
        if (store->reserve.fd[i] >= 0)
            close(store->reserve.fd[i]);
    }
}
