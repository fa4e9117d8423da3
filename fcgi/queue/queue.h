#ifndef HASHMILL_QUEUE_H
#define HASHMILL_QUEUE_H

/*
 * The queue: its verbs as an interface, independent of the engine. A verb that answers QUEUE_OK is
 * durable before it returns.
 *
 * Each process opens the queue once, after it was forked. A process that needs both kinds of verbs
 * below opens it twice: a verb that waits for its own answer must not receive that of a ticket. Use
 * it in one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGEST_SIZE = 64,       /* bytes of a SHA-512 digest: digests, chains, values */
    ID_SIZE = 16,           /* bytes of a UUID */
    QUEUE_PULL_MAX = 1000,  /* items in one pull */
    QUEUE_LEASE_MAX = 512,  /* items in one lease or report */
    QUEUE_LIST_MAX = 1000,  /* items in one page of a list */
    QUEUE_CANCEL_MAX = 500, /* items that one operation cancels */
    QUEUE_MANY_MAX = 512,   /* items in one queue_many */
    QUEUE_KEY_SIZE = 256,   /* bytes of an idempotency key with its NUL */
    QUEUE_NAME_SIZE = 65,   /* bytes of a worker's or machine's name, a kernel or id with its NUL */
    QUEUE_ADDRESS_SIZE = 46, /* bytes of an IP address in text with its NUL */
    PULL_TAG_SIZE = 19,      /* bytes of the tag of a pull */
    PULL_TAG_END = 0xff      /* last byte of the tag of a pull over both nodes; never a key's */
};

#define QUEUE_ITERATIONS_MAX 9007199254740991 /* 2^53 - 1 */
#define QUEUE_WEIGHT_MAX 1000                 /* of a client */
#define QUEUE_RATE_MAX 1000000                /* items a second, or at once, of a client */

enum item_state { ITEM_WAITING, ITEM_LEASED, ITEM_DONE, ITEM_PULLED, ITEM_CANCELLED };
#define ITEM_STATES 5

/* "waiting", "leased", "done", "pulled", "cancelled". */
const char *item_state_name(enum item_state state);

/* The state of this name, which need not end with a NUL; -1 for no state. */
int32_t item_state_named(const char *name, size_t length);

/* How a verb ended. */
enum queue_result {
    QUEUE_OK,
    QUEUE_NONE,     /* no such item; nothing to lease; not enough to pull */
    QUEUE_CONFLICT, /* the idempotency key was used for something else; the item is already done */
    QUEUE_FULL,     /* ITEMS_MAX or REMAINING_MAX reached; nothing stored */
    QUEUE_OVER_ITEMS,  /* the client has as many items as it may; nothing stored */
    QUEUE_OVER_WORK,   /* the client has as much work as it may; nothing stored */
    QUEUE_OVER_RATE,   /* the client enqueues more than it may; nothing stored */
    QUEUE_TOO_LONG,    /* the item has more iterations than one may; nothing stored */
    QUEUE_DENIED,      /* the caller's machine does not exist any more; nothing done */
    QUEUE_QUARANTINED, /* the caller's identity is in quarantine; nothing done */
    QUEUE_ENOUGH,    /* the caller's identity has as many items in hand as it is seen to compute */
    QUEUE_HELD,      /* an operator has paused the intake; nothing stored */
    QUEUE_PAUSED,    /* the engine cannot do this for now, and has logged why; nothing stored */
    QUEUE_DISK_FULL, /* no room on disk; nothing stored */
    QUEUE_DOWN,      /* the engine cannot be reached; nothing was sent to it, nothing stored */
    QUEUE_UNKNOWN,   /* the engine went away or was too late; outcome unknown */
    QUEUE_FAULT,     /* the engine could not do this one thing; it has logged why */
    QUEUE_BUSY       /* the peer is asked as much as it may be; nothing was sent to it */
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

/* Whose items a call may see and change. */
struct queue_whose {
    char client[QUEUE_NAME_SIZE]; /* the name of its client; "" for who has no key */
    int32_t all;                  /* 1: those of all clients */
};

extern const struct queue_whose queue_everybodys; /* those of all clients */

/* Whether two are the same. */
bool queue_whose_equal(const struct queue_whose *one, const struct queue_whose *other);

/* What a client may have; 0: as much as it likes. */
struct queue_quota {
    int64_t items;      /* not yet pulled or cancelled */
    int64_t work;       /* iterations not yet done */
    int64_t rate;       /* items that it may enqueue in a second, */
    int64_t burst;      /* and at once */
    int64_t iterations; /* of one item */
};

/* A client that enqueues. */
struct queue_client {
    char name[QUEUE_NAME_SIZE]; /* "" for who has no key */
    int64_t weight;             /* its share, 1..1000; 0: as before */
    struct queue_quota quota;
};

/* How much a client has of what quotas limit. */
struct queue_left {
    int64_t known; /* 0: the engine has not said it, and the rest is 0 */
    int64_t items;
    int64_t work;
    int64_t rate;     /* items that it may enqueue now */
    int64_t whole_ms; /* until that is its burst again */
};

struct queue_enqueue {
    struct uuid id; /* made by the caller, see id.h */
    uint8_t digest[DIGEST_SIZE];
    int64_t iterations;       /* 1..QUEUE_ITERATIONS_MAX */
    char key[QUEUE_KEY_SIZE]; /* idempotency key; "" for none */
    struct queue_client client;
    int64_t over_rate; /* how many items of the same call were over the rate before it */
};

/* An item of those that a client enqueues with one call. */
struct queue_line {
    struct uuid id; /* made by the caller, see id.h */
    uint8_t digest[DIGEST_SIZE];
    int64_t iterations;       /* 1..QUEUE_ITERATIONS_MAX */
    char key[QUEUE_KEY_SIZE]; /* idempotency key; "" for none */
};

struct queue_many {
    struct queue_client client;
    int32_t count; /* 1..QUEUE_MANY_MAX */
    int32_t reserved;
    struct queue_line items[QUEUE_MANY_MAX];
};

/* What became of an item: as queue_enqueue says it. */
struct queue_stored {
    struct uuid id;        /* when OK */
    int32_t result;        /* enum queue_result */
    int32_t retry_seconds; /* after FULL and OVER_...: see queue_retry_seconds */
};

/* What became of each item of a queue_many, in its order. */
struct queue_many_stored {
    int32_t count;
    int32_t reserved;
    struct queue_stored items[QUEUE_MANY_MAX];
};

/* What a pull does when there are too few items. */
enum pull_reach {
    PULL_HERE,      /* hands out the items that this node has */
    PULL_IF_ENOUGH, /* NONE, and hands out nothing, unless the key was used before */
    PULL_OVER_BOTH  /* opens the pull: see enum pull_share */
};

struct queue_pull {
    int32_t top;                  /* 1..QUEUE_PULL_MAX */
    int32_t oldest;               /* 0: latest completed first, 1: oldest completed first */
    int32_t reach;                /* enum pull_reach */
    int32_t peer;                 /* NODE of the other node, with PULL_OVER_BOTH */
    char key[QUEUE_KEY_SIZE];     /* idempotency key; "" for none */
    char client[QUEUE_NAME_SIZE]; /* whose items; "" for who has no key */
    char who[QUEUE_NAME_SIZE];    /* the operator who pulls, for the audit; "": none does */
    struct queue_quota quota;     /* of the caller, for queue_left */
};

struct queue_cancel {
    struct uuid id;
    struct queue_whose whose;
    char who[QUEUE_NAME_SIZE]; /* the operator who cancels, for the audit; "": none does */
};

/* Items of one client to cancel, those of them that wait. */
struct queue_cancel_many {
    char client[QUEUE_NAME_SIZE]; /* "" for who has no key */
    char who[QUEUE_NAME_SIZE];    /* the operator who cancels, for the audit; "": none does */
    int64_t confirm;              /* how many of its items must wait; -1: any number */
    int32_t count;                /* 0..QUEUE_CANCEL_MAX */
    int32_t reserved;
    struct uuid items[QUEUE_CANCEL_MAX];
};

struct queue_cancelled {
    int64_t
        waiting; /* how many waited before; nothing was cancelled if confirm is another number */
    int32_t count;
    int32_t reserved;
};

/* Which items to list, the newest first: by the time in their ids, which orders those of all nodes
 * in one way. */
struct queue_list {
    struct queue_whose whose;
    struct uuid after; /* only those behind this one; it need not exist */
    int32_t has_after; /* 0: from the newest one on */
    int32_t state;     /* enum item_state; -1: any */
    int32_t limit;     /* 1..QUEUE_LIST_MAX */
};

struct queue_listed {
    struct queue_item item;
    char client[QUEUE_NAME_SIZE]; /* whose it is */
};

/* A page of a list. */
struct queue_page {
    int32_t known;    /* 0: the peer has no such item as the list is to go on behind */
    int32_t more;     /* 1: there are more behind `end`, up to which all was looked at */
    struct uuid end;  /* with more */
    int64_t as_of_ms; /* wall time of what was read, when it was the replica; else 0 */
    int32_t count;
    int32_t reserved;
    struct queue_listed items[QUEUE_LIST_MAX];
};

/* A worker that calls: who it is by its credential, and what it says of itself. */
struct queue_worker {
    char identity[QUEUE_NAME_SIZE]; /* whose credential: a key's name, a machine's, or "shared" */
    char machine[QUEUE_NAME_SIZE];  /* the same when it is a machine's, else "" */
    char name[QUEUE_NAME_SIZE];     /* tells the workers of one identity apart */
    char kernel[QUEUE_NAME_SIZE];
    char address[QUEUE_ADDRESS_SIZE]; /* source of its calls; "" when not known */
    int64_t cores;
    int64_t rate; /* iterations a second, 0 when not measured yet */
};

struct queue_lease {
    struct uuid request; /* becomes the lease's id */
    struct queue_worker worker;
    int64_t iterations; /* at most this sum; a single longer item is given all the same */
    int32_t items;      /* at most this many, 1..QUEUE_LEASE_MAX */
    int32_t wait_ms;    /* how long it may be parked; 0: answer at once */
};

struct queue_leased {
    struct uuid id;
    uint8_t chain[DIGEST_SIZE];
    int64_t remaining;
};

/* Identifies a grant that must go back: the request's id alone may have been granted again since.
 */
struct queue_return {
    struct uuid lease;   /* the request's id */
    int64_t deadline_ms; /* queue clock */
};

struct queue_grant {
    struct queue_return returnable;
    int64_t ttl_ms; /* the lease lapses this long after it was given, unless renewed */
    int32_t drain;  /* 1: the worker must give everything back and retire; count may be 0 */
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
    int32_t drain;                  /* 1: the worker must give everything back and retire */
    uint8_t taken[QUEUE_LEASE_MAX]; /* 1: taken (also: again), 0: lost */
};

/* Which items of a pull its batch has. */
enum pull_share {
    PULL_WHOLE, /* all */
    PULL_OPEN, /* this node's; the peer must set `rest` more aside under the tag; then the pull must
                  be closed */
    PULL_CLOSED, /* this node's; the peer has set `rest` more aside under the tag */
    PULL_GONE    /* some were removed since: the batch cannot be repeated */
};

struct queue_batch {
    int32_t count;
    int32_t share; /* enum pull_share */
    int32_t rest;
    uint8_t tag[PULL_TAG_SIZE];
    int32_t kept_days; /* days that its node keeps items after they were handed out */
    int64_t age_ms;    /* of a pull over both nodes: since it was handed out; -1 while it is open */
    struct queue_item items[QUEUE_PULL_MAX];
};

/* Sorts a batch by completion time, then by id; the latest first unless `oldest` is set. The order
 * stays the same when the batch is asked for again. */
void queue_sort_batch(struct queue_batch *batch, int oldest);

/* Work done in a span of time. */
struct queue_work {
    int64_t enqueued; /* items */
    int64_t done;
    int64_t pulled;
    int64_t iterations; /* that workers have reported */
};

/* The spans, in whole seconds that have passed. */
enum { QUEUE_SPANS = 3 };
extern const int queue_span_seconds[QUEUE_SPANS];

/* The state of the replica at the peer. */
struct queue_copying {
    int32_t state;     /* enum copy_state, queue_peers.h */
    int32_t away;      /* 1: the peer has not answered for PEER_AWAY_MS */
    int64_t heard_ms;  /* time since its last answer; -1: none since the start */
    int64_t known;     /* 1: the next two are known, perhaps from before it went away */
    int64_t batches;   /* missing in the replica */
    int64_t behind_ms; /* how long it has lacked any, at most since the start */
};

/* Of one client (struct queue_whose) only items, remaining, work and clock_ms are set. */
struct queue_tally {
    int64_t clock_ms;           /* the queue clock */
    int64_t items[ITEM_STATES]; /* how many are in each state */
    int64_t remaining;          /* iterations still to compute, over waiting and leased items */
    int64_t oldest_wait_ms;     /* how long the item that waits longest has waited; 0 without one */
    int64_t workers;            /* that have called within the last minute */
    int64_t parked;             /* parked leases and looks */
    int64_t paused;             /* the parts that an operator has paused: queue_operators.h */
    int64_t disk_full;          /* 1: there is no room for more items on the disk */
    int64_t backed_up_wall_ms;  /* wall time: when the last queue_backup was OK; 0: none was */
    struct queue_copying copying;
    struct queue_work work[QUEUE_SPANS];
};

struct queue; /* a process's end of the queue */
struct conf;

/* Opens this process's end; `channel` is the path of the writer's socket. An engine that is away is
 * tried again at each verb and given up after OPERATION_SECONDS: QUEUE_UNKNOWN. Both arguments must
 * outlive the queue. NULL only when memory is short. */
struct queue *queue_open(const struct conf *conf, const char *channel);
void queue_close(struct queue *queue);

/* The verbs of a process that does one thing at a time; each waits for the engine's answer. */

/* Stores an item. *id gets its id: the one passed, or the earlier one when the key was used before
 * by the same client for the same digest and iterations. OK, CONFLICT, FULL, OVER_ITEMS, OVER_WORK,
 * OVER_RATE, TOO_LONG, HELD, PAUSED, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_enqueue(struct queue *queue, const struct queue_enqueue *item,
                                struct uuid *id);

/* Stores several items of one client, each on its own. OK, with the result of each: OK, CONFLICT,
 * FULL, OVER_ITEMS, OVER_WORK, OVER_RATE, TOO_LONG, HELD, PAUSED, DISK_FULL, FAULT; else that of
 * all: DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_enqueue_many(struct queue *queue, const struct queue_many *many,
                                     struct queue_many_stored *stored);

/* Whether queue_retry_seconds says something after this result of an enqueue: FULL and OVER_... */
bool queue_has_retry(enum queue_result result);

/* After FULL and OVER_...: in how many seconds there may be room again, at least 1. */
int queue_retry_seconds(const struct queue *queue);

/* After an enqueue or a pull: how much its client has, if the engine has said it. */
void queue_left(const struct queue *queue, struct queue_left *left);

/* Hands out done items of a client, each once. A key used before gets its earlier batch again, in
 * the same order, by completed_wall_ms and id; CONFLICT if it was used with another top or order;
 * NONE: see enum pull_reach. batch->count may be 0. OK, NONE, CONFLICT, PAUSED, DISK_FULL, DOWN,
 * UNKNOWN, FAULT. */
enum queue_result queue_pull(struct queue *queue, const struct queue_pull *pull,
                             struct queue_batch *batch);

/* Whether a pull with this key was carried out before, with any top and order. Reads the durable
 * state. OK, NONE, DOWN, FAULT. */
enum queue_result queue_pulled(struct queue *queue, const struct queue_pull *pull);

/* Reads one item; NONE also for another's. Answers even while the engine's writing side is away.
 * OK, NONE, DOWN, FAULT. */
enum queue_result queue_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                             struct queue_item *item);

/* Cancels an item that is waiting or leased; OK also when it is cancelled already; NONE also for
 * another's; CONFLICT when it is done or pulled. OK, NONE, CONFLICT, PAUSED, DISK_FULL, DOWN,
 * UNKNOWN, FAULT. */
enum queue_result queue_cancel(struct queue *queue, const struct queue_cancel *cancel);

/* Cancels those of the items that wait and are the client's. None when another number waits than is
 * confirmed: see queue_cancelled. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_cancel_many(struct queue *queue, const struct queue_cancel_many *cancel,
                                    struct queue_cancelled *cancelled);

/* Lists items of this node. Looks at a bounded number of items: a page of those in one state may
 * have fewer than its limit, or none, and more behind. Answers as queue_look does. OK, DOWN, FAULT.
 */
enum queue_result queue_list(struct queue *queue, const struct queue_list *list,
                             struct queue_page *page);

/* Takes results, checkpoints, renewals and releases, each item on its own.
 * OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_report(struct queue *queue, const struct queue_report *report,
                               struct queue_verdict *verdict);

/* Notes that a worker retires. CONFLICT, and nothing changes, when the worker is needed: it holds
 * items, its machine is one of the last WORKERS_MIN, or scaling is paused. OK, CONFLICT, DISK_FULL,
 * DOWN, UNKNOWN, FAULT. */
enum queue_result queue_retire(struct queue *queue, const struct queue_worker *worker);

/* Writes a copy of the whole queue, from which a node can be restored, to a new file. The copy has
 * everything acknowledged before the call. OK; CONFLICT, another backup is under way; DISK_FULL, no
 * room for the file; DOWN; UNKNOWN, it was broken off; FAULT, logged. The file exists only after
 * OK; then the engine notes when that was. */
enum queue_result queue_backup(struct queue *queue, const char *path);

/* Counts everything, or one client's; also checks that the engine takes operations and can read its
 * store. OK, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_tally(struct queue *queue, const struct queue_whose *whose,
                              struct queue_tally *tally);

/* The verbs of an event loop, with many under way at once. Each start returns a ticket, never 0.
 * The engine parks a ticket that it cannot answer yet. When the engine goes away, the queue sends
 * every ticket again by itself, with the rest of its wait; but no enqueue, as it may be done. */

/* Enqueues an item, as queue_enqueue does; queue_flush sends it. It is answered in time, whatever
 * happens: OK with the id, or as queue_enqueue ends. After that, and before any other call of the
 * queue, queue_left and queue_retry_seconds tell of it. */
uint64_t queue_start_enqueue(struct queue *queue, const struct queue_enqueue *item);

/* Sends the enqueues that were started, together. */
void queue_flush(struct queue *queue);

/* Leases items: at once if there are any, else when some come within request->wait_ms. A repeated
 * request id gets the same items, in their present state. */
uint64_t queue_start_lease(struct queue *queue, const struct queue_lease *request);

/* Answers when the item is done, pulled, cancelled or unknown, or after wait_ms. */
uint64_t queue_start_look(struct queue *queue, struct uuid id, const struct queue_whose *whose,
                          int64_t wait_ms);

/* Answers OK when a client has an item that is done, at most one ticket for each; NONE after
 * wait_ms. It hands nothing out. */
uint64_t queue_start_done(struct queue *queue, const char *client, int64_t wait_ms);

/* Gives up a ticket whose client is gone. Items leased to the ticket meanwhile go back. */
void queue_forget(struct queue *queue, uint64_t ticket);

/* An answer to a ticket, valid until the next call on this queue. */
struct queue_answer {
    uint64_t ticket;
    enum queue_result result;        /* OK, NONE; else a failure, as with the other verbs */
    const struct queue_grant *grant; /* of a lease, when OK */
    const struct queue_item *item;   /* of a look, when OK */
    int64_t number;                  /* of a wait for a batch, and of a count, when OK */
    struct uuid id;                  /* of an enqueue, when OK */
};

/* The descriptor to poll for POLLIN, or -1 while the engine is away; ask again after each call. */
int queue_descriptor(const struct queue *queue);

/* The next answer, without waiting. False when there is none now. Call it when the descriptor is
 * readable, and at least ten times a second while the descriptor is -1 and tickets are under way.
 */
bool queue_next(struct queue *queue, struct queue_answer *answer);

/* Gives back a grant that could not be delivered: its items wait again at once. */
void queue_return_lease(struct queue *queue, struct queue_return grant);

/* Whether something is still unsent: call queue_next at least ten times a second then. How many
 * tickets are under way, forgotten ones included. */
bool queue_is_behind(const struct queue *queue);
int queue_under_way(const struct queue *queue);

#endif
