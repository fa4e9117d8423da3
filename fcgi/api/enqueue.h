#ifndef HASHMILL_ENQUEUE_H
#define HASHMILL_ENQUEUE_H

#include "http/server.h"

/* Of enqueue.c, for many items at once, too. */

/* Replies that the queue has refused an item of a client with this quota; the result is not OK.
 * After FULL and OVER_... there may be room again in so many seconds. */
void enqueue_refuse(struct call *call, const struct queue_quota *quota, enum queue_result result,
                    int seconds);

#endif
