#ifndef HASHMILL_PEER_CLIENT_H
#define HASHMILL_PEER_CLIENT_H

/*
 * What the other processes ask of the peering process: a SEQPACKET unix socket like the writer's
 * channel, one message for each question and each answer. All messages have one form.
 *
 * Each process opens its end once, after it was forked. One thread. The peering process may go away
 * and come back: what was under way then is answered QUEUE_DOWN.
 */

#include "queue/queue_peers.h"

enum { ASK_VERSION = 2 };

enum ask_kind {
    ASK_LOOK,    /* an item of the peer: id, wait_ms. The answer has the item */
    ASK_CANCEL,  /* to cancel one: id */
    ASK_COUNT,   /* how many done items the peer has: the answer has the number */
    ASK_RESERVE, /* items of the peer for a pull: tag, again, top, oldest, as queue_reserve. The
                    answer has the batch */
    ASK_FORGET   /* the question of this ticket is given up; not answered */
};

struct ask_request {
    int32_t kind;    /* enum ask_kind */
    int32_t wait_ms; /* how long the look may be held */
    struct uuid id;
    int32_t top;    /* 1..QUEUE_PULL_MAX */
    int32_t oldest; /* as in queue_pull */
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t again; /* 1: only what is set aside already */
};

struct ask_message {
    uint32_t version;
    int32_t result;             /* enum queue_result; of an answer */
    uint64_t ticket;            /* chosen by who asks; unique among its questions under way */
    struct ask_request request; /* in an answer, too */
    union {                     /* of an answer that is OK */
        struct queue_item item;
        int64_t number;
        struct queue_batch batch; /* only as much of it as there is is sent */
    } is;
};

/* Connects to nobody yet. The path must outlive it. Whoever asks waits answer_ms for the answer, a
 * look for its wait besides. NULL only when memory is short. */
struct ask *ask_open(const char *path, int64_t answer_ms);
void ask_close(struct ask *ask);

/* Asks and waits for the answer, for a process that does one thing at a time. The result is that of
 * the queue's verb of that name; QUEUE_DOWN when the node, or the peering process, did not answer:
 * whether it was done is then not known. *answer is good until the next call. */
enum queue_result ask_call(struct ask *ask, const struct ask_request *request,
                           const struct ask_message **answer);

/* The same for an event loop, with the rules of queue.h's tickets; the descriptor is -1 while there
 * is no connection. No ticket of an ask is ever one of the queue's. */
uint64_t ask_start(struct ask *ask, const struct ask_request *request);
bool ask_is_ticket(uint64_t ticket);
void ask_forget(struct ask *ask, uint64_t ticket);
int ask_descriptor(const struct ask *ask);

/* The next answer, without waiting; false when there is none now. To be called when the descriptor
 * is readable and at ask_due_ms, steady time, INT64_MAX while nothing is under way: what nobody
 * answers is answered QUEUE_DOWN then. */
bool ask_next(struct ask *ask, struct queue_answer *answer);
int64_t ask_due_ms(const struct ask *ask);

/* For both ends. Send a message without blocking; receive one, blocking or not. False when there is
 * none or the other end is gone (*gone) or not to be trusted (*gone). */
bool ask_send(int fd, const struct ask_message *message);
bool ask_receive(int fd, bool block, struct ask_message *message, bool *gone);

#endif
