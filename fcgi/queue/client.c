/* The queue's verbs: changes are operations sent to the writer over the channel; a plain look goes
 * to the reader. */

#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

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

/* Sends queue->message, waiting for room until a moment of steady time. False when the channel is
 * gone or stays full; nothing was sent then. */
static bool send_message(struct queue *queue, int64_t until_ms) {
    size_t size = channel_operation_size(&queue->message);
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

void client_start(struct queue *queue, enum operation operation) {
    queue->message.header =
        (struct channel_header){.version = CHANNEL_VERSION,
                                .operation = (uint16_t)operation,
                                .id = ++queue->last_id,
                                .until_ms = clock_steady_ms() + queue->operation_ms};
}

enum queue_result client_await(struct queue *queue, uint64_t id, int operation) {
    size_t size;
    enum channel_result result = channel_await(queue->fd, &queue->message, &size);
    if (result == CHANNEL_OK && queue->message.header.id == id &&
        queue->message.header.operation == operation &&
        size == channel_answer_size(&queue->message))
        return (enum queue_result)queue->message.header.result;
    disconnect(queue);
    return QUEUE_UNKNOWN;
}

enum queue_result client_call(struct queue *queue) {
    const struct channel_header header = queue->message.header;
    for (int tries = 0; tries < 2; tries++) {
        if (queue->fd < 0)
            queue->fd = channel_connect(queue->channel, queue->operation_ms);
        if (queue->fd < 0)
            return QUEUE_DOWN;
        if (send_message(queue, header.until_ms))
            return client_await(queue, header.id, header.operation);
        disconnect(queue);
    }
    return QUEUE_DOWN;
}

enum queue_result queue_enqueue(struct queue *queue, const struct queue_enqueue *item,
                                struct uuid *id) {
    client_start(queue, OPERATION_ENQUEUE);
    queue->message.body.enqueue = *item;
    enum queue_result result = client_call(queue);
    if (result == QUEUE_OK)
        *id = queue->message.body.id;
    return result;
}

int queue_retry_seconds(const struct queue *queue) {
    int64_t seconds = queue->message.header.until_ms;
    return seconds >= 1 && seconds <= INT32_MAX ? (int)seconds : 1;
}

enum queue_result client_take_batch(struct queue *queue, enum queue_result result,
                                    struct queue_batch *batch) {
    if (result == QUEUE_OK)
        memcpy(batch, &queue->message.body.batch,
               channel_answer_size(&queue->message) - sizeof queue->message.header);
    return result;
}

enum queue_result queue_pull(struct queue *queue, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    client_start(queue, OPERATION_PULL);
    queue->message.body.pull = *pull;
    return client_take_batch(queue, client_call(queue), batch);
}

enum queue_result queue_look(struct queue *queue, struct uuid id, struct queue_item *item) {
    return reader_look(queue->reader, id, item);
}

enum queue_result queue_cancel(struct queue *queue, struct uuid id) {
    client_start(queue, OPERATION_CANCEL);
    queue->message.body.id = id;
    return client_call(queue);
}

enum queue_result queue_report(struct queue *queue, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    client_start(queue, OPERATION_REPORT);
    queue->message.body.report.count = report->count;
    size_t size = channel_operation_size(&queue->message);
    if (size == 0)
        return QUEUE_FAULT;
    memcpy(&queue->message.body.report, report, size - sizeof queue->message.header);
    enum queue_result result = client_call(queue);
    if (result != QUEUE_OK)
        return result;
    if (queue->message.body.verdict.count != report->count)
        return QUEUE_FAULT;
    *verdict = queue->message.body.verdict;
    return QUEUE_OK;
}

enum queue_result queue_retire(struct queue *queue, const struct queue_worker *worker) {
    client_start(queue, OPERATION_RETIRE);
    queue->message.body.worker = *worker;
    return client_call(queue);
}

enum queue_result queue_change(struct queue *queue, const struct queue_change *change) {
    client_start(queue, OPERATION_CHANGE);
    queue->message.body.change = *change;
    return client_call(queue);
}

enum queue_result queue_fleet(struct queue *queue, const struct queue_fleet_since *since,
                              struct queue_fleet *fleet) {
    return reader_fleet(queue->reader, since, fleet);
}

enum queue_result queue_tally(struct queue *queue, struct queue_tally *tally) {
    client_start(queue, OPERATION_TALLY);
    enum queue_result result = client_call(queue);
    if (result == QUEUE_OK)
        *tally = queue->message.body.tally;
    return result;
}

/* A ticket number is its place and the generation of the place, plus one so that it is never 0. */
static uint64_t ticket_number(const struct queue *queue, const struct ticket *ticket) {
    uint64_t place = (uint64_t)(ticket - queue->tickets);
    return ((uint64_t)ticket->generation << 32) + place + 1;
}

/* The ticket of a number, or NULL when it is not under way. */
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

/* Places are doubled when all are taken; the caller limits what is under way. */
struct ticket *client_ticket(struct queue *queue, enum operation operation, int64_t wait_ms) {
    if (queue->under_way == queue->ticket_count) {
        int count = queue->ticket_count ? 2 * queue->ticket_count : 64;
        struct ticket *tickets =
            count > TICKETS_MAX ? NULL : realloc(queue->tickets, (size_t)count * sizeof *tickets);
        if (!tickets) {
            log_error("out of memory for %d waiting requests", count);
            abort();
        }
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
    queue->under_way++;
    return ticket;
}

/* Sends a small message without waiting: an event loop has others to serve. */
static enum channel_result send_now(struct queue *queue) {
    enum channel_result result =
        channel_send(queue->fd, &queue->message, channel_operation_size(&queue->message));
    if (result == CHANNEL_GONE)
        disconnect(queue);
    return result;
}

/* Sends a ticket's operation if there is a channel and room in it; queue_next tries again. */
static void send_ticket(struct queue *queue, struct ticket *ticket) {
    if (queue->fd < 0)
        return;
    queue->message.header = (struct channel_header){.version = CHANNEL_VERSION,
                                                    .operation = (uint16_t)ticket->operation,
                                                    .id = ticket_number(queue, ticket),
                                                    .until_ms = ticket->until_ms};
    if (ticket->operation == OPERATION_LEASE)
        queue->message.body.lease = ticket->lease;
    else if (ticket->operation == OPERATION_LOOK)
        queue->message.body.look = (struct channel_look){.id = ticket->item};
    else
        queue->message.body.number = ticket->seen;
    if (send_now(queue) == CHANNEL_OK) {
        ticket->unsent = false;
        queue->unsent--;
    }
}

/* Sends what could not be sent before, as far as there is room. */
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

/* Opens the channel anew: every ticket is to be sent again, but for those that nobody wants. */
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

uint64_t queue_start_look(struct queue *queue, struct uuid id, int64_t wait_ms) {
    struct ticket *ticket = client_ticket(queue, OPERATION_LOOK, wait_ms);
    ticket->item = id;
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
    queue->message.header = (struct channel_header){
        .version = CHANNEL_VERSION, .operation = OPERATION_FORGET, .id = number};
    if (queue->fd >= 0)
        send_now(queue); /* without room for it the wait ends by its time */
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

/* Makes of queue->message, an answer to ticket, what the caller of queue_next gets. */
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

/* Receives answers until one is for somebody. False when there is none now. */
static bool receive_answer(struct queue *queue, struct queue_answer *answer) {
    for (;;) {
        size_t size;
        enum channel_result result = channel_receive(queue->fd, &queue->message, &size);
        if (result == CHANNEL_AGAIN)
            return false;
        if (result == CHANNEL_GONE || size != channel_answer_size(&queue->message)) {
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
    queue->message.header =
        (struct channel_header){.version = CHANNEL_VERSION, .operation = OPERATION_RETURN};
    queue->message.body.returned = grant;
    if (queue->fd >= 0)
        send_now(queue); /* without room for it the lease lapses by itself */
}
