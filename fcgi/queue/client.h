#ifndef HASHMILL_CLIENT_H
#define HASHMILL_CLIENT_H

/* The queue's client side, for every process but the writer. Shared by client.c (the channel, most
 * verbs), tickets.c (those of event loops), client_peers.c and client_operators.c (the verbs of
 * those headers) and client_backup.c. */

#include "base/conf.h"
#include "channel.h"
#include "queue.h"
#include "reader.h"

/* A verb of an event loop under way. A free ticket has operation OPERATION_COUNT. */
struct ticket {
    enum operation operation;
    uint16_t generation; /* tells apart the uses of this place */
    bool forgotten;      /* nobody wants the answer any more */
    bool unsent;         /* no room in the channel, or no channel */
    bool lost;           /* sent when the channel broke off: nobody knows whether it was done */
    int64_t until_ms;    /* steady time at which its wait ends */
    union {
        struct queue_lease lease;
        struct channel_look look;
        struct queue_whose whose; /* of a wait for what is done */
        int64_t seen;             /* of a watch */
        struct queue_enqueue enqueue;
    };
    struct log_request request;
};

struct queue {
    const struct conf *conf;
    const char *channel; /* path of the writer's socket */
    int64_t operation_ms;
    struct reader *reader;
    struct reader *replica; /* of the peer's database; NULL until it is used */
    int fd;                 /* the channel, -1 while it is not connected */
    uint64_t last_id;
    struct ticket *tickets;
    int ticket_count; /* places in tickets */
    int under_way;    /* places in use */
    int unsent;       /* tickets not sent yet */
    int changes;      /* enqueues under way: they end by themselves, in time */
    int64_t look_ms;  /* steady time at which they are looked at for that */
    struct channel_message message;
};

/* Sends an operation and waits for its answer; copies the answer's body when OK. Reconnects once if
 * the channel turns out to be dead before anything was sent. UNKNOWN, with the channel closed, when
 * the writer goes away, is too late, or gives another answer: a late answer must never meet another
 * operation. */
enum queue_result client_call(struct queue *queue, enum operation operation, const void *body,
                              size_t body_size, void *answer, size_t answer_size);

/* The same, for an answer that is a batch. */
enum queue_result client_call_batch(struct queue *queue, enum operation operation, const void *body,
                                    size_t body_size, struct queue_batch *batch);

/* Closes the channel, if it is open. */
void client_disconnect(struct queue *queue);

/* Takes a free ticket, to be filled and sent. */
struct ticket *client_ticket(struct queue *queue, enum operation operation, int64_t wait_ms);

/* Sends a ticket's operation if the channel is open and has room; else queue_next tries again.
 * Returns the ticket's number. */
uint64_t client_send(struct queue *queue, struct ticket *ticket);

#endif
