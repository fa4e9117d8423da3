/* The verbs of queue_operators.h. */

#include "queue_operators.h"

#include "client.h"

enum queue_result queue_pause(struct queue *queue, const struct queue_pause *pause,
                              int64_t *paused) {
    return client_call(queue, OPERATION_PAUSE, pause, sizeof *pause, paused, sizeof *paused);
}

enum queue_result queue_clients(struct queue *queue, struct queue_clients *clients) {
    return reader_clients(queue->reader, clients);
}
