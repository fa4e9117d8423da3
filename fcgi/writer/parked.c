#include "parked.h"

#include <stdlib.h>
#include <string.h>

#include "fnv.h"

enum { BUCKETS = 1024 };

TAILQ_HEAD(wait_list, parked_wait);

struct parked {
    struct wait_list leases; /* each list by age */
    struct wait_list looks;
    struct wait_list pulls;
    struct wait_list watches;
    struct wait_list items[BUCKETS];   /* the looks once more, by item, */
    struct wait_list clients[BUCKETS]; /* and the pulls by client */
    struct wait_list spare;            /* memory for future waits */
    int count;                         /* of parked waits */
    int watch_count;                   /* of watches among them */
    int64_t until_ms;                  /* no wait ends earlier */
};

/* The bucket of an item's looks; it may have others'. The last bytes of an id are random. */
static struct wait_list *bucket_of(struct parked *parked, const struct uuid *item) {
    unsigned number = item->bytes[ID_SIZE - 1] | (unsigned)item->bytes[ID_SIZE - 2] << 8;
    return &parked->items[number % BUCKETS];
}

/* The bucket of a client's pulls. */
static struct wait_list *bucket_of_client(struct parked *parked, const char *client) {
    return &parked->clients[fnv_hash(client) % BUCKETS];
}

/* Whether a wait is linked by its subject, too. */
static bool has_subject(const struct parked_wait *wait) {
    return wait->operation == OPERATION_LOOK || wait->operation == OPERATION_WATCH_DONE;
}

/* The bucket of a wait that has a subject. */
static struct wait_list *subject_of(struct parked *parked, const struct parked_wait *wait) {
    return wait->operation == OPERATION_LOOK ? bucket_of(parked, &wait->item)
                                             : bucket_of_client(parked, wait->client);
}

struct parked *parked_new(void) {
    struct parked *parked = calloc(1, sizeof *parked);
    if (!parked)
        return NULL;
    TAILQ_INIT(&parked->leases);
    TAILQ_INIT(&parked->looks);
    TAILQ_INIT(&parked->pulls);
    TAILQ_INIT(&parked->watches);
    TAILQ_INIT(&parked->spare);
    for (int i = 0; i < BUCKETS; i++) {
        TAILQ_INIT(&parked->items[i]);
        TAILQ_INIT(&parked->clients[i]);
    }
    parked->until_ms = INT64_MAX;
    return parked;
}

/* The age list of a wait. */
static struct wait_list *list_of(struct parked *parked, const struct parked_wait *wait) {
    switch (wait->operation) {
    case OPERATION_LEASE:
        return &parked->leases;
    case OPERATION_LOOK:
        return &parked->looks;
    case OPERATION_WATCH_DONE:
        return &parked->pulls;
    default:
        return &parked->watches;
    }
}

/* Links a wait as the youngest. */
static void link_last(struct parked *parked, struct parked_wait *wait) {
    TAILQ_INSERT_TAIL(list_of(parked, wait), wait, by_age);
    if (has_subject(wait))
        TAILQ_INSERT_TAIL(subject_of(parked, wait), wait, by_subject);
}

/* Links a wait as the oldest. */
static void link_first(struct parked *parked, struct parked_wait *wait) {
    TAILQ_INSERT_HEAD(list_of(parked, wait), wait, by_age);
    if (has_subject(wait))
        TAILQ_INSERT_HEAD(subject_of(parked, wait), wait, by_subject);
}

static void count_in(struct parked *parked, const struct parked_wait *wait) {
    parked->count++;
    parked->watch_count += wait->operation == OPERATION_WATCH_BATCH;
    if (wait->until_ms < parked->until_ms)
        parked->until_ms = wait->until_ms;
}

/* Memory for a wait: spare, or new. */
static struct parked_wait *new_wait(struct parked *parked) {
    struct parked_wait *wait = TAILQ_FIRST(&parked->spare);
    if (!wait)
        return malloc(sizeof *wait);
    TAILQ_REMOVE(&parked->spare, wait, by_age);
    return wait;
}

bool parked_add(struct parked *parked, void *owner, const struct channel_message *operation) {
    struct parked_wait *wait = new_wait(parked);
    if (!wait)
        return false;
    *wait = (struct parked_wait){.operation = operation->header.operation,
                                 .owner = owner,
                                 .ticket = operation->header.id,
                                 .until_ms = operation->header.until_ms,
                                 .request = operation->header.request};
    if (wait->operation == OPERATION_LEASE)
        wait->lease = operation->body.lease;
    else if (wait->operation == OPERATION_WATCH_BATCH)
        wait->seen = operation->body.number;
    else if (wait->operation == OPERATION_WATCH_DONE)
        memcpy(wait->client, operation->body.whose.client, sizeof wait->client);
    else
        wait->item = operation->body.look.id;
    link_last(parked, wait);
    count_in(parked, wait);
    return true;
}

void parked_put_back(struct parked *parked, struct parked_wait *wait) {
    link_first(parked, wait);
    count_in(parked, wait);
}

void parked_take(struct parked *parked, struct parked_wait *wait) {
    TAILQ_REMOVE(list_of(parked, wait), wait, by_age);
    if (has_subject(wait))
        TAILQ_REMOVE(subject_of(parked, wait), wait, by_subject);
    parked->watch_count -= wait->operation == OPERATION_WATCH_BATCH;
    parked->count--;
    if (parked->count == 0)
        parked->until_ms = INT64_MAX;
}

void parked_discard(struct parked *parked, struct parked_wait *wait) {
    TAILQ_INSERT_HEAD(&parked->spare, wait, by_age);
}

static void free_all(struct wait_list *list) {
    struct parked_wait *wait = TAILQ_FIRST(list);
    while (wait) {
        struct parked_wait *next = TAILQ_NEXT(wait, by_age);
        free(wait);
        wait = next;
    }
}

void parked_free(struct parked *parked) {
    free_all(&parked->leases);
    free_all(&parked->looks);
    free_all(&parked->pulls);
    free_all(&parked->watches);
    free_all(&parked->spare);
    free(parked);
}

struct parked_wait *parked_lease(const struct parked *parked) {
    return TAILQ_FIRST(&parked->leases);
}

struct parked_wait *parked_lease_on(const struct parked *parked, const char *machine) {
    struct parked_wait *wait;
    TAILQ_FOREACH(wait, &parked->leases, by_age) {
        if (strcmp(wait->lease.worker.machine, machine) == 0)
            return wait;
    }
    return NULL;
}

struct parked_wait *parked_lease_by(const struct parked *parked,
                                    const struct queue_worker *worker) {
    struct parked_wait *wait;
    TAILQ_FOREACH(wait, &parked->leases, by_age) {
        if (strcmp(wait->lease.worker.name, worker->name) == 0 &&
            strcmp(wait->lease.worker.identity, worker->identity) == 0)
            return wait;
    }
    return NULL;
}

struct parked_wait *parked_look(struct parked *parked, struct uuid item) {
    struct parked_wait *wait;
    TAILQ_FOREACH(wait, bucket_of(parked, &item), by_subject) {
        if (memcmp(wait->item.bytes, item.bytes, ID_SIZE) == 0)
            return wait;
    }
    return NULL;
}

struct parked_wait *parked_pull(struct parked *parked, const char *client) {
    struct parked_wait *wait;
    TAILQ_FOREACH(wait, bucket_of_client(parked, client), by_subject) {
        if (strcmp(wait->client, client) == 0)
            return wait;
    }
    return NULL;
}

struct parked_wait *parked_next_pull(const struct parked *parked, struct parked_wait *wait) {
    return wait ? TAILQ_NEXT(wait, by_age) : TAILQ_FIRST(&parked->pulls);
}

struct parked_wait *parked_watch(const struct parked *parked, int64_t batch) {
    struct parked_wait *wait;
    TAILQ_FOREACH(wait, &parked->watches, by_age) {
        if (wait->seen < batch)
            return wait;
    }
    return NULL;
}

/* The first expired wait of a list, or NULL; *next_ms is lowered to the earliest deadline seen. */
static struct parked_wait *first_expired(const struct wait_list *list, int64_t steady_ms,
                                         int64_t *next_ms) {
    struct parked_wait *wait;
    TAILQ_FOREACH(wait, list, by_age) {
        if (wait->until_ms <= steady_ms)
            return wait;
        if (wait->until_ms < *next_ms)
            *next_ms = wait->until_ms;
    }
    return NULL;
}

struct parked_wait *parked_expired(struct parked *parked, int64_t steady_ms) {
    int64_t next_ms = INT64_MAX;
    if (steady_ms < parked->until_ms)
        return NULL;
    struct parked_wait *wait = first_expired(&parked->leases, steady_ms, &next_ms);
    if (!wait)
        wait = first_expired(&parked->looks, steady_ms, &next_ms);
    if (!wait)
        wait = first_expired(&parked->pulls, steady_ms, &next_ms);
    if (!wait)
        wait = first_expired(&parked->watches, steady_ms, &next_ms);
    if (!wait)
        parked->until_ms = next_ms;
    return wait;
}

static struct parked_wait *first_of(const struct wait_list *list, const void *owner,
                                    uint64_t ticket) {
    struct parked_wait *wait;
    TAILQ_FOREACH(wait, list, by_age) {
        if (wait->owner == owner && (ticket == 0 || wait->ticket == ticket))
            return wait;
    }
    return NULL;
}

struct parked_wait *parked_of(const struct parked *parked, const void *owner, uint64_t ticket) {
    struct parked_wait *wait = first_of(&parked->leases, owner, ticket);
    if (!wait)
        wait = first_of(&parked->looks, owner, ticket);
    if (!wait)
        wait = first_of(&parked->pulls, owner, ticket);
    return wait ? wait : first_of(&parked->watches, owner, ticket);
}

int parked_count(const struct parked *parked) {
    return parked->count - parked->watch_count;
}

int64_t parked_until(const struct parked *parked) {
    return parked->until_ms;
}
