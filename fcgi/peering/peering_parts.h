#ifndef HASHMILL_PEERING_PARTS_H
#define HASHMILL_PEERING_PARTS_H

/*
 * The peering process, which talks to the other node. Only its own files include this.
 *
 * Each file uses only those before it:
 *
 *   peering_known.c   what is known of the peer
 *   peering_calls.c   one exchange with it: bodies, replies, complaints
 *   peering_hello.c   says hello
 *   peering_replica.c common to all calls about the replica
 *   peering_copy.c    sends a whole copy, when batches will not do
 *   peering_compare.c compares items with the replica's, some at a time
 *   peering_stream.c  feeds the replica: chooses batches and sends them
 *   peering_unfed.c   with COPY=none: tells the peer that no batches will come
 *   peering_pulls.c   asks for the fate of pulls that have items reserved here
 *   peering_forward.c forwards looks, cancels, counts, polls, lists and reservations to the peer
 *   peering_connections.c the processes whose requests are forwarded
 *   peering.c         the loop
 */

#include <sys/queue.h>

#include "base/child.h"
#include "buffer.h"
#include "http.h"
#include "json.h"
#include "peer_client.h"
#include "queue/batch_log.h"
#include "queue/pages.h"
#include "queue/queue_peers.h"
#include "retry.h"

struct hello {
    struct retry retry;
    struct http_call *call;   /* NULL: none is under way */
    int64_t next_ms;          /* steady time */
    struct queue_heard heard; /* what was sent last, and the answer to it */
    int64_t nonce;            /* of the last answer; 0: there was none */
    bool answered;            /* the last hello was answered, so the next one should count */
    bool told;                /* there was an answer, */
    bool clients;             /* and by the last one the peer tells clients apart */
    int64_t next_warning_ms;  /* steady time: no warning of what the peer lacks before */
};

/* What is being done about the replica. */
enum stream_phase {
    STREAM_QUERY,  /* the peer is asked what it has */
    STREAM_FOLLOW, /* it gets batches */
    STREAM_COPY    /* it gets a copy */
};

struct stream {
    struct retry retry;
    enum stream_phase phase;
    bool sending; /* a message is under way */
    struct batch_reader *reader;
    struct buffer records;   /* records in the message under way */
    int64_t sent;            /* the last batch sent */
    int64_t acked;           /* the replica has all batches up to this one, */
    bool proven;             /* and its check is known to be that of this database */
    int64_t seen;            /* the last batch known to be committed */
    uint64_t ticket;         /* of the wait for the next batch; 0: none */
    int64_t gather_until_ms; /* steady time: wait for more batches until then */
    bool differs;  /* the replica was found to differ, and was not replaced by a copy since */
    bool misfit;   /* the replica refused a batch as another database's, though its identity fits */
    int64_t begun; /* the last batch when the replica began to follow, */
    bool level;    /* and whether the replica has that batch */
    struct queue_acknowledged noted; /* what the queue was told last */
    int64_t next_compare_ms;         /* steady time */
    struct queue_range
        range; /* items to compare once the replica is at the range's batch; batch 0: none */
};

struct copy {
    struct queue *queue; /* of its own, since pages may come at any time */
    struct uuid id;
    int64_t part;
    bool complete;    /* the last part was read */
    bool again;       /* send the part in body again */
    int64_t full_ms;  /* steady time since when the peer has no room for the part; 0: it has */
    int64_t ended_ms; /* steady time of the last success; 0: none */
    int64_t file_bytes;
    struct pages *pages;
    struct buffer body;
};

/* The connection of a process. */
struct connection {
    struct peering *peering;
    int fd; /* -1 once it is gone */
    LIST_ENTRY(connection) all;
};

/* A request to forward to the peer. */
struct forward {
    struct connection *connection;
    uint64_t ticket;
    struct peer_request request;
    struct http_call *call; /* NULL: it was not sent yet */
    bool parked;            /* the look takes up a place at the peer */
    bool asks;              /* it is one of those that are not parked there, and are counted */
    struct poll *poll;      /* the question that it is under way with; NULL: none */
    int64_t until_ms;       /* of a look: steady time at which its wait ends */
    TAILQ_ENTRY(forward) all;
};

/* An item that the peer said not to have. */
struct miss {
    struct uuid id;
    struct queue_whose whose; /* who asked for it */
    int64_t until_ms;         /* steady time: it is not asked again before */
};

/* The last question whether a client has done items at the peer, for its pulls that wait here. */
struct poll {
    char client[QUEUE_NAME_SIZE];
    bool asked;       /* it is under way */
    int64_t until_ms; /* steady time: there are none, and the peer is not asked again before */
};

enum { MISSES = 1024, POLLS = 256, CLIENT_ASKS = 64 };

LIST_HEAD(connections, connection);
TAILQ_HEAD(forwards, forward);

struct peering {
    const struct conf *conf;
    struct http *http;
    struct queue *queue; /* for the verbs that wait for their answer */
    struct queue *watch; /* for the wait for a batch, whose answer must not meet such a verb */
    int listen_fd;
    int epoll_fd;
    int signal_fd;
    bool stopping;
    bool superseded;          /* another database has taken this one's place */
    bool known;               /* peers was read at least once */
    struct queue_peers peers; /* as read last */
    int64_t next_look_ms;     /* steady time: peers is read again */
    int64_t heard_ms;         /* steady time of the peer's last contact, or this process's start */
    int64_t turn_ms;          /* steady time of the last turn of the loop */
    struct hello hello;
    struct stream stream;
    struct copy copy;
    struct retry settling;
    bool settling_sent; /* a message about pulls is under way */
    int64_t next_settle_ms;
    int settling_count;                                             /* pulls in that message, */
    struct queue_reservation settling_what[QUEUE_RESERVATIONS_MAX]; /* in its order */
    int looks;                                                      /* parked at the peer */
    int asks;                           /* looks and cancels under way that are not */
    int64_t next_ask_us;                /* steady time from which on PEER_LOOKS are kept */
    int64_t client_ask_us[CLIENT_ASKS]; /* the same of a client's half, by the hash of its name */
    struct miss misses[MISSES];
    struct poll polls[POLLS]; /* by a hash of the client's name */
    struct connections connections;
    struct connections gone; /* to be freed after this turn */
    struct forwards forwards;
    struct forwards ended; /* to be freed */
    struct json json;      /* of the present reply */
    struct buffer body;    /* of the next request */
    struct peer_message answer;
};

/* --- peering_known.c --- */

/* Reads again what the queue knows of the peer. False when that cannot be read now. */
bool peering_look(struct peering *peering);

/* Notes that the peer has answered. */
void peering_heard(struct peering *peering);

/* Whether the peer has been silent for PEER_AWAY_MS. */
bool peering_is_away(const struct peering *peering);

/* --- peering_calls.c --- */

/* Begins the body of a request in peering->body; the caller adds its members. */
struct buffer *peering_begin(struct peering *peering);

/* Closes the body and posts it to a path of the peer. `done` gets context. */
struct http_call *peering_post(struct peering *peering, const char *path, int64_t timeout_ms,
                               http_done *done, void *context);

/* The same for a hello, which has a connection of its own: nothing that clients ask for is before
 * it. */
struct http_call *peering_post_hello(struct peering *peering, int64_t timeout_ms, http_done *done);

/* Posts bytes to a path whose query begins with the database's identity. */
struct http_call *peering_post_bytes(struct peering *peering, const char *path,
                                     const struct buffer *bytes, http_done *done);

/* Whether the reply is a 200 of the peer; peering->json then has it until the next reply. Else
 * `why` gets what is wrong. Call this first in a `done` that expects a 200. */
bool peering_read_reply(struct peering *peering, const struct http_reply *reply, char *why,
                        size_t why_size);

/* Whether a reply is this problem, and not an error of another server. */
bool peering_is_problem(struct peering *peering, const struct http_reply *reply, int status,
                        const char *name);

/* Note the result of a call, for the back-off. The first failure of a row is logged, and so is the
 * success that ends it. */
void peering_succeeded(struct peering *peering, struct retry *retry, const char *what);
void peering_failed(struct peering *peering, struct retry *retry, const char *what,
                    const char *why);

/* Whether the next call of a kind may be made now. */
bool peering_may_call(const struct peering *peering, const struct retry *retry);

/* --- peering_hello.c --- */

/* Says hello when it is due. */
void peering_hello_turn(struct peering *peering);

/* --- peering_replica.c --- */

/* Writes the path of a call about the replica; the query describes the source database. */
void peering_source(const struct peering *peering, char *path, size_t size, const char *call);

/* Tells the queue the replica's state and replication position. */
void peering_stream_tell(struct peering *peering, int32_t state);

/* Enters a phase, and tells the queue the replica's state. */
void peering_stream_go(struct peering *peering, enum stream_phase phase, int32_t state);

/* Reads the result of a call about the replica. On failure logs the reason, goes back to
 * STREAM_QUERY and returns false. */
bool peering_stream_read(struct peering *peering, const struct http_reply *reply, char *result,
                         size_t size, int64_t *batch);

/* --- peering_stream.c --- */

/* Feeds the replica, unless a message is under way. */
void peering_stream_turn(struct peering *peering);

/* --- peering_copy.c --- */

/* Sends the next part of a copy; begins one when none is under way. */
void peering_copy_turn(struct peering *peering);

/* Gives up the copy under way. */
void peering_copy_end(struct peering *peering);

/* --- peering_unfed.c --- */

/* With COPY=none: tells the peer once that its replica is no longer complete. */
void peering_unfed_turn(struct peering *peering);

/* --- peering_compare.c --- */

/* Reads the next items to compare, when due. Returns the batch that the replica must be at for
 * that: send no later one before. INT64_MAX when nothing is to be compared. */
int64_t peering_compare_batch(struct peering *peering);

/* Has the items compared if the replica is at their batch. Returns whether a message is now under
 * way. */
bool peering_compare_turn(struct peering *peering);

/* --- peering_pulls.c --- */

/* Asks for the fate of pulls, when due. */
void peering_pulls_turn(struct peering *peering);

/* --- peering_forward.c --- */

/* Forwards a request of a process, and answers the process when the peer answers. False when memory
 * is short. */
bool peering_forward_begin(struct connection *connection, const struct peer_message *message);

/* Ends a forward without an answer. */
void peering_forward_end(struct peering *peering, struct forward *forward);

/* Answers all forwards when the peer is away; else sends the unsent ones. */
void peering_forwards_turn(struct peering *peering);

/* Frees the ended forwards. Call it when no event can refer to them any more. */
void peering_forwards_free(struct peering *peering);

/* --- peering_connections.c --- */

/* Accepts connections, reads their requests and serves the forwards, without waiting. */
void peering_connections_turn(struct peering *peering);

/* Closes all connections. */
void peering_connections_close(struct peering *peering);

#endif
