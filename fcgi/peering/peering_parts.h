#ifndef HASHMILL_PEERING_PARTS_H
#define HASHMILL_PEERING_PARTS_H

/*
 * The peering process: the one that talks to the other nodes. For its own files only.
 *
 *   peering.c            the loop, and what is known of the peers
 *   peering_talk.c       one exchange with a peer: bodies, replies, complaints
 *   peering_hello.c      says hello to each
 *   peering_copies.c     tells the first one what changes here
 *   peering_restored.c   asks each for all that it has, when this node was restored
 *   peering_transfers.c  brings done items of theirs here
 *   peering_asks.c       what the other processes ask for
 */

#include <sys/queue.h>

#include "ask.h"
#include "backoff.h"
#include "base/child.h"
#include "buffer.h"
#include "http.h"
#include "json.h"
#include "queue/queue_peers.h"

/* How the calls of one kind to one peer fare. */
struct fare {
    struct backoff backoff;
    bool failing;          /* and it was said */
    int64_t not_before_ms; /* steady time */
};

/* What is going on about done items of a peer. */
enum bringing {
    BRINGING_NOTHING,
    BRINGING_COUNT, /* it is asked how many it has */
    BRINGING_ITEMS  /* a transfer is under way */
};

/* A peer, as this process has to do with it. */
struct link {
    struct peering *peering;
    const struct peer *peer;
    unsigned bit;     /* of struct question */
    bool away;        /* it was not heard from, as was read last */
    int64_t heard_ms; /* steady time at which this process heard it last, or began */

    struct fare hello;
    struct http_call *hello_call; /* NULL: none is under way */
    int64_t next_hello_ms;        /* steady time */
    struct queue_heard heard;     /* what was sent last, and the answer to it */
    int64_t nonce;                /* of the last answer; 0: there was none */
    bool answered;                /* the last hello was, so the next one counts */

    bool restored; /* it is to be asked for all its items, */
    struct fare items;
    bool items_asked;  /* and is being, */
    int64_t items_seq; /* for those behind this one; */
    int64_t items_got; /* so many have come */

    int looks; /* that it is asked to hold */

    struct fare transfer;
    enum bringing bringing;
    bool saved_unread; /* the database may hold one that is not below */
    bool has_saved;    /* a transfer that was asked for and not answered: */
    struct queue_transfer saved;
    bool for_questions; /* it was begun for the questions that wait, not for earlier ones */
};

/* A process that asks. */
struct asker {
    struct peering *peering;
    int fd; /* -1 once it is gone */
    LIST_ENTRY(asker) all;
};

/* A question under way. */
struct question {
    struct asker *asker;
    uint64_t ticket;
    struct ask_request request;
    struct link *link;      /* of a look or cancel: the peer that is asked */
    struct http_call *call; /* the same; NULL: it was not passed on yet */
    bool held;              /* the look takes up a place at its peer */
    int64_t until_ms;       /* of a look: steady time at which its wait ends */
    unsigned links;         /* of a fetch: bits of the links that are not through with it */
    int64_t missing;        /* of a fetch: how many items are still wanted */
    TAILQ_ENTRY(question) all;
};

LIST_HEAD(askers, asker);
TAILQ_HEAD(questions, question);

struct copying_state {
    struct fare fare;
    struct queue_place place; /* up to here the peer has everything */
    struct queue_place next;  /* the same when the message under way is acknowledged */
    int64_t complete;         /* all changes up to this one are read by next */
    int64_t told;             /* what the queue was told last */
    int64_t seen;             /* the last change that the queue has spoken of */
    uint64_t ticket;          /* of the wait for a change; 0: none */
    int64_t gather_until_ms;  /* steady time: more changes are waited for until then */
    bool begun;               /* place is known */
    bool sending;
    struct queue_copies copies;
};

struct peering {
    const struct conf *conf;
    struct http *http;
    struct queue *queue; /* for the verbs that wait for their answer */
    struct queue *watch; /* for the wait for a change, whose answer must not meet one of theirs */
    int listen_fd;
    int epoll_fd;
    int signal_fd;
    bool stopping;
    bool known;               /* peers was read at least once */
    struct queue_peers peers; /* as read last */
    int64_t next_look_ms;     /* steady time at which they are read again */
    int link_count;
    struct link links[PEERS_MAX];
    struct copying_state copying;
    struct askers askers;
    struct askers gone; /* to be freed when no event can be about them any more */
    struct questions questions;
    struct questions ended; /* to be freed */
    struct json json;       /* of the reply at hand */
    struct buffer body;     /* of the request at hand */
    struct queue_copies items;
};

/* --- peering.c --- */

/* Reads anew what is known of the peers. False when it cannot be read now. */
bool peering_look(struct peering *peering);

/* Whether the peer was not heard from for PEER_AWAY_MS. */
bool peering_is_away(const struct link *link);

/* --- peering_talk.c --- */

/* Begins the body of a request in peering->body; its own members follow. */
struct buffer *peering_begin(struct peering *peering);

/* Closes the body and posts it to a path of the peer. done gets context. */
struct http_call *peering_post(struct link *link, const char *path, int64_t timeout_ms,
                               http_done *done, void *context);

/* Whether the reply is a 200 of that peer; it is then parsed in peering->json, until the next one.
 * Else why gets what is wrong with it. To be called first in every done. */
bool peering_read_reply(struct link *link, const struct http_reply *reply, char *why,
                        size_t why_size);

/* Whether a reply is the problem of that name, not something that another server said. */
bool peering_is_problem(struct link *link, const struct http_reply *reply, int status,
                        const char *name);

/* Notes how a call went: the next after a failure comes later and later. The first failure of a row
 * is said in the log, and its end. */
void peering_fare_well(struct link *link, struct fare *fare, const char *what);
void peering_fare_badly(struct link *link, struct fare *fare, const char *what, const char *why);

/* --- peering_hello.c --- */

/* Says hello to every peer that it is time for. */
void peering_hello_turn(struct peering *peering);

/* --- peering_copies.c --- */

/* Tells what has changed, if nothing is under way. */
void peering_copies_turn(struct peering *peering);

/* --- peering_restored.c --- */

/* Asks peers for items that this node lacks since it was restored. */
void peering_restored_turn(struct peering *peering);

/* --- peering_transfers.c --- */

/* Begins to bring done items for a question; answers it when there is nothing to be brought. */
void peering_fetch(struct peering *peering, struct question *question);

/* Asks again for transfers that were not answered. */
void peering_transfers_turn(struct peering *peering);

/* Whether a transfer is under way. */
bool peering_transfers_busy(const struct peering *peering);

/* --- peering_asks.c --- */

/* Takes what the processes ask, without waiting. */
void peering_asks_turn(struct peering *peering);

/* Sends the answer (item: of a look) and ends the question. */
void peering_answer(struct peering *peering, struct question *question, enum queue_result result,
                    const struct queue_item *item);

/* Closes all connections. */
void peering_asks_close(struct peering *peering);

#endif
