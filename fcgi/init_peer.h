#ifndef HASHMILL_INIT_PEER_H
#define HASHMILL_INIT_PEER_H

/* What hashmill-fcgi --init asks the peer: which replica of this node's database it has, and the
 * replica's bytes. Each call waits for its answer. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "queue/queue_peers.h"

struct init_peer;

/* How the peer answered. */
enum init_reply {
    INIT_ANSWERED,
    INIT_AWAY,    /* no answer came */
    INIT_LATER,   /* the peer is just starting */
    INIT_HEARD,   /* it still hears this node's server, which must be stopped first */
    INIT_OLDER,   /* it knows an epoch as high: after another take, or one whose answer got lost */
    INIT_NONE,    /* it has no such replica any more */
    INIT_NONSENSE /* it does not know the call or the token, or its answer is invalid */
};

struct init_replica {
    bool there;
    bool complete;
    bool bad;              /* no batch fits any more */
    int64_t heard_seconds; /* since that database's last contact; -1: none since the peer's start */
    int64_t wall_ms;       /* of its last batch */
    int64_t batch;
    struct queue_identity identity;
};

struct init_answer {
    struct init_replica replica;
    struct queue_identity known; /* the last database of this node that it met; epoch 0: none */
};

/* The replica as a file. */
struct init_file {
    struct queue_identity identity;
    int64_t batch;
    int64_t bytes;
};

/* conf must outlive the result. NULL after logging why. */
struct init_peer *init_peer_open(const struct conf *conf);
void init_peer_close(struct init_peer *peer);

/* Asks what the peer has, for timeout_ms at most. */
enum init_reply init_peer_query(struct init_peer *peer, int64_t timeout_ms,
                                struct init_answer *answer);

/* Has the peer prepare its replica of this database to be read, under this epoch, a higher one. */
enum init_reply init_peer_take(struct init_peer *peer, const struct queue_identity *identity,
                               struct init_file *file);

/* Reads bytes of that file, as many as the peer sends at once, at least one after INIT_ANSWERED.
 * They are valid until the next call. */
enum init_reply init_peer_read(struct init_peer *peer, const struct init_file *file, int64_t at,
                               const char **bytes, size_t *length);

/* Why the last call failed, for people. */
const char *init_peer_why(const struct init_peer *peer);

/* Waits for ms milliseconds. */
void init_peer_pause(struct init_peer *peer, int ms);

#endif
