#ifndef HASHMILL_CLIENT_QUERY_H
#define HASHMILL_CLIENT_QUERY_H

#include "buffer.h"

/* Appends "&NAME=VALUE" to a query, the value percent-encoded; nothing when the value is NULL. */
void query_add(struct buffer *query, const char *name, const char *value);

#endif
