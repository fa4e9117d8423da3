/*
 * A disk whose fsync takes longer, for measuring: with LD_PRELOAD=slow_fsync.so every fsync and
 * fdatasync takes HASHMILL_FSYNC_US microseconds more (default 2000). The sleep is one that other
 * processes get the processor for, as during a real one.
 */

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_US = 2000, MAX_US = 10000000 };

/* Waits as long as the environment says. */
static void wait_for_disk(void) {
    static long us = -1;
    if (us < 0) {
        const char *text = getenv("HASHMILL_FSYNC_US");
        us = text ? strtol(text, NULL, 10) : DEFAULT_US;
        us = us < 0 || us > MAX_US ? DEFAULT_US : us;
    }
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* Both are declared by unistd.h. */
int fsync(int fd) {
    wait_for_disk();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    wait_for_disk();
    return (int)syscall(SYS_fdatasync, fd);
}
