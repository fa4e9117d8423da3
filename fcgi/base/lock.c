#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"

enum { LOOK_MS = 20 };

int lock_take(const char *path, int64_t wait_ms) {
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    int64_t until_ms = clock_steady_ms() + wait_ms;
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno == EWOULDBLOCK || errno == EINTR) && clock_steady_ms() < until_ms) {
            poll(NULL, 0, LOOK_MS);
            continue;
        }
        int saved_errno = errno;
        close(fd);
        errno = saved_errno;
        return -1;
    }
    return fd;
}
