#ifndef HASHMILL_ITEMS_H
#define HASHMILL_ITEMS_H

#include "http/server.h"

/* Of items.c, for pulls and lists, too. */

/* Appends an item as an object: in its present state, or in that of as_of_ms unless that is 0. The
 * client is named unless it is NULL. */
void items_put(struct buffer *body, const struct queue_item *item, const char *client,
               int64_t as_of_ms);

/* Reads the parameter client: *named gets the name of one whose items the caller may see, "" for
 * those of nobody; NULL without the parameter. False with the reply in place. */
bool items_read_named(struct call *call, const char **named);

/* Finds out whose items a change is about: those of a client's key; those of the one that client=
 * names, which an operator must say. Without KEYS those of nobody if it is not said. False with the
 * reply. */
bool items_read_client(struct call *call, char client[QUEUE_NAME_SIZE]);

/* Reads the parameter wait, 0 to 30 s, 0 without it. False with the reply in place. */
bool items_read_wait(struct call *call, int64_t *seconds);

/* Whether a call may be parked. False with the reply in place. */
bool items_may_wait(struct call *call);

#endif
