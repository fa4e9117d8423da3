#include "peer_client.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "queue/channel.h"

#define UNANSWERED (-1)                 /* the result in a request */
#define PEER_TICKET (UINT64_C(1) << 63) /* in every ticket; the queue's are far below */

/* A request of an event loop under way. */
struct pending {
    uint64_t ticket;
    int64_t until_ms; /* steady time */
};

struct peer_client {
    const char *path;
    int64_t answer_ms;
    int fd; /* -1 while there is no connection */
    uint64_t last;
    struct pending *pending;
    int count;
    int capacity;
    struct peer_message message;
};

_Static_assert(offsetof(struct peer_message, is) +
                       CHANNEL_LIST_SIZE(struct queue_page, PEER_LIST_MAX) <=
                   CHANNEL_MESSAGE_MAX,
               "a page fits into a message");

/* The bytes of a message: a request is only the head, an answer may have a body. 0 when no process
 * can have sent the message. */
static size_t size_of(const struct peer_message *message) {
    const size_t head = offsetof(struct peer_message, is);
    if (message->result != QUEUE_OK)
        return head;
    switch (message->request.kind) {
    case PEER_LOOK:
        return head + sizeof message->is.item;
    case PEER_COUNT:
    case PEER_POLL:
        return head + sizeof message->is.number;
    case PEER_RESERVE:
        if (message->is.batch.count < 0 || message->is.batch.count > QUEUE_PULL_MAX)
            return 0;
        return head + offsetof(struct queue_batch, items) +
               (size_t)message->is.batch.count * sizeof message->is.batch.items[0];
    case PEER_LIST:
        if (message->is.page.count < 0 || message->is.page.count > PEER_LIST_MAX)
            return 0;
        return head + CHANNEL_LIST_SIZE(struct queue_page, message->is.page.count);
    default:
        return head;
    }
}

bool peer_message_send(int fd, const struct peer_message *message) {
    size_t size = size_of(message);
    ssize_t sent;
    do {
        sent = send(fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size;
}

bool peer_message_receive(int fd, bool block, struct peer_message *message, bool *gone) {
    ssize_t got;
    do {
        got = recv(fd, message, sizeof *message, MSG_TRUNC | (block ? 0 : MSG_DONTWAIT));
    } while (got < 0 && errno == EINTR);
    *gone = got >= 0 || errno != EAGAIN;
    if (got < (ssize_t)offsetof(struct peer_message, is) || got > (ssize_t)sizeof *message ||
        message->version != PEER_CLIENT_VERSION || got != (ssize_t)size_of(message))
        return false;
    message->request.part_of.id[LOG_REQUEST_SIZE - 1] = '\0';
    *gone = false;
    return true;
}

struct peer_client *peer_client_open(const char *path, int64_t answer_ms) {
    struct peer_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->path = path;
    client->answer_ms = answer_ms;
    client->fd = -1;
    return client;
}

/* Closes the connection. Requests under way are lost with it, so they are due. */
static void disconnect(struct peer_client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    for (int i = 0; i < client->count; i++)
        client->pending[i].until_ms = 0;
}

void peer_client_close(struct peer_client *client) {
    if (!client)
        return;
    disconnect(client);
    free(client->pending);
    free(client);
}

/* Fills in the head of a request; leaves the body as it is. */
static void start_message(struct peer_message *message, uint64_t ticket,
                          const struct peer_request *request) {
    message->version = PEER_CLIENT_VERSION;
    message->result = UNANSWERED;
    message->ticket = ticket;
    message->request = *request;
    message->request.part_of = log_get_request();
}

/* Sends a request. Reconnects once if the connection turns out to be dead. */
static bool send_request(struct peer_client *client, uint64_t ticket,
                         const struct peer_request *request) {
    start_message(&client->message, ticket, request);
    for (int tries = 0; tries < 2; tries++) {
        if (client->fd < 0)
            client->fd = channel_connect(client->path, client->answer_ms);
        if (client->fd < 0)
            return false;
        if (peer_message_send(client->fd, &client->message))
            return true;
        disconnect(client);
    }
    return false;
}

enum queue_result peer_client_call(struct peer_client *client, const struct peer_request *request,
                                   const struct peer_message **answer) {
    bool gone;
    uint64_t ticket = PEER_TICKET | ++client->last;
    if (!send_request(client, ticket, request))
        return QUEUE_DOWN;
    if (!peer_message_receive(client->fd, true, &client->message, &gone) ||
        client->message.ticket != ticket) {
        disconnect(client); /* a late answer must not meet the next request */
        return QUEUE_DOWN;
    }
    *answer = &client->message;
    return (enum queue_result)client->message.result;
}

/* --- Tickets --- */

static struct pending *find(struct peer_client *client, uint64_t ticket) {
    for (int i = 0; i < client->count; i++) {
        if (client->pending[i].ticket == ticket)
            return &client->pending[i];
    }
    return NULL;
}

static void remove_pending(struct peer_client *client, struct pending *pending) {
    *pending = client->pending[--client->count];
}

static struct pending *add_pending(struct peer_client *client) {
    if (client->count == client->capacity) {
        int capacity = client->capacity ? 2 * client->capacity : 64;
        client->pending =
            memory_or_end(realloc(client->pending, (size_t)capacity * sizeof *client->pending),
                          "requests to the peer");
        client->capacity = capacity;
    }
    return &client->pending[client->count++];
}

uint64_t peer_client_start(struct peer_client *client, const struct peer_request *request) {
    uint64_t ticket = PEER_TICKET | ++client->last;
    bool sent = send_request(client, ticket, request);
    struct pending *pending = add_pending(client);
    pending->ticket = ticket;
    pending->until_ms = sent ? clock_steady_ms() + request->wait_ms + 2 * client->answer_ms : 0;
    return ticket;
}

bool peer_client_is_ticket(uint64_t ticket) {
    return (ticket & PEER_TICKET) != 0;
}

void peer_client_forget(struct peer_client *client, uint64_t ticket) {
    struct pending *pending = find(client, ticket);
    if (!pending)
        return;
    remove_pending(client, pending);
    start_message(&client->message, ticket, &(struct peer_request){.kind = PEER_FORGET});
    if (client->fd >= 0)
        peer_message_send(client->fd,
                          &client->message); /* without room, the request ends at its deadline */
}

int peer_client_descriptor(const struct peer_client *client) {
    return client->fd;
}

int64_t peer_client_due_ms(const struct peer_client *client) {
    int64_t due_ms = INT64_MAX;
    for (int i = 0; i < client->count; i++) {
        if (client->pending[i].until_ms < due_ms)
            due_ms = client->pending[i].until_ms;
    }
    return due_ms;
}

/* Receives the next answer whose ticket is under way. */
static bool receive_answer(struct peer_client *client, struct queue_answer *answer) {
    bool gone = false;
    while (client->fd >= 0 && peer_message_receive(client->fd, false, &client->message, &gone)) {
        struct pending *pending = find(client, client->message.ticket);
        if (!pending)
            continue;
        remove_pending(client, pending);
        *answer = (struct queue_answer){.ticket = client->message.ticket,
                                        .result = (enum queue_result)client->message.result,
                                        .item = &client->message.is.item,
                                        .number = client->message.is.number};
        return true;
    }
    if (gone)
        disconnect(client);
    return false;
}

bool peer_client_next(struct peer_client *client, struct queue_answer *answer) {
    if (receive_answer(client, answer))
        return true;
    int64_t now_ms = clock_steady_ms();
    for (int i = 0; i < client->count; i++) {
        if (client->pending[i].until_ms <= now_ms) {
            *answer =
                (struct queue_answer){.ticket = client->pending[i].ticket, .result = QUEUE_DOWN};
            remove_pending(client, &client->pending[i]);
            return true;
        }
    }
    return false;
}
