#ifndef HASHMILL_QUEUE_PEERS_H
#define HASHMILL_QUEUE_PEERS_H

/*
 * The queue and the other node, the peer: its replica of this database, pulls that hand out items
 * of both nodes, loans of machines. Part of queue.h, for those who need it.
 *
 * An item belongs for ever to the node that its id names (id.h). Nothing here changes that.
 */

#include <stdbool.h>

#include "batch_log.h"
#include "queue.h"
#include "queue_fleet.h"

enum {
    QUEUE_LOANS_MAX = 64,        /* loans of one node, given and taken */
    QUEUE_RESERVATIONS_MAX = 64, /* read at once */
};

#define QUEUE_EPOCH_MAX 9007199254740991 /* 2^53 - 1; leaves room to add one */

/* Names a database. Of two with one id the one with the higher epoch counts: the other was replaced
 * by a copy. */
struct queue_identity {
    struct uuid database;
    int64_t epoch;
};

/* Whether a node's database, now, is as new as the one met before, or newer: it has a higher epoch,
 * or the same id and epoch. */
bool queue_is_current(const struct queue_identity *met, const struct queue_identity *now);

/* --- The replica that the peer keeps of this database --- */

/* A ticket that waits for a committed batch after `seen`: OK, with the last one in answer->number;
 * NONE after wait_ms. */
uint64_t queue_start_batch(struct queue *queue, int64_t seen, int64_t wait_ms);

enum copy_state {
    COPY_UNKNOWN,   /* the peer was not asked yet */
    COPY_MISSING,   /* it has no replica, or one that no longer fits */
    COPY_COPYING,   /* pages are on their way */
    COPY_FOLLOWING, /* it has all batches up to the replication position */
    COPY_SUPERSEDED /* a newer database has replaced this one: nobody is answered any more */
};

/* The replication position: what the peer has acknowledged to the process that feeds the replica.
 */
struct queue_acknowledged {
    int64_t batch;  /* all batches up to this one are durable at the peer */
    int32_t state;  /* enum copy_state */
    int32_t proven; /* 1: the check of that batch is known to be equal here and there; answers may
                       rely on it */
};

/* Notes the position, in memory only, and sends the answers that COPY=sync withheld for it. OK,
 * DOWN, UNKNOWN. */
enum queue_result queue_acknowledge(struct queue *queue,
                                    const struct queue_acknowledged *acknowledged);

/* A range of items at a batch, and the SHA-256 over them, to be compared with the replica's. */
struct queue_range {
    int64_t batch;
    int64_t first; /* seq of the first item */
    int64_t last;  /* seq of the last one; 0: no items from `first` on */
    uint8_t hash[BATCH_CHECK_SIZE];
};

/* Hashes the next `items` items from range->first on; reads the durable state. OK, DOWN, FAULT. */
enum queue_result queue_hash_items(struct queue *queue, int64_t items, struct queue_range *range);

/* A copy of the database in parts (pages.h); it reflects the moment the copying ends. Each part:
 * OK; CONFLICT, a backup is under way; DOWN, UNKNOWN, FAULT: the copy was broken off. No other verb
 * may use this queue between begin and end. */
struct pages;
enum queue_result queue_copy_begin(struct queue *queue, struct pages *pages);
enum queue_result queue_copy_next(struct queue *queue, struct pages *pages);
void queue_copy_end(struct queue *queue);

/* Reads an item of the peer from the replica at this node; *wall_ms gets the wall time of the
 * replica's last batch. OK, NONE, DOWN (also without a replica), FAULT. */
enum queue_result queue_look_replica(struct queue *queue, struct uuid id,
                                     const struct queue_whose *whose, struct queue_item *item,
                                     int64_t *wall_ms);

/* The same for queue_list. OK, DOWN, FAULT. */
enum queue_result queue_list_replica(struct queue *queue, const struct queue_list *list,
                                     struct queue_page *page);

/* --- Pulls that hand out items of both nodes --- */

/* Closes a pull whose batch->share was PULL_OPEN: `rest` items are set aside at the peer, 0 when
 * none will come. OK; NONE, there is no such pull any more; CONFLICT, it was closed with another
 * rest; DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_close {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t settled; /* 1: the peer knows the fate of the pull; rest is not used */
    int32_t rest;
    char who[QUEUE_NAME_SIZE];    /* for the audit: the operator who pulls, "" if none does, */
    char client[QUEUE_NAME_SIZE]; /* and whose items */
};
enum queue_result queue_close_pull(struct queue *queue, const struct queue_close *close);

/* The fate of a pull over both nodes. */
enum pull_fate {
    PULL_UNKNOWN,
    PULL_IS_OPEN,
    PULL_IS_CLOSED /* with rest items of the peer */
};
struct queue_fate {
    int32_t fate; /* enum pull_fate */
    int32_t rest;
};

/* Reads the fate of a pull from the durable state. OK, DOWN, FAULT. */
enum queue_result queue_pull_fate(struct queue *queue, const uint8_t tag[PULL_TAG_SIZE],
                                  struct queue_fate *fate);

/* Sets done items aside here for a pull of the peer's client. The same tag gets the same items
 * again; no others once they were handed out. The batch has the items as if pulled. OK; CONFLICT,
 * the peer's database is superseded; PAUSED, DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_reserve {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t again;                  /* 1: only items already set aside */
    int32_t node;                   /* the peer */
    struct queue_identity identity; /* of the peer's database */
    int32_t top;                    /* 1..QUEUE_PULL_MAX */
    int32_t oldest;                 /* as in queue_pull */
    char client[QUEUE_NAME_SIZE];   /* the same */
};
enum queue_result queue_reserve(struct queue *queue, const struct queue_reserve *reserve,
                                struct queue_batch *batch);

/* Ends a reservation by the pull's fate, which the peer has told under this epoch: hands the items
 * out when the pull is closed with items (logged unless as many as are set aside); frees them when
 * it is closed with none or unknown. Ignores a fate told under an older epoch than the
 * reservation's. OK, also without a reservation; DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_settle {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t known; /* 1: the peer knows that this node has settled the pull: the reservation is
                      forgotten after a day */
    int32_t node;
    int64_t epoch;
    struct queue_fate fate;
};
enum queue_result queue_settle(struct queue *queue, const struct queue_settle *settle);

struct queue_reservation {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t settled; /* 1: handed out; the peer must be told */
    int32_t node;
    int64_t epoch;
    int64_t count;
};

/* --- Loans: the right to run one machine more, at the cost of another node's --- */

enum loan_side { LOAN_TAKEN, LOAN_GIVEN };

/* The states of a loan, which follow each other in this order. */
enum loan_state {
    LOAN_WANTED,  /* taken: the peer is being asked for it */
    LOAN_HELD,    /* it counts on both sides until its deadline */
    LOAN_RECALLED /* the lender wants it back and no longer renews it. Taken: it no longer counts,
                     and is kept until no machine needs it */
};

struct queue_loan {
    struct uuid id; /* made by the borrower */
    int32_t node;   /* the peer */
    int32_t side;   /* enum loan_side */
    int32_t state;  /* enum loan_state */
    int32_t reserved;
    int64_t deadline_ms; /* queue clock; 0 while LOAN_WANTED */
};

/* What the scaler decides about a loan. */
enum loan_step {
    LOAN_WANT,   /* ask this node for a new loan with this id */
    LOAN_RETURN, /* return a taken loan by forgetting it */
    LOAN_RECALL  /* recall a given loan */
};

struct queue_loan_step {
    struct uuid id;
    int32_t node;
    int32_t step;
};

/* OK, also when there is no such loan any more; DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_loan(struct queue *queue, const struct queue_loan_step *step);

/* The heartbeat of a peer, each second: its database, and the loans that it has or wants of this
 * node. */
struct queue_hello {
    int32_t node; /* the peer */
    int32_t count;
    int64_t nonce; /* of the last answer that it received; 0: none since it started */
    struct queue_identity identity;
    struct uuid loans[QUEUE_LOANS_MAX];
    int32_t machine_count; /* of its machines that exist; -1: it does not say */
    char machines[QUEUE_MACHINES_MAX][QUEUE_NAME_SIZE];
};

/* A hello counts when it names the nonce of the last answer that gave a new one. Earlier hellos do
 * not count, however late they arrive. */
struct queue_hello_answer {
    int32_t counts; /* 0 or 1 */
    int32_t count;  /* the hello's; 0 when it does not count */
    int64_t nonce;  /* the next hello must name it */
    /* For each loan of the hello, in its order: how long it holds from now on; 0: not given, or
     * recalled. */
    int64_t ttl_ms[QUEUE_LOANS_MAX];
};

/* The lender's side of a hello: given loans that it does not name are returned; others are given or
 * renewed if this node can spare them. OK, also when the hello does not count; CONFLICT, the peer's
 * database is older than one met before, so superseded; DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_hello(struct queue *queue, const struct queue_hello *hello,
                              struct queue_hello_answer *answer);

/* The borrower's side: takes a peer's answer to a hello that counts, and notes that the peer has
 * answered. `sent` is the hello, with `node` the peer's; clock_ms is this node's queue clock at
 * sending, from which ttl_ms counts. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_heard {
    struct queue_hello sent;
    int64_t clock_ms;
    struct queue_hello_answer answer;
};
enum queue_result queue_heard(struct queue *queue, const struct queue_heard *heard);

/* Refuses all later hellos of older databases of the peer: the one with this epoch replaces them.
 * OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_raise {
    int32_t node;
    int32_t reserved;
    struct queue_identity identity;
};
enum queue_result queue_raise(struct queue *queue, const struct queue_raise *raise);

/* --- What is known, from the durable state --- */

struct queue_peers {
    int64_t clock_ms; /* the queue clock as saved last */
    struct queue_identity identity;
    int64_t schema;
    int64_t batch; /* the last one */
    uint8_t batch_check[BATCH_CHECK_SIZE];
    int64_t incomplete_wall_ms; /* wall time since when the peer's replica lacks batches that
                                   clients were told of; 0: it lacks none */
    struct queue_identity met;  /* the peer's database by its last hello; epoch 0: none */
    int32_t loan_count;
    int32_t reservation_count; /* used elements of reservations */
    int64_t reserved_items;    /* items in all reservations */
    struct queue_loan loans[QUEUE_LOANS_MAX];
    int32_t machine_count; /* of this node's machines that exist, by name */
    char machines[QUEUE_MACHINES_MAX][QUEUE_NAME_SIZE];
    struct queue_reservation
        reservations[QUEUE_RESERVATIONS_MAX]; /* those for the peer's pulls, in any order */
};

/* A peer that has been silent this long is away. */
enum { PEER_AWAY_MS = 3000 };

/* Reads the durable state. Costs none of the engine's writing side, and the same however many items
 * there are. OK, DOWN, FAULT. */
enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers);

/* Reads only the peer's database by its last hello; epoch 0: no hello yet. Called for each message
 * for the replica. OK, DOWN, FAULT. */
enum queue_result queue_met(struct queue *queue, struct queue_identity *met);

#endif
