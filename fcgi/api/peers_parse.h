#ifndef HASHMILL_PEERS_PARSE_H
#define HASHMILL_PEERS_PARSE_H

#include "http/server.h"
#include "queue/queue_peers.h"

/*
 * The bodies of the peer's calls. Each function reads call->request's body, checks every field and
 * fills its part of the queue's types. False, with the problem in server->reply, when a field is
 * wrong or the node is no peer of this one. Ignores unknown members.
 */

/* Whether the calling node is a peer; if not, server->reply has the problem. */
bool peers_know(struct call *call, int32_t node);

/* {"protocol","node"} of /peer/done */
bool peers_read_node(struct call *call, int32_t *node);

/* {"protocol","node","database","epoch","nonce","loans":[id]} of /peer/hello */
bool peers_read_hello(struct call *call, struct queue_hello *hello);

/* {"protocol","node","client"?,"keys"?} of /peer/done: these two say whose items are meant, here
 * and below. A node without KEYS means everybody's by no client; to a node with KEYS that is the
 * same from a node that says "keys":true only, else it is what belongs to nobody. */
bool peers_read_done(struct call *call, struct queue_whose *whose);

/* {"protocol","node","tag","database","epoch","top","order","again","client"?,"keys"?}
 * of /peer/reserve */
bool peers_read_reserve(struct call *call, struct queue_reserve *reserve);

/* {"protocol","node","pulls":[{"tag","settled"}]} of /peer/pulls, QUEUE_RESERVATIONS_MAX at most */
struct peers_pull {
    uint8_t tag[PULL_TAG_SIZE];
    bool settled;
};
bool peers_read_pulls(struct call *call, struct peers_pull *pulls, int *count);

/* {"protocol","node","id","wait","client"?,"keys"?} of /peer/look: the id goes to call->id */
bool peers_read_look(struct call *call, int64_t *wait_seconds);

/* {"protocol","node","client"?,"keys"?,"state"?,"after"?,"limit"} of /peer/list, a limit of
 * QUEUE_LIST_MAX at most */
bool peers_read_list(struct call *call, int32_t *node, struct queue_list *list);

/* {"protocol","node","id","operator"?,"client"?,"keys"?} of /peer/cancel */
bool peers_read_cancel(struct call *call, struct queue_cancel *cancel);

#endif
