#ifndef HASHMILL_PEER_CLIENT_H
#define HASHMILL_PEER_CLIENT_H

/*
 * The client side of the peering process, which forwards requests of the other processes to the
 * peer: a SEQPACKET unix socket like the writer's channel, with one message for each request and
 * each answer, all of one form.
 *
 * Each process opens its end once, after it was forked, and uses it in one thread. When the peering
 * process goes away, requests under way are answered QUEUE_DOWN.
 */

#include "log.h"
#include "queue/queue_peers.h"

enum { PEER_CLIENT_VERSION = 4 };

/* Items of a page in one message, which is at most as large as one of the channel. */
enum { PEER_LIST_MAX = 600 };

enum { PEER_POLL_MS = 2000 }; /* between two questions for the pulls of a client that wait */

enum peer_request_kind {
    PEER_LOOK,    /* looks at an item of the peer: id, wait_ms; answered with the item */
    PEER_CANCEL,  /* cancels an item of the peer: id, who */
    PEER_COUNT,   /* counts a client's done items at the peer; answered with the number */
    PEER_RESERVE, /* reserves items of the peer for a pull: tag, again, top, oldest, as
                     queue_reserve; answered with the batch */
    PEER_LIST,    /* lists items of the peer: list, with a limit of PEER_LIST_MAX; answered with the
                     page */
    PEER_POLL,  /* for a pull that waits: asks whether its client has done items at the peer, which
                   is asked once in PEER_POLL_MS for all such pulls; answered with 0 if so, else
                   with the number of milliseconds after which to ask again */
    PEER_FORGET /* gives up the request of this ticket; not answered */
};

struct peer_request {
    int32_t kind;    /* enum peer_request_kind */
    int32_t wait_ms; /* how long the look may be parked */
    struct uuid id;
    int32_t top;    /* 1..QUEUE_PULL_MAX */
    int32_t oldest; /* as in queue_pull */
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t again;             /* 1: only items already reserved */
    struct queue_whose whose;  /* of a pull its client's; else whose items may be seen */
    char who[QUEUE_NAME_SIZE]; /* the operator who cancels; "": none does */
    struct queue_list list;
    struct log_request part_of; /* set by peer_client_call and peer_client_start */
};

struct peer_message {
    uint32_t version;
    int32_t result;              /* enum queue_result; of an answer */
    uint64_t ticket;             /* chosen by the process; unique among its requests under way */
    struct peer_request request; /* in an answer, too */
    union {                      /* of an answer that is OK */
        struct queue_item item;
        int64_t number;
        struct queue_batch batch; /* these two are sent up to their last item */
        struct queue_page page;
    } is;
};

/* Opens a client, without connecting yet. The path must outlive the client. Waits at most answer_ms
 * for an answer; for that of a look, for the look's wait as well. NULL only when memory is short.
 */
struct peer_client *peer_client_open(const char *path, int64_t answer_ms);
void peer_client_close(struct peer_client *client);

/* Sends a request and waits for its answer, for a process that does one thing at a time. The result
 * is that of the queue's verb of that name. QUEUE_DOWN: the node, or the peering process, did not
 * answer; outcome unknown. *answer is valid until the next call. */
enum queue_result peer_client_call(struct peer_client *client, const struct peer_request *request,
                                   const struct peer_message **answer);

/* The same for an event loop, with the rules of queue.h's tickets. The descriptor is -1 while there
 * is no connection. These tickets differ from all tickets of a queue. */
uint64_t peer_client_start(struct peer_client *client, const struct peer_request *request);
bool peer_client_is_ticket(uint64_t ticket);
void peer_client_forget(struct peer_client *client, uint64_t ticket);
int peer_client_descriptor(const struct peer_client *client);

/* The next answer, without waiting; false when there is none now. Call it when the descriptor is
 * readable, and at peer_client_due_ms: the steady time at which the first unanswered request is
 * answered QUEUE_DOWN, INT64_MAX without one. */
bool peer_client_next(struct peer_client *client, struct queue_answer *answer);
int64_t peer_client_due_ms(const struct peer_client *client);

/* For both ends. Send a message without blocking; receive one, blocking or not. False when there is
 * no message, and with *gone when the other end is gone or sent an invalid message. */
bool peer_message_send(int fd, const struct peer_message *message);
bool peer_message_receive(int fd, bool block, struct peer_message *message, bool *gone);

#endif
