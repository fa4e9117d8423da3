#include "store/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "log.h"
#include "salvage.h"

enum {
    PATH_SIZE = SETTING_TEXT_SIZE + 64,
    PIECE = 64 * 1024, /* read at once */
    BLOCK = 4096       /* read at once where a piece fails */
};

/* A working directory beside FILE, so that one rename publishes the result. */
struct place {
    const char *file;
    char directory[PATH_SIZE];
    char copy[PATH_SIZE + 16]; /* of the database */
    char new[PATH_SIZE + 16];
};

static void clear(const struct place *place) {
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char path[PATH_SIZE + 32];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s%s", place->copy, ends[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s%s", place->new, ends[i]);
        unlink(path);
    }
    rmdir(place->directory);
}

/* Copies some bytes. 1: done; 0: they cannot be read; -1: they cannot be written. */
static int copy_bytes(int from, int to, char *bytes, size_t size, off_t at) {
    ssize_t length = pread(from, bytes, size, at);
    if (length < 0)
        return 0;
    if (pwrite(to, bytes, (size_t)length, at) == length)
        return 1;
    log_error("cannot write a copy of the database: %m");
    return -1;
}

/* Copies a file, with zeros in place of unreadable blocks. Returns the number of these blocks; -1
 * when it cannot be copied at all. */
static int64_t copy_open(int from, int to) {
    static char bytes[PIECE];
    struct stat info;
    int64_t bad = 0;
    if (fstat(from, &info) != 0 || ftruncate(to, info.st_size) != 0) {
        log_error("cannot write a copy of the database: %m");
        return -1;
    }
    for (off_t at = 0; at < info.st_size; at += PIECE) {
        int result = copy_bytes(from, to, bytes, PIECE, at);
        for (off_t part = at; result == 0 && part < at + PIECE && part < info.st_size;
             part += BLOCK) {
            int good = copy_bytes(from, to, bytes, BLOCK, part);
            bad += good == 0;
            result = good < 0 ? good : result;
        }
        if (result < 0)
            return -1;
    }
    return bad;
}

/* Copies one of the database's files, as copy_open does. Returns 0 for a missing file that is not
 * needed. */
static int64_t copy_file(const char *from_path, const char *to_path, bool needed) {
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    if (from < 0 && errno == ENOENT && !needed)
        return 0;
    if (from < 0) {
        files_explain(from_path);
        return -1;
    }
    int to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        log_error("cannot make %s: %m", to_path);
    int64_t bad = to < 0 ? -1 : copy_open(from, to);
    close(from);
    if (to >= 0)
        close(to);
    if (bad > 0)
        printf("%s: %lld blocks of %d bytes cannot be read\n", from_path, (long long)bad, BLOCK);
    return bad;
}

static bool copy_database(const struct conf *conf, const struct place *place) {
    char from[PATH_SIZE + 16];
    char to[PATH_SIZE + 32];
    snprintf(from, sizeof from, "%s-wal", conf->database);
    snprintf(to, sizeof to, "%s-wal", place->copy);
    return copy_file(conf->database, place->copy, true) >= 0 && copy_file(from, to, false) >= 0;
}

/* Keeps servers out while the returned descriptor is open. -1, logged, when somebody serves the
 * database or the lock file cannot be opened. */
static int keep_out(const struct conf *conf) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s-lock", conf->database);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 ? flock(fd, LOCK_EX | LOCK_NB) == 0 : errno == ENOENT)
        return fd >= 0 ? fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        files_explain(path);
    else
        log_error("cannot lock %s: %m; stop hashmill-fcgi first", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Makes the working directory. False when FILE exists or its directory cannot be written to. */
static bool find_place(struct place *place, const char *file) {
    struct stat info;
    place->file = file;
    if (lstat(file, &info) == 0) {
        log_error("%s is there already, and nothing is overwritten; name another file", file);
        return false;
    }
    int length = snprintf(place->directory, sizeof place->directory, "%s.XXXXXX", file);
    if (length >= (int)sizeof place->directory) {
        log_error("the name %s is too long", file);
        return false;
    }
    if (!mkdtemp(place->directory)) {
        log_error("cannot make a directory beside %s: %m; its directory must be there and writable",
                  file);
        return false;
    }
    snprintf(place->copy, sizeof place->copy, "%s/copy", place->directory);
    snprintf(place->new, sizeof place->new, "%s/new", place->directory);
    return true;
}

/* Syncs a file or directory. */
static bool sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (!good)
        log_error("cannot sync %s: %m", path);
    if (fd >= 0)
        close(fd);
    return good;
}

/* Gives the new file the old one's owner and mode, makes it durable, and names it FILE. */
static bool publish(const struct conf *conf, const struct place *place) {
    struct stat info;
    char parent[PATH_SIZE];
    if (stat(conf->database, &info) == 0) {
        if (chown(place->new, info.st_uid, info.st_gid) != 0)
            log_warn("cannot give %s the owner of %s: %m", place->file, conf->database);
        chmod(place->new, info.st_mode & 0777);
    }
    if (!sync_path(place->new))
        return false;
    if (renameat2(AT_FDCWD, place->new, AT_FDCWD, place->file, RENAME_NOREPLACE) != 0) {
        log_error("cannot make %s: %m", place->file);
        return false;
    }
    snprintf(parent, sizeof parent, "%s", place->file);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent ? 1 : 0] = '\0';
    return sync_path(slash ? parent : ".");
}

/* Prints the result and how to put FILE in place. The pattern -[wsl]* matches the database's own
 * files, and not those of the replica. */
static void tell(const struct conf *conf, const char *file, const struct salvage *result) {
    const char *database = conf->database;
    printf("%lld items saved, %lld lost\n", (long long)result->saved, (long long)result->lost);
    printf("to put it in place, while hashmill-fcgi does not run:\n"
           "    mkdir %s.failed && mv %s %s-[wsl]* %s.failed/\n"
           "    mv %s %s\n"
           "it is like a backup: hashmill-fcgi --init, as before each start, has it served\n",
           database, database, database, database, file, database);
}

int store_recover(const struct conf *conf, const char *file) {
    struct place place;
    struct salvage result;
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    int lock = keep_out(conf);
    if (lock < 0)
        return 1;
    bool good = find_place(&place, file);
    if (good) {
        good = copy_database(conf, &place) && salvage_run(place.copy, place.new, &result) &&
               publish(conf, &place);
        clear(&place);
    }
    if (good)
        tell(conf, file, &result);
    close(lock);
    return good ? 0 : 1;
}
