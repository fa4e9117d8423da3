/* The calls of the system that a process of a node makes: where they wait, a fiber waits; what they
 * tell of time and chance is the node's; what they open belongs to the process. The linker puts
 * them in the place of the real ones (--wrap). */

#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum { DESCRIPTORS_MAX = 4096 };

#define START_WALL_US INT64_C(1800000000000000) /* in 2027 */
#define START_STEADY_US INT64_C(1000000000)

struct machine machines[NODES];

/* By descriptor: the process that has it, and how long a receive waits. */
static uint32_t owners[DESCRIPTORS_MAX];
static int64_t patience_us[DESCRIPTORS_MAX];

/* --- Clocks --- */

int64_t machine_steady_us(int node) {
    if (node < 0)
        return START_STEADY_US + sim_now_us;
    const struct machine *machine = &machines[node];
    int64_t drifted = (sim_now_us - machine->drift_since) / 1000 * machine->drift_ppm / 1000;
    return START_STEADY_US + sim_now_us + machine->steady_us + drifted;
}

int64_t machine_wall_us(int node) {
    return START_WALL_US + sim_now_us + (node < 0 ? 0 : machines[node].wall_us);
}

void machine_drift(int node, int64_t ppm) {
    struct machine *machine = &machines[node];
    int64_t before = machine_steady_us(node);
    machine->drift_ppm = ppm;
    machine->drift_since = sim_now_us;
    machine->steady_us += before - machine_steady_us(node);
}

int64_t clock_wall_ms(void) {
    sim_now_us++;
    return machine_wall_us(fiber_node()) / 1000;
}

int64_t clock_steady_ms(void) {
    sim_now_us++;
    return machine_steady_us(fiber_node()) / 1000;
}

int64_t clock_steady_us(void) {
    sim_now_us++;
    return machine_steady_us(fiber_node());
}

int clock_timeout_ms(int64_t until_ms) {
    int64_t left = until_ms - clock_steady_ms();
    return left <= 0 ? 0 : left < INT_MAX ? (int)left : INT_MAX;
}

void clock_format(char text[CLOCK_TEXT_SIZE], int64_t wall_ms) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char date[20];
    int ms = (int)(wall_ms % 1000);
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, CLOCK_TEXT_SIZE, "%s.%03dZ", date, ms < 0 ? 0 : ms % 1000);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now) {
    sim_now_us++;
    int64_t us =
        id == CLOCK_REALTIME ? machine_wall_us(fiber_node()) : machine_steady_us(fiber_node());
    *now = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left) {
    (void)left;
    fiber_sleep(time->tv_sec * 1000000 + time->tv_nsec / 1000);
    return 0;
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags) {
    static struct dice nobody = {7};
    (void)flags;
    dice_bytes(fiber_node() >= 0 ? &machines[fiber_node()].dice : &nobody, to, size);
    return (ssize_t)size;
}

int __wrap_nice(int by);
int __wrap_nice(int by) {
    (void)by;
    return 0;
}

/* --- What a process has open --- */

void descriptors_own(int fd) {
    if (fd >= DESCRIPTORS_MAX)
        sim_fail("descriptor %d is too large", fd);
    if (fd >= 0) {
        owners[fd] = fiber_number();
        patience_us[fd] = INT64_MAX / 2;
    }
}

void descriptors_forget(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        owners[fd] = 0;
}

void descriptors_close_of(uint32_t number) {
    for (int fd = 0; fd < DESCRIPTORS_MAX && number != 0; fd++) {
        if (owners[fd] != number)
            continue;
        close(fd);
    }
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    descriptors_forget(fd);
    return __real_close(fd);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int fd = __real_open(path, flags, mode);
    descriptors_own(fd);
    return fd;
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol) {
    int fd = __real_socket(domain, type, protocol);
    descriptors_own(fd);
    return fd;
}

int __real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    int accepted = __real_accept4(fd, address, length, flags);
    int error = errno;
    descriptors_own(accepted);
    errno = error;
    return accepted;
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags) {
    int fd = __real_epoll_create1(flags);
    descriptors_own(fd);
    return fd;
}

int __real_signalfd(int fd, const sigset_t *mask, int flags);
int __wrap_signalfd(int fd, const sigset_t *mask, int flags);
int __wrap_signalfd(int fd, const sigset_t *mask, int flags) {
    int made = __real_signalfd(fd, mask, flags);
    descriptors_own(made);
    return made;
}

/* --- Waits --- */

static int64_t moment(int timeout_ms) {
    return timeout_ms < 0 ? INT64_MAX : sim_now_us + (int64_t)timeout_ms * 1000;
}

int __real_epoll_pwait(int fd, struct epoll_event *events, int max, int ms, const sigset_t *mask);
int __wrap_epoll_pwait(int fd, struct epoll_event *events, int max, int ms, const sigset_t *mask);
int __wrap_epoll_pwait(int fd, struct epoll_event *events, int max, int ms, const sigset_t *mask) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t until_us = moment(ms);
    (void)mask;
    for (;;) {
        int count = __real_epoll_pwait(fd, events, max, 0, NULL);
        if (count != 0 || sim_now_us >= until_us)
            return count;
        if (fiber_is_told()) {
            errno = EINTR;
            return -1;
        }
        fiber_wait(&wait, 1, until_us);
    }
}

int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms) {
    int64_t until_us = moment(ms);
    for (;;) {
        int ready = __real_poll(fds, count, 0);
        if (ready != 0 || sim_now_us >= until_us || !fiber_self())
            return ready;
        fiber_wait(fds, (int)count, until_us);
    }
}

ssize_t __real_recv(int fd, void *to, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t size, int flags) {
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t until_us = sim_now_us + patience_us[fd];
    for (;;) {
        ssize_t got = __real_recv(fd, to, size, flags | MSG_DONTWAIT);
        if (got >= 0 || errno != EAGAIN || flags & MSG_DONTWAIT || sim_now_us >= until_us)
            return got;
        fiber_wait(&wait, 1, until_us);
    }
}

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
    if (level != SOL_SOCKET || name != SO_RCVTIMEO)
        return __real_setsockopt(fd, level, name, value, length);
    const struct timeval *time = value;
    patience_us[fd] = time->tv_sec * 1000000 + time->tv_usec;
    return 0;
}

/* --- The disk --- */

static bool is_full(void) {
    return fiber_node() >= 0 && machines[fiber_node()].disk_full;
}

/* Extends the file without allocating: room on the disk is not tested here. */
int __wrap_posix_fallocate(int fd, off_t at, off_t size);
int __wrap_posix_fallocate(int fd, off_t at, off_t size) {
    if (fd < 0)
        return EBADF;
    if (is_full())
        return ENOSPC;
    return lseek(fd, 0, SEEK_END) >= at + size || ftruncate(fd, at + size) == 0 ? 0 : errno;
}

int __real_statvfs(const char *path, struct statvfs *info);
int __wrap_statvfs(const char *path, struct statvfs *info);
int __wrap_statvfs(const char *path, struct statvfs *info) {
    int result = __real_statvfs(path, info);
    info->f_bavail = is_full() ? 0 : UINT64_C(100) << 20;
    return result;
}

ssize_t __real_pwrite(int fd, const void *from, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t size, off_t at) {
    fiber_point();
    if (is_full()) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwrite(fd, from, size, at);
}

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    fiber_point();
    if (is_full()) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwritev(fd, parts, count, at);
}

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    (void)fd;
    fiber_point();
    return 0;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    (void)fd;
    fiber_point();
    return 0;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
    fiber_point();
    int result = __real_rename(from, to);
    fiber_point();
    return result;
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path) {
    int result = __real_unlink(path);
    fiber_point();
    return result;
}
