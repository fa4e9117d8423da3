#ifndef HASHMILL_ITEMS_PEERS_H
#define HASHMILL_ITEMS_PEERS_H

#include "http/server.h"

/* What clients ask for and other nodes have. Without PEERS everything is this node's, and none of
 * this costs anything. */

/* Hands out done items, when there are too few here also those that the peers bring within PEER_MS.
 * Results as those of queue_pull. */
enum queue_result items_pull_all(struct call *call, struct queue_pull *pull,
                                 struct queue_batch *batch);

/* What this node knows of an item, and which one knows more. */
struct whereabouts {
    enum queue_result here; /* of a look at this node's database: OK, NONE, DOWN, FAULT */
    struct queue_item item; /* when OK: this node's own, or its copy of another one's */
    int node; /* the peer that has it, or may, and was not heard; -1: what is here counts */
};

/* Looks for call->id. */
void items_find_anywhere(struct call *call, struct whereabouts *found);

/* Asks found->node, if there is one, and waits for the answer, PEER_MS at most. */
void items_ask_look(struct call *call, struct whereabouts *found);

/* Asks a peer, for an event loop: a ticket of server->ask; and takes its answer. */
uint64_t items_start_look(struct call *call, int node, int64_t wait_seconds);
void items_take_look(struct whereabouts *found, enum queue_result result,
                     const struct queue_item *item);

/* Cancels call->id wherever it is. *node gets the peer that has it and cannot be reached, when
 * there is no copy of it here either; it is otherwise left alone, and results are those of
 * queue_cancel. */
enum queue_result items_cancel_there(struct call *call, int *node);

/* 503: the item's node cannot be reached. */
void items_reply_unreachable(struct call *call, int node);

#endif
