#ifndef HASHMILL_CLIENT_H
#define HASHMILL_CLIENT_H

/* The queue as every process but the writer sees it. What its files share: client.c (the channel,
 * tickets, most verbs), client_peers.c (the verbs of queue_peers.h), client_backup.c. */

#include "base/conf.h"
#include "channel.h"
#include "queue.h"
#include "reader.h"

/* A lease, look or watch under way. A free one has operation OPERATION_COUNT. */
struct ticket {
    enum operation operation;
    uint16_t generation;      /* makes each use of this place another ticket */
    bool forgotten;           /* nobody wants the answer any more */
    bool unsent;              /* there was no room in the channel, or no channel */
    int64_t until_ms;         /* steady time at which its wait ends */
    struct queue_lease lease; /* of a lease */
    struct uuid item;         /* of a look */
    int64_t seen;             /* of a watch */
};

struct queue {
    const struct conf *conf;
    const char *channel; /* path of the writer's socket */
    int64_t operation_ms;
    struct reader *reader;
    struct reader *replica; /* of the peer's database; NULL until it is looked at */
    int fd;                 /* the channel, -1 while it is not connected */
    uint64_t last_id;
    struct ticket *tickets;
    int ticket_count; /* places in tickets */
    int under_way;    /* places in use */
    int unsent;       /* of them, not sent yet */
    struct channel_message message;
};

/* Starts queue->message for an operation of one answer; its body is the caller's to fill. */
void client_start(struct queue *queue, enum operation operation);

/* Sends queue->message and waits for its answer, which replaces it. A channel that turns out to be
 * dead before anything was sent is opened anew, once. */
enum queue_result client_call(struct queue *queue);

/* Waits for an answer to the operation of this id that was sent. UNKNOWN, with the channel closed,
 * when the writer goes away or is too late: a later answer must never meet another operation. */
enum queue_result client_await(struct queue *queue, uint64_t id, int operation);

/* Copies the batch of an answer with this result, when it is OK; gives the result. */
enum queue_result client_take_batch(struct queue *queue, enum queue_result result,
                                    struct queue_batch *batch);

/* A free ticket; to be filled and sent. */
struct ticket *client_ticket(struct queue *queue, enum operation operation, int64_t wait_ms);

/* Sends a ticket's operation if there is a channel and room in it; queue_next tries again. Its
 * number. */
uint64_t client_send(struct queue *queue, struct ticket *ticket);

#endif
