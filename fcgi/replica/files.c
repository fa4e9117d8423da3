/* The files of the replica: names, room on the disk, and replacing one by another. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/lock.h"
#include "log.h"
#include "parts.h"

enum {
    LOCK_WAIT_MS = 5000,   /* for a process that is just ending */
    WAL_BYTES = 24 << 20,  /* as in store_reserve.c; both databases have a WAL */
    NODE_BYTES = 16 << 20, /* left in addition for this node's own items */
    KEPT_BYTES = 2 * WAL_BYTES + NODE_BYTES
};

void replica_path(const struct replica *replica, const char *end, char path[REPLICA_PATH_SIZE]) {
    snprintf(path, REPLICA_PATH_SIZE, "%s-replica%s", replica->conf->database, end);
}

/* The directory of all these files. */
static void directory_of(const struct replica *replica, char path[REPLICA_PATH_SIZE]) {
    replica_path(replica, "", path);
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path ? 1 : 0] = '\0';
    else
        snprintf(path, REPLICA_PATH_SIZE, ".");
}

bool replica_has_room(struct replica *replica, int64_t bytes) {
    char path[REPLICA_PATH_SIZE];
    struct statvfs info;
    directory_of(replica, path);
    if (statvfs(path, &info) != 0)
        return true; /* writing will show whether there is room */
    bool good = (int64_t)info.f_bavail * (int64_t)info.f_frsize - KEPT_BYTES >= bytes;
    if (!good && !replica->told)
        log_warn("the replica of the other node's database is not written: %s must have %lld MiB "
                 "free, most of it for this node's own queue; make room",
                 path, (long long)((bytes + KEPT_BYTES) >> 20));
    if (good && replica->told)
        log_info("the replica of the other node's database can be written again");
    replica->told = !good;
    return good;
}

void replica_remove(const struct replica *replica, const char *end) {
    static const char *const files[] = {"", "-wal", "-shm"};
    char name[16];
    char path[REPLICA_PATH_SIZE];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(name, sizeof name, "%s%s", end, files[i]);
        replica_path(replica, name, path);
        if (unlink(path) != 0 && errno != ENOENT)
            log_warn("cannot remove %s: %m", path);
    }
}

void replica_drop_upload(struct replica *replica) {
    struct upload *upload = &replica->upload;
    if (upload->file.fd < 0)
        return;
    close(upload->file.fd);
    upload->file.fd = -1;
    replica_remove(replica, "-new");
}

bool replica_sync_directory(const struct replica *replica) {
    char path[REPLICA_PATH_SIZE];
    directory_of(replica, path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* as some filesystems say */
    if (!good)
        log_error("cannot sync %s: %m", path);
    if (fd >= 0)
        close(fd);
    return good;
}

bool replica_lock(struct replica *replica) {
    char path[REPLICA_PATH_SIZE];
    replica_path(replica, "-lock", path);
    replica->lock_fd = lock_take(path, LOCK_WAIT_MS);
    if (replica->lock_fd < 0 && errno == EWOULDBLOCK)
        log_error("another process has %s; only one may write a replica", path);
    else if (replica->lock_fd < 0)
        log_error("cannot open %s: %m; its directory must exist and be writable", path);
    return replica->lock_fd >= 0;
}

/* Renames one of the files, which need not exist. */
static bool rename_file(const struct replica *replica, const char *from, const char *to) {
    char old[REPLICA_PATH_SIZE];
    char new[REPLICA_PATH_SIZE];
    replica_path(replica, from, old);
    replica_path(replica, to, new);
    if (rename(old, new) == 0 || errno == ENOENT)
        return true;
    log_error("cannot rename %s to %s: %m", old, new);
    return false;
}

void replica_put_aside(const struct replica *replica) {
    replica_remove(replica, "-bad"); /* its WAL must not meet another file */
    if (!rename_file(replica, "", "-bad") || !rename_file(replica, "-wal", "-bad-wal"))
        log_error("remove that file: what it holds is of no use");
    replica_remove(replica, "");
    replica_sync_directory(replica);
}

/* Gives the file a second name, so that it is kept. */
static void keep_aside(const struct replica *replica) {
    char path[REPLICA_PATH_SIZE];
    char aside[REPLICA_PATH_SIZE];
    replica_path(replica, "", path);
    replica_path(replica, "-bad", aside);
    replica_remove(replica, "-bad");
    if (link(path, aside) == 0)
        log_warn("the replica of before is another history, and kept as %s, to be looked at",
                 aside);
    else if (errno != ENOENT)
        log_warn("cannot keep %s aside: %m", path);
}

bool replica_put_in_place(const struct replica *replica, bool keep) {
    char path[REPLICA_PATH_SIZE];
    static const char *const files[] = {"-wal", "-shm"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        replica_path(replica, files[i], path);
        if (unlink(path) != 0 && errno != ENOENT) {
            log_error("cannot remove %s: %m", path);
            return false; /* SQLite would apply it to the new file */
        }
    }
    if (keep)
        keep_aside(replica);
    return replica_sync_directory(replica) && rename_file(replica, "-new", "") &&
           replica_sync_directory(replica);
}
