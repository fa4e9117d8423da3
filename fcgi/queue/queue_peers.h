#ifndef HASHMILL_QUEUE_PEERS_H
#define HASHMILL_QUEUE_PEERS_H

/*
 * What the queue has to do with the other node, the peer: its replica of this database, pulls that
 * hand out items of both nodes, loans of machines. Part of queue.h, for those who need it.
 *
 * An item belongs for ever to the node that its id names (id.h). Nothing here changes that.
 */

#include <stdbool.h>

#include "batch_log.h"
#include "queue.h"

enum {
    QUEUE_LOANS_MAX = 64,        /* loans of one node, given and taken */
    QUEUE_RESERVATIONS_MAX = 64, /* that are read at once */
};

#define QUEUE_EPOCH_MAX 9007199254740991 /* 2^53 - 1: one may be added to it */

/* Which database this is. Of two with one id the one with the higher epoch counts: the other was
 * replaced by a copy. */
struct queue_identity {
    struct uuid database;
    int64_t epoch;
};

/* Whether a database of a node is as new as one that was met before, or newer: of one id the one
 * with the higher epoch is, and so is one with another id. */
bool queue_is_current(const struct queue_identity *met, const struct queue_identity *now);

/* --- The replica that the peer keeps of this database --- */

/* A ticket that is answered, OK with answer->number the last committed batch, when there is one
 * after seen; NONE when wait_ms have passed. */
uint64_t queue_start_batch(struct queue *queue, int64_t seen, int64_t wait_ms);

enum copy_state {
    COPY_UNKNOWN,   /* the peer was not asked yet */
    COPY_MISSING,   /* it has no replica, or one that fits no more */
    COPY_COPYING,   /* pages are on their way */
    COPY_FOLLOWING, /* it has all batches up to the acknowledged one */
    COPY_SUPERSEDED /* a newer database has taken the place of this one: nobody is answered any more
                     */
};

/* How far the replica is, as acknowledged to the process that feeds it. */
struct queue_acknowledged {
    int64_t batch;  /* all up to this one are durable there */
    int32_t state;  /* enum copy_state */
    int32_t proven; /* 1: its check is known to be that of this database: answers may rely on it */
};

/* Notes it, in memory only, and lets answers go that COPY=sync withheld for it. OK, DOWN, UNKNOWN.
 */
enum queue_result queue_acknowledge(struct queue *queue,
                                    const struct queue_acknowledged *acknowledged);

/* Some items, as they are at a batch: the SHA-256 over them, to be compared with the replica's. */
struct queue_range {
    int64_t batch;
    int64_t first; /* in the order in which they came here, */
    int64_t last;  /* of the last one; 0: there are none from first on */
    uint8_t hash[BATCH_CHECK_SIZE];
};

/* Hashes the next items, from range->first on, from the durable state. OK, DOWN, FAULT. */
enum queue_result queue_hash_items(struct queue *queue, int64_t items, struct queue_range *range);

/* A copy of the database as of the end of the copying, in parts: pages.h. Each part is OK;
 * CONFLICT, a backup is under way; DOWN, UNKNOWN, FAULT: it was broken off. It is the queue's only
 * business from its begin to its end. */
struct pages;
enum queue_result queue_copy_begin(struct queue *queue, struct pages *pages);
enum queue_result queue_copy_next(struct queue *queue, struct pages *pages);
void queue_copy_end(struct queue *queue);

/* Reads an item of the peer in the replica that this node keeps of the peer's database; *wall_ms
 * gets of when that is. OK, NONE, DOWN (also when there is none), FAULT. */
enum queue_result queue_look_replica(struct queue *queue, struct uuid id, struct queue_item *item,
                                     int64_t *wall_ms);

/* --- Pulls that hand out items of both nodes --- */

/* Closes a pull that batch->share called open: rest items are set aside at the peer, 0 when none
 * are to come. OK; NONE, there is no such pull any more; CONFLICT, it was closed with another rest;
 * DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_close {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t settled; /* 1: the peer knows what has become of it; rest is not used */
    int32_t rest;
};
enum queue_result queue_close_pull(struct queue *queue, const struct queue_close *close);

/* What has become of a pull. */
enum pull_fate {
    PULL_UNKNOWN,
    PULL_IS_OPEN,
    PULL_IS_CLOSED /* with rest items of the peer */
};
struct queue_fate {
    int32_t fate; /* enum pull_fate */
    int32_t rest;
};

/* Reads it, from the durable state. OK, DOWN, FAULT. */
enum queue_result queue_pull_fate(struct queue *queue, const uint8_t tag[PULL_TAG_SIZE],
                                  struct queue_fate *fate);

/* At the other node: sets done items aside for a pull of the peer's client; the same tag again
 * gives the same items, and no others once they were handed out. The batch has them as if they were
 * pulled. OK; CONFLICT, its database is superseded; PAUSED, DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_reserve {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t again;                  /* 1: only what is set aside already */
    int32_t node;                   /* the peer */
    struct queue_identity identity; /* of its database */
    int32_t top;                    /* 1..QUEUE_PULL_MAX */
    int32_t oldest;                 /* as in queue_pull */
};
enum queue_result queue_reserve(struct queue *queue, const struct queue_reserve *reserve,
                                struct queue_batch *batch);

/* Ends a reservation by what the peer says of the pull under this epoch: handed out when the pull
 * is closed with as many items as are set aside, freed when it is closed with none or unknown. An
 * answer under an older epoch than that of the reservation says nothing. OK, also when there is
 * none, DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_settle {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t
        known; /* 1: the peer knows that this node has settled it: it is forgotten after a day */
    int32_t node;
    int64_t epoch;
    struct queue_fate fate;
};
enum queue_result queue_settle(struct queue *queue, const struct queue_settle *settle);

struct queue_reservation {
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t settled; /* 1: they were handed out; the peer is to be told */
    int32_t node;
    int64_t epoch;
    int64_t count;
};

/* --- Loans: the right to run one machine more, at the cost of another node's --- */

enum loan_side { LOAN_TAKEN, LOAN_GIVEN };

/* The states of a loan, which follow each other in this order. */
enum loan_state {
    LOAN_WANTED,  /* taken: the peer is being asked for it */
    LOAN_HELD,    /* it counts, on both sides, until its deadline */
    LOAN_RECALLED /* the lender wants it back: it is not renewed any more; taken: it does not count
                     any more, and is kept until no machine needs it */
};

struct queue_loan {
    struct uuid id; /* made by the borrower */
    int32_t node;   /* the peer */
    int32_t side;   /* enum loan_side */
    int32_t state;  /* enum loan_state */
    int32_t reserved;
    int64_t deadline_ms; /* queue clock; 0 while it is only wanted */
};

/* What the scaler decides about a loan. */
enum loan_step {
    LOAN_WANT,   /* a new one, taken, with this id, of this node */
    LOAN_RETURN, /* a taken one is not needed any more: it is forgotten, and so returned */
    LOAN_RECALL  /* a given one is wanted back */
};

struct queue_loan_step {
    struct uuid id;
    int32_t node;
    int32_t step;
};

/* OK also when there is no such loan any more. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_loan(struct queue *queue, const struct queue_loan_step *step);

/* What a peer says each second: that it is there, with which database, and which loans it has or
 * wants of this node. */
struct queue_hello {
    int32_t node; /* the peer */
    int32_t count;
    int64_t nonce; /* of the last answer that it has had; 0: none since it started */
    struct queue_identity identity;
    struct uuid loans[QUEUE_LOANS_MAX];
};

/* A hello counts when it names the nonce of the last answer, of one that counts: whatever was said
 * before that answer came does not, however late it arrives. */
struct queue_hello_answer {
    int32_t counts; /* 0 or 1 */
    int32_t count;  /* of the hello; 0 when it does not count */
    int64_t nonce;  /* that the next one must name */
    /* For each loan in that order, for how long it holds from now on; 0: it is not given, or wanted
     * back. */
    int64_t ttl_ms[QUEUE_LOANS_MAX];
};

/* The lender's side of a hello: loans that are not named are returned, others are given or renewed
 * if this node can spare them. OK, also when it does not count; CONFLICT, its database is older
 * than one that was met before: it is superseded; DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_hello(struct queue *queue, const struct queue_hello *hello,
                              struct queue_hello_answer *answer);

/* The borrower's side: a peer has answered a hello, which counts. sent is what was sent to it, with
 * node the peer's, clock_ms this node's queue clock at sending, from which the ttl counts. The peer
 * counts as heard from. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
struct queue_heard {
    struct queue_hello sent;
    int64_t clock_ms;
    struct queue_hello_answer answer;
};
enum queue_result queue_heard(struct queue *queue, const struct queue_heard *heard);

/* Has every later hello of an older database of the peer's refused: one with this epoch takes its
 * place. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
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
    int64_t incomplete_wall_ms; /* since when the peer's replica lacks what clients were told; 0: it
                                   does not */
    struct queue_identity met;  /* the peer's database, as its last hello said; epoch 0: none */
    int32_t loan_count;
    int32_t reservation_count; /* that are in reservations */
    int64_t reserved_items;    /* of all reservations */
    struct queue_loan loans[QUEUE_LOANS_MAX];
    struct queue_reservation
        reservations[QUEUE_RESERVATIONS_MAX]; /* those for the peer's pulls, in any order */
};

/* A peer is away when it has not answered for this time. */
enum { PEER_AWAY_MS = 3000 };

/* Reads it. Costs none of the engine's writing side, and the same however many items there are. OK,
 * DOWN, FAULT. */
enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers);

/* Reads only the peer's database, as its last hello said; epoch 0: there was none. Each message for
 * the replica asks this. OK, DOWN, FAULT. */
enum queue_result queue_met(struct queue *queue, struct queue_identity *met);

#endif
