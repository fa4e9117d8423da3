#ifndef HASHMILL_PEERS_INPUT_H
#define HASHMILL_PEERS_INPUT_H

#include "http/server.h"
#include "queue/queue_peers.h"

/*
 * The bodies of the calls of other nodes. Each function reads call->request's body, checks every
 * field and fills its part of the queue's types. False, with the problem in server->reply, when one
 * is wrong, or when the node is no peer of this one. Members that are not known are ignored.
 */

/* {"protocol","node"} of /peer/done */
bool peers_read_node(struct call *call, int32_t *node);

/* {"protocol","node","nonce","loans":[id]} of /peer/hello */
bool peers_read_hello(struct call *call, struct queue_hello *hello);

/* {"protocol","node","items":[item]} of /peer/copies */
bool peers_read_copies(struct call *call, struct queue_copies *copies);

/* {"protocol","node","after"} of /peer/items */
bool peers_read_items(struct call *call, int64_t *seq);

/* {"protocol","node","transfer","top","order","copies"} of /peer/transfer */
bool peers_read_transfer(struct call *call, struct queue_transfer *transfer);

/* {"protocol","node","id","wait"} of /peer/look: the id goes to call->id */
bool peers_read_look(struct call *call, int64_t *wait_seconds);

/* {"protocol","node","id"} of /peer/cancel: the same */
bool peers_read_cancel(struct call *call);

#endif
