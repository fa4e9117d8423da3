#ifndef HASHMILL_ENQUEUE_H
#define HASHMILL_ENQUEUE_H

#include "http/server.h"

/* Of enqueue.c, for many items at once, too. */

/* Whether the node, and the caller's key, allow an item of that many iterations. False with the
 * reply in place. */
bool enqueue_allows(struct call *call, int64_t iterations);

/* Who enqueues, with the most iterations that the node and the key allow for an item. */
void enqueue_client(struct call *call, struct queue_client *client);

/* Replies that the queue has refused an item with these iterations, of a client with this quota;
 * the result is not OK. `seconds` is the Retry-After of FULL and OVER_... . */
void enqueue_refuse(struct call *call, const struct queue_quota *quota, int64_t iterations,
                    enum queue_result result, int seconds);

/* The steps of PUT /enqueue beside its body, for who receives and hashes bodies itself. Reads what
 * the request's head says into *item; its digest is the caller's to add. False with the reply in
 * place. */
bool enqueue_begin(struct call *call, struct queue_enqueue *item);

/* Replies what has become of an item that the queue was given. `id` counts when the result is OK.
 * Call it before any other call of the queue. */
void enqueue_reply(struct call *call, const struct queue_enqueue *item, enum queue_result result,
                   struct uuid id);

#endif
