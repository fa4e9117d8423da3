/* The verbs of queue_peers.h, queue_operators.h and queue_progress.h, and queue_backup, for engines
 * that only the benchmarks have: they know of no peer and are not worth a backup. */

#include "fcgi/queue/queue_operators.h"
#include "fcgi/queue/queue_peers.h"
#include "fcgi/queue/queue_progress.h"

enum queue_result queue_backup(struct queue *queue, const char *path) {
    (void)queue, (void)path;
    return QUEUE_DOWN;
}

uint64_t queue_start_batch(struct queue *queue, int64_t seen, int64_t wait_ms) {
    (void)queue, (void)seen, (void)wait_ms;
    return 1; /* never answered */
}

enum queue_result queue_acknowledge(struct queue *queue,
                                    const struct queue_acknowledged *acknowledged) {
    (void)queue, (void)acknowledged;
    return QUEUE_DOWN;
}

enum queue_result queue_hash_items(struct queue *queue, int64_t items, struct queue_range *range) {
    (void)queue, (void)items, (void)range;
    return QUEUE_DOWN;
}

enum queue_result queue_copy_begin(struct queue *queue, struct pages *pages) {
    (void)queue, (void)pages;
    return QUEUE_DOWN;
}

enum queue_result queue_copy_next(struct queue *queue, struct pages *pages) {
    (void)queue, (void)pages;
    return QUEUE_DOWN;
}

void queue_copy_end(struct queue *queue) {
    (void)queue;
}

enum queue_result queue_look_replica(struct queue *queue, struct uuid id,
                                     const struct queue_whose *whose, struct queue_item *item,
                                     int64_t *wall_ms) {
    (void)queue, (void)id, (void)whose, (void)item, (void)wall_ms;
    return QUEUE_DOWN;
}

enum queue_result queue_list_replica(struct queue *queue, const struct queue_list *list,
                                     struct queue_page *page) {
    (void)queue, (void)list, (void)page;
    return QUEUE_DOWN;
}

enum queue_result queue_close_pull(struct queue *queue, const struct queue_close *close) {
    (void)queue, (void)close;
    return QUEUE_DOWN;
}

enum queue_result queue_pull_fate(struct queue *queue, const uint8_t tag[PULL_TAG_SIZE],
                                  struct queue_fate *fate) {
    (void)queue, (void)tag, (void)fate;
    return QUEUE_DOWN;
}

enum queue_result queue_reserve(struct queue *queue, const struct queue_reserve *reserve,
                                struct queue_batch *batch) {
    (void)queue, (void)reserve, (void)batch;
    return QUEUE_DOWN;
}

enum queue_result queue_settle(struct queue *queue, const struct queue_settle *settle) {
    (void)queue, (void)settle;
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

enum queue_result queue_raise(struct queue *queue, const struct queue_raise *raise) {
    (void)queue, (void)raise;
    return QUEUE_DOWN;
}

enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers) {
    (void)queue;
    *peers = (struct queue_peers){0};
    return QUEUE_OK;
}

enum queue_result queue_met(struct queue *queue, struct queue_identity *met) {
    (void)queue;
    *met = (struct queue_identity){0};
    return QUEUE_OK;
}

enum queue_result queue_pause(struct queue *queue, const struct queue_pause *pause,
                              int64_t *paused) {
    (void)queue, (void)pause, (void)paused;
    return QUEUE_DOWN;
}

enum queue_result queue_quarantine(struct queue *queue, const struct queue_quarantine *quarantine) {
    (void)queue, (void)quarantine;
    return QUEUE_DOWN;
}

const struct queue_load *queue_load(struct queue *queue) {
    (void)queue;
    return NULL;
}

enum queue_result queue_progress(struct queue *queue, struct uuid id,
                                 const struct queue_whose *whose, struct queue_progress *progress) {
    (void)queue, (void)id, (void)whose, (void)progress;
    return QUEUE_DOWN;
}

enum queue_result queue_running(struct queue *queue, const struct queue_whose *whose, int limit,
                                struct queue_running *running) {
    (void)queue, (void)whose, (void)limit, (void)running;
    return QUEUE_DOWN;
}

enum queue_result queue_clients(struct queue *queue, struct queue_clients *clients) {
    (void)queue;
    clients->count = 0;
    return QUEUE_OK;
}
