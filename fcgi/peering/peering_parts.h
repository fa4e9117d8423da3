#ifndef HASHMILL_PEERING_PARTS_H
#define HASHMILL_PEERING_PARTS_H

/*
 * The peering process: the one that talks to the other node. For its own files only.
 *
 * Each file uses those before it only:
 *
 *   peering_known.c   what is known of the peer
 *   peering_calls.c   one exchange with it: bodies, replies, complaints
 *   peering_hello.c   says hello
 *   peering_replica.c what all calls about the replica have in common
 *   peering_copy.c    sends a whole copy, when batches will not do
 *   peering_compare.c compares items with the replica's, some at a time
 *   peering_stream.c  feeds the replica: which batches it is to have, and sends them
 *   peering_unfed.c   says that there will be no more, with COPY=none
 *   peering_pulls.c   asks for the fate of pulls for which items are reserved here
 *   peering_forward.c forwards looks, cancels, counts and reservations to the peer
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
    bool answered;            /* the last hello was, so the next one counts */
};

/* What is going on about the replica. */
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
    struct buffer records;   /* under way */
    int64_t sent;            /* the last one that was sent */
    int64_t acked;           /* the replica has all up to this one, */
    bool proven;             /* and its check is known to be that of this database */
    int64_t seen;            /* the last committed one that is known of */
    uint64_t ticket;         /* of the wait for the next; 0: none */
    int64_t gather_until_ms; /* steady time: more batches are waited for until then */
    bool differs;            /* it was found to differ, and no copy has taken its place since */
    bool misfit;   /* it took a batch for one of another database, though it is of this one */
    int64_t begun; /* the last batch when it began to follow, */
    bool level;    /* which it has by now */
    struct queue_acknowledged noted; /* by the queue, last */
    int64_t next_compare_ms;         /* steady time */
    struct queue_range
        range; /* of items to be compared when the replica is at its batch; 0: none */
};

struct copy {
    struct queue *queue; /* of its own: its pages come at any time */
    struct uuid id;
    int64_t part;
    bool complete;    /* the last part was read */
    bool again;       /* the part in body is to be sent once more: */
    int64_t full_ms;  /* steady time since when there is no room for it; 0: there is */
    int64_t ended_ms; /* steady time: when the last one ended well; 0: none has */
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

/* A request that is forwarded to the peer. */
struct forward {
    struct connection *connection;
    uint64_t ticket;
    struct peer_request request;
    struct http_call *call; /* NULL: it was not sent yet */
    bool parked;            /* the look takes up a place at the peer */
    int64_t until_ms;       /* of a look: steady time at which its wait ends */
    TAILQ_ENTRY(forward) all;
};

LIST_HEAD(connections, connection);
TAILQ_HEAD(forwards, forward);

struct peering {
    const struct conf *conf;
    struct http *http;
    struct queue *queue; /* for the verbs that wait for their answer */
    struct queue *watch; /* for the wait for a batch, whose answer must not meet one of theirs */
    int listen_fd;
    int epoll_fd;
    int signal_fd;
    bool stopping;
    bool superseded;          /* another database has taken this one's place */
    bool known;               /* peers was read at least once */
    struct queue_peers peers; /* as read last */
    int64_t next_look_ms;     /* steady time at which they are read again */
    int64_t heard_ms; /* the same: of the peer's last answer, or the start of this process */
    int64_t turn_ms;  /* of the last turn of the loop */
    struct hello hello;
    struct stream stream;
    struct copy copy;
    struct retry settling;
    bool settling_sent; /* a message about pulls is under way */
    int64_t next_settle_ms;
    int settling_count;                                             /* of the pulls in it, */
    struct queue_reservation settling_what[QUEUE_RESERVATIONS_MAX]; /* in its order */
    int looks;                                                      /* parked at the peer */
    struct connections connections;
    struct connections gone; /* to be freed after this turn */
    struct forwards forwards;
    struct forwards ended; /* to be freed */
    struct json json;      /* of the reply at hand */
    struct buffer body;    /* of the request at hand */
    struct peer_message answer;
};

/* --- peering_known.c --- */

/* Reads again what is known of the peer. False when it cannot be read now. */
bool peering_look(struct peering *peering);

/* Notes that the peer has answered: it is reachable. */
void peering_heard(struct peering *peering);

/* Whether it has not answered for PEER_AWAY_MS. */
bool peering_is_away(const struct peering *peering);

/* --- peering_calls.c --- */

/* Begins the body of a request in peering->body; its own members follow. */
struct buffer *peering_begin(struct peering *peering);

/* Closes the body and posts it to a path of the peer. done gets context. */
struct http_call *peering_post(struct peering *peering, const char *path, int64_t timeout_ms,
                               http_done *done, void *context);

/* Posts bytes to a path, which has a query that begins with the database's identity. */
struct http_call *peering_post_bytes(struct peering *peering, const char *path,
                                     const struct buffer *bytes, http_done *done);

/* Whether the reply is a 200 of the peer; it is then parsed in peering->json, until the next one.
 * Else why gets what is wrong with it. To be called first in every done. */
bool peering_read_reply(struct peering *peering, const struct http_reply *reply, char *why,
                        size_t why_size);

/* Whether a reply is the problem of that name, not something that another server said. */
bool peering_is_problem(struct peering *peering, const struct http_reply *reply, int status,
                        const char *name);

/* Notes how a call went: the next after a failure comes later and later. The first failure of a row
 * is said in the log, and its end. */
void peering_succeeded(struct peering *peering, struct retry *retry, const char *what);
void peering_failed(struct peering *peering, struct retry *retry, const char *what,
                    const char *why);

/* Whether it is time for the next call of a kind. */
bool peering_may_call(const struct peering *peering, const struct retry *retry);

/* --- peering_hello.c --- */

/* Says hello when it is time for it. */
void peering_hello_turn(struct peering *peering);

/* --- peering_replica.c --- */

/* Writes the path of a call of the replica, with what is said of its source in the query. */
void peering_source(const struct peering *peering, char *path, size_t size, const char *call);

/* Tells the queue how the replica fares. */
void peering_stream_tell(struct peering *peering, int32_t state);

/* Goes on in a phase; the queue is told how the replica fares. */
void peering_stream_go(struct peering *peering, enum stream_phase phase, int32_t state);

/* Reads the result of a call of the replica. False with the reason, after which the peer is asked
 * again for what it has. */
bool peering_stream_read(struct peering *peering, const struct http_reply *reply, char *result,
                         size_t size, int64_t *batch);

/* --- peering_stream.c --- */

/* Feeds the replica, if nothing is under way. */
void peering_stream_turn(struct peering *peering);

/* --- peering_copy.c --- */

/* Sends the next part of a copy; begins one when none is under way. */
void peering_copy_turn(struct peering *peering);

/* Gives the copy up that is under way. */
void peering_copy_end(struct peering *peering);

/* --- peering_unfed.c --- */

/* Tells the peer, with COPY=none, that its replica is not complete; once. */
void peering_unfed_turn(struct peering *peering);

/* --- peering_compare.c --- */

/* Reads the next items to be compared, when it is time. The batch behind which nothing is to be
 * sent before they are; INT64_MAX without one. */
int64_t peering_compare_batch(struct peering *peering);

/* Has them compared if the replica is at their batch. Whether a message is under way now. */
bool peering_compare_turn(struct peering *peering);

/* --- peering_pulls.c --- */

/* Asks for the fate of pulls. */
void peering_pulls_turn(struct peering *peering);

/* --- peering_forward.c --- */

/* Forwards a request of a process, and answers it when the peer has. False when memory is short. */
bool peering_forward_begin(struct connection *connection, const struct peer_message *message);

/* Ends one without an answer. */
void peering_forward_end(struct peering *peering, struct forward *forward);

/* Answers all when the peer is away; else sends those that were not sent yet. */
void peering_forwards_turn(struct peering *peering);

/* Frees those that have ended; called when no event can be about them any more. */
void peering_forwards_free(struct peering *peering);

/* --- peering_connections.c --- */

/* Accepts connections and reads their requests, without waiting; sees to those under way. */
void peering_connections_turn(struct peering *peering);

/* Closes all connections. */
void peering_connections_close(struct peering *peering);

#endif
