#ifndef HASHMILL_RUN_QUEUE_H
#define HASHMILL_RUN_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "item.h"

/*
 * What a mill has in hand: an index of all items and the queues of those that wait for a lane.
 * Lengths are known, so the shortest go first; lengths are put into classes of a factor of two, in
 * which the items go in the order of feeding. Every call takes the same time however much is in
 * hand, but where a comment says otherwise. No locks: one caller at a time.
 */

enum {
    CLASSES = 64 /* by the bits of remaining: class c has remaining from 2^(c-1) to 2^c - 1 */
};

/* An item in hand. */
struct held {
    struct item item; /* as of its last slice; first, the index compares it */
    bool running;     /* on a lane: in no queue */
    bool dropped;     /* forgotten, but still on a lane */
    TAILQ_ENTRY(held) next_fed, next_of_class;
};

TAILQ_HEAD(held_list, held);

/* The sums of what waits, of one node and one class. */
struct class_sums {
    int items;
    uint64_t iterations; /* of remaining; wraps around for classes that are beyond every cap */
};

struct hand {
    void *index;                       /* by node and id, see tsearch(3) */
    struct held_list fed;              /* all, in the order of feeding */
    struct held_list classes[CLASSES]; /* those that wait, by class */
    uint64_t filled;                   /* bit c: somebody waits in class c */
    int count;                         /* all */
    int items[NODES_MAX];              /* all, by node */
    struct class_sums waiting[NODES_MAX][CLASSES];
};

/* What a part of a hand adds up to. */
struct hand_load {
    int items;
    int64_t iterations; /* each item counted up to a cap */
    int long_items;     /* those that reach the cap */
};

void hand_init(struct hand *hand);

/* Frees all items. None may be on a lane. */
void hand_free(struct hand *hand);

/* The class of a chain that has so many iterations before it. */
int hand_class(int64_t remaining);

/* A node's item with that id, or NULL. Takes the logarithm of the number of items. */
struct held *hand_find(const struct hand *hand, int node, const uuid_t id);

/* Adds a copy of an item that is not in hand; it waits. The logarithm, as for hand_find. */
void hand_add(struct hand *hand, const struct item *item);

/* Forgets an item. It is gone, or when it is on a lane hand_end has to be called for it. */
void hand_drop(struct hand *hand, struct held *held);

/* Takes an item that waits for a lane: the shortest, or the one that was fed first. NULL when none
 * waits. For the latter it looks at those that were fed before, which are all on lanes. */
struct held *hand_take(struct hand *hand, bool oldest);

/* An item on a lane waits again, as the first of its class. */
void hand_give_back(struct hand *hand, struct held *held);

/* An item on a lane is finished or was dropped: forgets and frees it. */
void hand_end(struct hand *hand, struct held *held);

/* The item that is taken next as the shortest, or NULL. */
const struct held *hand_shortest(const struct hand *hand);

/* Sums up what waits of a node, each item counted up to the cap. Looks at each class, and at the
 * items of the one class that lies across the cap. */
struct hand_load hand_waiting(const struct hand *hand, int node, int64_t cap);

/* Adds an item to a sum. */
void hand_count(struct hand_load *load, const struct item *item, int64_t cap);

#endif
