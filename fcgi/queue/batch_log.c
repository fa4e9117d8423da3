#include "batch_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "batch_file.h"
#include "log.h"

#ifndef LOG_FILE_BYTES
#define LOG_FILE_BYTES (128 * 1024 * 1024)
#endif

struct batch_log {
    struct batch_files files;
    int fd;       /* of the current file; -1: there is none */
    int64_t last; /* number of its last record; this and the next two are valid only with fd */
    off_t start;  /* of that record */
    off_t end;
    bool failed; /* the last write failed, and that was logged */
};

/* Removes a file; emptied first, since a reader may have it open. */
static void remove_file(const char *path) {
    int fd = batch_file_open(path, O_RDWR);
    if (fd >= 0) {
        if (ftruncate(fd, 0) != 0)
            log_debug("cannot empty %s: %m", path);
        close(fd);
    }
    unlink(path);
}

static void remove_files(const struct batch_files *files) {
    for (int i = 0; i < BATCH_FILES; i++)
        remove_file(files->path[i]);
}

void batch_log_remove(const char *database) {
    struct batch_files files;
    batch_files_name(&files, database);
    remove_files(&files);
}

static void close_file(struct batch_log *log) {
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}

static void drop(struct batch_log *log) {
    close_file(log);
    remove_files(&log->files);
}

/* Opens the current file if it has this record; cuts off later records. */
static bool take_up(struct batch_log *log, int64_t last, const uint8_t check[BATCH_CHECK_SIZE]) {
    struct batch_place place;
    log->fd = batch_file_open(log->files.path[BATCH_FILE_CURRENT], O_RDWR);
    if (log->fd >= 0 && batch_file_find(log->fd, last, &place) &&
        memcmp(place.check, check, BATCH_CHECK_SIZE) == 0 && ftruncate(log->fd, place.end) == 0) {
        log->last = last;
        log->start = place.at;
        log->end = place.end;
        return true;
    }
    close_file(log);
    return false;
}

struct batch_log *batch_log_open(const char *database, int64_t last,
                                 const uint8_t check[BATCH_CHECK_SIZE]) {
    struct batch_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    batch_files_name(&log->files, database);
    const char *current = log->files.path[BATCH_FILE_CURRENT];
    /* The last committed record may be in the old file: the current one then has only uncommitted
     * ones. */
    if (!take_up(log, last, check) &&
        (rename(log->files.path[BATCH_FILE_OLD], current) != 0 || !take_up(log, last, check)))
        drop(log);
    return log;
}

void batch_log_close(struct batch_log *log) {
    if (!log)
        return;
    close_file(log);
    free(log);
}

/* Cuts the log so that a record of this number can follow. */
static bool make_way(struct batch_log *log, int64_t number) {
    struct batch_place place = {.at = log->start};
    if (log->fd < 0 || number == log->last + 1)
        return true;
    if (number > log->last || (number < log->last && !batch_file_find(log->fd, number, &place))) {
        drop(log);
        return true;
    }
    log->end = place.at;
    return ftruncate(log->fd, place.at) == 0;
}

/* Begins a new file when there is none, or when the current one has no room for `bytes`. A record
 * larger than a file gets a file of its own. */
static bool make_room(struct batch_log *log, off_t bytes) {
    const char *current = log->files.path[BATCH_FILE_CURRENT];
    const char *old = log->files.path[BATCH_FILE_OLD];
    if (log->fd >= 0 && (log->end == 0 || log->end + bytes <= LOG_FILE_BYTES))
        return true;
    if (log->fd >= 0) {
        close_file(log);
        remove_file(old);
        if (rename(current, old) != 0)
            return false;
    }
    log->end = 0;
    log->fd = open(current, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return log->fd >= 0;
}

static bool write_all(int fd, struct iovec part[2], off_t at) {
    for (int i = 0; i < 2;) {
        ssize_t wrote = pwritev(fd, part + i, 2 - i, at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        at += wrote;
        for (; i < 2 && (size_t)wrote >= part[i].iov_len; i++)
            wrote -= (ssize_t)part[i].iov_len;
        if (i < 2) {
            part[i].iov_base = (char *)part[i].iov_base + wrote;
            part[i].iov_len -= (size_t)wrote;
        }
    }
    return true;
}

/* Drops the log when somebody has cut the file, added to it, or moved it away. */
static void check_file(struct batch_log *log) {
    struct stat opened;
    struct stat named;
    if (log->fd < 0 || (fstat(log->fd, &opened) == 0 && opened.st_size == log->end &&
                        lstat(log->files.path[BATCH_FILE_CURRENT], &named) == 0 &&
                        named.st_ino == opened.st_ino && named.st_dev == opened.st_dev))
        return;
    log_warn("%s was changed or moved away by another program; it is begun again, and the other "
             "node's replica may be copied again",
             log->files.path[BATCH_FILE_CURRENT]);
    drop(log);
}

static bool add(struct batch_log *log, const struct batch_record *record) {
    char head[BATCH_HEAD_SIZE];
    struct iovec part[2] = {{head, sizeof head}, {(char *)record->changes, record->size}};
    off_t bytes = BATCH_HEAD_SIZE + (off_t)record->size;
    if (record->size > BATCH_CHANGES_MAX) {
        errno = EFBIG;
        return false;
    }
    batch_head_write(head, record);
    check_file(log);
    if (!make_way(log, record->number) || !make_room(log, bytes) ||
        !write_all(log->fd, part, log->end))
        return false;
    log->last = record->number;
    log->start = log->end;
    log->end += bytes;
    return true;
}

void batch_log_append(struct batch_log *log, const struct batch_record *record) {
    const char *path = log->files.path[BATCH_FILE_CURRENT];
    bool added = add(log, record);
    if (!added && !log->failed)
        log_warn(
            "cannot write to %s: %m; the other node's replica falls behind and is copied again "
            "once that works: see that the disk has room, and that this user may write there",
            path);
    if (added && log->failed)
        log_info("%s is written again", path);
    if (!added)
        drop(log);
    log->failed = !added;
}
