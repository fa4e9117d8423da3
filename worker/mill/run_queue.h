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

/* The sums of what waits, of one node and one class. */
struct class_sums {
    int items;
    uint64_t iterations; /* of remaining; wraps around for classes that are beyond every cap */
};

struct run_queue {
    void *index;                       /* by node and id, see tsearch(3) */
    struct task_list fed;              /* all, in the order of feeding */
    struct task_list classes[CLASSES]; /* those that wait, by class */
    uint64_t filled;                   /* bit c: somebody waits in class c */
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

/* The class of a chain that has so many iterations before it. */
int run_queue_class(int64_t remaining);

/* A node's item with that id, or NULL. Takes logarithmic time. */
struct task *run_queue_find(const struct run_queue *queue, int node, const uuid_t id);

/* Adds a copy of an item that is not in the queue yet; it waits. Takes logarithmic time. */
void run_queue_add(struct run_queue *queue, const struct item *item);

/* Forgets an item. It is gone, or when it is on a lane run_queue_end has to be called for it. */
void run_queue_drop(struct run_queue *queue, struct task *task);

/* Takes an item that waits for a lane: the shortest, or the one that was fed first. NULL when none
 * waits. For the latter it looks at those that were fed before, which are all on lanes. */
struct task *run_queue_take(struct run_queue *queue, bool oldest);

/* An item on a lane waits again, as the first of its class. */
void run_queue_give_back(struct run_queue *queue, struct task *task);

/* An item on a lane is finished or was dropped: forgets and frees it. */
void run_queue_end(struct run_queue *queue, struct task *task);

/* The item that is taken next as the shortest, or NULL. */
const struct task *run_queue_shortest(const struct run_queue *queue);

/* Sums up what waits of a node, each item counted up to the cap. Looks at each class, and at the
 * items of the one class that lies across the cap. */
struct run_queue_load run_queue_waiting(const struct run_queue *queue, int node, int64_t cap);

/* Adds an item to a sum. */
void run_queue_count(struct run_queue_load *load, const struct item *item, int64_t cap);

#endif
