/* The replica: opening its file, handling its failures, and giving it back. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "clock.h"
#include "log.h"
#include "parts.h"
#include "queue/pages.h"
#include "sqlite/store_schema.h"
#include "sqlite/store_sql.h"

const char *replica_result_name(enum replica_result result) {
    static const char *const names[] = {
        [REPLICA_OK] = "ok",        [REPLICA_NONE] = "none", [REPLICA_GAP] = "gap",
        [REPLICA_OTHER] = "other",  [REPLICA_BAD] = "bad",   [REPLICA_FULL] = "full",
        [REPLICA_FAILED] = "failed"};
    return names[result];
}

/* The number that a one-row statement gives, or -1. */
static int64_t number_of(struct replica *replica, enum sql sql) {
    sqlite3_stmt *row = replica_statement(replica, sql);
    int64_t number = row && sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int64(row, 0) : -1;
    if (row)
        sqlite3_reset(row);
    return number;
}

/* --- Failures --- */

/* Whether a failure is not the file's fault: no room, no memory, another process's lock. */
static bool is_passing(int code) {
    int primary = code & 0xff;
    return primary == SQLITE_FULL || primary == SQLITE_NOMEM || primary == SQLITE_BUSY ||
           primary == SQLITE_LOCKED || code == SQLITE_IOERR_SHMSIZE;
}

void replica_shut(struct replica *replica) {
    for (int sql = 0; sql < SQL_COUNT; sql++) {
        sqlite3_finalize(replica->statements[sql]);
        replica->statements[sql] = NULL;
    }
    replica_forget_tables(replica);
    sqlite3_close(replica->database);
    if (replica->file_fd >= 0)
        close(replica->file_fd);
    replica->database = NULL;
    replica->file_fd = -1;
    replica->taken = false;
    replica->state = (struct replica_state){0};
}

enum replica_result replica_failed(struct replica *replica, int code, const char *what) {
    bool passing = is_passing(code);
    if (passing && !sqlite3_get_autocommit(replica->database))
        passing = replica_run(replica, SQL_ROLLBACK) == SQLITE_OK;
    if (passing) {
        log_warn("the replica of the other node's database cannot be written now: %s: %s", what,
                 sqlite3_errstr(code));
        return REPLICA_FULL;
    }
    log_error("the replica of the other node's database has failed: %s: %s; it is put aside as "
              "%s-replica-bad, and the other node copies its database again",
              what, sqlite3_errstr(code), replica->conf->database);
    replica_shut(replica);
    replica_put_aside(replica);
    return REPLICA_FAILED;
}

/* --- Opening --- */

/* Called by SQLite after a commit with the number of pages in the WAL. */
static int note_pages(void *replica, sqlite3 *database, const char *name, int pages) {
    (void)database;
    (void)name;
    ((struct replica *)replica)->wal_pages = pages;
    return SQLITE_OK;
}

static int configure(struct replica *replica) {
    sqlite3 *database = replica->database;
    sqlite3_extended_result_codes(database, 1);
    sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    store_distrust(database);
    int code = sqlite3_exec(database, sql_text[SQL_REPLICA_OPEN], NULL, NULL, NULL);
    sqlite3_wal_hook(database, note_pages, replica); /* wal_autocheckpoint = 0 removed any hook */
    return code;
}

/* Opens the file for reading; it must be a regular file and no symbolic link. Returns the
 * descriptor; -1 when there is none, which is logged unless the name does not exist. */
static int open_file(const struct replica *replica) {
    char path[REPLICA_PATH_SIZE];
    struct stat info;
    replica_path(replica, "", path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (good || (fd < 0 && errno == ENOENT))
        return fd;
    if (fd >= 0 || errno == ELOOP)
        log_error("%s is no file but something else; remove it", path);
    else
        files_explain(path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Syncs the WAL: a killed process may have left a commit there that was never synced. It is visible
 * from now on, so it must be durable before anybody is told of it. Returns SQLite's code. */
static int sync_wal(const struct replica *replica) {
    char path[REPLICA_PATH_SIZE];
    replica_path(replica, "-wal", path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd >= 0 ? fdatasync(fd) == 0 : errno == ENOENT;
    if (fd >= 0)
        close(fd);
    return good ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

int replica_read_state(struct replica *replica) {
    struct replica_state *state = &replica->state;
    sqlite3_stmt *row = replica_statement(replica, SQL_REPLICA_STATE);
    if (row)
        sqlite3_bind_int64(row, 1, replica->conf->node);
    int code = row ? sqlite3_step(row) : sqlite3_extended_errcode(replica->database);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? SQLITE_CORRUPT : code;
    bool good =
        sqlite3_column_bytes(row, 0) == ID_SIZE && sqlite3_column_bytes(row, 4) == BATCH_CHECK_SIZE;
    if (good) {
        memcpy(state->identity.database.bytes, sqlite3_column_blob(row, 0), ID_SIZE);
        memcpy(state->check, sqlite3_column_blob(row, 4), BATCH_CHECK_SIZE);
    }
    state->node = sqlite3_column_int(row, 1);
    state->identity.epoch = sqlite3_column_int64(row, 2);
    state->batch = sqlite3_column_int64(row, 3);
    state->wall_ms = sqlite3_column_int64(row, 5);
    replica->incomplete = sqlite3_column_int(row, 6) != 0;
    state->bad |= sqlite3_column_int(row, 7) != 0;
    sqlite3_reset(row);
    state->schema = number_of(replica, SQL_REPLICA_SCHEMA);
    state->bytes = PAGE_BYTES * number_of(replica, SQL_PAGE_COUNT);
    state->there = good && state->schema >= 0 && state->bytes > 0;
    return state->there ? SQLITE_OK : SQLITE_CORRUPT;
}

void replica_note_bad(struct replica *replica) {
    replica->state.bad = 1;
    int code = replica_run(replica, SQL_REPLICA_BAD);
    if (code != SQLITE_OK)
        replica_failed(replica, code, "that it is bad");
}

int replica_checkpoint(struct replica *replica, bool whole) {
    int mode = whole ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int code = sqlite3_wal_checkpoint_v2(replica->database, NULL, mode, NULL, NULL);
    return code == SQLITE_BUSY && !whole ? SQLITE_OK : code;
}

enum replica_result replica_look(struct replica *replica) {
    const char *moved = replica->database ? files_moved(&replica->files) : NULL;
    if (!moved)
        return REPLICA_OK;
    log_error("%s was removed or replaced while it was in use: what is there of the replica of the "
              "other node's database is put aside as %s-replica-bad, and it is copied again",
              moved, replica->conf->database);
    replica_shut(replica);
    replica_put_aside(replica);
    return REPLICA_NONE;
}

/* Notes which files exist before they are opened. The lock file is left out: the lock is held even
 * if its name goes. */
static void see_files(struct replica *replica, const char *path) {
    files_name(&replica->files, path);
    replica->files.path[FILE_LOCK][0] = '\0';
    files_moved(&replica->files);
}

enum replica_result replica_load(struct replica *replica) {
    char path[REPLICA_PATH_SIZE];
    replica_path(replica, "", path);
    see_files(replica, path);
    replica->file_fd = open_file(replica);
    if (replica->file_fd < 0)
        return REPLICA_NONE;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &replica->database, flags, NULL);
    if (code == SQLITE_OK)
        code = configure(replica);
    if (code == SQLITE_OK)
        code = replica_read_state(replica);
    if (code == SQLITE_OK)
        code = sync_wal(replica);
    if (code == SQLITE_OK)
        code = replica_checkpoint(replica, false);
    if (code == SQLITE_OK)
        code = replica_sync_directory(replica) ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
    if (code == SQLITE_OK)
        return replica_look(replica);
    enum replica_result result = replica_failed(replica, code, "it cannot be opened");
    replica_shut(replica);
    return result;
}

struct replica *replica_open(const struct conf *conf) {
    sqlite3_config(SQLITE_CONFIG_LOG, store_log, NULL);
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    struct replica *replica = calloc(1, sizeof *replica);
    if (!replica)
        return NULL;
    replica->conf = conf;
    replica->lock_fd = replica->file_fd = replica->upload.file.fd = -1;
    replica->sha256 = batch_hash();
    store_take_no_room_for_full();
    if (replica->sha256 && replica_lock(replica)) {
        replica_remove(replica, "-new"); /* of an interrupted copy */
        if (replica_load(replica) != REPLICA_FULL)
            return replica;
    }
    replica_close(replica);
    return NULL;
}

void replica_close(struct replica *replica) {
    if (!replica)
        return;
    replica_drop_upload(replica);
    if (replica->database)
        replica_checkpoint(replica, false);
    replica_shut(replica);
    EVP_MD_CTX_free(replica->sha256);
    if (replica->lock_fd >= 0)
        close(replica->lock_fd);
    free(replica);
}

void replica_state(const struct replica *replica, struct replica_state *state) {
    *state = replica->state;
}

/* --- Giving it back --- */

enum replica_result replica_take(struct replica *replica, const struct queue_identity *identity) {
    const struct replica_state *state = &replica->state;
    if (!state->there)
        return REPLICA_NONE;
    if (memcmp(&state->identity.database, &identity->database, sizeof identity->database) != 0 ||
        identity->epoch <= state->identity.epoch)
        return REPLICA_OTHER;
    replica_drop_upload(replica);
    sqlite3_stmt *raise = replica_statement(replica, SQL_REPLICA_RAISE);
    int code = raise ? sqlite3_bind_int64(raise, 1, identity->epoch)
                     : sqlite3_extended_errcode(replica->database);
    if (code == SQLITE_OK)
        code = replica_finish(raise);
    if (code == SQLITE_OK)
        code = replica_run(replica, SQL_REPLICA_GOOD); /* no batch fits the new epoch anyway */
    if (code == SQLITE_OK)
        code = replica_read_state(replica);
    if (code == SQLITE_OK)
        code = replica_checkpoint(replica, true);
    replica->taken = code == SQLITE_OK;
    return code == SQLITE_OK ? REPLICA_OK : replica_failed(replica, code, "it cannot be taken");
}

int64_t replica_read(struct replica *replica, int64_t at, char *to, size_t size) {
    int64_t left = replica->state.bytes - at;
    if (!replica->taken || at < 0)
        return -1;
    if (left <= 0)
        return 0;
    errno = EIO; /* for a file that is shorter than its header says */
    ssize_t got = pread(replica->file_fd, to, (int64_t)size < left ? size : (size_t)left, at);
    if (got <= 0)
        log_error("cannot read the replica of the other node's database: %m");
    return got > 0 ? got : -1;
}

bool replica_is_taken(const struct replica *replica) {
    return replica->taken;
}
