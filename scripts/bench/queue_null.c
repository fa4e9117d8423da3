/*
 * The queue without a store: everything is answered at once and nothing is kept. Linked in the
 * place of client.c it makes the FastCGI loop alone, which says what nginx, FastCGI, hashing
 * and JSON cost by themselves: the reference that the benchmarks divide by. Leases and pulls are as
 * full as they were asked to be; their items are made up.
 */

#include <stdlib.h>
#include <string.h>

#include "fcgi/queue/id.h"
#include "fcgi/queue/queue_fleet.h"
#include "fcgi/queue/queue_history.h"

enum { TICKETS_MAX = 64, LEASE_TTL_MS = 60000 };

/* A lease, look or enqueue that was started and is answered by the next call of queue_next. */
struct ticket {
    uint64_t number;
    int32_t items; /* of a lease; 0 of a look */
    struct uuid id;
};

struct queue {
    uint64_t last_number;
    struct ticket tickets[TICKETS_MAX]; /* the first count of them, the oldest first */
    int count;
    struct queue_grant grant;
    struct queue_item item;
};

struct queue *queue_open(const struct conf *conf, const char *channel) {
    (void)conf;
    (void)channel;
    return calloc(1, sizeof(struct queue));
}

void queue_close(struct queue *queue) {
    free(queue);
}

enum queue_result queue_enqueue(struct queue *queue, const struct queue_enqueue *item,
                                struct uuid *id) {
    (void)queue;
    *id = item->id;
    return QUEUE_OK;
}

enum queue_result queue_enqueue_many(struct queue *queue, const struct queue_many *many,
                                     struct queue_many_stored *stored) {
    (void)queue;
    stored->count = many->count;
    for (int i = 0; i < many->count; i++)
        stored->items[i] = (struct queue_stored){.id = many->items[i].id, .result = QUEUE_OK};
    return QUEUE_OK;
}

int queue_retry_seconds(const struct queue *queue) {
    (void)queue;
    return 1;
}

void queue_left(const struct queue *queue, struct queue_left *left) {
    (void)queue;
    *left = (struct queue_left){0};
}

/* An item that is done. */
static struct queue_item made_up(struct uuid id) {
    struct queue_item item = {.id = id, .iterations = 1000, .state = ITEM_DONE};
    item.enqueued_wall_ms = 1700000000000;
    item.completed_wall_ms = 1700000001000;
    memset(item.chain, 0xa5, sizeof item.chain);
    return item;
}

enum queue_result queue_pull(struct queue *queue, const struct queue_pull *pull,
                             struct queue_batch *batch) {
    (void)queue;
    for (int i = 0; i < pull->top; i++)
        batch->items[i] = made_up(id_new(0));
    batch->count = pull->top;
    return QUEUE_OK;
}

enum queue_result queue_pulled(struct queue *queue, const struct queue_pull *pull) {
    (void)queue, (void)pull;
    return QUEUE_NONE;
}

enum queue_result queue_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                             struct queue_item *item) {
    (void)queue;
    (void)whose;
    *item = made_up(id);
    return QUEUE_OK;
}

enum queue_result queue_cancel(struct queue *queue, const struct queue_cancel *cancel) {
    (void)queue;
    (void)cancel;
    return QUEUE_OK;
}

enum queue_result queue_cancel_many(struct queue *queue, const struct queue_cancel_many *cancel,
                                    struct queue_cancelled *cancelled) {
    (void)queue, (void)cancel, (void)cancelled;
    return QUEUE_DOWN;
}

enum queue_result queue_list(struct queue *queue, const struct queue_list *list,
                             struct queue_page *page) {
    (void)queue, (void)list, (void)page;
    return QUEUE_DOWN;
}

enum queue_result queue_report(struct queue *queue, const struct queue_report *report,
                               struct queue_verdict *verdict) {
    (void)queue;
    verdict->count = report->count;
    memset(verdict->taken, 1, (size_t)report->count);
    return QUEUE_OK;
}

enum queue_result queue_retire(struct queue *queue, const struct queue_worker *worker) {
    (void)queue;
    (void)worker;
    return QUEUE_OK;
}

enum queue_result queue_update_machine(struct queue *queue,
                                       const struct queue_machine_update *update) {
    (void)queue;
    (void)update;
    return QUEUE_OK;
}

enum queue_result queue_fleet(struct queue *queue, const struct queue_fleet_since *since,
                              struct queue_fleet *fleet) {
    (void)queue;
    (void)since;
    *fleet = (struct queue_fleet){.boot_ms = -1};
    return QUEUE_OK;
}

enum queue_result queue_history(struct queue *queue, struct queue_history *history) {
    (void)queue;
    memset(history->steps, 0, sizeof history->steps);
    return QUEUE_OK;
}

enum queue_result queue_tally(struct queue *queue, const struct queue_whose *whose,
                              struct queue_tally *tally) {
    (void)queue;
    (void)whose;
    *tally = (struct queue_tally){0};
    return QUEUE_OK;
}

/* Notes a request to be answered. The event loop fetches the answers after every few requests. */
static uint64_t start(struct queue *queue, struct uuid id, int32_t items) {
    if (queue->count == TICKETS_MAX)
        abort();
    uint64_t number = ++queue->last_number;
    queue->tickets[queue->count++] = (struct ticket){number, items, id};
    return number;
}

uint64_t queue_start_lease(struct queue *queue, const struct queue_lease *request) {
    return start(queue, request->request, request->items);
}

uint64_t queue_start_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                          int64_t wait_ms) {
    (void)whose;
    (void)wait_ms;
    return start(queue, id, 0);
}

uint64_t queue_start_done(struct queue *queue, const char *client, int64_t wait_ms) {
    (void)client;
    (void)wait_ms;
    return start(queue, id_new(0), 0);
}

uint64_t queue_start_enqueue(struct queue *queue, const struct queue_enqueue *item) {
    return start(queue, item->id, 0);
}

void queue_flush(struct queue *queue) {
    (void)queue;
}

void queue_forget(struct queue *queue, uint64_t ticket) {
    (void)queue;
    (void)ticket; /* its answer meets nobody */
}

int queue_descriptor(const struct queue *queue) {
    (void)queue;
    return -1;
}

static void make_grant(struct queue_grant *grant, int32_t items) {
    grant->ttl_ms = LEASE_TTL_MS;
    grant->count = items;
    for (int i = 0; i < items; i++) {
        grant->items[i].id = id_new(0);
        grant->items[i].remaining = 999;
        memset(grant->items[i].chain, 0x5a, sizeof grant->items[i].chain);
    }
}

bool queue_next(struct queue *queue, struct queue_answer *answer) {
    if (queue->count == 0)
        return false;
    struct ticket ticket = queue->tickets[0];
    queue->count--;
    memmove(queue->tickets, queue->tickets + 1, (size_t)queue->count * sizeof ticket);
    *answer = (struct queue_answer){.ticket = ticket.number, .result = QUEUE_OK, .id = ticket.id};
    if (ticket.items > 0) {
        make_grant(&queue->grant, ticket.items);
        answer->grant = &queue->grant;
    } else {
        queue->item = made_up(ticket.id);
        answer->item = &queue->item;
    }
    return true;
}

void queue_return_lease(struct queue *queue, struct queue_return grant) {
    (void)queue;
    (void)grant;
}

bool queue_is_behind(const struct queue *queue) {
    return queue->count > 0;
}

int queue_under_way(const struct queue *queue) {
    return queue->count;
}
