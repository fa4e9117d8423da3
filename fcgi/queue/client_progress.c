/* The verbs about progress and history, which only read. */

#include "client.h"

enum queue_result queue_history(struct queue *queue, struct queue_history *history) {
    return reader_history(queue->reader, history);
}

const struct queue_load *queue_load(struct queue *queue) {
    return reader_load(queue->reader);
}

enum queue_result queue_progress(struct queue *queue, struct uuid id,
                                 const struct queue_whose *whose, struct queue_progress *progress) {
    return reader_progress(queue->reader, id, whose, progress);
}

enum queue_result queue_running(struct queue *queue, const struct queue_whose *whose, int limit,
                                struct queue_running *running) {
    return reader_running(queue->reader, whose, limit, running);
}
