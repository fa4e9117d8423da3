#include "run_queue.h"

#include <search.h>
#include <stdlib.h>

#include "memory.h"

/* The order of the index, for tsearch. */
static int by_node_and_id(const void *one, const void *other) {
    const struct item *a = one, *b = other;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    return memcmp(a->id, b->id, sizeof a->id);
}

void run_queue_init(struct run_queue *queue) {
    *queue = (struct run_queue){0};
    TAILQ_INIT(&queue->fed);
    for (int class = 0; class < CLASSES; class ++)
        TAILQ_INIT(&queue->classes[class]);
}

void run_queue_free(struct run_queue *queue) {
    struct task *task;
    while ((task = TAILQ_FIRST(&queue->fed)) != NULL)
        run_queue_drop(queue, task);
}

int run_queue_class(int64_t remaining) {
    return remaining < 1 ? 0 : 64 - __builtin_clzll((unsigned long long)remaining);
}

struct task *run_queue_find(const struct run_queue *queue, int node, const uuid_t id) {
    struct item key = {.node = node};
    uuid_copy(key.id, id);
    struct task **found = tfind(&key, &queue->index, by_node_and_id);
    return found ? *found : NULL;
}

/* Puts an item into the queue of its class, and its sums. */
static void enter(struct run_queue *queue, struct task *task, bool first_of_class) {
    int class = run_queue_class(task->item.remaining);
    struct class_sums *sums = &queue->waiting[task->item.node][class];
    if (first_of_class)
        TAILQ_INSERT_HEAD(&queue->classes[class], task, next_of_class);
    else
        TAILQ_INSERT_TAIL(&queue->classes[class], task, next_of_class);
    queue->filled |= UINT64_C(1) << class;
    sums->items++;
    sums->iterations += (uint64_t)task->item.remaining;
    task->running = false;
}

/* Takes an item out of both. */
static void leave(struct run_queue *queue, struct task *task) {
    int class = run_queue_class(task->item.remaining);
    struct class_sums *sums = &queue->waiting[task->item.node][class];
    TAILQ_REMOVE(&queue->classes[class], task, next_of_class);
    if (TAILQ_EMPTY(&queue->classes[class]))
        queue->filled &= ~(UINT64_C(1) << class);
    sums->items--;
    sums->iterations -= (uint64_t)task->item.remaining;
    task->running = true;
}

void run_queue_add(struct run_queue *queue, const struct item *item) {
    struct task *task = memory_or_end(calloc(1, sizeof *task), "an item");
    task->item = *item;
    memory_or_end(tsearch(task, &queue->index, by_node_and_id), "an item");
    TAILQ_INSERT_TAIL(&queue->fed, task, next_fed);
    queue->count++;
    queue->items[item->node]++;
    enter(queue, task, false);
}

/* Takes an item out of the index. */
static void forget(struct run_queue *queue, struct task *task) {
    tdelete(task, &queue->index, by_node_and_id);
    TAILQ_REMOVE(&queue->fed, task, next_fed);
    queue->count--;
    queue->items[task->item.node]--;
}

void run_queue_drop(struct run_queue *queue, struct task *task) {
    forget(queue, task);
    task->dropped = true;
    if (task->running)
        return;
    leave(queue, task);
    free(task);
}

/* The first item of the shortest class that waits, or NULL. */
static struct task *shortest_of(const struct run_queue *queue) {
    return queue->filled == 0 ? NULL : TAILQ_FIRST(&queue->classes[__builtin_ctzll(queue->filled)]);
}

const struct task *run_queue_shortest(const struct run_queue *queue) {
    return shortest_of(queue);
}

struct task *run_queue_take(struct run_queue *queue, bool oldest) {
    struct task *task = shortest_of(queue);
    if (!task)
        return NULL;
    if (oldest) {
        task = TAILQ_FIRST(&queue->fed);
        while (task->running)
            task = TAILQ_NEXT(task, next_fed);
    }
    leave(queue, task);
    return task;
}

void run_queue_give_back(struct run_queue *queue, struct task *task) {
    enter(queue, task, true);
}

void run_queue_end(struct run_queue *queue, struct task *task) {
    if (!task->dropped)
        forget(queue, task);
    free(task);
}

void run_queue_count(struct run_queue_load *load, const struct item *item, int64_t cap) {
    load->items++;
    load->iterations += item->remaining < cap ? item->remaining : cap;
    load->long_items += item->remaining >= cap;
}

struct run_queue_load run_queue_waiting(const struct run_queue *queue, int node, int64_t cap) {
    struct run_queue_load load = {0};
    int cap_class = run_queue_class(cap);
    for (int class = 0; class < CLASSES; class ++) {
        const struct class_sums *sums = &queue->waiting[node][class];
        const struct task *task;
        if (class < cap_class) {
            load.items += sums->items;
            load.iterations += (int64_t)sums->iterations;
        } else if (class > cap_class) {
            load.items += sums->items;
            load.iterations += sums->items * cap;
            load.long_items += sums->items;
        } else {
            TAILQ_FOREACH(task, &queue->classes[class], next_of_class) {
                if (task->item.node == node)
                    run_queue_count(&load, &task->item, cap);
            }
        }
    }
    return load;
}
