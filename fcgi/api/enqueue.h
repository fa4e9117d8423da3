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

#endif
