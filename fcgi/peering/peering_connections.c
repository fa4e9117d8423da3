/* The connections of the processes whose requests are forwarded to the peer. */

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "peering_parts.h"
#include "queue/channel.h"

enum {
    EVENTS_MAX = 64,
    READS_PER_TURN = 64 /* requests taken from one process in one turn */
};

/* Ends a connection and its requests. */
static void drop(struct connection *connection) {
    struct peering *peering = connection->peering;
    struct forward *forward = TAILQ_FIRST(&peering->forwards);
    if (connection->fd < 0)
        return;
    close(connection->fd);
    connection->fd = -1;
    LIST_REMOVE(connection, all);
    LIST_INSERT_HEAD(&peering->gone, connection, all);
    while (forward) {
        struct forward *next = TAILQ_NEXT(forward, all);
        if (forward->connection == connection)
            peering_forward_end(peering, forward);
        forward = next;
    }
}

static void free_gone(struct peering *peering) {
    struct connection *connection;
    peering_forwards_free(peering);
    while ((connection = LIST_FIRST(&peering->gone)) != NULL) {
        LIST_REMOVE(connection, all);
        free(connection);
    }
}

static void forget(struct connection *connection, uint64_t ticket) {
    struct forward *forward;
    TAILQ_FOREACH(forward, &connection->peering->forwards, all) {
        if (forward->connection == connection && forward->ticket == ticket) {
            peering_forward_end(connection->peering, forward);
            return;
        }
    }
}

static void read_requests(struct connection *connection) {
    static struct peer_message message; /* too large for the stack */
    bool gone = false;
    for (int i = 0; i < READS_PER_TURN && connection->fd >= 0; i++) {
        if (!peer_message_receive(connection->fd, false, &message, &gone)) {
            if (gone)
                drop(connection);
            return;
        }
        int32_t kind = message.request.kind;
        if (kind == PEER_FORGET)
            forget(connection, message.ticket);
        else if (kind >= PEER_LOOK && kind < PEER_FORGET &&
                 !peering_forward_begin(connection, &message))
            drop(connection);
    }
}

static void accept_all(struct peering *peering) {
    int fd;
    while ((fd = accept4(peering->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (!channel_is_own(fd)) {
            close(fd);
            continue;
        }
        struct connection *connection = calloc(1, sizeof *connection);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (!connection || epoll_ctl(peering->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            log_warn("cannot serve a process: %m");
            free(connection);
            close(fd);
            return;
        }
        channel_prepare(fd);
        connection->peering = peering;
        connection->fd = fd;
        LIST_INSERT_HEAD(&peering->connections, connection, all);
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        log_warn("cannot accept a process: %m");
}

void peering_connections_turn(struct peering *peering) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(peering->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (!connection)
            accept_all(peering); /* or the queue has an answer, or it is time to stop */
        else if (connection->fd >= 0)
            read_requests(connection);
    }
    peering_forwards_turn(peering);
    free_gone(peering);
}

void peering_connections_close(struct peering *peering) {
    struct connection *connection;
    while ((connection = LIST_FIRST(&peering->connections)) != NULL)
        drop(connection);
    free_gone(peering);
}
