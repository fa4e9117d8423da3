#include "disk_failed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum { PATH_SIZE = SETTING_TEXT_SIZE + 32, TEXT_SIZE = 200, BOOT_SIZE = 64 };

static void path_of(char path[PATH_SIZE], const struct conf *conf) {
    snprintf(path, PATH_SIZE, "%s/disk-failed", conf->run_dir);
}

/* Reads the beginning of a file as a string. False when it cannot be read or is empty. */
static bool read_text(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* What a mark is valid for: this boot of the machine, and the present database file. */
static void now(char text[TEXT_SIZE], const struct conf *conf) {
    char boot[BOOT_SIZE];
    struct stat info;
    if (!read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
        snprintf(boot, sizeof boot, "unknown\n");
    bool there = stat(conf->database, &info) == 0;
    snprintf(text, TEXT_SIZE, "boot %sdatabase %llx:%llu\n", boot,
             there ? (unsigned long long)info.st_dev : 0,
             there ? (unsigned long long)info.st_ino : 0);
}

static void tell(const struct conf *conf, const char *path, const char *what) {
    log_error("%s. What memory shows of %s may not be on its disk. Look at the disk and at the "
              "kernel's log; then have a good copy made by hashmill-fcgi -c FILE... --recover "
              "NEW_FILE and put it in place, or boot the machine again, or, when you know that it "
              "was something else, remove %s; then start hashmill-fcgi again",
              what, conf->database, path);
}

void disk_failed_mark(const struct conf *conf) {
    char path[PATH_SIZE];
    char text[TEXT_SIZE];
    path_of(path, conf);
    now(text, conf);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    ssize_t length = (ssize_t)strlen(text);
    if (fd < 0 || write(fd, text, (size_t)length) != length)
        log_error("cannot write %s, which should keep others from starting: %m", path);
    if (fd >= 0)
        close(fd);
    tell(conf, path, "a write to the database failed or the file is damaged: stopping for good");
}

bool disk_failed_is_marked(const struct conf *conf) {
    char path[PATH_SIZE];
    char text[TEXT_SIZE];
    char then[TEXT_SIZE];
    path_of(path, conf);
    now(text, conf);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return false;
    if (!read_text(path, then, sizeof then) || strcmp(then, text) == 0) {
        tell(conf, path, "the disk of the database has failed before: not starting");
        return true;
    }
    log_info("the machine was booted again, or has another database, since the disk failed: going "
             "on");
    unlink(path);
    return false;
}
