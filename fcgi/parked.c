#include "parked.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

TAILQ_HEAD(wait_list, wait);

/* The looks at one item; a node of the tree. */
struct watched {
    struct uuid item;
    struct wait_list looks;
};

struct parked {
    struct wait_list leases;
    struct wait_list looks;
    void *items;      /* tree of struct watched */
    int count;        /* of waits */
    int64_t until_ms; /* no wait ends before */
};

static int compare_items(const void *a, const void *b) {
    return memcmp(((const struct watched *)a)->item.bytes, ((const struct watched *)b)->item.bytes,
                  ID_SIZE);
}

struct parked *parked_new(void) {
    struct parked *parked = calloc(1, sizeof *parked);
    if (!parked)
        return NULL;
    TAILQ_INIT(&parked->leases);
    TAILQ_INIT(&parked->looks);
    parked->until_ms = INT64_MAX;
    return parked;
}

/* The node of an item, or NULL. */
static struct watched *find_watched(const struct parked *parked, struct uuid item) {
    struct watched wanted = {.item = item};
    struct watched **found = tfind(&wanted, &parked->items, compare_items);
    return found ? *found : NULL;
}

/* The node of an item, made when it is missing; NULL when memory is short. */
static struct watched *watch(struct parked *parked, struct uuid item) {
    struct watched *watched = find_watched(parked, item);
    if (watched)
        return watched;
    watched = malloc(sizeof *watched);
    if (!watched)
        return NULL;
    watched->item = item;
    TAILQ_INIT(&watched->looks);
    if (tsearch(watched, &parked->items, compare_items))
        return watched;
    free(watched);
    return NULL;
}

/* Links a wait at the old end (front) or the young end. */
static bool link_wait(struct parked *parked, struct wait *wait, bool front) {
    struct wait_list *list = &parked->leases;
    if (wait->operation == OPERATION_LOOK) {
        struct watched *watched = watch(parked, wait->item);
        if (!watched)
            return false;
        list = &parked->looks;
        if (front)
            TAILQ_INSERT_HEAD(&watched->looks, wait, by_item);
        else
            TAILQ_INSERT_TAIL(&watched->looks, wait, by_item);
    }
    if (front)
        TAILQ_INSERT_HEAD(list, wait, by_age);
    else
        TAILQ_INSERT_TAIL(list, wait, by_age);
    parked->count++;
    if (wait->until_ms < parked->until_ms)
        parked->until_ms = wait->until_ms;
    return true;
}

bool parked_add(struct parked *parked, void *owner, const struct channel_message *operation) {
    struct wait *wait = calloc(1, sizeof *wait);
    if (!wait)
        return false;
    wait->operation = operation->header.operation;
    wait->owner = owner;
    wait->ticket = operation->header.id;
    wait->until_ms = operation->header.until_ms;
    if (wait->operation == OPERATION_LEASE)
        wait->lease = operation->body.lease;
    else
        wait->item = operation->body.look.id;
    if (link_wait(parked, wait, false))
        return true;
    free(wait);
    return false;
}

bool parked_put_back(struct parked *parked, struct wait *wait) {
    return link_wait(parked, wait, true);
}

void parked_take(struct parked *parked, struct wait *wait) {
    if (wait->operation == OPERATION_LEASE) {
        TAILQ_REMOVE(&parked->leases, wait, by_age);
    } else {
        struct watched *watched = find_watched(parked, wait->item);
        TAILQ_REMOVE(&parked->looks, wait, by_age);
        TAILQ_REMOVE(&watched->looks, wait, by_item);
        if (TAILQ_EMPTY(&watched->looks)) {
            tdelete(watched, &parked->items, compare_items);
            free(watched);
        }
    }
    parked->count--;
    if (parked->count == 0)
        parked->until_ms = INT64_MAX;
}

static void free_all(struct wait_list *list) {
    struct wait *wait = TAILQ_FIRST(list);
    while (wait) {
        struct wait *next = TAILQ_NEXT(wait, by_age);
        free(wait);
        wait = next;
    }
}

void parked_free(struct parked *parked) {
    free_all(&parked->leases);
    free_all(&parked->looks);
    tdestroy(parked->items, free);
    free(parked);
}

struct wait *parked_lease(const struct parked *parked) {
    return TAILQ_FIRST(&parked->leases);
}

struct wait *parked_lease_on(const struct parked *parked, const char *machine) {
    struct wait *wait;
    TAILQ_FOREACH(wait, &parked->leases, by_age) {
        if (strcmp(wait->lease.worker.machine, machine) == 0)
            return wait;
    }
    return NULL;
}

struct wait *parked_look(struct parked *parked, struct uuid item) {
    struct watched *watched = find_watched(parked, item);
    return watched ? TAILQ_FIRST(&watched->looks) : NULL;
}

/* The first of a list whose time has come; *next_ms gets the earliest end of the others seen. */
static struct wait *first_expired(const struct wait_list *list, int64_t steady_ms,
                                  int64_t *next_ms) {
    struct wait *wait;
    TAILQ_FOREACH(wait, list, by_age) {
        if (wait->until_ms <= steady_ms)
            return wait;
        if (wait->until_ms < *next_ms)
            *next_ms = wait->until_ms;
    }
    return NULL;
}

struct wait *parked_expired(struct parked *parked, int64_t steady_ms) {
    int64_t next_ms = INT64_MAX;
    if (steady_ms < parked->until_ms)
        return NULL;
    struct wait *wait = first_expired(&parked->leases, steady_ms, &next_ms);
    if (!wait)
        wait = first_expired(&parked->looks, steady_ms, &next_ms);
    if (!wait)
        parked->until_ms = next_ms;
    return wait;
}

static struct wait *first_of(const struct wait_list *list, const void *owner, uint64_t ticket) {
    struct wait *wait;
    TAILQ_FOREACH(wait, list, by_age) {
        if (wait->owner == owner && (ticket == 0 || wait->ticket == ticket))
            return wait;
    }
    return NULL;
}

struct wait *parked_of(const struct parked *parked, const void *owner, uint64_t ticket) {
    struct wait *wait = first_of(&parked->leases, owner, ticket);
    return wait ? wait : first_of(&parked->looks, owner, ticket);
}

int parked_count(const struct parked *parked) {
    return parked->count;
}

int64_t parked_until(const struct parked *parked) {
    return parked->until_ms;
}
