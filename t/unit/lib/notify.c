/* What the service manager is told: a datagram to a path or an abstract name, and nothing without.
 */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "scratch.h"
#include "tap.h"

/* A socket that notify can send to; name begins with @ for an abstract one. */
static int listen_at(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0)
        abort();
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

/* What has come last; "" when nothing has. */
static const char *received(int fd) {
    static char text[1000];
    ssize_t length = recv(fd, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    return text;
}

/* A service manager that reads nothing holds nobody up. */
static void test_full(int fd, const char *name) {
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (sender < 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    while (sendto(sender, "x", 1, 0, (struct sockaddr *)&address, size) == 1)
        continue;
    close(sender);
    setenv("WATCHDOG_USEC", "3000", 1);
    int64_t due_ms = notify_alive();
    ok(due_ms != INT64_MAX, "a socket that is full is not waited for");
    notify_forget();
    setenv("NOTIFY_SOCKET", name, 1);
    while (received(fd)[0] == 'x' || clock_steady_ms() < due_ms)
        continue;
}

/* How many seconds from now until the next sign of life, rounded up; -1: never. */
static long long alive_s(void) {
    int64_t due_ms = notify_alive();
    return due_ms == INT64_MAX ? -1 : (due_ms - clock_steady_ms() + 999) / 1000;
}

static void test_alive(int fd) {
    char pid[20];
    is_int(alive_s(), -1, "no sign of life that nobody asks for");
    setenv("WATCHDOG_PID", "1", 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    is_int(alive_s(), -1, "nor one that another process is asked for");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    const char *const bad[] = {"", "0", "-1", "30s", "nonsense"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("WATCHDOG_USEC", bad[i], 1);
        is_int(alive_s(), -1, "nor is this a time");
    }
    is_text(received(fd), "", "nothing is sent");
    setenv("WATCHDOG_USEC", "30000000", 1);
    is_int(alive_s(), 10, "three in 30 s");
    is_text(received(fd), "WATCHDOG=1", "the first at once");
    is_int(alive_s(), 10, "another turn");
    is_text(received(fd), "", "sends none that is not due");
    notify_forget();
    is_int(alive_s(), -1, "none once it is forgotten");
}

int main(void) {
    char directory[60];
    char path[70];
    char name[60];
    scratch_template(directory, "notify");
    if (!mkdtemp(directory))
        abort();
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(name, sizeof name, "@hashmill-notify-%d", (int)getpid());

    int fd = listen_at(path);
    errno = ENOMEM;
    notify("READY=1\nSTATUS=%d processes", 7);
    is_int(errno, ENOMEM, "errno is preserved");
    is_text(received(fd), "READY=1\nSTATUS=7 processes", "a message to a path");
    notify("STATUS=%600s", "x");
    is_int((long long)strlen(received(fd)), 499, "a long one is cut");
    notify_forget();
    notify("READY=1");
    is_text(received(fd), "", "nothing once it is forgotten");
    ok(!getenv("NOTIFY_SOCKET"), "and the variable is gone");
    close(fd);

    fd = listen_at(name);
    notify("STOPPING=1");
    is_text(received(fd), "STOPPING=1", "a message to an abstract name");
    test_full(fd, name);
    test_alive(fd);
    setenv("NOTIFY_SOCKET", "", 1);
    notify("STOPPING=1");
    is_text(received(fd), "", "none with an empty name");
    close(fd);

    char far[200];
    memset(far, 'x', sizeof far - 1);
    far[0] = '/';
    far[sizeof far - 1] = '\0';
    const char *const bad[] = {path, far}; /* nobody listens; longer than any socket's path */
    for (int i = 0; i < 2; i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        notify("READY=1");
        ok(true, "a socket that cannot be reached ends nothing");
    }
    unlink(path);
    rmdir(directory);
    return done_testing();
}
