#ifndef HASHMILL_MILL_H
#define HASHMILL_MILL_H

#include <stdbool.h>
#include <stdint.h>

#include "item.h"
#include "kernels/kernels.h"

/*
 * The mill: threads that move chains forward. Its owner feeds items in and collects them when they
 * are finished. A thread moves up to 18 chains forward side by side, in slices of half a
 * millisecond. When a chain is finished, the shortest waiting one takes its lane; of about equal
 * lengths, the one fed first; one time in four, the one fed first of all. A short chain does not
 * wait for long ones to finish: within two milliseconds it preempts one, which goes on later. After
 * each slice every item's (chain, remaining) is published as a pair that fits together, so
 * checkpoints, drops and a halt wait for a slice at most. Only one thread, the owner's, may call
 * these functions.
 */
struct mill;

/* How much the mill has in hand. */
struct mill_load {
    int items;          /* of one node, being worked on or waiting for a thread */
    int64_t iterations; /* sum of their remaining, each counted up to a cap */
    int long_items;     /* those of them that reach the cap */
    int all_items;      /* items and iterations of all nodes */
    int64_t all_iterations;
};

/* Starts a mill whose threads compute with these kernels, which must outlive it. OpenSSL checks a
 * random segment in check_percent of the finished chains, and of the whole slices of the others; a
 * difference ends the process, see crosscheck.h. All signals should be blocked, as the threads
 * inherit the mask. NULL, with a log line, when the system refuses a thread or the descriptor. */
struct mill *mill_open(int threads, const struct kernels *kernels, int check_percent);

/* Stops the threads and frees everything that is still in the mill. */
void mill_close(struct mill *mill);

/* How many chains are worked on at once when there are enough of them. */
int mill_lanes(const struct mill *mill);

/* Iterations a second over all threads when all are busy, as measured of late. */
int64_t mill_rate(struct mill *mill);

/* Adds a copy of an item. If the mill has the item already (same node and id), in hand or finished
 * and not collected, it goes on under the new lease, from the chain that is further. False when
 * that is the chain the mill had: there is no new work. */
bool mill_feed(struct mill *mill, const struct item *item);

/* A descriptor that is readable while finished items wait to be collected. */
int mill_descriptor(const struct mill *mill);

/* Appends the finished items, whose remaining is 0, to the list and forgets them. */
void mill_collect(struct mill *mill, struct items *finished);

/* Appends a node's items in hand to the list, as of their last slices; those not yet started are as
 * they were fed. Nothing changes in the mill. */
void mill_snapshot(struct mill *mill, int node, struct items *list);

/* Sums up what is in hand of a node and of all; an item counts for no more than cap iterations. */
struct mill_load mill_load(struct mill *mill, int node, int64_t cap);

/* Forgets an item of a node if it is still held under that lease. */
void mill_drop(struct mill *mill, int node, const uuid_t id, const uuid_t lease);

/* Stops the threads for good, and waits until they have: a slice at most. Then the finished items
 * can be collected; the others are in the snapshots. */
void mill_halt(struct mill *mill);

#endif
