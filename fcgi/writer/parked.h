#ifndef HASHMILL_PARKED_H
#define HASHMILL_PARKED_H

/*
 * The parked waits of the writer: leases for which no item waits, looks at items that are not done,
 * pulls of clients with nothing done, watches for a batch. They are linked by age, looks by item
 * and pulls by client as well. Memory is reused, and allocated only when more waits are parked than
 * ever before.
 */

#include <sys/queue.h>

#include "queue/channel.h"

struct parked_wait {
    enum operation operation;     /* one that parks, see operation.c */
    void *owner;                  /* its connection */
    uint64_t ticket;              /* its operation id on that connection */
    int64_t until_ms;             /* steady time: answer it then anyway */
    struct queue_lease lease;     /* of a lease */
    struct uuid item;             /* of a look */
    char client[QUEUE_NAME_SIZE]; /* of a pull */
    int64_t seen;                 /* of a watch: it waits for a batch after this one */
    struct log_request request;
    TAILQ_ENTRY(parked_wait) by_age;
    TAILQ_ENTRY(parked_wait) by_subject; /* of looks and pulls */
};

struct parked;

/* NULL when memory is short. parked_free frees every wait that is still parked. */
struct parked *parked_new(void);
void parked_free(struct parked *parked);

/* Parks the lease, look, pull or watch of a message. False when memory is short. */
bool parked_add(struct parked *parked, void *owner, const struct channel_message *operation);

/* The oldest wait of a kind, which stays parked, or NULL. In this order: a lease; a lease of a
 * worker on this machine; a lease of this worker, by its name and machine; a look at this item; a
 * pull of this client; the pull after this one, or with NULL the oldest; a watch that this batch
 * ends; any expired wait; any wait of this owner (with this ticket, unless 0). */
struct parked_wait *parked_lease(const struct parked *parked);
struct parked_wait *parked_lease_on(const struct parked *parked, const char *machine);
struct parked_wait *parked_lease_by(const struct parked *parked, const struct queue_worker *worker);
struct parked_wait *parked_look(struct parked *parked, struct uuid item);
struct parked_wait *parked_pull(struct parked *parked, const char *client);
struct parked_wait *parked_next_pull(const struct parked *parked, struct parked_wait *wait);
struct parked_wait *parked_watch(const struct parked *parked, int64_t batch);
struct parked_wait *parked_expired(struct parked *parked, int64_t steady_ms);
struct parked_wait *parked_of(const struct parked *parked, const void *owner, uint64_t ticket);

/* Takes a wait out; the caller then owns it and must discard it, or put it back with its old age
 * (the last one taken first). */
void parked_take(struct parked *parked, struct parked_wait *wait);
void parked_put_back(struct parked *parked, struct parked_wait *wait);
void parked_discard(struct parked *parked, struct parked_wait *wait);

/* How many leases, looks and pulls are parked; the steady time at which to call parked_expired next
 * (never late). */
int parked_count(const struct parked *parked);
int64_t parked_until(const struct parked *parked);

#endif
