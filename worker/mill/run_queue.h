#ifndef HASHMILL_RUN_QUEUE_H
#define HASHMILL_RUN_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "item.h"

/*
 * A mill's run queue: an index of all its items, and the queues of those that wait for a lane.
 * Lengths are known, so the shortest go first. Lengths fall into classes of a factor of two; within
 * a class the order is that of feeding. Every call takes constant time unless its comment says
 * otherwise. No locks: one caller at a time.
 */

enum {
    CLASSES = 64 /* by the bits of remaining: class c has remaining from 2^(c-1) to 2^c - 1 */
};

/* An item in the run queue, waiting or on a lane. */
struct task {
    struct item item; /* as of its last slice; first, the index compares it */
    bool running;     /* on a lane: in no queue */
    bool dropped;     /* forgotten, but still on a lane */
    TAILQ_ENTRY(task) next_fed, next_of_class;
};

TAILQ_HEAD(task_list, task);

/* Sums over the waiting items of one node and one class. */
struct class_sums {
    int items;
    uint64_t iterations; /* of remaining; wraps around for classes that are beyond every cap */
};

struct run_queue {
    void *index;                       /* by node and id, see tsearch(3) */
    struct task_list fed;              /* all, in the order of feeding */
    struct task_list classes[CLASSES]; /* those that wait, by class */
    uint64_t filled;                   /* bit c: an item waits in class c */
    int count;                         /* all */
    int items[NODES_MAX];              /* all, by node */
    struct class_sums waiting[NODES_MAX][CLASSES];
};

/* Sums over a part of a run queue. */
struct run_queue_load {
    int items;
    int64_t iterations; /* each item counted up to a cap */
    int long_items;     /* those that reach the cap */
};

void run_queue_init(struct run_queue *queue);

/* Frees all items. None may be on a lane. */
void run_queue_free(struct run_queue *queue);

/* The class of a chain with this number of iterations left. */
int run_queue_class(int64_t remaining);

/* A node's item with that id, or NULL. Takes logarithmic time. */
struct task *run_queue_find(const struct run_queue *queue, int node, const uuid_t id);

/* Adds a copy of an item that is not in the queue yet; it waits. Takes logarithmic time. */
void run_queue_add(struct run_queue *queue, const struct item *item);

/* Forgets an item. Frees it, unless it is on a lane: then run_queue_end must be called for it. */
void run_queue_drop(struct run_queue *queue, struct task *task);

/* Takes a waiting item for a lane: the shortest, or with `oldest` the one that was fed first. NULL
 * when none waits. For the oldest it passes over the items fed before it, all on lanes. */
struct task *run_queue_take(struct run_queue *queue, bool oldest);

/* Makes an item on a lane wait again, as the first of its class. */
void run_queue_give_back(struct run_queue *queue, struct task *task);

/* Forgets and frees an item on a lane that is finished or was dropped. */
void run_queue_end(struct run_queue *queue, struct task *task);

/* The item that is taken next as the shortest, or NULL. */
const struct task *run_queue_shortest(const struct run_queue *queue);

/* Sums up a node's waiting items, each counted up to cap. Looks at each class, and at each item of
 * the one class that the cap is in. */
struct run_queue_load run_queue_waiting(const struct run_queue *queue, int node, int64_t cap);

/* Adds an item to a sum. */
void run_queue_count(struct run_queue_load *load, const struct item *item, int64_t cap);

#endif
