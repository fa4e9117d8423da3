/*
 * A disk that fails when a test says so; a library to preload:
 *
 *     LD_PRELOAD=fault.so SHIM_FAULTS=FILE program
 *
 * FILE holds one struct control (t/support/Hashmill/Faults.pm writes it). It is mapped, so a test
 * switches faults on and off at once in running processes and all that they fork. Only files whose
 * path contains control.path (with a $ at its end: ends with it) are affected, never sockets or
 * pipes. A call that fails does nothing else: what was written before a failed fsync stays in the
 * system's cache.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The faults to inject, as bits of control.mode. */
enum {
    FAULT_FSYNC = 1,  /* fsync and fdatasync fail with EIO */
    FAULT_READ = 2,   /* reads fail with EIO */
    FAULT_WRITE = 4,  /* writes fail with EIO */
    FAULT_SPACE = 8,  /* writes and allocations fail with ENOSPC */
    FAULT_SLOW = 16,  /* fsync and fdatasync take longer, and then are done */
    FAULT_GROW = 32,  /* allocations fail with ENOSPC */
    FAULT_QUOTA = 64, /* writes and allocations fail with EDQUOT */
    FAULT_SIZE = 128, /* writes and allocations fail with EFBIG */
    FAULT_FULL = FAULT_SPACE | FAULT_QUOTA | FAULT_SIZE,
    CONTROL_BYTES = 256 /* bytes of struct control */
};

struct control {
    int32_t mode;
    int32_t percent;  /* of the affected calls that fail */
    int32_t delay_us; /* of FAULT_SLOW */
    int32_t left;     /* faults still to come; below 0: without a bound */
    int32_t done;     /* faults so far; written by the library */
    char path[CONTROL_BYTES - 5 * sizeof(int32_t)]; /* see above; "" is every file's */
};

_Static_assert(sizeof(struct control) == CONTROL_BYTES, "as the test writes it");

static struct control *control;

__attribute__((constructor)) static void find_control(void) {
    const char *name = getenv("SHIM_FAULTS");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        control = page;
}

/* A random number from 0 to 99, different in each process. */
static int draw(void) {
    static uint32_t state;
    static pid_t owner;
    pid_t pid = getpid();
    if (owner != pid)
        state = (uint32_t)time(NULL) ^ (uint32_t)pid * 2654435761u;
    owner = pid;
    state = state * 1664525u + 1013904223u;
    return (int)((state >> 16) % 100);
}

/* Whether a descriptor is a file that control.path names. */
static int concerned(int fd) {
    char link[40];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/')
        return 0;
    path[length] = '\0';
    size_t wanted = strlen(control->path);
    if (wanted == 0 || control->path[wanted - 1] != '$')
        return strstr(path, control->path) != NULL;
    wanted--;
    return (size_t)length >= wanted && memcmp(path + length - wanted, control->path, wanted) == 0;
}

/* Takes one of the faults that are left. */
static int take(void) {
    int32_t left = __atomic_load_n(&control->left, __ATOMIC_SEQ_CST);
    while (left > 0 && !__atomic_compare_exchange_n(&control->left, &left, left - 1, 0,
                                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
    if (left != 0)
        __atomic_fetch_add(&control->done, 1, __ATOMIC_SEQ_CST);
    return left != 0;
}

/* Which of these faults, if any, a call on this descriptor must have. */
static int fault(int fd, int faults) {
    int due = control ? __atomic_load_n(&control->mode, __ATOMIC_SEQ_CST) & faults : 0;
    if (due == 0)
        return 0;
    int before = errno;
    if (!concerned(fd) || draw() >= control->percent || !take())
        due = 0;
    errno = before;
    return due;
}

/* Fails with the error of the fault. */
static int fail(int due) {
    errno = due & FAULT_QUOTA                  ? EDQUOT
            : due & FAULT_SIZE                 ? EFBIG
            : due & (FAULT_SPACE | FAULT_GROW) ? ENOSPC
                                               : EIO;
    return -1;
}

static void wait_for_disk(void) {
    struct timespec left = {.tv_sec = control->delay_us / 1000000,
                            .tv_nsec = control->delay_us % 1000000 * 1000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static int sync_file(int fd, long number) {
    int due = fault(fd, FAULT_FSYNC | FAULT_SLOW);
    if (due & FAULT_SLOW)
        wait_for_disk();
    if (due & FAULT_FSYNC)
        return fail(due);
    return (int)syscall(number, fd);
}

/* All of these are declared by unistd.h or fcntl.h. */
int fsync(int fd) {
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return sync_file(fd, SYS_fdatasync);
}

ssize_t read(int fd, void *to, size_t size) {
    int due = fault(fd, FAULT_READ);
    return due ? fail(due) : syscall(SYS_read, fd, to, size);
}

ssize_t pread(int fd, void *to, size_t size, off_t at) {
    int due = fault(fd, FAULT_READ);
    return due ? fail(due) : syscall(SYS_pread64, fd, to, size, at);
}

ssize_t pread64(int fd, void *to, size_t size, off64_t at) {
    return pread(fd, to, size, at);
}

ssize_t write(int fd, const void *from, size_t size) {
    int due = fault(fd, FAULT_WRITE | FAULT_FULL);
    return due ? fail(due) : syscall(SYS_write, fd, from, size);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
    int due = fault(fd, FAULT_WRITE | FAULT_FULL);
    return due ? fail(due) : syscall(SYS_pwrite64, fd, from, size, at);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
    return pwrite(fd, from, size, at);
}

/* This one returns the error. */
int posix_fallocate(int fd, off_t at, off_t size) {
    int due = fault(fd, FAULT_WRITE | FAULT_FULL | FAULT_GROW);
    if (due == 0 && syscall(SYS_fallocate, fd, 0, at, size) == 0)
        return 0;
    if (due)
        fail(due);
    return errno;
}

int posix_fallocate64(int fd, off64_t at, off64_t size) {
    return posix_fallocate(fd, at, size);
}
