#ifndef HASHMILL_QUEUE_PEERS_H
#define HASHMILL_QUEUE_PEERS_H

/*
 * What the queue keeps for this node's peers and learns from them: copies of items, transfers,
 * loans of workers. Part of queue.h, for those who need it.
 *
 * Every item has a home, the node that offers it to workers and hands it out; at first the one that
 * took it in. Other nodes may keep a copy, which sleeps as long as its home is heard from. A
 * transfer makes another node an item's home. What two nodes know of an item merges: see merge.h.
 */

#include "queue.h"

enum {
    QUEUE_COPIES_MAX = 200, /* items in one message of copies or in one transfer */
    QUEUE_LOANS_MAX = 64,   /* loans of one node, given and taken */
    QUEUE_TRANSFERS_MAX = 16,
    QUEUE_TIMES_MAX = 1 << 30, /* moves and trials of an item: far from the end of int32_t */
    QUEUE_PULL_TAG_SIZE = 19
};

/* An item as nodes tell each other of it. */
struct queue_copy {
    struct uuid id;
    uint8_t digest[DIGEST_SIZE];
    uint8_t chain[DIGEST_SIZE];
    int64_t iterations;
    int64_t remaining;
    int64_t enqueued_wall_ms;
    int64_t completed_wall_ms; /* 0 unless done or pulled */
    int32_t state;             /* enum item_state, never ITEM_LEASED */
    int32_t home;              /* NODE of its home */
    int32_t moves;             /* how often its home changed */
    int32_t trial; /* how often it was begun anew because two different chains turned up */
    uint8_t has_pull;
    uint8_t pull[QUEUE_PULL_TAG_SIZE]; /* of the keyed pull that handed it out */
    char key[QUEUE_KEY_SIZE];          /* of its enqueue; "" for none */
};

struct queue_copies {
    int32_t node; /* who tells */
    int32_t count;
    struct queue_copy items[QUEUE_COPIES_MAX];
};

/* --- Copies: what has changed here and is to be told --- */

/* A place in the order of changes. Every batch of the engine that changes something to be told has
 * a number; an item's place is that of its last change. */
struct queue_place {
    int64_t change;
    int64_t seq; /* of the item within it */
};

/* Reads, from the durable state, the items that changed after *place, in order, at most
 * QUEUE_COPIES_MAX; moves *place behind the last of them. *complete gets the last change of which
 * all items have been read by now. copies->count is 0 when there are none. OK, DOWN, FAULT. */
enum queue_result queue_changed(struct queue *queue, struct queue_place *place, int64_t *complete,
                                struct queue_copies *copies);

/* A ticket that is answered, OK with answer->number the last change, when there is one after seen;
 * NONE when wait_ms have passed. */
uint64_t queue_start_change(struct queue *queue, int64_t seen, int64_t wait_ms);

/* Notes that the peer that copies go to has acknowledged all changes up to this one. OK, DISK_FULL,
 * DOWN, UNKNOWN, FAULT. */
enum queue_result queue_told(struct queue *queue, int node, int64_t change);

/* Reads, from the durable state, the items behind *seq in the order in which they came here, moves
 * *seq behind the last of them. Fewer than QUEUE_COPIES_MAX: there are no more. OK, DOWN, FAULT. */
enum queue_result queue_items(struct queue *queue, int64_t *seq, struct queue_copies *copies);

/* Notes that a peer was asked for all its items since this node was restored: see
 * queue_peer. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_caught_up(struct queue *queue, int node);

/* Takes what a peer tells. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_merge(struct queue *queue, const struct queue_copies *copies);

/* --- Transfers: done items become this node's --- */

struct queue_transfer {
    struct uuid id; /* made by the node that asks */
    int32_t node;   /* the other one: whom it asks; whom it is given to */
    int32_t top;    /* 1..QUEUE_COPIES_MAX */
    int32_t oldest; /* as in queue_pull */
    int32_t copies; /* to queue_give: 1 when the asking node will tell what becomes of them */
};

/* Saves that a transfer is asked for, before it is. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_transfer_begin(struct queue *queue, const struct queue_transfer *transfer);

/* Gives done items of this node away: the asking node is their home from now on. The same transfer
 * again gives the same items. items->node is this node. OK, DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_give(struct queue *queue, const struct queue_transfer *transfer,
                             struct queue_copies *items);

/* Takes what a transfer has brought: done items of this node. The saved transfer is over. OK,
 * DISK_FULL, DOWN, UNKNOWN, FAULT. */
enum queue_result queue_transfer_end(struct queue *queue, struct uuid id,
                                     const struct queue_copies *items);

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

/* What a peer says each second: that it is there, and which loans it has or wants of this node. */
struct queue_hello {
    int32_t node; /* the peer */
    int32_t count;
    int64_t nonce; /* of the last answer that it has had; 0: none since it started */
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
 * if this node can spare them. OK, also when it does not count, DISK_FULL, DOWN, UNKNOWN, FAULT. */
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

/* --- What is known of the peers --- */

struct queue_peer {
    int32_t node;
    int32_t away;     /* 1: it was not heard from for PEER_AWAY_MS */
    int32_t restored; /* 1: this node was restored (from a backup, by --recover) and has not asked
                         it for all its items; until then nothing is handed out and no item with a
                         key stored, unless it is away */
    int32_t reserved;
    int64_t heard_ms; /* queue clock: when it answered last; -1: never */
    int64_t told;     /* the last change that it has acknowledged; of the one that copies go to */
    int64_t kept_waiting; /* items kept for it that are waiting or leased here */
    int64_t kept_done;
    int64_t kept_remaining;
};

struct queue_peers {
    int64_t clock_ms; /* the queue clock as saved last */
    int64_t change;   /* the last change */
    int64_t faults;   /* items of which two different chains turned up, ever */
    int32_t count;
    int32_t loan_count;
    int32_t transfer_count; /* that were asked for and not answered */
    int32_t reserved;
    struct queue_peer peers[QUEUE_PEERS_MAX]; /* in the order of the setting */
    struct queue_loan loans[QUEUE_LOANS_MAX];
    struct queue_transfer transfers[QUEUE_TRANSFERS_MAX];
};

/* A peer that has not answered for so long is away: its items are offered to workers here. */
enum { PEER_AWAY_MS = 3000 };

/* Reads it. Costs none of the engine's writing side, and the same however many items there are. OK,
 * DOWN, FAULT. */
enum queue_result queue_peers(struct queue *queue, struct queue_peers *peers);

/* Reads an item, like queue_look, and the NODE of its home. */
enum queue_result queue_look_home(struct queue *queue, struct uuid id, struct queue_item *item,
                                  int *home);

#endif
