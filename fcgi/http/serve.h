#ifndef HASHMILL_SERVE_H
#define HASHMILL_SERVE_H

#include "base/child.h"
#include "router.h"

/* The main functions of the processes that serve requests. Each takes the routes that it serves and
 * returns its exit code. */

/* serve.c: short requests, one at a time; replica becomes server->replica. */
int serve_requests(const struct child_job *job, const struct route *routes,
                   struct replica *replica);

/* long_polls.c: long polls, many at a time. */
int serve_long_polls(const struct child_job *job, const struct route *routes);

#endif
