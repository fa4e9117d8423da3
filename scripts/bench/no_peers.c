/* The verbs of queue_peers.h, and queue_backup, for engines that only the benchmarks have: they
 * know of no peers and are not worth a backup. */

#include "fcgi/queue/queue_peers.h"

enum queue_result queue_changed(struct queue *queue, struct queue_place *place, int64_t *complete,
                                struct queue_copies *copies) {
    (void)queue, (void)place, (void)complete;
    copies->count = 0;
    return QUEUE_OK;
}

enum queue_result queue_items(struct queue *queue, int64_t *seq, struct queue_copies *copies) {
    (void)queue, (void)seq;
    copies->count = 0;
    return QUEUE_OK;
}

enum queue_result queue_caught_up(struct queue *queue, int node) {
    (void)queue, (void)node;
    return QUEUE_DOWN;
}

enum queue_result queue_backup(struct queue *queue, const char *path) {
    (void)queue, (void)path;
    return QUEUE_DOWN;
}

uint64_t queue_start_change(struct queue *queue, int64_t seen, int64_t wait_ms) {
    (void)queue, (void)seen, (void)wait_ms;
    return 1; /* never answered */
}

enum queue_result queue_told(struct queue *queue, int node, int64_t change) {
    (void)queue, (void)node, (void)change;
    return QUEUE_DOWN;
}

enum queue_result queue_merge(struct queue *queue, const struct queue_copies *copies) {
    (void)queue, (void)copies;
    return QUEUE_DOWN;
}

enum queue_result queue_transfer_begin(struct queue *queue, const struct queue_transfer *transfer) {
    (void)queue, (void)transfer;
    return QUEUE_DOWN;
}

enum queue_result queue_give(struct queue *queue, const struct queue_transfer *transfer,
                             struct queue_copies *items) {
    (void)queue, (void)transfer, (void)items;
    return QUEUE_DOWN;
}

enum queue_result queue_transfer_end(struct queue *queue, struct uuid id,
                                     const struct queue_copies *items) {
    (void)queue, (void)id, (void)items;
    return QUEUE_DOWN;
}

enum queue_result queue_loan(struct queue *queue, const struct queue_loan_step *step) {
    (void)queue, (void)step;
    return QUEUE_DOWN;
}

enum queue_result queue_hello(struct queue *queue, const struct queue_hello *hello,
                              struct queue_hello_answer *answer) {
    (void)queue, (void)hello, (void)answer;
    return QUEUE_DOWN;
}

enum queue_result queue_heard(struct queue *queue, const struct queue_heard *heard) {
    (void)queue, (void)heard;
    return QUEUE_DOWN;
}

enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers) {
    (void)queue;
    *peers = (struct queue_peers){0};
    return QUEUE_OK;
}

enum queue_result queue_look_home(struct queue *queue, struct uuid id, struct queue_item *item,
                                  int *home) {
    *home = 0; /* the benchmarks' node */
    return queue_look(queue, id, item);
}
