/* The queue's verbs: changes go to the writer over the channel, plain looks to the reader. */

#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"

enum { TICKETS_MAX = 65536 };

struct queue *queue_open(const struct conf *conf, const char *channel) {
    struct queue *queue = calloc(1, sizeof *queue);
    struct reader *reader = reader_new(conf);
    if (!queue || !reader) {
        free(queue);
        free(reader);
        return NULL;
    }
    queue->conf = conf;
    queue->channel = channel;
    queue->operation_ms = conf->operation_seconds * 1000;
    queue->reader = reader;
    queue->fd = -1;
    return queue;
}

static void disconnect(struct queue *queue) {
    if (queue->fd >= 0)
        close(queue->fd);
    queue->fd = -1;
}

void queue_close(struct queue *queue) {
    disconnect(queue);
    reader_free(queue->reader);
    if (queue->replica)
        reader_free(queue->replica);
    free(queue->tickets);
    free(queue);
}

/* Sends size bytes of queue->message; waits for room until until_ms (steady time). False, with
 * nothing sent, when the channel is gone or stays full. */
static bool send_message(struct queue *queue, size_t size, int64_t until_ms) {
    for (;;) {
        enum channel_result result = channel_send(queue->fd, &queue->message, size);
        if (result != CHANNEL_AGAIN)
            return result == CHANNEL_OK;
        struct pollfd room = {.fd = queue->fd, .events = POLLOUT};
        int timeout = clock_timeout_ms(until_ms);
        if (timeout == 0 || (poll(&room, 1, timeout) < 0 && errno != EINTR))
            return false;
    }
}

/* Closes the channel after an answer that no writer of this version gives: it must not meet another
 * operation. */
static enum queue_result refuse_answer(struct queue *queue) {
    queue->message.header.left = (struct queue_left){0};
    disconnect(queue);
    return QUEUE_UNKNOWN;
}

/* Waits for the answer to the operation with this id; *size gets the bytes of its body. UNKNOWN,
 * with the channel closed, when the writer goes away or is too late. */
static enum queue_result await(struct queue *queue, uint64_t id, enum operation operation,
                               size_t *size) {
    const struct channel_header *header = &queue->message.header;
    if (channel_await(queue->fd, &queue->message, size) != CHANNEL_OK || header->id != id ||
        header->operation != operation)
        return refuse_answer(queue);
    *size -= CHANNEL_HEADER_SIZE;
    return (enum queue_result)header->result;
}

/* Sends an operation and waits for its answer, into queue->message. */
static enum queue_result exchange(struct queue *queue, enum operation operation, const void *body,
                                  size_t body_size, size_t *size) {
    const struct channel_header header = {.version = CHANNEL_VERSION,
                                          .operation = (uint16_t)operation,
                                          .id = ++queue->last_id,
                                          .until_ms = clock_steady_ms() + queue->operation_ms,
                                          .request = log_get_request()};
    queue->message.header = header;
    if (body_size > 0)
        memcpy(&queue->message.body, body, body_size);
    for (int tries = 0; tries < 2; tries++) {
        if (queue->fd < 0)
            queue->fd = channel_connect(queue->channel, queue->operation_ms);
        if (queue->fd < 0)
            return QUEUE_DOWN;
        if (send_message(queue, CHANNEL_HEADER_SIZE + body_size, header.until_ms))
            return await(queue, header.id, operation, size);
        disconnect(queue);
    }
    return QUEUE_DOWN;
}

enum queue_result client_call(struct queue *queue, enum operation operation, const void *body,
                              size_t body_size, void *answer, size_t answer_size) {
    size_t size = 0;
    enum queue_result result = exchange(queue, operation, body, body_size, &size);
    if (result != QUEUE_OK)
        return result;
    if (size != answer_size)
        return refuse_answer(queue);
    if (answer_size > 0)
        memcpy(answer, &queue->message.body, answer_size);
    return QUEUE_OK;
}

enum queue_result client_call_batch(struct queue *queue, enum operation operation, const void *body,
                                    size_t body_size, struct queue_batch *batch) {
    size_t size = 0;
    const struct queue_batch *got = &queue->message.body.batch;
    enum queue_result result = exchange(queue, operation, body, body_size, &size);
    if (result != QUEUE_OK)
        return result;
    if (got->count < 0 || got->count > QUEUE_PULL_MAX ||
        size != CHANNEL_LIST_SIZE(struct queue_batch, got->count))
        return refuse_answer(queue);
    memcpy(batch, got, size);
    return QUEUE_OK;
}

/* Copies the received part of a copy, if the result is OK. */
static enum queue_result take_pages(struct queue *queue, enum queue_result result, size_t size,
                                    struct pages *pages) {
    const struct pages *got = &queue->message.body.pages;
    if (result != QUEUE_OK)
        return result;
    if (got->count < 0 || got->count > PAGES_MAX ||
        size != CHANNEL_LIST_SIZE(struct pages, got->count))
        return refuse_answer(queue);
    memcpy(pages, got, size);
    return QUEUE_OK;
}

enum queue_result queue_copy_begin(struct queue *queue, struct pages *pages) {
    size_t size = 0;
    enum queue_result result = exchange(queue, OPERATION_BACKUP, NULL, 0, &size);
    return take_pages(queue, result, size, pages);
}

enum queue_result queue_copy_next(struct queue *queue, struct pages *pages) {
    size_t size = 0;
    enum queue_result result = await(queue, queue->last_id, OPERATION_BACKUP, &size);
    return take_pages(queue, result, size, pages);
}

/* Parts still under way are of no use. */
void queue_copy_end(struct queue *queue) {
    disconnect(queue);
}

enum queue_result queue_enqueue(struct queue *queue, const struct queue_enqueue *item,
                                struct uuid *id) {
    return client_call(queue, OPERATION_ENQUEUE, item, sizeof *item, id, sizeof *id);
}

enum queue_result queue_enqueue_many(struct queue *queue, const struct queue_many *many,
                                     struct queue_many_stored *stored) {
    size_t size = 0;
    const struct queue_many_stored *got = &queue->message.body.stored;
    if (many->count < 1 || many->count > QUEUE_MANY_MAX)
        return QUEUE_FAULT;
    enum queue_result result = exchange(queue, OPERATION_ENQUEUE_MANY, many,
                                        CHANNEL_LIST_SIZE(struct queue_many, many->count), &size);
    if (result != QUEUE_OK)
        return result;
    if (got->count != many->count ||
        size != CHANNEL_LIST_SIZE(struct queue_many_stored, got->count))
        return refuse_answer(queue);
    memcpy(stored, got, size);
    return QUEUE_OK;
}

int queue_retry_seconds(const struct queue *queue) {
    int64_t seconds = queue->message.header.retry_seconds;
    return seconds >= 1 && seconds <= INT32_MAX ? (int)seconds : 1;
}

enum queue_result queue_pull(struct queue *queue, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    return client_call_batch(queue, OPERATION_PULL, pull, sizeof *pull, batch);
}

void queue_left(const struct queue *queue, struct queue_left *left) {
    *left = queue->message.header.left;
}

enum queue_result queue_pulled(struct queue *queue, const struct queue_pull *pull) {
    return reader_pulled(queue->reader, pull);
}

enum queue_result queue_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                             struct queue_item *item) {
    return reader_look(queue->reader, id, whose, item);
}

enum queue_result queue_cancel(struct queue *queue, const struct queue_cancel *cancel) {
    return client_call(queue, OPERATION_CANCEL, cancel, sizeof *cancel, NULL, 0);
}

enum queue_result queue_cancel_many(struct queue *queue, const struct queue_cancel_many *cancel,
                                    struct queue_cancelled *cancelled) {
    if (cancel->count < 0 || cancel->count > QUEUE_CANCEL_MAX)
        return QUEUE_FAULT;
    return client_call(queue, OPERATION_CANCEL_MANY, cancel,
                       CHANNEL_LIST_SIZE(struct queue_cancel_many, cancel->count), cancelled,
                       sizeof *cancelled);
}

enum queue_result queue_list(struct queue *queue, const struct queue_list *list,
                             struct queue_page *page) {
    return reader_list(queue->reader, list, page);
}

enum queue_result queue_report(struct queue *queue, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    if (report->count < 1 || report->count > QUEUE_LEASE_MAX)
        return QUEUE_FAULT;
    enum queue_result result = client_call(queue, OPERATION_REPORT, report,
                                           CHANNEL_LIST_SIZE(struct queue_report, report->count),
                                           verdict, sizeof *verdict);
    return result == QUEUE_OK && verdict->count != report->count ? QUEUE_FAULT : result;
}

enum queue_result queue_retire(struct queue *queue, const struct queue_worker *worker) {
    return client_call(queue, OPERATION_RETIRE, worker, sizeof *worker, NULL, 0);
}

enum queue_result queue_update_machine(struct queue *queue,
                                       const struct queue_machine_update *update) {
    return client_call(queue, OPERATION_UPDATE_MACHINE, update, sizeof *update, NULL, 0);
}

enum queue_result queue_quarantine(struct queue *queue, const struct queue_quarantine *quarantine) {
    return client_call(queue, OPERATION_QUARANTINE, quarantine, sizeof *quarantine, NULL, 0);
}

enum queue_result queue_fleet(struct queue *queue, const struct queue_fleet_since *since,
                              struct queue_fleet *fleet) {
    return reader_fleet(queue->reader, since, fleet);
}

enum queue_result queue_tally(struct queue *queue, const struct queue_whose *whose,
                              struct queue_tally *tally) {
    return client_call(queue, OPERATION_TALLY, whose, sizeof *whose, tally, sizeof *tally);
}

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
        disconnect(queue);
    return result;
}

static void send_ticket(struct queue *queue, struct ticket *ticket) {
    if (queue->fd < 0)
        return;
    const struct channel_header header = {.version = CHANNEL_VERSION,
                                          .operation = (uint16_t)ticket->operation,
                                          .id = ticket_number(queue, ticket),
                                          .until_ms = ticket->until_ms,
                                          .request = ticket->request};
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

/* Sends the unsent tickets while there is room. */
static void send_unsent(struct queue *queue) {
    for (int i = 0; i < queue->ticket_count && queue->fd >= 0; i++) {
        struct ticket *ticket = &queue->tickets[i];
        if (ticket->operation == OPERATION_COUNT || !ticket->unsent)
            continue;
        send_ticket(queue, ticket);
        if (ticket->unsent)
            return;
    }
}

/* Reopens the channel. Every ticket will be sent again; forgotten ones end. */
static void reconnect(struct queue *queue) {
    queue->fd = channel_connect(queue->channel, queue->operation_ms);
    for (int i = 0; i < queue->ticket_count && queue->fd >= 0; i++) {
        struct ticket *ticket = &queue->tickets[i];
        if (ticket->operation == OPERATION_COUNT)
            continue;
        if (ticket->forgotten) {
            end_ticket(queue, ticket);
        } else {
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
            disconnect(queue);
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

bool queue_next(struct queue *queue, struct queue_answer *answer) {
    if (queue->fd < 0)
        reconnect(queue);
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
