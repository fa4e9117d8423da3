#include "paced.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_BYTES = 512 * 1024, PAUSES = 3 };

static bool write_all(int fd, const char *bytes, size_t size, int64_t at) {
    for (size_t done = 0; done < size;) {
        ssize_t wrote = pwrite(fd, bytes + done, size - done, (off_t)(at + (int64_t)done));
        if (wrote < 0 && errno != EINTR)
            return false;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return true;
}

static bool sync_and_pause(int fd) {
    struct timespec before;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &before);
    bool good = fdatasync(fd) == 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (now.tv_sec - before.tv_sec) * 1000000000 + now.tv_nsec - before.tv_nsec;
    ns = good ? ns * PAUSES : 0;
    nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
    return good;
}

bool paced_write(struct paced *file, const void *bytes, size_t size, int64_t at) {
    if (!write_all(file->fd, bytes, size, at))
        return false;
    file->unsynced += (int64_t)size;
    if (file->unsynced < SYNC_BYTES)
        return true;
    file->unsynced = 0;
    return sync_and_pause(file->fd);
}
