#ifndef HASHMILL_CLIENT_WATCH_H
#define HASHMILL_CLIENT_WATCH_H

#include "base/command.h"
#include "base/item_id.h"
#include "files/item_key.h"

/* Waits for items: how the verbs wait and run learn their values. */

enum watched_state { WATCHED_OPEN, WATCHED_VALUE, WATCHED_CANCELLED, WATCHED_GONE };

struct watched {
    uint8_t id[ITEM_ID_BYTES];
    uint8_t value[DIGEST_BYTES]; /* with WATCHED_VALUE */
    enum watched_state state;
    bool leased;                   /* a worker has it */
    bool listed;                   /* the last lists have it */
    int64_t iterations, remaining; /* iterations 0: not known yet */
    double rate, eta_seconds;      /* as the node says; eta_seconds below 0: it does not */
    const char *url;               /* of the node that has it, borrowed; NULL: not known */
    bool away;                     /* that node does not answer the others */
};

struct watch {
    struct watched *items;
    int count;
    /* Called for each item once, in their order, when it is no longer WATCHED_OPEN. */
    void (*known)(void *context, int item);
    void *context;
};

/* Waits until all items are known, with a bar, or until the user wants to stop or the time is over.
 * Few items are asked for one by one, many by lists. Returns the exit code, with messages about
 * items that have no value. */
int watch_items(struct session *session, struct watch *watch);

#endif
