/*
 * Records what a server does to its database's files, to see what a power cut would leave of them:
 *
 *     LD_PRELOAD=record.so RECORD_LOG=FILE RECORD_DATABASE=PATH [RECORD_SYNC_US=N] hashmill-fcgi
 * ...
 *
 * Appends a struct record (see record.h) to the file for each write, truncation, sync, creation and
 * unlink of the database, its WAL and its rollback journal, and for each sync of their directory. A
 * sync takes N microseconds longer than it would. The -shm and -lock files have nothing that must
 * last. Nobody renames these files; a process that does is aborted, so that it is noticed.
 */

#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 4096, NONE = 0 };

static const char *database; /* NULL: nothing is recorded */
static size_t directory_length;
static long sync_us;
static int log_fd = -1;
static unsigned char names[FILES_MAX]; /* of each descriptor: enum record_name + 1, or NONE */

__attribute__((constructor)) static void start(void) {
    const char *log = getenv("RECORD_LOG");
    const char *path = getenv("RECORD_DATABASE");
    const char *us = getenv("RECORD_SYNC_US");
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!log || !slash)
        return;
    database = path;
    directory_length = (size_t)(slash - path);
    sync_us = us ? strtol(us, NULL, 10) : 0;
    log_fd =
        (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        abort();
}

/* Which of the files a path is: its name + 1, or NONE. */
static unsigned char name_of(const char *path) {
    static const char *const suffixes[RECORD_DIRECTORY] = {"", "-wal", "-journal"};
    if (!database || !path)
        return NONE;
    if (strncmp(path, database, directory_length) == 0 && strlen(path) == directory_length)
        return RECORD_DIRECTORY + 1;
    size_t length = strlen(database);
    if (strncmp(path, database, length) != 0)
        return NONE;
    for (int i = 0; i < RECORD_DIRECTORY; i++) {
        if (strcmp(path + length, suffixes[i]) == 0)
            return (unsigned char)(i + 1);
    }
    return NONE;
}

static unsigned char name_of_fd(int fd) {
    return fd >= 0 && fd < FILES_MAX ? names[fd] : NONE;
}

/* Appends a record. errno stays as it was. */
static void note(enum record_kind kind, unsigned char name, off_t offset, size_t size,
                 const void *bytes) {
    int saved_errno = errno;
    struct record record = {
        .kind = kind, .name = name - 1u, .offset = (uint64_t)offset, .size = size};
    char fill[8] = {0};
    size_t whole = record_size(&record);
    struct iovec parts[3] = {{.iov_base = &record, .iov_len = sizeof record},
                             {.iov_len = bytes ? size : 0},
                             {.iov_base = fill}};
    memcpy(&parts[1].iov_base, &bytes, sizeof bytes); /* writev only reads it */
    parts[2].iov_len = whole - sizeof record - parts[1].iov_len;
    if (writev(log_fd, parts, 3) != (ssize_t)whole)
        abort();
    errno = saved_errno;
}

static int open_noted(int directory, const char *path, int flags, mode_t mode) {
    unsigned char name = name_of(path);
    bool made =
        name != NONE && flags & O_CREAT && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (fd < 0)
        return fd;
    if (fd < FILES_MAX)
        names[fd] = name;
    else if (name != NONE)
        abort();
    if (made)
        note(RECORD_CREATE, name, 0, 0, NULL);
    if (name != NONE && flags & O_TRUNC)
        note(RECORD_TRUNCATE, name, 0, 0, NULL);
    return fd;
}

/* The mode that open was called with. */
static mode_t mode_of(int flags, va_list *arguments) {
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(*arguments, unsigned) : 0;
}

/* All are declared by unistd.h and fcntl.h. */
int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, &arguments);
    va_end(arguments);
    return open_noted(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, &arguments);
    va_end(arguments);
    return open_noted(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, &arguments);
    va_end(arguments);
    return open_noted(directory, path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < FILES_MAX)
        names[fd] = NONE;
    return (int)syscall(SYS_close, fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    unsigned char name = name_of_fd(fd);
    if (name != NONE)
        note(RECORD_WRITE, name, offset, size, bytes);
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, size, offset);
    if (name != NONE && written != (ssize_t)size)
        abort(); /* what was noted is not what happened */
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    return pwrite(fd, bytes, size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    if (name_of_fd(fd) == NONE)
        return syscall(SYS_write, fd, bytes, size);
    ssize_t written = pwrite(fd, bytes, size, lseek(fd, 0, SEEK_CUR));
    if (written > 0)
        lseek(fd, written, SEEK_CUR);
    return written;
}

int ftruncate(int fd, off_t size) {
    if (name_of_fd(fd) != NONE)
        note(RECORD_TRUNCATE, name_of_fd(fd), 0, (size_t)size, NULL);
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size) {
    return ftruncate(fd, size);
}

/* A sync of one of the files by this system call. */
static int sync_noted(long call, int fd) {
    unsigned char name = name_of_fd(fd);
    struct timespec left = {.tv_sec = sync_us / 1000000, .tv_nsec = sync_us % 1000000 * 1000};
    while (name != NONE && nanosleep(&left, &left) != 0)
        continue;
    int result = (int)syscall(call, fd);
    if (name != NONE && result == 0)
        note(RECORD_SYNC, name, 0, 0, NULL);
    return result;
}

int fsync(int fd) {
    return sync_noted(SYS_fsync, fd);
}

int fdatasync(int fd) {
    return sync_noted(SYS_fdatasync, fd);
}

int unlink(const char *path) {
    unsigned char name = name_of(path);
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (name != NONE && result == 0)
        note(RECORD_UNLINK, name, 0, 0, NULL);
    return result;
}

int rename(const char *from, const char *to) {
    if (name_of(from) != NONE || name_of(to) != NONE)
        abort();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
