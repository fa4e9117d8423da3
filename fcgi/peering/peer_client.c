#include "peer_client.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "queue/channel.h"

#define ASK_QUESTION (-1)              /* the result in a question: there is none yet */
#define ASK_TICKET (UINT64_C(1) << 63) /* in every ticket; the queue's are far below */

/* A question of an event loop under way. */
struct pending {
    uint64_t ticket;
    int64_t until_ms; /* steady time */
};

struct ask {
    const char *path;
    int64_t answer_ms;
    int fd; /* -1 while there is no connection */
    uint64_t last;
    struct pending *pending;
    int count;
    int capacity;
    struct ask_message message;
};

/* The bytes of a message: of a question its head, of an answer what it has besides. 0 when no
 * process can have sent it. */
static size_t size_of(const struct ask_message *message) {
    const size_t head = offsetof(struct ask_message, is);
    if (message->result != QUEUE_OK)
        return head;
    switch (message->request.kind) {
    case ASK_LOOK:
        return head + sizeof message->is.item;
    case ASK_COUNT:
        return head + sizeof message->is.number;
    case ASK_RESERVE:
        if (message->is.batch.count < 0 || message->is.batch.count > QUEUE_PULL_MAX)
            return 0;
        return head + offsetof(struct queue_batch, items) +
               (size_t)message->is.batch.count * sizeof message->is.batch.items[0];
    default:
        return head;
    }
}

bool ask_send(int fd, const struct ask_message *message) {
    size_t size = size_of(message);
    ssize_t sent;
    do {
        sent = send(fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)size;
}

bool ask_receive(int fd, bool block, struct ask_message *message, bool *gone) {
    ssize_t got;
    do {
        got = recv(fd, message, sizeof *message, MSG_TRUNC | (block ? 0 : MSG_DONTWAIT));
    } while (got < 0 && errno == EINTR);
    *gone = got >= 0 || errno != EAGAIN;
    if (got < (ssize_t)offsetof(struct ask_message, is) || got > (ssize_t)sizeof *message ||
        message->version != ASK_VERSION || got != (ssize_t)size_of(message))
        return false;
    *gone = false;
    return true;
}

struct ask *ask_open(const char *path, int64_t answer_ms) {
    struct ask *ask = calloc(1, sizeof *ask);
    if (!ask)
        return NULL;
    ask->path = path;
    ask->answer_ms = answer_ms;
    ask->fd = -1;
    return ask;
}

/* Closes the connection. What is under way has gone with it, and is due. */
static void disconnect(struct ask *ask) {
    if (ask->fd >= 0)
        close(ask->fd);
    ask->fd = -1;
    for (int i = 0; i < ask->count; i++)
        ask->pending[i].until_ms = 0;
}

void ask_close(struct ask *ask) {
    if (!ask)
        return;
    disconnect(ask);
    free(ask->pending);
    free(ask);
}

/* Begins a question; what an answer would have is left as it is. */
static void start_message(struct ask_message *message, uint64_t ticket,
                          const struct ask_request *request) {
    message->version = ASK_VERSION;
    message->result = ASK_QUESTION;
    message->ticket = ticket;
    message->request = *request;
}

/* Sends a question. A connection that turns out to be dead is opened again, once. */
static bool send_request(struct ask *ask, uint64_t ticket, const struct ask_request *request) {
    start_message(&ask->message, ticket, request);
    for (int tries = 0; tries < 2; tries++) {
        if (ask->fd < 0)
            ask->fd = channel_connect(ask->path, ask->answer_ms);
        if (ask->fd < 0)
            return false;
        if (ask_send(ask->fd, &ask->message))
            return true;
        disconnect(ask);
    }
    return false;
}

enum queue_result ask_call(struct ask *ask, const struct ask_request *request,
                           const struct ask_message **answer) {
    bool gone;
    uint64_t ticket = ASK_TICKET | ++ask->last;
    if (!send_request(ask, ticket, request))
        return QUEUE_DOWN;
    if (!ask_receive(ask->fd, true, &ask->message, &gone) || ask->message.ticket != ticket) {
        disconnect(ask); /* a late answer must not meet the next question */
        return QUEUE_DOWN;
    }
    *answer = &ask->message;
    return (enum queue_result)ask->message.result;
}

/* --- Tickets --- */

static struct pending *find(struct ask *ask, uint64_t ticket) {
    for (int i = 0; i < ask->count; i++) {
        if (ask->pending[i].ticket == ticket)
            return &ask->pending[i];
    }
    return NULL;
}

static void remove_pending(struct ask *ask, struct pending *pending) {
    *pending = ask->pending[--ask->count];
}

static struct pending *add_pending(struct ask *ask) {
    if (ask->count == ask->capacity) {
        int capacity = ask->capacity ? 2 * ask->capacity : 64;
        ask->pending = memory_or_end(realloc(ask->pending, (size_t)capacity * sizeof *ask->pending),
                                     "questions to peers");
        ask->capacity = capacity;
    }
    return &ask->pending[ask->count++];
}

uint64_t ask_start(struct ask *ask, const struct ask_request *request) {
    uint64_t ticket = ASK_TICKET | ++ask->last;
    bool sent = send_request(ask, ticket, request);
    struct pending *pending = add_pending(ask);
    pending->ticket = ticket;
    pending->until_ms = sent ? clock_steady_ms() + request->wait_ms + 2 * ask->answer_ms : 0;
    return ticket;
}

bool ask_is_ticket(uint64_t ticket) {
    return (ticket & ASK_TICKET) != 0;
}

void ask_forget(struct ask *ask, uint64_t ticket) {
    struct pending *pending = find(ask, ticket);
    if (!pending)
        return;
    remove_pending(ask, pending);
    start_message(&ask->message, ticket, &(struct ask_request){.kind = ASK_FORGET});
    if (ask->fd >= 0)
        ask_send(ask->fd, &ask->message); /* without room for it, it ends by its time */
}

int ask_descriptor(const struct ask *ask) {
    return ask->fd;
}

int64_t ask_due_ms(const struct ask *ask) {
    int64_t due_ms = INT64_MAX;
    for (int i = 0; i < ask->count; i++) {
        if (ask->pending[i].until_ms < due_ms)
            due_ms = ask->pending[i].until_ms;
    }
    return due_ms;
}

/* Takes an answer from the connection that is for somebody. */
static bool receive_answer(struct ask *ask, struct queue_answer *answer) {
    bool gone = false;
    while (ask->fd >= 0 && ask_receive(ask->fd, false, &ask->message, &gone)) {
        struct pending *pending = find(ask, ask->message.ticket);
        if (!pending)
            continue;
        remove_pending(ask, pending);
        *answer = (struct queue_answer){.ticket = ask->message.ticket,
                                        .result = (enum queue_result)ask->message.result,
                                        .item = &ask->message.is.item};
        return true;
    }
    if (gone)
        disconnect(ask);
    return false;
}

bool ask_next(struct ask *ask, struct queue_answer *answer) {
    if (receive_answer(ask, answer))
        return true;
    int64_t now_ms = clock_steady_ms();
    for (int i = 0; i < ask->count; i++) {
        if (ask->pending[i].until_ms <= now_ms) {
            *answer = (struct queue_answer){.ticket = ask->pending[i].ticket, .result = QUEUE_DOWN};
            remove_pending(ask, &ask->pending[i]);
            return true;
        }
    }
    return false;
}
