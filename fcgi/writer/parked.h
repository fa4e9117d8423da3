#ifndef HASHMILL_PARKED_H
#define HASHMILL_PARKED_H

/*
 * The waits that the writer holds: leases for which nothing waits, looks at items that are not
 * done, watches for a batch. They are kept by age, and looks by item as well. Memory is asked for
 * only while more are held than ever before.
 */

#include <sys/queue.h>

#include "queue/channel.h"

struct wait {
    enum operation operation; /* OPERATION_LEASE, OPERATION_LOOK or OPERATION_WATCH_BATCH */
    void *owner;              /* the connection it came by */
    uint64_t ticket;          /* its operation id there */
    int64_t until_ms;         /* steady time at which it is answered anyway */
    struct queue_lease lease; /* of a lease */
    struct uuid item;         /* of a look */
    int64_t seen;             /* of a watch: the batch after which it waits for one */
    TAILQ_ENTRY(wait) by_age;
    TAILQ_ENTRY(wait) by_item; /* of looks */
};

struct parked;

/* NULL when memory is short. parked_free frees every wait that is still held. */
struct parked *parked_new(void);
void parked_free(struct parked *parked);

/* Holds the lease, look or watch of a message. False when memory is short. */
bool parked_add(struct parked *parked, void *owner, const struct channel_message *operation);

/* The wait that has been held longest, or NULL: of all leases; of those of workers on a machine; of
 * those of one worker, by its name and machine; of the looks at an item; of the watches that this
 * batch ends; of those whose time has come; of those with that owner (and ticket, unless 0). It
 * stays parked. */
struct wait *parked_lease(const struct parked *parked);
struct wait *parked_lease_on(const struct parked *parked, const char *machine);
struct wait *parked_lease_by(const struct parked *parked, const struct queue_worker *worker);
struct wait *parked_look(struct parked *parked, struct uuid item);
struct wait *parked_watch(const struct parked *parked, int64_t batch);
struct wait *parked_expired(struct parked *parked, int64_t steady_ms);
struct wait *parked_of(const struct parked *parked, const void *owner, uint64_t ticket);

/* Takes a wait out; it is then the caller's, to put back with its old age (the last one taken
 * first) or to discard. */
void parked_take(struct parked *parked, struct wait *wait);
void parked_put_back(struct parked *parked, struct wait *wait);
void parked_discard(struct parked *parked, struct wait *wait);

/* How many leases and looks are held, and when the next one is to be looked for with parked_expired
 * (never late). */
int parked_count(const struct parked *parked);
int64_t parked_until(const struct parked *parked);

#endif
