/* The verbs of queue_peers.h. */

#include <stddef.h>
#include <string.h>

#include "client.h"

enum queue_result queue_changed(struct queue *queue, struct queue_place *place, int64_t *complete,
                                struct queue_copies *copies) {
    copies->node = (int32_t)queue->conf->node;
    return reader_changed(queue->reader, place, complete, copies);
}

uint64_t queue_start_change(struct queue *queue, int64_t seen, int64_t wait_ms) {
    struct ticket *ticket = client_ticket(queue, OPERATION_WATCH_CHANGE, wait_ms);
    ticket->seen = seen;
    return client_send(queue, ticket);
}

enum queue_result queue_told(struct queue *queue, int node, int64_t change) {
    client_start(queue, OPERATION_TOLD);
    queue->message.body.told = (struct channel_told){.change = change, .node = node};
    return client_call(queue);
}

/* Copies as many of copies as there are. False when they are more than a message has room for. */
static bool set_copies(struct queue_copies *to, const struct queue_copies *copies) {
    if (copies->count < 0 || copies->count > QUEUE_COPIES_MAX)
        return false;
    memcpy(to, copies,
           offsetof(struct queue_copies, items) + (size_t)copies->count * sizeof copies->items[0]);
    return true;
}

enum queue_result queue_merge(struct queue *queue, const struct queue_copies *copies) {
    client_start(queue, OPERATION_MERGE);
    if (!set_copies(&queue->message.body.copies, copies))
        return QUEUE_FAULT;
    return copies->count == 0 ? QUEUE_OK : client_call(queue);
}

enum queue_result queue_transfer_begin(struct queue *queue, const struct queue_transfer *transfer) {
    client_start(queue, OPERATION_TRANSFER_BEGIN);
    queue->message.body.transfer = *transfer;
    return client_call(queue);
}

enum queue_result queue_give(struct queue *queue, const struct queue_transfer *transfer,
                             struct queue_copies *items) {
    client_start(queue, OPERATION_GIVE);
    queue->message.body.transfer = *transfer;
    enum queue_result result = client_call(queue);
    if (result == QUEUE_OK && !set_copies(items, &queue->message.body.copies))
        result = QUEUE_FAULT;
    return result;
}

enum queue_result queue_transfer_end(struct queue *queue, struct uuid id,
                                     const struct queue_copies *items) {
    client_start(queue, OPERATION_TRANSFER_END);
    queue->message.body.brought.id = id;
    if (!set_copies(&queue->message.body.brought.copies, items))
        return QUEUE_FAULT;
    return client_call(queue);
}

enum queue_result queue_items(struct queue *queue, int64_t *seq, struct queue_copies *copies) {
    copies->node = (int32_t)queue->conf->node;
    return reader_items(queue->reader, seq, copies);
}

enum queue_result queue_caught_up(struct queue *queue, int node) {
    client_start(queue, OPERATION_CAUGHT_UP);
    queue->message.body.node = node;
    return client_call(queue);
}

enum queue_result queue_loan(struct queue *queue, const struct queue_loan_step *step) {
    client_start(queue, OPERATION_LOAN);
    queue->message.body.loan = *step;
    return client_call(queue);
}

enum queue_result queue_hello(struct queue *queue, const struct queue_hello *hello,
                              struct queue_hello_answer *answer) {
    client_start(queue, OPERATION_HELLO);
    queue->message.body.hello = *hello;
    enum queue_result result = client_call(queue);
    if (result == QUEUE_OK)
        *answer = queue->message.body.hello_answer;
    return result;
}

enum queue_result queue_heard(struct queue *queue, const struct queue_heard *heard) {
    client_start(queue, OPERATION_HEARD);
    queue->message.body.heard = *heard;
    return client_call(queue);
}

enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers) {
    return reader_peers(queue->reader, peers);
}

enum queue_result queue_look_home(struct queue *queue, struct uuid id, struct queue_item *item,
                                  int *home) {
    enum queue_result result = reader_look(queue->reader, id, item, home);
    if (result == QUEUE_OK && *home < 0)
        *home = (int32_t)queue->conf->node;
    return result;
}
