#ifndef HASHMILL_ROUTER_H
#define HASHMILL_ROUTER_H

#include "server.h"

/* The steps of a long poll, which is parked until the queue answers. */
struct long_poll_verbs {
    /* Parses and checks the request. Returns the ticket of the queue or of server->peer_client, or
     * 0 when server->reply is filled already: an error, no free slot (call->may_park), or nothing
     * to wait for. */
    uint64_t (*start)(struct call *call);
    /* Fills server->reply from the answer, before any other call of the queue, and returns 0; or
     * returns another ticket to wait for. */
    uint64_t (*finish)(struct call *call, const struct queue_answer *answer);
    /* Fills server->reply when this process must stop before the queue has answered. */
    void (*cut_short)(struct call *call);
    /* Takes back the effect of an OK answer that could not be delivered; NULL without an effect. */
    void (*take_back)(struct call *call);
};

/* The caller of a call. Clients have their own listener, and so has monitoring; workers and peers
 * share the third. */
enum caller { CALLER_CLIENT, CALLER_WORKER, CALLER_PEER, CALLER_MONITOR };

/* A list of routes ends with one whose method is NULL. All routes of a path have the same caller.
 */
struct route {
    enum caller caller;
    const char *method;
    const char *path;                                 /* with a final "/" an item's id follows it */
    const char *parameters[QUERY_PARAMETERS_MAX + 1]; /* of the query; NULL ends them */
    bool reads_body;                                  /* else the router skips it */
    int may;                                          /* who of the clients, see auth.h */
    void (*handle)(struct call *call); /* in the pool of short requests; NULL: not served there */
    const struct long_poll_verbs
        *long_poll; /* in the process of long polls; NULL: not served there */
};

/* Finds the route of call->request; fills route, query and id. False when server->reply is filled
 * already: 400, 401, 403, 404, 405, 412, 413, 415, 417. */
bool router_match(struct call *call);

/* Applies the request's preconditions to server->reply, counts it, writes it and ends the request.
 * False when the reply was not written whole. */
bool call_finish(struct call *call);

/* The reply to a request whose route this kind of process does not serve. */
void router_misdirected(struct call *call);

#endif
