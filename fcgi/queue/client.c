/* The queue's verbs: changes go to the writer over the channel, plain looks to the reader. */

#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

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

void client_disconnect(struct queue *queue) {
    if (queue->fd >= 0)
        close(queue->fd);
    queue->fd = -1;
}

void queue_close(struct queue *queue) {
    client_disconnect(queue);
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
    client_disconnect(queue);
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
        client_disconnect(queue);
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
    client_disconnect(queue);
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
