#ifndef HASHMILL_PEER_INPUT_H
#define HASHMILL_PEER_INPUT_H

#include "queue_peers.h"
#include "server.h"

/*
 * The bodies of the calls of other nodes. Each function reads call->request's body, checks every
 * field and fills its part of the queue's types. False, with the problem in server->reply, when one
 * is wrong, or when the node is no peer of this one. Members that are not known are ignored.
 */

/* {"protocol","node"} of /peer/done */
bool peer_read_node(struct call *call, int32_t *node);

/* {"protocol","node","nonce","loans":[id]} of /peer/hello */
bool peer_read_hello(struct call *call, struct queue_hello *hello);

/* {"protocol","node","items":[item]} of /peer/copies */
bool peer_read_copies(struct call *call, struct queue_copies *copies);

/* {"protocol","node","after"} of /peer/items */
bool peer_read_items(struct call *call, int64_t *seq);

/* {"protocol","node","transfer","top","order","copies"} of /peer/transfer */
bool peer_read_transfer(struct call *call, struct queue_transfer *transfer);

/* {"protocol","node","id","wait"} of /peer/look: the id goes to call->id */
bool peer_read_look(struct call *call, int64_t *wait_seconds);

/* {"protocol","node","id"} of /peer/cancel: the same */
bool peer_read_cancel(struct call *call);

#endif
