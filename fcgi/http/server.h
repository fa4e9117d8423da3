#ifndef HASHMILL_SERVER_H
#define HASHMILL_SERVER_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "auth.h"
#include "base/child.h"
#include "json.h"
#include "peering/peer_client.h"
#include "query.h"
#include "queue/queue_peers.h"
#include "reply.h"
#include "request.h"

struct route;
struct replica; /* queue/replica.h */

/*
 * What a serving process keeps from request to request: its end of the queue, and memory that
 * requests reuse, so that the process does not grow.
 */
/* What the replica process knows of the server of the replicated database. Steady time. */
struct feeder {
    int64_t fed_ms;    /* when it last sent something for the replica */
    int64_t silent_ms; /* it was away at all attempts to take the replica from then, */
    int64_t tried_ms;  /* to this last one */
};

struct server {
    const struct conf *conf;
    const struct route *routes; /* the routes that it serves; see router.h */
    enum listener listener;
    struct queue *queue;
    struct peer_client *peer_client; /* NULL without PEERS */
    struct replica *replica;         /* the caller's; NULL except in the replica process */
    struct feeder feeder;            /* used with replica */
    EVP_MD_CTX *sha512;
    EVP_MD_CTX *sha256;
    struct reply reply;
    struct buffer field; /* lines of a header field, joined */
    struct buffer text;  /* of a JSON body */
    struct json json;    /* that body parsed */
    struct queue_batch batch;
    struct queue_page page;      /* of this node */
    struct queue_page peer_page; /* of the peer */
    struct queue_lease lease;
    struct queue_report report;
    struct queue_verdict verdict;
};

/* A request on its way through the router and a handler, which reads and checks the request, makes
 * one call of the queue and fills server->reply. */
struct call {
    struct server *server;
    struct request *request;
    const struct route *route;
    struct identity identity;
    struct queue_whose whose; /* whose items a call may see and change */
    struct queue_left left;   /* what the client has, after an enqueue or a pull */
    struct query query;
    struct uuid id;                 /* the item named in the path; for a lease, the lease */
    struct queue_return returnable; /* of a lease that was granted */
    int64_t began_us;               /* steady time at which it was taken */
    int64_t until_ms;               /* steady time at which the wait of a look or a pull ends */
    char client[QUEUE_NAME_SIZE];   /* whose items a pull waits for; */
    bool asks_peer;                 /* its ticket is a question to the peer */
    bool may_park;                  /* there is a free slot for a long poll */
};

/* A header field of the call's request: see request_field. Valid until the next call_field. */
const char *call_field(const struct call *call, const char *name);

/* Turns to a request: what is logged and what problems say has its id from here on; NULL: to none.
 */
void server_turn_to(struct server *server, const struct request *request);

/* Opens a child's queue and memory. NULL when memory is short; that is logged. */
struct server *server_open(const struct child_job *job, const struct route *routes);
void server_close(struct server *server);

#endif
