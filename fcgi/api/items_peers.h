#ifndef HASHMILL_ITEMS_PEERS_H
#define HASHMILL_ITEMS_PEERS_H

#include "http/server.h"

/* Client calls on items of the peer, too. Without PEERS everything is this node's, and none of this
 * costs anything. */

/* Hands out done items, some of them the peer's when there are too few here. The batch is whole;
 * ignore batch->share. Results as those of queue_pull; NONE: items of a batch handed out before
 * have been removed. *unreachable: DOWN because of the peer. */
enum queue_result items_pull_all(struct call *call, struct queue_pull *pull,
                                 struct queue_batch *batch, bool *unreachable);

/* The result of a client's look at an item. */
struct sight {
    enum queue_result result; /* OK, NONE, FAULT; DOWN: its node cannot be reached, and there is no
                                 replica of it here that has the item; BUSY: it is asked as often
                                 as it may be */
    struct queue_item item;
    int64_t as_of_ms; /* wall time of the replica that it was read from; 0: the present state */
};

/* Whether call->id is an item of the peer. */
bool items_is_there(const struct call *call);

/* Looks at call->id wherever it is, for PEER_MS at most. */
void items_look(struct call *call, struct sight *sight);

/* For an event loop: ask the peer for call->id, with a ticket of server->peer_client; take the
 * answer. */
uint64_t items_start_look(struct call *call, int64_t wait_seconds);
void items_take_look(struct call *call, const struct queue_answer *answer, struct sight *sight);

/* Cancels call->id wherever it is. Results as those of queue_cancel, and BUSY; *unreachable: DOWN
 * because of the peer, which may have done it all the same. */
enum queue_result items_cancel(struct call *call, bool *unreachable);

/* 503: the peer cannot be reached; it is asked too often. */
void items_reply_unreachable(struct call *call);
void items_reply_busy(struct call *call);

#endif
