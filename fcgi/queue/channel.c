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

#define HEADER_SIZE sizeof(struct channel_header)

/* A header and the first count elements of a body that ends in an array. */
#define ARRAY_SIZE(type, count)                                                                    \
    (HEADER_SIZE + offsetof(struct type, items) +                                                  \
     (size_t)(count) * sizeof(((struct type *)0)->items[0]))

static bool in_range(int32_t count, int32_t min, int32_t max) {
    return count >= min && count <= max;
}

size_t channel_operation_size(const struct channel_message *message) {
    switch (message->header.operation) {
    case OPERATION_ENQUEUE:
        return HEADER_SIZE + sizeof message->body.enqueue;
    case OPERATION_PULL:
        return HEADER_SIZE + sizeof message->body.pull;
    case OPERATION_CANCEL:
        return HEADER_SIZE + sizeof message->body.id;
    case OPERATION_RETURN:
        return HEADER_SIZE + sizeof message->body.returned;
    case OPERATION_REPORT:
        if (!in_range(message->body.report.count, 1, QUEUE_LEASE_MAX))
            return 0;
        return ARRAY_SIZE(queue_report, message->body.report.count);
    case OPERATION_RETIRE:
        return HEADER_SIZE + sizeof message->body.worker;
    case OPERATION_CHANGE:
        return HEADER_SIZE + sizeof message->body.change;
    case OPERATION_TALLY:
    case OPERATION_BACKUP:
    case OPERATION_FORGET:
        return HEADER_SIZE;
    case OPERATION_TOLD:
        return HEADER_SIZE + sizeof message->body.told;
    case OPERATION_CLOSE_PULL:
        return HEADER_SIZE + sizeof message->body.close;
    case OPERATION_RESERVE:
        return HEADER_SIZE + sizeof message->body.reserve;
    case OPERATION_SETTLE:
        return HEADER_SIZE + sizeof message->body.settle;
    case OPERATION_RAISE:
        return HEADER_SIZE + sizeof message->body.raise;
    case OPERATION_HELLO:
        if (!in_range(message->body.hello.count, 0, QUEUE_LOANS_MAX))
            return 0;
        return HEADER_SIZE + sizeof message->body.hello;
    case OPERATION_HEARD:
        if (!in_range(message->body.heard.sent.count, 0, QUEUE_LOANS_MAX))
            return 0;
        return HEADER_SIZE + sizeof message->body.heard;
    case OPERATION_LOAN:
        return HEADER_SIZE + sizeof message->body.loan;
    case OPERATION_WATCH_BATCH:
        return HEADER_SIZE + sizeof message->body.number;
    case OPERATION_LEASE:
        return HEADER_SIZE + sizeof message->body.lease;
    case OPERATION_LOOK:
        return HEADER_SIZE + sizeof message->body.look;
    default:
        return 0;
    }
}

size_t channel_answer_size(const struct channel_message *message) {
    if (message->header.result != QUEUE_OK)
        return HEADER_SIZE;
    switch (message->header.operation) {
    case OPERATION_ENQUEUE:
        return HEADER_SIZE + sizeof message->body.id;
    case OPERATION_PULL:
    case OPERATION_RESERVE:
        if (!in_range(message->body.batch.count, 0, QUEUE_PULL_MAX))
            return 0;
        return ARRAY_SIZE(queue_batch, message->body.batch.count);
    case OPERATION_REPORT:
        if (!in_range(message->body.verdict.count, 1, QUEUE_LEASE_MAX))
            return 0;
        return HEADER_SIZE + sizeof message->body.verdict;
    case OPERATION_TALLY:
        return HEADER_SIZE + sizeof message->body.tally;
    case OPERATION_LEASE:
        if (!in_range(message->body.grant.count, 0, QUEUE_LEASE_MAX))
            return 0;
        return ARRAY_SIZE(queue_grant, message->body.grant.count);
    case OPERATION_LOOK:
        return HEADER_SIZE + sizeof message->body.item;
    case OPERATION_HELLO:
        return HEADER_SIZE + sizeof message->body.hello_answer;
    case OPERATION_WATCH_BATCH:
        return HEADER_SIZE + sizeof message->body.number;
    case OPERATION_BACKUP:
        if (!in_range(message->body.pages.count, 0, PAGES_MAX))
            return 0;
        return ARRAY_SIZE(pages, message->body.pages.count);
    case OPERATION_CANCEL:
    case OPERATION_RETIRE:
    case OPERATION_CHANGE:
    case OPERATION_TOLD:
    case OPERATION_CLOSE_PULL:
    case OPERATION_SETTLE:
    case OPERATION_HEARD:
    case OPERATION_RAISE:
    case OPERATION_LOAN:
        return HEADER_SIZE;
    default:
        return 0;
    }
}

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

void channel_prepare(int fd) {
    int bytes = BUFFER_BYTES;
    /* The kernel's own limit may make it less; the default holds one of the largest messages. */
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* Makes a connected descriptor one that blocks, for so long, in channel_await. */
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
    bool good = *size >= HEADER_SIZE && *size <= sizeof *message &&
                message->header.version == CHANNEL_VERSION;
    if (!good)
        log_error("a message of %zd bytes on the channel is not of this version", got);
    return good ? CHANNEL_OK : CHANNEL_GONE;
}

enum channel_result channel_receive(int fd, struct channel_message *message, size_t *size) {
    return receive(fd, message, size, MSG_DONTWAIT);
}

enum channel_result channel_await(int fd, struct channel_message *message, size_t *size) {
    return receive(fd, message, size, 0);
}

bool channel_awaits_answer(enum operation operation) {
    return operation != OPERATION_LEASE && operation != OPERATION_LOOK &&
           operation != OPERATION_WATCH_BATCH && operation != OPERATION_FORGET &&
           operation != OPERATION_RETURN;
}
