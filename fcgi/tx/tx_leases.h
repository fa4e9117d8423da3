#ifndef HASHMILL_TX_LEASES_H
#define HASHMILL_TX_LEASES_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

/*
 * The rows of leases that one batch has read, with a lock. A lease's row lists its items and says
 * before when none of them lapses. Only its end and a later time are noted here: that it lists
 * what the batch has leased, and an earlier time, follows from the rows of the items.
 */
enum { TX_LEASES_MAX = 512 };

struct tx_lease {
    struct uuid id;
    int64_t due_ms; /* queue clock: no item of it lapses before */
    int64_t worker; /* worker.seq of whose it is */
    bool is_later;  /* due_ms is to be written; */
    bool is_over;   /* the row is to go */
};

/* Starts zeroed; count = 0 forgets all. In the order in which they were read. */
struct tx_leases {
    int count;
    struct tx_lease list[TX_LEASES_MAX];
};

/* The lease of an id, or NULL when it was not read. */
struct tx_lease *tx_leases_find(struct tx_leases *leases, const struct uuid *id);

/* Takes up a lease that was read; one that is known stays as the batch has it. NULL without room.
 */
struct tx_lease *tx_leases_read(struct tx_leases *leases, const struct uuid *id, int64_t due_ms,
                                int64_t worker);

/* Notes when the next item of a lease lapses, or with INT64_MAX that it holds none. */
void tx_lease_set_due(struct tx_lease *lease, int64_t due_ms);

#endif
