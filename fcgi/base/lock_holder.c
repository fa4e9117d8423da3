#include "lock_holder.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { LINE_SIZE = 256 };

/* A line of the table, as in "12: POSIX  ADVISORY  READ 4711 fe:00:1234 124 EOF". */
struct line {
    char kind[16];
    char process[LOCK_HOLDER_SIZE]; /* 0 or less: a process unknown here */
    char device[40];                /* and inode */
    char first[24];
    char last[24];
};

/* Reads a line. False for another form, such as that of a process that still waits for a lock. */
static bool read_line(const char *text, struct line *line) {
    return sscanf(text, "%*s %*[A-Z] %*s %15s %15s %39[0-9a-f:]", line->kind, line->process,
                  line->device) == 3 &&
           sscanf(text, "%*s %*s %*s %*s %*s %*s %23s %23s", line->first, line->last) == 2;
}

/* Whether a line is about this file. Some filesystems (btrfs) show a device of their own in stat.
 */
static bool is_of(const struct line *line, const struct stat *info) {
    char device[24];
    const char *inode = strrchr(line->device, ':');
    int length =
        snprintf(device, sizeof device, "%02x:%02x:", major(info->st_dev), minor(info->st_dev));
    return inode && strtoull(inode + 1, NULL, 10) == info->st_ino &&
           (major(info->st_dev) == 0 || strncmp(line->device, device, (size_t)length) == 0);
}

/* Whether a line's lock is on one of these bytes. */
static bool is_on(const struct line *line, long long first, long long last) {
    bool open = strcmp(line->last, "EOF") == 0;
    return strtoll(line->first, NULL, 10) <= last &&
           (open || strtoll(line->last, NULL, 10) >= first);
}

/* Whether this is the pid of another process. */
static bool is_another(const char *process) {
    long number = strtol(process, NULL, 10);
    return number > 0 && number != getpid();
}

bool locks_find(const char *path, const char *kind, long long first, long long last,
                char holder[LOCK_HOLDER_SIZE]) {
    char text[LINE_SIZE];
    struct stat info;
    bool found = false;
    FILE *table = stat(path, &info) == 0 ? fopen("/proc/locks", "re") : NULL;
    if (!table)
        return false;
    while (!found && fgets(text, sizeof text, table)) {
        struct line line;
        found = read_line(text, &line) && is_of(&line, &info) && strcmp(line.kind, kind) == 0 &&
                is_on(&line, first, last) && is_another(line.process);
        if (found)
            memcpy(holder, line.process, sizeof line.process);
    }
    fclose(table);
    return found;
}
