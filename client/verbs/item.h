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
    int64_t iterations, remaining;
    double rate;        /* iterations a second; 0: not known */
    double eta_seconds; /* below 0: not known */
};

/* Reads the object at a token; what is missing is empty or 0, but for the id. False without an id.
 */
bool item_read(struct item *item, const struct json *json, int object);

/* Reads the item that an answer is about. False with a message. */
bool item_of_answer(struct item *item, struct json *json, const struct answer *answer);

/* Whether an argument is the id of an item; if not, says so. */
bool item_is_id(const char *text);

#endif
