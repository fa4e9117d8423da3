#include "clock.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

#ifdef HASHMILL_TEST
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OFFSET_WALL, OFFSET_STEADY };

/* The offset in milliseconds that a test has set for a clock; 0 without a file. */
static int64_t test_offset(int which) {
    static const volatile int64_t *offsets;
    static int tried;
    if (!tried) {
        tried = 1;
        const char *path = getenv("HASHMILL_TEST_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0) {
            void *map = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
            offsets = map == MAP_FAILED ? NULL : map;
            close(fd);
        }
    }
    return offsets ? offsets[which] : 0;
}
#define TEST_OFFSET(which) test_offset(which)
enum { SLEEP_MAX_MS = 20 };
#else
#define TEST_OFFSET(which) 0
enum { SLEEP_MAX_MS = INT_MAX };
#endif

static int64_t read_clock_us(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t read_clock(clockid_t id) {
    return read_clock_us(id) / 1000;
}

int64_t clock_wall_ms(void) {
    return read_clock(CLOCK_REALTIME) + TEST_OFFSET(OFFSET_WALL);
}

int64_t clock_steady_ms(void) {
    return read_clock(CLOCK_BOOTTIME) + TEST_OFFSET(OFFSET_STEADY);
}

int64_t clock_steady_us(void) {
    return read_clock_us(CLOCK_BOOTTIME) + TEST_OFFSET(OFFSET_STEADY) * 1000;
}

int clock_timeout_ms(int64_t until_ms) {
    int64_t left = until_ms - clock_steady_ms();
    if (left <= 0)
        return 0;
    return left < SLEEP_MAX_MS ? (int)left : SLEEP_MAX_MS;
}

void clock_format(char text[CLOCK_TEXT_SIZE], int64_t wall_ms) {
    const int64_t last = 253402300799999; /* the last millisecond of the year 9999 */
    if (wall_ms < 0)
        wall_ms = 0;
    if (wall_ms > last)
        wall_ms = last;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char date[20];
    gmtime_r(&seconds, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, CLOCK_TEXT_SIZE, "%s.%03dZ", date, (int)(wall_ms % 1000));
}
