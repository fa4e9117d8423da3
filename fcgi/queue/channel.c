#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

enum { BUFFER_BYTES = 1024 * 1024 };

/* False when the path does not fit. */
static bool make_address(struct sockaddr_un *address, const char *path) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    size_t length = strlen(path);
    if (length >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, length + 1);
    return true;
}

bool channel_is_own(int fd) {
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid())
        return true;
    log_warn("process %d of user %u is refused: it is not of this server's user", (int)peer.pid,
             (unsigned)peer.uid);
    return false;
}

void channel_prepare(int fd) {
    int bytes = BUFFER_BYTES;
    /* The kernel's own limit may make it less; the default holds one of the largest messages. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* Makes channel_await block on a connected descriptor for at most answer_ms. */
static bool set_patience(int fd, int64_t answer_ms) {
    struct timeval time = {.tv_sec = answer_ms / 1000, .tv_usec = answer_ms % 1000 * 1000};
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0;
}

int channel_connect(const char *path, int64_t answer_ms) {
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (make_address(&address, path) &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        set_patience(fd, answer_ms)) {
        channel_prepare(fd);
        return fd;
    }
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

enum channel_result channel_send(int fd, const struct channel_message *message, size_t size) {
    for (;;) {
        ssize_t sent = send(fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == (ssize_t)size)
            return CHANNEL_OK;
        if (sent < 0 && errno == EINTR)
            continue;
        bool full = sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM);
        return full ? CHANNEL_AGAIN : CHANNEL_GONE;
    }
}

int channel_send_many(int fd, struct iovec messages[][2], int count) {
    struct mmsghdr parts[CHANNEL_MANY];
    int sent;
    count = count < CHANNEL_MANY ? count : CHANNEL_MANY;
    for (int i = 0; i < count; i++)
        parts[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = messages[i], .msg_iovlen = 2}};
    do {
        sent = sendmmsg(fd, parts, (unsigned)count, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
}

/* Receives with these flags of recv. */
static enum channel_result receive(int fd, struct channel_message *message, size_t *size,
                                   int flags) {
    ssize_t got;
    do {
        got = recv(fd, message, sizeof *message, flags | MSG_TRUNC);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? CHANNEL_AGAIN : CHANNEL_GONE;
    if (got == 0)
        return CHANNEL_GONE;
    *size = (size_t)got;
    bool good = *size >= CHANNEL_HEADER_SIZE && *size <= sizeof *message &&
                message->header.version == CHANNEL_VERSION;
    if (good)
        message->header.request.id[LOG_REQUEST_SIZE - 1] = '\0';
    else
        log_error("a message of %zd bytes on the channel is not of this version", got);
    return good ? CHANNEL_OK : CHANNEL_GONE;
}

enum channel_result channel_receive(int fd, struct channel_message *message, size_t *size) {
    return receive(fd, message, size, MSG_DONTWAIT);
}

enum channel_result channel_await(int fd, struct channel_message *message, size_t *size) {
    return receive(fd, message, size, 0);
}
