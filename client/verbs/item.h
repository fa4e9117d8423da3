#ifndef HASHMILL_CLIENT_ITEM_H
#define HASHMILL_CLIENT_ITEM_H

#include <stdbool.h>

#include "base/item_id.h"
#include "json.h"
#include "net/net.h"

enum { VALUE_SIZE = 129, STATE_SIZE = 12, TIME_SIZE = 32 };

/* An item as a node shows it. */
struct item {
    char id[ITEM_ID_SIZE];
    char state[STATE_SIZE];
    char value[VALUE_SIZE]; /* empty: not known */
    char enqueued_at[TIME_SIZE];
    char as_of[TIME_SIZE]; /* its node is away: it was so then; empty: it is so */
    int64_t iterations, remaining;
    double rate;        /* iterations a second; 0: not known */
    double eta_seconds; /* below 0: not known */
};

/* Reads the object at a token; what is missing is empty or 0, but for the id. False, with a
 * message, without an id, or when a member is not as a node writes it. */
bool item_read(struct item *item, const struct answer *answer, const struct json *json, int object);

/* Reads the answer to a look at one item. False, with a message, when it is not about that item. */
bool item_answered(struct item *item, const struct answer *answer, struct json *json,
                   const char *id);

/* Whether an argument is the id of an item; if not, says so. */
bool item_is_id(const char *text);

#endif
