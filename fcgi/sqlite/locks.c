#include "locks.h"

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
    long process; /* 0 and less: nobody that this process could name */
    unsigned major, minor;
    unsigned long long inode;
    long long first, last;
};

/* False for a line of another form, such as one of a process that still waits for a lock. */
static bool read_line(const char *text, struct line *line) {
    char last[24];
    if (sscanf(text, "%*u: %*s %*s %15s %ld %x:%x:%llu %lld %23s", line->kind, &line->process,
               &line->major, &line->minor, &line->inode, &line->first, last) != 7)
        return false;
    line->last = strcmp(last, "EOF") == 0 ? INT64_MAX : strtoll(last, NULL, 10);
    return true;
}

/* Whether a line speaks of this file. Some filesystems (btrfs) show a device of their own in stat.
 */
static bool is_of(const struct line *line, const struct stat *info) {
    return line->inode == info->st_ino &&
           (major(info->st_dev) == 0 ||
            (line->major == major(info->st_dev) && line->minor == minor(info->st_dev)));
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
                line.first <= last && line.last >= first && line.process > 0 &&
                line.process != getpid();
        if (found)
            snprintf(holder, LOCK_HOLDER_SIZE, "%ld", line.process);
    }
    fclose(table);
    return found;
}
