#ifndef HASHMILL_QUEUE_H
#define HASHMILL_QUEUE_H

/*
 * The queue: its verbs as an interface. Whatever the engine behind it, a verb that answers QUEUE_OK
 * has been made durable before it returns. Nothing here is particular to one engine.
 *
 * Each process opens the queue once, after it was forked; twice when it needs both kinds of verbs
 * below: an answer to a ticket must not meet a verb that waits for its own. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGEST_SIZE = 64,      /* bytes of a SHA-512 digest: digests, chains, values */
    ID_SIZE = 16,          /* bytes of a UUID */
    QUEUE_PULL_MAX = 1000, /* items in one pull */
    QUEUE_LEASE_MAX = 512, /* items in one lease or report */
    QUEUE_KEY_SIZE = 256,  /* bytes of an idempotency key with its NUL */
    QUEUE_NAME_SIZE = 65,  /* bytes of a worker's or machine's name, a kernel or id with its NUL */
    QUEUE_ADDRESS_SIZE = 46, /* bytes of an IP address in text with its NUL */
    PULL_TAG_SIZE = 19,      /* bytes of the tag of a pull */
    PULL_TAG_END = 0xff /* last one of the tag of a pull over both nodes: no key has such a tag */
};

#define QUEUE_ITERATIONS_MAX 9007199254740991 /* 2^53 - 1 */

enum item_state { ITEM_WAITING, ITEM_LEASED, ITEM_DONE, ITEM_PULLED, ITEM_CANCELLED };
#define ITEM_STATES 5

/* "waiting", "leased", "done", "pulled", "cancelled". */
const char *item_state_name(enum item_state state);

/* How a verb ended. */
enum queue_result {
    QUEUE_OK,
    QUEUE_NONE,      /* no such item; nothing to lease; not enough to pull */
    QUEUE_CONFLICT,  /* the idempotency key was used for something else; the item is already done */
    QUEUE_FULL,      /* ITEMS_MAX or REMAINING_MAX reached; nothing stored */
    QUEUE_PAUSED,    /* the engine cannot do this for now, and has logged why; nothing stored */
    QUEUE_DISK_FULL, /* no room on disk; nothing stored */
    QUEUE_DOWN,      /* the engine cannot be reached; nothing was sent to it, nothing stored */
    QUEUE_UNKNOWN,   /* the engine went away or was too late: done or not, the caller cannot know */
    QUEUE_FAULT      /* the engine could not do this one thing; it has logged why */
};

/* UUIDs as 16 bytes. */
struct uuid {
    uint8_t bytes[ID_SIZE];
};

struct queue_item {
    struct uuid id;
    uint8_t chain[DIGEST_SIZE]; /* the value when remaining is 0 */
    int64_t iterations;
    int64_t remaining;
    int64_t enqueued_wall_ms;
    int64_t completed_wall_ms; /* 0 unless done or pulled */
    int32_t state;             /* enum item_state */
    int32_t strikes;
};

struct queue_enqueue {
    struct uuid id; /* made by the caller, see id.h */
    uint8_t digest[DIGEST_SIZE];
    int64_t iterations;       /* 1..QUEUE_ITERATIONS_MAX */
    char key[QUEUE_KEY_SIZE]; /* idempotency key; "" for none */
};

/* How a pull goes about too few items. */
enum pull_reach {
    PULL_HERE,      /* it hands out what is here */
    PULL_IF_ENOUGH, /* NONE, and nothing is given, unless the key was used before */
    PULL_OVER_BOTH  /* it is opened: see enum pull_share */
};

struct queue_pull {
    int32_t top;              /* 1..QUEUE_PULL_MAX */
    int32_t oldest;           /* 0: latest completed first, 1: oldest completed first */
    int32_t reach;            /* enum pull_reach */
    int32_t peer;             /* NODE of the other node, with PULL_OVER_BOTH */
    char key[QUEUE_KEY_SIZE]; /* idempotency key; "" for none */
};

/* A worker, as it describes itself with each of its calls. */
struct queue_worker {
    char name[QUEUE_NAME_SIZE];
    char kernel[QUEUE_NAME_SIZE];
    char machine[QUEUE_NAME_SIZE];    /* that it was launched on by a node; "" when by no node */
    char address[QUEUE_ADDRESS_SIZE]; /* that its calls come from; "" when not known */
    int64_t cores;
    int64_t rate; /* iterations a second, 0 when not measured yet */
};

struct queue_lease {
    struct uuid request; /* becomes the lease's id */
    struct queue_worker worker;
    int64_t iterations; /* most in sum; one item is given even if it is longer */
    int32_t items;      /* most, 1..QUEUE_LEASE_MAX */
    int32_t wait_ms;    /* how long it may be parked; 0: answer at once */
};

struct queue_leased {
    struct uuid id;
    uint8_t chain[DIGEST_SIZE];
    int64_t remaining;
};

/* What a grant is known by when it has to go back: the request's id alone may have been granted
 * again since. */
struct queue_return {
    struct uuid lease;   /* the request's id */
    int64_t deadline_ms; /* queue clock */
};

struct queue_grant {
    struct queue_return returnable;
    int64_t ttl_ms; /* the lease lapses this long after it was given, unless renewed */
    int32_t drain;  /* 1: the worker is to give everything back and retire; count may be 0 */
    int32_t count;
    struct queue_leased items[QUEUE_LEASE_MAX];
};

struct queue_report_item {
    struct uuid id;
    struct uuid lease;
    uint8_t chain[DIGEST_SIZE];
    int64_t remaining;
    int32_t release; /* 1: give the item back with this progress */
    int32_t reserved;
};

struct queue_report {
    struct queue_worker worker;
    int32_t count;
    struct queue_report_item items[QUEUE_LEASE_MAX];
};

/* What became of each item of a report, in its order. */
struct queue_verdict {
    int32_t count;
    int32_t drain;                  /* 1: the worker is to give everything back and retire */
    uint8_t taken[QUEUE_LEASE_MAX]; /* 1: taken (also: again), 0: lost */
};

/* What of a pull's items is in its batch. */
enum pull_share {
    PULL_WHOLE, /* all */
    PULL_OPEN, /* this node's; rest more are to be set aside at the peer under the tag, and then the
                  pull is to be closed */
    PULL_CLOSED, /* this node's; the peer has set rest more aside under the tag */
    PULL_GONE    /* some were removed since: the batch cannot be had again */
};

struct queue_batch {
    int32_t count;
    int32_t share; /* enum pull_share */
    int32_t rest;
    uint8_t tag[PULL_TAG_SIZE];
    int32_t kept_days; /* for how many days its node keeps items that were handed out */
    int64_t age_ms;    /* of a pull over both nodes: since it was handed out; -1 while it is open */
    struct queue_item items[QUEUE_PULL_MAX];
};

/* Sorts a batch by when its items were completed, then by id; the latest first unless oldest is
 * set. Both are the same whenever the batch is asked for again. */
void queue_sort_batch(struct queue_batch *batch, int oldest);

/* What was done in some time. */
struct queue_work {
    int64_t enqueued; /* items */
    int64_t done;
    int64_t pulled;
    int64_t iterations; /* that workers have reported */
};

/* The times over which it is summed up, in whole seconds that have passed. */
enum { QUEUE_SPANS = 3 };
extern const int queue_span_seconds[QUEUE_SPANS];

/* How the replica at the peer fares. */
struct queue_copying {
    int32_t state;     /* enum copy_state, queue_peers.h */
    int32_t away;      /* 1: the peer has not answered for PEER_AWAY_MS */
    int64_t heard_ms;  /* how long ago it has answered; -1: never since the start */
    int64_t known;     /* 1: what it lacks is known, also of one that is away since */
    int64_t batches;   /* that the replica lacks */
    int64_t behind_ms; /* how long it has lacked any, since the start at most */
};

struct queue_tally {
    int64_t clock_ms;           /* the queue clock */
    int64_t items[ITEM_STATES]; /* how many are in each state */
    int64_t remaining;          /* iterations still to compute, over waiting and leased items */
    int64_t oldest_wait_ms;     /* how long the item that waits longest has waited; 0 without one */
    int64_t workers;            /* heard from within the last minute */
    int64_t parked;             /* parked leases and looks */
    struct queue_copying copying;
    struct queue_work work[QUEUE_SPANS];
};

struct queue; /* a process's end of the queue */
struct conf;

/* Opens this process's end; channel is the path of the writer's socket. Never fails for good: an
 * engine that is away is tried at each verb, and given up after OPERATION_SECONDS: QUEUE_UNKNOWN.
 * Both must outlive the queue. NULL only when memory is short. */
struct queue *queue_open(const struct conf *conf, const char *channel);
void queue_close(struct queue *queue);

/* The verbs of a process that does one thing at a time; each waits for the engine's answer. */

/* Stores an item. *id gets its id: the one passed or, when the key was used before for the same
 * digest and iterations, the one of then. OK, CONFLICT, FULL, PAUSED, DISK_FULL, DOWN, UNKNOWN,
 * FAULT. */
enum queue_result queue_enqueue(struct queue *queue, const struct queue_enqueue *item,
                                struct uuid *id);

/* After FULL: in how many seconds there may be room again, at least 1. */
int queue_retry_seconds(const struct queue *queue);

/* Hands out done items, each once. A key used before gets the batch of then, in the same order, by
 * completed_wall_ms and id; CONFLICT if it was used with another top or order; NONE, see
 * enum pull_reach. batch->count may be 0. OK, NONE, CONFLICT, PAUSED, DISK_FULL, DOWN, UNKNOWN,
 * FAULT. */
enum queue_result queue_pull(struct queue *queue, const struct queue_pull *pull,
                             struct queue_batch *batch);

/* Reads one item. Answers even while the engine's writing side is away. OK, NONE, DOWN, FAULT. */
enum queue_result queue_look(struct queue *queue, struct uuid id, struct queue_item *item);

/* Cancels an item that is waiting or leased; OK also when it is cancelled already; CONFLICT when it
 * is done or pulled. OK, NONE, CONFLICT, PAUSED, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_cancel(struct queue *queue, struct uuid id);

/* Takes results, checkpoints, renewals and releases, each item on its own.
 * OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_report(struct queue *queue, const struct queue_report *report,
                               struct queue_verdict *verdict);

/* Notes that a worker retires. CONFLICT, and it does not, when it is needed: it holds items, or its
 * machine is one of the last WORKERS_MIN. OK, CONFLICT, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_retire(struct queue *queue, const struct queue_worker *worker);

/* Writes a copy of the whole queue to a new file: what a node can be restored from. What was
 * acknowledged before is in it. OK; CONFLICT, another backup is under way; DISK_FULL, where the
 * file was to be; DOWN; UNKNOWN, it was broken off; FAULT, logged. Only after OK is there a file.
 */
enum queue_result queue_backup(struct queue *queue, const char *path);

/* Counts everything; also the check that the engine takes operations and can read its store.
 * OK, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_tally(struct queue *queue, struct queue_tally *tally);

/* The verbs of an event loop, which has many of them under way. Each start returns a ticket, never
 * 0. The engine parks what it cannot answer yet. When the engine goes away the queue sends every
 * ticket again by itself, with what is left of its wait. */

/* Leases items: at once if there are any, else when some come within request->wait_ms. The same
 * request id again gets the same items, as they are now. */
uint64_t queue_start_lease(struct queue *queue, const struct queue_lease *request);

/* Answers when the item is done, pulled or cancelled, or wait_ms have passed, or it does not exist.
 */
uint64_t queue_start_look(struct queue *queue, struct uuid id, int64_t wait_ms);

/* Gives a ticket up: its client is gone. A lease that was given meanwhile goes back. */
void queue_forget(struct queue *queue, uint64_t ticket);

/* An answer to a ticket, valid until the next call on this queue. */
struct queue_answer {
    uint64_t ticket;
    enum queue_result
        result; /* OK, NONE; else the engine could not do it, as with the other verbs */
    const struct queue_grant *grant; /* of a lease, when OK */
    const struct queue_item *item;   /* of a look, when OK */
    int64_t number;                  /* of a wait for a batch, when OK */
};

/* The descriptor to poll for POLLIN, or -1 while the engine is away; ask again after each call. */
int queue_descriptor(const struct queue *queue);

/* The next answer, without waiting. False when there is none now. To be called when the descriptor
 * is readable and at least ten times a second while it is -1 and tickets are under way. */
bool queue_next(struct queue *queue, struct queue_answer *answer);

/* Gives a grant back that could not be delivered: its items wait again at once. */
void queue_return_lease(struct queue *queue, struct queue_return grant);

/* Whether something could not be sent yet: queue_next is then to be called at least ten times a
 * second. How many tickets are under way, forgotten ones included. */
bool queue_is_behind(const struct queue *queue);
int queue_under_way(const struct queue *queue);

#endif
