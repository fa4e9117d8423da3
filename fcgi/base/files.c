#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "lock.h"
#include "log.h"

enum {
    NAME_SIZE = 40,
    LOOK_MS = 100,       /* between looks at each file while the directories do not change */
    SETTLE_SECONDS = 2,  /* margin for a filesystem's coarse clock, and for a clock being set */
    LOCK_WAIT_MS = 5000, /* for a process that is just ending */
    SMB2_MAGIC = (int)0xfe534d42,
    CIFS_MAGIC = (int)0xff534d42,
    FUSE_MAGIC = 0x65735546
};

/* The directory that a file is in. */
static void name_directory(char directory[SETTING_TEXT_SIZE + 8], const char *path) {
    snprintf(directory, SETTING_TEXT_SIZE + 8, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory ? 1 : 0] = '\0';
    else
        snprintf(directory, SETTING_TEXT_SIZE + 8, ".");
}

void files_name(struct files *files, const char *database) {
    static const char *const ends[FILE_COUNT] = {"", "-wal", "-shm", "-lock"};
    *files = (struct files){0};
    for (int i = 0; i < FILE_COUNT; i++)
        snprintf(files->path[i], sizeof files->path[i], "%s%s", database, ends[i]);
    name_directory(files->directory[0].path, database);
    char *target = realpath(database, NULL); /* SQLite keeps -wal and -shm beside it */
    if (target && strlen(target) < SETTING_TEXT_SIZE) {
        snprintf(files->path[FILE_WAL], sizeof files->path[0], "%s-wal", target);
        snprintf(files->path[FILE_SHM], sizeof files->path[0], "%s-shm", target);
        name_directory(files->directory[1].path, target);
    }
    free(target);
}

/* The name of a user, or else the number. */
static void name_user(char name[NAME_SIZE], uid_t user) {
    const struct passwd *entry = getpwuid(user);
    if (entry)
        snprintf(name, NAME_SIZE, "%s", entry->pw_name);
    else
        snprintf(name, NAME_SIZE, "user %u", (unsigned)user);
}

/* Whose the first directory or link on the way to a directory is that is not root's; root's when
 * there is none. */
static uid_t owner_of(const char *directory) {
    char path[SETTING_TEXT_SIZE + 8];
    struct stat info;
    for (const char *end = directory; *end; end += *end == '/') {
        end += strcspn(end, "/");
        int length = end > directory ? (int)(end - directory) : 1;
        snprintf(path, sizeof path, "%.*s", length, directory);
        if (lstat(path, &info) != 0)
            return 0;
        if (info.st_uid != 0)
            return info.st_uid;
        if (S_ISLNK(info.st_mode) && stat(path, &info) == 0 && info.st_uid != 0)
            return info.st_uid;
    }
    return 0;
}

bool files_not_for_root(const char *database) {
    char directory[SETTING_TEXT_SIZE + 8];
    char owner[NAME_SIZE];
    name_directory(directory, database);
    uid_t user = geteuid() == 0 ? owner_of(directory) : 0;
    if (user == 0)
        return false;
    name_user(owner, user);
    log_error("%s is in a directory of %s, where root touches nothing: run this as that user, with "
              "runuser -u %s -- COMMAND",
              database, owner, owner);
    return true;
}

bool files_act_as_owner(const char *directory) {
    uid_t user = geteuid() == 0 ? owner_of(directory) : 0;
    const struct passwd *entry = user != 0 ? getpwuid(user) : NULL;
    gid_t group = entry ? entry->pw_gid : (gid_t)user;
    if (user == 0 || (setgroups(0, NULL) == 0 && setegid(group) == 0 && seteuid(user) == 0))
        return true;
    log_error("cannot take on the rights of the owner of %s: %m", directory);
    return false;
}

bool files_act_as_self(void) {
    if (getuid() != 0 || geteuid() == 0 || (seteuid(0) == 0 && setegid(0) == 0))
        return true;
    log_error("cannot take on root's rights again: %m");
    return false;
}

void files_explain(const char *path) {
    int error = errno;
    char owner[NAME_SIZE];
    char own[NAME_SIZE];
    struct stat info;
    bool seen = stat(path, &info) == 0;
    name_user(own, geteuid());
    name_user(owner, seen ? info.st_uid : 0);
    errno = error;
    if (error == EROFS)
        log_error("cannot write to %s: %m; its filesystem is mounted read-only: see the kernel's "
                  "log for why, then mount it for writing",
                  path);
    else if (!seen)
        log_error("cannot use %s: %m; %s must be able to reach it: see the rights of the "
                  "directories above it",
                  path, own);
    else if (error == EPERM)
        log_error("cannot write to %s: %m; take the attributes a and i from it (lsattr, chattr)",
                  path);
    else
        log_error("cannot use %s: %m; it belongs to %s and has mode %04o, this process runs as %s: "
                  "give it to %s (chown), or run as its owner",
                  path, owner, (unsigned)info.st_mode & 07777, own, own);
}

/* Whether a file may be read and written. A missing file is usable, too, and sets *missing. */
static bool file_usable(const char *path, bool *missing) {
    struct stat info;
    if (stat(path, &info) != 0 && errno == ENOENT) {
        *missing = true;
        return true;
    }
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        log_error("%s is no file but something else; set DATABASE to another path", path);
        return false;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        files_explain(path);
        return false;
    }
    close(fd);
    return true;
}

/* Whether files can be made in this file's directory. */
static bool directory_usable(const char *path) {
    char name[SETTING_TEXT_SIZE + 8];
    name_directory(name, path);
    if (faccessat(AT_FDCWD, name, W_OK | X_OK, AT_EACCESS) == 0)
        return true;
    if (errno == ENOENT || errno == ENOTDIR)
        log_error("%s is no directory: make it, and give it to the user of this process", name);
    else
        files_explain(name);
    return false;
}

/* Whether there is a WAL without a database: a new database would lose its items. */
static bool is_orphan(const struct files *files) {
    struct stat info;
    return (stat(files->path[FILE_DATABASE], &info) != 0 || info.st_size == 0) &&
           stat(files->path[FILE_WAL], &info) == 0 && info.st_size > 0;
}

bool files_usable(const struct files *files) {
    bool missing = false;
    for (int i = 0; i < FILE_COUNT; i++) {
        if (!file_usable(files->path[i], &missing))
            return false;
    }
    if (missing && !directory_usable(files->path[FILE_DATABASE]))
        return false;
    if (!is_orphan(files))
        return true;
    log_error("%s is gone or empty, but its WAL is there: put the database back, or a backup "
              "(backup.sh --restore), or remove %s to begin with an empty queue",
              files->path[FILE_DATABASE], files->path[FILE_WAL]);
    return false;
}

/* Looks at each file for files_moved. Asks for no times: after such a request the next write to the
 * file must note its time more exactly, which costs a commit a tenth of a millisecond. */
static const char *look_at_all(struct files *files) {
    for (int i = 0; i < FILE_COUNT; i++) {
        struct file_seen *seen = &files->seen[i];
        struct statx info;
        bool there = statx(AT_FDCWD, files->path[i], 0, STATX_INO, &info) == 0;
        dev_t device = there ? makedev(info.stx_dev_major, info.stx_dev_minor) : 0;
        if (there && seen->inode == 0) {
            seen->device = device;
            seen->inode = info.stx_ino;
        }
        if (seen->inode != 0 && (!there || info.stx_ino != seen->inode || device != seen->device))
            return files->path[i];
    }
    return NULL;
}

/* Whether a directory is unchanged; notes its present state. A directory that changed a moment ago
 * counts as changed: it may change again at the same time of the filesystem's clock. */
static bool is_settled(struct directory_seen *seen) {
    struct stat info;
    if (stat(seen->path, &info) != 0)
        return false;
    bool same = info.st_dev == seen->device && info.st_ino == seen->inode &&
                info.st_ctim.tv_sec == seen->changed.tv_sec &&
                info.st_ctim.tv_nsec == seen->changed.tv_nsec;
    seen->device = info.st_dev;
    seen->inode = info.st_ino;
    seen->changed = info.st_ctim;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return same && now.tv_sec - info.st_ctim.tv_sec > SETTLE_SECONDS;
}

const char *files_moved(struct files *files) {
    struct timespec steady;
    clock_gettime(CLOCK_MONOTONIC, &steady); /* not the clock that tests move */
    int64_t now_ms = steady.tv_sec * 1000 + steady.tv_nsec / 1000000;
    bool settled = files->looked_ms != 0 && now_ms - files->looked_ms < LOOK_MS;
    for (int i = 0; i < FILES_DIRECTORIES && files->directory[i].path[0] != '\0'; i++)
        settled = is_settled(&files->directory[i]) && settled;
    if (settled)
        return NULL;
    files->looked_ms = now_ms;
    return look_at_all(files);
}

void files_note(struct files *files, int file) {
    struct stat info;
    if (stat(files->path[file], &info) != 0)
        return;
    files->seen[file].bytes = info.st_size;
    files->seen[file].written = info.st_mtim;
}

bool files_written(const struct files *files, int file) {
    const struct file_seen *seen = &files->seen[file];
    struct stat info;
    return stat(files->path[file], &info) != 0 || info.st_size != seen->bytes ||
           info.st_mtim.tv_sec != seen->written.tv_sec ||
           info.st_mtim.tv_nsec != seen->written.tv_nsec;
}

void files_give(int fd, const char *path) {
    char directory[SETTING_TEXT_SIZE + 8];
    struct stat info;
    name_directory(directory, path);
    if (geteuid() == 0 && stat(directory, &info) == 0 && info.st_uid != 0 &&
        fchown(fd, info.st_uid, info.st_gid) != 0)
        log_warn("cannot give %s to the owner of its directory: %m", path);
}

int files_lock(const char *database) {
    char path[SETTING_TEXT_SIZE + 8];
    snprintf(path, sizeof path, "%s-lock", database);
    int fd = lock_take(path, LOCK_WAIT_MS);
    if (fd >= 0)
        files_give(fd, path);
    else if (errno == EWOULDBLOCK)
        log_error("another process has %s open for writing; only one may", database);
    else
        log_error("cannot open %s: %m; its directory must exist and be writable", path);
    return fd;
}

bool files_good_filesystem(const char *database) {
    struct statfs info;
    char path[SETTING_TEXT_SIZE + 8];
    snprintf(path, sizeof path, "%s-lock", database);
    if (statfs(path, &info) != 0)
        return true;
    int type = (int)info.f_type;
    if (type != NFS_SUPER_MAGIC && type != SMB_SUPER_MAGIC && type != SMB2_MAGIC &&
        type != CIFS_MAGIC && type != V9FS_MAGIC && type != FUSE_MAGIC)
        return true;
    log_error("%s is on a network or FUSE filesystem, where SQLite's WAL does not work; put it on "
              "a local disk",
              database);
    return false;
}

bool files_sync_directory(const char *path) {
    char directory[SETTING_TEXT_SIZE + 8];
    name_directory(directory, path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return true;
    bool good = fsync(fd) == 0 || errno == EINVAL; /* some filesystems cannot sync a directory */
    if (!good)
        log_error("cannot sync the directory of %s: %m", path);
    close(fd);
    return good;
}
