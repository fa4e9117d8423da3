#ifndef HASHMILL_PEERING_H
#define HASHMILL_PEERING_H

#include "base/child.h"

/* The main function of the process that talks to the other node. Returns its exit code. */
int serve_peering(const struct child_job *job);

#endif
