#ifndef HASHMILL_ITEMS_PEERS_H
#define HASHMILL_ITEMS_PEERS_H

#include "http/server.h"

/* What clients ask for and the other node has. Without PEERS everything is this node's, and none of
 * this costs anything. */

/* Hands out done items, when there are too few here also some of the peer. Results as those of
 * queue_pull, but batch->share is always PULL_WHOLE; NONE: items of a batch that was handed out
 * before were removed since. *unreachable: DOWN because of the peer. */
enum queue_result items_pull_all(struct call *call, struct queue_pull *pull,
                                 struct queue_batch *batch, bool *unreachable);

/* What is known of an item that a client looks at. */
struct sight {
    enum queue_result result; /* OK, NONE, FAULT; DOWN: its node cannot be reached, and there is no
                                 replica of it here that has the item */
    struct queue_item item;
    int64_t as_of_ms; /* wall time of the replica that it is read from; 0: it is as it is now */
};

/* Whether call->id is an item of the peer. */
bool items_is_there(const struct call *call);

/* Looks at call->id wherever it is. PEER_MS at most. */
void items_look(struct call *call, struct sight *sight);

/* Asks the peer for its item, for an event loop: a ticket of server->peer_client; and takes its
 * answer. */
uint64_t items_start_look(struct call *call, int64_t wait_seconds);
void items_take_look(struct call *call, const struct queue_answer *answer, struct sight *sight);

/* Cancels call->id wherever it is. Results as those of queue_cancel; *unreachable: DOWN because of
 * the peer, which may have done it all the same. */
enum queue_result items_cancel(struct call *call, bool *unreachable);

/* 503: the peer cannot be reached. */
void items_reply_unreachable(struct call *call);

#endif
