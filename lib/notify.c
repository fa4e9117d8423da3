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

#include "log.h"

static const char variable[] = "NOTIFY_SOCKET";

/* Sends a message to the socket of that name: a path, or with an @ an abstract name. */
static bool send_to(const char *name, const char *message, int length) {
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
    bool sent = fd >= 0 && sendto(fd, message, (size_t)length, MSG_NOSIGNAL,
                                  (struct sockaddr *)&address, size) == length;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return sent;
}

void notify(const char *format, ...) {
    const char *name = getenv(variable);
    char message[500];
    int before = errno;
    va_list arguments;
    if (!name || name[0] == '\0')
        return;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof message)
        length = (int)sizeof message - 1;
    if (length > 0 && !send_to(name, message, length))
        log_warn("cannot tell the service manager at %s: %m", name);
    errno = before;
}

void notify_forget(void) {
    unsetenv(variable);
}
