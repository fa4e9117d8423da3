/* The verbs of an event loop: each is a ticket until it is answered. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "memory.h"

enum {
    TICKETS_MAX = 65536,
    LOOK_MS = 100 /* between two looks at the enqueues under way */
};

/* A ticket's number: its place and generation, plus one so that it is never 0. */
static uint64_t ticket_number(const struct queue *queue, const struct ticket *ticket) {
    uint64_t place = (uint64_t)(ticket - queue->tickets);
    return ((uint64_t)ticket->generation << 32) + place + 1;
}

/* The ticket with this number, or NULL when it is not under way. */
static struct ticket *find_ticket(const struct queue *queue, uint64_t number) {
    uint64_t place = (number & 0xffffffff) - 1;
    if (number == 0 || place >= (uint64_t)queue->ticket_count)
        return NULL;
    struct ticket *ticket = &queue->tickets[place];
    bool found = ticket->operation != OPERATION_COUNT && ticket_number(queue, ticket) == number;
    return found ? ticket : NULL;
}

static void end_ticket(struct queue *queue, struct ticket *ticket) {
    queue->unsent -= ticket->unsent;
    queue->changes -= ticket->operation == OPERATION_ENQUEUE;
    ticket->unsent = false;
    ticket->operation = OPERATION_COUNT;
    ticket->generation++;
    queue->under_way--;
}

/* Doubles the places when all are taken; the caller limits the tickets under way. */
struct ticket *client_ticket(struct queue *queue, enum operation operation, int64_t wait_ms) {
    if (queue->under_way == queue->ticket_count) {
        int count = queue->ticket_count ? 2 * queue->ticket_count : 64;
        struct ticket *tickets = memory_or_end(
            count > TICKETS_MAX ? NULL : realloc(queue->tickets, (size_t)count * sizeof *tickets),
            "waiting requests");
        for (int i = queue->ticket_count; i < count; i++)
            tickets[i] = (struct ticket){.operation = OPERATION_COUNT};
        queue->tickets = tickets;
        queue->ticket_count = count;
    }
    struct ticket *ticket = queue->tickets;
    while (ticket->operation != OPERATION_COUNT)
        ticket++;
    ticket->operation = operation;
    ticket->forgotten = false;
    ticket->lost = false;
    ticket->unsent = true;
    queue->unsent++;
    ticket->until_ms = clock_steady_ms() + wait_ms;
    ticket->request = log_get_request();
    queue->under_way++;
    return ticket;
}

/* Sends a small operation without waiting: an event loop has others to serve. */
static enum channel_result send_now(struct queue *queue, const struct channel_header *header,
                                    const void *body, size_t body_size) {
    queue->message.header = *header;
    if (body_size > 0)
        memcpy(&queue->message.body, body, body_size);
    enum channel_result result =
        channel_send(queue->fd, &queue->message, CHANNEL_HEADER_SIZE + body_size);
    if (result == CHANNEL_GONE)
        client_disconnect(queue);
    return result;
}

static struct channel_header header_of(const struct queue *queue, const struct ticket *ticket) {
    return (struct channel_header){.version = CHANNEL_VERSION,
                                   .operation = (uint16_t)ticket->operation,
                                   .id = ticket_number(queue, ticket),
                                   .until_ms = ticket->until_ms,
                                   .request = ticket->request};
}

static void send_ticket(struct queue *queue, struct ticket *ticket) {
    if (queue->fd < 0)
        return;
    const struct channel_header header = header_of(queue, ticket);
    enum channel_result result;
    if (ticket->operation == OPERATION_LEASE)
        result = send_now(queue, &header, &ticket->lease, sizeof ticket->lease);
    else if (ticket->operation == OPERATION_LOOK)
        result = send_now(queue, &header, &ticket->look, sizeof ticket->look);
    else if (ticket->operation == OPERATION_WATCH_DONE)
        result = send_now(queue, &header, &ticket->whose, sizeof ticket->whose);
    else
        result = send_now(queue, &header, &ticket->seen, sizeof ticket->seen);
    if (result == CHANNEL_OK) {
        ticket->unsent = false;
        queue->unsent--;
    }
}

/* Sends unsent enqueues together. False when some are left for want of room. */
static bool send_enqueues(struct queue *queue) {
    struct channel_header headers[CHANNEL_MANY];
    struct iovec messages[CHANNEL_MANY][2];
    struct ticket *tickets[CHANNEL_MANY];
    int count = 0;
    for (int i = 0; i < queue->ticket_count && count < CHANNEL_MANY; i++) {
        struct ticket *ticket = &queue->tickets[i];
        if (ticket->operation != OPERATION_ENQUEUE || !ticket->unsent)
            continue;
        headers[count] = header_of(queue, ticket);
        messages[count][0] = (struct iovec){&headers[count], CHANNEL_HEADER_SIZE};
        messages[count][1] = (struct iovec){&ticket->enqueue, sizeof ticket->enqueue};
        tickets[count++] = ticket;
    }
    int sent = count > 0 ? channel_send_many(queue->fd, messages, count) : 0;
    if (sent < 0)
        client_disconnect(queue);
    for (int i = 0; i < sent && i < count; i++) {
        tickets[i]->unsent = false;
        queue->unsent--;
    }
    return sent == count;
}

/* Sends the unsent tickets while there is room. */
static void send_unsent(struct queue *queue) {
    if (queue->changes > 0 && !send_enqueues(queue))
        return;
    for (int i = 0; i < queue->ticket_count && queue->fd >= 0; i++) {
        struct ticket *ticket = &queue->tickets[i];
        if (ticket->operation == OPERATION_COUNT || ticket->operation == OPERATION_ENQUEUE ||
            !ticket->unsent)
            continue;
        send_ticket(queue, ticket);
        if (ticket->unsent)
            return;
    }
}

/* Ends what may not be sent twice: the channel has broken off. */
static void lose_enqueues(struct queue *queue) {
    for (int i = 0; i < queue->ticket_count; i++) {
        struct ticket *ticket = &queue->tickets[i];
        ticket->lost |= ticket->operation == OPERATION_ENQUEUE && !ticket->unsent;
    }
    queue->look_ms = 0;
}

/* Reopens the channel. Every ticket will be sent again; forgotten ones end. */
static void reconnect(struct queue *queue) {
    if (queue->changes > 0)
        lose_enqueues(queue);
    queue->fd = channel_connect(queue->channel, queue->operation_ms);
    for (int i = 0; i < queue->ticket_count && queue->fd >= 0; i++) {
        struct ticket *ticket = &queue->tickets[i];
        if (ticket->operation == OPERATION_COUNT)
            continue;
        if (ticket->forgotten) {
            end_ticket(queue, ticket);
        } else if (!ticket->lost) {
            queue->unsent += !ticket->unsent;
            ticket->unsent = true;
        }
    }
}

uint64_t client_send(struct queue *queue, struct ticket *ticket) {
    send_ticket(queue, ticket);
    return ticket_number(queue, ticket);
}

uint64_t queue_start_lease(struct queue *queue, const struct queue_lease *request) {
    struct ticket *ticket = client_ticket(queue, OPERATION_LEASE, request->wait_ms);
    ticket->lease = *request;
    return client_send(queue, ticket);
}

uint64_t queue_start_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                          int64_t wait_ms) {
    struct ticket *ticket = client_ticket(queue, OPERATION_LOOK, wait_ms);
    ticket->look = (struct channel_look){.id = id, .whose = *whose};
    return client_send(queue, ticket);
}

uint64_t queue_start_done(struct queue *queue, const char *client, int64_t wait_ms) {
    struct ticket *ticket = client_ticket(queue, OPERATION_WATCH_DONE, wait_ms);
    ticket->whose = (struct queue_whose){0};
    snprintf(ticket->whose.client, sizeof ticket->whose.client, "%s", client);
    return client_send(queue, ticket);
}

uint64_t queue_start_enqueue(struct queue *queue, const struct queue_enqueue *item) {
    struct ticket *ticket = client_ticket(queue, OPERATION_ENQUEUE, queue->operation_ms);
    ticket->enqueue = *item;
    queue->changes++;
    return ticket_number(queue, ticket);
}

void queue_flush(struct queue *queue) {
    if (queue->fd < 0)
        reconnect(queue);
    if (queue->unsent > 0 && queue->fd >= 0)
        send_unsent(queue);
}

void queue_forget(struct queue *queue, uint64_t number) {
    struct ticket *ticket = find_ticket(queue, number);
    if (!ticket)
        return;
    if (ticket->unsent) {
        end_ticket(queue, ticket);
        return;
    }
    ticket->forgotten = true;
    const struct channel_header header = {
        .version = CHANNEL_VERSION, .operation = OPERATION_FORGET, .id = number};
    if (queue->fd >= 0)
        send_now(queue, &header, NULL, 0); /* without room, the wait ends at its deadline */
}

bool queue_is_behind(const struct queue *queue) {
    return queue->fd < 0 || queue->unsent > 0;
}

int queue_under_way(const struct queue *queue) {
    return queue->under_way;
}

int queue_descriptor(const struct queue *queue) {
    return queue->fd;
}

/* Fills in the caller's answer from queue->message. */
static void fill_answer(struct queue *queue, uint64_t number, struct queue_answer *answer) {
    *answer = (struct queue_answer){.ticket = number,
                                    .result = (enum queue_result)queue->message.header.result};
    if (answer->result != QUEUE_OK)
        return;
    if (queue->message.header.operation == OPERATION_LEASE)
        answer->grant = &queue->message.body.grant;
    else if (queue->message.header.operation == OPERATION_ENQUEUE)
        answer->id = queue->message.body.id;
    else if (queue->message.header.operation == OPERATION_WATCH_BATCH)
        answer->number = queue->message.body.number;
    else
        answer->item = &queue->message.body.item;
}

/* Whether queue->message, with a body of size bytes, is an answer to a ticket's operation. */
static bool is_whole_answer(const struct queue *queue, size_t size) {
    const struct channel_message *message = &queue->message;
    const struct queue_grant *grant = &message->body.grant;
    if (message->header.result != QUEUE_OK)
        return size == 0;
    switch (message->header.operation) {
    case OPERATION_LEASE:
        return grant->count >= 0 && grant->count <= QUEUE_LEASE_MAX &&
               size == CHANNEL_LIST_SIZE(struct queue_grant, grant->count);
    case OPERATION_LOOK:
        return size == sizeof message->body.item;
    case OPERATION_ENQUEUE:
        return size == sizeof message->body.id;
    case OPERATION_WATCH_DONE:
        return size == 0;
    default:
        return size == sizeof message->body.number;
    }
}

/* Receives answers until one is wanted. False when there is none now. */
static bool receive_answer(struct queue *queue, struct queue_answer *answer) {
    for (;;) {
        size_t size;
        enum channel_result result = channel_receive(queue->fd, &queue->message, &size);
        if (result == CHANNEL_AGAIN)
            return false;
        if (result == CHANNEL_GONE || !is_whole_answer(queue, size - CHANNEL_HEADER_SIZE)) {
            client_disconnect(queue);
            return false;
        }
        uint64_t number = queue->message.header.id;
        struct ticket *ticket = find_ticket(queue, number);
        if (!ticket || ticket->operation != queue->message.header.operation)
            continue;
        bool wanted = !ticket->forgotten;
        end_ticket(queue, ticket);
        if (wanted) {
            fill_answer(queue, number, answer);
            return true;
        }
        if (queue->message.header.operation == OPERATION_LEASE &&
            queue->message.header.result == QUEUE_OK)
            queue_return_lease(queue, queue->message.body.grant.returnable);
        if (queue->fd < 0)
            return false;
    }
}

/* Ends an enqueue that the engine has not answered, if there is one: it went away, or is too late,
 * or cannot be reached. What was sent may be done. */
static bool end_enqueue(struct queue *queue, struct queue_answer *answer) {
    int64_t now = clock_steady_ms();
    if (queue->changes == 0 || (queue->fd >= 0 && now < queue->look_ms))
        return false;
    for (int i = 0; i < queue->ticket_count; i++) {
        struct ticket *ticket = &queue->tickets[i];
        bool over = ticket->lost || (ticket->unsent && queue->fd < 0) || ticket->until_ms <= now;
        if (ticket->operation != OPERATION_ENQUEUE || !over)
            continue;
        *answer = (struct queue_answer){.ticket = ticket_number(queue, ticket),
                                        .result = ticket->unsent ? QUEUE_DOWN : QUEUE_UNKNOWN};
        queue->message.header = (struct channel_header){0};
        end_ticket(queue, ticket);
        return true;
    }
    queue->look_ms = now + LOOK_MS;
    return false;
}

bool queue_next(struct queue *queue, struct queue_answer *answer) {
    if (queue->fd < 0)
        reconnect(queue);
    if (end_enqueue(queue, answer))
        return true;
    if (queue->unsent > 0)
        send_unsent(queue);
    return queue->fd >= 0 && receive_answer(queue, answer);
}

void queue_return_lease(struct queue *queue, struct queue_return grant) {
    const struct channel_header header = {
        .version = CHANNEL_VERSION, .operation = OPERATION_RETURN, .request = log_get_request()};
    if (queue->fd >= 0) /* without room, the lease lapses by itself */
        send_now(queue, &header, &grant, sizeof grant);
}
