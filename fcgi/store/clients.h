#ifndef HASHMILL_CLIENTS_H
#define HASHMILL_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"
#include "rank.h"
#include "rates.h"

/*
 * All clients that ever had an item, in the writer's memory: what each has, its share and its
 * rates. Their number is that of the names that keys had, so none is removed. A change of one is
 * noted, to be saved or undone with the batch.
 */

/* What a client has. */
struct client_counts {
    int64_t items[ITEM_STATES];
    int64_t remaining; /* over waiting and leased items */
};

struct client {
    int64_t seq; /* in the table client: 0, 1, 2 ... */
    char name[QUEUE_NAME_SIZE];
    struct client_counts counts;    /* with the batch under way */
    struct client_counts saved;     /* as committed */
    struct client_counts elsewhere; /* of both: what other nodes count that share the database */
    struct rank_client rank;        /* the same two for its share */
    struct rank_client saved_rank;
    struct queue_work work;       /* of the batch under way */
    struct rates *rates;          /* of the last minute; NULL when it did nothing yet */
    int64_t tokens;               /* thousandths of items that it may enqueue by its rate, */
    int64_t tokens_ms;            /* at this steady time; -1: as many as its burst */
    bool is_new;                  /* it came with the batch under way: if that is undone, it goes */
    bool is_changed;              /* it is in the list of changed ones */
    struct client *next_of_place; /* with the same hash */
};

enum { CLIENTS_PLACES = 4096, CLIENTS_MAX = 1000000 };

/* A place in a list of clients. */
struct client_place {
    struct client *client;
};

struct clients {
    struct client_place *list; /* by seq; NULL where a row was lost */
    int count;
    int capacity;
    struct client_place *changed; /* in the batch under way */
    int changed_count;
    int changed_capacity;
    struct client *places[CLIENTS_PLACES]; /* by the hash of the name */
};

/* The client of this name, or NULL. The one with this seq, or NULL. */
struct client *clients_named(const struct clients *clients, const char *name);
struct client *clients_at(const struct clients *clients, int64_t seq);

/* Adds a client with this seq, which nobody has, and which has nothing. One that came with the
 * batch under way is to be noted at once. */
struct client *clients_add(struct clients *clients, int64_t seq, const char *name);

/* Notes that a client is changed by the batch under way. */
void clients_note(struct clients *clients, struct client *client);

/* Ends a batch: keeps what it changed, at this steady time; or undoes it: then the items that it
 * enqueued do not count for the rates of clients. */
void clients_keep(struct clients *clients, int64_t steady_ms);
void clients_undo(struct clients *clients);

/* Leaves the numbers below this one to clients whose rows were lost: none of them is given again.
 */
void clients_reserve(struct clients *clients, int64_t end);

/* How many clients have items, in whatever state, without those of nobody. Looks at all. */
int clients_with_items(const struct clients *clients);

/* Whether nobody but this client ever had an item that waited. */
bool clients_is_only(const struct clients *clients, const struct client *client);

/* Call this before an item comes while none waits. Looks at all clients only after something was
 * cancelled. */
void clients_idle(const struct clients *clients, struct rank_clock *clock);

void clients_free(struct clients *clients);

/* How many items a client may enqueue now, by its rate a second and its burst. */
int64_t client_may_enqueue(struct client *client, int64_t steady_ms, int64_t rate, int64_t burst);

/* Notes that a client has enqueued an item, after client_may_enqueue if it has a rate. */
void client_enqueued(struct client *client);

/* In how many milliseconds it may enqueue this many, after client_may_enqueue. */
int64_t client_wait_ms(const struct client *client, int64_t items, int64_t rate);

#endif
