#ifndef HASHMILL_INTAKE_H
#define HASHMILL_INTAKE_H

#include "http/router.h"

/* A process of the pool for PUT /enqueue: an event loop over kept connections of nginx. It receives
 * bodies without blocking, hashes several of them side by side and gives the queue together what
 * came in together. `routes` are those of the listener; other calls than PUT /enqueue are refused.
 * Serves until told to stop. Returns the exit code. */
int serve_intake(const struct child_job *job, const struct route *routes);

#endif
