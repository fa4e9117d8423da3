#ifndef HASHMILL_CLIENT_PAGES_H
#define HASHMILL_CLIENT_PAGES_H

#include "base/command.h"
#include "verbs/item.h"

/* Reads GET /items with a query ("" for none), page after page, the newest item first, and calls
 * `each` for every item until that is false. *pages gets how many were read. Returns the exit code,
 * with a message unless it is CLIENT_LATER or CLIENT_INTERRUPTED. */
int pages_read(struct session *session, const char *query,
               bool (*each)(void *context, const struct item *item), void *context, int64_t *pages);

#endif
