#ifndef HASHMILL_WORKER_ITEM_H
#define HASHMILL_WORKER_ITEM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <uuid/uuid.h>

#include "kernels/kernel.h"

enum {
    ITEMS_AT_ONCE = 512, /* items in one lease or report, by the protocol */
    NODES_MAX = 16       /* that a worker leases from */
};

#define ITERATIONS_MAX 9007199254740991 /* 2^53 - 1 */

/* An item as a worker knows it. */
struct item {
    uuid_t id;
    uuid_t lease;
    uint8_t chain[CHAIN_SIZE]; /* the value when remaining is 0 */
    int64_t remaining;
    int node;     /* whose item it is: the node's place in NODES */
    bool release; /* in a report: asks the node to give it to another worker */
};

/* Whether two UUIDs are the same; uuid_compare would also order them, which takes ten times as
 * long. */
static inline bool same_id(const uuid_t one, const uuid_t other) {
    return memcmp(one, other, sizeof(uuid_t)) == 0;
}

/* A growing list of items, zeroed to start with. */
struct items {
    struct item *list; /* owned */
    int count;
    int capacity;
};

/* Appends a copy. Running out of memory ends the process with a log line: what a worker holds is
 * bounded by what it leases. */
void items_add(struct items *items, const struct item *item);

/* Puts copies of count items before all others, in their order. */
void items_put_back(struct items *items, const struct item *list, int count);

/* Takes the first count items away. */
void items_drop_first(struct items *items, int count);

/* The first item with that id, or NULL. */
struct item *items_find(const struct items *items, const uuid_t id);

/* Gives the memory back; the list is then as if zeroed. */
void items_free(struct items *items);

#endif
