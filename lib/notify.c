#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum { ALIVE_PARTS = 3 }; /* how often in WATCHDOG_USEC the main loop is said to turn */

static const char variable[] = "NOTIFY_SOCKET";

/* Sends a message to the socket of that name: a path, or with an @ an abstract name. With
 * MSG_DONTWAIT in flags it fails when the socket is full. */
static bool send_to(const char *name, const char *message, int length, int flags) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t name_length = strlen(name);
    if (name_length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address.sun_path, name, name_length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_length);
    bool sent = fd >= 0 && sendto(fd, message, (size_t)length, flags | MSG_NOSIGNAL,
                                  (struct sockaddr *)&address, size) == length;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return sent;
}

/* The service manager's socket; NULL without one. */
static const char *socket_name(void) {
    const char *name = getenv(variable);
    return name && name[0] != '\0' ? name : NULL;
}

void notify(const char *format, ...) {
    const char *name = socket_name();
    char message[500];
    int before = errno;
    va_list arguments;
    if (!name)
        return;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof message)
        length = (int)sizeof message - 1;
    if (length > 0 && !send_to(name, message, length, 0))
        log_warn("cannot tell the service manager at %s: %m", name);
    errno = before;
}

/* How long the service manager waits for a sign of this process, in ms; 0 when for none. */
static int64_t watchdog_ms(void) {
    const char *time = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (!time || (pid && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    char *end;
    long long microseconds = strtoll(time, &end, 10);
    return *end == '\0' && microseconds > 0 ? microseconds / 1000 : 0;
}

int64_t notify_alive(void) {
    static const char message[] = "WATCHDOG=1";
    static int64_t due_ms;
    const char *name = socket_name();
    int64_t limit_ms = watchdog_ms();
    int64_t now_ms = clock_steady_ms();
    if (!name || limit_ms == 0)
        return INT64_MAX;
    if (now_ms >= due_ms) {
        if (!send_to(name, message, sizeof message - 1, MSG_DONTWAIT))
            log_warn("cannot tell the service manager that this process lives: %m");
        due_ms = now_ms + limit_ms / ALIVE_PARTS;
    }
    return due_ms;
}

void notify_forget(void) {
    unsetenv(variable);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}
