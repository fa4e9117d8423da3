#ifndef HASHMILL_ROLES_H
#define HASHMILL_ROLES_H

#include "master/pool.h"

/* The processes of a node, by its settings. */
struct roles roles_of(const struct conf *conf);

#endif
