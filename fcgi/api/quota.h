#ifndef HASHMILL_QUOTA_H
#define HASHMILL_QUOTA_H

#include "http/server.h"

/* The quotas of clients in replies. */

/* Whether the caller's key allows an item of that many iterations. False with 429 in place. */
bool quota_allows(struct call *call, int64_t iterations);

/* Replies 429, with this Retry-After, when the queue has refused an item with these iterations for
 * a quota. False when it was not for that. */
bool quota_refuse(struct call *call, const struct queue_quota *quota, int64_t iterations,
                  enum queue_result result, int seconds);

/* Adds the fields RateLimit and RateLimit-Policy to the reply of an enqueue or a pull, when its
 * client has quotas and the queue has said what is left of them. */
void quota_reply(struct call *call, const struct queue_quota *quota);

#endif
