/* Items compared column by column. */
#ifndef HASHMILL_T_SAME_ITEM_H
#define HASHMILL_T_SAME_ITEM_H

#include "fcgi/tx/tx_rows.h"

#include <string.h>

/* Whether two items are equal in all columns. */
static inline bool same_item(const struct item_row *a, const struct item_row *b) {
    bool same = memcmp(&a->id, &b->id, ID_SIZE) == 0 && a->state == b->state &&
                memcmp(a->digest, b->digest, DIGEST_SIZE) == 0 &&
                memcmp(a->chain, b->chain, DIGEST_SIZE) == 0 && a->client == b->client &&
                a->iterations == b->iterations && a->remaining == b->remaining &&
                a->rank == b->rank && a->since_ms == b->since_ms &&
                a->deadline_ms == b->deadline_ms && a->worker == b->worker;
    same = same && a->granted == b->granted && a->granted_at_ms == b->granted_at_ms &&
           a->granted_wall_ms == b->granted_wall_ms && a->moved_ms == b->moved_ms &&
           a->enqueued_wall_ms == b->enqueued_wall_ms && a->done_at_ms == b->done_at_ms &&
           a->done_wall_ms == b->done_wall_ms && a->closed_ms == b->closed_ms &&
           a->has_lease == b->has_lease && a->has_pull == b->has_pull && a->home == b->home &&
           a->strikes == b->strikes;
    return same && (!a->has_lease || memcmp(&a->lease, &b->lease, ID_SIZE) == 0) &&
           (!a->has_pull || memcmp(a->pull, b->pull, PULL_TAG_SIZE) == 0);
}

#endif
