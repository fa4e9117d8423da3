/* The verbs of queue_peers.h. */

#include <stddef.h>
#include <string.h>

#include "client.h"

uint64_t queue_start_batch(struct queue *queue, int64_t seen, int64_t wait_ms) {
    struct ticket *ticket = client_ticket(queue, OPERATION_WATCH_BATCH, wait_ms);
    ticket->seen = seen;
    return client_send(queue, ticket);
}

enum queue_result queue_acknowledge(struct queue *queue,
                                    const struct queue_acknowledged *acknowledged) {
    return client_call(queue, OPERATION_ACKNOWLEDGE, acknowledged, sizeof *acknowledged, NULL, 0);
}

/* The reader of the replica, opened when it is first needed; NULL when memory is short. */
static struct reader *replica_of(struct queue *queue) {
    if (!queue->replica)
        queue->replica = reader_new_of_replica(queue->conf);
    return queue->replica;
}

enum queue_result queue_look_replica(struct queue *queue, struct uuid id,
                                     const struct queue_whose *whose, struct queue_item *item,
                                     int64_t *wall_ms) {
    struct reader *replica = replica_of(queue);
    return replica ? reader_look_then(replica, id, whose, item, wall_ms) : QUEUE_DOWN;
}

enum queue_result queue_list_replica(struct queue *queue, const struct queue_list *list,
                                     struct queue_page *page) {
    struct reader *replica = replica_of(queue);
    return replica ? reader_list_then(replica, list, page) : QUEUE_DOWN;
}

enum queue_result queue_close_pull(struct queue *queue, const struct queue_close *close) {
    return client_call(queue, OPERATION_CLOSE_PULL, close, sizeof *close, NULL, 0);
}

enum queue_result queue_pull_fate(struct queue *queue, const uint8_t tag[PULL_TAG_SIZE],
                                  struct queue_fate *fate) {
    return reader_pull_fate(queue->reader, tag, fate);
}

enum queue_result queue_reserve(struct queue *queue, const struct queue_reserve *reserve,
                                struct queue_batch *batch) {
    return client_call_batch(queue, OPERATION_RESERVE, reserve, sizeof *reserve, batch);
}

enum queue_result queue_settle(struct queue *queue, const struct queue_settle *settle) {
    return client_call(queue, OPERATION_SETTLE, settle, sizeof *settle, NULL, 0);
}

enum queue_result queue_loan(struct queue *queue, const struct queue_loan_step *step) {
    return client_call(queue, OPERATION_LOAN, step, sizeof *step, NULL, 0);
}

enum queue_result queue_hello(struct queue *queue, const struct queue_hello *hello,
                              struct queue_hello_answer *answer) {
    return client_call(queue, OPERATION_HELLO, hello, sizeof *hello, answer, sizeof *answer);
}

enum queue_result queue_heard(struct queue *queue, const struct queue_heard *heard) {
    return client_call(queue, OPERATION_HEARD, heard, sizeof *heard, NULL, 0);
}

enum queue_result queue_raise(struct queue *queue, const struct queue_raise *raise) {
    return client_call(queue, OPERATION_RAISE, raise, sizeof *raise, NULL, 0);
}

enum queue_result queue_hash_items(struct queue *queue, int64_t items, struct queue_range *range) {
    return reader_hash_items(queue->reader, items, range);
}

enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers) {
    return reader_peers(queue->reader, peers);
}

enum queue_result queue_met(struct queue *queue, struct queue_identity *met) {
    return reader_met(queue->reader, met);
}
